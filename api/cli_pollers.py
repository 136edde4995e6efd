"""`opsintel pollers …`: try the pollers' file before the service runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collector.pollers import Checked, QueueReading, check_pollers, load_pollers
from core import ConfigurationError, SystemClock, load_settings

File = Annotated[Path | None, typer.Option("--file", help="The pollers' file; else the setting pollers_file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Queue-depth pollers.", no_args_is_help=True)
    group.callback()(_group)
    group.command()(check)
    app.add_typer(group, name="pollers")


def _group() -> None:
    """Queue-depth pollers."""


def check(file: File = None) -> None:
    """Poll each source once and show what would be stored; store nothing. Exit 1 when one does not work."""
    file = file or load_settings().pollers_file
    if file is None:
        raise ConfigurationError(
            "there is no pollers file to check", hint="give --file, or set OPSINTEL_POLLERS_FILE; see docs/pollers.md"
        )
    found = check_pollers(load_pollers(file), SystemClock(), os.environ)
    table = Table("poller", "kind", "queue", "depth", "oldest", "in flight", "consumers", title_justify="left")
    for one in found:
        for row in _rows(one):
            table.add_row(*(escape(cell) for cell in row))
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table if table.row_count else "no queues")
    for one in found:
        state = "works" if not one.error else "FAILS"
        typer.echo(f"{one.name}: {state}, {len(one.readings)} queues in {one.seconds:.2f} s")
        if one.error:
            typer.echo(f"  {one.error}")
        if one.hint:
            typer.echo(f"  {one.hint}")
        for problem in one.problems:
            typer.echo(f"  not read: {problem}")
    if not found:
        typer.echo(f"{file}: no poller is enabled")
    if any(one.error for one in found):
        raise typer.Exit(1)


def _rows(one: Checked) -> Iterator[tuple[str, ...]]:
    for reading in sorted(one.readings, key=lambda reading: reading.identity):
        name = f"{reading.destination} ({reading.group})" if reading.group else reading.destination
        numbers = (reading.depth, _age(reading), reading.in_flight, reading.consumers)
        yield (one.name, one.kind, name, *(_shown(number) for number in numbers))


def _age(reading: QueueReading) -> str | None:
    return None if reading.oldest_age_s is None else f"{reading.oldest_age_s:,.0f} s"


def _shown(value: float | str | None) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else f"{value:,.10g}"
