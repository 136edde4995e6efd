"""The process page in a sentence: where work waits now and what it costs. And what stands in for it without data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from dash import html

from core.wording import words
from dashboards import formats
from dashboards.aria import data
from dashboards.components.common import Child
from dashboards.process_reads import Bottleneck, StreamTile, Variants
from dashboards.process_snapshot import Frame
from dashboards.snapshot import Section
from dashboards.url_state import ProcessState
from dashboards.view import View


def headline(frame: Frame, bottlenecks: Section[Sequence[Bottleneck]]) -> list[Child]:
    """`€ 38.4 k in 214 cases waits after order allocated at warehouse: 4 h 8 min, 3.5× usual`; the place is a link."""
    if frame.empty:
        return ["No process yet"]
    name = frame.state.stream
    if frame.streams.problem and not name:
        return ["Which processes there are is not known"]
    if bottlenecks.problem:
        return [f"What waits in {name} is not known"]
    if not bottlenecks.value:
        if frame.stream is not None and not frame.watched:
            return [f"What waits in {name} is not known: nothing says when its cases end"]
        return [f"Nothing waits in {name}"]
    worst = bottlenecks.value[0]
    cases = f"{formats.count(worst.cases)} {'case' if worst.cases == 1 else 'cases'}"
    if worst.value:
        subject, verb = f"{formats.money(worst.value, worst.currency)} in {cases}", "waits"
    else:
        subject, verb = cases, "waits" if worst.cases == 1 else "wait"
    owner = f" at {worst.owner_system}" if worst.owner_system else ""
    against, _ = formats.times_usual(worst.median_wait_s, usual(worst)[0])
    waited = formats.duration(worst.median_wait_s)
    place = html.A(
        f"after {words(worst.step)}",
        href=frame.state.but(waits=worst.step).href,
        title="show the cases that wait there",
        **data(key="headline"),
    )
    return [f"{subject} {verb} ", place, f"{owner}: {waited}, {against}"]


def lead(frame: Frame, bottlenecks: Section[Sequence[Bottleneck]]) -> str:
    """The whole stream, which the first line has only the worst of."""
    found = bottlenecks.value
    if not found or bottlenecks.problem:
        return ""
    cases = sum(one.cases for one in found)
    unpriced = sum(one.unpriced for one in found)
    text = f"In all, {_money(found) or 'no known value'} stands in {formats.count(cases)} open cases of "
    text += f"{frame.state.stream}, at {len(found)} {'place' if len(found) == 1 else 'places'}"
    delayed = sum(one.delayed_cases for one in found)
    if delayed:
        text += f"; {formats.count(delayed)} {'has' if delayed == 1 else 'have'} waited longer than usual"
    if unpriced:
        verbs = "has no price and adds" if unpriced == 1 else "have no price and add"
        text += f"; {formats.count(unpriced)} {verbs} nothing to it"
    return f"{text}."


def waits(bottlenecks: Sequence[Bottleneck], match: Mapping[str, int] | None = None, only: str = "") -> dict[str, str]:
    """By step, what waits after it now, in words: `214 wait now · € 38.4 k`.

    `match`: how many of the cases that the page is narrowed to stand there; then without money, which is not known of
    them. `only`: the one place that the page is narrowed to.
    """
    by_step: dict[str, list[Bottleneck]] = defaultdict(list)
    for one in bottlenecks:
        if only in ("", one.step) and (match is None or match.get(one.step)):
            by_step[one.step].append(one)
    found = {}
    for step, there in by_step.items():
        cases = sum(one.cases for one in there)
        priced = " + ".join(formats.money(one.value, one.currency) for one in there if one.value)
        if match is not None:
            found[step] = f"{formats.count(match[step])} of {formats.count(cases)} wait now"
        else:
            found[step] = f"{formats.count(cases)} wait now" + (f" · {priced}" if priced else "")
    return found


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


def newest(stream: StreamTile | None, view: View) -> str:
    """When the stream's newest event was, for an answer without cases."""
    if stream is None:
        return "This stream has no cases."
    if stream.data_through is None:
        return ""
    return f"Its newest event is from {view.time(stream.data_through)} ({view.ago(stream.data_through)})."


def variant_name(state: ProcessState, found: Variants | None) -> str:
    """What the chosen variant is called on the page."""
    listed = found.variants if found else ()
    rank = next((place for place, one in enumerate(listed, start=1) if one.id == state.variant), None)
    return f"variant {rank}" if rank else "one variant"


def _money(found: Sequence[Bottleneck]) -> str:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in found:
        sums[one.currency] += one.value
    priced = sorted(((total, currency) for currency, total in sums.items() if total), reverse=True)
    return " and ".join(formats.money(total, currency) for total, currency in priced)
