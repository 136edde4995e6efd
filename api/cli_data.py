"""`opsintel import` and `opsintel process`, on a stopped service's data directory or through a running service."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from collector import Collector
from collector.importers import HttpSink, build_mapping, import_file, log_sink
from core import (
    DEFAULT_TENANT,
    Clock,
    InvalidInput,
    NotFound,
    Settings,
    SystemClock,
    Unauthenticated,
    Unavailable,
    load_settings,
)
from kpis import process_streams, process_summary

FLUSH_S = 600.0
Url = Annotated[str, typer.Option(help="A running service, such as http://127.0.0.1:8080; else its data directory.")]
Token = Annotated[str, typer.Option(envvar="OPSINTEL_TOKEN", help="The API key for --url.")]
Tenant = Annotated[str, typer.Option(help="Whose data, on a stopped service's directory.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_)
    process = typer.Typer(help="Ask about the cases of a value stream.", no_args_is_help=True)
    process.command("summary")(summary)
    process.command("streams")(streams)
    app.add_typer(process, name="process")


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.")],
    stream: Annotated[str | None, typer.Option(help="The value stream the cases belong to.")] = None,
    case: Annotated[str | None, typer.Option(help="Column of the case id.")] = None,
    activity: Annotated[str | None, typer.Option(help="Column of the activity.")] = None,
    timestamp: Annotated[str | None, typer.Option(help="Column of the time (the end, when there is a start).")] = None,
    start: Annotated[str | None, typer.Option(help="Column of the start time.")] = None,
    resource: Annotated[str | None, typer.Option(help="Column of who did it.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A mapping file; options win over it.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Keep rows with COLUMN=VALUE only; repeatable.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without an offset; UTC if not given.")] = None,
    timestamp_format: Annotated[str | None, typer.Option(help="strptime format; ISO 8601 if not given.")] = None,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Import an event log that nobody pushed, through the same write-ahead log as everything else."""
    settings, clock = load_settings(), SystemClock()
    columns = {"case": case, "activity": activity, "timestamp": timestamp, "start": start, "resource": resource}
    wanted = build_mapping(
        mapping, stream=stream, columns=columns, keep=keep or (), timezone=timezone, timestamp_format=timestamp_format
    )
    quarantine = settings.data_dir.absolute() / "quarantine" / "imports"
    with _sink(settings, clock, url, token, tenant) as sink, _progress(file.name) as progress:
        report = import_file(file, wanted, sink, clock=clock, quarantine=quarantine, progress=progress)
    for line in report.lines():
        typer.echo(line)
    if report.refused or (report.rejected and not report.events):
        raise typer.Exit(1)


@contextmanager
def _sink(
    settings: Settings, clock: Clock, url: str, token: str, tenant: str
) -> Iterator[Callable[[bytes, int], int | None]]:
    if url:
        with HttpSink(url, token, clock=clock) as sink:
            yield sink
        return
    from api.composition import opened_stores

    with opened_stores(settings) as stores:
        collector = Collector(settings, clock, stores.ch, stores.state, CollectorRegistry())
        collector.start(None)
        try:
            yield log_sink(collector.append, tenant, clock=clock)
            if not collector.flush(FLUSH_S):
                raise Unavailable(
                    f"the import is in the log, but not all of it was stored within {FLUSH_S:.0f} s",
                    hint="the next start of the service stores the rest",
                )
        finally:
            collector.stop()


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, float], None]]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=1.0, rows=0)
        yield lambda rows, part: bar.update(task, completed=part, rows=rows)


def ask(url: str, token: str, path: str, params: dict[str, Any] | None = None) -> Any:
    """GETs from a running service; its problem documents become errors of ours."""
    return call("GET", url, token, path, params=params)


def call(method: str, url: str, token: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
    """Calls a running service and returns its JSON; what goes wrong becomes an error of ours."""
    allowed = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        reply = httpx.request(
            method, f"{url.rstrip('/')}{path}", headers=allowed | (headers or {}), timeout=120, **more
        )
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"{url} cannot be reached: {error}") from None
    try:
        found = reply.json()
    except ValueError:
        raise InvalidInput(f"{url} answered {reply.status_code}, and not as opsintel does") from None
    if reply.is_success:
        return found
    problem = found if isinstance(found, dict) else {}
    detail, hint = str(problem.get("detail", f"{url} answered {reply.status_code}")), str(problem.get("hint", ""))
    kind = {401: Unauthenticated, 404: NotFound}.get(reply.status_code, InvalidInput)
    raise kind(detail, hint=hint)


def summary(
    stream: Annotated[str, typer.Argument(help="The value stream.")],
    as_json: Annotated[bool, typer.Option("--json", help="All variants and edges, as JSON.")] = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Cases, events, variants, directly-follows edges, durations and rework of a stream."""
    if url:
        found = ask(url, token, f"/api/v1/processes/{stream}/summary")
    else:
        from api.composition import opened_stores

        with opened_stores(load_settings()) as stores:
            found = process_summary(stores.ch, tenant, stream).to_json()
    if as_json:
        json.dump(found, sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    durations = found["case_duration_s"]
    typer.echo(f"{stream}: {found['cases']:,} cases, {found['events']:,} events, {found['activities']} activities")
    typer.echo(
        "  case duration: median {median:,.0f} s, mean {mean:,.0f} s, p90 {p90:,.0f} s".format(**durations)
        if durations["median"] is not None
        else "  no case"
    )
    typer.echo(f"  {len(found['variants']):,} variants, {found['rework_cases']:,} cases with rework")
    for edge in found["edges"][:10]:
        typer.echo(f"  {edge['count']:>9,}  {edge['from']} → {edge['to']}  median {edge['median_s']:,.0f} s")


def streams(url: Url = "", token: Token = "", tenant: Tenant = DEFAULT_TENANT) -> None:
    """The streams that have cases."""
    if url:
        names = ask(url, token, "/api/v1/processes")["streams"]
    else:
        from api.composition import opened_stores

        with opened_stores(load_settings()) as stores:
            names = process_streams(stores.ch, tenant)
    for name in names:
        typer.echo(name)
