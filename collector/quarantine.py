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

    def why(self, segment: int, offset: int, reason: str) -> str | None:
        """What was noted when this was kept; None if it was not."""
        path = self._path(segment, offset, reason)
        return str(orjson.loads(path.with_suffix(".json").read_bytes()).get("why", "")) if path.exists() else None

    def _path(self, segment: int, offset: int, reason: str) -> Path:
        return self.folder / f"{segment:08d}-{offset:012d}-{reason}.bin"

    def keep(self, segment: int, offset: int, reason: str, data: bytes, details: Mapping[str, object]) -> Path:
        """Writes the bytes and why; returns the path once both are on the disk. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(segment, offset, reason)
        if path.exists():
            return path
        note = {"segment": segment, "offset": offset, "reason": reason, "kept_at": self._clock.now(), **details}
        write_durably(path.with_suffix(".json"), orjson.dumps(note, option=orjson.OPT_INDENT_2))
        write_durably(path, data)
        _log.warning("quarantined", segment=segment, offset=offset, reason=reason, bytes=len(data), file=path.name)
        return path


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, for its owner and his group; on disk when it returns. Raises OSError."""
    draft = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
