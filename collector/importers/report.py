"""What an import did, in numbers that add up: `rows = used + skipped + rejected`, and the rows it refused.

The quarantine file is JSON Lines, one object a refused row, and is rewritten by the next import of a file of that
name. It is written only when there is something to write.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from collector.importers.rows import printable
from core.errors import Unavailable

SHOWN = 20
REASONS = 50
"""Different reasons that are counted; what comes after is counted as one."""
_CELL_LIMIT = 65_536


@dataclass(frozen=True)
class Rejection:
    """A refused row: the line it starts on, its number (from 1, the header not counted), and why."""

    line: int
    row: int
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """The outcome; `cases` counts distinct case ids of the imported events, `elapsed_s` is in seconds."""

    file: str
    kind: str
    """What the file is, as in `detect`."""
    source: str
    rows: int
    used: int
    skipped: int
    rejected: int
    events: int
    refused: int
    """Records that the receiver at the other end did not take."""
    resumed: int
    """Records that an earlier, interrupted run of this import had handed over; they are in the other numbers too."""
    objects: int
    """Distinct objects that an object-centric log describes."""
    cases: int
    first: datetime | None
    last: datetime | None
    elapsed_s: float
    notes: tuple[str, ...]
    """What people should know about the file."""
    rejections: tuple[Rejection, ...]
    """The first 20."""
    quarantine_file: Path | None
    by_name: dict[str, int] = field(default_factory=dict)
    """With event templates: how many events there are of each stream and name, written `stream: name`."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows were refused, and how many; adds up to `rejected`."""
    remarks: dict[str, int] = field(default_factory=dict)
    """With event templates: what the events lack, or why there is none, and how often."""

    def lines(self) -> list[str]:
        """The report for people, a line a list element."""
        fresh = max(0, self.events - self.resumed)
        rate = fresh / self.elapsed_s if self.elapsed_s > 0 else 0.0
        out = [
            f"{self.file}: {self.events:,} events of {self.cases:,} cases from {self.rows:,} rows"
            f" in {self.elapsed_s:.1f} s ({rate:,.0f} events/s)"
        ]
        if self.first and self.last:
            out.append(f"  from {self.first.isoformat()} to {self.last.isoformat()}")
        if self.resumed:
            out.append(f"  {self.resumed:,} records were in before: the import went on where it was interrupted")
        if self.objects:
            out.append(f"  {self.objects:,} objects with their attributes and relations")
        if self.skipped:
            out.append(f"  {self.skipped:,} rows hold nothing to import (filtered out, or without an object or time)")
        out += [f"  {count:,} {name}" for name, count in self.by_name.items()]
        out += [f"  {count:,} × {remark}" for remark, count in self.remarks.items()]
        out += [f"  {note}" for note in self.notes]
        if self.refused:
            out.append(f"  {self.refused:,} events were refused by the receiver")
        if self.rejected:
            out.append(f"  {self.rejected:,} rows are broken and were left out; all of them: {self.quarantine_file}")
            if len(self.reasons) < self.rejected:
                out += [f"    {count:,} × {reason}" for reason, count in self.reasons.items()]
            out += [f"    line {r.line}: {r.reason}" for r in self.rejections]
            if self.rejected > len(self.rejections):
                out.append(f"    … and {self.rejected - len(self.rejections):,} more")
        return out

    def to_json(self) -> dict[str, Any]:
        """The report for programs: the same fields, times in ISO 8601."""
        found = asdict(self)
        found["first"] = self.first.isoformat() if self.first else None
        found["last"] = self.last.isoformat() if self.last else None
        found["quarantine_file"] = str(self.quarantine_file) if self.quarantine_file else None
        return found


class Quarantine:
    """Writes refused rows to `<folder>/<name>.rejected.jsonl` and keeps the first few for showing."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.rejected.jsonl"
        self._name = name
        self._file: IO[str] | None = None
        self._first: list[Rejection] = []
        self.count = 0
        self.reasons = Counter[str]()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as problem:
            raise self._cannot(problem) from None

    def add(self, rejection: Rejection, cells: list[str], kind: str) -> None:
        """Keeps one refused row, and counts it under this kind of reason."""
        kind = printable(kind)
        self.reasons[kind if kind in self.reasons or len(self.reasons) < REASONS else "other reasons"] += 1
        reason = printable(rejection.reason)
        self.count += 1
        if len(self._first) < SHOWN:
            self._first.append(Rejection(rejection.line, rejection.row, reason))
        entry = {
            "file": self._name,
            "line": rejection.line,
            "row": rejection.row,
            "reason": reason,
            "cells": [printable(cell[:_CELL_LIMIT]) for cell in cells],
        }
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as problem:
            raise self._cannot(problem) from None

    @property
    def first(self) -> tuple[Rejection, ...]:
        """The first refused rows."""
        return tuple(self._first)

    @property
    def file(self) -> Path | None:
        """Where the refused rows are, if there are any."""
        return self._path if self.count else None

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _cannot(self, problem: OSError) -> Unavailable:
        return Unavailable(f"the quarantine file {str(self._path)!r} cannot be written: {problem.strerror}")
