"""One tenant's runs and deliveries in the state database: created, claimed, recorded, told.

A row is worked on by whoever got its claim, which a conditional update gives to one process alone and which ends by
itself after CLAIM. A record is taken only from who still holds the claim; one that comes too late changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from core.errors import Conflict, NotFound
from kpis.deliveries.states import Input, State, advance
from storage import StateDb
from storage.state.delivery_tables import report_deliveries as deliveries
from storage.state.delivery_tables import report_runs as runs
from storage.state.delivery_tables import report_schedules as schedules

CLAIM = timedelta(minutes=10)
"""Longer than an attempt takes; after a crash nobody tries again before."""
A_TICK = 50
OPEN = (State.PENDING.value, State.RETRY.value)
TROUBLED = (State.RETRY.value, State.FAILED.value)
Also = Callable[[Connection, str], object]
"""What else is written in the transaction of a request, about this id: an entry of the audit chain."""


@dataclass(frozen=True)
class ReportDelivery:
    """What one target got of a run. taken: recipients that have it while others do not."""

    id: str
    run_id: str
    kind: str
    target: str
    state: State
    attempts: int
    due_at: datetime
    detail: str
    taken: tuple[str, ...]
    changed_at: datetime


@dataclass(frozen=True)
class ReportRun:
    """A run with its deliveries. requested_by: who asked for it, empty for the schedule."""

    id: str
    subscription: str
    requested_by: str
    scheduled_at: datetime
    period_start: datetime
    period_end: datetime
    state: State
    attempts: int
    due_at: datetime
    detail: str
    file_name: str
    data_through: datetime | None
    deliveries: tuple[ReportDelivery, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """A run to be made. skipped: why it is not, when it is noted alone."""

    subscription: str
    at: datetime
    start: datetime
    end: datetime
    skipped: str = ""
    requested_by: str = ""


class RunStore:
    """Every method is one transaction; raises StorageError and its kin."""

    def __init__(self, state: StateDb, tenant: str) -> None:
        self._state, self._tenant = state, tenant

    # --- the schedule ---

    def seen_through(self, subscription: str, now: datetime) -> datetime:
        """How far its schedule was looked at; a new one is looked at from now on."""
        with self._state.begin() as connection:
            found = connection.scalar(sa.select(schedules.c.seen_through).where(self._schedule(subscription)))
            if found is None:
                values = {"tenant": self._tenant, "subscription": subscription, "seen_through": now}
                # Another process may be beginning it at the same moment; whose moment it is makes no difference.
                insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
                connection.execute(insert(schedules).values(values).on_conflict_do_nothing())
            return now if found is None else found

    def create_due(self, subscription: str, seen: datetime, now: datetime, wanted: Sequence[Wanted]) -> int:
        """Creates the runs and moves the schedule on; how many. None when another process has moved it meanwhile."""
        with self._state.begin() as connection:
            key = self._schedule(subscription) & (schedules.c.seen_through == seen)
            if connection.execute(sa.update(schedules).where(key).values(seen_through=now)).rowcount != 1:
                return 0
            for one in wanted:
                self._insert(connection, one, now)
            return len(wanted)

    def create(self, wanted: Wanted, now: datetime, also: Also) -> str:
        """One run beside the schedule; its id."""
        with self._state.begin() as connection:
            run_id = self._insert(connection, wanted, now)
            also(connection, run_id)
            return run_id

    def _schedule(self, subscription: str) -> sa.ColumnElement[bool]:
        return (schedules.c.tenant == self._tenant) & (schedules.c.subscription == subscription)

    def _insert(self, connection: Connection, one: Wanted, now: datetime) -> str:
        name = json.dumps([self._tenant, one.subscription, one.at.timestamp()])
        run_id = hashlib.sha256(name.encode()).hexdigest()[:32]
        if connection.scalar(sa.select(runs.c.id).where(runs.c.id == run_id)):
            return run_id
        values = {"id": run_id, "tenant": self._tenant, "subscription": one.subscription, "scheduled_at": one.at}
        values |= {"period_start": one.start, "period_end": one.end, "requested_by": one.requested_by[:200]}
        values |= {"state": (State.SKIPPED if one.skipped else State.PENDING).value, "detail": one.skipped}
        empty = dict.fromkeys(("claim", "file_name", "media_type", "spool_file", "sha256"), "")
        connection.execute(sa.insert(runs).values(**values, **empty, headlines="[]", attempts=0, due_at=now))
        return run_id

    # --- work ---

    def due(self, table: sa.Table, now: datetime) -> list[str]:
        """Ids of rows to be worked on now, the longest due first."""
        asked = sa.select(table.c.id).where(self._due(table, now)).order_by(table.c.due_at).limit(A_TICK)
        with self._state.connect() as connection:
            return list(connection.scalars(asked))

    def claim(self, table: sa.Table, row_id: str, now: datetime) -> Any | None:
        """The row, when it is ours to work on; None when it is done, not due, or another's."""
        mine = {"claim": uuid.uuid4().hex, "claimed_until": now + CLAIM}
        with self._state.begin() as connection:
            change = sa.update(table).where(table.c.id == row_id, self._due(table, now)).values(mine)
            if connection.execute(change).rowcount != 1:
                return None
            return connection.execute(sa.select(table).where(table.c.id == row_id)).one()

    def record(self, table: sa.Table, row: Any, given: Input, values: Mapping[str, Any]) -> bool:
        """Notes what came of a claimed row; False when the claim is no longer ours, and nothing is changed."""
        with self._state.begin() as connection:
            return self._record(connection, table, row, given, values)

    def record_rendered(self, run: Any, values: Mapping[str, Any], targets: Mapping[str, str], now: datetime) -> bool:
        """Notes that the file is there and creates a delivery for each target (key and kind); as `record`."""
        with self._state.begin() as connection:
            if not self._record(connection, runs, run, Input.RENDERED, values):
                return False
            for key, kind in targets.items():
                new = {"id": f"{run.id}-{key}", "run_id": run.id, "tenant": self._tenant, "target": key, "kind": kind}
                new |= {"state": State.PENDING.value, "attempts": 0, "detail": "", "claim": "", "taken": "[]"}
                connection.execute(sa.insert(deliveries).values(**new, due_at=now, changed_at=now))
            return True

    def _record(
        self, connection: Connection, table: sa.Table, row: Any, given: Input, values: Mapping[str, Any]
    ) -> bool:
        after = {"state": advance(State(row.state), given).value, "claim": "", "claimed_until": None}
        change = sa.update(table).where(table.c.id == row.id, table.c.claim == row.claim).values(dict(values) | after)
        return connection.execute(change).rowcount == 1

    def run_of(self, delivery: Any) -> Any:
        """The row of a delivery's run."""
        with self._state.connect() as connection:
            return connection.execute(sa.select(runs).where(runs.c.id == delivery.run_id)).one()

    def _due(self, table: sa.Table, now: datetime) -> sa.ColumnElement[bool]:
        free = table.c.claimed_until.is_(None) | (table.c.claimed_until <= now)
        return (table.c.tenant == self._tenant) & table.c.state.in_(OPEN) & (table.c.due_at <= now) & free

    # --- by hand ---

    def retry_run(self, run_id: str, now: datetime, also: Also) -> int:
        """Makes a run that failed, waits or was skipped due at once, or the deliveries of a rendered one that are in
        trouble; how many rows. Raises NotFound, or Conflict when there is nothing to be tried again."""
        with self._state.begin() as connection:
            run = self._one(connection, runs, run_id, "run")
            if State(run.state) is not State.RENDERED:
                self._ask_again(connection, runs, run, now)
                also(connection, run_id)
                return 1
            of_run = sa.select(deliveries).where(deliveries.c.run_id == run_id, deliveries.c.state.in_(TROUBLED))
            found = connection.execute(of_run).all()
            if not found:
                raise Conflict(f"no delivery of the run {run_id!r} has failed")
            self._require_file(run)
            for row in found:
                self._ask_again(connection, deliveries, row, now)
            also(connection, run_id)
            return len(found)

    def retry_delivery(self, delivery_id: str, now: datetime, also: Also) -> None:
        """Makes a failed or waiting delivery due at once, with all its attempts; raises NotFound or Conflict."""
        with self._state.begin() as connection:
            row = self._one(connection, deliveries, delivery_id, "delivery")
            _require_free(row, now)
            advance(State(row.state), Input.ASKED_AGAIN)  # before the file: of what was sent there is none either
            self._require_file(connection.execute(sa.select(runs).where(runs.c.id == row.run_id)).one())
            self._ask_again(connection, deliveries, row, now)
            also(connection, delivery_id)

    def _one(self, connection: Connection, table: sa.Table, row_id: str, word: str) -> Any:
        asked = sa.select(table).where(table.c.id == row_id, table.c.tenant == self._tenant)
        row = connection.execute(asked).one_or_none()
        if row is None:
            raise NotFound(f"there is no {word} {row_id[:80]!r}")
        return row

    def _require_file(self, run: Any) -> None:
        if not run.spool_file:
            raise Conflict(
                f"the file of the run {run.id!r} was removed when its time was over", hint="run the report anew"
            )

    def _ask_again(self, connection: Connection, table: sa.Table, row: Any, now: datetime) -> None:
        _require_free(row, now)
        values = {"state": advance(State(row.state), Input.ASKED_AGAIN).value, "attempts": 0, "due_at": now}
        if table is deliveries:
            values["changed_at"] = now
        unchanged = (table.c.state == row.state) & (table.c.claim == row.claim)
        if connection.execute(sa.update(table).where(table.c.id == row.id, unchanged).values(values)).rowcount != 1:
            raise _busy(row)

    # --- files ---

    def release_sent(self) -> list[str]:
        """Names of files that every target has; no run names them any more."""
        unsent = sa.select(deliveries.c.id).where(
            deliveries.c.run_id == runs.c.id, deliveries.c.state != State.SENT.value
        )
        return self._release(~unsent.exists())

    def release_old(self, rendered_before: datetime, now: datetime) -> list[str]:
        """Names of files that were kept long enough; what is still to be sent of them has failed now."""
        old = (runs.c.spool_file != "") & (runs.c.rendered_at < rendered_before)
        waiting = sa.select(deliveries).where(
            deliveries.c.run_id.in_(sa.select(runs.c.id).where(runs.c.tenant == self._tenant, old)),
            deliveries.c.state.in_(OPEN),
        )
        with self._state.begin() as connection:
            for row in connection.execute(waiting).all():
                why = f"{row.detail}; its file was removed when its time was over".removeprefix("; ")
                self._record(connection, deliveries, row, Input.REJECTED, {"detail": why, "changed_at": now})
        return self._release(old)

    def _release(self, which: sa.ColumnElement[bool]) -> list[str]:
        mine = (runs.c.tenant == self._tenant) & (runs.c.spool_file != "") & which
        with self._state.begin() as connection:
            found = connection.execute(sa.select(runs.c.id, runs.c.spool_file).where(mine)).all()
            if found:
                ids = [row.id for row in found]
                connection.execute(sa.update(runs).where(runs.c.id.in_(ids)).values(spool_file=""))
            return [row.spool_file for row in found]

    def files(self) -> set[str]:
        """Names of the files that runs name."""
        asked = sa.select(runs.c.spool_file).where(runs.c.tenant == self._tenant, runs.c.spool_file != "")
        with self._state.connect() as connection:
            return set(connection.scalars(asked))

    def forget(self, before: datetime) -> int:
        """Removes runs, with their deliveries, that were scheduled before and are over; how many."""
        busy = sa.select(deliveries.c.id).where(deliveries.c.run_id == runs.c.id, deliveries.c.state.in_(OPEN))
        over = (runs.c.tenant == self._tenant) & (runs.c.scheduled_at < before) & runs.c.state.notin_(OPEN)
        with self._state.begin() as connection:
            ids = list(connection.scalars(sa.select(runs.c.id).where(over, ~busy.exists()).limit(500)))
            connection.execute(sa.delete(deliveries).where(deliveries.c.run_id.in_(ids)))
            connection.execute(sa.delete(runs).where(runs.c.id.in_(ids)))
            return len(ids)

    # --- the history ---

    def history(
        self, limit: int, subscription: str, troubled: bool, describe: Callable[[str, str], str]
    ) -> tuple[ReportRun, ...]:
        """The newest runs; troubled: those alone that failed or wait, or of which a delivery does. describe: what a
        target (subscription and key) is called."""
        asked = sa.select(runs).where(runs.c.tenant == self._tenant)
        if subscription:
            asked = asked.where(runs.c.subscription == subscription)
        if troubled:
            bad = sa.select(deliveries.c.id).where(deliveries.c.run_id == runs.c.id, deliveries.c.state.in_(TROUBLED))
            asked = asked.where(runs.c.state.in_(TROUBLED) | bad.exists())
        return self._read(asked.order_by(runs.c.scheduled_at.desc(), runs.c.id).limit(limit), describe)

    def some(self, ids: Collection[str], describe: Callable[[str, str], str]) -> tuple[ReportRun, ...]:
        """The runs with these ids, in no order; `describe` as in `history`."""
        return self._read(sa.select(runs).where(runs.c.tenant == self._tenant, runs.c.id.in_(ids)), describe)

    def _read(self, asked: sa.Select[Any], describe: Callable[[str, str], str]) -> tuple[ReportRun, ...]:
        with self._state.connect() as connection:
            rows = connection.execute(asked).all()
            of_runs = sa.select(deliveries).where(deliveries.c.run_id.in_([row.id for row in rows]))
            grouped: dict[str, list[Any]] = defaultdict(list)
            for row in connection.execute(of_runs.order_by(deliveries.c.kind, deliveries.c.id)):
                grouped[row.run_id].append(row)
        return tuple(_run(row, grouped[row.id], describe) for row in rows)


