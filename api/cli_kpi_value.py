"""`opsintel kpi compare`, `change`, `baseline`, `rollout`, `forecast` and `burn-down`, stopped or running."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import typer

from api.cli_data import Tenant, Token, Url, ask, call
from api.cli_ops import show
from api.cli_tenants import refuse_tenant_of_url, stores_of
from api.cli_times import moment
from api.jsonable import jsonable
from core import DEFAULT_TENANT, SystemClock
from kpis.value.answers import Asked
from kpis.value.service import ValueService
from kpis.value.words import measure

Kpi = Annotated[str, typer.Argument(help="A KPI's id.")]
Basis = Annotated[str, typer.Option(help="The KPI's first when left out.")]
Stream = Annotated[str, typer.Option(help="One process.")]
Dimension = Annotated[str, typer.Option(help="Such as channel or location.")]
Value = Annotated[str, typer.Option("--value", help="One value of the dimension.")]
Start = Annotated[str, typer.Option(help="Such as 2026-03-01T00:00:00Z.")]
End = Annotated[str, typer.Option(help="Not included; else the last midnight.")]
Json = Annotated[bool, typer.Option("--json", help="The whole answer.")]


def register(kpi: typer.Typer) -> None:
    """Adds the commands to `opsintel kpi`."""
    kpi.command("compare")(compare)
    kpi.command("change")(change)
    kpi.command("rollout")(rollout)
    kpi.command("forecast")(forecast)
    kpi.command("burn-down")(burn_down)
    baseline = typer.Typer(help="Frozen periods that changes are measured against.", no_args_is_help=True)
    baseline.command("list")(baseline_list)
    baseline.command("freeze")(baseline_freeze)
    kpi.add_typer(baseline, name="baseline")


def compare(
    kpi: Kpi,
    start: Start = "",
    end: End = "",
    before_start: Start = "",
    before_end: Annotated[str, typer.Option(help="Else --start.")] = "",
    basis: Basis = "",
    stream: Stream = "",
    dimension: Dimension = "",
    value: Value = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """A KPI in two periods, the change with its interval, and what it is worth."""
    times = {"start": start, "end": end, "before_start": before_start, "before_end": before_end}
    found = _answer(
        url, token, tenant, f"/api/v1/kpis/{kpi}/compare", _given(basis, stream, dimension, value) | _texts(times),
        lambda service: service.compare(tenant, Asked(kpi, basis, stream, dimension, value), **_moments(times)),
    )  # fmt: skip
    _print(found, as_json, _comparison)


def change(
    kpi: Kpi,
    start: Start = "",
    end: End = "",
    basis: Basis = "",
    stream: Stream = "",
    dimension: Dimension = "",
    value: Value = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """A KPI against its frozen baseline, in units and money."""
    times = {"start": start, "end": end}
    found = _answer(
        url, token, tenant, f"/api/v1/kpis/{kpi}/change", _given(basis, stream, dimension, value) | _texts(times),
        lambda service: service.change(tenant, Asked(kpi, basis, stream, dimension, value), **_moments(times)),
    )  # fmt: skip
    _print(found, as_json, lambda one: _comparison(one["comparison"]))


def rollout(
    kpi: Kpi,
    at: Annotated[str, typer.Option(help="When it was rolled out, such as 2026-03-01T00:00:00Z.")],
    days: Annotated[int, typer.Option(help="Length of each window.")] = 28,
    settle_days: Annotated[int, typer.Option(help="Days after the roll-out that are left out.")] = 0,
    basis: Basis = "",
    stream: Stream = "",
    dimension: Dimension = "",
    value: Value = "",
    control: Annotated[str, typer.Option(help="Another value of the dimension, which it did not reach.")] = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """A KPI before and after a roll-out, against a control group where one is named."""
    rolled_out = moment(at, "at")
    asked = _given(basis, stream, dimension, value) | {
        "at": rolled_out.isoformat(), "control_value": control, "days": str(days), "settle_days": str(settle_days),
    }  # fmt: skip
    found = _answer(
        url, token, tenant, f"/api/v1/kpis/{kpi}/rollout", asked,
        lambda service: service.rollout(
            tenant, Asked(kpi, basis, stream, dimension, value), rolled_out,
            control_value=control, days=days, settle_days=settle_days,
        ),
    )  # fmt: skip
    _print(found, as_json, _rollout)


def forecast(
    kpi: Kpi,
    days: Annotated[int, typer.Option(help="1 to 28.")] = 14,
    basis: Basis = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """The next days of a KPI, with bands."""
    found = _answer(
        url, token, tenant, f"/api/v1/kpis/{kpi}/forecast", {"basis": basis, "days": str(days)},
        lambda service: service.forecast(tenant, Asked(kpi, basis), days=days),
    )  # fmt: skip
    _print(found, as_json, _forecast)


def burn_down(
    kpi: Kpi,
    target: Annotated[float | None, typer.Option(help="In the KPI's unit; else the definition's.")] = None,
    days: Annotated[int, typer.Option(help="How many days the trend is read off, 14 to 366.")] = 56,
    basis: Basis = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Whether a KPI meets its target, and when its trend reaches it."""
    asked = {"basis": basis, "days": str(days)} | ({} if target is None else {"target": str(target)})
    found = _answer(
        url, token, tenant, f"/api/v1/kpis/{kpi}/burn-down", asked,
        lambda service: service.burn_down(tenant, Asked(kpi, basis), target=target, days=days),
    )  # fmt: skip
    _print(found, as_json, _burn_down)


