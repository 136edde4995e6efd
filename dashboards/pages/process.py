"""The process page: where work waits in one stream, what it costs, why, and down to one case and its traces.

What is chosen is the page's address and nothing else: every choice is a link, a reload shows the same. One callback
renders everything for an address, from one snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component

from core import Principal
from dashboards.aria import aria, data
from dashboards.components import headline as top
from dashboards.components import process_head
from dashboards.components.common import broken, section
from dashboards.components.process_case import case_view, close_link
from dashboards.components.process_lists import bottleneck_list, risk_table, variant_list
from dashboards.components.process_map import process_map
from dashboards.components.shell import clock, register_clock
from dashboards.process_snapshot import ProcessSnapshot, ProcessSnapshots
from dashboards.snapshot import Section
from dashboards.url_state import PATH, parse
from dashboards.view import View

__all__ = ["PATH", "PREFIX", "layout", "register", "render"]

T = TypeVar("T")
PREFIX = "process-"


def layout(refresh_s: int) -> list[Component]:
    """The page before its first data: every region in its place."""

    def region(name: str, height: int) -> Component:
        return html.Div(dmc.Skeleton(height=height, radius="sm"), id=f"process-{name}")

    return [
        html.Div(id="process-busy"),
        html.H1("Reading…", id="process-title"),
        html.P(id="process-lead", className="lead"),
        html.Div(id="process-banners"),
        html.Div(id="process-first-steps"),
        html.Div(
            [
                html.Div(
                    [
                        dmc.Select(
                            id="process-stream",
                            data=[],
                            value=None,
                            allowDeselect=False,
                            searchable=True,
                            placeholder="Stream",
                            comboboxProps={"transitionProps": {"duration": 0}},
                            w=320,
                            maw="100%",
                            **aria(label="Stream"),
                        ),
                        html.Div(id="process-choices", className="choices"),
                        _find_case(),
                    ],
                    className="process-controls",
                ),
                html.Div(id="process-case"),
                html.Div(
                    [
                        html.Div(
                            [
                                section("bottlenecks", "Bottlenecks", "now, dearest first", region("bottlenecks", 320)),
                                section("risks", "Cases at risk", "open, dearest first", region("risks", 320)),
                                section("variants", "Variants", "choose one to see its map", region("variants", 320)),
                            ]
                        ),
                        section("map", "Process map", "waiting and working time", region("map", 720)),
                    ],
                    className="process-split",
                ),
            ],
            id="process-sections",
        ),
        *clock(refresh_s, PREFIX),
        dcc.Store(id="process-chosen"),
        dcc.Store(id="process-shown"),
    ]


def _find_case() -> Component:
    """Opens a case by its id; the browser turns it into an address (assets/opsintel.js)."""
    return html.Form(
        [
            html.Label("Case", htmlFor="process-find", className="muted"),
            dcc.Input(id="process-find", name="case", type="text", maxLength=512, autoComplete="off", className="find"),
            html.Button("Open", type="submit", className="seg seg-button"),
        ],
        action=PATH,
        method="GET",
        className="find-case",
        **data(merge="case"),
    )


def render(snapshot: ProcessSnapshot, view: View) -> dict[str, Any]:
    """Every region's content, by its name; pure."""
    state, stream = snapshot.state, snapshot.stream
    watched = stream is not None and stream.watched
    newest = "" if snapshot.streams.problem else process_head.newest(stream, view)
    waiting = () if snapshot.bottlenecks.problem else snapshot.bottlenecks.value
    return {
        "headline": process_head.headline(snapshot),
        "lead": process_head.lead(snapshot),
        "freshness": top.freshness(snapshot, view),
        "banners": top.stale_banner(snapshot, view),
        "first_steps": top.first_steps(view) if snapshot.empty else None,
        "sections": "hidden" if snapshot.empty else "",
        "options": process_head.stream_options(snapshot.streams.value, state.stream),
        "stream": state.stream or None,
        "shown": state.stream or None,
        "choices": process_head.choices(snapshot),
        "case": _case(snapshot, view, watched=watched),
        "bottlenecks": _part(snapshot.bottlenecks, lambda found: bottleneck_list(found, stream, state, view)),
        "risks": _part(snapshot.risks, lambda found: risk_table(found, stream, state, view)),
        "variants": _part(snapshot.variants, lambda found: variant_list(found, state)),
        "map": _part(snapshot.map, lambda found: process_map(found, waiting, state, view, newest)),
        "refreshed": snapshot.at.timestamp() * 1000,
    }


def _case(snapshot: ProcessSnapshot, view: View, *, watched: bool) -> Component | None:
    state = snapshot.state
    if not state.case:
        return None
    if snapshot.case.problem:
        inner: Component | None = html.Div([broken(snapshot.case.problem), close_link(state)], className="case-broken")
    else:
        inner = case_view(snapshot.case.value, state, view, watched=watched)
    return section("case", f"Case {state.case}", "steps, waits and traces", inner)


def _part(part: Section[T], show: Callable[[T], Component]) -> Component:
    return broken(part.problem) if part.problem else show(part.value)


REGIONS = {
    "headline": Output("process-title", "children"),
    "lead": Output("process-lead", "children"),
    "freshness": Output("process-freshness", "children"),
    "banners": Output("process-banners", "children"),
    "first_steps": Output("process-first-steps", "children"),
    "sections": Output("process-sections", "className"),
    "options": Output("process-stream", "data"),
    "stream": Output("process-stream", "value"),
    "shown": Output("process-shown", "data"),
    "choices": Output("process-choices", "children"),
    "case": Output("process-case", "children"),
    "bottlenecks": Output("process-bottlenecks", "children"),
    "risks": Output("process-risks", "children"),
    "variants": Output("process-variants", "children"),
    "map": Output("process-map", "children"),
    "refreshed": Output("process-refreshed", "data"),
}


def register(
    dash_app: Dash, snapshots: ProcessSnapshots, view: Callable[[], View], principal: Callable[[], Principal]
) -> None:
    """Adds the page's callbacks to the application."""

    @dash_app.callback(
        output=REGIONS,
        inputs={
            "tick": Input("process-tick", "n_intervals"),
            "now": Input("process-refresh-now", "n_clicks"),
            "search": Input("url", "search"),
        },
        running=[(Output("process-busy", "className"), "busy", "")],
        prevent_initial_call=False,
    )
    async def refresh(tick: int | None, now: int | None, search: str | None) -> dict[str, Any]:
        fresh = ctx.triggered_id == "process-refresh-now"
        snapshot = await snapshots.take(principal().tenant, parse(search), fresh=fresh)
        return await asyncio.to_thread(render, snapshot, view())

    clientside: Any = dash_app.clientside_callback
    clientside(
        ClientsideFunction("opsintel", "chooseStream"),
        Output("process-chosen", "data"),
        Input("process-stream", "value"),
        State("process-shown", "data"),
        prevent_initial_call=True,
    )
    register_clock(dash_app, PREFIX)
