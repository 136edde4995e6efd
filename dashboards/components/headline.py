"""The page in a sentence, and the state of its data: what a leader reads first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.components.common import Status, badge
from dashboards.reads import WaitingStep
from dashboards.snapshot import Section, Snapshot
from dashboards.view import View


class Dated(Protocol):
    """A reading that knows how far the data reach."""

    @property
    def data_through(self) -> Section[datetime | None]: ...


def headline(snapshot: Snapshot) -> str:
    """`€ 48.2 k stands in 312 open cases; 2 alerts are firing.`"""
    if snapshot.empty:
        return "No data yet"
    parts = []
    steps = snapshot.waiting.value
    if snapshot.waiting.problem:
        parts.append("what waits is not known")
    elif steps:
        cases = sum(step.cases for step in steps)
        noun = "case" if cases == 1 else "cases"
        verb = "stands" if len(_totals(steps)) == 1 else "stand"
        parts.append(f"{' and '.join(_totals(steps))} {verb} in {formats.count(cases)} open {noun}")
    else:
        parts.append("nothing waits")
    firing = sum(alert.state == "firing" for alert in snapshot.alerts.value)
    if snapshot.alerts.problem:
        parts.append("alerts are not known")
    elif firing:
        parts.append(f"{firing} {'alert is' if firing == 1 else 'alerts are'} firing")
    else:
        parts.append("no alert is firing")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def lead(snapshot: Snapshot) -> str:
    """Where it hurts most: of the steps that wait much longer than usual, the one with the most money."""
    steps = [step for step in snapshot.waiting.value if step.usual_wait_s]
    slow = [step for step in steps if step.usual_wait_s and step.median_wait_s > 1.5 * step.usual_wait_s]
    if not slow:
        return ""
    worst = max(slow, key=lambda step: float(step.value))
    text, _ = formats.times_usual(worst.median_wait_s, worst.usual_wait_s)
    return (
        f"Dearest of what waits longer than usual: {formats.count(worst.cases)} cases in {worst.stream} "
        f"after {words(worst.step)} ({worst.owner_system}), "
        f"{formats.money(worst.value, worst.currency)}, waiting {text}."
    )


def freshness(snapshot: Dated, view: View) -> Component:
    """How far the data reach, and whether that is recent enough."""
    through = snapshot.data_through
    if through.problem:
        return html.Span([badge("data state not known", Status.WARN)])
    if through.value is None:
        return html.Span([badge("no data yet", Status.NEUTRAL)])
    stale = view.stale(through.value)
    return html.Span(
        [
            badge("stale" if stale else "live", Status.WARN if stale else Status.GOOD),
            html.Span(f" data through {view.time(through.value)}", className="muted"),
        ]
    )


def stale_banner(snapshot: Dated, view: View) -> Component | None:
    """A warning across the page when the newest data are too old to act on."""
    through = snapshot.data_through.value
    if through is None or not view.stale(through):
        return None
    return html.Div(
        [
            badge("stale", Status.WARN),
            html.Span(
                f"Nothing has come in since {view.time(through)} ({view.ago(through)}). "
                "What stands below is the state of then; check the senders before acting on it."
            ),
        ],
        className="banner banner-warn",
        role="status",
    )


def first_steps(view: View) -> Component:
    """What to do when nothing has come in yet."""
    return html.Div(
        [
            html.H2("Push telemetry, and this page fills"),
            html.P("Point any OpenTelemetry SDK or collector at one of these:"),
            html.Dl(
                [
                    html.Dt("OTLP/gRPC"),
                    html.Dd(html.Code(view.doors.otlp_grpc)),
                    html.Dt("OTLP/HTTP"),
                    html.Dd(html.Code(view.doors.otlp_http)),
                ]
            ),
            html.P("or load an event log you already have:"),
            html.Pre("opsintel import FILE --stream order-to-cash --case COL --activity COL --timestamp COL"),
            html.P("or try the simulated retailer:"),
            html.Pre("make demo"),
        ],
        className="card first-steps",
    )


def _totals(steps: Sequence[WaitingStep]) -> list[str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for step in steps:
        sums[step.currency] += step.value
    priced = {currency: total for currency, total in sums.items() if total} or sums  # steps without a price add nothing
    return [formats.money(total, currency) for currency, total in sorted(priced.items(), key=lambda item: -item[1])]
