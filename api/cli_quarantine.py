"""`opsintel quarantine`: look at what was kept aside, replay it, or give it up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from api.cli_data import Token, ask, call
from api.composition import opened_stores
from collector import QuarantineFilter
from collector.quarantine_reads import list_entries
from core import load_settings

HERE = "http://127.0.0.1:8080"
Running = Annotated[str, typer.Option(help="The running service.")]
AnyTime = Annotated[bool, typer.Option("--any-time", help="Accept any time, and ends before starts.")]
AnySize = Annotated[bool, typer.Option("--any-size", help="Accept any length and number of attributes.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of entries, as `list` shows them.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="What was accepted and is kept aside instead of stored.", no_args_is_help=True)
    for name, body in (("list", list_), ("show", show), ("replay", replay), ("discard", discard)):
        group.command(name)(cast(Callable[..., None], body))
    app.add_typer(group, name="quarantine")
    app.command()(cardinality)


def list_(
    signal: Annotated[str, typer.Option(help="traces, logs, metrics or unknown.")] = "",
    reason: Annotated[str, typer.Option(help="A reason's name.")] = "",
    status: Annotated[str, typer.Option(help="kept, replayed or discarded.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    tenant: Annotated[
        str | None, typer.Option(help="Whose, on a stopped service's directory; '' for what names no tenant.")
    ] = None,
    url: Running = HERE,
    token: Token = "",
) -> None:
    """Counts by reason, and the newest entries."""
    if tenant is not None:
        with opened_stores(load_settings()) as stores:
            found = list_entries(stores.ch, tenant, QuarantineFilter(signal, reason, "", status), limit)
        rows = [[one.id, one.received_at, one.signal, one.reason, one.service, one.items, one.status, one.detail]
                for one in found]  # fmt: skip
        _show("entries", ["id", "received", "signal", "reason", "service", "items", "status", "first item"], rows)
        return
    params = {key: value for key, value in (("signal", signal), ("reason", reason), ("status", status)) if value}
    body = ask(url, token, "/api/v1/quarantine", params | {"limit": limit})
    _show(
        "quarantine",
        ["signal", "reason", "service", "status", "entries", "items", "bytes", "first", "last"],
        [[one[key] for key in ("signal", "reason", "service", "status", "entries", "items", "bytes")]
         + [one["first"][:19], one["last"][:19]] for one in body["summary"]],
    )  # fmt: skip
    _show(
        "newest entries",
        ["id", "received", "signal", "reason", "items", "status", "first item"],
        [[one["id"], one["received_at"][:19], one["signal"], one["reason"], one["items"], one["status"], one["detail"]]
         for one in body["entries"]],
    )  # fmt: skip


def show(entry: str, url: Running = HERE, token: Token = "") -> None:
    """One entry with its content, as JSON."""
    typer.echo(json.dumps(ask(url, token, f"/api/v1/quarantine/{entry}"), indent=2, ensure_ascii=False))


def replay(
    entries: Ids = None,
    reason: Annotated[str, typer.Option(help="Instead of ids: every entry with this reason.")] = "",
    signal: Annotated[str, typer.Option(help="Only of this signal.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 1000,
    any_time: AnyTime = False,
    any_size: AnySize = False,
    url: Running = HERE,
    token: Token = "",
) -> None:
    """Store what entries hold, once; exit 1 when one still breaks a rule."""
    rules = {"accept_window": not any_time, "accept_limits": not any_size}
    if entries:
        for one in entries:
            done = call("POST", url, token, f"/api/v1/quarantine/{one}/replay", json=rules)
            typer.echo(f"{one}: {done['items']} items {'stored' if done['changed'] else 'had been stored before'}")
        return
    if not reason:
        raise typer.BadParameter("name entries, or a --reason")
    wanted = rules | {"reason": reason, "limit": limit} | ({"signal": signal} if signal else {})
    found = call("POST", url, token, "/api/v1/quarantine/replay", json=wanted)
    typer.echo(f"{found['entries']} entries with {found['items']} items stored")
    for name, why in found["refused"].items():
        typer.echo(f"{name}: {why}")
    if found["refused"]:
        raise typer.Exit(1)


def discard(
    entries: Annotated[list[str], typer.Argument(help="Ids of entries, as `list` shows them.")],
    url: Running = HERE,
    token: Token = "",
) -> None:
    """Give up what entries hold; their counts and reasons stay."""
    for one in entries:
        call("POST", url, token, f"/api/v1/quarantine/{one}/discard")
        typer.echo(f"{one}: discarded")


def cardinality(
    hours: Annotated[int, typer.Option(min=1, max=744)] = 24, url: Running = HERE, token: Token = ""
) -> None:
    """Attributes and metrics with very many distinct values, and what to do about them."""
    found = ask(url, token, "/api/v1/cardinality", {"hours": hours})["findings"]
    _show(
        "cardinality",
        ["signal", "place", "name", "state", "distinct", "bytes", "services", "examples", "first seen"],
        [[one["signal"], one["place"], one["name"], one["state"], one["distinct"], f"{one['share']:.0%}",
          ", ".join(one["services"]), ", ".join(one["examples"][:2]), one["first_seen"][:16]] for one in found],
    )  # fmt: skip
    for place, advice in sorted({one["place"]: one["advice"] for one in found}.items()):
        typer.echo(f"{place}: {advice}")


def _show(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table if rows else f"{title}: none")
