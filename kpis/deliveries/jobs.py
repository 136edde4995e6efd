"""From due times to delivered files: create runs, render each once, send to each target, record.

Of the due times missed while nothing ran, the newest is made up and the older ones are recorded as skipped. What is
rendered lies in the spool, named by its run, so that every attempt sends the same bytes; it goes when every target has
it, or after `keep`. A crash before a record leads to the same work under the same id once the claim has ended. Several
processes may run the ticks on one state database and one spool.

What goes wrong with one report or one target, foreseen or not, is that one's visible failure, and the others go on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, TypeVar

from core.clock import Clock
from core.errors import InvalidInput, LimitExceeded, NotFound, OpsintelError
from core.logs import get_logger
from core.sending import Delivered, Rejected, Result, RetryAfter
from kpis.deliveries.parcels import Parcel
from kpis.deliveries.spool import Spool, sha256_of
from kpis.deliveries.standing import Standing, standings
from kpis.deliveries.states import Input
from kpis.deliveries.store import TROUBLED, Also, ReportDelivery, ReportRun, RunStore, Wanted
from kpis.deliveries.subscriptions import Subscription, described, load_subscriptions, target_key
from kpis.deliveries.targets import Sender
from kpis.periods import Calendar
from storage import StateDb
from storage.state.delivery_tables import report_deliveries as deliveries
from storage.state.delivery_tables import report_runs as runs

T = TypeVar("T")
_log = get_logger("kpis.deliveries")
MISSED = "missed while nothing ran; the newest one was made up"
ORPHANS_AFTER = timedelta(days=1)
HISTORY = timedelta(days=400)
"""How long runs that are over are shown."""
SWEEP_EVERY = timedelta(hours=1)
A_TICK_S = 60.0
"""After so many seconds a tick begins nothing more, so that one tenant's slow receivers do not hold up the others."""


@dataclass(frozen=True)
class Rendered:
    """What a finished file is called and says. headlines: label and text for the body of an e-mail."""

    name: str
    media_type: str
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


@dataclass
class TickReport:
    """What a tick did. failed: attempts that did not work; problems: what could not even be recorded as such."""

    created: int = 0
    rendered: int = 0
    sent: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)


Render = Callable[[Subscription, datetime, datetime, BinaryIO], Rendered]
"""Writes the report on [start, end) into the file."""
Observe = Callable[[str, str], object]
"""Told of every attempt: what kind (a target's, or 'run'), and what came of it (delivered, retry, rejected)."""


def nothing_more(_connection: Any, _about: str) -> None:
    """For requests that write nothing else."""


