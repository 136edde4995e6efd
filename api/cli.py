"""`opsintel`: the command line. Errors of ours end in one sentence and exit status 2, never in a stack trace.

What loads code makes many objects and hardly any garbage. To look through all of them again and again takes a sixth of
the start, so garbage is not collected before everything is loaded, and what was loaded is not looked at afterwards.
"""

from __future__ import annotations

import gc

gc.disable()

import sys
from enum import StrEnum
from typing import Annotated

import typer

from api import (
    cli_access,
    cli_bench,
    cli_data,
    cli_doctor,
    cli_import,
    cli_kpi,
    cli_ops,
    cli_pollers,
    cli_process,
    cli_quarantine,
    cli_retention,
)
from api.version import VERSION
from core import OpsintelError, SystemClock, configure_logging, load_settings

app = typer.Typer(
    name="opsintel",
    help="Observability and operational intelligence for retail workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli_import.register(app)
cli_process.register(cli_data.register(app))
cli_kpi.register(app)
cli_ops.register(app)
cli_bench.register(app)
cli_retention.register(app)
cli_doctor.register(app)
cli_access.register(app)
cli_quarantine.register(app)
cli_pollers.register(app)


def _loaded() -> None:
    """From here on garbage is collected."""
    gc.freeze()
    gc.enable()


_loaded()


@app.callback()
def _root(context: typer.Context) -> None:
    settings = load_settings()
    quiet = settings.log_level == "INFO" and context.invoked_subcommand not in ("serve", "demo")
    configure_logging(settings.log_format, "WARNING" if quiet else settings.log_level)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


class Roles(StrEnum):
    """What a process does."""

    ALL = "all"
    BACKEND = "backend"
    RECEIVER = "receiver"


@app.command()
def serve(
    roles: Annotated[
        Roles, typer.Option(help="`receiver`: only take data, beside a `backend` on the same data directory.")
    ] = Roles.ALL,
    processes: Annotated[
        int, typer.Option(min=0, max=64, help="How many receiver processes; 0 means a number that fits the machine.")
    ] = 0,
) -> None:
    """Run everything: receivers, store, jobs, API and dashboards, until SIGTERM."""
    gc.disable()
    from api.serve import serve as run
    from api.serve import serve_receivers

    _loaded()
    settings = load_settings(**({"receiver_processes": processes} if processes else {}))
    if roles is Roles.RECEIVER:
        serve_receivers(settings, SystemClock(), settings.receivers or 1)
    else:
        run(settings, SystemClock(), receive=roles is Roles.ALL)


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=1, max=60, help="How many days to back-fill.")] = 14,
    seed: Annotated[int, typer.Option(help="The same seed makes the same retailer.")] = 7,
    live: Annotated[bool, typer.Option(help="Go on in real time after the back-fill.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what an earlier demo left in the directory.")] = False,
) -> None:
    """Run the service with a simulated retailer pushing to it: 14 days at once, then live."""
    gc.disable()
    from api.demo import run_demo

    _loaded()
    run_demo(load_settings(), days=days, seed=seed, live=live, fresh=fresh)


def main() -> None:
    """The entry point of the console script."""
    try:
        app()
    except OpsintelError as error:
        print(f"opsintel: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"          {error.hint}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