def baseline_list(
    kpi: Annotated[str, typer.Argument(help="A KPI's id; all when left out.")] = "",
    as_json: Json = False,
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Frozen baselines, the newest first."""
    path = f"/api/v1/kpis/{kpi}/baselines" if kpi else "/api/v1/kpis/baselines"
    found = _answer(
        url, token, tenant, path, {},
        lambda service: {"baselines": service.baselines(tenant, kpi) if kpi else service.all_baselines(tenant)},
    )  # fmt: skip
    _print(found, as_json, _baselines)


def baseline_freeze(
    kpi: Kpi,
    start: Annotated[str, typer.Option(help="Such as 2026-03-01T00:00:00Z.")],
    end: Annotated[str, typer.Option(help="Not included.")],
    reason: Annotated[str, typer.Option(help="Why this period.")],
    basis: Basis = "",
    stream: Stream = "",
    dimension: Dimension = "",
    value: Value = "",
    url: Url = "",
    token: Token = "",
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Freeze a period as the baseline; the one before stays in the list. It is in the audit chain."""
    since, until = moment(start, "start"), moment(end, "end")
    refuse_tenant_of_url(url, tenant)
    if url:
        body = _given(basis, stream, dimension, value) | {
            "start": since.isoformat(), "end": until.isoformat(), "reason": reason,
        }  # fmt: skip
        made = call("POST", url, token, f"/api/v1/kpis/{kpi}/baselines", json=body)
    else:
        asked = Asked(kpi, basis, stream, dimension, value)
        by = f"{getpass.getuser()} on the command line"
        with _service(tenant) as service:
            made = jsonable(service.freeze(tenant, asked, start=since, end=until, by=by, reason=reason))
    typer.echo(f"baseline {made['id']} of {made['kpi_id']} (version {made['version']}): {made['value']:,.6g}")


# --- asking ---


def _answer(
    url: str, token: str, tenant: str, path: str, params: dict[str, str], local: Callable[[ValueService], object]
) -> dict[str, Any]:
    refuse_tenant_of_url(url, tenant)
    if url:
        given = {name: one for name, one in params.items() if one}
        return cast(dict[str, Any], ask(url, token, path, given))
    with _service(tenant) as service:
        return cast(dict[str, Any], jsonable(local(service)))


@contextmanager
def _service(tenant: str) -> Iterator[ValueService]:
    """On the data directory of a stopped service."""
    from api.composition import open_definitions, open_value
    from control import AuditChain
    from kpis import load_catalogue

    clock = SystemClock()
    with stores_of(tenant) as stores:
        definitions = open_definitions(stores, clock, load_catalogue())
        yield open_value(stores, clock, definitions.of, AuditChain(stores.state, clock))


def _given(basis: str, stream: str, dimension: str, value: str) -> dict[str, str]:
    return {"basis": basis, "stream": stream, "dimension": dimension, "dimension_value": value}


def _moments(times: dict[str, str]) -> dict[str, Any]:
    return {name: moment(text, name) for name, text in times.items() if text}


def _texts(times: dict[str, str]) -> dict[str, str]:
    return {name: at.isoformat() for name, at in _moments(times).items()}


def _print(found: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], None]) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        text(found)


