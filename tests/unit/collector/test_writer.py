"""The writer against a store that fails on purpose: all is stored once or kept aside, and the ledger agrees."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from collector.keeper import SegmentKeeper
from collector.ledger import Ledger, LedgerEntry
from collector.quarantine import Quarantine
from collector.resent import SeenRequests
from collector.self_metrics import CollectorMetrics
from collector.wal import Frame, LogEvents, SegmentFile, State
from collector.writer import SegmentWriter
from core import ManualClock, QueryRejected, StorageError, StoreUnavailable, SystemClock, load_settings
from storage import SegmentMeta, Signal, StateDb, migrate_state, open_state
from tests.unit.collector.support import FakeEngine, eventually, files_of, frame, open_backlog, open_log


class Stage:
    """A log, a ledger and a writer on a folder; `crash` leaves everything as a kill would."""

    def __init__(self, folder: Path, state: StateDb, engine: FakeEngine, workers: int = 2) -> None:
        clock = SystemClock()
        self.folder, self.registry, self.engine = folder, CollectorRegistry(), engine
        self.log = open_log(folder, clock, age_s=0.02, events=LogEvents(sealed=lambda: self.backlog.wake()))
        self.backlog = open_backlog(folder, clock)
        self.ledger = Ledger(state, clock, self.backlog.pending)
        quarantine, metrics = Quarantine(folder / "quarantine", clock), CollectorMetrics(self.registry)
        self.seen = SeenRequests(state, window_s=600)
        self.writer = SegmentWriter(
            self.backlog,
            self.ledger,
            self.seen,
            engine,
            quarantine,
            metrics,
            clock,
            workers=workers,
            chance=random.Random(1),
        )
        self.keeper = SegmentKeeper(self.backlog, self.writer, self.seen, engine, metrics, clock, folder / "life")

    def start(self) -> Stage:
        self.writer.start()
        return self

    def stop(self, deadline_s: float = 10.0) -> bool:
        self.log.close()
        return self.writer.stop(deadline_s)

    def flush(self, seconds: float) -> bool:
        return self.backlog.wait_settled(self.log.seal(), seconds)

    def left(self) -> list[SegmentFile]:
        """The files that are not settled."""
        return [file for file in files_of(self.folder) if file.state is not State.SETTLED]

    def kept(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in (self.folder / "quarantine").glob("*-refused.bin"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wal"


def test_stores_by_signal_and_tenant(folder: Path, state: StateDb) -> None:
    """One insert each, the frames joined in order; the file goes once the engine's data is on disk."""
    engine = FakeEngine()
    stage = Stage(folder, state, engine)
    frames = [frame(1), frame(2, signal=Signal.LOGS), frame(3, tenant="other"), frame(4)]
    segment = stage.log.append(frames).segment
    stage.start()
    assert stage.flush(10)
    assert engine.inserted == {
        f"{segment}-traces-shop": frames[0].payload + frames[3].payload,
        f"{segment}-logs-shop": frames[1].payload,
        f"{segment}-traces-other": frames[2].payload,
    }
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=6)
    assert stage.stop()
    assert stage.left() == []
    assert [file.state for file in files_of(folder)] == [State.SETTLED]
    assert stage.keeper.tidy() == 1
    assert files_of(folder) == []


def test_an_old_first_frame_seals_by_itself(folder: Path, state: StateDb) -> None:
    """Nobody has to ask for it."""
    stage = Stage(folder, state, FakeEngine()).start()
    stage.log.append([frame()])
    eventually(lambda: stage.ledger.totals()["traces"].stored)
    assert stage.stop()


@pytest.mark.parametrize("failures", [1, 3])
def test_an_engine_that_is_away_is_waited_for(failures: int, folder: Path, state: StateDb) -> None:
    """The same token and the same bytes, until it is back."""
    engine = FakeEngine(lambda call, *_: StoreUnavailable("away") if call <= failures else None)
    stage = Stage(folder, state, engine).start()
    stage.log.append([frame()])
    assert stage.flush(20)
    assert engine.calls == failures + 1
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=2)
    assert stage.stop()


def test_stopping_does_not_wait_for_an_engine_that_is_away(folder: Path, state: StateDb) -> None:
    """The segment stays for the next start, which stores it."""
    stage = Stage(folder, state, FakeEngine(lambda *_: StoreUnavailable("away"))).start()
    stage.log.append([frame()])
    assert not stage.stop(0.2)
    assert stage.ledger.totals()["traces"] == LedgerEntry(pending=2)
    engine = FakeEngine()
    engine.count = lambda *_: 2
    again = Stage(folder, state, engine)
    assert again.ledger.totals()["traces"] == LedgerEntry(pending=2)
    again.start()
    assert again.stop()
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=2)


