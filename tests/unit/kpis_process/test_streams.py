"""The value-stream models: what ships is sound, what is broken is refused with its place, a new set is taken over."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

import kpis.process
from core.errors import ConfigurationError
from kpis.process import parse_streams, value_streams
from kpis.process.process_models import ProcessModels
from kpis.process.rules import END, START, Kind
from kpis.process.span_steps import span_rules
from kpis.process.streams import ControlAction, ControlHint, packaged_models, parse_models
from metrics import load_event_catalogue

FILES = Path(__file__).with_name("models")
GOOD = sorted((FILES / "good").iterdir())
BAD = sorted((FILES / "bad").iterdir())
OFFICE = 'calendars:\n  office:\n    timezone: UTC\n    hours: {mon-fri: "08:00-18:00"}\n'
SMALL = "name: {name}\ntitle: {title}\nprocess_owner: Desk\nowner: erp\nterminal: [done]\n"


# --- what ships ---


def test_the_five_value_streams() -> None:
    assert sorted(value_streams()) == [
        "forecast-to-replenish",
        "order-to-cash",
        "procure-to-pay",
        "promotion-to-settlement",
        "return-to-resolution",
    ]


@pytest.mark.parametrize("name", sorted(value_streams()))
def test_a_stream_does_not_contradict_itself(name: str) -> None:
    """An event that ends a case is not waited after, and a detail is neither an end nor a value."""
    stream = value_streams()[name]
    assert not set(stream.terminal) & (set(stream.owners) | set(stream.running) | set(stream.details))
    assert not set(stream.details) & (set(stream.value) | set(stream.owners))


@pytest.mark.parametrize("name", sorted(value_streams()))
def test_a_stream_is_described_and_names_only_events_of_the_catalogue(name: str) -> None:
    stream = value_streams()[name]
    assert stream.title
    assert stream.process_owner
    assert stream.service_levels
    assert stream.control
    known = set(load_event_catalogue().events)
    named = {*stream.terminal, *stream.running, *stream.value, *stream.details, *stream.owners, *stream.calendars}
    named |= set(stream.promise_kept)
    named |= {*stream.control, *stream.spans.values(), *(step for rule in stream.all_rules for step in rule.steps)}
    assert named - known <= {START, END}
    assert {"required", "precedence", "who", "separate"} - {rule.kind.value for rule in stream.rules} <= (
        {"who", "separate"} if name == "forecast-to-replenish" else set()
    ), "people have no part in replenishment"


def test_what_keeps_a_promise_is_said_by_the_model() -> None:
    """The goods, where they come before the money; elsewhere the end of the case."""
    kept = {name: stream.promise_kept for name, stream in value_streams().items() if stream.promise_kept}
    assert kept == {"order-to-cash": ("retail.order.delivered",), "procure-to-pay": ("retail.goods.received",)}
    written = SMALL.format(name="s", title="S") + "promise_kept: [handed over, left]\n"
    assert parse_models([("s.yaml", written)]).streams["s"].promise_kept == ("handed over", "left")
    assert parse_streams('[s]\nowner = "erp"\nterminal = ["done"]\npromise_kept = ["left"]\n')["s"].promise_kept == (
        "left",
    )


def test_owner_after() -> None:
    stream = value_streams()["order-to-cash"]
    assert stream.owner_after("retail.order.packed", "") == "carrier"
    assert stream.owner_after("pack", "retail.order.packed") == "carrier", (
        "a step of another name is known by its event"
    )
    assert stream.owner_after("something", "else") == "order-management"


def test_hint_after() -> None:
    stream = value_streams()["order-to-cash"]
    hint = stream.hint_after("allocate", "retail.order.allocated")
    assert hint is not None
    assert (hint.edge, hint.action) == ("order-management->warehouse", ControlAction.THROTTLE)
    assert stream.hint_after("something", "else") is None


@pytest.mark.parametrize("name", value_streams())
def test_a_packaged_stream_takes_no_span_for_a_step_and_no_id_for_a_case(name: str) -> None:
    """What nobody turned on changes no map: these are for whoever knows their own telemetry."""
    assert (dict(value_streams()[name].spans), value_streams()[name].keys) == ({}, ())


def test_what_the_resolution_job_is_told() -> None:
    """Names of events from the catalogue and from what the models speak of; details are no steps."""
    told = span_rules(parse_models((str(path), path.read_bytes()) for path in GOOD).streams)
    assert told.steps == {"returns.b2b": {"POST /returns": "requested"}}
    assert told.keys == {"returns.b2b": ("shop.return.id", "retail.return.id")}
    assert {"retail.order.placed", "retail.stock.counted"} <= told.by_event
    assert {"retail.order.placed", "closed", "parked", "inspected"} <= told.events
    assert not {"retail.stock.counted", "note", "start", "end", "requested by nobody"} & told.events


# --- files ---


def test_good_files_are_read() -> None:
    models = parse_models((str(path), path.read_bytes()) for path in GOOD)
    small, full = models.streams["repairs"], models.streams["returns.b2b"]
    assert (small.rules, small.service_levels, small.process_owner) == ((), (), "Workshop")
    assert full.control["requested"] == ControlHint("shop->returns", ControlAction.THROTTLE, "too many")
    assert full.spans == {"POST /returns": "requested"}
    assert full.keys == ("shop.return.id", "retail.return.id")
    assert [rule.kind for rule in full.rules] == list(Kind)
    assert [(level.within_s, level.calendar) for level in full.service_levels] == [(129_600, ""), (5_400, "desk")]
    by_kind = {rule.kind: rule for rule in full.rules}
    assert (by_kind[Kind.RESPONSE].within_s, by_kind[Kind.RESPONSE].outcomes) == (172_800, ("closed",))
    assert by_kind[Kind.PRECEDENCE].when == {"channel": ("web", "")}
    assert by_kind[Kind.WHO].actors == ("human",)
    assert by_kind[Kind.SEPARATE].allowed[0].reason == "a store has one desk"
    assert models.calendars["desk"].hours[0] == ((480, 720), (780, 1440))
    assert models.calendars["desk"].cut_off == 990
    assert models.calendars["night"].hours[6] == ((1320, 1800),)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files_are_refused_with_their_place(path: Path) -> None:
    """What is expected stands in the file's last line, behind the name of the file and a colon."""
    content = path.read_text()
    expected = content.splitlines()[-1].removeprefix("# expected ")
    with pytest.raises(ConfigurationError) as refused:
        parse_models([("calendars.yaml", OFFICE), (path.name, content)])
    assert str(refused.value).startswith(f"{path.name}:{expected}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"name: \xff", "s.yaml: not UTF-8 at byte 6", id="another encoding"),
        pytest.param("[" * 5_000, "s.yaml", id="nested deeply"),
        pytest.param("name: " + "x" * (1 << 20), "s.yaml: larger than 1048576 bytes", id="huge"),
        pytest.param("a: \x00", "s.yaml: not valid YAML", id="control characters"),
        pytest.param("a: &x [*x]\n", "s.yaml:1: unknown key 'a'", id="an alias of itself"),
        pytest.param("!!python/object:os.system {}", "s.yaml:1: the file lacks 'name'", id="a tag is no code"),
    ],
)
def test_files_that_are_no_models(content: bytes | str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        parse_models([("s.yaml", content)])


def test_a_stream_is_described_once() -> None:
    text = SMALL.format(name="s", title="S")
    with pytest.raises(ConfigurationError, match=r"b\.yaml:1: another file has the stream 's' already"):
        parse_models([("a.yaml", text), ("b.yaml", text)])


# --- the set in force ---


def test_a_folder_adds_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SMALL.format(name="repairs", title="Repairs"))
    (tmp_path / "cash.yml").write_text(SMALL.format(name="order-to-cash", title="Mine"))
    (tmp_path / "calendars.yaml").write_text(OFFICE.replace("18:00", "12:00"))
    (tmp_path / ".swap.yaml").write_text("[")
    (tmp_path / "notes.txt").write_text("[")
    models = ProcessModels(tmp_path)
    assert set(models.streams()) == {*value_streams(), "repairs"}
    assert (models.streams()["order-to-cash"].title, models.streams()["order-to-cash"].rules) == ("Mine", ())
    assert models.streams()["procure-to-pay"] == value_streams()["procure-to-pay"]
    assert models.calendars()["office"].hours[0] == ((480, 720),)
    assert models.calendars()["dock"] == packaged_models().calendars["dock"]
    assert ProcessModels().current is packaged_models()


