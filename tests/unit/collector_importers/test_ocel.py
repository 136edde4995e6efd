"""OCEL 2.0 in its three formats: one log gives the same events, objects and relations; broken parts are told."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.importers import ImportReport, build_mapping, detect, import_file
from core import ManualClock
from core.errors import InvalidInput

Log = dict[str, Any]
Read = Callable[..., ImportReport]
FORMATS = ("json", "xml", "sqlite")
LOG: Log = {
    "objects": [
        {"id": "o1", "type": "order", "attributes": [
            {"name": "price", "time": "1970-01-01T00:00:00Z", "value": "5"},
            {"name": "price", "time": "2020-01-02T00:00:00Z", "value": "6"},
        ], "relationships": [{"objectId": "i1", "qualifier": "has"}, {"objectId": "i2", "qualifier": "has"}]},
        {"id": "o2", "type": "order"},
        {"id": "i1", "type": "item"},
        {"id": "i2", "type": "item"},
    ],
    "events": [
        {"id": "e1", "type": "place", "time": "2020-01-01T00:00:00Z",
         "attributes": [{"name": "who", "value": "Ann"}],
         "relationships": [{"objectId": "o1", "qualifier": "new"}, {"objectId": "o2", "qualifier": "new"},
                           {"objectId": "i1", "qualifier": ""}, {"objectId": "o1", "qualifier": "again"}]},
        {"id": "e2", "type": "pick", "time": "2020-01-03T00:00:00Z", "relationships": [
            {"objectId": "i2", "qualifier": ""}]},
        {"id": "e3", "type": "place", "time": "2020-01-04T00:00:00Z", "attributes": [{"name": "who", "value": ""}],
         "relationships": [{"objectId": "o2", "qualifier": "new"}]},
    ],
}  # fmt: skip


def as_json(log: Log) -> bytes:
    return json.dumps({"objectTypes": [], "eventTypes": [], **log}, indent=1).encode()


def as_xml(log: Log) -> bytes:
    def related(one: Log) -> str:
        return "<objects>" + "".join(
            f"<relationship object-id={quoteattr(r['objectId'])} qualifier={quoteattr(r['qualifier'])}/>"
            for r in one.get("relationships", [])
        ) + "</objects>"  # fmt: skip

    text = "<log><object-types/><event-types/><objects>"
    for one in log["objects"]:
        text += f"<object id={quoteattr(one['id'])} type={quoteattr(one['type'])}><attributes>"
        for a in one.get("attributes", []):
            text += (
                f"<attribute name={quoteattr(a['name'])} time={quoteattr(a['time'])}>{escape(a['value'])}</attribute>"
            )
        text += f"</attributes>{related(one)}</object>"
    text += "</objects><events>"
    for one in log["events"]:
        text += (
            f"<event id={quoteattr(one['id'])} type={quoteattr(one['type'])} time={quoteattr(one['time'])}><attributes>"
        )
        for a in one.get("attributes", []):
            text += f"<attribute name={quoteattr(a['name'])}>{escape(a['value'])}</attribute>"
        text += f"</attributes>{related(one)}</event>"
    return (text + "</events></log>").encode()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def write_sqlite(path: Path, log: Log, *, keys: bool = True) -> None:
    """As the standard writes it; without `keys` as a tool that knows no indexes does."""
    key = " PRIMARY KEY" if keys else ""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE event (ocel_id TEXT{key}, ocel_type TEXT)")
        db.execute(f"CREATE TABLE object (ocel_id TEXT{key}, ocel_type TEXT)")
        db.execute("CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT)")
        db.execute("CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT)")
        if keys:
            db.execute("CREATE INDEX a ON event_object (ocel_event_id)")
        for what in ("event", "object"):
            db.execute(f"CREATE TABLE {what}_map_type (ocel_type TEXT, ocel_type_map TEXT)")
            for number, kind in enumerate(sorted({one["type"] for one in log[f"{what}s"]})):
                mine = [one for one in log[f"{what}s"] if one["type"] == kind]
                names = sorted({a["name"] for one in mine for a in one.get("attributes", [])})
                columns = "".join(f", {quoted(name)} TEXT" for name in names)
                changed = ", ocel_changed_field TEXT" if what == "object" else ""
                table = quoted(f"{what}_T{number}")
                db.execute(f"CREATE TABLE {table} (ocel_id TEXT, ocel_time TEXT{changed}{columns})")
                db.execute(f"INSERT INTO {what}_map_type VALUES (?, ?)", (kind, f"T{number}"))
                for one in mine:
                    _rows(db, table, what, one)
        for what in ("event", "object"):
            for one in log[f"{what}s"]:
                db.execute(f"INSERT INTO {what} VALUES (?, ?)", (one["id"], one["type"]))
                for r in one.get("relationships", []):
                    table = f"{what}_object"
                    db.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (one["id"], r["objectId"], r["qualifier"]))


def _rows(db: sqlite3.Connection, table: str, what: str, one: Log) -> None:
    attributes = one.get("attributes", [])
    if what == "event":
        names = ["ocel_id", "ocel_time", *(a["name"] for a in attributes)]
        marks = ", ".join("?" * len(names))
        values = [one["id"], one["time"], *(a["value"] for a in attributes)]
        db.execute(f"INSERT INTO {table} ({', '.join(map(quoted, names))}) VALUES ({marks})", values)
        return
    for a in attributes:
        first = a["time"].startswith("1970-01-01")
        columns = f"ocel_id, ocel_time, ocel_changed_field, {quoted(a['name'])}"
        values = [one["id"], a["time"], None if first else a["name"], a["value"]]
        db.execute(f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?)", values)


@pytest.fixture
def read(tmp_path: Path, clock: ManualClock, kept: Any) -> Read:
    """Writes a log in a format (or takes bytes) and imports it into `kept`."""

    def run(log: Log | bytes, kind: str = "json", case_object: str | None = "order", **options: Any) -> ImportReport:
        path = tmp_path / f"log.{kind}"
        path.unlink(missing_ok=True)
        if isinstance(log, bytes):
            path.write_bytes(log)
        elif kind.startswith("sqlite"):
            write_sqlite(path, log, keys=kind == "sqlite")
        else:
            path.write_bytes({"json": as_json, "xml": as_xml}[kind](log))
        mapping = build_mapping(stream="s", kind=detect(path), case_object=case_object, **options)
        return import_file(path, mapping, kept, clock=clock, quarantine=tmp_path / "quarantine")

    return run


def told(kept: Any) -> tuple[list[Any], list[Any]]:
    """Events and objects, without what differs between two files of one log."""
    events, objects = [], []
    for record in kept.records:
        related = sorted(tuple(sorted(one.items())) for one in json.loads(record.get("retail.objects", "[]")))
        if record["name"] == "retail.object.changed":
            attributes = json.loads(record.get("retail.object.attributes", "{}"))
            about = (record["retail.object.type"], record["retail.object.id"], record["time"])
            objects.append((*about, sorted(attributes.items()), related))
            continue
        own = {k: v for k, v in record.items() if not k.startswith("retail.") and k not in ("body", "service.name")}
        origin = record["retail.event.origin.id"].partition(":")[2]
        events.append((record["name"], record.get("retail.case.id"), origin, sorted(own.items()), related))
    return events, objects


@pytest.mark.parametrize("kind", [*FORMATS, "sqlite3"])
def test_an_event_belongs_to_every_object_of_the_type(read: Read, kept: Any, kind: str) -> None:
    """`sqlite3` is a database without any index."""
    report = read(LOG, kind)
    steps = [record for record in kept.records if record["name"] != "retail.object.changed"]
    found = [(r["name"], r.get("retail.case.id"), r["retail.event.origin.id"]) for r in steps]
    source = report.source
    assert found == [
        ("place", "o1", f"{source}:e1"),
        ("place", "o2", f"{source}:e1"),
        ("pick", None, f"{source}:e2"),
        ("place", "o2", f"{source}:e3"),
    ]
    assert (report.events, report.cases, report.objects, report.rejected) == (4, 2, 4, 0)
    assert report.notes == ("1 events touch no object of the case's type: kept with their objects, in no case",)
    assert len(set(kept.ids())) == len(kept.ids())
    first = steps[0]
    assert (first["who"], first["ocel:eid"]) == ("Ann", "e1")
    assert sorted((one["type"], one["id"], one["qualifier"]) for one in json.loads(first["retail.objects"])) == [
        ("item", "i1", ""),
        ("order", "o1", "again"),
        ("order", "o1", "new"),
        ("order", "o2", "new"),
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_objects_are_told_with_their_changes_and_relations(read: Read, kept: Any, kind: str) -> None:
    read(LOG, kind)
    second = 1_577_923_200 * 10**9
    has = [tuple(sorted({"type": "item", "id": one, "qualifier": "has"}.items())) for one in ("i1", "i2")]
    assert told(kept)[1] == [
        ("order", "o1", 1, [("price", "5")], has),
        ("order", "o1", second, [("price", "6")], []),
        ("order", "o2", 1, [], []),
        ("item", "i1", 1, [], []),
        ("item", "i2", 1, [], []),
    ]
    assert all("retail.case.id" not in r for r in kept.records if r["name"] == "retail.object.changed")


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=4)
TIMES = st.sampled_from(["2020-01-01T00:00:00Z", "2020-01-02T10:00:00.5+02:00"])


@st.composite
def logs(draw: st.DrawFn) -> Log:
    ids = draw(st.lists(NAMES, unique=True, min_size=1, max_size=5))
    types = draw(st.lists(NAMES, unique_by=str.lower, min_size=1, max_size=3))
    pairs = st.tuples(st.sampled_from(ids), NAMES)
    related = st.lists(pairs, unique=True, max_size=3).map(
        lambda found: [{"objectId": one, "qualifier": qualifier} for one, qualifier in found]
    )
    names = NAMES.filter(lambda name: name.lower() not in ("ocel_id", "ocel_time", "rowid_", "ocel_changed_field"))
    attributes = st.lists(st.tuples(names, NAMES), unique_by=lambda pair: pair[0].lower(), max_size=2)
    objects = [
        {"id": one, "type": draw(st.sampled_from(types)), "relationships": draw(related), "attributes": [
            {"name": name, "time": "2020-02-02T00:00:00Z", "value": value} for name, value in draw(attributes)]}
        for one in ids
    ]  # fmt: skip
    events = [
        {"id": f"e{n}", "type": draw(st.sampled_from(types)), "time": draw(TIMES), "relationships": draw(related),
         "attributes": [{"name": name, "value": value} for name, value in draw(attributes)]}
        for n in range(draw(st.integers(0, 4)))
    ]  # fmt: skip
    return {"objects": objects, "events": events}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(log=logs())
def test_the_three_formats_say_the_same(read: Read, kept: Any, log: Log) -> None:
    found = []
    for kind in FORMATS:
        kept.records.clear()
        with contextlib.suppress(sqlite3.OperationalError):  # two columns that differ in case only
            report = read(log, kind, log["objects"][0]["type"])
            assert report.rejected == 0
            found.append(told(kept))
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_missing_or_unknown_case_says_what_there_is(read: Read, kept: Any, kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"The log has 'item' \(2\), 'order' \(2\); use --case-object TYPE"):
        read(LOG, kind, None)
    with pytest.raises(InvalidInput, match=r"no objects of type 'ordre'.*did you mean 'order'"):
        read(LOG, kind, "ordre")
    assert not kept.records


def test_a_case_column_has_no_meaning_here(read: Read) -> None:
    with pytest.raises(InvalidInput, match="use --case-object"):
        read(LOG, columns={"case": "ocel:type:order"})


@pytest.mark.parametrize("kind", FORMATS)
def test_an_event_that_refers_to_nothing_is_left_out(read: Read, kept: Any, kind: str) -> None:
    broken = {"id": "e9", "type": "place", "time": "2020-01-01T00:00:00Z",
              "relationships": [{"objectId": "o9", "qualifier": ""}]}  # fmt: skip
    report = read({**LOG, "events": [broken, *LOG["events"]]}, kind)
    assert (report.rejected, report.events) == (1, 4)
    assert "refers to the object 'o9', which is not in the log" in report.rejections[0].reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param(5, "events[1]: '5' is not an object with members", id="a number"),
        pytest.param({"type": "t", "time": "2020-01-01"}, "events[1]: has no id", id="no id"),
        pytest.param({"id": "x", "time": "2020-01-01"}, "events[1]: has no type", id="no type"),
        pytest.param({"id": "x", "type": "t"}, "'ocel:timestamp' (the time) is empty", id="no time"),
        pytest.param({"id": "x", "type": "t", "time": "soon"}, "'soon' is not an ISO 8601 time", id="no such time"),
        pytest.param({"id": "x", "type": "t", "relationships": 3}, "events[1]: relationships is not a list", id="list"),
        pytest.param({"id": "x", "type": "t", "relationships": [{}]}, "events[1]: has no objectId", id="no object"),
        pytest.param({"id": "x", "type": "t", "attributes": [{"value": 1}]}, "events[1]: has no name", id="no name"),
    ],
)  # fmt: skip
def test_broken_events_of_json_are_told_with_their_line(read: Read, kept: Any, event: Any, reason: str) -> None:
    good = LOG["events"][0]
    objects, *events = (json.dumps(part) for part in (LOG["objects"], good, event, LOG["events"][2]))
    text = f'{{"objects": {objects},\n"events": [\n' + ",\n".join(events) + "]}"
    report = read(text.encode())
    assert [(one.line, reason in one.reason) for one in report.rejections] == [(4, True)], report.rejections
    assert report.events == 3


def test_values_of_json_keep_their_text(read: Read, kept: Any) -> None:
    values = {"n": 1, "f": 1.5, "yes": True, "none": None, "list": [1, "a"], "text": "x"}
    event = {**LOG["events"][0], "attributes": [{"name": name, "value": value} for name, value in values.items()]}
    read({**LOG, "events": [event]})
    record = kept.records[-1]
    found = {name: record.get(name) for name in values}
    assert found == {"n": "1", "f": "1.5", "yes": "true", "none": None, "list": '[1, "a"]', "text": "x"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b'{"objects": [', "line 1: is not JSON", id="cut"),
        pytest.param(b'{"objects": [{}}', "line 1: objects[0] is followed by '}'", id="no comma"),
        pytest.param(b'{"objects": 5}', "'objects' is not a list", id="no list"),
        pytest.param(b'{"objects": []} x', "something behind the end", id="more"),
        pytest.param(b'{"objects": ' + b"[" * 100_000, "is nested too deeply", id="deep"),
        pytest.param(b'{"objects": [' + b"9" * 5_000 + b"]}", "a number that is too long", id="endless number"),
        pytest.param(b'{"objects": ["\xff"]}', "is not utf-8 text", id="bytes"),
        pytest.param(b'{"objects": ["' + b"x" * 40_000_000 + b'"]}', "is longer than 16777216", id="long"),
    ],
)
def test_unusable_json_is_one_clear_error(read: Read, kept: Any, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(content)
    assert message in str(refused.value)
    assert not kept.records


@pytest.mark.parametrize("where", ["attribute", "name", "qualifier", "id"])
def test_half_a_character_costs_its_event_alone(read: Read, kept: Any, where: str) -> None:
    """JSON can name a half of a pair of surrogates, which is no text."""
    half = "\ud800"
    event: Log = {"id": "e9", "type": "place", "time": "2020-01-01T00:00:00Z", "attributes": [], "relationships": []}
    match where:
        case "attribute":
            event["attributes"] = [{"name": "who", "value": half}]
        case "name":
            event["attributes"] = [{"name": half, "value": "x"}]
        case "qualifier":
            event["relationships"] = [{"objectId": "o1", "qualifier": half}]
        case _:
            event["id"] = half
    report = read({**LOG, "events": [*LOG["events"], event]})
    assert [one.reason for one in report.rejections] == ["is not utf-8 text"]
    assert sum(record["name"] != "retail.object.changed" for record in kept.records) > 0


def test_half_a_character_in_an_object_s_relation(read: Read) -> None:
    odd = {"id": "o9", "type": "order", "relationships": [{"objectId": "i1", "qualifier": "\ud800"}]}
    report = read({**LOG, "objects": [*LOG["objects"], odd]})
    assert [one.reason for one in report.rejections] == ["is not utf-8 text"]


DATABASES = {
    "another database": ("CREATE TABLE t (a)", "no OCEL 2.0 log: it has no table 'event'"),
    "a missing column": ("ALTER TABLE event RENAME COLUMN ocel_type TO x", "'event' has no column 'ocel_type'"),
    "a missing table": ("DROP TABLE event_T0", "no table 'event_T0' for the event type 'pick'"),
    "a view": (
        "ALTER TABLE event_T0 RENAME TO x; CREATE VIEW event_T0 AS SELECT * FROM x",
        "no table 'event_T0' for the event type 'pick'",
    ),
}


@pytest.mark.parametrize("case", DATABASES)
def test_unusable_databases_are_one_clear_error(read: Read, kept: Any, tmp_path: Path, case: str) -> None:
    script, message = DATABASES[case]
    path = tmp_path / "made.sqlite"
    if case != "another database":
        write_sqlite(path, LOG)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    with pytest.raises(InvalidInput, match=message):
        read(path.read_bytes(), "db")
    assert not kept.records


def test_damaged_databases_are_told(read: Read, tmp_path: Path) -> None:
    write_sqlite(tmp_path / "made.sqlite", LOG)
    content = (tmp_path / "made.sqlite").read_bytes()
    with pytest.raises(InvalidInput, match="the SQLite database cannot be read"):
        read(content[:6_000] + b"\xff" * (len(content) - 6_000), "db")


@pytest.mark.parametrize(("old", "new"), [(b"CREATE TABLE", b"CR\x80ATE TABLE"), (b"pick", b"pic\x80")])
def test_damaged_names_in_a_database_are_told(read: Read, tmp_path: Path, old: bytes, new: bytes) -> None:
    """SQLite quotes the damaged bytes in its message; a type with them names no table."""
    write_sqlite(tmp_path / "made.sqlite", LOG)
    content = (tmp_path / "made.sqlite").read_bytes()
    with pytest.raises(InvalidInput, match="the SQLite database cannot be read"):
        read(content.replace(old, new[: len(old)]), "db")


def test_a_database_that_is_in_use_is_told(read: Read, tmp_path: Path) -> None:
    write_sqlite(tmp_path / "made.sqlite", LOG)
    (tmp_path / "log.db-wal").write_bytes(b"newer content")
    with pytest.raises(InvalidInput, match=r"is in use, its newest content is in log.db-wal"):
        read((tmp_path / "made.sqlite").read_bytes(), "db")


def test_events_without_a_row_in_their_table_are_told(read: Read, kept: Any, tmp_path: Path) -> None:
    path = tmp_path / "made.sqlite"
    write_sqlite(path, LOG)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO event VALUES ('e9', 'ship')")
        db.execute("INSERT INTO object VALUES ('b1', 'box')")
    report = read(path.read_bytes(), "db")
    assert [one.reason for one in report.rejections] == [
        "the object 'b1' has no id or no table of its type 'box'",
        "the event 'e9' has no row in the table of its type 'ship'",
    ]
    assert report.events == 4


def test_columns_of_a_table_can_be_objects_too(load: Any, kept: Any) -> None:
    """The flattened form: lists of ids in cells."""
    mapping = {
        "stream": "s",
        "columns": {"activity": "step", "timestamp": "time"},
        "explode": {"column": "orders"},
        "objects": {"order": "orders", "item": "items", "shop": "shop"},
    }
    load(
        "step,time,orders,items,shop\na,2020-01-01,\"['1','2']\",\"['x','x']\",s1\nb,2020-01-02,\"['1']\",,\n"
        "c,2020-01-03,,\"['y']\",\nd,2020-01-03,,,\n",
        mapping,
    )
    first, second, third, caseless, nothing = kept.records
    assert ("retail.case.id" in caseless, json.loads(caseless["retail.objects"])[0]["id"]) == (False, "y")
    assert "retail.objects" not in nothing
    assert json.loads(first["retail.objects"]) == [
        {"type": kind, "id": one, "qualifier": ""}
        for kind, one in (("order", "1"), ("order", "2"), ("item", "x"), ("shop", "s1"))
    ]
    assert first["retail.event.origin.id"] == second["retail.event.origin.id"] != third["retail.event.origin.id"]
    assert first["retail.objects"] == second["retail.objects"]
