"""What stands around the process map: its switches, what is hidden, the legend, the basis, and the same as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import HIDDEN, aria, current, data
from dashboards.components.common import cell, heads
from dashboards.map_choice import LEVELS, SMALL, Shown, picked
from dashboards.process_reads import ProcessMap
from dashboards.url_state import Count, Paths, ProcessState, Statistic, Steps, Times
from dashboards.view import View

TIMES = {
    Times.WAITING: "waiting between two steps",
    Times.WORKING: "work within the steps",
    Times.TOTAL: "all the time between two steps",
}
COUNTS = {Count.EVENT: "how often a step or path happens", Count.CASE: "in how many cases it happens"}
COLOURS = ("#8a94a6", "#b58a1f", "#d0661f", "#cf3b2e")  # each 3:1 or better on the light and the dark card
SIGNS = ("", "", "△", "▲")
TABLE_ROWS = 60


def which_time(state: ProcessState) -> str:
    """The statistic in a sentence: `median waiting`, `all waiting`."""
    return "all" if state.statistic is Statistic.SUM else str(state.statistic)


def controls(state: ProcessState, whole: ProcessMap, shown: Shown) -> Component:
    """Which times and frequencies, how much of the map, and what that hides."""
    paths = {Paths.MAIN: "main", Paths.MOST: "most", Paths.ALL: f"all {formats.count(len(whole.transitions))}"}
    steps = {Steps.MAIN: "main", Steps.MOST: "most", Steps.ALL: f"all {formats.count(len(whole.steps))}"}
    reach = {one: f"paths that make up {formats.percent(one.share)} of all moves, every step stays reachable"
             for one in Paths}  # fmt: skip
    within = {one: f"steps that occur in {formats.percent(one.share)} of the cases or more" for one in Steps}
    statistics = {one: str(one) for one in Statistic}
    return html.Div(
        [
            html.Div(
                [
                    *_switch("Times", state, "times", {one: str(one) for one in Times}, TIMES),
                    *_switch("Show", state, "statistic", statistics, {}, label="Statistic"),
                    *_switch("Count", state, "count", {one: f"by {one}" for one in Count}, COUNTS),
                ],
                className="pm-switches",
            ),
            html.Div(
                [
                    *_switch("Steps", state, "steps", steps, within),
                    *_switch("Paths", state, "paths", paths, reach),
                    html.Button("Fit to width", type="button", className="seg seg-button pm-fit", **data(fit="1")),
                ],
                className="pm-switches",
            ),
            html.P(_hidden(shown), className="pm-hidden"),
        ],
        className="pm-controls",
    )


def _switch(
    name: str,
    state: ProcessState,
    field: str,
    texts: Mapping[Any, str],
    titles: Mapping[Any, str],
    *,
    label: str = "",
) -> list[Component]:
    links = [
        html.A(
            text,
            href=state.but(**{field: one}).href,
            className=f"seg{' seg-on' if one is getattr(state, field) else ''}",
            title=titles.get(one, text),
            **current(one is getattr(state, field)),
            **data(key=f"{field} {one}"),
        )
        for one, text in texts.items()
    ]
    return [
        html.Div(
            [
                html.Span(name, className="muted", **HIDDEN),
                html.Div(links, className="segs", role="group", **aria(label=label or name)),
            ],
            className="pm-switch",
        )
    ]


def _hidden(shown: Shown) -> str:
    """What is not drawn, and how much of the process what is drawn tells."""
    if not shown.hidden_steps and not shown.hidden_moves:
        return "Nothing is hidden: every step and path of these cases is drawn."
    parts = []
    if shown.hidden_steps:
        parts.append(f"{formats.count(shown.hidden_steps)} rare {'step' if shown.hidden_steps == 1 else 'steps'}")
    if shown.hidden_moves:
        parts.append(f"{formats.count(shown.hidden_moves)} rare {'path' if shown.hidden_moves == 1 else 'paths'}")
    text = f"{' and '.join(parts)} hidden. Drawn: {formats.percent(shown.moves_share)} of all moves"
    if shown.cases_share is None:
        return f"{text}; how many cases are drawn whole is not known."
    least = "at least " if shown.at_least else ""
    return f"{text}, and {least}{formats.percent(shown.cases_share)} of the cases from their first step to their last."


def legend(shown: ProcessMap, state: ProcessState) -> Component:
    """What colours, signs and numbers mean."""
    keys = [
        html.Span([html.Span(className="pm-swatch", style={"background": COLOURS[rank]}, **HIDDEN),
                   f"{SIGNS[rank]} {LEVELS[rank]}".strip()], className="pm-key")
        for rank in range(4)
    ]  # fmt: skip
    what = {
        Times.WAITING: "waiting between two steps",
        Times.WORKING: "work within a step, compared with the other steps",
        Times.TOTAL: "all the time between two steps, waiting or not",
    }[state.times]
    which = {Statistic.SUM: "sums", Statistic.MEAN: "means", Statistic.MEDIAN: "medians"}.get(
        state.statistic, f"the {state.statistic}"
    )
    counted = "cases" if state.count is Count.CASE else "times it happened"
    notes = [f"Times are {which} of {what}; n counts {counted}; thicker is more frequent."]
    unknown = sum(move.waiting is None for move in shown.transitions)
    if unknown and state.times is Times.WAITING:
        part = "No path" if unknown == len(shown.transitions) else f"{formats.count(unknown)} paths do not"
        verb = " tells" if part == "No path" else " tell"
        notes.append(f"{part}{verb} when the next step began: “gap” is all the time between, which may be work.")
    unknown = sum(step.working is None for step in shown.steps)
    if unknown and state.times is Times.WORKING:
        notes.append(f"{formats.count(unknown)} of {formats.count(len(shown.steps))} steps have no known start.")
    notes.append(f"Dotted: fewer than {SMALL} times. A box or a label can be chosen.")
    return html.Div([html.Div(keys, className="pm-keys"), html.P(" ".join(notes))], className="pm-legend")


def basis(shown: ProcessMap, state: ProcessState, view: View) -> str:
    """Which cases the map is about, and up to when."""
    parts = [f"n {formats.count(shown.cases)} cases with {formats.count(shown.events)} events, active "
             f"{state.period.words}, open ones with what they have so far"]  # fmt: skip
    if state.variant is not None:
        parts.append("one variant only")
    if shown.data_through is not None:
        parts.append(f"data through {view.time(shown.data_through)}")
    return " · ".join(parts)


def table(shown: ProcessMap, state: ProcessState) -> Component:
    """The numbers of the paths without the picture, behind a disclosure."""
    rows = [
        html.Tr(
            [
                html.Th(
                    html.A(
                        f"{words(move.from_step)} → {words(move.to_step)}",
                        href=state.but(step=move.from_step, to=move.to_step).href,
                    ),
                    scope="row",
                ),
                cell(formats.count(move.count), "n", "num"),
                cell(formats.count(move.cases), "cases", "num"),
                cell(
                    "unknown" if move.waiting is None else formats.duration(picked(move.waiting, state.statistic)),
                    "waiting",
                    "num",
                ),
                cell(formats.duration(picked(move.gap, state.statistic)), "gap", "num"),
                cell(formats.duration(move.gap.sum_s), "gap in all", "num"),
            ]
        )
        for move in shown.transitions[:TABLE_ROWS]
    ]
    which = which_time(state)
    head = heads(
        ("Path", ""), ("n", "num"), ("Cases", "num"), (f"Waiting, {which}", "num"), (f"Gap, {which}", "num"),
        ("Gap in all", "num"),
    )  # fmt: skip
    more = len(shown.transitions) - TABLE_ROWS
    return html.Details(
        [
            html.Summary("The same as a table"),
            html.Table([head, html.Tbody(rows)], className="grid stack"),
            html.P(f"and {formats.count(more)} more", className="muted more") if more > 0 else None,
        ],
        className="pm-table",
        **data(keep="map-table"),
    )
