"""What an import needs from the other side: something that takes batches, and somebody to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable

Sink = Callable[[bytes, int], int | None]
"""Takes a serialized ExportLogsServiceRequest and its number of records; returns when they are safe. The answer is how
many were refused; None means none."""

Progress = Callable[[int, float], None]
"""Told the rows read so far and the part of the file done, 0 to 1, once a batch."""
