"""What a start finds in the folder of the log, and its repair.

A torn tail is cut and said so: nothing in it was ever acknowledged by a working disk. Its bytes are kept beside the
damaged frames in `quarantine/`, unless they are all zero. Damaged frames *between* good ones stay in the segment: they
are counted and kept when the segment is stored. A file without a single good or damaged frame is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.quarantine import Quarantine
from collector.wal.files import Files
from collector.wal.segment import SegmentContent, read_segment, segment_of
from core import ConfigurationError, get_logger

_log = get_logger("collector.wal")


@dataclass(frozen=True)
class Found:
    """A repaired segment from before the start; `torn_bytes` were cut."""

    path: Path
    content: SegmentContent
    torn_bytes: int


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """Ids and paths of all segments, the lowest id first. Raises ConfigurationError on another version's format."""
    try:
        found = [(segment, path) for path in folder.iterdir() if (segment := segment_of(path)) is not None]
    except ValueError as problem:
        raise ConfigurationError(str(problem), hint="let the version that wrote it store it first") from None
    return sorted(found)


def recover(folder: Path, files: Files, quarantine: Quarantine) -> Iterator[Found]:
    """Repairs and yields segment after segment, so that one at a time is in memory."""
    for segment, path in segment_files(folder):
        content = read_segment(path, segment)
        if content.torn_bytes:
            _cut(path, content, files, quarantine)
        if not (content.frames or content.bad):
            files.remove(path)
        yield Found(path, content, content.torn_bytes)


def _cut(path: Path, content: SegmentContent, files: Files, quarantine: Quarantine) -> None:
    with path.open("rb") as file:
        file.seek(content.end)
        tail = file.read()
    if any(tail):
        quarantine.keep(content.segment, content.end, "torn_tail", tail, {"bytes": len(tail)})
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        files.truncate(descriptor, content.end)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    _log.warning("torn tail truncated", segment=content.segment, bytes=len(tail), at=content.end)