def test_a_wrong_file_leaves_the_running_set_in_force(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL.format(name="repairs", title="Repairs"))
    models = ProcessModels(tmp_path)
    before = models.current
    file.write_text(SMALL.format(name="repairs", title="Repairs") + "ends: []\n")
    with pytest.raises(ConfigurationError, match=re.escape(f"{file}:6: unknown key 'ends'")):
        models.reload()
    assert models.current is before
    file.write_text(SMALL.format(name="repairs", title="Better"))
    assert models.reload() is models.current
    assert models.streams()["repairs"].title == "Better"
    assert before.streams["repairs"].title == "Repairs", "a set does not change"
    file.unlink()
    models.reload()
    assert "repairs" not in models.streams()


def test_a_calendar_that_a_packaged_stream_needs_may_change_but_a_missing_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SMALL.format(name="s", title="S") + "calendar: nights\n")
    with pytest.raises(ConfigurationError, match=r"s.yaml:6: there is no calendar 'nights'; there are dock, office"):
        ProcessModels(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"process_models_dir: .*nowhere cannot be read: No such file"):
        ProcessModels(tmp_path / "nowhere")


def test_readers_see_whole_sets_while_it_reloads(tmp_path: Path) -> None:
    """Two files that always say the same; no reader may see them differ."""
    names = ("one", "two")

    def write(title: str) -> None:
        for name in names:
            (tmp_path / f"{name}.yaml").write_text(SMALL.format(name=name, title=title))

    write("0")
    models, seen, over = ProcessModels(tmp_path), [], threading.Event()

    def read() -> None:
        while not over.is_set():
            streams = models.streams()
            seen.append({streams[name].title for name in names})

    reader = threading.Thread(target=read)
    reader.start()
    for title in range(1, 20):
        write(str(title))
        models.reload()
    over.set()
    reader.join()
    assert seen
    assert all(len(titles) == 1 for titles in seen)


# --- the short form ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[s]\nterminal = ["x"]', "stream s: owner must be the name of a system, got None"),
        ('[s]\nowner = "erp"', "stream s: terminal must name an event"),
        ('[s]\nowner = "erp"\nterminal = "x"', "terminal must be a list of event names, got 'x'"),
        ('[s]\nowner = "erp"\nterminal = ["x"]\nends = []', "unknown key 'ends'"),
        ('[s]\nowner = "erp"\nterminal = ["x"]\n[s.owners]\nx = 1', "owners must map events to systems"),
    ],
)
def test_broken_tables_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_streams(text)


def test_public_names() -> None:
    assert all(hasattr(kpis.process, name) for name in kpis.process.__all__)
    assert {"process_summary", "process_streams", "waiting_now"} <= set(kpis.process.__all__)
