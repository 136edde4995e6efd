"""Imports one file: examine, read, interpret, batch, hand over, mark, report.

A batch is handed to the sink only when it is full or the file ends, and the sink returns when it has taken it for
good; then the mark says so (`marks.py`). An error of the sink ends the import, with everything handed over before
still in. An import that was interrupted reads the file from its start again, which gives it the same rows, counts and
quarantine file, and hands over only what comes after the mark, in batches with the same borders. Importing a finished
file again repeats the same event ids, so the same cases and counts come out. Memory is bounded but for the distinct
case ids, which are counted exactly (about 100 bytes each).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from collector.importers.files import Examined, examine, open_table
from collector.importers.interpret import BadRow, Event, Interpreter
from collector.importers.mapping import ColumnMapping
from collector.importers.marks import Mark, MarkFile, Resumption
from collector.importers.records import MAX_RECORDS, LogBatch
from collector.importers.report import ImportReport, Quarantine, Rejection
from collector.importers.rows import LeftOut, ObjectState, Row, Table
from collector.importers.sinks import Advance, Progress, Sink
from collector.importers.template_rows import TemplateInterpreter
from collector.importers.times import to_datetime
from core import Clock

_TELL_EVERY = 20_000


def import_file(
    path: Path,
    mapping: ColumnMapping,
    sink: Sink,
    *,
    clock: Clock,
    quarantine: Path,
    progress: Progress | None = None,
    batch_records: int = MAX_RECORDS,
    kind: str = "",
    resume: Resumption | None = None,
) -> ImportReport:
    """Imports the file and reports. `quarantine` is the folder for refused rows; `kind` is as in `detect`.

    Without `resume` no mark is kept, and every import begins at the start of the file. Raises NotFound,
    UnsupportedMedia and InvalidInput for a file or a mapping that cannot be used, Conflict for a file that has changed
    since, and what the sink raises; a broken row raises nothing.
    """
    started = clock.monotonic()
    file = examine(path, kind)
    source = mapping.source or file.checksum[:16]
    with ExitStack() as stack:
        table = open_table(file, mapping)
        stack.callback(table.close)
        kind_of = TemplateInterpreter if mapping.event else Interpreter
        interpreter = kind_of(mapping, table.columns, table.native_times, source, path.name)
        marks = stack.enter_context(_marks(file, mapping, resume, batch_records, clock)) if resume else None
        refused_rows = Quarantine(quarantine, path.name)
        stack.callback(refused_rows.close)
        observed_ns = marks.mark.observed_ns if marks else clock.time_ns()
        batch = LogBatch(mapping.stream, path.name, observed_ns, batch_records)
        run = _Run(file, table, interpreter, batch, sink, refused_rows, progress, marks, resume)
        run.all_rows()
        if marks:
            marks.finished()
        notes = (*run.notes(), *table.notes())
    return ImportReport(
        file=path.name,
        kind=file.kind,
        source=source,
        rows=run.rows,
        used=run.rows - run.skipped - refused_rows.count,
        skipped=run.skipped,
        rejected=refused_rows.count,
        events=run.events,
        refused=run.refused,
        resumed=run.resumed,
        objects=len(run.objects),
        cases=len(run.cases),
        first=to_datetime(run.first_ns) if run.events else None,
        last=to_datetime(run.last_ns) if run.events else None,
        elapsed_s=clock.monotonic() - started,
        notes=notes,
        rejections=refused_rows.first,
        quarantine_file=refused_rows.file,
        by_name=dict(sorted(run.by_name.items())),
        reasons=dict(refused_rows.reasons.most_common()),
        remarks=dict(sorted(run.remarks.items())),
    )


def _marks(file: Examined, mapping: ColumnMapping, resume: Resumption, batch_records: int, clock: Clock) -> MarkFile:
    options = f"{file.kind}\n{batch_records}\n{mapping.model_dump_json()}"
    fresh = Mark(
        file=file.path.name,
        path=str(file.path.absolute()),
        stream=mapping.stream,
        target=hashlib.sha256(resume.target.encode()).hexdigest(),
        content=file.checksum,
        options=hashlib.sha256(options.encode()).hexdigest(),
        observed_ns=clock.time_ns(),
    )
    return MarkFile(resume, fresh)


class _Run:
    def __init__(
        self,
        file: Examined,
        table: Table,
        interpreter: Interpreter | TemplateInterpreter,
        batch: LogBatch,
        sink: Sink,
        quarantine: Quarantine,
        progress: Progress | None,
        marks: MarkFile | None,
        resume: Resumption | None,
    ) -> None:
        self._file, self._table, self._interpreter, self._batch = file, table, interpreter, batch
        self._sink, self._quarantine, self._progress = sink, quarantine, progress
        self._marks = marks
        self._named = isinstance(interpreter, TemplateInterpreter)
        """Whether the mapping names every event there may be, so that they are few and can be counted by name."""
        self.resumed = marks.mark.records if marks else 0
        self._stored = resume.stored if resume and marks and marks.resumed else None
        self.refused = marks.mark.refused if marks else 0
        self._records = 0
        self.rows = self.skipped = self.events = self._caseless = 0
        self.first_ns = self.last_ns = 0
        self.cases: set[str] = set()
        self.by_name = Counter[str]()
        self.objects: set[tuple[str, str]] = set()

    def all_rows(self) -> None:
        for record in self._table:
            self.rows = max(self.rows, record.number)
            if isinstance(record, Row):
                self._row(record)
            elif isinstance(record, LeftOut):
                self.skipped += 1
            elif isinstance(record, ObjectState):
                self._object(record)
            else:
                rejection = Rejection(record.line, record.number, record.reason)
                self._quarantine.add(rejection, record.cells, record.reason)
        self._hand_over()

    @property
    def remarks(self) -> Counter[str]:
        """What is missing in events that went in, or kept them from being made."""
        found = self._interpreter
        return found.remarks if isinstance(found, TemplateInterpreter) else Counter()

    def notes(self) -> list[str]:
        """What is not in the numbers of the report."""
        if not self._caseless:
            return []
        if self._named:
            return [f"{self._caseless:,} events belong to no case, as the mapping has it"]
        return [f"{self._caseless:,} events touch no object of the case's type: kept with their objects, in no case"]

    def _row(self, row: Row) -> None:
        try:
            events = self._interpreter.events(row.cells, row.number)
        except BadRow as problem:
            self._quarantine.add(Rejection(row.line, row.number, str(problem)), row.cells, problem.kind)
            return
        if not events:
            self.skipped += 1
        for event in events:
            self._put(event)
            begin = event.time_ns if event.start_ns is None else min(event.time_ns, event.start_ns)
            self.first_ns = min(self.first_ns or begin, begin)
            self.last_ns = max(self.last_ns, event.time_ns)
            self.events += 1
            if self._named:
                self.by_name[f"{event.stream}: {event.activity}"] += 1
            if event.case:
                self.cases.add(f"{event.stream}\0{event.case}" if event.stream else event.case)
            else:
                self._caseless += 1

    def _object(self, state: ObjectState) -> None:
        try:
            event = self._interpreter.object_state(state)
        except BadRow as problem:
            cells = [state.type, state.id, state.time, *(text for pair in state.attributes for text in pair)]
            self._quarantine.add(Rejection(state.line, state.number, str(problem)), cells, problem.kind)
            return
        self._put(event)
        self.objects.add((state.type, state.id))

    def _put(self, event: Event) -> None:
        if self._records < self.resumed:  # an earlier run has handed it over
            self._records += 1
            if self._records % _TELL_EVERY == 0:
                self._tell()
            return
        if self._batch.full:
            self._hand_over()
        self._batch.add(event)
        self._records += 1

    def _hand_over(self) -> None:
        self._file.unchanged()
        if len(self._batch):
            if self._marks:
                self._marks.begin()
            first = self._batch.first
            payload, records = self._batch.take()
            in_doubt, self._stored = self._stored, None
            if not (in_doubt and in_doubt(*first)):
                self.refused += self._sink(payload, records) or 0
            if self._marks:
                self._marks.taken(self._records, self.refused)
        self._tell()

    def _tell(self) -> None:
        if self._progress:
            part = int(self._table.part_done() * self._file.size)
            repeated = self._records < self.resumed
            self._progress(Advance(self.rows, self.events, part, self._file.size, repeated))
