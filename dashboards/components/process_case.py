"""One case: its steps and waits on one line of time, the spans of its traces below, and everything as a table.

The line of time runs from the first step to the last, or to now while the case is open, so that what it waits for
shows as long as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import aria, data
from dashboards.components.common import Child, Status, about, badge, cell, heads
from dashboards.process_reads import CaseTimeline, TimelineSpan, TimelineStep
from dashboards.url_state import ProcessState
from dashboards.view import View

TABLE_STEPS, TRACES, ATTRIBUTES = 60, 12, 24
LANES = 12


def case_view(found: CaseTimeline | None, state: ProcessState, view: View, *, watched: bool) -> Component | None:
    """The case; None when none is chosen. `watched`: it is known when cases of its stream end."""
    if found is None:
        return None
    open_ = not found.outcome
    end = max(view.now, found.last) if open_ and watched else found.last
    return html.Div(
        [
            _head(found, state, view, open_=open_, watched=watched),
            _facts(found, view, end, waits=open_ and watched),
            _chart(found, view, end, waits=open_ and watched),
            html.Div(
                [_steps(found, view), html.Div([_traces(found, view), _attributes(found)])], className="case-split"
            ),
        ],
        className="card case",
    )


def close_link(state: ProcessState) -> Component:
    """Out of the case, back to the process."""
    return html.A("Close", href=state.but(case="").href, className="pm-close", **data(key="close-case"))


def _head(found: CaseTimeline, state: ProcessState, view: View, *, open_: bool, watched: bool) -> Component:
    last = found.steps[-1] if found.steps else None
    if open_ and watched and last is not None:
        state_word = badge("open", Status.WARN)
        text = f"stands after {words(last.step)} for {formats.duration((view.now - last.end).total_seconds())}"
    elif open_:
        state_word, text = badge("no end known", Status.NEUTRAL), "nothing says when cases of this stream end"
    else:
        state_word = badge("closed", Status.GOOD)
        text = words(found.outcome) + (f" {view.time(found.closed_at)}" if found.closed_at else "")
    value = formats.money_exact(found.value, found.currency) if found.value is not None else "value unknown"
    return html.Div(
        [
            html.B(found.case_id, className="mono case-id"),
            html.Span(found.stream, className="muted"),
            state_word,
            html.Span(text),
            html.Span(value, className="case-value"),
            close_link(state),
        ],
        className="case-head",
    )


def _facts(found: CaseTimeline, view: View, end: datetime, *, waits: bool) -> Component:
    facts = [
        ("began", view.time(found.first)),
        ("last event", view.time(found.last)),
        ("first to last", formats.duration(found.duration_s)),
        ("waiting", formats.duration(found.waiting_s)),
        ("working", formats.duration(found.working_s)),
        ("unknown", formats.duration(found.unknown_s)),
    ]
    if waits:
        facts.append(("waiting now", formats.duration((end - found.last).total_seconds())))
    return html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in facts], className="case-facts")


# --- the line of time ---


class _Scale:
    """Turns times into percentages of the width."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self.first = first
        self.seconds = max((last - first).total_seconds(), 0.001)

    def at(self, when: datetime) -> float:
        return min(max((when - self.first).total_seconds() / self.seconds * 100, 0.0), 100.0)

    def style(self, start: datetime, end: datetime) -> dict[str, str]:
        left = self.at(start)
        return {"left": f"{left:.3f}%", "width": f"{max(self.at(end) - left, 0):.3f}%"}


