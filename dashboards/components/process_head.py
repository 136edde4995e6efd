"""The process page in a sentence: where work waits now and what it costs. And what stands in for it without data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from dash import html
from dash.development.base_component import Component

from dashboards import formats
from dashboards.aria import HIDDEN, aria, current, data
from dashboards.components.common import words
from dashboards.process_reads import Bottleneck, StreamTile
from dashboards.process_snapshot import ProcessSnapshot
from dashboards.url_state import Period
from dashboards.view import View


def headline(snapshot: ProcessSnapshot) -> str:
    """`€ 38.4 k in 214 cases waits after order allocated at warehouse: 4 h 8 min, 3.5× usual`."""
    if snapshot.empty:
        return "No process yet"
    if snapshot.streams.problem and not snapshot.state.stream:
        return "Which processes there are is not known"
    name = snapshot.state.stream
    if snapshot.bottlenecks.problem:
        return f"What waits in {name} is not known"
    if not snapshot.bottlenecks.value:
        stream = snapshot.stream
        if stream is not None and not stream.watched:
            return f"What waits in {name} is not known: nothing says when its cases end"
        return f"Nothing waits in {name}"
    worst = snapshot.bottlenecks.value[0]
    cases = f"{formats.count(worst.cases)} {'case' if worst.cases == 1 else 'cases'}"
    if worst.value:
        subject, verb = f"{formats.money(worst.value, worst.currency)} in {cases}", "waits"
    else:
        subject, verb = cases, "waits" if worst.cases == 1 else "wait"
    owner = f" at {worst.owner_system}" if worst.owner_system else ""
    against, _ = formats.times_usual(worst.median_wait_s, usual(worst)[0])
    waited = formats.duration(worst.median_wait_s)
    return f"{subject} {verb} after {words(worst.step)}{owner}: {waited}, {against}"


def lead(snapshot: ProcessSnapshot) -> str:
    """The whole stream, which the first line has only the worst of."""
    found = snapshot.bottlenecks.value
    if not found or snapshot.bottlenecks.problem:
        return ""
    cases = sum(one.cases for one in found)
    unpriced = sum(one.unpriced for one in found)
    text = f"In all, {_money(found) or 'no known value'} stands in {formats.count(cases)} open cases of "
    text += f"{snapshot.state.stream}, at {len(found)} {'place' if len(found) == 1 else 'places'}"
    delayed = sum(one.delayed_cases for one in found)
    if delayed:
        text += f"; {formats.count(delayed)} have waited longer than usual"
    if unpriced:
        text += f"; {formats.count(unpriced)} have no price and add nothing to it"
    return f"{text}."


def usual(bottleneck: Bottleneck) -> tuple[float | None, str]:
    """What its wait is compared with: the same hour of the week where that is known, else all hours."""
    if bottleneck.usual_same_hour_s is not None:
        return bottleneck.usual_same_hour_s, "at this hour of the week"
    return bottleneck.usual_wait_s, "at any hour"


def stream_options(streams: Sequence[StreamTile], chosen: str) -> list[dict[str, str]]:
    """What the selector offers; a chosen stream without cases stays in it, so that the selector tells the truth."""
    options = [
        {"value": one.name, "label": f"{one.name} · {formats.count(one.cases)} cases"
                                     + (f", {formats.count(one.open_cases)} open" if one.watched else "")}
        for one in streams
    ]  # fmt: skip
    if chosen and chosen not in {one.name for one in streams}:
        options.append({"value": chosen, "label": f"{chosen} · no cases"})
    return options


def choices(snapshot: ProcessSnapshot) -> list[Component]:
    """The period, and what else is chosen, each with a way out."""
    state = snapshot.state
    links = [
        html.A(
            period.value,
            href=state.but(period=period).href,
            className=f"seg{' seg-on' if period is state.period else ''}",
            title=f"cases active {period.words}",
            **current(period is state.period),
            **data(key=f"period {period}"),
        )
        for period in Period
    ]
    found: list[Component] = [html.Div(links, className="segs", role="group", **aria(label="Period"))]
    if state.variant is not None:
        found.append(_chip(_variant_name(snapshot), state.but(variant=None).href))
    if state.step:
        name = f"after {words(state.step)}" if not state.to else f"{words(state.step)} → {words(state.to)}"
        found.append(_chip(name, state.but(step="", to="").href))
    if state.case:
        found.append(_chip(f"case {state.case}", state.but(case="").href))
    return found


def newest(stream: StreamTile | None, view: View) -> str:
    """When the stream's newest event was, for an answer without cases."""
    if stream is None:
        return "This stream has no cases."
    if stream.data_through is None:
        return ""
    return f"Its newest event is from {view.time(stream.data_through)} ({view.ago(stream.data_through)})."


def _variant_name(snapshot: ProcessSnapshot) -> str:
    found = snapshot.variants.value
    rank = next(
        (
            place
            for place, one in enumerate(found.variants if found else (), start=1)
            if one.id == snapshot.state.variant
        ),
        None,
    )
    return f"variant {rank}" if rank else "one variant"


def _chip(text: str, href: str) -> Component:
    return html.A(
        [text, html.Span("✕", className="chip-x", **HIDDEN), html.Span(" clear", className="unseen")],
        href=href,
        className="chip chip-on",
        **data(key=f"clear {text}"),
    )


def _money(found: Sequence[Bottleneck]) -> str:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in found:
        sums[one.currency] += one.value
    priced = sorted(((total, currency) for currency, total in sums.items() if total), reverse=True)
    return " and ".join(formats.money(total, currency) for total, currency in priced)
