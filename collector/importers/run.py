"""Imports one file: read, interpret, batch, hand over, report.

A batch is handed to the sink only when it is full or the file ends, and the sink returns when it has taken it for
good; an error of the sink ends the import, with everything handed over before still in. Importing the file again
repeats the same event ids, so the same cases and counts come out. Memory is bounded but for the distinct case ids,
which are counted exactly (about 100 bytes each).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from collector.importers.files import checksum, open_table
from collector.importers.interpret import BadRow, Interpreter
from collector.importers.mapping import ColumnMapping
from collector.importers.records import MAX_RECORDS, LogBatch
from collector.importers.report import ImportReport, Quarantine, Rejection
from collector.importers.rows import Row, Table
from collector.importers.times import to_datetime
from core import Clock

Sink = Callable[[bytes, int], int | None]
"""Takes a serialized ExportLogsServiceRequest and its number of records; returns when they are safe. The answer is how
many were refused; None means none."""

Progress = Callable[[int, float], None]
"""Told the rows read so far and the part of the file done, 0 to 1, once a batch."""


def import_file(
    path: Path,
    mapping: ColumnMapping,
    sink: Sink,
    *,
    clock: Clock,
    quarantine: Path,
    progress: Progress | None = None,
    batch_records: int = MAX_RECORDS,
) -> ImportReport:
    """Imports the file and reports. `quarantine` is the folder for refused rows.

    Raises NotFound, UnsupportedMedia and InvalidInput for a file or a mapping that cannot be used, and what the sink
    raises; a broken row raises nothing.
    """
    started = clock.monotonic()
    source = mapping.source or checksum(path)[:16]
    table = open_table(path, mapping)
    refused_rows = Quarantine(quarantine, path.name)
    try:
        interpreter = Interpreter(mapping, table.columns, table.native_times, source, path.name)
        batch = LogBatch(mapping.stream, path.name, clock.time_ns(), batch_records)
        run = _Run(table, interpreter, batch, sink, refused_rows, progress)
        run.all_rows()
    finally:
        refused_rows.close()
        table.close()
    return ImportReport(
        file=path.name,
        source=source,
        rows=run.rows,
        used=run.rows - run.skipped - refused_rows.count,
        skipped=run.skipped,
        rejected=refused_rows.count,
        events=run.events,
        refused=run.refused,
        cases=len(run.cases),
        first=to_datetime(run.first_ns) if run.events else None,
        last=to_datetime(run.last_ns) if run.events else None,
        elapsed_s=clock.monotonic() - started,
        rejections=refused_rows.first,
        quarantine_file=refused_rows.file,
    )


class _Run:
    def __init__(
        self,
        table: Table,
        interpreter: Interpreter,
        batch: LogBatch,
        sink: Sink,
        quarantine: Quarantine,
        progress: Progress | None,
    ) -> None:
        self._table, self._interpreter, self._batch = table, interpreter, batch
        self._sink, self._quarantine, self._progress = sink, quarantine, progress
        self.rows = self.skipped = self.events = self.refused = 0
        self.first_ns = self.last_ns = 0
        self.cases: set[str] = set()

    def all_rows(self) -> None:
        for record in self._table:
            self.rows = record.number
            if isinstance(record, Row):
                self._row(record)
            else:
                self._quarantine.add(Rejection(record.line, record.number, record.reason), record.cells)
        self._hand_over()

    def _row(self, row: Row) -> None:
        try:
            events = self._interpreter.events(row.cells, row.number)
        except BadRow as problem:
            self._quarantine.add(Rejection(row.line, row.number, str(problem)), row.cells)
            return
        if not events:
            self.skipped += 1
        for event in events:
            if self._batch.full:
                self._hand_over()
            self._batch.add(event)
            begin = event.time_ns if event.start_ns is None else min(event.time_ns, event.start_ns)
            self.first_ns = min(self.first_ns or begin, begin)
            self.last_ns = max(self.last_ns, event.time_ns)
            self.events += 1
            self.cases.add(event.case)

    def _hand_over(self) -> None:
        if len(self._batch):
            payload, records = self._batch.take()
            self.refused += self._sink(payload, records) or 0
        if self._progress:
            self._progress(self.rows, self._table.part_done())
