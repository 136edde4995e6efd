"""Where the tests' engine lies and how it runs statements, so that a test of some milliseconds does not wait for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core import load_settings
from storage import ClickHouse, open_clickhouse
from tests.support.examples import DEEP

MEMORY = Path("/dev/shm")
NEEDED = 4 << 30
"""Bytes. The largest module stores some hundred megabytes, and several workers run at once."""
NAME = "opsintel-tests-"

AS_WRITTEN = {"compile_expressions": 0, "compile_aggregate_expressions": 0, "compile_sort_description": 0}
"""The engine compiles what it meets for the third time, which takes longer than all of a test's statements."""


def open_for_tests(folder: Path) -> ClickHouse:
    """The embedded engine in the folder.

    It runs statements without compiling them, but for `make properties`. Services of `make blackbox` and every other
    process that a test starts run it as users have it.
    """
    return open_clickhouse(load_settings(data_dir=folder), {} if DEEP else AS_WRITTEN)


@contextmanager
def quick_folder(other: Path) -> Iterator[Path]:
    """A folder in memory, where the system has one with room, else `other`.

    The engine makes and deletes thousands of small files. The folder goes with the block; what a killed run has left
    goes with the next run's.
    """
    if not room():
        yield other
        return
    for old in MEMORY.glob(f"{NAME}*"):
        if not alive(old.name.removeprefix(NAME).split("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-", dir=MEMORY))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def room() -> bool:
    """Whether there is such a folder with room."""
    with suppress(OSError):
        return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= NEEDED
    return False


def alive(process: str) -> bool:
    """Whether the process with that id runs; true for what is no id, too, as it is not ours."""
    return not process.isdecimal() or Path("/proc", process).exists()
