"""A disk that fails: acknowledged means readable, refused means absent."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from collector.wal import Frame, SegmentLog, read_segment
from core import ManualClock, Unavailable
from tests.unit.collector.support import FaultyFiles, files_of, frame, open_log

FRAMES = [frame(number) for number in range(1, 9)]


def readable(folder: Path) -> list[Frame]:
    """All frames in all segments."""
    return [one for file in files_of(folder) for one in read_segment(file.path, file.segment, file.length).frames]


def drive(log: SegmentLog) -> tuple[list[Frame], list[Frame]]:
    """Appends frame by frame; returns those acknowledged and those refused."""
    acked, refused = list[Frame](), list[Frame]()
    for one in FRAMES:
        try:
            log.append([one])
        except Unavailable:
            refused.append(one)
        else:
            acked.append(one)
    return acked, refused


@pytest.mark.parametrize("operation", ["write", "sync", "create", "sync_folder"])
@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.parametrize("segment_bytes", [4096, 150], ids=["one segment", "a segment for every two frames"])
def test_one_failure(operation: str, number: int, segment_bytes: int, tmp_path: Path, clock: ManualClock) -> None:
    """After any single failure the log goes on, at the latest with the append after the next."""
    files = FaultyFiles(operation, number)
    try:
        log = open_log(tmp_path, clock, files=files, segment_bytes=segment_bytes)
    except OSError:
        assert number <= 3, "only the first operations belong to opening"
        return
    acked, refused = drive(log)
    log.close()
    assert readable(tmp_path) == acked
    assert len(refused) <= files.failures
    again = open_log(tmp_path, clock)
    again.close()
    assert readable(tmp_path) == acked


@pytest.mark.parametrize("operation", ["write", "sync", "create"])
@pytest.mark.parametrize("number", range(2, 11))
def test_a_disk_that_stays_broken(operation: str, number: int, tmp_path: Path, clock: ManualClock) -> None:
    """Everything is refused from then on, and what was acknowledged before stays readable."""
    files = FaultyFiles(operation, number, forever=True)
    try:
        log = open_log(tmp_path, clock, files=files, segment_bytes=150)
    except OSError:
        return
    acked, _ = drive(log)
    log.close()
    assert readable(tmp_path)[: len(acked)] == acked
    assert set(acked) <= set(readable(tmp_path))


def test_a_full_disk_says_so(tmp_path: Path, clock: ManualClock) -> None:
    """The caller learns that it is worth coming back, and why not now."""
    log = open_log(tmp_path, clock, files=FaultyFiles("write", 2, code=errno.ENOSPC))
    with pytest.raises(Unavailable, match=r"disk .* is full") as problem:
        log.append([FRAMES[0]])
    assert problem.value.retry_after_s > 0
    log.append([FRAMES[1]])
    log.close()
    assert readable(tmp_path) == [FRAMES[1]]


def test_a_failed_sync_is_never_repeated_on_the_same_file(tmp_path: Path, clock: ManualClock) -> None:
    """The kernel may have dropped the dirty pages, so a second fsync that succeeds proves nothing."""
    log = open_log(tmp_path, clock, files=FaultyFiles("sync", 3))
    first = log.append([FRAMES[0]])
    with pytest.raises(Unavailable):
        log.append([FRAMES[1]])
    second = log.append([FRAMES[2]])
    log.close()
    assert second.segment > first.segment
