"""The write-ahead log: frames on disk before the acknowledgement. Its format is in docs/wal-format.md."""

from collector.wal.backlog import Backlog, Sealed
from collector.wal.files import Files, SystemFiles
from collector.wal.frame import Damage, Frame
from collector.wal.ids import keep_above
from collector.wal.lanes import LANE_BITS, first_id, lane_folder, lane_of
from collector.wal.log import LogEvents, Position, SegmentLog
from collector.wal.segment import BadRegion, SegmentContent, SegmentFile, State, file_name, read_segment
from collector.wal.tally import UNKNOWN, Items, items_of

__all__ = [
    "LANE_BITS",
    "UNKNOWN",
    "Backlog",
    "BadRegion",
    "Damage",
    "Files",
    "Frame",
    "Items",
    "LogEvents",
    "Position",
    "Sealed",
    "SegmentContent",
    "SegmentFile",
    "SegmentLog",
    "State",
    "SystemFiles",
    "file_name",
    "first_id",
    "items_of",
    "keep_above",
    "lane_folder",
    "lane_of",
    "read_segment",
]
