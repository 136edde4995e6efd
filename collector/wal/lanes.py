"""Lanes: the log has one folder for each process that writes it, so that none waits for another.

A process holds its lane by a lock on the folder, which the system drops when the process dies. Ids of segments tell
their lane in the high bits, so they are unique over all of them. Lane 0 belongs to the process that owns the engine;
receivers take the lowest free one above it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from core import Conflict

LANE_BITS = 40
"""Below them is a lane's own count: 10^12 segments, thousands of years at a hundred a second."""
MAX_LANES = 256


def first_id(lane: int) -> int:
    """The lowest id that a lane gives."""
    return (lane << LANE_BITS) + 1


def lane_of(segment: int) -> int:
    """Which lane gave the id."""
    return segment >> LANE_BITS


def lane_folder(log: Path, lane: int) -> Path:
    """Where a lane's segments are, below the folder of the log."""
    return log / "lanes" / f"{lane:02d}"


def lane_folders(log: Path) -> list[Path]:
    """The folders of all lanes that exist, the lowest first."""
    return sorted(path for path in (log / "lanes").glob("*") if path.name.isdigit() and path.is_dir())


class LaneLock:
    """Holds a lane from its making to `release`. Raises Conflict when another holds it, OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise Conflict(
                f"another process writes the lane {folder.name} of the log", hint="stop it, or use another lane"
            ) from None

    def release(self) -> None:
        """Lets others have the lane."""
        os.close(self._descriptor)


def free_lane(log: Path, lowest: int = 1) -> tuple[int, LaneLock]:
    """The lowest free lane, and the lock on it. Raises Conflict when all are taken."""
    for lane in range(lowest, MAX_LANES):
        try:
            return lane, LaneLock(lane_folder(log, lane))
        except Conflict:
            continue
    raise Conflict(f"all {MAX_LANES} lanes of the log are taken", hint="start fewer receivers")
