"""The store's side of the log: every sealed segment of every lane is stored once, whoever wrote it."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.wal import Frame, Sealed, SegmentLog, State, SystemFiles, first_id, read_segment
from collector.wal.tally import Tally
from core import ManualClock, SystemClock
from storage import Signal
from tests.unit.collector.support import eventually, files_of, frame, open_backlog, open_log


def frames_of(sealed: Sealed) -> tuple[Frame, ...]:
    """What it holds."""
    return read_segment(sealed.file.path, sealed.segment, sealed.file.length).frames


def test_what_was_there_before_comes_first(tmp_path: Path, clock: ManualClock) -> None:
    """A start hands out the segments of earlier runs, in order, and marks them as replayed."""
    for number in (1, 2):
        log = open_log(tmp_path, clock)
        log.append([frame(number)])
        log.close()
    log, backlog = open_log(tmp_path, clock), open_backlog(tmp_path, clock)
    log.append([frame(3)])
    log.seal()
    found = list[tuple[bool, tuple[Frame, ...]]]()
    while (sealed := backlog.take(0)) is not None:
        found.append((sealed.replayed, frames_of(sealed)))
        backlog.settle(sealed)
    log.close()
    assert found == [(True, (frame(1),)), (True, (frame(2),)), (False, (frame(3),))]


def test_a_segment_is_handed_out_once(tmp_path: Path, clock: ManualClock) -> None:
    """Again only if given back, and never after it was settled."""
    log, backlog = open_log(tmp_path, clock), open_backlog(tmp_path, clock)
    assert backlog.take(0.01) is None
    position = log.append([frame()])
    assert backlog.take(0) is None, "it is not sealed yet"
    log.seal()
    sealed = backlog.take(1)
    assert sealed is not None
    assert sealed.segment == position.segment
    assert backlog.take(0) is None
    backlog.give_back(sealed)
    assert backlog.take(0) == sealed
    assert backlog.waiting == 1
    backlog.settle(sealed)
    backlog.give_back(sealed)  # too late
    assert backlog.take(0) is None
    assert backlog.waiting == 0
    (kept,) = backlog.settled()
    assert kept.state is State.SETTLED
    backlog.remove(kept)
    backlog.look()
    assert not backlog.settled()
    assert not kept.path.exists()
    log.close()


def test_each_segment_goes_to_one_taker(tmp_path: Path, clock: ManualClock) -> None:
    """However many ask at once, from however many lanes: every segment is taken, none by two."""
    logs = [open_log(tmp_path, clock, lane=lane) for lane in range(3)]
    backlog = open_backlog(tmp_path, clock)
    for number in range(20):
        logs[number % 3].append([frame(number)])
        logs[number % 3].seal()
    taken, lock = list[int](), threading.Lock()

    def worker() -> None:
        while (sealed := backlog.take(0)) is not None:
            with lock:
                taken.append(sealed.segment)

    backlog.look()
    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()
    assert len(taken) == 20
    assert len(set(taken)) == 20


def test_waiting_is_for_every_segment_up_to_the_wanted_one(tmp_path: Path, clock: ManualClock) -> None:
    """Segments are settled in any order; a younger one that is gone says nothing of the older, nor of other lanes."""
    log, other = open_log(tmp_path, clock), open_log(tmp_path, clock, lane=1)
    backlog = open_backlog(tmp_path, clock)
    other.append([frame()])
    other.seal()
    for number in range(3):
        log.append([frame(number)])
        log.seal()
    sealed = {one.segment: one for _ in range(4) if (one := backlog.take(1))}
    first, second, third = sorted(segment for segment in sealed if segment < first_id(1))
    assert not backlog.wait_settled(second, 0)
    backlog.settle(sealed[second])
    assert not backlog.wait_settled(second, 0)
    backlog.settle(sealed[first])
    assert backlog.wait_settled(second, 0)
    assert not backlog.wait_settled(third, 0)
    log.close()
    other.close()


def test_a_lane_whose_writer_died_is_repaired(tmp_path: Path, clock: ManualClock) -> None:
    """What it had acknowledged is stored, a torn tail is cut, and its lane is free for the next."""
    backlog, found = open_backlog(tmp_path, clock), list[int]()
    backlog = open_backlog(tmp_path, clock, found=lambda one: found.append(one.torn_bytes))
    log = open_log(tmp_path, clock, lane=3)
    log.append([frame(1), frame(2)])
    log.close()  # gives the lane back, as a death does; then the file is made to look as one left open
    (file,) = files_of(tmp_path, 3)
    left = file.named(State.OPEN)
    file.path.rename(left)
    with left.open("ab") as torn:
        torn.write(b"OPSF and then nothing")
    clock.advance(5)
    sealed = backlog.take(1) or backlog.take(1)
    assert sealed is not None
    assert (frames_of(sealed), found) == ((frame(1), frame(2)), [21])
    assert not sealed.replayed


def test_a_lane_that_is_being_written_is_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    """Its open segment is counted as pending, frame by frame, and not touched."""
    log, backlog = open_log(tmp_path, clock, lane=1), open_backlog(tmp_path, clock)
    for number in range(1, 4):
        position = log.append([frame(number, items=number, tenant="shop")])
        clock.advance(5)
        (items,) = backlog.pending().values()
        assert items == Counter({("traces", "shop"): sum(range(number + 1))})
    log.append([frame(9, items=7, signal=Signal.LOGS, tenant="other")])
    assert backlog.pending()[position.segment]["logs", "other"] == 7
    assert files_of(tmp_path, 1)[0].state is State.OPEN
    log.close()
    assert backlog.pending()[position.segment].total() == 13


def test_a_look_does_not_lose_what_moves(tmp_path: Path, clock: ManualClock) -> None:
    """Segments are sealed, settled and removed while others look: none is taken twice, none is forgotten."""
    log, backlog = open_log(tmp_path, clock, segment_bytes=200), open_backlog(tmp_path, clock)
    done, sent = threading.Event(), 300
    stored: Counter[int] = Counter()

    def look() -> None:
        while not done.is_set():
            backlog.pending()

    def store() -> None:
        while not done.is_set():
            sealed = backlog.take(0.01)
            if sealed is not None:
                stored.update(one.items for one in frames_of(sealed))
                backlog.settle(sealed)
                for file in backlog.settled():
                    backlog.remove(file)

    threads = [threading.Thread(target=work, daemon=True) for work in (look, look, store)]
    for thread in threads:
        thread.start()
    for number in range(1, sent + 1):
        log.append([Frame(Signal.TRACES, "shop", number, number, bytes(sent))])
    log.close()
    try:
        eventually(lambda: stored.total() == sent)
    finally:
        done.set()
    for thread in threads:
        thread.join()
    assert stored == Counter(range(1, sent + 1))
    assert not backlog.pending()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Signal)), st.sampled_from(["a", "b☃"]), st.integers(1, 9), st.integers(9, 80_000)
        ),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
def test_the_tally_is_what_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Signal, str, int, int]], step_by_step: bool
) -> None:
    """However large the frames are, and whether it is counted as it grows or at once."""
    folder, clock, tally = tmp_path_factory.mktemp("log"), SystemClock(), Tally()
    log: SegmentLog = open_log(folder, clock, segment_bytes=1 << 30)
    expected: Counter[tuple[str, str]] = Counter()
    for signal, tenant, items, size in rows:
        log.append([Frame(signal, tenant, 1, items, bytes(size))])
        expected[signal.value, tenant] += items
        if step_by_step:
            tally.advance(files_of(folder)[0])
            assert tally.items == expected
    log.close()
    tally.advance(files_of(folder)[0])
    assert tally.items == expected


def test_a_damaged_segment_is_counted_by_reading_it(tmp_path: Path, clock: ManualClock) -> None:
    """Walking from header to header ends at damage; what follows is found by its checksums."""
    log = open_log(tmp_path, clock)
    log.append([frame(number, items=5) for number in range(1, 4)])
    log.close()
    (file,) = files_of(tmp_path)
    raw = bytearray(file.path.read_bytes())
    second = raw.index(b"OPSF", raw.index(b"OPSF") + 1)
    raw[second : second + 4] = b"????"
    file.path.write_bytes(bytes(raw))
    tally = Tally()
    tally.advance(file)
    assert tally.items["traces", "shop"] == 10
    assert tally.items.total() in (11, 15)  # what is damaged is counted by what it claims


class Stubborn(SystemFiles):
    """Refuses to rename so often."""

    def __init__(self, refusals: int) -> None:
        self.left = refusals

    def rename(self, old: Path, new: Path) -> None:
        self.left -= 1
        if self.left >= 0:
            raise OSError(errno.ENOSPC, "no room for a longer name")
        super().rename(old, new)


def test_a_segment_that_could_not_be_named_is_not_forgotten(tmp_path: Path) -> None:
    """A disk may refuse a rename, too: the name is given later, without a restart, and frames go on meanwhile."""
    clock, files = SystemClock(), Stubborn(1)
    log, backlog = open_log(tmp_path, clock, files=files), open_backlog(tmp_path, clock)
    first = log.append([frame(1)]).segment
    log.seal()
    assert backlog.take(0) is None
    log.append([frame(2)])
    eventually(lambda: backlog.take(0.01) is not None, 10)
    assert {file.segment: file.state for file in files_of(tmp_path)}[first] is State.SEALED
    log.close()


def test_a_file_that_somebody_took_away_stops_nobody(tmp_path: Path, clock: ManualClock) -> None:
    """Neither before it is taken nor while it is being stored."""
    log, backlog = open_log(tmp_path, clock), open_backlog(tmp_path, clock)
    for number in range(3):
        log.append([frame(number)])
        log.seal()
    backlog.look()
    first = backlog.take(1)
    assert first is not None
    first.file.path.unlink()
    backlog.look()
    backlog.settle(first)
    second = files_of(tmp_path)[0]
    second.path.unlink()
    backlog.look()
    third = backlog.take(1)
    assert third is not None
    assert frames_of(third) == (frame(2),)
    assert backlog.take(0) is None
    backlog.settle(third)
    assert backlog.wait_settled(third.segment, 0)
    log.close()


def test_a_lane_that_cannot_be_repaired_does_not_hold_up_the_others(tmp_path: Path, clock: ManualClock) -> None:
    """It is tried again; what the others wrote is handed out meanwhile."""
    backlog = open_backlog(tmp_path, clock, files=Stubborn(1))
    dead = open_log(tmp_path, clock, lane=1)
    dead.append([frame(1)])
    dead.close()
    (file,) = files_of(tmp_path, 1)
    file.path.rename(file.named(State.OPEN))
    log = open_log(tmp_path, clock, lane=2)
    log.append([frame(2)])
    log.seal()
    clock.advance(5)
    one = backlog.take(0)
    assert one is not None
    assert frames_of(one) == (frame(2),)
    clock.advance(5)
    two = backlog.take(0)
    assert two is not None
    assert frames_of(two) == (frame(1),)
    log.close()


def test_an_empty_segment_is_not_old(tmp_path: Path, clock: ManualClock) -> None:
    """A lane that nothing came in on for days must not keep what is remembered of re-sent requests from going."""
    idle, backlog = open_log(tmp_path, clock, lane=1), open_backlog(tmp_path, clock)
    assert backlog.oldest_created_ns() is None
    clock.advance(86_400)
    log = open_log(tmp_path, clock)
    log.append([frame()])
    assert backlog.oldest_created_ns() == clock.time_ns()
    idle.close()
    log.close()
