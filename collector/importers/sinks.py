"""What an import needs from the other side: something that takes batches, and somebody to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Sink = Callable[[bytes, int], int | None]
"""Takes a serialized ExportLogsServiceRequest and its number of records; returns when they are safe. The answer is how
many were refused; None means none."""


class Advance(NamedTuple):
    """How far an import is."""

    rows: int
    events: int
    done: int
    """Bytes of the file read so far, as they are on the disk."""
    size: int
    """Bytes of the file."""
    repeated: bool
    """Whether what is being read was handed over by an earlier run."""


Progress = Callable[[Advance], None]
"""Told once a batch, and at the end."""