def refusing(*bad: Frame, error: StorageError | None = None) -> FakeEngine:
    """An engine that rejects every insert with one of these payloads in it."""

    def fail(_call: int, _signal: Signal, payload: bytes, _meta: SegmentMeta) -> Exception | None:
        return (error or QueryRejected("bad content")) if any(one.payload in payload for one in bad) else None

    return FakeEngine(fail)


def stored_rows(engine: FakeEngine, frames: list[Frame]) -> None:
    """Makes the engine count the items of the frames that it was given."""
    engine.count = lambda signal, tenant, _segment: sum(
        one.items
        for one in frames
        if (one.signal, one.tenant) == (signal, tenant)
        and any(one.payload in given for given in engine.inserted.values())
    )


@pytest.mark.parametrize("bad", [{0}, {3}, {0, 6}, {1, 2, 3}, set(range(7))], ids=str)
def test_refused_content_is_found_and_kept_aside(bad: set[int], folder: Path, state: StateDb) -> None:
    """The neighbours are stored once; what is refused is in a file with its reason, and in the ledger."""
    frames = [frame(number, items=number) for number in range(1, 8)]
    engine = refusing(*[frames[index] for index in bad])
    stored_rows(engine, frames)
    stage = Stage(folder, state, engine)
    stage.log.append(frames)
    stage.start()
    assert stage.flush(30)
    refused = sum(frames[index].items for index in bad)
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=28 - refused, quarantined=refused)
    assert stage.kept() == sorted(frames[index].payload for index in bad)
    joined = b"".join(engine.inserted.values())
    assert [joined.count(one.payload) for one in frames] == [index not in bad for index in range(7)]
    note = json.loads(next((folder / "quarantine").glob("*.json")).read_bytes())
    assert (note["tenant"], note["signal"], note["why"]) == ("shop", "traces", "bad content")
    assert stage.registry.get_sample_value("opsintel_collector_count_mismatches_total") == 0
    assert stage.stop()


def test_a_broken_engine_does_not_fill_the_quarantine(folder: Path, state: StateDb) -> None:
    """When even an empty request is refused, the fault is not the frame's: wait."""
    broken = [True]
    engine = FakeEngine(lambda *_: QueryRejected("no such table") if broken[0] else None)
    stage = Stage(folder, state, engine).start()
    stage.log.append([frame()])
    eventually(lambda: engine.calls >= 4)
    assert stage.kept() == []
    assert stage.ledger.totals()["traces"] == LedgerEntry(pending=2)
    broken[0] = False
    stage.stop(0.1)
    engine.count = lambda *_: 2
    again = Stage(folder, state, engine).start()
    assert again.stop()
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=2)


def test_rows_left_by_a_failed_insert_are_not_doubled(folder: Path, state: StateDb) -> None:
    """When a view behind the table failed, smaller pieces would store the table's rows again."""
    frames = [frame(number, items=2) for number in range(1, 4)]
    engine = refusing(*frames)
    engine.count = lambda *_: 4
    stage = Stage(folder, state, engine)
    stage.log.append(frames)
    stage.start()
    assert stage.flush(20)
    assert engine.inserted == {}
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=4, quarantined=2)
    assert stage.kept() == [frames[2].payload]
    assert stage.stop()


def test_damage_in_the_log_is_kept_and_counted(folder: Path, state: StateDb) -> None:
    """The frames around it are stored."""
    frames = [frame(number, items=number) for number in range(1, 4)]
    stage = Stage(folder, state, FakeEngine())
    stage.log.append(frames)
    stage.log.close()
    path = files_of(folder)[0].path
    raw = path.read_bytes()
    path.write_bytes(raw.replace(frames[1].payload, b"X" + frames[1].payload[1:]))
    engine = FakeEngine()
    stored_rows(engine, frames)
    again = Stage(folder, state, engine)
    assert again.ledger.totals()["traces"] == LedgerEntry(pending=6)
    again.start()
    assert again.stop()
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=4, quarantined=2)
    assert len(list((folder / "quarantine").glob("*-bad_checksum.bin"))) == 1
    assert again.registry.get_sample_value("opsintel_collector_count_mismatches_total") == 0


