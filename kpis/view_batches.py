"""Batches of events: those that views are made from, put aside in memory, each as it was told last."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpis.changes import SELECTION
from kpis.limits import LIMITS, beside_others
from kpis.views import BATCH, SOURCE, WHOLE, Source, batch_statement
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

LATEST, WHICH = "/*latest*/", "/*which*/"
IN_ORDER = (
    "row_number() OVER (PARTITION BY Stream, CaseId, EventId ORDER BY ReceivedAt DESC, Timestamp DESC, Seq DESC) = 1"
)
"""Whether it is the last word of an event."""
KEY = "cityHash64(CaseId, EventId)"
"""Names an event in short; two that share it by chance are only sorted in vain."""
MOST_NAMED = 1_000
"""Events that are named one by one; more are found again by the statement that needs them."""
FILLING = LIMITS | {"optimize_functions_to_subcolumns": 0}
"""Else each attribute is looked up in keys and values that are read for it alone: twice the time for so many."""


@dataclass(frozen=True)
class StagingTables:
    """The tables in which one who runs the jobs puts events and rows aside.

    term: the number of the holding of the lease. Each has other tables than the one before: who lost the lease without
    knowing it may be in the middle of a statement.
    """

    term: int = 0

    def made(self, view: str) -> str:
        """Where the rows of a view are put apart."""
        return f"kpi_made_{view}{self._which}"

    @property
    def batches(self) -> tuple[str, ...]:
        """Where events are put aside."""
        return tuple(f"kpi_batch_{number}{self._which}" for number in (1, 2))

    @property
    def _which(self) -> str:
        return "_odd" if self.term % 2 else ""


class Batches:
    """The batches of a run; who asks for more than there are waits."""

    def __init__(self, ch: ClickHouse, staging: StagingTables) -> None:
        self._ch = ch
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for table in staging.batches:
            self._free.put(table)

    @contextmanager
    def few(self, source: Source, selection: str, params: Mapping[str, Any]) -> Iterator[str]:
        """The table with the events of a few cases; it is emptied afterwards."""
        with self._empty() as table:
            self._fill(table, source, selection, params, FILLING, IN_ORDER)
            yield table

    @contextmanager
    def many(self, source: Source, selection: str, params: Mapping[str, Any]) -> Iterator[str]:
        """As `few`, for many: only events that were received more than once are sorted, for most were not."""
        with self._empty() as table:
            limits = FILLING | beside_others(self._ch.threads)
            repeated = _repeated(source).replace(SELECTION, selection)
            keys = [key for (key,) in self._ch.query(f"{repeated}\nLIMIT {MOST_NAMED + 1}", params, limits).rows]
            if not keys:
                self._fill(table, source, selection, params, limits, "1")
            else:
                named = "{repeated:Array(UInt64)}" if len(keys) <= MOST_NAMED else f"(\n{repeated}\n)"
                given = {**params, "repeated": keys}
                self._fill(table, source, selection, given, limits, "1", f"{KEY} NOT IN {named}")
                self._fill(table, source, selection, given, limits, IN_ORDER, f"{KEY} IN {named}")
            yield table

    @contextmanager
    def _empty(self) -> Iterator[str]:
        table = self._free.get()
        try:
            self._ch.command(f"TRUNCATE TABLE {table}")  # of a process that died
            yield table
            self._ch.command(f"TRUNCATE TABLE {table}")
        finally:
            self._free.put(table)

    def _fill(
        self,
        table: str,
        source: Source,
        selection: str,
        params: Mapping[str, Any],
        limits: Mapping[str, Any],
        latest: str,
        which: str = "1",
    ) -> None:
        text = batch_statement(source).replace(BATCH, table).replace(SELECTION, selection)
        self._ch.command(text.replace(LATEST, latest).replace(WHICH, which), {**params, "whole": list(WHOLE)}, limits)


def _repeated(source: Source) -> str:
    return load_sql("kpis", "view_repeated").replace("/*key*/", KEY).replace(SOURCE, source.events)


def news(ch: ClickHouse, batch: str, segments: Sequence[int]) -> list[tuple[str, str]]:
    """Stream and name of the events that these segments brought, and of what they say anew."""
    text = load_sql("kpis", "view_news").replace(BATCH, batch)
    return [(stream, name) for stream, name in ch.query(text, {"segments": list(segments)}).rows]
