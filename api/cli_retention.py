"""`opsintel retention`: how long data is kept, on a stopped service's data directory or through a running service."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from api.cli_data import Token, Url, ask, call
from api.retention import Keeping, in_force_json, report_json
from control import AuditChain
from core import DEFAULT_TENANT, InvalidInput, SystemClock, load_settings
from storage import StateDb
from storage.retention import EVERYBODY, Dataset, PolicyStore, Retention

Whose = Annotated[str, typer.Option(help="Whose data; '*' for everybody without a policy of his own.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
BY = "command line"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="How long data is kept.", no_args_is_help=True)
    for name, body in {"show": show, "set": set_, "reset": reset, "run": run}.items():
        group.command(name)(cast(Callable[..., None], body))
    app.add_typer(group, name="retention")


def show(url: Url = "", token: Token = "", tenant: Whose = DEFAULT_TENANT, as_json: AsJson = False) -> None:
    """What is kept, as the tables say, beside what is wished."""
    if url:
        found = ask(url, token, "/api/v1/retention")["datasets"]
    else:
        from api.composition import opened_stores

        with opened_stores(load_settings()) as stores:
            retention = Retention(stores.ch, stores.state, SystemClock())
            found = [in_force_json(one) for one in retention.in_force(tenant)]
    if as_json:
        _print_json({"datasets": found})
        return
    rows = [
        [
            one["dataset"],
            _days(one["days"]),
            one["changed_by"] or one["source"],
            f"{one['rows']:,}",
            _size(one["bytes_on_disk"]),
            _day(one["oldest"]),
            f"now, {one['overdue_partitions']:,}" if one["overdue_partitions"] else _day(one["next_drop"]),
        ]
        for one in found
    ]
    _print(rows, ["dataset", "kept for", "set by", "rows", "on disk", "oldest", "next drop"], {"rows", "on disk"})


def set_(
    dataset: Annotated[Dataset, typer.Argument(help="What is kept.")],
    days: Annotated[str, typer.Argument(help="How many days, or `forever`.")],
    url: Url = "",
    token: Token = "",
    tenant: Whose = DEFAULT_TENANT,
) -> None:
    """Keep a dataset for so many days; works beside a running service, too."""
    wanted = _parsed(days)
    if url:
        body = {"dataset": dataset.value, "days": wanted}
        going = call("PUT", url, token, "/api/v1/retention", json=body)["next_run_drops"]
        if going:
            rows = sum(one["rows"] for one in going)
            typer.echo(
                f"the next run drops {_count(len(going), 'partition')} with {_count(rows, 'row')}, {_oldest(going)}"
            )
    else:
        from api.composition import opened_state

        with opened_state(load_settings()) as state:
            _keeping(state).change(tenant, dataset, wanted, BY)
    whose = "everybody" if tenant == EVERYBODY else "the key's tenant" if url else tenant
    typer.echo(f"{dataset.value} of {whose}: kept {'for ever' if wanted is None else f'for {wanted} days'}")


def reset(
    dataset: Annotated[Dataset, typer.Argument(help="What is kept.")],
    url: Url = "",
    token: Token = "",
    tenant: Whose = DEFAULT_TENANT,
) -> None:
    """Take a tenant's own policy back."""
    if url:
        datasets = call("DELETE", url, token, f"/api/v1/retention/{dataset.value}")["datasets"]
        days = next(one["days"] for one in datasets if one["dataset"] == dataset.value)
    else:
        from api.composition import opened_state

        with opened_state(load_settings()) as state:
            days = _keeping(state).reset(tenant, dataset, BY).days
    typer.echo(f"{dataset.value}: {_days(days)} now")


def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped; change nothing.")] = False,
    url: Url = "",
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Drop now what is due; a running service does it by itself."""
    if url:
        found = call("POST", url, token, "/api/v1/retention/run", params={"dry_run": str(dry_run).lower()})
    else:
        from api.composition import opened_stores

        with opened_stores(load_settings()) as stores:
            report = Retention(stores.ch, stores.state, SystemClock()).run(dry_run=dry_run)
            if not dry_run:
                _keeping(stores.state).dropped(report, BY)
            found = report_json(report)
    if as_json:
        _print_json(found)
    else:
        _tell(found)
    if found["failed"]:
        raise typer.Exit(1)


def _tell(found: dict[str, Any]) -> None:
    if found["partitions"]:
        rows = [
            [
                one["tenant"],
                one["table"],
                one["partition"],
                f"{one['rows']:,}",
                _size(one["bytes_on_disk"]),
                _minute(one["oldest"]),
                _minute(one["newest"]),
                _days(one["days"]),
            ]
            for one in found["partitions"]
        ]
        columns = ["tenant", "table", "partition", "rows", "on disk", "oldest", "newest", "kept for"]
        _print(rows, columns, {"rows", "on disk"})
    what = "would go" if found["dry_run"] else "went"
    partitions, total = _count(len(found["partitions"]), "partition"), _count(found["rows"], "row")
    typer.echo(f"{partitions}, {total} and {_size(found['bytes_on_disk'])} {what}")
    for one in found["failed"]:
        typer.echo(f"not dropped: {one['table']} {one['partition']} of {one['tenant']}: {one['error']}", err=True)


def _keeping(state: StateDb) -> Keeping:
    clock = SystemClock()
    return Keeping(state, AuditChain(state, clock), PolicyStore(state, clock))


def _print(rows: list[list[str]], columns: list[str], right: set[str]) -> None:
    """Without lines; wide where it is not a terminal, so that nothing is cut off in a file."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", header_style="bold")
    for row in rows:
        table.add_row(*row)
    terminal = Console(highlight=False)
    (terminal if terminal.is_terminal else Console(highlight=False, width=160)).print(table)


def _parsed(text: str) -> int | None:
    if text.lower() in ("forever", "for-ever"):
        return None
    digits = text.lower().removesuffix("d")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInput(f"how long must be a number of days or `forever`, got {text!r}")
    return int(digits)


def _print_json(found: dict[str, Any]) -> None:
    json.dump(found, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def _days(days: int | None) -> str:
    return "for ever" if days is None else "1 day" if days == 1 else f"{days:,} days"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _oldest(going: list[dict[str, Any]]) -> str:
    return f"the oldest of {_day(min(one['oldest'] for one in going))}"


def _day(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d}" if moment else "—"


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M}"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"
