"""What stands beside the process map: ranked bottlenecks, cases at risk, variants. Values in, components out."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboards import formats
from dashboards.aria import HIDDEN, current, data
from dashboards.components.common import Child, Status, about, badge, cell, edge_name, heads, nothing, words
from dashboards.components.process_head import usual
from dashboards.components.process_map import SMALL
from dashboards.process_reads import Bottleneck, CaseAtRisk, Correlate, StreamTile, Variants, VariantShare
from dashboards.url_state import ProcessState
from dashboards.view import View

BOTTLENECKS, RISKS, VARIANTS = 6, 8, 6
CORRELATES = 3
UNWATCHED = "Nothing says which events end a case of this stream, so it is not known which cases are open."


def bottleneck_list(
    found: Sequence[Bottleneck], stream: StreamTile | None, state: ProcessState, view: View
) -> Component:
    """Where work waits now, the dearest first as they come."""
    if not found:
        if stream is not None and not stream.watched:
            return nothing(UNWATCHED, "Name its end events in the value-stream table.")
        return nothing("Nothing waits.", "Every case that was opened has reached its end.")
    items = [_bottleneck(rank, one, state, view) for rank, one in enumerate(found[:BOTTLENECKS], start=1)]
    more = len(found) - BOTTLENECKS
    return html.Div(
        [
            html.Ol(items, className="bottlenecks"),
            html.P(f"and {formats.count(more)} more", className="muted more") if more > 0 else None,
        ],
        className="card",
    )


def _bottleneck(rank: int, one: Bottleneck, state: ProcessState, view: View) -> Component:
    against, basis = usual(one)
    text, factor = formats.times_usual(one.median_wait_s, against)
    status = Status.BAD if factor is not None and factor >= 3 else Status.WARN if (factor or 0) >= 1.5 else None
    chosen = state.step == one.step and not state.to
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
                        href=state.but(step="" if chosen else one.step, to="").href,
                        className="strong",
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


# --- cases at risk ---


def risk_table(found: Sequence[CaseAtRisk], stream: StreamTile | None, state: ProcessState, view: View) -> Component:
    """Open cases that may miss their promise, the dearest first; of the chosen step alone when one is chosen."""
    if not found:
        if stream is not None and not stream.watched:
            return nothing(UNWATCHED)
        return nothing("No open case is at risk of missing its promise.")
    shown = [one for one in found if not state.step or one.step == state.step]
    rest = html.A("show all", href=state.but(step="", to="").href)
    if not shown:
        return html.Div(
            [html.P([f"None of {formats.count(len(found))} stands after {words(state.step)}: ", rest])],
            className="card nothing",
        )
    rows = [_risk(one, state, view) for one in shown[:RISKS]]
    notes: list[Child] = []
    if state.step:
        notes.append(f"{formats.count(len(shown))} of {formats.count(len(found))} stand after {words(state.step)}: ")
        notes.append(rest)
    elif len(shown) > RISKS:
        notes.append(f"and {formats.count(len(shown) - RISKS)} more")
    head = heads(("Case", ""), ("Value", "num"), ("Late", "num"), ("Promise", "num"))
    return html.Div(
        [
            html.Table([head, html.Tbody(rows)], className="grid stack risks"),
            html.P(notes, className="muted more") if notes else None,
        ],
        className="card flush",
    )


def _risk(one: CaseAtRisk, state: ProcessState, view: View) -> Component:
    if one.overdue:
        chance = badge("overdue", Status.BAD)
    elif one.p_late is None:
        chance = html.Span("unknown", className="muted")
    else:
        high, middle = one.p_late >= 0.8, one.p_late >= 0.5
        text = f"{one.p_late * 100:.0f}{formats.NBSP}% likely"
        chance = badge(text, Status.BAD if high else Status.WARN if middle else Status.NEUTRAL)
    why = "; ".join(one.reasons)
    promise: list[Child] = [
        html.Span(view.time(one.promise_at) if one.promise_at else "none known", title=one.promise_basis),
        html.Small(
            f"needs {formats.duration(one.remaining_s)}, p90 {formats.duration(one.remaining_p90_s)}"
            if one.remaining_s is not None
            else "time needed unknown"
        ),
    ]
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
                        **current(chosen),
                        **data(key=f"case {one.case_id}", top="1"),
                    ),
                    html.Small(f"after {words(one.step)}, {view.ago(one.since)}", title=view.time(one.since)),
                    html.Small(why, className="why") if why else None,
                ],
                scope="row",
                className="row-on" if chosen else "",
            ),
            cell(
                formats.money(one.value, one.currency) if one.value is not None else "unknown",
                "value",
                "num",
                title=formats.money_exact(one.value, one.currency) if one.value is not None else "",
            ),
            cell([chance, few], "late", "num", title=one.basis),
            cell(promise, "promise", "num"),
        ]
    )


# --- variants ---


def variant_list(found: Variants | None, state: ProcessState) -> Component:
    """The most frequent sequences as bars; one that is chosen filters the map."""
    if found is None or not found.variants:
        return nothing(f"No case was active {state.period.words}.")
    most = max(one.share for one in found.variants)
    shown = list(found.variants[:VARIANTS])
    shown += [one for one in found.variants[VARIANTS:] if one.id == state.variant]
    places = {one.id: place for place, one in enumerate(found.variants, start=1)}
    items = [_variant(places[one.id], one, most, state) for one in shown]
    covered = sum(one.share for one in shown)
    note = (
        f"{formats.count(len(shown))} of {formats.count(found.total)} variants, {formats.percent(covered)} of "
        f"{formats.count(found.cases)} cases active {state.period.words}"
    )
    return html.Div(
        [html.Ol(items, className="variants"), html.P(note, className="muted more")], className="card flush"
    )


def _variant(place: int, one: VariantShare, most: float, state: ProcessState) -> Component:
    chosen = one.id == state.variant
    steps = [words(step) for step in one.steps]
    facts = [f"median {formats.duration(one.median_s)}", f"p90 {formats.duration(one.p90_s)}", _outcome(one)]
    width = one.share / most * 100 if most else 0
    return html.Li(
        html.A(
            [
                html.Span(
                    [
                        html.Span(f"Variant {place}", className="strong"),
                        html.Span(f"{formats.percent(one.share)} · n {formats.count(one.cases)}"),
                    ],
                    className="variant-head",
                ),
                html.Span(html.Span(style={"width": f"{max(width, 0.5):.1f}%"}), className="variant-bar", **HIDDEN),
                html.Span(
                    [
                        html.Span(" · ".join(facts)),
                        badge("rework", Status.NEUTRAL, "a step occurs more than once") if one.rework else None,
                        badge("small sample", Status.WARN) if one.cases < SMALL else None,
                        badge("shown", Status.GOOD) if chosen else None,
                    ],
                    className="variant-facts",
                ),
                html.Span(
                    f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}: {' → '.join(_short(steps))}",
                    className="variant-steps",
                ),
            ],
            href=state.but(variant=None if chosen else one.id).href,
            className=f"variant{' variant-on' if chosen else ''}",
            title=" → ".join(steps[:60]) + (" → …" if len(steps) > 60 else ""),
            **current(chosen),
            **data(key=f"variant {one.id}"),
        )
    )


def _short(steps: Sequence[str]) -> list[str]:
    """Beginning and end of a long sequence; a step that comes again at once is counted instead of repeated."""
    runs: list[list[int | str]] = []
    for step in steps[:2000]:
        if runs and runs[-1][0] == step:
            runs[-1][1] = int(runs[-1][1]) + 1
        else:
            runs.append([step, 1])
    names = [str(step) if count == 1 else f"{step} ×{count}" for step, count in runs]
    return names if len(names) <= 12 else [*names[:7], "…", *names[-4:]]


def _outcome(one: VariantShare) -> str:
    if not one.outcomes:
        return "outcome unknown"
    total = sum(one.outcomes.values())
    name, cases = max(one.outcomes.items(), key=lambda item: (item[1], item[0]))
    said = words(name) if name else "still open"
    return said if cases == total else f"{formats.percent(cases / total)} {said}"