def _chart(found: CaseTimeline, view: View, end: datetime, *, waits: bool) -> Component:
    starts = [step.start or step.end for step in found.steps] + [span.start for span in found.spans]
    first = min([found.first, *starts]) if found.total_steps <= len(found.steps) else min(starts, default=found.first)
    ends = [span.start + timedelta(seconds=span.duration_s) for span in found.spans]
    scale = _Scale(first, max([end, *ends]))
    lanes = [_lane("steps", _marks(found.steps, scale, view), "lane-steps")]
    known = sum(step.worked_s or 0 for step in found.steps), sum(step.waited_s or 0 for step in found.steps)
    unknown = sum(step.unknown_s or 0 for step in found.steps)
    now_s = (end - found.last).total_seconds() if waits and end > found.last else 0.0
    lanes += [
        _time_lane("waiting", known[1] + now_s, _waits(found, scale, end, waits=waits)),
        _time_lane("working", known[0], _works(found.steps, scale)),
        _time_lane("unknown", unknown, _unknowns(found.steps, scale)),
    ]
    by_system: dict[str, list[TimelineSpan]] = defaultdict(list)
    for span in found.spans:
        by_system[span.system or "unknown system"].append(span)
    ordered = sorted(by_system.items(), key=lambda item: (min(span.start for span in item[1]), item[0]))
    for place, (system, spans) in enumerate(ordered[:LANES]):
        errors = sum(span.error for span in spans)
        note = badge(f"{errors} failed", Status.BAD) if errors else None
        lanes.append(
            _lane(
                [system, note],
                [_span(span, scale, view) for span in spans],
                "lane-spans lane-spans-first" if not place else "lane-spans",
            )
        )
    notes = []
    if found.total_steps > len(found.steps):
        notes.append(f"the newest {formats.count(len(found.steps))} of {formats.count(found.total_steps)} steps")
    if found.total_spans > len(found.spans):
        kept, total = formats.count(len(found.spans)), formats.count(found.total_spans)
        notes.append(f"{kept} of {total} spans, the failed and the longest")
    if len(ordered) > LANES:
        notes.append(f"{len(ordered) - LANES} more systems")
    spoken = (
        f"Time line from {view.time(scale.first)} to {view.time(scale.first + timedelta(seconds=scale.seconds))}: "
        f"{len(found.steps)} steps, {len(found.spans)} spans in {len(ordered)} systems, "
        f"{sum(span.error for span in found.spans)} of them failed"
    )
    return html.Div(
        [
            html.Div(lanes, className="lanes", role="group", **aria(label=spoken.replace(formats.NBSP, " "))),
            html.Div(
                [
                    html.Span(view.time(scale.first)),
                    html.Span(formats.duration(scale.seconds)),
                    html.Span("now" if waits else view.time(scale.first + timedelta(seconds=scale.seconds))),
                ],
                className="scale lane-scale",
            ),
            html.P(
                [
                    html.Span([html.Span(className="key key-instant"), "a step is done"], className="pm-key"),
                    html.Span([html.Span(className="key key-wait"), "waiting: nobody works on it"], className="pm-key"),
                    html.Span([html.Span(className="key key-now"), "waiting now"], className="pm-key")
                    if waits
                    else None,
                    html.Span([html.Span(className="key key-work"), "working"], className="pm-key"),
                    html.Span([html.Span(className="key key-unknown"), "unknown, may be work"], className="pm-key"),
                    html.Span([html.Span(className="key key-span"), "span of a trace"], className="pm-key"),
                    html.Span([html.Span("✕", className="key-error"), "failed span"], className="pm-key"),
                ],
                className="pm-keys",
            ),
            html.P(f"Shown: {'; '.join(notes)}.", className="muted") if notes else None,
            None if found.spans else html.P("No spans of this case's traces are stored.", className="muted"),
        ],
        className="case-chart",
    )


def _lane(name: Child | list[Child], parts: Sequence[Component], extra: str) -> Component:
    return html.Div(
        [html.Div(name, className="lane-name"), html.Div(list(parts), className="lane-line")],
        className=f"lane {extra}",
    )


def _time_lane(name: str, seconds: float, parts: Sequence[Component]) -> Component:
    return _lane([html.Span(name), html.B(formats.duration(seconds))], parts, "lane-time")


def _stretch(kind: str, title: str, style: dict[str, str]) -> Component:
    return html.Span(className=f"tl tl-{kind}", style=style, title=title.replace(formats.NBSP, " "))


def _before(
    steps: Sequence[TimelineStep], scale: _Scale, lengths: Sequence[float | None], kind: str
) -> list[Component]:
    """What lies before each step."""
    parts = []
    for step, seconds in zip(steps, lengths, strict=True):
        if seconds:
            until = step.start or step.end
            meaning = {"wait": "waiting"}.get(kind, kind)
            title = f"{formats.duration(seconds)} {meaning} before {words(step.step)}"
            parts.append(_stretch(kind, title, scale.style(until - timedelta(seconds=seconds), until)))
    return parts


def _waits(found: CaseTimeline, scale: _Scale, end: datetime, *, waits: bool) -> list[Component]:
    """The waiting before each step, and what the case waits now."""
    parts = _before(found.steps, scale, [step.waited_s for step in found.steps], "wait")
    if waits and end > found.last:
        length = formats.duration((end - found.last).total_seconds())
        parts.append(_stretch("wait tl-now", f"waiting now, for {length}", scale.style(found.last, end)))
    return parts


def _unknowns(steps: Sequence[TimelineStep], scale: _Scale) -> list[Component]:
    return _before(steps, scale, [step.unknown_s for step in steps], "unknown")


def _works(steps: Sequence[TimelineStep], scale: _Scale) -> list[Component]:
    return [
        _stretch(
            "work",
            f"{words(step.step)}: {formats.duration((step.end - step.start).total_seconds())} of work",
            scale.style(step.start, step.end),
        )
        for step in steps
        if step.start is not None
    ]


