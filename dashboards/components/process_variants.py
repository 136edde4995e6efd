"""The variants of a stream as bars, the most frequent first. Values in, components out."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import HIDDEN, current, data
from dashboards.components.common import Status, badge, nothing
from dashboards.components.process_bottlenecks import rest
from dashboards.components.process_filters import narrowed
from dashboards.map_choice import SMALL
from dashboards.process_reads import Variants, VariantShare
from dashboards.url_state import List, ProcessState

VARIANTS = 6


def variant_list(found: Variants | None, state: ProcessState) -> Component:
    """The most frequent sequences as bars; one that is chosen filters the map."""
    if found is None or not found.variants:
        what = "No case that matches these filters" if state.filtered else "No case"
        return nothing(f"{what} was active {state.period.words}.", above=narrowed(state, "variants"))
    most = max(one.share for one in found.variants)
    shown = list(found.variants if state.whole is List.VARIANTS else found.variants[:VARIANTS])
    shown += [one for one in found.variants[len(shown) :] if one.id == state.variant]
    places = {one.id: place for place, one in enumerate(found.variants, start=1)}
    items = [_variant(places[one.id], one, most, state) for one in shown]
    covered = sum(one.share for one in shown)
    note = (
        f"{formats.count(len(shown))} of {formats.count(found.total)} variants, {formats.percent(covered)} of "
        f"{formats.count(found.cases)} cases active {state.period.words}"
    )
    return html.Div(
        [
            narrowed(state, "variants"),
            html.Ol(items, className="variants"),
            rest(state, List.VARIANTS, len(found.variants), len(shown), note),
        ],
        className="card flush",
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
