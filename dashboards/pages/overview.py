"""The overview: what a leader looks at first.

One callback renders everything, in one round trip, from one snapshot; another carries out what the dialog asks for,
which opens and closes in the browser alone. Callbacks are coroutines: Dash runs plain functions on the event loop,
where a slow read would hold up the whole service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from core import Conflict, OpsintelError, Principal, Role, get_logger
from dashboards.components import headline as top
from dashboards.components import sections
from dashboards.components.common import broken, nothing, section
from dashboards.components.dialog import REASON_MAX, control_dialog, outcome
from dashboards.components.kpi_card import kpi_card
from dashboards.components.latency import GRID_ID, latency_grid, latency_list, latency_rows
from dashboards.components.shell import clock, register_clock
from dashboards.reads import ActionOutcome, Actions, Windows
from dashboards.snapshot import Section, Snapshot, Snapshots
from dashboards.view import View

T = TypeVar("T")
LOG = get_logger("dashboards.overview")


def layout(windows: Windows, refresh_s: int) -> list[Component]:
    """The page before its first data: every region in its place."""

    def region(name: str, height: int) -> Component:
        return html.Div(_skeleton(height), id=name)

    return [
        html.H1("Reading…", id="headline"),
        html.P(id="lead", className="lead"),
        html.Div(id="banners"),
        html.Div(id="first-steps"),
        html.Div(
            [
                section("kpis", "Key figures", None, region("kpis", 230)),
                html.Div(
                    [
                        section(
                            "waiting",
                            "Where work waits now",
                            html.Span(["dearest first · ", html.A("by process", href="/process")]),
                            region("waiting", 320),
                        ),
                        section("alerts", "Active alerts", None, region("alerts", 320)),
                    ],
                    className="split",
                ),
                section("queues", "Queue depth", windows.queues, region("queues", 200)),
                html.Div(
                    [
                        section(
                            "latency",
                            "API latency",
                            windows.latency,
                            [
                                html.Div(id="latency-note"),
                                html.Div(latency_grid(), id="latency-box", className="hidden"),
                            ],
                        ),
                        section("webhooks", "Webhook failures", windows.webhooks, region("webhooks", 200)),
                    ],
                    className="split",
                ),
                section("targets", "Integration edges", "pause and resume", region("targets", 160)),
            ],
            id="sections",
        ),
        control_dialog(),
        *clock(refresh_s),
        dcc.Store(id="acted", data=0),
    ]


def _skeleton(height: int) -> Component:
    made: Component = dmc.Skeleton(height=height, radius="sm")
    return made


def render(snapshot: Snapshot, view: View) -> dict[str, Any]:
    """Every region's content, by its name; pure."""
    shown = {
        "headline": top.headline(snapshot),
        "lead": top.lead(snapshot),
        "freshness": top.freshness(snapshot, view),
        "banners": top.stale_banner(snapshot, view),
        "first_steps": top.first_steps(view) if snapshot.empty else None,
        "sections": "hidden" if snapshot.empty else "",
        "kpis": _part(
            snapshot.kpis,
            lambda tiles: (
                html.Div([kpi_card(tile, view) for tile in tiles], className="kpis")
                if tiles
                else nothing("No KPI has been computed yet.", "The jobs compute them about once a minute.")
            ),
        ),
        "waiting": _part(snapshot.waiting, lambda steps: sections.waiting_table(steps, view)),
        "alerts": _part(snapshot.alerts, lambda alerts: sections.alert_list(alerts, view)),
        "queues": _part(snapshot.queues, lambda queues: sections.queue_cards(queues, view)),
        "webhooks": _part(snapshot.webhooks, lambda hooks: sections.webhook_table(hooks, view)),
        "targets": _part(snapshot.targets, lambda targets: sections.target_table(targets, view)),
        "latency_note": latency_list(snapshot.latency.value),
        "latency_rows": latency_rows(snapshot.latency.value),
        "latency_box": "card flush wide-only" if snapshot.latency.value else "hidden",
        "refreshed": snapshot.at.timestamp() * 1000,
    }
    if snapshot.latency.problem:
        shown["latency_note"] = broken(snapshot.latency.problem)
    elif not snapshot.latency.value:
        shown["latency_note"] = nothing("No API call was seen in this time.")
    return shown


def _part(part: Section[Sequence[T]], show: Callable[[Sequence[T]], Component]) -> Component:
    return broken(part.problem) if part.problem else show(part.value)


