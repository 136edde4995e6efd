"""The other sections of the overview: waiting work, alerts, queues, webhooks, edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import figures, formats
from dashboards.aria import HIDDEN, aria
from dashboards.components.common import Status, badge, cell, edge_name, heads, nothing
from dashboards.reads import AlertTile, ControlTile, QueueDepth, TargetState, WaitingStep, WebhookFailures
from dashboards.url_state import ProcessState
from dashboards.view import View

WAITING_ROWS = 8
SEVERITIES = {"critical": Status.BAD, "warning": Status.WARN}


def usual_badge(value: float | None, usual: float | None, *, low_is_fine: bool = True) -> Component:
    """How the value compares with what is usual; twice the usual is a warning, three times is bad."""
    text, factor = formats.times_usual(value, usual)
    if factor is None:
        return html.Span(text, className="muted")
    status = Status.BAD if factor >= 3 else Status.WARN if factor >= 1.5 else Status.NEUTRAL
    if factor < 0.8 and not low_is_fine:
        status = Status.WARN
    return badge(text, status) if status is not Status.NEUTRAL else html.Span(text, className="muted")


def waiting_table(steps: Sequence[WaitingStep], view: View) -> Component:
    """Open cases by where they stand, dearest first as they come."""
    if not steps:
        return nothing("Nothing waits.", "Every case that was opened has reached its end.")
    most = max((float(step.value) for step in steps), default=0.0)
    rows = []
    for rank, step in enumerate(steps[:WAITING_ROWS], start=1):
        share = float(step.value) / most * 100 if most > 0 else 0
        money = html.Div(
            [
                html.Span(formats.money(step.value, step.currency)),
                html.Span(className="bar", style={"width": f"{share:.0f}%"}, **HIDDEN),
            ],
            className="money",
        )
        rows.append(
            html.Tr(
                [
                    html.Td(str(rank), className="rank"),
                    html.Th(
                        [
                            html.A(
                                f"after {words(step.step)}",
                                href=ProcessState(step.stream, waits=step.step).href,
                                className="strong",
                                **aria(label=f"after {words(step.step)} in {step.stream}: open the process"),
                            ),
                            html.Small(step.stream),
                        ],
                        scope="row",
                    ),
                    cell(step.owner_system or formats.MISSING, "owner"),
                    cell(formats.count(step.cases), "cases", "num"),
                    cell(money, "value", "num", title=formats.money_exact(step.value, step.currency)),
                    cell(view.ago(step.oldest_since), "oldest", "num", title=view.time(step.oldest_since)),
                    cell(
                        [
                            html.Span(formats.duration(step.median_wait_s)),
                            html.Div(usual_badge(step.median_wait_s, step.usual_wait_s)),
                        ],
                        "median wait",
                        "num",
                        title=f"usual wait {formats.duration(step.usual_wait_s)}",
                    ),
                ]
            )
        )
    head = heads(
        ("#", "rank"), ("Waits", ""), ("Owner", ""), ("Cases", "num"), ("Value", "num"), ("Oldest", "num"),
        ("Median wait", "num"),
    )  # fmt: skip
    more = len(steps) - WAITING_ROWS
    return html.Div(
        [
            html.Table([head, html.Tbody(rows)], className="grid stack"),
            html.P(f"and {more} more", className="muted more") if more > 0 else None,
        ],
        className="card flush",
    )


def alert_list(alerts: Sequence[AlertTile], view: View) -> Component:
    """Firing before pending, the severe first, the newest first within each."""
    if not alerts:
        return nothing("No alert is active.", "Rules are evaluated all the time; this list shows what fires.")
    ordered = sorted(alerts, key=_urgency)
    items = [
        html.Li(
            [
                html.Div(
                    [
                        badge(f"{alert.severity} · {alert.state}", _severity(alert)),
                        html.Span(view.ago(alert.since), className="muted", title=view.time(alert.since)),
                    ],
                    className="alert-head",
                ),
                html.P([html.B(alert.title), f" {edge_name(alert.subject)}" if alert.subject else ""]),
                html.P(alert.summary, className="muted") if alert.summary else None,
            ],
            className="alert",
        )
        for alert in ordered
    ]
    return html.Ul(items, className="card alerts")


def _urgency(alert: AlertTile) -> tuple[bool, int, float]:
    rank = list(SEVERITIES).index(alert.severity) if alert.severity in SEVERITIES else len(SEVERITIES)
    return alert.state != "firing", rank, -alert.since.timestamp()


def _severity(alert: AlertTile) -> Status:
    return SEVERITIES.get(alert.severity, Status.NEUTRAL) if alert.state == "firing" else Status.NEUTRAL


def queue_cards(queues: Sequence[QueueDepth], view: View) -> Component:
    """Small multiples: each queue on its own scale, the furthest from usual first."""
    if not queues:
        return nothing("No queue reports its depth.", "Push the gauge retail.queue.depth to see queues here.")
    ordered = sorted(
        queues, key=lambda queue: (-_strangeness(queue), queue.system, queue.destination, queue.consumer_group)
    )
    return html.Div([_queue(queue, view) for queue in ordered], className="tiles")


def _strangeness(queue: QueueDepth) -> float:
    factor = formats.times_usual(queue.depth, queue.usual_depth)[1]
    return 0.0 if factor is None else min(factor, 1e6) if math.isfinite(factor) else 1e6


def _queue(queue: QueueDepth, view: View) -> Component:
    factor = formats.times_usual(queue.depth, queue.usual_depth)[1]
    peak = max((value for _, value in queue.series), default=queue.depth)
    usual = formats.count(queue.usual_depth)
    figure = figures.trend(
        queue.series,
        zone=view.zone,
        now=view.now,
        show=lambda value: f"{formats.count(value)} waiting",
        reference=queue.usual_depth,
        accent=factor is not None and factor >= 3,
        from_zero=True,
    )
    group = queue.consumer_group
    name = f"{queue.destination} for {group}" if group else queue.destination
    source = f"{queue.system} · {group}" if group else queue.system
    spoken = f"depth of {name} over time: now {formats.count(queue.depth)}, peak {formats.count(peak)}, usual {usual}"
    stale = view.stale(queue.at)
    return html.Article(
        [
            html.Div([html.H3(queue.destination, className="mono"), html.Small(source)], className="queue-head"),
            html.Div(
                [
                    html.Span(formats.count(queue.depth), className="queue-depth"),
                    badge(f"no reading since {view.time(queue.at)}", Status.WARN)
                    if stale
                    else usual_badge(queue.depth, queue.usual_depth),
                ],
                className="queue-now",
            ),
            figures.graph(figure, spoken, height=48),
            html.Div(
                [
                    html.Span(f"usual {usual}"),
                    html.Span(f"peak {formats.count(peak)}"),
                    html.Span(f"oldest {formats.duration(queue.oldest_age_s)}"),
                ],
                className="scale",
            ),
        ],
        className="card queue",
    )


def webhook_table(webhooks: Sequence[WebhookFailures], view: View) -> Component:
    """Deliveries that failed, the worst first."""
    if not webhooks:
        return nothing("No webhook was sent in this time.")
    rows = []
    for hook in sorted(webhooks, key=lambda hook: (-hook.failure_rate, hook.webhook)):
        bad = hook.failure_rate >= 0.05
        rate = formats.percent(hook.failure_rate)
        last: Component | None = None
        if hook.last_failure_at:
            said = f": {hook.last_error}" if hook.last_error else ""
            last = html.Small(f"last {view.ago(hook.last_failure_at)}{said}", title=view.time(hook.last_failure_at))
        rows.append(
            html.Tr(
                [
                    html.Th(
                        [html.Span(hook.webhook, className="strong"), html.Small(edge_name(hook.edge)), last],
                        scope="row",
                    ),
                    cell(
                        [
                            badge(rate, Status.BAD) if bad else html.Span(rate),
                            html.Small(
                                f"{formats.count(hook.failures)} of {formats.count(hook.attempts)}", className="nowrap"
                            ),
                        ],
                        "failed",
                        "num",
                    ),
                ]
            )
        )
    head = heads(("Webhook", ""), ("Failed", "num"))
    return html.Div(html.Table([head, html.Tbody(rows)], className="grid stack"), className="card flush")


STATE_WORDS = {
    TargetState.RUNNING: ("running", Status.GOOD),
    TargetState.PAUSED: ("paused", Status.WARN),
    TargetState.CHANGING: ("changing", Status.NEUTRAL),
    TargetState.UNKNOWN: ("unknown", Status.WARN),
}


def target_table(targets: Sequence[ControlTile], view: View) -> Component:
    """What can be paused and resumed, with its state and its last command."""
    if not targets:
        return nothing("Nothing can be paused from here.", "Name edges and workflows in the control file.")
    rows = []
    for target in targets:
        word, status = STATE_WORDS[target.state]
        last: Any = html.Span("no command yet", className="muted")
        if target.changed_at is not None:
            by = f" by {target.changed_by}" if target.changed_by else ""
            last = [
                html.Span(f"{view.ago(target.changed_at)}{by}", title=view.time(target.changed_at)),
                html.Small(f"“{target.reason}”") if target.reason else None,
            ]
        rows.append(
            html.Tr(
                [
                    html.Th(
                        [html.Span(edge_name(target.name), className="strong"), html.Small(target.kind)], scope="row"
                    ),
                    cell(badge(word, status), "state"),
                    cell(last, "last command"),
                    cell(_buttons(target), "action", "num"),
                ]
            )
        )
    head = heads(("Edge or workflow", ""), ("State", ""), ("Last command", ""), ("Action", "num"))
    return html.Div(html.Table([head, html.Tbody(rows)], className="grid stack"), className="card flush")


def _buttons(target: ControlTile) -> Component:
    actions = {
        TargetState.RUNNING: ("pause",),
        TargetState.PAUSED: ("resume",),
        TargetState.CHANGING: ("pause",),
        TargetState.UNKNOWN: ("pause", "resume"),
    }[target.state]
    return html.Div(
        [
            dmc.Button(
                action.capitalize(),
                id={"type": "control", "target": target.target_id, "action": action, "name": target.name},
                leftSection=html.Span(className=f"icon icon-{action}", **HIDDEN),
                variant="default",
                size="xs",
                n_clicks=0,
                disabled=target.state is TargetState.CHANGING,
                **aria(label=f"{action.capitalize()} {edge_name(target.name)}"),
            )
            for action in actions
        ],
        className="buttons",
    )