def _marks(steps: Sequence[TimelineStep], scale: _Scale, view: View) -> list[Component]:
    """Where each step was done."""
    return [
        _stretch("instant", f"{words(step.step)}: {view.time(step.end)}", {"left": f"{scale.at(step.end):.3f}%"})
        for step in steps
    ]


def _span(span: TimelineSpan, scale: _Scale, view: View) -> Component:
    style = scale.style(span.start, span.start + timedelta(seconds=span.duration_s))
    title = f"{span.name} ({span.kind}), {view.time(span.start)}, {formats.duration(span.duration_s)}"
    if span.error:
        title += f", failed{': ' + span.status_message if span.status_message else ''}"
    return html.Span(
        "✕" if span.error else None,
        className=f"tl tl-span{' tl-error' if span.error else ''}",
        style=style,
        title=title.replace(formats.NBSP, " "),
    )


# --- as tables ---


def _steps(found: CaseTimeline, view: View) -> Component:
    rows = []
    for step in found.steps[-TABLE_STEPS:]:
        who = " · ".join(part for part in (step.system, step.resource, step.actor) if part)
        before: Child = formats.duration(step.waited_s) if step.waited_s is not None else None
        if before is None:
            before = f"{formats.duration(step.unknown_s)} unknown" if step.unknown_s else formats.MISSING
        rows.append(
            html.Tr(
                [
                    html.Th([html.Span(words(step.step), className="strong"), html.Small(who)], scope="row"),
                    cell(before, "wait before", "num"),
                    cell("unknown" if step.worked_s is None else formats.duration(step.worked_s), "work", "num"),
                    cell(view.time(step.end), "done", "num nowrap"),
                ]
            )
        )
    hidden = found.total_steps - len(rows)
    head = heads(("Step", ""), ("Wait before", "num"), ("Work", "num"), ("Done", "num"))
    return html.Div(
        [
            html.H3("Steps"),
            html.P(f"{formats.count(hidden)} earlier steps are not listed", className="muted") if hidden else None,
            html.Table([head, html.Tbody(rows)], className="grid stack"),
        ]
    )


def _traces(found: CaseTimeline, view: View) -> Component:
    by_trace: dict[str, list[TimelineSpan]] = defaultdict(list)
    for span in found.spans:
        by_trace[span.trace_id].append(span)
    ordered = sorted(by_trace.items(), key=lambda item: (-sum(span.error for span in item[1]), item[1][0].start))
    rows = []
    for trace_id, spans in ordered[:TRACES]:
        errors = sum(span.error for span in spans)
        first = min(spans, key=lambda span: span.start)
        rows.append(
            html.Tr(
                [
                    html.Th(
                        [
                            html.A(
                                trace_id[:12] + "…",
                                href=f"/api/v1/traces/{trace_id}",
                                title=trace_id,
                                className="mono",
                                **aria(label=f"trace {trace_id} on the API"),
                            ),
                            html.Small(f"{first.name} at {first.system or 'unknown system'}"),
                        ],
                        scope="row",
                    ),
                    cell(view.time(first.start), "began", "num nowrap"),
                    cell(
                        [
                            html.Span(f"{len(spans)} spans", className="nowrap"),
                            badge(f"{errors} failed", Status.BAD) if errors else None,
                        ],
                        "spans",
                        "num",
                    ),
                ]
            )
        )
    if not rows:
        return html.Div([html.H3("Traces"), html.P("None is stored.", className="muted")])
    more = found.total_traces - len(rows)
    head = heads(("Trace", ""), ("Began", "num"), ("Spans", "num"))
    return html.Div(
        [
            html.H3("Traces"),
            html.Table([head, html.Tbody(rows)], className="grid stack"),
            html.P(f"and {formats.count(more)} more", className="muted more") if more > 0 else None,
        ]
    )


def _attributes(found: CaseTimeline) -> Component:
    given = sorted(found.attributes.items())
    rows = [html.Div([html.Dt(name), html.Dd(value or formats.MISSING)]) for name, value in given[:ATTRIBUTES]]
    more = len(given) - ATTRIBUTES
    basis = about(
        "About attributes",
        [html.P("An attribute's value is the first one that an event of the case gave."),
         html.P("Unknown time lies before an event whose start is not known: it may have been work.")],
    )  # fmt: skip
    return html.Div(
        [
            html.Div([html.H3("Attributes"), basis], className="card-head"),
            html.Dl(rows, className="attributes") if rows else html.P("None was given.", className="muted"),
            html.P(f"and {formats.count(more)} more", className="muted more") if more > 0 else None,
        ]
    )