REGIONS = {
    "headline": Output("headline", "children"),
    "lead": Output("lead", "children"),
    "freshness": Output("freshness", "children"),
    "banners": Output("banners", "children"),
    "first_steps": Output("first-steps", "children"),
    "sections": Output("sections", "className"),
    "kpis": Output("kpis", "children"),
    "waiting": Output("waiting", "children"),
    "alerts": Output("alerts", "children"),
    "queues": Output("queues", "children"),
    "webhooks": Output("webhooks", "children"),
    "targets": Output("targets", "children"),
    "latency_note": Output("latency-note", "children"),
    "latency_rows": Output(GRID_ID, "rowData"),
    "latency_box": Output("latency-box", "className"),
    "refreshed": Output("refreshed", "data"),
}


def perform(actions: Actions, principal: Principal, intent: dict[str, str], reason: str) -> ActionOutcome:
    """Carries the intent out; an error that is meant for people becomes an outcome. Blocks."""
    try:
        principal.require(Role.OPERATOR)
        call = {"pause": actions.pause, "resume": actions.resume}[intent["action"]]
        return call(principal, intent["target"], reason, intent["key"])
    except Conflict as problem:
        return ActionOutcome(False, False, f"{problem.message}. {problem.hint}".strip())
    except OpsintelError as problem:
        LOG.warning("a control action was refused", target=intent["target"], error=str(problem))
        return ActionOutcome(False, False, f"{problem.message}. {problem.hint}".strip())


def register(
    dash_app: Dash,
    snapshots: Snapshots,
    actions: Actions,
    view: Callable[[], View],
    principal: Callable[[], Principal],
) -> None:
    """Adds the page's callbacks to the application."""

    @dash_app.callback(
        output=REGIONS,
        inputs={
            "tick": Input("tick", "n_intervals"),
            "now": Input("refresh-now", "n_clicks"),
            "acted": Input("acted", "data"),
        },
    )
    async def refresh(tick: int | None, now: int | None, acted: int) -> dict[str, Any]:
        fresh = ctx.triggered_id in ("refresh-now", "acted")
        snapshot = await snapshots.take(principal().tenant, fresh=fresh)
        return await asyncio.to_thread(render, snapshot, view())

    @dash_app.callback(
        Output("control-outcome", "children"),
        Output("control-reason", "error"),
        Output("control-confirm", "style"),
        Output("control-cancel", "children"),
        Output("acted", "data"),
        Input("control-confirm", "n_clicks"),
        State("intent", "data"),
        State("control-reason", "value"),
        State("acted", "data"),
        running=[
            (Output("control-confirm", "loading"), True, False),
            (Output("control-reason", "disabled"), True, False),
            (Output("control-cancel", "disabled"), True, False),
            (Output("control-dialog", "withCloseButton"), False, True),
            (Output("control-dialog", "closeOnEscape"), False, True),
            (Output("control-dialog", "closeOnClickOutside"), False, True),
        ],
        prevent_initial_call=True,
    )
    async def confirm(clicks: int, intent: dict[str, str] | None, reason: str | None, acted: int) -> tuple[Any, ...]:
        if not clicks or not intent:
            raise PreventUpdate
        text = (reason or "").strip()
        if not text or len(text) > REASON_MAX:
            error = f"Give a reason of 1 to {REASON_MAX} characters."
            return None, error, no_update, no_update, no_update
        result = await asyncio.to_thread(perform, actions, principal(), intent, text)
        hidden = {"display": "none"} if result.accepted else {}
        return outcome(result), None, hidden, "Close", acted + 1

    clientside: Any = dash_app.clientside_callback
    # In the browser, for the buttons are drawn anew by every refresh: an answer from the server that was on its way
    # at that moment would be dropped, and with it the click.
    clientside(
        ClientsideFunction("opsintel", "dialog"),
        Output("control-dialog", "opened"),
        Output("control-dialog", "title"),
        Output("control-explanation", "children"),
        Output("control-confirm", "children"),
        Output("intent", "data"),
        Output("control-reason", "value"),
        Output("control-outcome", "children", allow_duplicate=True),
        Output("control-reason", "error", allow_duplicate=True),
        Output("control-confirm", "style", allow_duplicate=True),
        Output("control-cancel", "children", allow_duplicate=True),
        Input({"type": "control", "target": ALL, "action": ALL, "name": ALL}, "n_clicks"),
        Input("control-cancel", "n_clicks"),
        State("explanations", "data"),
        prevent_initial_call=True,
    )
    register_clock(dash_app)
