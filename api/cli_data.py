"""`opsintel process`, on a stopped service's data directory or through a running service."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import typer

from core import DEFAULT_TENANT, InvalidInput, NotFound, Unauthenticated, Unavailable, load_settings
from kpis import process_streams

Url = Annotated[str, typer.Option(help="A running service, such as http://127.0.0.1:8080; else its data directory.")]
Token = Annotated[str, typer.Option(envvar="OPSINTEL_TOKEN", help="The API key for --url.")]
Tenant = Annotated[str, typer.Option(help="Whose data, on a stopped service's directory.")]


def register(app: typer.Typer) -> typer.Typer:
    """Adds the commands; returns `process`, which takes more."""
    process = typer.Typer(help="Ask about the cases of a value stream.", no_args_is_help=True)
    process.command("streams")(streams)
    app.add_typer(process, name="process")
    return process


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
