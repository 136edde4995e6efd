"""The log at work: group commit, sealing, ids, limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.wal import Frame, SegmentFile, State, SystemFiles, file_name, lane_of, read_segment
from core import Conflict, ManualClock, Unavailable
from tests.unit.collector.support import eventually, files_of, frame, open_log


class SlowSync(SystemFiles):
    """Counts syncs, and holds the first of the frames back until it is let go."""

    def __init__(self) -> None:
        self.syncs, self.go = 0, threading.Event()

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.syncs > 1:  # the first belongs to the new segment's header
            assert self.go.wait(20)
        super().sync(descriptor)


def test_one_sync_serves_all_that_wait(tmp_path: Path, clock: ManualClock) -> None:
    """While one sync is under way the others queue up, and share the next."""
    files = SlowSync()
    log = open_log(tmp_path, clock, files=files)
    first = log.submit([frame(1)])
    eventually(lambda: files.syncs == 2)
    others = [log.submit([frame(number)]) for number in range(2, 42)]
    assert not first.done()
    files.go.set()
    assert len({future.result(20) for future in [first, *others]}) == 2
    assert files.syncs == 3
    log.close()


def test_many_threads_lose_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """Every frame is there once, under the segment that its position names."""
    log = open_log(tmp_path, clock, segment_bytes=2_000)
    frames = [frame(number) for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        positions = list(pool.map(lambda one: log.append([one]), frames))
    log.close()
    stored = [
        (file.segment, one) for file in files_of(tmp_path) for one in read_segment(file.path, file.segment).frames
    ]
    assert sorted(stored, key=lambda pair: pair[1].received_at_ns) == [
        (position.segment, one) for position, one in zip(positions, frames, strict=True)
    ]
    assert len({position.segment for position in positions}) > 5


def test_ids_rise_and_are_never_given_again(tmp_path: Path, clock: ManualClock) -> None:
    """Not even when every file was stored and removed: the id is the deduplication token."""
    seen = set[int]()
    for _ in range(5):
        log = open_log(tmp_path, clock)
        seen.add(log.append([frame()]).segment)
        log.close()
        for file in files_of(tmp_path):
            file.path.unlink()
    assert len(seen) == 5
    assert open_and_close(tmp_path, clock, floor=lambda _: 10**6) > 10**6 - 1


def open_and_close(folder: Path, clock: ManualClock, floor: Callable[[int], int]) -> int:
    log = open_log(folder, clock, floor=floor)
    segment = log.append([frame()]).segment
    log.close()
    return segment


def test_ids_stay_unique_over_many_segments(tmp_path: Path, clock: ManualClock) -> None:
    """More segments than one run of reserved ids."""
    log = open_log(tmp_path, clock, segment_bytes=1)
    given = [log.append([frame()]).segment for _ in range(150)]
    log.close()
    assert given == sorted(set(given))
    assert len(list(tmp_path.glob("lanes/00/next-*.id"))) == 1


def test_a_segment_is_sealed_for_its_age(tmp_path: Path, clock: ManualClock) -> None:
    """The age counts from the first frame; an empty segment is never sealed."""
    log = open_log(tmp_path, clock, age_s=0.05)
    clock.advance(10)
    position = log.append([frame()])
    assert [file.state for file in files_of(tmp_path)] == [State.OPEN]
    clock.advance(1)
    eventually(lambda: files_of(tmp_path)[0].state is State.SEALED)
    assert [file.state for file in files_of(tmp_path)] == [State.SEALED, State.OPEN]
    assert files_of(tmp_path)[0].path.name == file_name(position.segment)
    log.close()


def test_a_slow_store_gets_larger_segments(tmp_path: Path, clock: ManualClock) -> None:
    """While an earlier segment waits, the next is sealed much later; when that is settled, at its age."""
    log = open_log(tmp_path, clock, age_s=1)
    log.append([frame(1)])
    clock.advance(1)
    eventually(lambda: len(files_of(tmp_path)) == 2)
    for number in (2, 3):
        log.append([frame(number)])
        clock.advance(2)
    log.append([frame(4)])  # the committer has looked at the age since
    waiting, written = files_of(tmp_path)
    assert (waiting.state, written.state) == (State.SEALED, State.OPEN)
    waiting.path.rename(waiting.named(State.SETTLED))
    eventually(lambda: [file.state for file in files_of(tmp_path)] == [State.SETTLED, State.SEALED, State.OPEN])
    assert len(read_segment(files_of(tmp_path)[1].path, written.segment).frames) == 3
    log.close()


def test_a_segment_that_nobody_can_store_does_not_hold_up_the_others(tmp_path: Path, clock: ManualClock) -> None:
    """Every one that waits makes the age eight times as long, and no longer: an hour's outage makes a handful."""
    log = open_log(tmp_path, clock, age_s=1)
    for count, age in enumerate((1, 8, 64, 512), start=1):
        log.append([frame(count)])
        clock.advance(age - 0.5)
        log.append([frame(count)])
        assert [file.state for file in files_of(tmp_path)].count(State.SEALED) == count - 1
        clock.advance(0.5)
        eventually(lambda count=count: [file.state for file in files_of(tmp_path)].count(State.SEALED) == count)
    log.close()


