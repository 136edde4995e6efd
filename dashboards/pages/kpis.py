"""The key-figures page: every KPI that has a value, by process, with its trend, target, sample and definition.

`?grain=` chooses the buckets: day (also without it), week or month. Nothing else is kept: a reload shows the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from core import Principal
from dashboards import formats
from dashboards.aria import aria, current
from dashboards.components.common import Status, badge, broken, nothing
from dashboards.components.kpi_card import kpi_card
from dashboards.components.shell import clock, register_clock
from dashboards.kpi_reads import Undelivered
from dashboards.kpi_state import KpiState
from dashboards.reads import KpiTile, Reads
from dashboards.snapshot import Section, read_section
from dashboards.view import View

PATH, PREFIX = "/kpis", "kpis-"
GRAINS = ("day", "week", "month")
LIMIT_S = 10.0
MOST_PROBLEMS = 5
"""So many are told; the doctor and the API tell all."""


def layout(refresh_s: int) -> list[Component]:
    """The page before its first data."""
    return [
        html.H1("Key figures"),
        html.P(id="kpis-lead", className="lead"),
        html.Div(id="kpis-problems"),
        html.Div(id="kpis-reports"),
        html.Nav(id="kpis-grains", className="chips", **aria(label="Counted by")),
        html.Div(id="kpis-ways"),
        html.Div(dmc.Skeleton(height=600, radius="sm"), id="kpis-all"),
        *clock(refresh_s, PREFIX),
    ]


def chosen_grain(search: str | None) -> str:
    """The grain that the address names; a day for anything else."""
    named = parse_qs((search or "").removeprefix("?")).get("grain", ["day"])[0]
    return named if named in GRAINS else GRAINS[0]


def render(
    tiles: Section[Sequence[KpiTile]],
    grain: str,
    view: View,
    problems: Sequence[str] = (),
    undelivered: Sequence[Undelivered] = (),
) -> dict[str, Any]:
    """Every region's content; pure."""
    if tiles.problem:
        shown = broken(tiles.problem)
    elif not tiles.value:
        shown = nothing("No KPI has been computed yet.", "The jobs compute them about once a minute.")
    else:
        shown = html.Div([_group(name, list(some), view) for name, some in groupby(tiles.value, lambda t: t.group)])
    return {
        "lead": _lead(tiles.value, grain),
        "problems": _problems(problems),
        "reports": _reports(undelivered, view),
        "grains": [
            html.A(
                f"by {name}",
                href=f"{PATH}?grain={name}",
                className=f"chip{' chip-on' if name == grain else ''}",
                **current(name == grain, "true"),
            )
            for name in GRAINS
        ],
        "ways": _ways(tiles.value, view),
        "all": shown,
        "refreshed": view.now.timestamp() * 1000,
    }


def _problems(problems: Sequence[str]) -> Component | None:
    """Files that are not in force as they stand; the numbers are those of what is in force."""
    if not problems:
        return None
    noun = "file" if len(problems) == 1 else "files"
    return html.Div(
        [
            badge(f"{len(problems)} {noun} wrong", Status.WARN),
            html.Ul([html.Li(text) for text in problems[:MOST_PROBLEMS]], className="kpi-problems"),
        ],
        className="banner banner-warn",
        role="status",
    )


def _reports(undelivered: Sequence[Undelivered], view: View) -> Component | None:
    """Reports on a schedule that did not arrive; the numbers of the page are right all the same."""
    if not undelivered:
        return None
    titles = {one.title for one in undelivered}
    noun = "report" if len(titles) == 1 else "reports"
    came = "not delivered" if all(one.scheduled_at for one in undelivered) else "in trouble"
    waits_for_somebody = any(one.next_try is None for one in undelivered)
    return html.Div(
        [
            badge(f"{len(titles)} {noun} {came}", Status.BAD if waits_for_somebody else Status.WARN),
            html.Ul(
                [html.Li(_not_arrived(one, view)) for one in undelivered[:MOST_PROBLEMS]], className="kpi-problems"
            ),
        ],
        className="banner banner-warn",
        role="status",
    )


def _not_arrived(one: Undelivered, view: View) -> str:
    of = f" of {view.time(one.scheduled_at)}" if one.scheduled_at else ""
    to = f" to {one.target}" if one.target else ""
    said = f"{one.title}{of}{to}: {one.why or 'no reason was told'}."
    if one.next_try is not None:
        said += f" Tried again at {view.time(one.next_try)}."
    elif one.attempts:
        tries = "1 attempt" if one.attempts == 1 else f"{one.attempts} attempts"
        said += f" Given up after {tries}; an operator can send it again."
    never = " Never delivered so far." if one.scheduled_at else ""
    return said + (f" Last delivered {view.time(one.last_sent)}." if one.last_sent else never)


