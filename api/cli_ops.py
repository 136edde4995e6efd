"""The operator's commands: migrations, alerts, control, audit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from api.cli_data import Token, ask, call
from api.composition import opened_state, opened_stores
from control import AuditChain
from core import SystemClock, load_settings
from storage import migration_status, open_clickhouse, pending_sql

HERE = "http://127.0.0.1:8080"
Running = Annotated[str, typer.Option(help="The running service.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(migrate)
    for name, text, commands in (
        ("audit", "The chain of who did what.", {"verify": audit_verify}),
        ("alerts", "What is pending or firing.", {"list": alerts_list}),
        ("control", "Pause and resume edges and workflows.",
         {"targets": control_targets, "pause": control_pause, "resume": control_resume}),
    ):  # fmt: skip
        group = typer.Typer(help=text, no_args_is_help=True)
        for command, body in commands.items():
            group.command(command)(cast(Callable[..., None], body))
        app.add_typer(group, name=name)


def show(title: str, columns: list[str], rows: list[list[object]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table if rows else f"{title}: none")


def migrate(
    status: Annotated[bool, typer.Option("--status", help="Show what is applied; change nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL; change nothing.")] = False,
) -> None:
    """Bring both databases to the newest schema."""
    settings = load_settings()
    if not (status or dry_run):
        with opened_stores(settings):
            typer.echo("both databases are at the newest schema")
        return
    from api.lock import data_directory

    with data_directory(settings.data_dir.absolute()):
        ch = open_clickhouse(settings)
        try:
            if dry_run:
                typer.echo(";\n\n".join(pending_sql(ch)) or "-- nothing to do")
                return
            rows: list[list[object]] = [
                [f"{one.number:04d}", one.name, "applied" if one.applied else "pending", one.why]
                for one in migration_status(ch)
            ]
            show("migrations", ["number", "name", "state", "why"], rows)
        finally:
            ch.close()


def audit_verify() -> None:
    """Walk the audit chain; exit 1 and name the first entry that does not fit."""
    with opened_state(load_settings()) as state:
        report = AuditChain(state, SystemClock()).verify()
    for broken in report.broken:
        typer.echo(str(broken))
    for head in report.heads:
        typer.echo(f"{head.tenant}: {head.sequence} entries, head {head.hash}")
    typer.echo(f"{report.entries} entries, {'the chain holds' if report.ok else 'THE CHAIN IS BROKEN'}")
    if not report.ok:
        raise typer.Exit(1)


def alerts_list(url: Running = HERE, token: Token = "") -> None:
    """Alerts that are pending or firing."""
    rows: list[list[object]] = [
        [one["state"], one["severity"], one["name"], one["annotations"].get("summary", ""), one["since"]]
        for one in ask(url, token, "/api/v1/alerts")["alerts"]
    ]
    show("alerts", ["state", "severity", "rule", "what", "since"], rows)


def control_targets(url: Running = HERE, token: Token = "") -> None:
    """What can be paused and resumed."""
    rows: list[list[object]] = [
        [one["id"], one["kind"], one["name"]] for one in ask(url, token, "/api/v1/control/targets")["targets"]
    ]
    show("targets", ["id", "kind", "name"], rows)


def _command(action: str, target: str, reason: str, url: str, token: str) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"target": target, "action": action, "reason": reason}
    found = call("POST", url, token, "/api/v1/control/commands", headers=headers, json=body)
    typer.echo(f"{found['id']}: {action} {target}: {found['state']} ({found['detail']})")


def control_pause(target: str, reason: Annotated[str, typer.Option()], url: Running = HERE, token: Token = "") -> None:
    """Pause an edge or a workflow."""
    _command("pause", target, reason, url, token)


def control_resume(target: str, reason: Annotated[str, typer.Option()], url: Running = HERE, token: Token = "") -> None:
    """Resume an edge or a workflow."""
    _command("resume", target, reason, url, token)
