"""Rendered files between rendering and the last delivery: whole or not there, on disk before anybody is told of them.

A file is written under a hidden name, synced, renamed, and the folder synced. Files that no run names (a process died
before its record) are swept away once they are old. All processes that send for a tenant must see the same folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO


class Spool:
    """One tenant's. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the file of this name lies or would lie."""
        return self._folder / name

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A file to be written and read; after the block it is there, or, when the block raised, it never was."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial, final = self.path(f".{name}.part"), self.path(name)
        try:
            with partial.open("w+b") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(self._folder)

    def remove(self, name: str) -> None:
        """Removes it, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def sweep(self, named: Collection[str], older_than: datetime) -> int:
        """Removes files that are none of these names and were last changed before; how many."""
        if not self._folder.is_dir():
            return 0
        going = [
            file
            for file in self._folder.iterdir()
            if file.name not in named and file.stat().st_mtime < older_than.timestamp()
        ]
        for file in going:
            file.unlink(missing_ok=True)
        return len(going)


def sha256_of(file: Path) -> str:
    """The checksum of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes a rename in it last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