def _lead(tiles: Sequence[KpiTile], grain: str) -> str:
    computed = [tile for tile in tiles if tile.readings]
    if not computed:
        return ""
    judged = sum(tile.target is not None and tile.readings[0].latest.value is not None for tile in computed)
    return (
        f"{len(computed)} figures of the newest settled {grain}. {len(_missing(tiles))} of {judged} with a target miss "
        "it. The sign beside a name tells how the figure is computed."
    )


def _missing(tiles: Sequence[KpiTile]) -> list[KpiTile]:
    """Those whose newest value is on the wrong side of the target."""
    found = []
    for tile in tiles:
        latest = tile.readings[0].latest if tile.readings else None
        if latest is None or latest.value is None or tile.target is None:
            continue
        if latest.value < tile.target if latest.direction == "up" else latest.value > tile.target:
            found.append(tile)
    return found


def _ways(tiles: Sequence[KpiTile], view: View) -> Component | None:
    """What misses its target, and a way to each process: the page is long."""
    groups, missing = list(dict.fromkeys(tile.group for tile in tiles)), _missing(tiles)
    shown: list[Component] = []
    if missing:
        slug = "kpis-missing"
        links = html.Ul([html.Li(_missed(tile)) for tile in missing], className="chips")
        shown.append(
            html.Section([html.H2("Miss their target", id=slug), links], className="kpi-ways", **aria(labelledby=slug))
        )
    if len(groups) > 1:
        anchors = [html.A(name, href=f"#{_slug(name)}", className="chip") for name in groups]
        shown.append(html.Nav(anchors, className="chips kpi-ways", **aria(label="Processes")))
    return html.Div(shown) if shown else None


def _missed(tile: KpiTile) -> Component:
    latest = tile.readings[0].latest
    return html.A(
        [f"{tile.title} ", html.Strong(formats.quantity(latest.value, latest.unit))],
        href=KpiState(tile.kpi_id, grain=latest.grain).href,
        className="chip",
    )


def _slug(group: str) -> str:
    return f"kpis-{group.lower().replace(' ', '-')}"


def _group(name: str, tiles: Sequence[KpiTile], view: View) -> Component:
    slug = _slug(name)
    return html.Section(
        [
            html.H2(name, id=slug),
            html.Div([kpi_card(tile, view) for tile in tiles], className="kpis"),
        ],
        className="kpi-group",
        **aria(labelledby=slug),
    )


def register(dash_app: Dash, reads: Reads, view: Callable[[], View], principal: Callable[[], Principal]) -> None:
    """Adds the page's callbacks to the application."""

    @dash_app.callback(
        output={
            "lead": Output("kpis-lead", "children"),
            "problems": Output("kpis-problems", "children"),
            "reports": Output("kpis-reports", "children"),
            "grains": Output("kpis-grains", "children"),
            "ways": Output("kpis-ways", "children"),
            "all": Output("kpis-all", "children"),
            "refreshed": Output("kpis-refreshed", "data"),
            "freshness": Output("kpis-freshness", "children"),
        },
        inputs={
            "tick": Input("kpis-tick", "n_intervals"),
            "pressed": Input("kpis-refresh-now", "n_clicks"),
            "search": Input("url", "search"),
        },
    )
    async def refresh(tick: int | None, pressed: int | None, search: str | None) -> dict[str, Any]:
        tenant, grain = principal().tenant, chosen_grain(search)
        no_tiles: Sequence[KpiTile] = ()
        tiles = await read_section("key figures", lambda: reads.all_kpis(tenant, grain), no_tiles, LIMIT_S)
        no_problems: Sequence[str] = ()
        problems = await read_section("files of key figures", lambda: reads.kpi_problems(tenant), no_problems, LIMIT_S)
        none_missing: Sequence[Undelivered] = ()
        missing = await read_section("reports on a schedule", lambda: reads.undelivered(tenant), none_missing, LIMIT_S)
        shown = await asyncio.to_thread(render, tiles, grain, view(), problems.value, missing.value)
        through = [tile.readings[0].latest.data_through for tile in tiles.value if tile.readings]
        return {**shown, "freshness": f"data through {view().time(max(through))}" if through else ""}

    register_clock(dash_app, PREFIX)