class DeliveryJobs:
    """Deliveries of one tenant; `folder` holds its subscriptions (None: it has none), `spool` the files being sent.

    calendar: how the tenant counts time now; schedules and periods follow it.
    """

    def __init__(
        self,
        state: StateDb,
        clock: Clock,
        tenant: str,
        folder: Path | None,
        calendar: Callable[[], Calendar],
        render: Render,
        sender: Sender,
        spool: Path,
        *,
        retries: Retries | None = None,
        draw: Callable[[], float] = random.random,
        keep: timedelta = timedelta(days=14),
        known_kpis: Callable[[], Collection[str]] | None = None,
        observe: Observe = lambda _kind, _outcome: None,
        stopping: Event | None = None,
    ) -> None:
        """Reads nothing yet: `reload` does."""
        self._clock, self._tenant, self._folder, self._calendar = clock, tenant, folder, calendar
        self._render, self._sender = render, sender
        self._state, self._store, self._spool = state, RunStore(state, tenant), Spool(spool)
        self._retries, self._draw, self._keep = retries or Retries(), draw, keep
        self._known_kpis, self._observe = known_kpis, observe
        self._stopping = stopping or Event()
        self._subscriptions: dict[str, Subscription] = {}
        self._problems: dict[str, str] = {}
        self._swept: datetime | None = None

    def reload(self) -> None:
        """Reads the folder; ConfigurationError leaves the running set in force."""
        known = self._known_kpis() if self._known_kpis else None
        found = load_subscriptions(self._folder, known) if self._folder else ()
        self._subscriptions = {one.id: one for one in found}

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Those in force, by id."""
        return tuple(one for _, one in sorted(self._subscriptions.items()))

    def problem(self, subscription: str) -> str:
        """Why its due runs could not be created the last time; empty when they could."""
        return self._problems.get(subscription, "")

    def next_due(self, subscription: Subscription) -> datetime | None:
        """When it is due next."""
        return subscription.next_due(self._clock.now(), self._calendar().timezone)

    def tick(self) -> TickReport:
        """Creates the runs that are due, renders, and sends what is due."""
        report, until = TickReport(), time.monotonic() + A_TICK_S
        for one in self.subscriptions:
            if self._stopping.is_set():
                return report
            trouble = self._guarded(report, f"report {one.id!r}", self._create_due, one)
            self._problems = {**self._problems, one.id: trouble}
        for table, work in ((runs, self._render_run), (deliveries, self._send)):
            try:
                due = self._store.due(table, self._clock.now())
            except OpsintelError as problem:
                report.problems.append(str(problem))
                continue
            for row_id in due:
                if self._stopping.is_set() or time.monotonic() > until:
                    return report
                self._guarded(report, f"{table.name} {row_id!r}", work, row_id)
        self._guarded(report, "the spool", self._clean, None)
        return report

    def run_now(self, subscription: str, by: str = "", also: Also = nothing_more) -> str:
        """A run beside the schedule, scheduled for this instant; its id. NotFound for an unknown subscription."""
        one = self._subscriptions.get(subscription)
        if one is None:
            raise NotFound(f"there is no report {subscription[:80]!r}")
        now = self._clock.now()
        start, end = one.covers(now, self._calendar())
        return self._store.create(Wanted(one.id, now, start, end, requested_by=by), now, also)

    def retry_run(self, run_id: str, also: Also = nothing_more) -> int:
        """A run that failed, waits or was skipped is tried anew at once; of a rendered one the deliveries that are in
        trouble. Raises NotFound, or Conflict when there is nothing to be tried again."""
        return self._store.retry_run(run_id, self._clock.now(), also)

    def retry(self, delivery_id: str, also: Also = nothing_more) -> None:
        """Makes a failed or waiting delivery due at once, with all its attempts; NotFound or Conflict otherwise."""
        self._store.retry_delivery(delivery_id, self._clock.now(), also)

    def history(self, limit: int = 100, *, subscription: str = "", troubled: bool = False) -> tuple[ReportRun, ...]:
        """The newest runs with their deliveries; troubled: those alone where something failed or waits."""
        return self._store.history(limit, subscription, troubled, self._described)

    def deliveries(self) -> tuple[ReportDelivery, ...]:
        """Those of the newest runs."""
        return tuple(one for run in self.history() for one in run.deliveries)

    def failures(self) -> tuple[ReportDelivery, ...]:
        """Deliveries of the newest runs that failed or wait for another attempt, with their reasons."""
        return tuple(one for one in self.deliveries() if one.state.value in TROUBLED)

    def standings(self) -> tuple[Standing, ...]:
        """How each report in force stands, by id."""
        return standings(self._state, self._tenant, self.subscriptions, self.problem)

    # --- a tick ---

    def _guarded(self, report: TickReport, what: str, work: Callable[[TickReport, T], None], about: T) -> str:
        """Why it did not work, empty when it did."""
        try:
            work(report, about)
        except OpsintelError as problem:
            _log.error("a part of the deliveries failed", tenant=self._tenant, part=what, error=str(problem))
            report.problems.append(f"{what}: {problem}")
            return _shown(problem)
        except Exception as problem:  # the rim: a mistake of ours must not keep the other reports from their receivers
            _log.exception("a part of the deliveries failed", tenant=self._tenant, part=what)
            report.problems.append(f"{what}: {type(problem).__name__}")
            return f"it failed inside the service ({type(problem).__name__})"
        return ""

    def _create_due(self, report: TickReport, one: Subscription) -> None:
        now = self._clock.now()
        seen = self._store.seen_through(one.id, now)
        if now <= seen:
            return
        times = one.due(seen, now, self._calendar().timezone)
        wanted = [
            Wanted(one.id, at, *one.covers(at, self._calendar()), skipped="" if at == times[-1] else MISSED)
            for at in times
        ]
        report.created += self._store.create_due(one.id, seen, now, wanted)

    def _render_run(self, report: TickReport, run_id: str) -> None:
        run = self._store.claim(runs, run_id, self._clock.now())
        if run is None:
            return
        one = self._subscriptions.get(run.subscription)
        if one is None:
            self._record(report, runs, run, Rejected("its subscription is gone"))
            return
        name = f"{run.id}-{run.claim[:8]}"  # who lost the claim meanwhile writes another file
        try:
            with self._spool.writing(name) as out:
                file = self._render(one, run.period_start, run.period_end, out)
                _require_plain(file.name)
        except (InvalidInput, NotFound) as problem:
            self._record(report, runs, run, Rejected(f"it cannot be rendered: {problem}"))
            return
        except OpsintelError as problem:
            _log.error("a report could not be rendered", run=run.id, error=str(problem))
            self._record(report, runs, run, RetryAfter(f"it could not be rendered: {_shown(problem)}"))
            return
        except Exception as problem:  # the rim: a renderer's bug is a visible failure, not the end of the tick
            _log.exception("a report could not be rendered", run=run.id)
            self._record(report, runs, run, RetryAfter(f"it could not be rendered: {type(problem).__name__}"))
            return
        self._record_rendered(report, run, one, file, name)

    def _record_rendered(self, report: TickReport, run: Any, one: Subscription, file: Rendered, name: str) -> None:
        now = self._clock.now()
        values = {"attempts": run.attempts + 1, "detail": "", "file_name": file.name, "media_type": file.media_type}
        values |= {"data_through": file.data_through, "headlines": json.dumps(file.headlines), "rendered_at": now}
        values |= {"spool_file": name, "sha256": sha256_of(self._spool.path(name))}
        targets = {target_key(target): target.kind for target in one.to}
        if self._store.record_rendered(run, values, targets, now):
            report.rendered += 1
            self._observe("run", "delivered")
        else:
            _log.warning("a report was rendered too late, another process did it", run=run.id)
            self._spool.remove(name)

    def _send(self, report: TickReport, delivery_id: str) -> None:
        letter = self._store.claim(deliveries, delivery_id, self._clock.now())
        if letter is None:
            return
        run = self._store.run_of(letter)
        one = self._subscriptions.get(run.subscription)
        target = next((t for t in one.to if target_key(t) == letter.target), None) if one else None
        if one is None or target is None:
            self._record(report, deliveries, letter, Rejected("its target is no longer configured"))
            return
        parcel = Parcel(
            letter.id,
            self._tenant,
            one.title,
            run.period_start,
            run.period_end,
            run.file_name,
            run.media_type,
            self._spool.path(run.spool_file or "removed"),
            run.data_through,
            tuple((label, text) for label, text in json.loads(run.headlines)),
            frozenset(json.loads(letter.taken)),
        )
        try:
            if sha256_of(parcel.file) == run.sha256:
                result = self._sender.send(target, parcel, self._clock.now())
            else:
                result = Rejected("the file in the spool is not the one that was rendered")
        except FileNotFoundError:
            result = RetryAfter("the file is not in the spool")
        except Exception as problem:  # the rim: what nobody foresaw is this delivery's failure, and the others go on
            _log.exception("a report could not be sent", delivery=letter.id, kind=letter.kind)
            result = RetryAfter(f"it could not be sent: {type(problem).__name__}")
        self._record(report, deliveries, letter, result)

    def _record(self, report: TickReport, table: Any, row: Any, result: Result) -> None:
        now, failed = self._clock.now(), row.attempts + 1
        values: dict[str, Any] = {"attempts": failed, "detail": result.detail}
        if isinstance(result, Delivered):
            given, outcome = Input.DELIVERED, "delivered"
        elif isinstance(result, Rejected):
            given, outcome = Input.REJECTED, "rejected"
        elif failed >= self._retries.attempts:
            given, outcome = Input.EXHAUSTED, "rejected"
        else:
            given, outcome = Input.TRY_LATER, "retry"
            pause = max(self._retries.pause_s(failed, self._draw()), result.seconds or 0.0)
            values["due_at"] = now + timedelta(seconds=pause)
        if table is deliveries:
            values["changed_at"] = now
            taken = frozenset() if isinstance(result, Delivered) else result.taken
            values["taken"] = json.dumps(sorted(taken | frozenset(json.loads(row.taken))))
        report.sent += given is Input.DELIVERED
        report.failed += given is not Input.DELIVERED
        self._observe("run" if table is runs else row.kind, outcome)
        if not self._store.record(table, row, given, values):
            _log.warning("what came of it was recorded by another process", row=row.id, detail=result.detail)

    def _clean(self, _report: TickReport, _nothing: None) -> None:
        now = self._clock.now()
        going = self._store.release_sent()
        hourly = self._swept is None or now - self._swept >= SWEEP_EVERY
        if hourly:
            going += self._store.release_old(now - self._keep, now)
        for name in going:
            self._spool.remove(name)
        if hourly:
            self._spool.sweep(self._store.files(), now - ORPHANS_AFTER)
            self._store.forget(now - HISTORY)
            self._swept = now

    def _described(self, subscription: str, key: str) -> str:
        return described(self._subscriptions.get(subscription), key)


def _require_plain(name: str) -> None:
    if not name or "/" in name or "\\" in name or any(ord(sign) < 32 for sign in name):
        raise InvalidInput(f"a report's file must have a plain name, got {name!r}")


def _shown(problem: OpsintelError) -> str:
    """For everybody who may see the report: the text of a store's error may name files and servers of ours."""
    if isinstance(problem, InvalidInput | NotFound | LimitExceeded):
        return str(problem)
    return f"the service could not do it now ({type(problem).__name__}); its log has the details"
