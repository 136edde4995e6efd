"""`opsintel import`: an event log from a file, on a stopped service's data directory or through a running one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from prometheus_client import CollectorRegistry

from api.cli_data import Tenant, Token, Url
from api.import_progress import import_progress
from collector import Collector
from collector.importers import (
    HttpSink,
    Resumption,
    Sink,
    build_mapping,
    detect,
    import_file,
    log_sink,
    stored_in,
)
from core import DEFAULT_TENANT, Clock, Settings, SystemClock, Unavailable, load_settings

FLUSH_S = 600.0


class _Way(NamedTuple):
    sink: Sink
    resume: Resumption


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import")(import_)


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, XES or OCEL 2.0; CSV and XML also inside gzip.")],
    stream: Annotated[str | None, typer.Option(help="The value stream the cases belong to.")] = None,
    case: Annotated[str | None, typer.Option(help="Column of the case id.")] = None,
    activity: Annotated[str | None, typer.Option(help="Column of the activity.")] = None,
    timestamp: Annotated[str | None, typer.Option(help="Column of the time (the end, when there is a start).")] = None,
    start: Annotated[str | None, typer.Option(help="Column of the start time.")] = None,
    resource: Annotated[str | None, typer.Option(help="Column of who did it.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A mapping file; options win over it.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="Keep rows with COLUMN=VALUE only; again: either, or another column.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without an offset; UTC if not given.")] = None,
    timestamp_format: Annotated[str | None, typer.Option(help="strptime format; ISO 8601 if not given.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="CSV: what separates cells; the header tells it if not given.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="CSV: text encoding; utf-8 if not given.")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="csv, parquet, xes or ocel; the file's content tells it if not given.")
    ] = "",
    classifier: Annotated[str | None, typer.Option(help="XES: the classifier that makes the activity.")] = None,
    lifecycle: Annotated[
        str | None, typer.Option(help="XES: all events (default), pairs of start and complete, or complete only.")
    ] = None,
    case_object: Annotated[str | None, typer.Option(help="OCEL 2.0: the object type that is the case.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget how far an interrupted import got.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Import an event log that nobody pushed, through the same write-ahead log as everything else.

    An import that was interrupted goes on where it was when the same command is given again.
    """
    settings, clock = load_settings(), SystemClock()
    kind = detect(file, format_)
    wanted = build_mapping(
        mapping,
        stream=stream,
        columns={"case": case, "activity": activity, "timestamp": timestamp, "start": start, "resource": resource},
        keep=keep or (),
        timezone=timezone,
        timestamp_format=timestamp_format,
        delimiter=delimiter,
        encoding=encoding,
        case_object=case_object,
        classifier=classifier,
        lifecycle=lifecycle,
        kind=kind,
    )
    quarantine = settings.data_dir.absolute() / "quarantine" / "imports"
    with _way(settings, clock, url, token, tenant, restart) as way, import_progress(file.name, clock) as progress:
        report = import_file(
            file,
            wanted,
            way.sink,
            clock=clock,
            quarantine=quarantine,
            progress=progress,
            kind=kind,
            resume=way.resume,
        )
    typer.echo(json.dumps(report.to_json(), ensure_ascii=False) if as_json else "\n".join(report.lines()))
    if report.refused or (report.rejected and not report.events):
        raise typer.Exit(1)


@contextmanager
def _way(settings: Settings, clock: Clock, url: str, token: str, tenant: str, restart: bool) -> Iterator[_Way]:
    folder = settings.data_dir.absolute() / "imports"
    if url:
        with HttpSink(url, token, clock=clock) as sink:
            yield _Way(sink, Resumption(folder, f"url {url.rstrip('/')}", restart))
        return
    from api.composition import opened_stores

    with opened_stores(settings) as stores:
        collector = Collector(settings, clock, stores.ch, stores.state, CollectorRegistry())
        collector.start(None)
        try:
            _stored(collector)  # what an interrupted import left in the log is asked for in the tables
            resume = Resumption(folder, f"tenant {tenant}", restart, stored_in(stores.ch, tenant))
            yield _Way(log_sink(collector.append, tenant, clock=clock), resume)
            _stored(collector)
        finally:
            collector.stop()


def _stored(collector: Collector) -> None:
    if not collector.flush(FLUSH_S):
        raise Unavailable(
            f"what is in the log was not all stored within {FLUSH_S:.0f} s",
            hint="the next start of the service stores the rest",
        )
