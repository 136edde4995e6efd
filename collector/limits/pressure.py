"""Whether the log can take anything at all, known before a body is read: cheap to ask, a little out of date.

The log itself decides (`collector/wal/log.py` refuses what it cannot keep); this spares callers and memory the body
that would be refused anyway. The state is looked at again after a quarter of a second.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core import Clock, Unavailable

LOOK_S = 0.25
FULL = 0.98
"""The receivers stop at this part of the log's size; the rest is left to what is in work and to the product itself."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why nothing can be taken; `reason` is a metric's label."""

    reason: str
    message: str
    hint: str
    retry_after_s: float = 5.0

    def error(self) -> Unavailable:
        """As it is told to a caller."""
        return Unavailable(self.message, hint=self.hint, retry_after_s=self.retry_after_s)


class Pressure:
    """`log_bytes`: the size of the log on disk. `free_bytes`: what the disk has left; raises OSError if unknown."""

    def __init__(
        self,
        clock: Clock,
        *,
        log_bytes: Callable[[], int],
        log_max_bytes: int,
        free_bytes: Callable[[], int],
        free_floor_bytes: int,
    ) -> None:
        self._clock, self._log_bytes, self._free_bytes = clock, log_bytes, free_bytes
        self._log_max, self._free_floor = log_max_bytes, free_floor_bytes
        self._looked_at, self._found = float("-inf"), None

    _found: Blocked | None

    def __call__(self) -> Blocked | None:
        """None while everything is well."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._found = self._look()
        return self._found

    def _look(self) -> Blocked | None:
        held = self._log_bytes()
        if held >= self._log_max * FULL:
            what = f"the write-ahead log holds {held} of at most {self._log_max} bytes"
            return Blocked("log_full", what, "the store is behind; retry later")
        try:
            free = self._free_bytes()
        except OSError:
            return None  # the log will find out and say so
        if free < self._free_floor:
            what = f"the disk of the write-ahead log has {free} bytes left, {self._free_floor} are kept free"
            return Blocked("disk_full", what, "an operator must make room; retry later")
        return None


def free_bytes_of(folder: Path) -> Callable[[], int]:
    """Asks the file system of a folder."""
    return lambda: shutil.disk_usage(folder).free