def moments() -> Iterator[tuple[str, int]]:
    """Every step after which the process may be killed."""
    for step in ("insert", "settle", "rename"):
        for number in (1, 2):
            yield step, number


def test_segments_are_stored_side_by_side(folder: Path, state: StateDb) -> None:
    """Two inserts at once; a flush waits for the slow one, although a younger segment is through."""
    gate, inside = threading.Event(), threading.Semaphore(0)

    def fail(_call: int, _signal: Signal, payload: bytes, _meta: SegmentMeta) -> None:
        inside.release()
        if payload == frame(1).payload:
            assert gate.wait(20)

    engine = FakeEngine(fail)
    stage = Stage(folder, state, engine)
    for number in (1, 2, 3):
        stage.log.append([frame(number)])
        stage.log.seal()
    stage.start()
    assert all(inside.acquire(timeout=20) for _ in range(3))
    eventually(lambda: stage.ledger.totals()["traces"] == LedgerEntry(stored=4, pending=2))
    assert not stage.flush(0.05)
    gate.set()
    assert stage.flush(20)
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=6)
    assert stage.stop()


def test_a_stop_waits_for_all_that_is_under_way(folder: Path, state: StateDb) -> None:
    """Not only for the worker that has nothing to do any more."""
    gate = threading.Event()
    stage = Stage(folder, state, FakeEngine(lambda *_: None if gate.wait(20) else StoreUnavailable("late")))
    stage.log.append([frame()])
    stage.log.seal()
    stage.start()
    stopped = list[bool]()
    stopper = threading.Thread(target=lambda: stopped.append(stage.stop(20)))
    stopper.start()
    eventually(lambda: sum(thread.name.startswith("segment-writer") for thread in threading.enumerate()) == 1)
    assert not stopped
    gate.set()
    stopper.join(20)
    assert stopped == [True]
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=2)


