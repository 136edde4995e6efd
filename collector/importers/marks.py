"""How far an import got: a small file on the disk, so that one that was killed goes on where it was.

    no mark ── first batch ──▶ mark (0 records) ── batch taken ──▶ mark (n records) … ── end ──▶ no mark

A mark never says more than what the sink has taken for good: it is written, and synced, after each batch. What was
taken but not yet marked when the process died is *in doubt*; at most one batch is. It is sent again byte for byte,
unless the store can be asked and has it. An import of the same content with the same options to the same place goes
on; of a file that has changed, or with other options, is refused. A finished import leaves no mark, so importing the
file once more repeats it (which changes nothing, see `run.py`).

It does not promise anything for a folder that two machines share.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import Conflict, Unavailable

VERSION = 1
Stored = Callable[[str, int], bool]
"""Whether the store has the record with this event id and time, in nanoseconds."""


@dataclass(frozen=True)
class Resumption:
    """Where the marks are, and what the import goes to.

    `target` names the place that takes the events (a URL, or a tenant of this data directory). `restart` forgets how
    far an earlier import got. `stored` answers for a batch that is in doubt; without it the batch is sent again.
    """

    folder: Path
    target: str
    restart: bool = False
    stored: Stored | None = None


@dataclass(frozen=True)
class Mark:
    """The state of one import. `records` were handed over for good, `refused` of them were not wanted."""

    file: str
    path: str
    stream: str
    target: str
    content: str
    options: str
    observed_ns: int
    """When the import began: every record carries it, so that a repeated batch has the same bytes."""
    records: int = 0
    refused: int = 0
    version: int = field(default=VERSION)


class MarkFile:
    """One import's mark; a context manager that holds it against other processes until it is left."""

    def __init__(self, where: Resumption, fresh: Mark) -> None:
        """Finds what an earlier import left. Raises Conflict when it does not fit or another process is at it."""
        self._folder = where.folder
        name = hashlib.sha256("\n".join((fresh.target, fresh.stream, fresh.content)).encode()).hexdigest()[:24]
        self._path = self._folder / f"{name}.json"
        self._lock: int | None = None
        self.resumed = False
        self.mark = fresh
        self._enter(fresh, where.restart)
        self._begun = self.resumed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlock()

    def begin(self) -> None:
        """The first batch is about to be handed over: from here on a kill leaves a mark. Raises Unavailable."""
        if not self._begun:
            self.taken(self.mark.records, self.mark.refused)

    def taken(self, records: int, refused: int) -> None:
        """So many records are in for good; returns when that is on the disk. Raises Unavailable."""
        self.mark = replace(self.mark, records=records, refused=refused)
        try:
            _replace(self._path, json.dumps(asdict(self.mark)))
        except OSError as problem:
            raise self._cannot(problem) from None
        self._begun = True

    def finished(self) -> None:
        """The import is done; nothing is left of it."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as problem:
            raise self._cannot(problem) from None

    # --- at the start ---

    def _enter(self, fresh: Mark, restart: bool) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._hold()
            if restart:
                self._forget(fresh)
                return
            for path in sorted(self._folder.glob("*.json")):
                self._compare(path, fresh)
        except OSError as problem:
            self._unlock()
            raise self._cannot(problem) from None
        except BaseException:
            self._unlock()
            raise

    def _compare(self, path: Path, fresh: Mark) -> None:
        found = _read(path)
        if path == self._path:
            if found is None or found.version != VERSION:
                raise Conflict(f"how far {fresh.file} got cannot be read", hint="import it again with --restart")
            if found.options != fresh.options:
                raise Conflict(
                    f"an import of {fresh.file} with other options was interrupted after {found.records:,} events",
                    hint="finish it with the same options, or begin anew with --restart",
                )
            self.mark, self.resumed = found, True
        elif found and (found.path, found.target, found.stream) == (fresh.path, fresh.target, fresh.stream):
            raise Conflict(
                f"{fresh.file} has changed since its import was interrupted after {found.records:,} events",
                hint="put the old file back to finish that import, or import this one with --restart; what is in stays",
            )

    def _forget(self, fresh: Mark) -> None:
        for path in self._folder.glob("*.json"):
            found = _read(path)
            mine = found and (found.path, found.target, found.stream) == (fresh.path, fresh.target, fresh.stream)
            if path == self._path or mine:
                path.unlink(missing_ok=True)

    def _hold(self) -> None:
        lock = os.open(_lock_of(self._path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
        except BlockingIOError:
            os.close(lock)
            raise Conflict(f"{self.mark.file} is being imported by another process", hint="wait for it") from None

    def _unlock(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                _lock_of(self._path).unlink()
            os.close(self._lock)
            self._lock = None

    def _cannot(self, problem: OSError) -> Unavailable:
        return Unavailable(f"the mark of the import in {str(self._folder)!r} cannot be kept: {problem.strerror}")


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _read(path: Path) -> Mark | None:
    try:
        return Mark(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError):
        return None


def _replace(path: Path, text: str) -> None:
    """The file has the old text or the new one, whatever happens."""
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, folder)
        os.fsync(folder)
