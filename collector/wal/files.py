"""The few file operations that durability rests on, behind a protocol so that tests can make the n-th one fail."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

_BUFFERS_AT_ONCE = 512  # below every system's IOV_MAX


class Files(Protocol):
    """What changes the disk. Every operation raises OSError when it fails."""

    def create(self, path: Path) -> int:
        """Creates a file that must not exist; returns its descriptor, open for appending."""
        ...

    def write(self, descriptor: int, buffers: Sequence[bytes]) -> None:
        """Appends all of the buffers."""
        ...

    def sync(self, descriptor: int) -> None:
        """Returns when what was written is on the disk."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Returns when the names in the folder are on the disk."""
        ...

    def truncate(self, descriptor: int, size: int) -> None:
        """Cuts the file."""
        ...

    def close(self, descriptor: int) -> None:
        """Closes the descriptor."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file another name in the same folder; which of both it has after a crash is not promised."""
        ...

    def remove(self, path: Path) -> None:
        """Removes a file; one that is not there is no error."""
        ...


class SystemFiles:
    """The operating system's files."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def write(self, descriptor: int, buffers: Sequence[bytes]) -> None:
        waiting = [memoryview(buffer) for buffer in buffers if buffer]
        while waiting:
            written = os.writev(descriptor, waiting[:_BUFFERS_AT_ONCE])
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = waiting[0][written:]

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
