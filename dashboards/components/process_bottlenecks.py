"""The ranked bottlenecks: where work waits now, what it costs, what moves with it. Values in, components out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import aria, current, data
from dashboards.components.common import Child, Status, about, badge, edge_name, nothing
from dashboards.components.process_filters import narrowed
from dashboards.components.process_head import usual
from dashboards.map_choice import SMALL
from dashboards.process_reads import Bottleneck, Correlate, StreamTile
from dashboards.snapshot import Section
from dashboards.url_state import List, ProcessState
from dashboards.view import View

BOTTLENECKS = 4
NOT_NARROWED: Section[Mapping[str, int] | None] = Section(None)
CORRELATES = 3
UNWATCHED = "Nothing says which events end a case of this stream, so it is not known which cases are open."


def bottleneck_list(
    found: Sequence[Bottleneck],
    stream: StreamTile | None,
    state: ProcessState,
    view: View,
    standing: Section[Mapping[str, int] | None] = NOT_NARROWED,
) -> Component:
    """Where work waits now, the dearest first as they come.

    `standing`: how many of the cases that filters and selections leave stand after each step; None when nothing
    narrows. Money and waits are those of all open cases at a place whatever is filtered, and the list says so.
    """
    if not found:
        if stream is not None and not stream.watched:
            return nothing(UNWATCHED, "Name its end events in the value-stream table.")
        return nothing("Nothing waits.", "Every case that was opened has reached its end.")
    match = standing.value
    places = [(rank, one) for rank, one in enumerate(found, start=1) if match is None or match.get(one.step)]
    shown = places if state.whole is List.BOTTLENECKS else places[:BOTTLENECKS]
    items = [_bottleneck(rank, one, state, view, match) for rank, one in shown]
    return html.Div(
        [
            narrowed(state, "bottlenecks"),
            _matching(len(places), len(found), standing),
            html.Ol(items, className="bottlenecks"),
            rest(state, List.BOTTLENECKS, len(places), len(shown)),
        ],
        className="card",
    )


def _matching(places: int, all_: int, standing: Section[Mapping[str, int] | None]) -> Component | None:
    if standing.problem:
        return html.P(f"Which places these cases stand at is not known: {standing.problem}", className="narrowed-more")
    if standing.value is None:
        return None
    if not places:
        return html.P("None of these cases is open and waits.", className="narrowed-more", role="status")
    hidden = f" {formats.count(all_ - places)} without such cases hidden." if all_ > places else ""
    return html.P(
        f"Money and waits are of all open cases at a place, how many of them match is told with each.{hidden}",
        className="narrowed-more muted",
    )


def rest(state: ProcessState, which: List, there: int, shown: int, note: str = "") -> Component | None:
    """The way to the rest of a list, and back; `note` says of what, else the numbers do."""
    if state.whole is which and there:
        text, there_to = "show fewer", state.but(whole=None)
    elif there > shown:
        text, there_to = f"show all {formats.count(there)}", state.but(whole=which)
    else:
        return html.P(note, className="muted more") if note else None
    note = note or (f"{formats.count(shown)} of {formats.count(there)}" if there > shown else "")
    return html.P(
        [
            f"{note}: " if note else "",
            html.A(text, href=there_to.href, **aria(label=f"{text} {which}"), **data(key=f"whole {which}")),
        ],
        className="muted more",
    )


def _bottleneck(
    rank: int, one: Bottleneck, state: ProcessState, view: View, match: Mapping[str, int] | None
) -> Component:
    against, basis = usual(one)
    text, factor = formats.times_usual(one.median_wait_s, against)
    status = Status.BAD if factor is not None and factor >= 3 else Status.WARN if (factor or 0) >= 1.5 else None
    chosen = state.waits == one.step
    times = [f"usual {formats.duration(against)} {basis}"] if against is not None else []
    if one.since or status:
        times.append(f"longer than usual since {view.time(one.since)}" if one.since else "since when is not known")
    times.append(f"oldest {view.ago(one.oldest_since)}")
    cost: list[str] = []
    if one.delayed_cases:
        delayed = f"{formats.count(one.delayed_cases)} longer than usual"
        cost.append(delayed + (f", {formats.money(one.delayed_value, one.currency)}" if one.delayed_value else ""))
    if one.value_hours:
        cost.append(f"{formats.money(one.value_hours, one.currency)}·hours")
    if one.unpriced:
        cost.append(f"{formats.count(one.unpriced)} without a price")
    return html.Li(
        [
            html.Div(
                [
                    html.Span(str(rank), className="rank"),
                    html.A(
                        f"after {words(one.step)}",
                        href=state.but(waits="" if chosen else one.step).href,
                        className="strong",
                        title="show all cases again" if chosen else "show the cases that wait there",
                        **current(chosen),
                        **data(key=f"bottleneck {one.step} {one.currency}"),
                    ),
                    html.Span(
                        formats.money(one.value, one.currency) if one.value else "no value known",
                        className="bn-money" if one.value else "muted",
                        title=formats.money_exact(one.value, one.currency),
                    ),
                    about(f"Basis of {words(one.step)}", _basis(one)),
                ],
                className="bn-head",
            ),
            html.P(
                [
                    html.B(f"{formats.count(one.cases)} {'case waits' if one.cases == 1 else 'cases wait'}"),
                    f" for {one.owner_system or 'nobody known'} · median {formats.duration(one.median_wait_s)} ",
                    badge(text, status) if status else html.Span(text, className="muted"),
                    badge("small sample", Status.WARN, f"fewer than {SMALL} cases") if one.cases < SMALL else None,
                    None if match is None else badge(f"{formats.count(match.get(one.step, 0))} match"),
                ]
            ),
            html.P(" · ".join(times), className="muted"),
            html.P(" · ".join(cost), className="muted") if cost else None,
            html.Ul([_correlate(other, view) for other in one.correlates[:CORRELATES]], className="correlates")
            if one.correlates
            else html.P("Nothing else is known to have changed with it.", className="muted")
            if status
            else None,
            _action(one),
        ],
        className=f"bottleneck{' bn-on' if chosen else ''}",
    )


def _correlate(other: Correlate, view: View) -> Component:
    told = " since " in other.text  # sentences of the read model name it themselves
    since = f" since {view.time(other.since)}" if other.since and not told else ""
    return html.Li([html.Span(other.kind, className="tag"), f" {other.text or _measured(other)}{since}"])


def _measured(other: Correlate) -> str:
    against = "no usual yet" if other.usual is None else f"usual {formats.number(other.usual)}"
    return f"{edge_name(other.name)}: {other.measure} {formats.number(other.now)}, {against}"


def _action(one: Bottleneck) -> Component | None:
    if not one.action:
        return None
    parts: list[Child] = [html.Span("Suggested: ", className="muted"), html.Span(edge_name(one.action))]
    if one.action_target:
        parts += [
            " ",
            html.A(
                ["Go to the edges", html.Span(f" for {edge_name(one.action_target)}", className="unseen")],
                href="/#targets-title",
            ),
        ]
    return html.P(parts, className="bn-action")


def _basis(one: Bottleneck) -> list[Child]:
    more = [
        f"All hours: usual {formats.duration(one.usual_wait_s)}. Same hour of the week: usual "
        f"{formats.duration(one.usual_same_hour_s)}. In excess of usual: {formats.duration(one.excess_wait_s)}.",
        f"Exact value {formats.money_exact(one.value, one.currency)}.",
    ]
    return [html.P(one.basis) if one.basis else None, *(html.P(text, className="muted") for text in more)]
