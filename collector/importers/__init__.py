"""File importers: event logs that were not pushed, as CSV, CSV.gz or Parquet, through the same door as everything else.

They make OTLP log records and hand them to a sink; they neither write to the store nor know it. What they do not
promise: that a file that was corrected replaces what came from it before (see `source` in docs/import.md).
"""

from collector.importers.http_sink import HttpSink
from collector.importers.mapping import ColumnMapping, build_mapping
from collector.importers.report import ImportReport, Rejection
from collector.importers.run import Progress, Sink, import_file

__all__ = [
    "ColumnMapping",
    "HttpSink",
    "ImportReport",
    "Progress",
    "Rejection",
    "Sink",
    "build_mapping",
    "import_file",
]
