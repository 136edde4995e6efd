"""One owner for a data directory: the log, the embedded engine and SQLite all rest on that.

The lock is the kernel's and ends with the process, whatever ends it. It does not work across machines.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import Conflict


@contextmanager
def data_directory(folder: Path) -> Iterator[Path]:
    """Holds the directory for the length of the block; raises Conflict when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Conflict(
                f"the data directory {folder} is in use by process {holder}",
                hint="stop that process, use another OPSINTEL_DATA_DIR, or reach the running service with --url",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield folder