def _require_free(row: Any, now: datetime) -> None:
    if row.claimed_until is not None and row.claimed_until > now:
        raise _busy(row)


def _busy(row: Any) -> Conflict:
    return Conflict(f"{row.id!r} is being worked on now", hint="look at it again in some minutes")


def _run(row: Any, own: Collection[Any], describe: Callable[[str, str], str]) -> ReportRun:
    letters = tuple(
        ReportDelivery(
            one.id, one.run_id, one.kind, describe(row.subscription, one.target), State(one.state), one.attempts,
            one.due_at, one.detail, tuple(json.loads(one.taken)), one.changed_at,
        )
        for one in own
    )  # fmt: skip
    return ReportRun(
        row.id, row.subscription, row.requested_by, row.scheduled_at, row.period_start, row.period_end,
        State(row.state), row.attempts, row.due_at, row.detail, row.file_name, row.data_through, letters,
    )  # fmt: skip


def counts(state: StateDb) -> dict[tuple[str, ...], float]:
    """How many runs (kind 'run') and deliveries there are of every tenant, by kind and state."""
    with state.connect() as connection:
        of_runs = connection.execute(sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)).all()
        grouped = sa.select(deliveries.c.kind, deliveries.c.state, sa.func.count())
        of_letters = connection.execute(grouped.group_by(deliveries.c.kind, deliveries.c.state)).all()
    found: dict[tuple[str, ...], float] = {("run", at): float(number) for at, number in of_runs}
    return found | {(kind, at): float(number) for kind, at, number in of_letters}


def tenants_with_runs(state: StateDb) -> set[str]:
    """Who has a history, so that it is looked after though the folder of subscriptions is gone."""
    with state.connect() as connection:
        return set(connection.scalars(sa.select(runs.c.tenant).distinct()))
