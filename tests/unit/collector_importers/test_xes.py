"""XES: every kind of attribute, the standard extensions, classifiers, transitions, and documents that mean harm."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.importers import ImportReport, build_mapping, import_file
from core import ManualClock
from core.errors import InvalidInput

Read = Callable[..., ImportReport]


@pytest.fixture
def read(tmp_path: Path, clock: ManualClock, kept: Any) -> Read:
    """Imports a document, or the traces of one, into `kept`."""

    def run(text: str | bytes, **options: Any) -> ImportReport:
        content = text.encode() if isinstance(text, str) else text
        path = tmp_path / "log.xes"
        path.write_bytes(content)
        mapping = build_mapping(stream="s", kind="xes", **options)
        return import_file(path, mapping, kept, clock=clock, quarantine=tmp_path / "quarantine")

    return run


def log(*traces: str, head: str = "") -> str:
    return f'<log xmlns="http://www.xes-standard.org/">\n{head}{"".join(traces)}</log>'


def trace(case: str, *events: str, more: str = "") -> str:
    return f'<trace><string key="concept:name" value="{case}"/>{more}{"".join(events)}</trace>\n'


def event(name: str, time: str = "2020-01-01T00:00:00Z", transition: str = "", more: str = "") -> str:
    life = f'<string key="lifecycle:transition" value="{transition}"/>' if transition else ""
    date = f'<date key="time:timestamp" value="{time}"/>'
    return f'<event><string key="concept:name" value="{name}"/>{date}{life}{more}</event>'


def test_an_event_has_what_the_extensions_say(read: Read, kept: Any) -> None:
    more = (
        '<string key="org:resource" value="Ann"/><float key="cost:total" value="12.5"/>'
        '<string key="cost:currency" value="EUR"/><int key="n" value="-3"/><boolean key="ok" value="true"/>'
        '<id key="identity:id" value="f81d4fae"/><date key="due" value="2020-01-02"/><string key="empty" value=""/>'
    )
    report = read(
        log(trace("7", event("pay", "2020-01-01T01:00:00+01:00", more=more), more='<int key="w" value="9"/>'))
    )
    (record,) = kept.records
    assert record == {
        "name": "pay", "time": 1_577_836_800 * 10**9, "body": "log.xes", "service.name": "import",
        "retail.stream": "s", "retail.case.id": "7", "retail.step": "pay", "retail.seq": "1",
        "retail.event.id": f"{report.source}:1", "retail.resource": "Ann", "retail.amount": "12.5",
        "retail.currency": "EUR", "n": "-3", "ok": "true", "identity:id": "f81d4fae", "due": "2020-01-02",
        "case:w": "9",
    }  # fmt: skip


def test_nested_attributes_are_paths_and_lists_are_json(read: Read, kept: Any) -> None:
    more = (
        '<string key="a" value="1"><string key="b" value="2"><int key="c" value="3"/></string></string>'
        '<container key="box"><string key="in" value="x"/></container>'
        '<list key="l"><values><string key="k" value="1"><int key="m" value="2"/></string>'
        '<list key="n"><values><int key="o" value="5"/></values></list><int key="k" value="4"/></values></list>'
        '<list key="none"><values/></list><string key="after" value="y"/>'
    )
    read(log(trace("1", event("e", more=more))))
    (record,) = kept.records
    found = {key: record.get(key) for key in ("a", "a/b", "a/b/c", "box/in", "after", "none", "k")}
    assert found == {"a": "1", "a/b": "2", "a/b/c": "3", "box/in": "x", "after": "y", "none": None, "k": None}
    assert json.loads(record["l"]) == [{"k": "1", "k/m": "2"}, {"n": '[{"o": "5"}]'}, {"k": "4"}]


def test_attributes_that_appear_later_are_kept(read: Read, kept: Any) -> None:
    """Columns grow; the events before have nothing there."""
    later = '<string key="x" value="1"/>'
    read(log(trace("1", event("a"), event("b", more=later)), trace("2", event("c"), more=later)))
    found = [(record["name"], record.get("x"), record.get("case:x")) for record in kept.records]
    assert found == [("a", None, None), ("b", "1", None), ("c", None, "1")]


def test_another_prefix_for_a_standard_extension(read: Read, kept: Any) -> None:
    head = '<extension name="Concept" prefix="c" uri="http://www.xes-standard.org/concept.xesext"/>'
    read(log('<trace><string key="c:name" value="1"/><event><string key="c:name" value="a"/>'
             '<date key="time:timestamp" value="2020-01-01"/></event></trace>', head=head))  # fmt: skip
    assert [(record["retail.case.id"], record["name"]) for record in kept.records] == [("1", "a")]


def test_globals_are_declarations_and_fill_no_gap(read: Read, kept: Any) -> None:
    head = '<global scope="event"><string key="concept:name" value="UNKNOWN"/></global><string key="origin" value="x"/>'
    report = read(log(trace("1", '<event><date key="time:timestamp" value="2020-01-01"/></event>'), head=head))
    assert (report.rejected, kept.records) == (1, [])
    assert "'concept:name' (the activity) is empty" in report.rejections[0].reason


def test_a_case_id_behind_its_events_is_found(read: Read, kept: Any) -> None:
    text = f'<log>\n<trace>{event("a")}{event("b")}<string key="concept:name" value="7"/>{event("c")}</trace></log>'
    read(text)
    assert [(r["retail.case.id"], r["name"], r["retail.seq"]) for r in kept.records] == [
        ("7", "a", "1"),
        ("7", "b", "2"),
        ("7", "c", "3"),
    ]


def test_broken_events_are_told_with_their_line(read: Read, kept: Any) -> None:
    events = [
        event("good"), event("x", "soon"), '<event><date key="time:timestamp" value="2020-01-01"/></event>',
        event("y", more='<string value="no key"/>'), event("z", more='<string key="no value"/>'),
        event("w", more=f'<string key="long" value="{"x" * 131_073}"/>'),
    ]  # fmt: skip
    report = read(log(trace("1", "\n".join(events)), "\n<trace>" + event("no case") + "</trace>", event("no trace")))
    assert [record["name"] for record in kept.records] == ["good"]
    assert [(r.line, r.row, r.reason) for r in report.rejections] == [
        (3, 2, "'time:timestamp': 'soon' is not an ISO 8601 time; give timestamp_format if it is another"),
        (4, 3, "'concept:name' (the activity) is empty"),
        (5, 4, "a string has no key"),
        (6, 5, "'no value' has no value"),
        (7, 6, "'long' is longer than 131072 characters"),
        (9, 7, "'case:concept:name' (the case) is empty"),
        (9, 8, "stands in no trace, so it belongs to no case"),
    ]
    assert report.rows == report.used + report.skipped + report.rejected == 8


def test_a_classifier_makes_the_activity(read: Read, kept: Any) -> None:
    head = (
        '<classifier name="Both" keys="concept:name lifecycle:transition"/>'
        "<classifier name=\"Spaced\" keys=\"'a key' concept:name\"/><classifier name='T' scope='trace' keys='x'/>"
    )
    text = log(trace("1", event("a", transition="start", more='<string key="a key" value="v"/>')), head=head)
    read(text, classifier="Both")
    read(text, classifier="Spaced")
    assert [record["name"] for record in kept.records] == ["a+start", "v+a"]
    with pytest.raises(InvalidInput, match="no classifier 'Boht'; the log has 'Both', 'Spaced'; did you mean 'Both'"):
        read(text, classifier="Boht")
    with pytest.raises(InvalidInput, match="either a classifier"):
        read(text, classifier="Both", columns={"activity": "concept:name"})


def life(*steps: str) -> str:
    """`+a` starts, `-a` completes, anything else is a transition of its own; one minute apart."""
    names = {"+": "start", "-": "COMPLETE", "s": "schedule", "x": "ate_abort"}
    return trace("1", *(event(s[1:], f"2020-01-01T00:{n:02}:00Z", names[s[0]]) for n, s in enumerate(steps)))


@pytest.mark.parametrize(
    ("mode", "steps", "found"),
    [
        pytest.param("all", ["sa", "+a", "-a"], ["a@0", "a@1", "a@2"], id="all: every event is a step"),
        pytest.param("complete", ["sa", "+a", "-a"], ["a@2"], id="complete: completions only"),
        pytest.param("pairs", ["+a", "-a"], ["a@1 from 0"], id="a pair is one step"),
        pytest.param("pairs", ["+a", "+b", "-a", "-b"], ["a@2 from 0", "b@3 from 1"], id="pairs overlap"),
        pytest.param("pairs", ["+a", "+a", "-a", "-a"], ["a@2 from 0", "a@3 from 1"], id="first in, first out"),
        pytest.param("pairs", ["-a"], ["a@0"], id="a completion alone has no start"),
        pytest.param("pairs", ["+a", "-b", "+c"], ["b@1", "a@0", "c@2"], id="a start alone is an instant"),
        pytest.param("pairs", ["sa", "+a", "xa"], ["a@2 from 1"], id="aborted work ends, scheduling is left out"),
    ],
)
def test_lifecycle(read: Read, kept: Any, mode: str, steps: list[str], found: list[str]) -> None:
    report = read(log(life(*steps)), lifecycle=mode)
    minute = 60 * 10**9
    first = 1_577_836_800 * 10**9
    told = []
    for record in kept.records:
        start = record.get("retail.step.start")
        since = f" from {(int(start) - first) // minute}" if start else ""
        told.append(f"{record['name']}@{(record['time'] - first) // minute}{since}")
    assert told == found
    assert report.rows == report.used + report.skipped == len(steps)


def test_pairs_keep_to_their_instance(read: Read, kept: Any) -> None:
    one, two = ('<string key="concept:instance" value="' + n + '"/>' for n in "12")
    steps = [event("a", f"2020-01-01T00:0{n}:00Z", t, m) for n, (t, m) in
             enumerate([("start", one), ("start", two), ("complete", two), ("complete", one)])]  # fmt: skip
    read(log(trace("1", *steps)), lifecycle="pairs")
    starts = [(int(r["retail.step.start"]) // 60_000_000_000) % 60 for r in kept.records]
    assert starts == [1, 0]


def test_starts_and_completions_as_steps_are_told(read: Read) -> None:
    assert any("--lifecycle pairs" in line for line in read(log(life("+a", "-a"))).lines())
    assert read(log(life("-a"))).notes == ()
    assert read(log(life("+a", "-a")), keep=["lifecycle:transition=COMPLETE"]).notes == ()


def test_a_misspelt_attribute_is_told(read: Read) -> None:
    report = read(
        log(trace("1", event("a", more='<string key="org:group" value="x"/>'))), columns={"system": "org:gruop"}
    )
    assert report.notes == ("no event has 'org:gruop'; did you mean 'org:group'?",)


def test_filters_and_gzip(read: Read, kept: Any) -> None:
    report = read(gzip.compress(log(life("+a", "-a")).encode()), keep=["lifecycle:transition=COMPLETE"])
    assert (report.events, report.skipped) == (1, 1)


BOMB = '<!DOCTYPE log [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(BOMB + log(trace("&b;", event("a"))), "line 1: has a document type declaration", id="bomb"),
        pytest.param(FILE + log(trace("&x;", event("a"))), "has a document type declaration", id="another file"),
        pytest.param('<!DOCTYPE log SYSTEM "http://h/x.dtd">' + log(), "document type declaration", id="fetched DTD"),
        pytest.param(
            log(trace("&undefined;")), "line 2: is not well-formed XML: undefined entity", id="no such entity"
        ),
        pytest.param(log("\n<trace>"), "line 3: is not well-formed XML: mismatched tag", id="unclosed"),
        pytest.param("<log>" + "<container key='a'>" * 101, "nested deeper than 100", id="deep"),
        pytest.param(
            '<log><string key="k" value="' + "x" * 5_000_000 + '"/></log>', "is longer than 4194304", id="long"
        ),
        pytest.param('<?xml version="1.0" encoding="klingon"?><log/>', "unknown encoding", id="encoding"),
    ],
)
def test_what_means_harm_is_refused_before_anything_is_in(read: Read, kept: Any, text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert message in str(refused.value)
    assert not kept.records


def test_too_many_attributes_break_the_event_not_the_log(read: Read, kept: Any) -> None:
    many = "".join(f'<int key="k{n}" value="1"/>' for n in range(2_001))
    report = read(log(trace("1", event("a"), event("b", more=many), event("c"))))
    assert [record["name"] for record in kept.records] == ["a", "c"]
    assert "more than 2000 different attributes" in report.rejections[0].reason


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=6
)
ATTRIBUTES = st.dictionaries(TEXTS.filter(lambda key: ":" not in key), TEXTS, max_size=3)
TRACES = st.lists(st.tuples(TEXTS, st.lists(st.tuples(TEXTS, ATTRIBUTES), max_size=3)), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(traces=TRACES, encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_any_log_comes_back(read: Read, kept: Any, traces: list[Any], encoding: str) -> None:
    """Written and read: the same cases, activities and attributes; every event used or rejected."""

    def attribute(key: str, value: str) -> str:
        return f"<string key={quoteattr(key)} value={quoteattr(value)}/>"

    text, wanted = "", []
    for case, events in traces:
        text += "<trace>" + attribute("concept:name", case)
        for name, attributes in events:
            date = '<date key="time:timestamp" value="2020-01-01"/>'
            text += f"<event>{attribute('concept:name', name)}{date}"
            text += "".join(attribute(*pair) for pair in attributes.items()) + "</event>"
            if case.strip() and name.strip():
                wanted.append((case, name, sorted(filter(None, attributes.values()))))
        text += "</trace>"
    kept.records.clear()
    report = read(f'<?xml version="1.0" encoding="{encoding}"?><log>{text}</log>'.encode(encoding))
    assert report.rows == report.used + report.rejected
    ours = {"name", "time", "body", "service.name"}
    found = []
    for record in kept.records:
        own = sorted(value for key, value in record.items() if key not in ours and not key.startswith("retail."))
        found.append((record["retail.case.id"], record["name"], own))
    assert found == wanted
