"""How each report stands: what became of its newest run that is not under way, and when it last reached everybody.

A run asked for by hand counts as one of the schedule does. Skipped runs count as none, and neither does one of which
nothing has failed yet: while it is under way the report stands as it did before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kpis.deliveries.states import State
from kpis.deliveries.store import ReportDelivery, ReportRun, RunStore
from kpis.deliveries.subscriptions import Subscription, described
from storage import StateDb
from storage.state.delivery_tables import report_deliveries as deliveries
from storage.state.delivery_tables import report_runs as runs


@dataclass(frozen=True)
class Trouble:
    """What of a run did not arrive, and why. target: empty when the file could not even be rendered.

    next_try: when it is tried again by itself; None when it waits for a person.
    """

    target: str
    detail: str
    attempts: int
    next_try: datetime | None


@dataclass(frozen=True)
class Standing:
    """A report of the set in force.

    state: SENT, RETRY or FAILED, as its newest settled run came out; None: there is none yet. last_sent: when every
    target of a run last had it. problem: why its due runs cannot even be created.
    """

    subscription: str
    title: str
    state: State | None
    run: ReportRun | None
    last_sent: datetime | None
    problem: str = ""

    @property
    def troubled(self) -> bool:
        """Whether somebody should know."""
        return bool(self.problem) or self.state in (State.RETRY, State.FAILED)

    @property
    def failed(self) -> bool:
        """Whether it goes no further by itself."""
        return bool(self.problem) or self.state is State.FAILED

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Everything of the run that failed or waits for another attempt."""
        return troubles(self.run) if self.run else ()


def troubles(run: ReportRun) -> tuple[Trouble, ...]:
    """What of it failed or waits for another attempt: the run itself, or deliveries."""
    rows: list[tuple[str, ReportRun | ReportDelivery]] = [
        ("", run),
        *((f"{one.kind} {one.target}", one) for one in run.deliveries),
    ]
    return tuple(
        Trouble(name, row.detail, row.attempts, row.due_at if row.state is State.RETRY else None)
        for name, row in rows
        if row.state in (State.RETRY, State.FAILED)
    )


def standings(
    state: StateDb, tenant: str, subscriptions: Sequence[Subscription], problem: Callable[[str], str] = lambda _: ""
) -> tuple[Standing, ...]:
    """How each of the tenant's subscriptions stands; raises StorageError."""
    own = {one.id: one for one in subscriptions}
    with state.connect() as connection:
        found = {row.subscription: row for row in connection.execute(_newest(tenant)) if row.subscription in own}
    ids = [row.id for row in found.values()]
    by_id = {run.id: run for run in RunStore(state, tenant).some(ids, lambda name, key: described(own.get(name), key))}
    told = []
    for one in subscriptions:
        row = found.get(one.id)
        if row is None:
            told.append(Standing(one.id, one.title, None, None, None, problem(one.id)))
        else:
            run = by_id.get(row.id)
            told.append(Standing(one.id, one.title, State(row.came), run, row.last_sent, problem(one.id)))
    return tuple(told)


def _newest(tenant: str) -> sa.Select[Any]:
    """The newest settled run of each report, how it came out, and when a run last reached every target."""

    def number(state: State) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((deliveries.c.state == state.value, 1), else_=0)), 0)

    failed, waiting, sent = number(State.FAILED), number(State.RETRY), number(State.SENT)
    came = sa.case(
        ((runs.c.state == State.FAILED.value) | (failed > 0), State.FAILED.value),
        ((runs.c.state == State.RETRY.value) | (waiting > 0), State.RETRY.value),
        ((sent > 0) & (sent == sa.func.count(deliveries.c.id)), State.SENT.value),
        else_="",
    ).label("came")
    run = (
        sa.select(
            runs.c.subscription, runs.c.id, runs.c.scheduled_at, came,
            sa.func.max(deliveries.c.changed_at).label("changed_at"),
        )
        .join_from(runs, deliveries, runs.c.id == deliveries.c.run_id, isouter=True)
        .where(runs.c.tenant == tenant)
        .group_by(runs.c.id, runs.c.subscription, runs.c.scheduled_at, runs.c.state)
    ).subquery()  # fmt: skip
    of_report = run.c.subscription
    place = sa.func.row_number().over(partition_by=of_report, order_by=(run.c.scheduled_at.desc(), run.c.id))
    reached = sa.case((run.c.came == State.SENT.value, run.c.changed_at))
    last_sent = sa.func.max(reached).over(partition_by=of_report)
    settled = sa.select(run, place.label("place"), last_sent.label("last_sent")).where(run.c.came != "").subquery()
    return sa.select(settled).where(settled.c.place == 1)
