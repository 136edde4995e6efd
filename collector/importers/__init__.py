"""File importers: event logs that were not pushed (CSV, Parquet, XES, OCEL 2.0), by the same door as everything else.

They make OTLP log records and hand them to a sink; they do not write to the store themselves. What they do not
promise: that a file that was corrected replaces what came from it before (see `source` in docs/import.md).
"""

from collector.importers.files import KINDS, detect
from collector.importers.http_sink import HttpSink
from collector.importers.log_sink import log_sink
from collector.importers.mapping import ColumnMapping, build_mapping
from collector.importers.marks import Resumption
from collector.importers.report import ImportReport, Rejection
from collector.importers.run import import_file
from collector.importers.sinks import Advance, Progress, Sink
from collector.importers.stored import stored_in

__all__ = [
    "KINDS",
    "Advance",
    "ColumnMapping",
    "HttpSink",
    "ImportReport",
    "Progress",
    "Rejection",
    "Resumption",
    "Sink",
    "build_mapping",
    "detect",
    "import_file",
    "log_sink",
    "stored_in",
]
