"""How much room the log has left, over all lanes together.

What others write and remove is looked up a few times a second; what this process has added since counts at once. So N
processes may together exceed the limit by what they write in that time, and no more.
"""

from __future__ import annotations

import os
from pathlib import Path

from collector.wal.lanes import lane_folders
from core import Clock, Unavailable

LOOK_EVERY_S = 0.2
RETRY_S = 5.0


def bytes_of(folder: Path) -> int:
    """The size of the files in a lane; one that vanishes meanwhile counts as nothing."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
    return total


class Room:
    """Counts for one process; not thread-safe, its owner has a lock."""

    def __init__(self, log: Path, clock: Clock, *, max_bytes: int, min_free_bytes: int) -> None:
        self._log, self._clock = log, clock
        self._max_bytes, self._min_free = max_bytes, min_free_bytes
        self._looked_at = float("-inf")
        self._used, self._free = 0, 0

    def added(self, size: int) -> None:
        """This process has written so many bytes."""
        self._used += size
        self._free -= size

    def used(self) -> int:
        """The bytes of all lanes, looked up now."""
        return sum(map(bytes_of, lane_folders(self._log)))

    def check(self, size: int) -> None:
        """Raises Unavailable when `size` bytes more are too many."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._used = self.used()
            disk = os.statvfs(self._log)
            self._free = disk.f_bavail * disk.f_frsize
            self._looked_at = now
        if self._used + size > self._max_bytes:
            raise Unavailable(
                f"the write-ahead log holds {self._used} of at most {self._max_bytes} bytes",
                hint="the store is behind; retry later",
                retry_after_s=RETRY_S,
            )
        if self._free - size < self._min_free:
            raise Unavailable(
                f"the disk of the write-ahead log has {max(0, self._free)} bytes left, {self._min_free} must stay free",
                hint="make room on the disk; retry later",
                retry_after_s=RETRY_S,
            )
