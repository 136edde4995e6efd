"""`opsintel kpi`, on a stopped service's data directory or through a running one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any

import httpx
import typer

from api import cli_kpi_backfill, cli_kpi_reports, cli_kpi_value
from api.cli_data import Tenant, Token, Url, ask
from api.cli_ops import HERE, Running, show
from api.cli_tenants import refuse_tenant_of_url, stores_of
from api.cli_times import moment
from core import (
    DEFAULT_TENANT,
    ConfigurationError,
    InvalidInput,
    NotFound,
    SystemClock,
    Unauthenticated,
    Unavailable,
    load_settings,
)
from kpis import load_catalogue
from kpis.checking import wrong_expressions
from kpis.definitions import PACKAGED
from kpis.exports.formats import ExportFormat, format_named
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar
from storage import migrate_clickhouse, open_clickhouse

ANSWER_WITHIN_S = 600


def register(app: typer.Typer) -> typer.Typer:
    """Adds the commands; returns `kpi`, which takes more."""
    kpi = typer.Typer(help="Business numbers: list, export, check their definitions.", no_args_is_help=True)
    kpi.command("list")(newest)
    kpi.command("export")(export)
    kpi.command("check")(check)
    cli_kpi_backfill.register(kpi)
    cli_kpi_reports.register(kpi)
    cli_kpi_value.register(kpi)
    app.add_typer(kpi, name="kpi")
    return kpi


def newest(url: Running = HERE, token: Token = "") -> None:
    """The newest value of every KPI with what stands behind it."""
    rows: list[list[object]] = []
    for one in ask(url, token, "/api/v1/kpis")["values"]:
        value = "—" if one["value"] is None else f"{one['value']:,.4g}"
        rows.append(
            [one["kpi_id"], one["basis"], one["dimension_value"], value, one["unit"], one["bucket_start"][:16],
             one["sample_size"], one["excluded"], one["open_cases"], one["data_through"][:19]]
        )  # fmt: skip
    columns = ["kpi", "basis", "of", "value", "unit", "bucket", "n", "excluded", "open", "data through"]
    show("KPIs", columns, rows)


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of definitions, or of tenants' folders; else the product's own and the setting's."
        ),
    ] = None,
) -> None:
    """Check definitions: their form, and that the engine can compute their expressions. Needs no data."""
    if folder is not None and not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder")
    own = load_settings().kpi_overrides_dir if folder is None else None if any(folder.glob("*.toml")) else folder
    catalogue = load_catalogue(folder) if folder and own is None else load_catalogue()
    with TemporaryDirectory(prefix="opsintel-check-") as scratch:
        ch = open_clickhouse(load_settings(data_dir=Path(scratch), clickhouse_dsn=f"chdb://{scratch}/clickhouse"))
        try:
            migrate_clickhouse(ch)
            wrong = [] if folder and own else wrong_expressions(ch, catalogue, folder or PACKAGED)
            tenants = TenantDefinitions(catalogue, Calendar(load_settings().timezone), SystemClock(), own, ch=ch)
            tenants.refresh()
        finally:
            ch.close()
    wrong += map(str, tenants.problems())
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    if not (folder and own):
        typer.echo(f"{len(catalogue)} definitions can be computed")
    if own:
        typer.echo(f"{tenants.files:,} files of tenants in {own} are right")


def export(
    file: Annotated[Path, typer.Argument(help="The file to write; its ending says the format.")],
    kpi: Annotated[list[str], typer.Option(help="A KPI's id, as often as wanted; all when left out.")] = [],  # noqa: B006
    start: Annotated[str, typer.Option(help="Such as 2026-03-01T00:00:00Z; else the grain's usual period.")] = "",
    end: Annotated[str, typer.Option(help="Not included; else now.")] = "",
    grain: Annotated[str, typer.Option(help="Length of a bucket.")] = "day",
    dimension: Annotated[list[str], typer.Option(help="Beside the totals, its values; * for all.")] = [],  # noqa: B006
    dimension_value: Annotated[list[str], typer.Option(help="Only these values of the dimensions.")] = [],  # noqa: B006
    format: Annotated[str, typer.Option(help="xlsx, csv, parquet or pdf; else the file's ending.")] = "",
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Write KPIs as XLSX, CSV, Parquet or a PDF report; the file takes the place of an old one once it is whole."""
    kind = format_named(format or file.suffix.removeprefix(".") or "xlsx")
    refuse_tenant_of_url(url, tenant)
    since, until = (moment(text, name) if text else None for text, name in ((start, "start"), (end, "end")))
    with _whole(file) as out:
        if url:
            asked: dict[str, Any] = {"format": kind.name, "kpi": kpi, "grain": grain, "dimension": dimension}
            asked |= {"dimension_value": dimension_value}
            asked |= {name: at.isoformat() for name, at in (("start", since), ("end", until)) if at}
            _fetch(url, token, asked, out)
        else:
            _write(kind, tenant, out, kpi, since, until, grain, dimension, dimension_value)
    typer.echo(f"{file}: {file.stat().st_size:,} bytes")


def _write(
    kind: ExportFormat,
    tenant: str,
    out: IO[bytes],
    kpis: list[str],
    start: datetime | None,
    end: datetime | None,
    grain: str,
    dimensions: list[str],
    values: list[str],
) -> None:
    from api.composition import open_definitions, open_value
    from api.exporting import export_kpis
    from api.happenings import Happenings
    from control import AuditChain
    from kpis import ProcessModels

    clock = SystemClock()
    with stores_of(tenant) as stores:
        definitions = open_definitions(stores, clock, load_catalogue())
        value = open_value(stores, clock, definitions.of, AuditChain(stores.state, clock))
        streams = ProcessModels(stores.settings.process_models_dir).streams
        happenings = Happenings(stores.ch, stores.state, streams, value.money_notes)
        export_kpis(
            stores.ch, definitions.of(tenant), clock, tenant, kind, out, happenings,
            kpis=kpis, start=start, end=end, grain=grain, dimensions=dimensions, dimension_values=values,
            state=stores.state,
        )  # fmt: skip


def _fetch(url: str, token: str, asked: dict[str, Any], out: IO[bytes]) -> None:
    """Streams the file of a running service; its problem documents become errors of ours."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{url.rstrip('/')}/api/v1/kpis/export"
    try:
        with httpx.stream("GET", address, params=asked, headers=headers, timeout=ANSWER_WITHIN_S) as reply:
            if reply.is_success:
                for chunk in reply.iter_bytes():
                    out.write(chunk)
                return
            reply.read()
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"{url} cannot be reached: {error}") from None
    try:
        found = reply.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or "detail" not in found:
        raise InvalidInput(f"{url} answered {reply.status_code}, and not as opsintel does")
    kind = {401: Unauthenticated, 404: NotFound}.get(reply.status_code, InvalidInput)
    raise kind(str(found["detail"]), hint=str(found.get("hint", "")))


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """A file beside it that takes its place when all is written. Raises InvalidInput where it cannot be written."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("w+b") as out:
            yield out
        part.replace(file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
