"""Counts the items of a segment from the headers of its frames, going on where it stopped last time.

It checks no checksum: it tells what is pending, not what is intact. A sealed segment that cannot be walked to its end
is read whole instead.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from collector.wal.frame import HEADER_BYTES as FRAME_HEADER_BYTES
from collector.wal.frame import MAX_TENANT_BYTES, peek
from collector.wal.segment import HEADER_BYTES, SegmentContent, SegmentFile, State, decode_header, read_segment
from storage import Signal

UNKNOWN = "unknown"
"""The signal of damaged frames that do not tell theirs."""
WINDOW_BYTES = 64 * 1024
Items = Counter[tuple[str, str]]
"""Items by signal and tenant."""


class Tally:
    """The items of one segment; not thread-safe."""

    def __init__(self) -> None:
        self.items: Items = Counter()
        self.created_ns = 0
        self._at, self._whole = 0, False

    def advance(self, file: SegmentFile) -> None:
        """Counts what has been added since. Raises FileNotFoundError when the file has got another name."""
        if self._whole:
            return
        end = self._walk(file.path, file.length)
        if file.state is not State.OPEN:
            if self._at != end:
                self._read(file)
            self._whole = True

    def _walk(self, path: Path, length: int | None) -> int:
        """Returns where the segment ends now."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            end = size if length is None else min(size, length)
            if self._at > end:  # it was cut back to what was acknowledged
                self.items, self._at = Counter(), 0
            if not self._at:
                header = decode_header(os.pread(descriptor, HEADER_BYTES, 0))
                if header is None:
                    return end
                self.created_ns, self._at = header.created_ns, HEADER_BYTES
            window, start = b"", 0
            while self._at < end:
                inside = self._at - start
                if not window or inside + FRAME_HEADER_BYTES + MAX_TENANT_BYTES > len(window):
                    start, inside = self._at, 0
                    window = os.pread(descriptor, min(WINDOW_BYTES, end - start), start)
                found = peek(window, inside)
                if found is None or start + found[1] > end:
                    break
                claim, behind = found
                self.items[str(claim.signal), claim.tenant] += claim.items
                self._at = start + behind
            return end
        finally:
            os.close(descriptor)

    def _read(self, file: SegmentFile) -> None:
        content = read_segment(file.path, file.segment, file.length)
        self.items, self.created_ns = items_of(content), content.created_ns


def items_of(content: SegmentContent) -> Items:
    """All items of a segment that has been read, those of damaged frames by what they claim."""
    items: Items = Counter()
    for frame in content.frames:
        items[frame.signal.value, frame.tenant] += frame.items
    for region in content.bad:
        signal = region.claim.signal
        items[signal.value if isinstance(signal, Signal) else UNKNOWN, region.claim.tenant] += region.claim.items
    return items
