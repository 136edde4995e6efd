"""When what the engine has taken is safe from a power cut, and how to notice that there was one.

The engine writes parts without waiting for the disk. The embedded engine's files are on this machine, so the file
system can be told to write everything out. A server is asked to do so; where it does not let us, we rely on its kernel,
which writes what is older than half a minute, and wait four times as long. One server is asked: behind an address that
stands for several, only the one that answers has written.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

SERVER_WRITES_WITHIN_S = 120.0
CLOCKS_DIFFER_BY_S = 5
"""No machine is down and up again in that time."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def write_out(folder: Path) -> None:
    """Returns when everything that was written to this folder's file system is on disk. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):  # not Linux
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Names the run of this machine's kernel, "" where it does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def same_life(one: str, other: str) -> bool:
    """Whether two incarnations are of the same life. A server's start is told by two clocks that differ by seconds."""
    (name, _, at), (other_name, _, other_at) = one.rpartition(" "), other.rpartition(" ")
    if name and name == other_name and at.isdecimal() and other_at.isdecimal():
        return abs(int(at) - int(other_at)) <= CLOCKS_DIFFER_BY_S
    return one == other
