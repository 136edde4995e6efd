"""Open cases that may miss their promise, with why and how sure that is. Values in, components out."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import current, data
from dashboards.components.common import Child, Status, badge, cell, heads, nothing
from dashboards.components.process_bottlenecks import UNWATCHED, rest
from dashboards.components.process_filters import narrowed
from dashboards.map_choice import SMALL
from dashboards.process_reads import CaseAtRisk, StreamTile
from dashboards.url_state import List, ProcessState
from dashboards.view import View

RISKS = 6
READ = 100
"""So many are read; when there are as many, there may be more."""


def risk_table(found: Sequence[CaseAtRisk], stream: StreamTile | None, state: ProcessState, view: View) -> Component:
    """The cases at risk of those that filters and selections leave, the dearest first as they come."""
    if not found:
        if stream is not None and not stream.watched:
            return nothing(UNWATCHED)
        what = "No open case that matches these filters is" if state.filtered else "No open case is"
        return nothing(f"{what} at risk of missing its promise.", above=narrowed(state, "risks"))
    shown = found if state.whole is List.RISKS else found[:RISKS]
    head = heads(("Case", ""), ("Why", ""), ("Value", "num"), ("Late", "num"), ("Promise", "num"), ("Needs", "num"))
    capped = f"The {formats.count(len(found))} dearest are listed; there may be more." if len(found) >= READ else ""
    return html.Div(
        [
            narrowed(state, "risks"),
            html.Table([head, html.Tbody([_risk(one, state, view) for one in shown])], className="grid stack risks"),
            rest(state, List.RISKS, len(found), len(shown)),
            html.P(capped, className="muted more") if capped and state.whole is List.RISKS else None,
        ],
        className="card flush",
    )


def _risk(one: CaseAtRisk, state: ProcessState, view: View) -> Component:
    if one.overdue:
        chance = badge("overdue", Status.BAD)
    elif one.p_late is None or not one.sample_size:
        chance = html.Span("unknown", className="muted")
    else:
        high, middle = one.p_late >= 0.8, one.p_late >= 0.5
        text = f"{one.p_late * 100:.0f}{formats.NBSP}% likely"
        chance = badge(text, Status.BAD if high else Status.WARN if middle else Status.NEUTRAL)
    needs: list[Child] = ["unknown"]
    if one.remaining_s is not None and one.sample_size:
        needs = [formats.duration(one.remaining_s), html.Small(f"p90 {formats.duration(one.remaining_p90_s)}")]
    few = html.Small(f"n {formats.count(one.sample_size)}{', small sample' if one.sample_size < SMALL else ''}")
    chosen = state.case == one.case_id
    return html.Tr(
        [
            html.Th(
                [
                    html.A(
                        one.case_id,
                        href=state.but(case=one.case_id).href,
                        className="strong mono case-link",
                        title="open the case",
                        **current(chosen),
                        **data(key=f"case {one.case_id}", top="1"),
                    ),
                    html.Small(f"after {words(one.step)}"),
                    html.Small(view.ago(one.since), title=view.time(one.since)),
                ],
                scope="row",
                className="row-on" if chosen else "",
            ),
            cell("; ".join(one.reasons) or formats.MISSING, "why", "why"),
            cell(
                formats.money(one.value, one.currency) if one.value is not None else "unknown",
                "value",
                "num nowrap",
                title=formats.money_exact(one.value, one.currency) if one.value is not None else "",
            ),
            cell([chance, few], "late", "num", title=one.basis),
            cell(
                html.Span(view.time(one.promise_at) if one.promise_at else "none known", title=one.promise_basis),
                "promise",
                "num",
            ),
            cell(needs, "needs", "num nowrap", title="half of comparable cases needed no longer"),
        ]
    )