def _comparison(found: dict[str, Any]) -> None:
    unit = found["kpi"]["unit"]
    rows = [_side(name, found[name], unit) for name in ("before", "after")]
    show(found["kpi"]["name"], ["", "from", "to", "value", "interval", "n", "of", "open"], rows)
    typer.echo(found["words"])
    _notes([*found["change"]["notes"], *found["before"]["notes"], *found["after"]["notes"]])
    _money(found["money"])


def _side(name: str, side: dict[str, Any], unit: str) -> list[object]:
    value = "—" if side["value"] is None else measure(side["value"], unit)
    known = side["low"] is not None
    between = f"{measure(side['low'], unit)} to {measure(side['high'], unit)}" if known else "too few"
    opens = "—" if side["open_cases"] is None else side["open_cases"]
    return [name, side["start"][:16], side["end"][:16], value, between, side["n"], side["of"], opens]


def _rollout(found: dict[str, Any]) -> None:
    _comparison(found["treated"])
    if found["control"] is not None:
        typer.echo("control group:")
        _comparison(found["control"])
        typer.echo(found["words"])
        _notes(found["effect"]["notes"])
        _money(found["money"])
    _notes(found["notes"])


def _money(found: dict[str, Any]) -> None:
    if "amount" not in found:
        typer.echo(f"money: none, {found['reason']}")
        return
    currency = found["currency"]
    typer.echo(f"money: {found['amount']} {currency} ({found['low']} to {found['high']}), {found['formula']}")
    for one in found["assumptions"]:
        typer.echo(f"  {one['name']} = {one['amount']} {currency} ({one['source']}, {one['date']})")
    typer.echo(f"  volume = {found['volume']['amount']} {found['volume']['of']} ({found['volume']['source']})")
    _notes(found["caveats"])


def _notes(notes: list[str]) -> None:
    for one in dict.fromkeys(notes):
        typer.echo(f"  - {one}")


def _forecast(found: dict[str, Any]) -> None:
    unit = found["kpi"]["unit"]
    if not found["days"]:
        typer.echo(f"no forecast: {found['reason']}")
        return
    rows: list[list[object]] = [
        [one["day"], measure(one["expected"], unit), measure(one["low"], unit), measure(one["high"], unit)]
        for one in found["days"]
    ]
    show(found["kpi"]["name"], ["day", "expected", "low", "high"], rows)
    if found["coverage"] is not None:
        held, level = f"{found['coverage'] * 100:.0f} %", f"{found['level'] * 100:g} %"
        typer.echo(f"bands of {level}: of {found['judged']} in the past {held} held")
    _notes(found["notes"])


def _burn_down(found: dict[str, Any]) -> None:
    unit, met, way = found["kpi"]["unit"], found["attainment"], found["burn_down"]
    value = "no value" if met["value"] is None else measure(met["value"], unit)
    reason = f", {met['reason']}" if met["reason"] else ""
    typer.echo(f"{value} for a target of {measure(met['target'], unit)}: {met['met'].replace('_', ' ')}{reason}")
    typer.echo(way["words"])
    if way["outlook"] == "on_the_way":
        typer.echo(f"between {way['earliest'] or 'later than can be told'} and {way['latest'] or 'two years or never'}")


def _baselines(found: dict[str, Any]) -> None:
    rows: list[list[object]] = [
        [one["id"], f"{one['kpi_id']} v{one['version']}",
         " ".join(filter(None, (one["basis"], one["stream"], one["dimension"], one["dimension_value"]))),
         one["start"][:10], one["end"][:10], f"{one['value']:,.6g}", one["n"],
         "in force" if one["current"] else "superseded"]
        for one in found["baselines"]
    ]  # fmt: skip
    show("Baselines", ["id", "kpi", "basis, part", "from", "to", "value", "n", ""], rows)
    for one in found["baselines"]:
        typer.echo(f"  {one['id']}: {one['frozen_by']}, {one['frozen_at'][:16]}: {one['reason']}")
