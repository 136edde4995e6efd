"""The value-stream models in force: those that the product comes with, changed or completed by a folder of files.

`ProcessModels` holds one immutable set at a time and is safe to use from any thread: a reader sees the old set or the
new one, never a mixture. It does not watch the folder; somebody calls `reload`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from core import get_logger
from core.errors import ConfigurationError
from kpis.process.calendars import Calendar
from kpis.process.streams import SUFFIXES, ModelSet, ValueStream, packaged_models, parse_models

log = get_logger(__name__)


class ProcessModels:
    """The current set. `streams` and `calendars` may be handed on as callables: they answer with the set in force."""

    def __init__(self, directory: Path | None = None) -> None:
        """Reads the folder; without one the packaged models are all there is.

        Raises ConfigurationError that names the file, the line and the reason.
        """
        self._directory = directory
        self._reloading = threading.Lock()
        self._current = self._read()

    @property
    def current(self) -> ModelSet:
        """The set in force, which does not change."""
        return self._current

    def streams(self) -> Mapping[str, ValueStream]:
        """The streams in force."""
        return self._current.streams

    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars in force."""
        return self._current.calendars

    def details(self) -> Mapping[str, tuple[str, ...]]:
        """By stream, the events that tell about a step and are none of their own."""
        return {name: stream.details for name, stream in self._current.streams.items()}

    def reload(self) -> ModelSet:
        """Reads the folder again and returns what is in force now.

        Raises ConfigurationError when a file is wrong; the set in force then stays.
        """
        with self._reloading:
            try:
                found = self._read()
            except ConfigurationError as error:
                log.warning("process models not reloaded, the running ones stay", reason=str(error))
                raise
            self._current = found
            log.info("process models reloaded", streams=len(found.streams), calendars=len(found.calendars))
            return found

    def _read(self) -> ModelSet:
        base = packaged_models()
        return base if self._directory is None else parse_models(_files(self._directory), base)


def _files(directory: Path) -> list[tuple[str, bytes]]:
    """Every YAML file of the folder; names that begin with a dot are an editor's or a mount's own."""
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES and path.name[0] != ".")
        return [(str(path), path.read_bytes()) for path in paths]
    except OSError as error:
        raise ConfigurationError(
            f"process_models_dir: {error.filename or directory} cannot be read: {error.strerror}"
        ) from None
