"""Bad files: importers of every format, segments of the log, and configuration.

A file that cannot be used is refused with an error of the product's own, which says why; what an importer does hand
over is admitted at the door, every record of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alerts.rules import parse_rules
from collector.admission import Encoding, admit
from collector.importers import build_mapping, detect, import_file
from collector.pollers.config import parse_pollers
from collector.remote_write.queues import load_queue_metrics
from collector.wal.frame import encode
from collector.wal.segment import SegmentHeader, encode_header, parse_segment
from control.targets import load_targets
from core import ManualClock, OpsintelError
from storage import Signal
from tests.fuzz.budget import rounds
from tests.fuzz.json_mutations import mutate_json
from tests.fuzz.wire_mutations import corrupt
from tests.unit.collector.support import frame
from tests.unit.collector_importers import test_ocel as ocel

pytestmark = pytest.mark.blackbox

ROOT = Path(__file__).parents[2]
TIMES = (
    "2020-01-01T00:00:00Z",
    "2020-01-01",
    "1577836800",
    "0000-00-00",
    "9999-12-31T23:59:60Z",
    "-1",
    "1e400",
    "soon",
)
CASES = ("1", "", '"x', "ä" * 99)


def csv(random: Random) -> bytes:
    rows = ["case,step,time"]
    rows += [f"{random.choice(CASES)},pay,{random.choice(TIMES)}" for _ in range(6)]
    return random.choice(("\n", "\r\n", "\r")).join(rows).encode()


def parquet(random: Random) -> bytes:
    out = io.BytesIO()
    columns = {"case": ["1", "2", None], "step": ["a", "b", "c"], "time": [1, 2, 3]}
    unit = random.choice(("ms", "us", "ns"))
    times = pa.array([1, 2, random.choice((3, -(2**62), 2**62))], pa.timestamp(unit))
    pq.write_table(pa.table(columns | {"time": times}), out)
    return out.getvalue()


def xes(random: Random) -> bytes:
    event = '<event><string key="concept:name" value="pay"/><date key="time:timestamp" value="{}"/>{}</event>'
    deep = random.choice((1, 3, 50, 500))
    more = '<list key="l"><values>' * deep + '<int key="i" value="1"/>' + "</values></list>" * deep
    events = "".join(event.format(random.choice(TIMES), more) for _ in range(3))
    head = random.choice(("", '<!DOCTYPE log [<!ENTITY a "b">]>', '<?xml version="1.0" encoding="utf-16"?>'))
    return f'{head}<log><trace><string key="concept:name" value="c"/>{events}</trace></log>'.encode()


def ocel_json(random: Random) -> bytes:
    return mutate_json(random, {"objectTypes": [], "eventTypes": [], **ocel.LOG})


def ocel_xml(random: Random) -> bytes:
    return ocel.as_xml(ocel.LOG)


KINDS: dict[str, Callable[[Random], bytes]] = {
    "csv": csv, "parquet": parquet, "xes": xes, "json": ocel_json, "xml": ocel_xml,
}  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "sqlite"])
def test_bad_files_to_import(kind: str, tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / f"log.{kind}"
    if kind == "sqlite":
        ocel.write_sqlite(path, ocel.LOG)
    whole = path.read_bytes() if kind == "sqlite" else b""

    def sink(payload: bytes, items: int) -> int:
        admitted = admit(Signal.LOGS, Encoding.PROTOBUF, payload)
        kept = sum(one.items for one in admitted.quarantined)
        assert (admitted.items + kept, admitted.rejected) == (items, 0), admitted.reason
        return 0

    done = refused = 0
    for random in rounds(1.5, least=20):
        content = whole or KINDS[kind](random)
        path.write_bytes(corrupt(random, content) if random.random() < 0.8 else content)
        try:
            found = detect(path)
            table = found in ("csv", "parquet")
            columns: dict[str, str | None] = {"case": "case", "activity": "step", "timestamp": "time"} if table else {}
            case = "order" if found.startswith("ocel") else None
            mapping = build_mapping(stream="s", kind=found, case_object=case, columns=columns)
            import_file(path, mapping, sink, clock=clock, quarantine=tmp_path / "quarantine")
            done += 1
        except OpsintelError as problem:
            refused += bool(str(problem))
        except Exception as problem:
            kept = tmp_path / f"seed-{random.number}.{kind}"
            kept.write_bytes(path.read_bytes())
            raise AssertionError(f"seed {random.number}: {problem!r} for {kept}") from problem
    assert done
    assert refused


def test_bytes_that_are_no_segment() -> None:
    """Every byte is accounted for, no damage is an error, and good frames behind damage are found."""
    frames = [frame(number) for number in range(1, 6)]
    parts = [b"".join(encode(one, b"salt")) for one in frames]
    whole = encode_header(SegmentHeader(7, 1_000, b"salt")) + b"".join(parts)
    for random in rounds(1.5, least=200):
        match random.randrange(4):
            case 0:
                raw = random.randbytes(random.randint(0, 400))
            case 1:
                raw = whole[:36] + b"".join(random.choices(parts, k=5)) + random.randbytes(20)
            case 2:
                raw = b"".join(random.choices([b"OPSF", b"salt", b"OPSINWAL", bytes(8), *parts], k=12))
            case _:
                raw = corrupt(random, whole)
        content = parse_segment(7, raw)
        assert content.end + content.torn_bytes == len(raw), f"seed {random.number}"
        assert all(one in frames for one in content.frames), f"seed {random.number}"
        covered = sum(len(b"".join(encode(one, b"salt"))) for one in content.frames) + sum(
            one.length for one in content.bad
        )
        assert covered in (content.end, content.end - 36), f"seed {random.number}"


RULES = (ROOT / "alerts/builtin/rules.toml").read_text("utf-8")


def documented(page: str) -> list[str]:
    """The TOML examples of a page."""
    parts = (ROOT / "docs" / page).read_text("utf-8").split("```toml\n")[1:]
    return [part.split("```", 1)[0] for part in parts]


def test_bad_configuration(tmp_path: Path) -> None:
    """Refused with the product's own error, which names what is wrong, or taken."""
    file = tmp_path / "some.toml"

    def through(load: Callable[[Path], object]) -> Callable[[bytes], object]:
        return lambda raw: (file.write_bytes(raw), load(file))

    readers: dict[str, tuple[list[str], Callable[[bytes], object]]] = {
        "rules": ([RULES], lambda raw: parse_rules(raw.decode("utf-8", "replace"), "rules")),
        "pollers": (documented("pollers.md"), lambda raw: parse_pollers(raw.decode("utf-8", "replace"), "pollers")),
        "queues": (documented("remote-write.md"), through(load_queue_metrics)),
        "targets": (documented("control.md"), through(load_targets)),
        "mapping": (documented("import.md"), through(lambda path: build_mapping(path, stream="s"))),
    }
    told = taken = 0
    for random in rounds(3.0, least=40):
        for name, (texts, read) in readers.items():
            raw = bend_toml(random, random.choice(texts))
            try:
                read(raw)
                taken += 1
            except OpsintelError as problem:
                told += bool(str(problem))
            except Exception as problem:
                raise AssertionError(f"seed {random.number}, {name}: {problem!r} for {raw!r}") from problem
    assert told
    assert taken


WORDS = (
    "-1", "0", "1e400", "nan", "inf", "true", '""', '"x"', "[]", "{}", "[[1]]", "1979-05-27", "07:32:00", '"\\u0000"',
    "99999999999999999999", '"' + "a" * 3_000 + '"', "[" * 300 + "]" * 300, "{a={b={c=1}}}",
)  # fmt: skip
KEYS = ("a", "name", '""', "a.b", "columns", "defaults", "rules", "targets")


def bend_toml(random: Random, text: str) -> bytes:
    """Values of other types, lines doubled, dropped and moved, damaged bytes."""
    lines = text.splitlines()
    for _ in range(random.randint(1, 3)):
        if not lines:
            break
        at = random.randrange(len(lines))
        match random.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random.randrange(len(lines)), lines[at])
            case 2 | 3:
                settable = [index for index, line in enumerate(lines) if "=" in line] or [at]
                at = random.choice(settable)
                lines[at] = f"{lines[at].partition('=')[0]}= {random.choice(WORDS)}"
            case _:
                lines[at] = f"{random.choice(KEYS)} = {random.choice(WORDS)}"
    raw = "\n".join(lines).encode()
    return corrupt(random, raw) if random.random() < 0.2 else raw
