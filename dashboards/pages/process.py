"""The process page: where work waits in one stream, what it costs, why, and down to one case and its traces.

What is chosen is the page's address and nothing else: every choice is a link, a reload shows the same. Each part of the
page has a callback of its own, so that a slow answer holds up no other part; none of them depends on another's output,
for Dash would then wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, NoUpdate, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from core import Principal
from dashboards.aria import aria, data
from dashboards.components import headline as top
from dashboards.components import process_head
from dashboards.components.common import broken, section
from dashboards.components.process_bottlenecks import NOT_NARROWED, bottleneck_list
from dashboards.components.process_case import case_view, close_link
from dashboards.components.process_filters import chips, forms, panel, periods
from dashboards.components.process_map import process_map
from dashboards.components.process_risks import risk_table
from dashboards.components.process_variants import variant_list
from dashboards.components.shell import clock, register_clock
from dashboards.process_reads import Bottleneck, CaseAtRisk, CaseFacets, CaseTimeline, ProcessMap, Variants
from dashboards.process_snapshot import Frame, ProcessReadings
from dashboards.snapshot import Section
from dashboards.url_state import PATH, parse
from dashboards.view import View

__all__ = ["PATH", "PREFIX", "REGIONS", "layout", "register"]

T = TypeVar("T")
PREFIX = "process-"
PART, LOADING = "part", "part loading"


def layout(refresh_s: int) -> list[Component]:
    """The page before its first data: every region in its place."""

    def region(name: str, height: int) -> Component:
        return html.Div(dmc.Skeleton(height=height, radius="sm"), id=f"process-{name}", className=PART)

    return [
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
                html.Details(
                    [
                        html.Summary("Filter by outcome, attribute, step or duration", className="filter-summary"),
                        html.Div([region("facets", 160), forms()], className="card filter-body"),
                    ],
                    className="filter-panel",
                    **data(panel="1"),
                ),
                html.Div(id="process-chips", className="choices", role="group", **aria(label="Chosen")),
                html.Div(id="process-case", className=PART),
                html.Div(
                    [
                        html.Div(
                            [
                                section("bottlenecks", "Bottlenecks", "now, dearest first", region("bottlenecks", 320)),
                                section("variants", "Variants", "the most frequent first", region("variants", 320)),
                            ],
                            className="process-side",
                        ),
                        html.Div(
                            [
                                section("risks", "Cases at risk", "open now, dearest first", region("risks", 320)),
                                section("map", "Process map", "waiting and working time", region("map", 720)),
                            ],
                            className="process-side",
                        ),
                    ],
                    className="process-split",
                ),
            ],
            id="process-sections",
        ),
        *clock(refresh_s, PREFIX),
        dcc.Store(id="process-chosen"),
        dcc.Store(id="process-shown"),
        dcc.Store(id="process-waits"),
        dcc.Store(id="process-drawn"),
        dcc.Store(id="process-redraw"),
        dcc.Store(id="process-compared"),
        dcc.Store(id="process-panel", data=False),
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


# --- what each part shows; pure ---


def show_frame(frame: Frame, variants: Section[Variants | None] | None, view: View) -> dict[str, Any]:
    """The state of the data, the stream and what is chosen; `variants` tells the rank of the chosen one."""
    state = frame.state
    name = process_head.variant_name(state, variants.value if variants else None)
    return {
        "freshness": top.freshness(frame, view),
        "banners": top.stale_banner(frame, view),
        "first_steps": top.first_steps(view) if frame.empty else None,
        "sections": "hidden" if frame.empty else "",
        "options": process_head.stream_options(frame.streams.value, state.stream),
        "stream": state.stream or None,
        "shown": state.stream or None,
        "choices": periods(state),
        "chips": chips(state, name),
        "refreshed": frame.at.timestamp() * 1000,
    }


def show_bottlenecks(
    frame: Frame,
    found: Section[Sequence[Bottleneck]],
    view: View,
    standing: Section[Mapping[str, int] | None] = NOT_NARROWED,
    on_map: Section[Mapping[str, int] | None] = NOT_NARROWED,
) -> dict[str, Any]:
    """The first line, the list, and what the map says to wait where (`on_map`: of the cases that the map is of)."""
    return {
        "headline": process_head.headline(frame, found),
        "lead": process_head.lead(frame, found),
        "bottlenecks": _part(found, lambda rows: bottleneck_list(rows, frame.stream, frame.state, view, standing)),
        "waits": waiting_on_map(frame, found, on_map),
    }


def waiting_on_map(
    frame: Frame, found: Section[Sequence[Bottleneck]], standing: Section[Mapping[str, int] | None] = NOT_NARROWED
) -> dict[str, Any]:
    """What the boxes of the map say to wait there, and for which address that holds."""
    said = process_head.waits(found.value, standing.value, frame.state.waits)
    return {"for": frame.state.but(case="").search, "waits": said}


def show_risks(frame: Frame, found: Section[Sequence[CaseAtRisk]], view: View) -> Component:
    """The open cases at risk."""
    return _part(found, lambda rows: risk_table(rows, frame.stream, frame.state, view))


def show_variants(frame: Frame, found: Section[Variants | None]) -> Component:
    """The variants."""
    return _part(found, lambda rows: variant_list(rows, frame.state))


def show_map(
    frame: Frame,
    found: Section[ProcessMap | None],
    waits: Mapping[str, str],
    variants: Section[Variants | None] | None,
    view: View,
) -> Component:
    """The map, with what waits where and how many cases it tells whole, as far as these are known yet."""
    newest = "" if frame.streams.problem else process_head.newest(frame.stream, view)
    known = variants.value if variants else None
    return _part(found, lambda whole: process_map(whole, waits, frame.state, view, newest, known))


def show_facets(frame: Frame, found: Section[CaseFacets | None], shown: Section[ProcessMap | None] | None) -> Component:
    """What can be filtered by."""
    return _part(found, lambda facets: panel(facets, shown.value if shown else None, frame.state))


def show_case(frame: Frame, found: Section[CaseTimeline | None], view: View) -> Component | None:
    """The chosen case; None when none is."""
    state = frame.state
    if not state.case:
        return None
    if found.problem:
        inner: Component | None = html.Div([broken(found.problem), close_link(state)], className="case-broken")
    else:
        inner = case_view(found.value, state, view, watched=frame.watched)
    return section("case", f"Case {state.case}", "steps, waits and traces", inner)


def _part(part: Section[T], show: Callable[[T], Component]) -> Component:
    return broken(part.problem) if part.problem else show(part.value)


# --- callbacks ---

REGIONS = {
    "frame": {
        "freshness": Output("process-freshness", "children"),
        "banners": Output("process-banners", "children"),
        "first_steps": Output("process-first-steps", "children"),
        "sections": Output("process-sections", "className"),
        "options": Output("process-stream", "data"),
        "stream": Output("process-stream", "value"),
        "shown": Output("process-shown", "data"),
        "choices": Output("process-choices", "children"),
        "chips": Output("process-chips", "children"),
        "refreshed": Output("process-refreshed", "data"),
    },
    "bottlenecks": {
        "headline": Output("process-title", "children"),
        "lead": Output("process-lead", "children"),
        "bottlenecks": Output("process-bottlenecks", "children"),
        "waits": Output("process-waits", "data"),
    },
}


def register(
    dash_app: Dash, readings: ProcessReadings, view: Callable[[], View], principal: Callable[[], Principal]
) -> None:
    """Adds the page's callbacks to the application."""
    triggers = {
        "tick": Input("process-tick", "n_intervals"),
        "now": Input("process-refresh-now", "n_clicks"),
        "search": Input("url", "search"),
    }

    def part(name: str, output: Any, **more: Any) -> Callable[[Callable[..., Awaitable[Any]]], Any]:
        """A callback for a region that is marked while it is read."""
        marked = None if name == "frame" else [(Output(f"process-{name}", "className"), LOADING, PART)]
        made: Any = dash_app.callback(output=output, inputs=triggers | more, running=marked, prevent_initial_call=False)
        return made  # type: ignore[no-any-return]

    async def begin(search: str | None) -> tuple[str, Frame, bool]:
        fresh, tenant = ctx.triggered_id == "process-refresh-now", principal().tenant
        return tenant, await readings.frame(tenant, parse(search), fresh=fresh), fresh

    @part("frame", REGIONS["frame"])
    async def frame_(tick: int | None, now: int | None, search: str | None) -> dict[str, Any]:
        tenant, frame, fresh = await begin(search)
        ranked = None
        if frame.state.variant is not None:
            ranked = await readings.soon(asyncio.create_task(readings.variants(tenant, frame, fresh=fresh)))
        return await asyncio.to_thread(show_frame, frame, ranked, view())

    @part("bottlenecks", REGIONS["bottlenecks"])
    async def bottlenecks(tick: int | None, now: int | None, search: str | None) -> dict[str, Any]:
        tenant, frame, fresh = await begin(search)
        found, standing, on_map = await asyncio.gather(
            readings.bottlenecks(tenant, frame, fresh=fresh),
            readings.standing(tenant, frame, fresh=fresh),
            readings.standing(tenant, frame, for_map=True, fresh=fresh),
        )
        return await asyncio.to_thread(show_bottlenecks, frame, found, view(), standing, on_map)

    @part("risks", Output("process-risks", "children"))
    async def risks(tick: int | None, now: int | None, search: str | None) -> Component:
        tenant, frame, fresh = await begin(search)
        found = await readings.risks(tenant, frame, fresh=fresh)
        return await asyncio.to_thread(show_risks, frame, found, view())

    @part("variants", Output("process-variants", "children"))
    async def variants(tick: int | None, now: int | None, search: str | None) -> Component:
        tenant, frame, fresh = await begin(search)
        found = await readings.variants(tenant, frame, fresh=fresh)
        return await asyncio.to_thread(show_variants, frame, found)

    @part(
        "map",
        (Output("process-map", "children"), Output("process-drawn", "data")),
        redraw=Input("process-redraw", "data"),
        known=State("process-waits", "data"),
    )
    async def map_(
        tick: int | None, now: int | None, search: str | None, redraw: Any, known: dict[str, Any] | None
    ) -> tuple[Component, dict[str, Any]]:
        """Does not wait for the bottlenecks: what they say is drawn when it is there, once more if need be."""
        again = ctx.triggered_id == "process-redraw"
        tenant, frame, fresh = await begin(search)
        waiting = asyncio.create_task(readings.bottlenecks(tenant, frame, fresh=fresh))
        match = asyncio.create_task(readings.standing(tenant, frame, for_map=True, fresh=fresh))
        variants = asyncio.create_task(readings.map_variants(tenant, frame, fresh=fresh))
        found = await readings.map(tenant, frame, fresh=fresh)
        newest, standing, shares = await asyncio.gather(
            readings.soon(waiting), readings.soon(match), readings.soon(variants)
        )
        drawn: dict[str, Any] = {"for": frame.state.but(case="").search, "waits": {}}
        if newest and standing:
            drawn = waiting_on_map(frame, newest, standing)
        if known and known["for"] == drawn["for"] and (again or not (newest and standing)):
            drawn = known
        return await asyncio.to_thread(show_map, frame, found, drawn["waits"], shares, view()), drawn

    @part("facets", Output("process-facets", "children"), is_open=Input("process-panel", "data"))
    async def facets(tick: int | None, now: int | None, search: str | None, is_open: bool) -> Component | NoUpdate:
        if not is_open:
            return no_update
        tenant, frame, fresh = await begin(search)
        found, shown = await asyncio.gather(
            readings.facets(tenant, frame, fresh=fresh), readings.map(tenant, frame, fresh=fresh)
        )
        return await asyncio.to_thread(show_facets, frame, found, shown)

    @part("case", Output("process-case", "children"))
    async def case(tick: int | None, now: int | None, search: str | None) -> Component | None:
        tenant, frame, fresh = await begin(search)
        found = await readings.case(tenant, frame, fresh=fresh)
        return await asyncio.to_thread(show_case, frame, found, view())

    clientside: Any = dash_app.clientside_callback
    clientside(
        ClientsideFunction("opsintel", "chooseStream"),
        Output("process-chosen", "data"),
        Input("process-stream", "value"),
        State("process-shown", "data"),
        prevent_initial_call=True,
    )
    clientside(
        ClientsideFunction("opsintel", "redrawWaits"),
        Output("process-compared", "data"),
        Input("process-waits", "data"),
        Input("process-drawn", "data"),
        prevent_initial_call=True,
    )
    register_clock(dash_app, PREFIX)
