"""Refused data, kept with its reason: `quarantine/<segment>-<offset>-<reason>.bin` and a `.json` beside it.

The names follow from what is kept, so keeping the same again after a crash changes nothing. Nothing here is ever
removed by the program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from core import Clock, get_logger

_log = get_logger("collector.quarantine")


class Quarantine:
    """A folder of refused data."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock

    def holds(self, segment: int, offset: int, reason: str) -> bool:
        """Whether this was kept."""
        return self._path(segment, offset, reason).exists()

    def _path(self, segment: int, offset: int, reason: str) -> Path:
        return self.folder / f"{segment:08d}-{offset:012d}-{reason}.bin"

    def keep(self, segment: int, offset: int, reason: str, data: bytes, details: Mapping[str, object]) -> Path:
        """Writes the bytes and why; returns the path once both are on the disk. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(segment, offset, reason)
        if path.exists():
            return path
        note = {"segment": segment, "offset": offset, "reason": reason, "kept_at": self._clock.now(), **details}
        _write(path.with_suffix(".json"), orjson.dumps(note, option=orjson.OPT_INDENT_2))
        _write(path, data)
        _log.warning("quarantined", segment=segment, offset=offset, reason=reason, bytes=len(data), file=path.name)
        return path


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(path.suffix + ".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