def test_a_failure_nobody_foresaw_gives_the_segment_back(
    folder: Path, state: StateDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours are stored meanwhile, then it is tried again."""
    monkeypatch.setattr("collector.writer.LONGEST_PAUSE_S", 0.05)
    engine = FakeEngine(lambda call, *_: ZeroDivisionError("a bug") if call <= 2 else None)
    stage = Stage(folder, state, engine)
    for number in range(4):
        stage.log.append([frame(number)])
        stage.log.seal()
    stage.start()
    assert stage.flush(20)
    assert stage.ledger.totals()["traces"] == LedgerEntry(stored=8)
    assert len(engine.inserted) == 4
    assert stage.stop()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    segments=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=5),
    away=st.sets(st.integers(1, 12), max_size=4),
    bad=st.sets(st.integers(0, 19), max_size=3),
    workers=st.integers(1, 3),
)
def test_nothing_is_lost_or_doubled_whatever_fails(
    segments: list[list[int]], away: set[int], bad: set[int], workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any n-th inserts find the engine away, any frames are refused: each frame is stored once or kept once."""
    base = tmp_path_factory.mktemp("any")
    state = open_state(load_settings(data_dir=base))
    migrate_state(state)
    numbers = itertools.count()
    made = [[frame(next(numbers) + 1_000, items=items) for items in one] for one in segments]
    frames = [one for segment in made for one in segment]
    refused = [one for index, one in enumerate(frames) if index in bad]

    def fail(call: int, _signal: Signal, payload: bytes, _meta: SegmentMeta) -> Exception | None:
        if call in away:
            return StoreUnavailable("away")
        return QueryRejected("bad content") if any(one.payload in payload for one in refused) else None

    engine = FakeEngine(fail)
    engine.count = lambda _signal, _tenant, segment: sum(
        one.items
        for one in frames
        if any(token.split("-")[0] == str(segment) and one.payload in given for token, given in engine.inserted.items())
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.writer.FIRST_PAUSE_S", 0.001)
        stage = Stage(base / "wal", state, engine, workers)
        for segment in made:
            stage.log.append(segment)
            stage.log.seal()
        stage.start()
        assert stage.flush(30)
    lost = sum(one.items for one in refused)
    assert stage.ledger.totals()["traces"] == LedgerEntry(sum(one.items for one in frames) - lost, lost)
    joined = b"".join(engine.inserted.values())
    assert [joined.count(one.payload) for one in frames] == [one not in refused for one in frames]
    assert stage.kept() == sorted(one.payload for one in refused)
    assert stage.registry.get_sample_value("opsintel_collector_count_mismatches_total") == 0
    assert stage.stop()
    assert stage.left() == []
    state.close()


class Killed(Exception):
    """Stands for SIGKILL: nothing after it is run."""


@pytest.mark.parametrize(("step", "number"), list(moments()))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_step(
    step: str, number: int, after: bool, workers: int, folder: Path, state: StateDb, clock: ManualClock
) -> None:
    """Before or after any effect: the next start stores what is missing, and nothing twice."""
    engine = FakeEngine()
    engine.count = lambda *_: 3
    stage = Stage(folder, state, engine, workers)
    for index in range(3):
        stage.log.append([frame(index, items=3)])
        stage.log.seal()
    owner, name = {
        "insert": (engine, "insert"),
        "settle": (stage.ledger, "settle"),
        "rename": (stage.backlog, "settle"),
    }[step]
    original, calls, lock = getattr(owner, name), [0], threading.Lock()

    def dying(*arguments: object) -> object:
        with lock:  # a worker that comes later dies there, too
            calls[0] += 1
            call = calls[0]
        if call < number or (call == number and after):
            original(*arguments)
        if call < number:
            return None
        raise Killed

    setattr(owner, name, dying)
    stage.start()
    eventually(lambda: calls[0] >= number)
    stage.writer.stop(0)
    setattr(owner, name, original)
    stage.log.close()
    again = Stage(folder, state, engine)
    assert again.ledger.totals()["traces"].received == 9
    again.start()
    assert again.stop()
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=9)
    assert len(engine.inserted) == 3
    assert again.left() == []


def test_what_is_sent_again_is_stored_once(folder: Path, state: StateDb) -> None:
    """In the same segment or a later one; counted as duplicates, and the neighbours are stored."""
    first, second, third = (frame(number, items=number) for number in (1, 2, 3))
    engine = FakeEngine()
    stage = Stage(folder, state, engine).start()
    stage.log.append([first, replace(first, received_at_ns=first.received_at_ns + 1), second])
    assert stage.flush(10)
    stage.log.append([third, second, replace(first, tenant="other")])
    assert stage.flush(10)
    joined = b"".join(engine.inserted.values())
    assert [joined.count(one.payload) for one in (first, second, third)] == [2, 1, 1]
    assert stage.ledger.totals("shop")["traces"] == LedgerEntry(stored=6, duplicates=3)
    assert stage.ledger.totals("other")["traces"] == LedgerEntry(stored=1)
    assert stage.registry.get_sample_value("opsintel_collector_duplicate_items_total", {"signal": "traces"}) == 3
    assert stage.stop()


@pytest.mark.parametrize("lost", [1, 2], ids=["some rows", "all rows"])
def test_what_a_power_cut_took_is_put_back(lost: int, folder: Path, state: StateDb) -> None:
    """A segment that the ledger calls stored is still there, and replaces what is left of it in the tables."""
    engine = FakeEngine()
    stage = Stage(folder, state, engine).start()
    stage.keeper.tidy()  # remembers the engine's life
    segment = stage.log.append([frame(3, items=1), frame(4, items=1)]).segment
    assert stage.flush(10)
    assert stage.stop()

    engine.life, engine.count = "second", lambda *_: 2 - lost
    again = Stage(folder, state, engine)
    assert again.keeper.tidy() == 1
    assert engine.forgotten == [(Signal.TRACES, "shop", segment)]
    (token,) = [token for token in engine.inserted if token.startswith(f"{segment}-traces-shop-again-")]
    assert engine.inserted[token] == frame(3).payload + frame(4).payload
    assert again.registry.get_sample_value("opsintel_collector_restored_items_total") == lost
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=2)
    again.log.close()


def test_nothing_is_put_back_while_the_engine_lives(folder: Path, state: StateDb) -> None:
    """The keeper of the same life does not even ask; that of a new one finds every row in place."""
    engine = FakeEngine()
    stage = Stage(folder, state, engine).start()
    stage.keeper.tidy()
    stage.log.append([frame()])
    assert stage.flush(10)
    engine.count = lambda *_: 0
    assert stage.keeper.tidy() == 1
    stage.log.append([frame(2)])
    assert stage.flush(10)
    engine.count, engine.life = (lambda *_: 2), "second"
    assert stage.keeper.tidy() == 1
    assert engine.forgotten == []
    assert len(engine.inserted) == 2
    assert stage.stop()


