"""Who may push and ask, and how much: `opsintel token …` and `opsintel limits …`, on the state database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from api.cli_ops import show
from api.composition import opened_state
from api.durations import parse_duration
from api.keys import COMMAND_LINE, TENANT, ApiKey, ApiKeys
from collector.limits import LimitStore
from core import DEFAULT_TENANT, InvalidInput, Rates, Role, SystemClock, load_settings
from storage import Signal

Prefix = Annotated[str, typer.Argument(help="The eight characters after `ops_`.")]
BytesRate = Annotated[float | None, typer.Option("--bytes-per-s", help="Decompressed bytes a second; 0 is no limit.")]
ItemsRate = Annotated[float | None, typer.Option("--items-per-s", help="Items a second; 0 is no limit.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    token = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)
    token.command("create")(token_create)
    token.command("list")(token_list)
    token.command("rotate")(token_rotate)
    token.command("revoke")(token_revoke)
    app.add_typer(token, name="token")
    limits = typer.Typer(help="What each tenant may push.", no_args_is_help=True)
    limits.command("list")(limits_list)
    limits.command("set")(limits_set)
    limits.command("clear")(limits_clear)
    app.add_typer(limits, name="limits")


def token_create(
    name: Annotated[str, typer.Option(help="Who will hold it.")],
    role: Annotated[list[Role], typer.Option(help="What it may do; repeatable.")],
    tenant: Annotated[str, typer.Option(help="Whose data it reaches.")] = DEFAULT_TENANT,
    days: Annotated[int | None, typer.Option(help="Days until it expires; never, if not given.")] = None,
    expires: Annotated[str, typer.Option(help="The same as a duration: 90d, 12h, 1d12h.")] = "",
    signal: Annotated[list[Signal] | None, typer.Option(help="What it may push; repeatable, all if not given.")] = None,
    bytes_per_s: BytesRate = None,
    items_per_s: ItemsRate = None,
    certificate: Annotated[
        str, typer.Option(help="A client certificate that stands for it: CN:…, DNS:…, URI:… or EMAIL:….")
    ] = "",
) -> None:
    """Make a key and print it, this once. One for a certificate has no secret; its prefix is printed."""
    if days is not None and expires:
        raise InvalidInput("--days and --expires say the same", hint="give one of them")
    with opened_state(load_settings()) as state:
        token, key = ApiKeys(state, SystemClock()).create(
            name,
            role,
            tenant,
            days,
            lifetime=parse_duration(expires) if expires else None,
            signals=[one.value for one in signal] if signal else None,
            rates=Rates(bytes_per_s, items_per_s),
            certificate=certificate,
        )
    typer.echo(token or key.prefix)
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "without an end"
    again = "it is not shown again" if token else f"for the certificate {certificate}"
    typer.echo(f"{name}: {', '.join(sorted(key.roles))} of {tenant}, {until}; {again}", err=True)


def token_list() -> None:
    """List the keys, not their secrets."""
    with opened_state(load_settings()) as state:
        now = SystemClock().now()
        keys = ApiKeys(state, SystemClock()).list()
    heirs = {key.replaces: key.prefix for key in reversed(keys) if key.replaces}
    rows: list[list[object]] = [
        [
            key.prefix,
            key.name,
            key.tenant,
            ", ".join(sorted(key.roles)),
            key.state(now),
            _when(key.expires_at),
            _when(key.last_used_at),
            _lineage(key, heirs),
            _may(key),
        ]
        for key in keys
    ]
    show("keys", ["prefix", "name", "tenant", "roles", "state", "ends", "last used", "lineage", "may push"], rows)


def token_rotate(
    prefix: Prefix,
    overlap: Annotated[str, typer.Option(help="How long the old key goes on working; 0 for not at all.")] = "24h",
) -> None:
    """Make a key like this one and print it; both work until the overlap ends."""
    pause = timedelta(0) if overlap.strip() == "0" else parse_duration(overlap)
    with opened_state(load_settings()) as state:
        token, key = ApiKeys(state, SystemClock()).rotate(prefix, pause)
    typer.echo(token)
    typer.echo(f"{key.prefix} replaces {prefix}, which ends in {overlap} at the latest; not shown again", err=True)


def token_revoke(prefix: Prefix) -> None:
    """End a key; a running service stops taking it within five seconds."""
    with opened_state(load_settings()) as state:
        ApiKeys(state, SystemClock()).revoke(prefix)
    typer.echo(f"{prefix} is revoked")


def limits_list() -> None:
    """List the tenants that have limits of their own."""
    settings = load_settings()
    with opened_state(settings) as state:
        found = LimitStore(state, SystemClock()).all()
    rows: list[list[object]] = [
        [one.tenant, _rate(one.rates.bytes_per_s), _rate(one.rates.items_per_s), f"{one.weight:g}",
         _when(one.changed_at), one.changed_by]
        for one in found
    ]  # fmt: skip
    default = f"{_rate(settings.otlp_tenant_bytes_per_s)} bytes/s, {_rate(settings.otlp_tenant_items_per_s)} items/s"
    show(f"limits (default: {default})", ["tenant", "bytes/s", "items/s", "weight", "changed", "by"], rows)


def limits_set(
    tenant: str,
    bytes_per_s: BytesRate = None,
    items_per_s: ItemsRate = None,
    weight: Annotated[float, typer.Option(help="Its part when memory is shared, 0.1 to 10.")] = 1.0,
) -> None:
    """Give a tenant limits of its own; what is not given is the default. In force within seconds."""
    if not TENANT.fullmatch(tenant):
        raise InvalidInput(f"{tenant[:80]!r} is no tenant's name")
    with opened_state(load_settings()) as state:
        LimitStore(state, SystemClock()).set(tenant, Rates(bytes_per_s, items_per_s), weight=weight, by=COMMAND_LINE)
    typer.echo(f"{tenant}: {_rate(bytes_per_s)} bytes/s, {_rate(items_per_s)} items/s, weight {weight:g}")


def limits_clear(tenant: str) -> None:
    """Let the defaults hold again."""
    with opened_state(load_settings()) as state:
        LimitStore(state, SystemClock()).clear(tenant)
    typer.echo(f"{tenant}: the defaults hold")


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "—"


def _rate(value: float | None) -> str:
    return "default" if value is None else (f"{value:,.0f}" if value else "no limit")


def _lineage(key: ApiKey, heirs: dict[str, str]) -> str:
    parts = []
    if key.replaces:
        parts.append(f"replaces {key.replaces}")
    if key.prefix in heirs:
        parts.append(f"replaced by {heirs[key.prefix]}")
    if key.certificate:
        parts.append(key.certificate)
    return ", ".join(parts)


def _may(key: ApiKey) -> str:
    parts = [", ".join(sorted(key.signals))] if key.signals is not None else []
    if key.rates.bytes_per_s:
        parts.append(f"{key.rates.bytes_per_s:,.0f} bytes/s")
    if key.rates.items_per_s:
        parts.append(f"{key.rates.items_per_s:,.0f} items/s")
    return ", ".join(parts)
