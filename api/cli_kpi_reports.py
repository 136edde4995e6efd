"""`opsintel kpi reports`: what is sent on a schedule, through a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli_data import Token, ask, call
from api.cli_ops import HERE, Running, show
from core import InvalidInput, SystemClock, load_settings
from kpis import load_catalogue
from kpis.deliveries import load_subscriptions
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar

PATH = "/api/v1/kpis/reports"


def register(kpi: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Reports that are sent on a schedule.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("runs")(runs)
    group.command("run-now")(run_now)
    group.command("retry")(retry)
    group.command("check")(check)
    kpi.add_typer(group, name="reports")


def list_(url: Running = HERE, token: Token = "") -> None:
    """Reports with their schedule, targets, next due time and last run."""
    found = ask(url, token, PATH)
    if found["problem"]:
        typer.echo(f"a newer set of subscriptions is not in force: {found['problem']}", err=True)
    rows: list[list[object]] = []
    for one in found["reports"]:
        last = one["last_run"]
        to = "; ".join(f"{target['kind']} {target['target']}" for target in one["to"])
        rows.append(
            [one["id"], one["format"], one["period"], one["schedule"], to, _minute(one["next_due"]),
             _worst(last) if last else "never ran", one["problem"]]
        )  # fmt: skip
    show("reports", ["report", "format", "period", "schedule", "to", "next due (UTC)", "last run", "problem"], rows)


def runs(
    report: Annotated[str, typer.Option(help="Of this report alone.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Those alone where something failed or waits.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    url: Running = HERE,
    token: Token = "",
) -> None:
    """Runs with their deliveries, the newest first."""
    params: dict[str, Any] = {"report": report, "failed": failed, "limit": limit}
    rows: list[list[object]] = []
    for one in ask(url, token, f"{PATH}/runs", params)["runs"]:
        rows.append([one["id"], _minute(one["scheduled_at"]), one["subscription"], one["state"], one["attempts"],
                     one["detail"] or one["file_name"]])  # fmt: skip
        rows += [
            ["", "", f"  {letter['kind']} {letter['target']}", letter["state"], letter["attempts"], letter["detail"]]
            for letter in one["deliveries"]
        ]
    show("runs", ["run", "scheduled (UTC)", "what", "state", "attempts", "detail"], rows)


def run_now(report: str, url: Running = HERE, token: Token = "") -> None:
    """Send a report now, of the last whole period."""
    found = call("POST", url, token, f"{PATH}/{report}/run")
    typer.echo(f"{found['run']}: {report} is sent within a minute")


def retry(
    run: Annotated[str, typer.Argument(help="A run's id, as `runs` shows it.")], url: Running = HERE, token: Token = ""
) -> None:
    """Render a run anew that failed or was skipped; of a rendered one, send again what failed."""
    found = call("POST", url, token, f"{PATH}/runs/{run}/retry")
    typer.echo(f"{run}: {found['tried']} due now")


def check(
    folder: Annotated[Path, typer.Argument(help="A tenant's folder of subscriptions, named as the tenant is.")],
) -> None:
    """Check a folder of subscriptions and show when each is due next; needs no service and no data."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder")
    settings, now = load_settings(), SystemClock().now()
    definitions = TenantDefinitions(
        load_catalogue(), Calendar(settings.timezone), SystemClock(), settings.kpi_overrides_dir
    )
    definitions.refresh()
    own = definitions.of(folder.absolute().name)
    found = load_subscriptions(folder, {one.id for one in own.catalogue})
    rows: list[list[object]] = []
    for one in found:
        due = one.next_due(now, own.calendar.timezone)
        start, end = one.covers(due or now, own.calendar)
        of = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        rows.append([one.id, one.title, one.format, _minute(due.isoformat() if due else None), of, len(one.to)])
    show("subscriptions", ["report", "title", "format", "next due (UTC)", "of (UTC)", "targets"], rows)


def _minute(at: str | None) -> str:
    return at[:16].replace("T", " ") if at else "never"


def _worst(run: dict[str, Any]) -> str:
    """Failed when anything of it has; else the state of its first delivery that is not sent, or of the run."""
    states = [letter["state"] for letter in run["deliveries"]] or [run["state"]]
    for state in ("failed", "retry", "pending"):
        if state in (run["state"], *states):
            return state
    return str(states[0])
