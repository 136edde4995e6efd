"""The page of one key figure: its trend and target, how it is computed, by what it splits, and the cases behind it.

What is chosen is the page's address and nothing else: every choice is a link, a reload shows the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from core import Principal
from dashboards.components import kpi_story
from dashboards.components.common import broken, nothing, section
from dashboards.components.shell import clock, register_clock
from dashboards.kpi_reads import CaseList, KpiStory, SplitPart
from dashboards.kpi_state import PATH, KpiState, parse
from dashboards.reads import Reads
from dashboards.snapshot import Section, read_section
from dashboards.view import View

__all__ = ["PATH", "PREFIX", "layout", "register", "render"]

PREFIX = "kpi-"
LIMIT_S = 10.0
REGIONS = ("title", "lead", "choices", "trend", "parts", "cases", "explained")


def layout(refresh_s: int) -> list[Component]:
    """The page before its first data: every region in its place."""

    def region(name: str, height: int) -> Component:
        return html.Div(dmc.Skeleton(height=height, radius="sm"), id=f"kpi-{name}")

    return [
        html.P(html.A("All key figures", href="/kpis"), className="kpi-back"),
        html.H1("Reading…", id="kpi-title"),
        html.Div(id="kpi-lead", className="kpi-lead"),
        html.Div(id="kpi-choices"),
        html.Div(
            [
                html.Div(
                    [
                        section(
                            "kpi-trend", "Trend", "choose a period to see its parts and cases", region("trend", 420)
                        ),
                        section("kpi-parts", "Split", "of the period chosen", region("parts", 260)),
                    ],
                    className="process-side",
                ),
                html.Div(
                    [
                        section("kpi-cases", "Cases", "behind the number", region("cases", 420)),
                        section("kpi-explained", "How is this computed", None, region("explained", 260)),
                    ],
                    className="process-side",
                ),
            ],
            className="process-split kpi-split",
        ),
        *clock(refresh_s, PREFIX),
    ]


def render(
    story: Section[KpiStory | None],
    parts: Section[Sequence[SplitPart]],
    cases: Section[CaseList | None],
    state: KpiState,
    view: View,
) -> dict[str, Any]:
    """Every region's content; pure."""
    shown: dict[str, Any] = dict.fromkeys(REGIONS)
    shown |= {"refreshed": view.now.timestamp() * 1000, "freshness": ""}
    found = story.value
    if found is None:
        return {**shown, "title": "No such key figure", "lead": broken(story.problem or "It could not be read.")}
    state = replace(state, grain=found.grain)
    through = found.reading.latest.data_through if found.reading else None
    return {
        **shown,
        "title": found.title,
        "lead": kpi_story.lead(found, state, view),
        "choices": kpi_story.choices(found, state),
        "trend": kpi_story.trend(found, state, view),
        "parts": broken(parts.problem) if parts.problem else kpi_story.parts(parts.value, found, state),
        "cases": broken(cases.problem) if cases.problem else kpi_story.cases(cases.value, found, state, view),
        "explained": kpi_story.explanation(found) if found.explanation else nothing("Nothing is told."),
        "freshness": f"data through {view.time(through)}" if through else "",
    }


async def read(
    reads: Reads, tenant: str, state: KpiState
) -> tuple[Section[KpiStory | None], Section[Sequence[SplitPart]], Section[CaseList | None]]:
    """The story first, for it says which bucket is looked at; then its parts and its cases at the same time."""
    nothing_told: KpiStory | None = None
    story = await read_section("key figure", lambda: reads.kpi(tenant, state), nothing_told, LIMIT_S)
    no_parts: Sequence[SplitPart] = ()
    no_cases: CaseList | None = None
    found = story.value
    if found is None:
        return story, Section(no_parts), Section(no_cases)
    parts, cases = await asyncio.gather(
        read_section("parts", lambda: reads.kpi_parts(tenant, state, found), no_parts, LIMIT_S),
        read_section(
            "cases", lambda: reads.kpi_cases(tenant, state, found) if found.roles else None, no_cases, LIMIT_S
        ),
    )
    return story, parts, cases


def register(dash_app: Dash, reads: Reads, view: Callable[[], View], principal: Callable[[], Principal]) -> None:
    """Adds the page's callbacks to the application."""

    @dash_app.callback(
        output={
            **{name: Output(f"kpi-{name}", "children") for name in REGIONS},
            "refreshed": Output("kpi-refreshed", "data"),
            "freshness": Output("kpi-freshness", "children"),
        },
        inputs={
            "tick": Input("kpi-tick", "n_intervals"),
            "pressed": Input("kpi-refresh-now", "n_clicks"),
            "search": Input("url", "search"),
        },
    )
    async def refresh(tick: int | None, pressed: int | None, search: str | None) -> dict[str, Any]:
        state = parse(search)
        found = await read(reads, principal().tenant, state)
        return await asyncio.to_thread(render, *found, state, view())

    register_clock(dash_app, PREFIX)
