"""The rows of canonical views: made from a batch of events, put with the others, and what that changes.

Where few cases of many changed, their new rows are first made apart (`kpi_made_<view>`), set against those that stand,
and then put with them: one statement tells what their facts add up to more or less than before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core import Clock
from kpis.changes import IN_RANGE, SELECTION
from kpis.facts import VANISHED, facts_parameters, facts_select
from kpis.limits import FEW, LIMITS, beside_others
from kpis.measures import Measure
from kpis.partials import Key, Sums
from kpis.view_batches import StagingTables
from kpis.views import Details, View
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

FACTS, TABLE, MADE, COLUMNS = "/*facts*/", "/*table*/", "/*made*/", "/*columns*/"
MANY = LIMITS | {"optimize_on_insert": 0, "insert_deduplicate": 0}
"""Rows that are written by the hundred thousand are never the same twice: their version is another."""
GIVEN = ("TenantId", "Version", "Gone")
"""Columns of a view that its statement does not give."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
APART = 1 << 32
"""By how much the versions of a run lie above the mark of the one before: more than a run has versions."""


class ViewRows:
    """Makes rows of views. `told`, `staging` and `recent` are set by each run."""

    def __init__(self, ch: ClickHouse, clock: Clock) -> None:
        self._ch, self._clock = ch, clock
        self._lock, self._version = threading.Lock(), 0
        self._columns: dict[str, list[str]] = {}
        self.told: Details = {}
        self.staging, self.began = StagingTables(), EPOCH
        self.recent = 0
        """The second from which on sums of minutes are kept; `began` is when the run began, later than all before."""

    def begin(self, last: int) -> None:
        """Versions of this run are above those of all runs before, whichever process made them by whatever clock.

        last: the version of the newest mark.
        """
        with self._lock:
            self._version = max(self._version, last + APART if last else 0, self._clock.time_ns())
            self.began = EPOCH + timedelta(microseconds=self._version // 1000)

    def next_version(self) -> int:
        """Higher than all before."""
        with self._lock:
            self._version += 1
            return self._version

    def has_rows(self, view: View, tenant: str) -> bool:
        """Whether the tenant has rows."""
        text = load_sql("kpis", "view_has_rows").replace(TABLE, view.table)
        return bool(self._ch.query(text, {"tenant": tenant}).rows)

    def remake(self, view: View, batch: str, params: Mapping[str, Any], began: int) -> None:
        """Makes the rows of a range of cases (`low`, `high`], all of whose events are in the batch.

        began: a version before all those of the run, whose rows alone are read.
        """
        limits = MANY | beside_others(self._ch.threads)
        self._make(view, view.table, batch, IN_RANGE, {**params, "began": began}, limits)

    def bury_older(self, view: View, tenant: str, began: int) -> None:
        """Buries the subjects that a run did not make which made all rows anew."""
        text = load_sql("kpis", "view_bury_older").replace(TABLE, view.table)
        self._ch.command(text, {"tenant": tenant, "began": began, "version": self.next_version()}, MANY)

    def renew(
        self, view: View, batch: str, measures: Sequence[Measure], params: Mapping[str, Any], tz: str
    ) -> dict[Key, Sums]:
        """Makes the rows of the cases in the batch; by how much the sums of the measures change."""
        selection = f"(Stream, CaseId) IN (SELECT Stream, CaseId FROM {batch})"
        made = self.staging.made(view.name)
        self._ch.command(f"TRUNCATE TABLE {made}")  # of a process that died
        version = self._make(view, made, batch, selection, {**params, "began": 0}, FEW)
        changes, vanished = self._changes(view, made, measures, selection, params, tz)
        names = ", ".join(self._all_columns(view.table))
        text = load_sql("kpis", "view_made").replace(TABLE, view.table).replace(MADE, made)
        self._ch.command(text.replace(COLUMNS, names), {}, FEW)
        if vanished:
            text = load_sql("kpis", "view_bury").replace(TABLE, view.table).replace(SELECTION, selection)
            self._ch.command(text, {**params, "version": version}, FEW)
        self._ch.command(f"TRUNCATE TABLE {made}")
        return changes

    def _make(
        self,
        view: View,
        table: str,
        batch: str,
        selection: str,
        params: Mapping[str, Any],
        limits: Mapping[str, Any],
    ) -> int:
        version = self.next_version()
        given = {
            **params,
            "version": version,
            "names": list(view.names),
            "details": [(stream, name) for stream, names in self.told.items() for name in names],
            "pairs": [
                (kind, begins, list(ends), list(match), label) for kind, begins, ends, match, label in view.pairs
            ],
        }
        columns = ", ".join(name for name in self._all_columns(view.table) if name not in GIVEN)
        select = view.statement(batch).replace(SELECTION, selection)
        self._ch.command(
            f"INSERT INTO {table} (TenantId, Version, Gone, {columns})\n"
            f"SELECT {{tenant:String}}, {{version:UInt64}}, 0, {columns} FROM (\n{select}\n)",
            given,
            limits,
        )
        return version

    def _changes(
        self, view: View, made: str, measures: Sequence[Measure], selection: str, params: Mapping[str, Any], tz: str
    ) -> tuple[dict[Key, Sums], bool]:
        """What changes, and whether there are subjects that are no more."""
        table = load_sql("kpis", "view_before_and_after").replace(TABLE, view.table).replace(MADE, made)
        facts = facts_select(measures, table.replace(SELECTION, selection), "NOT Gone", sides=True)
        asked = {**params, **facts_parameters(measures, tz, self.recent, sides=True)}
        rows = self._ch.query(load_sql("kpis", "view_changed_facts").replace(FACTS, facts), asked, FEW).rows
        keys = [measure.key(tz) for measure in measures]
        changes = {(keys[int(row[0])], int(row[1])): Sums.change(row[2:]) for row in rows if row[0] != VANISHED}
        return changes, any(row[0] == VANISHED for row in rows)

    def _all_columns(self, table: str) -> list[str]:
        with self._lock:
            if table not in self._columns:
                rows = self._ch.query(load_sql("kpis", "view_columns"), {"table": table}).rows
                self._columns[table] = [name for (name,) in rows]
            return self._columns[table]


def facts_of(view: View, measures: Sequence[Measure]) -> str:
    """The statement that adds up the facts of all subjects of a tenant."""
    facts = facts_select(measures, f"{view.table} FINAL", "TenantId = {tenant:String}")
    return load_sql("kpis", "view_facts").replace(FACTS, facts)
