"""The log at work: group commit, sealing, ids, limits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.wal import Frame, SystemFiles, file_name, read_segment
from collector.wal.replay import segment_files
from core import ManualClock, Unavailable
from tests.unit.collector.support import eventually, frame, open_log


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
    stored = [(segment, one) for segment, path in segment_files(tmp_path) for one in read_segment(path, segment).frames]
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
        for _, path in segment_files(tmp_path):
            path.unlink()
    assert len(seen) == 5
    assert open_and_close(tmp_path, clock, floor=10**6) > 10**6 - 1


def open_and_close(folder: Path, clock: ManualClock, floor: int) -> int:
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
    assert len(list(tmp_path.glob("next-*.id"))) == 1


def test_age_and_sealing(tmp_path: Path, clock: ManualClock) -> None:
    """The age counts from the first frame; a sealed segment is handed out once, again only if given back."""
    log = open_log(tmp_path, clock)
    assert log.age() is None
    assert log.take(0.01) is None
    position = log.append([frame()])
    clock.advance(3)
    assert log.age() == 3
    assert log.seal() == position.segment
    sealed = log.take(1)
    assert sealed is not None
    assert (sealed.segment, sealed.path.name) == (position.segment, file_name(position.segment))
    assert log.take(0) is None
    log.give_back(sealed)
    assert log.take(0) == sealed
    before = log.bytes_on_disk
    log.remove(sealed.segment)
    log.give_back(sealed)  # too late: it is gone
    assert not sealed.path.exists()
    assert log.bytes_on_disk < before
    assert log.take(0.01) is None
    assert log.age() is None
    log.close()


def test_a_full_log_refuses_until_there_is_room(tmp_path: Path, clock: ManualClock) -> None:
    """Refused means absent; room comes back when segments are stored."""
    log = open_log(tmp_path, clock, max_bytes=600, segment_bytes=100)
    kept = list[Frame]()
    for number in range(4):
        log.append([frame(number)])
        kept.append(frame(number))
    with pytest.raises(Unavailable, match="of at most 600 bytes"):
        log.append([Frame(kept[0].signal, "shop", 1, 1, bytes(500))])
    sealed = log.take(1)
    assert sealed is not None
    assert len(read_segment(sealed.path, sealed.segment).frames) == 2
    log.remove(sealed.segment)
    log.append([frame(100)])
    log.close()


def test_what_was_there_before_comes_first(tmp_path: Path, clock: ManualClock) -> None:
    """A start hands out the segments of earlier runs, in order, and marks them as replayed."""
    for number in (1, 2):
        log = open_log(tmp_path, clock)
        log.append([frame(number)])
        log.close()
    log = open_log(tmp_path, clock)
    log.append([frame(3)])
    log.seal()
    found = list[tuple[bool, Sequence[Frame]]]()
    while (sealed := log.take(0)) is not None:
        found.append((sealed.replayed, read_segment(sealed.path, sealed.segment, sealed.length).frames))
        log.remove(sealed.segment)
    log.close()
    assert found == [(True, (frame(1),)), (True, (frame(2),)), (False, (frame(3),))]


def test_each_segment_goes_to_one_taker(tmp_path: Path, clock: ManualClock) -> None:
    """However many ask at once: every segment is taken, none by two."""
    log = open_log(tmp_path, clock)
    for number in range(20):
        log.append([frame(number)])
        log.seal()
    taken, lock = list[int](), threading.Lock()

    def worker() -> None:
        while (sealed := log.take(0)) is not None:
            with lock:
                taken.append(sealed.segment)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(taken) == 20
    assert len(set(taken)) == 20


def test_waiting_is_for_every_segment_up_to_the_wanted_one(tmp_path: Path, clock: ManualClock) -> None:
    """Segments are removed in any order; a younger one that is gone says nothing of the older."""
    log = open_log(tmp_path, clock)
    segments = list[int]()
    for number in range(3):
        segments.append(log.append([frame(number)]).segment)
        log.seal()
    assert not log.wait_removed(segments[1], 0)
    log.remove(segments[1])
    assert not log.wait_removed(segments[1], 0)
    log.remove(segments[0])
    assert log.wait_removed(segments[1], 0)
    assert not log.wait_removed(segments[2], 0)
    log.close()


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
