"""What a dead writer left in its lane, and its repair.

A torn tail is cut and said so: nothing in it was ever acknowledged by a working disk. Its bytes are kept beside the
damaged frames in `quarantine/`, unless they are all zero. Damaged frames *between* good ones stay in the segment: they
are counted and kept when the segment is stored. A file without a single good or damaged frame is removed. Whoever
repairs holds the lane. Sealed segments are not touched, nor read: they belong to those who store, who may be renaming
and removing them at this very moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.quarantine import Quarantine
from collector.wal.files import Files
from collector.wal.segment import SegmentContent, SegmentFile, State, read_segment, segment_file
from core import ConfigurationError, get_logger

_log = get_logger("collector.wal")


@dataclass(frozen=True)
class Found:
    """A repaired segment from before the start; `torn_bytes` were cut. `file` is None when nothing was left."""

    content: SegmentContent
    file: SegmentFile | None
    torn_bytes: int


def segment_files(folder: Path) -> list[SegmentFile]:
    """All segments of a lane, the lowest id first. Raises ConfigurationError on another version's format."""
    try:
        found = [file for path in folder.iterdir() if (file := segment_file(path)) is not None]
    except ValueError as problem:
        raise ConfigurationError(str(problem), hint="let the version that wrote it store it first") from None
    return sorted(found, key=lambda file: file.segment)


def recover(folder: Path, files: Files, quarantine: Quarantine) -> Iterator[Found]:
    """Repairs, seals and yields every open segment, so that one at a time is in memory."""
    for file in segment_files(folder):
        if file.state is not State.OPEN:
            continue
        content = read_segment(file.path, file.segment, file.length)
        if content.torn_bytes:
            _cut(file.path, content, files, quarantine)
        if not (content.frames or content.bad):
            files.remove(file.path)
            yield Found(content, None, content.torn_bytes)
            continue
        sealed = file.named(State.SEALED)
        files.rename(file.path, sealed)
        yield Found(content, SegmentFile(file.segment, State.SEALED, sealed, file.length), content.torn_bytes)


def _cut(path: Path, content: SegmentContent, files: Files, quarantine: Quarantine) -> None:
    with path.open("rb") as file:
        file.seek(content.end)
        tail = file.read(content.torn_bytes)
    if any(tail):
        quarantine.keep(content.segment, content.end, "torn_tail", tail, {"bytes": len(tail)})
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        files.truncate(descriptor, content.end)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    _log.warning("torn tail truncated", segment=content.segment, bytes=len(tail), at=content.end)
