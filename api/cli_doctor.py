"""`opsintel doctor`: explains the state of a stopped service's data directory or of a running service."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from api.cli_data import Token, Url, ask
from core import SystemClock, load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)


def doctor(
    url: Url = "",
    token: Token = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was found, as JSON.")] = False,
) -> None:
    """Explain log, disk, ingest, engine, clocks and state. Exit status: 0 well, 1 warnings, 2 failures."""
    from api.doctor import Report, examine_stopped, render

    if url:
        report = Report.from_json(ask(url, token, "/api/v1/doctor"))
    else:
        report = examine_stopped(load_settings(), SystemClock())
    if as_json:
        json.dump(report.to_json(), sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        render(report, Console(highlight=False))
    raise typer.Exit(report.exit_code)