def test_a_full_log_refuses_until_there_is_room(tmp_path: Path, clock: ManualClock) -> None:
    """Refused means absent; room comes back when segments are removed, by whomever."""
    log = open_log(tmp_path, clock, max_bytes=600, segment_bytes=100)
    for number in range(4):
        log.append([frame(number)])
    with pytest.raises(Unavailable, match="of at most 600 bytes"):
        log.append([Frame(frame().signal, "shop", 1, 1, bytes(500))])
    log.check()
    files_of(tmp_path)[0].path.unlink()
    clock.advance(1)
    log.append([Frame(frame().signal, "shop", 1, 1, bytes(200))])
    log.close()


def test_a_disk_without_room_is_left_some(tmp_path: Path, clock: ManualClock) -> None:
    """Others need the disk, too: the engine, to make room again."""
    log = open_log(tmp_path, clock, min_free_bytes=1 << 60)
    with pytest.raises(Unavailable, match="must stay free"):
        log.append([frame()])
    with pytest.raises(Unavailable, match="must stay free"):
        log.check()
    log.close()
    assert not files_of(tmp_path)


def test_a_lane_has_one_writer(tmp_path: Path, clock: ManualClock) -> None:
    """A second one is refused, or takes the next lane; after a close the lane is free."""
    log = open_log(tmp_path, clock)
    with pytest.raises(Conflict, match="lane 00"):
        open_log(tmp_path, clock)
    others = [open_log(tmp_path, clock, lane=None) for _ in range(3)]
    assert [other.lane for other in others] == [1, 2, 3]
    ids = {other.append([frame()]).segment for other in [log, *others]}
    assert {lane_of(segment) for segment in ids} == {0, 1, 2, 3}
    others[1].close()
    assert open_log(tmp_path, clock, lane=None).lane == 2
    for other in (log, others[0], others[2]):
        other.close()


def test_a_closed_log_refuses(tmp_path: Path, clock: ManualClock) -> None:
    """And says that it is worth trying the next process."""
    log = open_log(tmp_path, clock)
    log.close()
    with pytest.raises(Unavailable, match="closed"):
        log.append([frame()])


@pytest.mark.parametrize("bad", [frame(tenant=""), frame(tenant="x" * 256), frame(items=0)])
def test_what_is_no_frame_hurts_nobody_else(bad: Frame, tmp_path: Path, clock: ManualClock) -> None:
    """It is refused before it joins the others."""
    log = open_log(tmp_path, clock)
    with pytest.raises(ValueError, match=r"got"):
        log.append([bad])
    log.append([frame()])
    log.close()


def sealed(folder: Path) -> list[SegmentFile]:
    """The segments that wait."""
    return [file for file in files_of(folder) if file.state is State.SEALED]
