"""`opsintel kpi backfill`, on a stopped service's data directory, or on a server whose jobs do not run meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from os import getpid
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from api.cli_data import Tenant
from api.cli_tenants import stores_of
from api.cli_times import moment
from api.composition import Stores, open_definitions
from core import DEFAULT_TENANT, Clock, Conflict, InvalidInput, OpsintelError, SystemClock
from kpis import KpiJobs, ProcessModels, RunReport, load_catalogue
from kpis.backfill import MOST_PARALLEL, PARALLEL, Backfill, Progress
from kpis.run_ledger import RunLedger
from kpis.values import FIRST, LAST
from storage.state.lease import Lease

USUAL = timedelta(days=365)
RENEWED_EVERY_S = 15.0


def register(kpi: typer.Typer) -> None:
    """Adds the command to `opsintel kpi`."""
    kpi.command("backfill")(backfill)


def backfill(
    start: Annotated[str, typer.Option("--from", help="Such as 2026-03-01T00:00:00Z; else a year ago.")] = "",
    end: Annotated[str, typer.Option("--to", help="Not included; else the end of today.")] = "",
    kpi: Annotated[list[str], typer.Option(help="A KPI's id, as often as wanted; all when left out.")] = [],  # noqa: B006
    parallel: Annotated[int, typer.Option(help=f"Steps side by side, 1 to {MOST_PARALLEL}.")] = PARALLEL,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Compute the stored values of KPIs anew for a period. Asked again after it was killed, it goes on."""
    clock = SystemClock()
    now = clock.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = moment(start, "from") if start else today - USUAL
    until = moment(end, "to") if end else today + timedelta(days=1)
    for name, at in (("from", since), ("to", until)):
        if not FIRST <= at <= LAST:
            raise InvalidInput(f"{name} is out of range, got {at.isoformat()}", hint="a time of the years 1970 to 2105")
    with (
        stores_of(tenant) as stores,
        _leading(stores, clock) as lease,
        steps_told(Console(stderr=True)) as told,
    ):
        report = backfilled(stores, clock, tenant, kpi, (since, until), parallel, told, lease)
    for problem in (*report.failures, *report.left_out):
        typer.echo(problem, err=True)
    typer.echo(f"{report.buckets:,} buckets computed anew, {report.rows:,} values stored")


def backfilled(
    stores: Stores,
    clock: Clock,
    tenant: str,
    ids: list[str],
    period: tuple[datetime, datetime],
    parallel: int,
    told: Callable[[Progress], None],
    lease: Lease,
) -> RunReport:
    """Takes in what arrived, then does the steps that are not done yet; both are noted in the ledger."""
    catalogue, models = load_catalogue(), ProcessModels(stores.settings.process_models_dir)
    definitions, ledger = open_definitions(stores, clock, catalogue), RunLedger(stores.state, clock, lease.holder)
    jobs = KpiJobs(
        stores.ch,
        clock,
        catalogue,
        [tenant],
        details=models.details,
        kpis_of=definitions.of,
        ledger=ledger,
        leading=lambda: lease.held,
        term=lambda: lease.token,
    )
    of = definitions.of(tenant)
    chosen = [of.catalogue.get(one) for one in ids] or list(of.catalogue)
    steps_of = (tenant, *period, of.calendar.name, tuple((one.id, one.version) for one in chosen))
    work = Backfill(stores.state, clock, steps_of, parallel)
    if first := jobs.run_once().failures:
        raise OpsintelError(
            "; ".join(first), hint="the views are not up to date; opsintel kpi check looks at definitions"
        )
    steps, run = jobs.backfill_steps(tenant, ids, *period), ledger.begin("backfill", tenant)
    try:
        report = work.run(steps, told, lambda: lease.held)
    except OpsintelError as problem:
        ledger.fail(run, str(problem))
        raise
    ledger.end(run, report)
    return report


@contextmanager
def _leading(stores: Stores, clock: Clock) -> Iterator[Lease]:
    """Holds the lease of the jobs for the length of the block. Raises Conflict when another process has it."""
    lease = Lease(stores.state, clock, "jobs", f"{socket.gethostname()}:{getpid()}:backfill")
    alone = stores.ch.embedded and stores.state.engine.dialect.name == "sqlite"  # we have the lock on its directory
    if not (lease.seize() if alone else lease.hold()):
        holder = lease.now_held_by()
        raise Conflict(
            f"the jobs are run by {holder.holder if holder else 'another process'}",
            hint="stop that service, or set jobs_enabled to false for it; after a crash wait a minute",
        )
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEWED_EVERY_S):
            lease.hold()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
        lease.release()


@contextmanager
def steps_told(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar for people, a line for each step for log files; both on the standard error."""
    if not console.is_terminal:
        yield lambda now: console.print(_line(now), markup=False, highlight=False, soft_wrap=True)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("backfill", total=None)
        yield lambda now: bar.update(task, total=now.steps, completed=now.done, description=now.step or "backfill")


def _line(now: Progress) -> str:
    if not now.step:
        going_on = f", going on after {now.before}" if now.before else ""
        return f"backfill: {now.steps} steps{going_on}"
    return f"backfill: {now.done} of {now.steps}, {now.step}, {now.rows:,} values"
