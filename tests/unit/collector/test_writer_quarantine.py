"""The writer and frames that admission set aside: in the table or in a file, once, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from collector.ledger import LedgerEntry
from collector.quarantine_table import Entry
from collector.wal import Frame, read_segment
from core import QueryRejected, StoreUnavailable
from storage import StateDb
from tests.unit.collector.support import FakeEngine, files_of, frame
from tests.unit.collector.test_writer import Stage


class Refusing(FakeEngine):
    """Its quarantine refuses the first calls."""

    def __init__(self, problem: Exception, times: int) -> None:
        super().__init__()
        self._problem, self._left = problem, times

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        if self._left:
            self._left -= 1
            raise self._problem
        super().keep(entries, token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wal"


def mixed() -> list[Frame]:
    """Good, too old, good, of a reason that only a newer version knows."""
    return [frame(1), replace(frame(2, items=3), reason=1), frame(3), replace(frame(4, items=4), reason=77)]


def test_the_reason_survives_in_the_log(folder: Path, state: StateDb) -> None:
    stage = Stage(folder, state, FakeEngine())
    stage.log.append(mixed())
    stage.log.close()
    (file,) = files_of(folder)
    segment, path = file.segment, file.path
    assert list(read_segment(path, segment).frames) == mixed()


@pytest.mark.parametrize("times", [0, 3])
def test_set_aside_goes_into_the_table(times: int, folder: Path, state: StateDb) -> None:
    """By one insert beside the others; an engine that is away is waited for."""
    engine = Refusing(StoreUnavailable("away"), times)
    stage = Stage(folder, state, engine)
    segment = stage.log.append(mixed()).segment
    stage.start()
    assert stage.flush(20)
    assert engine.inserted == {f"{segment}-traces-shop": mixed()[0].payload + mixed()[2].payload}
    ((token, entries),) = engine.quarantined.items()
    assert token == f"{segment}-quarantine-traces-shop"
    assert [(one.reason, one.items, one.payload) for one in entries] == [
        ("too_old", 3, mixed()[1].payload), ("reason_77", 4, mixed()[3].payload),
    ]  # fmt: skip
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=4, quarantined=7)
    assert stage.kept() == []
    assert stage.registry.get_sample_value("opsintel_collector_quarantined_items_total", {"reason": "too_old"}) == 3
    assert stage.stop()


def test_what_the_table_refuses_becomes_a_file(folder: Path, state: StateDb) -> None:
    """Nothing acknowledged is lost, and nothing holds up the log."""
    stage = Stage(folder, state, Refusing(QueryRejected("no such table"), 10**6))
    stage.log.append(mixed())
    stage.start()
    assert stage.flush(20)
    assert stage.kept() == sorted(one.payload for one in mixed() if one.reason)
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=4, quarantined=7)
    assert stage.stop()


def test_refused_and_damaged_data_is_listed_too(folder: Path, state: StateDb) -> None:
    """One place to look at."""
    frames = [frame(number) for number in (1, 2, 3)]
    stage = Stage(folder, state, FakeEngine())
    stage.log.append(frames)
    stage.log.close()
    (file,) = files_of(folder)
    segment, path = file.segment, file.path
    path.write_bytes(path.read_bytes().replace(frames[1].payload, b"X" + frames[1].payload[1:]))
    bad = frames[2].payload
    engine = FakeEngine(lambda _call, _signal, payload, _meta: QueryRejected("bad content") if bad in payload else None)
    again = Stage(folder, state, engine).start()
    assert again.stop()
    (entries,) = engine.quarantined.values()
    assert [(one.reason, one.tenant, one.signal, one.segment) for one in entries] == [
        ("refused_by_engine", "shop", "traces", segment), ("log_bad_checksum", "shop", "traces", segment),
    ]  # fmt: skip
    assert entries[0].payload == bad
    assert "bad content" in entries[0].detail
    assert frames[1].payload[1:] in entries[1].payload
