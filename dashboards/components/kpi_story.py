"""The parts of the page of one key figure. Values in, components out; every choice is a link."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboards import figures, formats
from dashboards.aria import HIDDEN, aria, current
from dashboards.components.common import Child, Status, badge, cell, heads, nothing
from dashboards.components.kpi_card import judgement, sample_line
from dashboards.kpi_reads import CaseList, CaseRow, KpiStory, SplitPart
from dashboards.kpi_state import KpiState
from dashboards.reads import KpiTile, KpiValue
from dashboards.url_state import ProcessState
from dashboards.view import View

BUCKETS = 14
"""So many of the newest are listed."""
ROLE_NAMES = {
    "counted": "all counted",
    "numerator": "in the numerator",
    "misses": "not in the numerator",
    "open": "still open",
    "excluded": "left out",
}
WORSE = "worse than the target"
"""What misses are where something is measured."""
NOT_TOLD = "not told"
UNTELLING = "This figure is computed by a statement of its own, which does not tell its cases."


def choices(story: KpiStory, state: KpiState) -> Component:
    """Basis and length of a bucket."""
    bases = [
        _choice(name, state.but(basis=basis), on=basis == story.basis)
        for basis, name in story.bases
        if len(story.bases) > 1
    ]
    grains = [
        _choice(f"by {grain}", state.but(grain=grain, at=None), on=grain == state.grain) for grain in story.grains
    ]
    return html.Div(
        [
            html.Nav(bases, className="chips", **aria(label="Basis")) if bases else None,
            html.Nav(grains, className="chips", **aria(label="Counted by")),
        ],
        className="choices",
    )


def lead(story: KpiStory, state: KpiState, view: View) -> list[Child]:
    """The number of the bucket that is looked at, judged, with what it stands on."""
    period = formats.bucket(story.start, state.grain, view.zone)
    if story.reading is None or story.chosen is None:
        return [f"Nothing was computed for {period}."]
    reading = story.reading
    at_it = type(reading)(reading.label, story.chosen, reading.series)
    tile = KpiTile(story.kpi_id, story.title, "", (at_it,), story.target, story.min_sample)
    return [
        html.Div(
            [
                html.Span(formats.quantity(story.chosen.value, story.unit), className="kpi-value"),
                html.Span(f"{reading.label}, {period}" if reading.label else period, className="kpi-basis"),
            ],
            className="kpi-main",
        ),
        html.Div(judgement(tile, at_it, view), className="kpi-facts"),
        html.P(sample_line(at_it), className="muted"),
    ]


def trend(story: KpiStory, state: KpiState, view: View) -> Component:
    """The line over time with the target, and the newest buckets as links."""
    if story.reading is None or not story.reading.series:
        return nothing("Nothing has been computed yet.", "The jobs compute it about once a minute.")
    series = story.reading.series

    def show(value: float | None) -> str:
        return formats.quantity(value, story.unit)

    def when(value: KpiValue) -> str:
        return formats.bucket(value.bucket_start, state.grain, view.zone)

    known = [value.value for value in series if value.value is not None]
    figure = figures.trend(
        [(value.bucket_start, value.value) for value in series],
        zone=view.zone,
        now=view.now,
        show=show,
        reference=story.target,
        when=lambda at: formats.bucket(at, state.grain, view.zone),
    )
    first, last = series[0], series[-1]
    spoken = f"{story.title} from {when(first)} to {when(last)}"
    if known:
        spoken += f": lowest {show(min(known))}, highest {show(max(known))}"
    wanted = "" if story.target is None else f"dotted: target {show(story.target)}"
    scale = html.Div([html.Span(when(first)), html.Span(wanted), html.Span(when(last))], className="scale", **HIDDEN)
    rows = [_bucket(value, when(value), story, state) for value in reversed(series[-BUCKETS:])]
    head = heads((state.grain.capitalize(), ""), ("Value", "num"), ("n", "num"), ("Left out", "num"), ("Open", "num"))
    return html.Div(
        [
            html.Div([figures.graph(figure, spoken, height=160), scale], className="kpi-trend"),
            html.Table([head, html.Tbody(rows)], className="grid narrow"),
        ],
        className="card flush",
    )


def _bucket(value: KpiValue, name: str, story: KpiStory, state: KpiState) -> Component:
    on = value.bucket_start == story.start
    link = html.A(name, href=state.but(at=value.bucket_start).href, className="strong", **current(on))
    return html.Tr(
        [
            html.Th(link, scope="row", className="row-on" if on else ""),
            cell(formats.quantity(value.value, story.unit), "value", "num nowrap"),
            cell(formats.count(value.sample_size), "n", "num"),
            cell(formats.count(value.excluded), "left out", "num"),
            cell(formats.count(value.open_cases), "open", "num"),
        ]
    )


def explanation(story: KpiStory) -> Component:
    """How it is computed."""
    rows = [html.Div([html.Dt(label), html.Dd(text)]) for label, text in story.explanation.items()]
    return html.Div(html.Dl(rows, className="attributes"), className="card kpi-explained")


def parts(found: Sequence[SplitPart], story: KpiStory, state: KpiState) -> Component:
    """The number by the values of a dimension: bars of the value, with what each stands on."""
    if not story.dimensions:
        return nothing("This figure is not split by anything.")
    chosen = state.by or story.dimensions[0]
    links = html.Nav(
        [
            _choice(name.replace("_", " "), state.but(by=name, value=None), on=name == chosen)
            for name in story.dimensions
        ],
        className="chips",
        **aria(label="Split by"),
    )
    if not found:
        return html.Div(
            [html.Div(links, className="kpi-above"), html.P("No cases in this period.", className="more")],
            className="card flush",
        )
    most = max((abs(part.figure) for part in found if part.figure is not None), default=0.0)
    few = heads(
        (chosen.replace("_", " ").capitalize(), ""), ("Value", ""), ("n", "num"), ("Left out", "num"), ("Open", "num")
    )
    rows = [_part(part, chosen, most, story, state) for part in found]
    return html.Div(
        [html.Div(links, className="kpi-above"), html.Table([few, html.Tbody(rows)], className="grid stack")],
        className="card flush",
    )


def _part(part: SplitPart, by: str, most: float, story: KpiStory, state: KpiState) -> Component:
    on = not part.other and state.by == by and state.value == part.value
    if part.other:
        noun = "value" if part.values == 1 else "values"
        name: Component = html.Span(f"{formats.count(part.values)} other {noun}", className="muted")
    elif not story.roles:
        name = html.Span(part.value or NOT_TOLD, className="strong")
    else:
        to = state.but(by=by, value=None if on else part.value)
        name = html.A(part.value or NOT_TOLD, href=to.href, className="strong", title="only its cases", **current(on))
    share = 0.0 if not most or part.figure is None else min(1.0, abs(part.figure) / most)
    missed = part.figure is not None and story.target is not None and not _meets(part.figure, story)
    signs: list[Child] = [formats.quantity(part.figure, story.unit)]
    if missed:
        signs.append(badge("misses", Status.BAD))
    if part.figure is not None and part.sample_size < story.min_sample:
        signs.append(badge("small sample", Status.WARN))
    return html.Tr(
        [
            html.Th(name, scope="row", className="row-on" if on else ""),
            cell(
                [
                    html.Div(signs, className="kpi-part"),
                    html.Span(html.Span(style={"width": f"{share:.1%}"}), className="variant-bar", **HIDDEN),
                ],
                "value",
            ),
            cell(formats.count(part.sample_size), "n", "num"),
            cell(formats.count(part.excluded), "left out", "num"),
            cell(formats.count(part.open_cases), "open", "num"),
        ]
    )


def cases(found: CaseList | None, story: KpiStory, state: KpiState, view: View) -> Component:
    """The cases behind the number: by role, each with its link to the process page."""
    if found is None or not story.roles:
        return nothing(UNTELLING)
    roles = html.Nav(
        [_choice(_role_name(role, found, story), state.but(role=role), on=role == found.role) for role in story.roles],
        className="chips",
        **aria(label="Which cases"),
    )
    by = state.by if state.value is not None else ""
    above: list[Child] = [roles]
    if by:
        above.append(
            html.P(
                [
                    f"Only {by.replace('_', ' ')} {state.value or NOT_TOLD}. ",
                    html.A("All", href=state.but(value=None).href),
                ],
                className="muted",
            )
        )
    if found.reasons:
        above.append(_left_out(found))
    if not found.cases:
        return html.Div(
            [html.Div(above, className="kpi-above"), html.P("No such case.", className="more")], className="card flush"
        )
    contribution = "Reason" if found.role == "excluded" else "Contributes"
    head = heads(("Case", ""), ("When", ""), (contribution, "" if found.role == "excluded" else "num"))
    more: list[Child] = []
    if state.after:
        more.append(html.A("Back to the first", href=state.but().href))
    if found.following:
        more.append(html.A("More cases", href=state.but(after=found.following).href))
    return html.Div(
        [
            html.Div(above, className="kpi-above"),
            html.Table(
                [head, html.Tbody([_case(one, found, story, view) for one in found.cases])], className="grid stack"
            ),
            html.P(more, className="more choices") if more else None,
        ],
        className="card flush",
    )


def _left_out(found: CaseList) -> Component:
    """Whichever cases are listed: why others are not in the number."""
    rows = [html.Li(f"{formats.count(number)}: {reason}") for reason, number in found.reasons]
    return html.Div([html.P("Left out of the number:"), html.Ul(rows)], className="muted")


def _case(one: CaseRow, found: CaseList, story: KpiStory, view: View) -> Component:
    role, name = found.role, list[Child]()
    if found.of_cases and one.case_id:
        to = ProcessState(stream=one.stream, case=one.case_id).href
        name.append(html.A(one.case_id, href=to, className="strong mono case-link", title="open the case"))
    elif one.case_id:
        name.append(html.Span(one.case_id, className="strong mono"))
    if one.trace_id:
        label = f"trace {one.trace_id} on the API"
        link = html.A(f"trace {one.trace_id[:8]}…", href=f"/api/v1/traces/{one.trace_id}", **aria(label=label))
        name.append(html.Small(link))
        return _row(name, one, role, story, view)
    if one.subject not in ("", one.case_id):
        name.append(html.Small(one.subject))
    return _row(name, one, role, story, view)


def _row(name: list[Child], one: CaseRow, role: str, story: KpiStory, view: View) -> Component:
    if role == "excluded":
        last = cell(one.reason, "reason")
    else:
        last = cell(_contribution(one, role, story), "contributes", "num nowrap")
    return html.Tr([html.Th(name, scope="row"), cell(view.time(one.at), "when", "nowrap"), last])


def _contribution(one: CaseRow, role: str, story: KpiStory) -> str:
    if role == "open":
        return "open"
    if story.unit == "ratio":
        return f"{formats.number(one.numerator)} of {formats.number(one.denominator)}"
    return formats.quantity(one.numerator, "count" if story.unit == "per_case" else story.unit)


def _role_name(role: str, found: CaseList, story: KpiStory) -> str:
    count = found.counts.get(role)
    name = WORSE if role == "misses" and story.unit != "ratio" else ROLE_NAMES[role]
    return name + ("" if count is None else f" {formats.count(count)}")


def _meets(figure: float, story: KpiStory) -> bool:
    assert story.target is not None  # asked of figures with a target
    return figure >= story.target if story.direction == "up" else figure <= story.target


def _choice(name: str, to: KpiState, *, on: bool) -> Component:
    return html.A(name, href=to.href, className=f"chip{' chip-on' if on else ''}", **current(on, "true"))