def test_what_was_settled_and_still_looks_sealed_is_compared(folder: Path, state: StateDb) -> None:
    """After a power cut the ledger may know of it while its new name is lost; then so may its rows be."""
    engine = FakeEngine()
    stage = Stage(folder, state, engine).start()
    segment = stage.log.append([frame(3)]).segment
    assert stage.flush(10)
    assert stage.stop()
    (file,) = files_of(folder)
    file.path.rename(file.named(State.SEALED))
    again = Stage(folder, state, engine).start()  # the engine has no rows
    assert again.stop()
    assert engine.forgotten == [(Signal.TRACES, "shop", segment)]
    assert [token for token in engine.inserted if "-again-" in token]
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=2)
    assert again.left() == []


def test_without_a_note_what_is_kept_is_compared(folder: Path, state: StateDb) -> None:
    """A power cut in the first seconds of all, or one that took the note."""
    engine = FakeEngine()
    stage = Stage(folder, state, engine).start()
    stage.log.append([frame(3)])
    assert stage.flush(10)
    assert stage.stop()
    again = Stage(folder, state, engine)
    again.keeper.tidy()
    assert again.registry.get_sample_value("opsintel_collector_restored_items_total") == 2
    assert (folder / "life").read_text() == engine.life
    again.log.close()


def test_a_power_cut_takes_nothing_out_of_quarantine(folder: Path, state: StateDb) -> None:
    """Its table is the engine's, too: entries are written again, under a token of the new life."""
    engine, aside = FakeEngine(), replace(frame(3), reason=1)
    stage = Stage(folder, state, engine).start()
    stage.keeper.tidy()
    segment = stage.log.append([aside]).segment
    assert stage.flush(10)
    assert stage.stop()
    (before,) = engine.quarantined.values()
    engine.life, engine.quarantined = "second", {}
    again = Stage(folder, state, engine)
    again.keeper.tidy()
    ((token, entries),) = engine.quarantined.items()
    assert entries == before
    assert token.startswith(f"{segment}-quarantine-traces-shop-again-")
    again.log.close()


def test_a_sealed_segment_with_a_lost_end_is_stored_as_far_as_it_goes(folder: Path, state: StateDb) -> None:
    """The disk has lost what it had synced: that is said, and the bytes are kept."""
    stage = Stage(folder, state, FakeEngine())
    stage.log.append([frame(1), frame(6)])
    stage.log.close()
    path = files_of(folder)[0].path
    path.write_bytes(path.read_bytes()[:-3])
    engine = FakeEngine()
    stored_rows(engine, [frame(1)])
    again = Stage(folder, state, engine).start()
    assert again.stop()
    assert again.ledger.totals()["traces"] == LedgerEntry(stored=2)
    assert len(list((folder / "quarantine").glob("*-torn_tail.bin"))) == 1
    assert (again.registry.get_sample_value("opsintel_collector_torn_tail_bytes_total") or 0) > 0


def test_files_are_kept_by_a_clock_that_nobody_sets(folder: Path, state: StateDb) -> None:
    """A server's data is on disk some time after it was taken: counted in time that passed, not in the time of day."""
    engine = FakeEngine()
    engine.durable_within = 60.0
    stage = Stage(folder, state, engine).start()
    clock = ManualClock(datetime(2040, 1, 1, tzinfo=UTC))  # the day's clock is far ahead of the file's times
    metrics = CollectorMetrics(CollectorRegistry())
    keeper = SegmentKeeper(stage.backlog, stage.writer, stage.seen, engine, metrics, clock, folder / "life")
    stage.log.append([frame()])
    assert stage.flush(10)
    assert keeper.tidy() == 0
    clock.advance(59)
    assert keeper.tidy() == 0
    clock.advance(1)
    assert keeper.tidy() == 1
    assert stage.stop()


def test_what_is_kept_gives_way_to_what_waits(folder: Path, state: StateDb) -> None:
    """Or callers would be refused for data that the store has taken long ago. The oldest goes first."""
    engine = FakeEngine()
    engine.durable_within = 120.0
    stage = Stage(folder, state, engine).start()
    for number in range(4):
        stage.log.append([frame(number)])
        assert stage.flush(10)
    files = [file for file in files_of(folder) if file.state is State.SETTLED]
    sizes = sum(file.path.stat().st_size for file in files_of(folder))
    metrics, clock = CollectorMetrics(CollectorRegistry()), SystemClock()
    keeper = SegmentKeeper(
        stage.backlog, stage.writer, stage.seen, engine, metrics, clock, folder / "life", most_bytes=sizes - 1
    )
    assert keeper.tidy() == 1
    assert [file for file in files_of(folder) if file.state is State.SETTLED] == files[1:]
    assert stage.stop()
