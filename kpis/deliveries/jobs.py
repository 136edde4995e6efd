"""From due times to delivered files: create runs, render each once, send to each target, record.

`tick` reads the time once. Of the due times missed while nothing ran, the newest is made up and the older ones are
recorded as skipped. What is rendered lies in the spool folder, named by the run, so that every attempt sends the same
bytes. A crash before a record leads to the same work under the same id. One process at a time may run the ticks.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.clock import Clock
from core.errors import ConfigurationError, NotFound, OpsintelError
from core.logs import get_logger
from kpis.deliveries.states import Input, State, advance
from kpis.deliveries.subscriptions import Subscription, load_subscriptions, target_key
from kpis.deliveries.targets import Delivered, Parcel, Rejected, Result, RetryAfter, Sender
from kpis.periods import Calendar
from storage import StateDb
from storage.state.delivery_tables import report_deliveries as deliveries
from storage.state.delivery_tables import report_runs as runs
from storage.state.delivery_tables import report_schedules as schedules

_log = get_logger("kpis.deliveries")
A_TICK = 50
_OPEN = (State.PENDING.value, State.RETRY.value)


@dataclass(frozen=True)
class RenderedFile:
    """A finished file. headlines: label and text for the body of an e-mail."""

    name: str
    media_type: str
    content: bytes | Path
    data_through: datetime | None = None
    headlines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Retries:
    """Pauses that double from first_s to most_s, less up to a tenth at random; after `attempts` it is a dead letter."""

    first_s: float = 30.0
    most_s: float = 3_600.0
    attempts: int = 12

    def pause_s(self, failed: int, draw: float) -> float:
        """The pause after the `failed`-th failed attempt (from 1), in seconds; draw is 0 to 1."""
        return min(self.first_s * 2.0 ** min(failed - 1, 30), self.most_s) * (1.0 - 0.1 * draw)


@dataclass(frozen=True)
class ReportRun:
    """A run, as the history shows it."""

    id: str
    tenant: str
    subscription: str
    scheduled_at: datetime
    state: State
    attempts: int
    detail: str


@dataclass(frozen=True)
class ReportDelivery:
    """What one target got of a run."""

    id: str
    run_id: str
    tenant: str
    kind: str
    state: State
    attempts: int
    due_at: datetime
    detail: str


Render = Callable[[str, Subscription, datetime, datetime], RenderedFile]


class DeliveryJobs:
    """Deliveries of one tenant; `folder` holds its subscriptions, `spool` the files that are being sent."""

    def __init__(
        self,
        state: StateDb,
        clock: Clock,
        tenant: str,
        folder: Path,
        calendar: Calendar,
        render: Render,
        sender: Sender,
        spool: Path,
        *,
        retries: Retries | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Raises ConfigurationError when a subscription is wrong."""
        self._state, self._clock, self._tenant, self._folder = state, clock, tenant, folder
        self._calendar, self._render, self._sender, self._spool = calendar, render, sender, spool
        self._retries, self._draw = retries or Retries(), draw
        self._subscriptions = {one.id: one for one in load_subscriptions(folder)}

    def reload(self) -> None:
        """Reads the folder again; ConfigurationError leaves the running set in force."""
        self._subscriptions = {one.id: one for one in load_subscriptions(self._folder)}

    def tick(self, now: datetime) -> None:
        """Creates the runs that are due, renders, and sends what is due."""
        for subscription in self._subscriptions.values():
            self._create_due(subscription, now)
        for run in self._due(runs, now):
            self._render_run(run, now)
        for letter in self._due(deliveries, now):
            self._send(letter, now)

    def run_now(self, subscription: str) -> str:
        """A run beside the schedule, scheduled for this instant; its id. NotFound for an unknown subscription."""
        if subscription not in self._subscriptions:
            raise NotFound(f"there is no report {subscription!r}")
        now = self._clock.now()
        with self._state.begin() as connection:
            return self._insert(connection, self._subscriptions[subscription], now, now, "")

    def retry(self, delivery_id: str) -> None:
        """Makes a failed or waiting delivery due at once, with all its attempts; NotFound or Conflict otherwise."""
        now = self._clock.now()
        with self._state.begin() as connection:
            row = connection.execute(
                sa.select(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.tenant == self._tenant)
            ).one_or_none()
            if row is None:
                raise NotFound(f"there is no delivery {delivery_id!r}")
            after = advance(State(row.state), Input.ASKED_AGAIN)
            change = sa.update(deliveries).where(deliveries.c.id == delivery_id)
            connection.execute(change.values(state=after.value, attempts=0, due_at=now, changed_at=now))

    def history(self, limit: int = 100) -> tuple[ReportRun, ...]:
        """The newest runs of the tenant."""
        asked = sa.select(runs).where(runs.c.tenant == self._tenant).order_by(runs.c.scheduled_at.desc()).limit(limit)
        with self._state.connect() as connection:
            return tuple(
                ReportRun(r.id, r.tenant, r.subscription, r.scheduled_at, State(r.state), r.attempts, r.detail)
                for r in connection.execute(asked)
            )

    def deliveries(self, *, failed_only: bool = False) -> tuple[ReportDelivery, ...]:
        """The tenant's deliveries, oldest first."""
        asked = sa.select(deliveries).where(deliveries.c.tenant == self._tenant).order_by(deliveries.c.changed_at)
        if failed_only:
            asked = asked.where(deliveries.c.state == State.FAILED.value)
        with self._state.connect() as connection:
            return tuple(
                ReportDelivery(r.id, r.run_id, r.tenant, r.kind, State(r.state), r.attempts, r.due_at, r.detail)
                for r in connection.execute(asked)
            )

    def failures(self) -> tuple[ReportDelivery, ...]:
        """The dead letters, with their reasons."""
        return self.deliveries(failed_only=True)

    def _create_due(self, one: Subscription, now: datetime) -> None:
        key = (schedules.c.tenant == self._tenant) & (schedules.c.subscription == one.id)
        with self._state.begin() as connection:
            seen = connection.scalar(sa.select(schedules.c.seen_through).where(key))
            if seen is None:
                values = {"tenant": self._tenant, "subscription": one.id, "seen_through": now}
                connection.execute(sa.insert(schedules).values(values))
                return
            times = one.due(seen, now, self._calendar.timezone)
            for at in times:
                missed = "" if at == times[-1] else "missed while nothing ran; the newest one was made up"
                self._insert(connection, one, at, now, missed)
            if now > seen:
                connection.execute(sa.update(schedules).where(key).values(seen_through=now))

    def _insert(self, connection: sa.Connection, one: Subscription, at: datetime, now: datetime, skipped: str) -> str:
        name = json.dumps([self._tenant, one.id, at.timestamp()])
        run_id = hashlib.sha256(name.encode()).hexdigest()[:32]
        if connection.scalar(sa.select(runs.c.id).where(runs.c.id == run_id)):
            return run_id
        start, end = one.covers(at, self._calendar)
        connection.execute(
            sa.insert(runs).values(
                id=run_id,
                tenant=self._tenant,
                subscription=one.id,
                scheduled_at=at,
                period_start=start,
                period_end=end,
                state=(State.SKIPPED if skipped else State.PENDING).value,
                attempts=0,
                due_at=now,
                detail=skipped,
                file_name="",
                media_type="",
            )
        )
        return run_id

    def _due(self, table: sa.Table, now: datetime) -> Sequence[Any]:
        asked = sa.select(table).where(table.c.tenant == self._tenant, table.c.state.in_(_OPEN), table.c.due_at <= now)
        with self._state.connect() as connection:
            return connection.execute(asked.order_by(table.c.due_at).limit(A_TICK)).all()

    def _render_run(self, run: Any, now: datetime) -> None:
        one = self._subscriptions.get(run.subscription)
        if one is None:
            self._record(runs, run, Rejected("its subscription is gone"), now)
            return
        try:
            file = self._render(self._tenant, one, run.period_start, run.period_end)
            self._keep(run.id, file)
        except (OpsintelError, OSError) as problem:
            self._record(runs, run, RetryAfter(f"it could not be rendered: {problem}"), now)
            return
        except Exception as problem:  # the rim: a renderer's bug is a visible failure, not the end of the tick
            _log.exception("a report could not be rendered", run=run.id)
            self._record(runs, run, RetryAfter(f"it could not be rendered: {type(problem).__name__}"), now)
            return
        with self._state.begin() as connection:
            for target in {target_key(target): target for target in one.to}.values():
                key = target_key(target)
                values = {"id": f"{run.id}-{key}", "run_id": run.id, "tenant": self._tenant, "target": key}
                values |= {"kind": target.kind, "state": State.PENDING.value, "detail": ""}
                connection.execute(sa.insert(deliveries).values(**values, attempts=0, due_at=now, changed_at=now))
            after = advance(State(run.state), Input.RENDERED)
            change = {"state": after.value, "attempts": run.attempts + 1, "detail": "", "file_name": file.name}
            change |= {"media_type": file.media_type, "data_through": file.data_through}
            connection.execute(sa.update(runs).where(runs.c.id == run.id).values(change))

    def _keep(self, run_id: str, file: RenderedFile) -> None:
        if not file.name or "/" in file.name or "\\" in file.name or any(ord(sign) < 32 for sign in file.name):
            raise ConfigurationError(f"a report's file must have a plain name, got {file.name!r}")
        self._spool.mkdir(parents=True, exist_ok=True)
        data = file.content.read_bytes() if isinstance(file.content, Path) else file.content
        (self._spool / run_id).write_bytes(data)
        (self._spool / f"{run_id}.json").write_text(json.dumps(file.headlines), "utf-8")

    def _send(self, letter: Any, now: datetime) -> None:
        with self._state.connect() as connection:
            run = connection.execute(sa.select(runs).where(runs.c.id == letter.run_id)).one()
        one = self._subscriptions.get(run.subscription)
        target = next((t for t in one.to if target_key(t) == letter.target), None) if one else None
        if one is None or target is None:
            self._record(deliveries, letter, Rejected("its target is no longer configured"), now)
            return
        try:
            data = (self._spool / run.id).read_bytes()
            lines = json.loads((self._spool / f"{run.id}.json").read_text("utf-8"))
        except OSError as problem:
            self._record(deliveries, letter, RetryAfter(f"the file is not in the spool: {problem.strerror}"), now)
            return
        parcel = Parcel(
            letter.id,
            self._tenant,
            one.title,
            run.period_start,
            run.period_end,
            run.file_name,
            run.media_type,
            data,
            run.data_through,
            tuple((label, text) for label, text in lines),
        )
        self._record(deliveries, letter, self._sender.send(target, parcel, now), now)

    def _record(self, table: sa.Table, row: Any, result: Result, now: datetime) -> None:
        failed, due = row.attempts + 1, row.due_at
        if isinstance(result, Delivered):
            given = Input.DELIVERED
        elif isinstance(result, Rejected):
            given = Input.REJECTED
        elif failed >= self._retries.attempts:
            given = Input.EXHAUSTED
        else:
            given = Input.TRY_LATER
            due = now + timedelta(seconds=max(self._retries.pause_s(failed, self._draw()), result.seconds or 0.0))
        values = {"state": advance(State(row.state), given).value, "attempts": failed, "due_at": due}
        values["detail"] = result.detail
        if table is deliveries:
            values["changed_at"] = now
        with self._state.begin() as connection:
            connection.execute(sa.update(table).where(table.c.id == row.id).values(values))
