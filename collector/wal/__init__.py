"""The write-ahead log: frames on disk before the acknowledgement. Its format is in docs/wal-format.md."""

from collector.wal.files import Files, SystemFiles
from collector.wal.frame import Damage, Frame
from collector.wal.log import LogEvents, Position, Sealed, SegmentLog
from collector.wal.segment import BadRegion, SegmentContent, file_name, read_segment

__all__ = [
    "BadRegion",
    "Damage",
    "Files",
    "Frame",
    "LogEvents",
    "Position",
    "Sealed",
    "SegmentContent",
    "SegmentLog",
    "SystemFiles",
    "file_name",
    "read_segment",
]
