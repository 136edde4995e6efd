"""Segment ids that are never given twice, also after every segment has been removed.

The highest id reserved so far is remembered in the *name* of an empty file, `next-00000065.id`: a name cannot be torn.
Ids are reserved in runs, so a crash leaves gaps; gaps mean nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from collector.wal.files import Files

RUN = 64
_NAME = re.compile(r"^next-(\d+)\.id$")


class SegmentIds:
    """Gives ids in rising order; `floor` and the ids of files at hand are lower bounds."""

    def __init__(self, folder: Path, files: Files, floor: int) -> None:
        self._folder, self._files = folder, files
        self._markers = {int(match[1]): path for path in folder.iterdir() if (match := _NAME.match(path.name))}
        self._reserved = max(self._markers, default=0)  # every id below may have been given
        self._next = max(floor, self._reserved, 1)

    def next(self) -> int:
        """A new id, durably reserved. Raises OSError when that fails; then no id is given."""
        if self._next >= self._reserved:
            limit = self._next + RUN
            path = self._folder / f"next-{limit:08d}.id"
            self._files.remove(path)  # left behind by a reservation whose sync failed
            self._files.close(self._files.create(path))
            self._files.sync_folder(self._folder)
            for old in self._markers.values():
                self._files.remove(old)
            self._markers, self._reserved = {limit: path}, limit
        given, self._next = self._next, self._next + 1
        return given


def keep_above(folder: Path, files: Files, floor: int) -> None:
    """Makes a lane that nobody writes give no id below `floor`: for a log that was lost while tables were kept."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [int(match[1]) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    if max(known, default=0) < floor:
        files.close(files.create(folder / f"next-{floor:08d}.id"))
        files.sync_folder(folder)
