"""A KPI as a card: `KpiTile -> Component`. The value never stands without what it was counted on."""

from __future__ import annotations

from datetime import timedelta

from dash import html
from dash.development.base_component import Component

from dashboards import figures, formats
from dashboards.aria import HIDDEN, aria
from dashboards.components.common import Status, about, badge
from dashboards.kpi_state import KpiState
from dashboards.reads import KpiReading, KpiTile, KpiValue
from dashboards.view import View

MAX_CHIPS = 4
RECOMPUTED_WITHIN = timedelta(hours=26)
"""Everything is computed anew once a day, untouched buckets too; an older value means that the jobs stand still."""


def kpi_card(tile: KpiTile, view: View) -> Component:
    """The headline reading with trend, change, target and sample; other bases as chips."""
    slug = f"kpi-{tile.kpi_id}"
    if not tile.readings:
        return html.Article(
            [_head(tile, view, slug), html.P("Not computed yet.", className="muted")],
            className="card kpi",
            **aria(labelledby=slug),
        )
    reading = tile.readings[0]
    return html.Article(
        [
            _head(tile, view, slug),
            html.Div(
                [
                    html.Span(formats.quantity(reading.latest.value, reading.latest.unit), className="kpi-value"),
                    html.Span(_basis(reading, view), className="kpi-basis"),
                ],
                className="kpi-main",
            ),
            html.Div(judgement(tile, reading, view), className="kpi-facts"),
            _trend(tile, reading, view),
            html.Ul(
                [_chip(other) for other in tile.readings[1 : MAX_CHIPS + 1]],
                className="chips",
                **aria(label=f"{tile.title}: other bases"),
            )
            if len(tile.readings) > 1
            else None,
            html.P(sample_line(reading), className="kpi-sample"),
        ],
        className="card kpi",
        **aria(labelledby=slug),
    )


def _basis(reading: KpiReading, view: View) -> str:
    period = formats.bucket(reading.latest.bucket_start, reading.latest.grain, view.zone)
    return f"{reading.label}, {period}" if reading.label else period


def sample_line(reading: KpiReading) -> str:
    """What the number stands on, in one line."""
    latest = reading.latest
    parts = [f"n{formats.NBSP}{formats.count(latest.sample_size)}"]
    parts.append(f"{formats.count(latest.excluded)}{formats.NBSP}left{formats.NBSP}out")
    parts.append(f"{formats.count(latest.open_cases)}{formats.NBSP}open")
    parts.append(f"definition{formats.NBSP}v{latest.version}")
    return " · ".join(parts)


def _grain(tile: KpiTile) -> str:
    return tile.readings[0].latest.grain if tile.readings else "day"


def _head(tile: KpiTile, view: View, slug: str) -> Component:
    return html.Div(
        [
            html.H3(html.A(tile.title, href=KpiState(tile.kpi_id, grain=_grain(tile)).href), id=slug),
            about(f"About {tile.title}", _details(tile, view)),
        ],
        className="card-head",
    )


def judgement(tile: KpiTile, reading: KpiReading, view: View) -> list[Component | None]:
    """The change against the bucket before, the target, and what to be careful about."""
    latest, previous = reading.latest, reading.previous
    facts: list[Component | None] = []
    change = formats.delta(latest.value, previous.value if previous else None, latest.unit, latest.direction)
    if latest.value is None:
        facts.append(badge("no decided cases yet" if latest.open_cases else "no cases", Status.NEUTRAL))
    elif change is None or previous is None:
        facts.append(html.Span("no earlier period", className="muted"))
    else:
        status = {"better": Status.GOOD, "worse": Status.BAD}.get(change.tone, Status.NEUTRAL)
        word = f" {change.tone}" if status is not Status.NEUTRAL else ""
        facts.append(badge(f"{change.text}{word}", status))
        facts.append(
            html.Span(f"vs {formats.bucket(previous.bucket_start, previous.grain, view.zone)}", className="muted")
        )
    if tile.target is not None and latest.value is not None:
        met = latest.value >= tile.target if latest.direction == "up" else latest.value <= tile.target
        wanted = f"{'≥' if latest.direction == 'up' else '≤'}{formats.NBSP}{formats.quantity(tile.target, latest.unit)}"
        facts.append(
            html.Span(
                [
                    html.Span(
                        ("target met so far" if _may_still_miss(latest, tile.target) else "target met")
                        if met
                        else "target missed",
                        className=f"word-{'good' if met else 'bad'}",
                    ),
                    f" ({wanted})",
                ],
                className="target",
            )
        )
    if latest.value is not None and latest.sample_size < tile.min_sample:
        facts.append(badge("small sample", Status.WARN, f"fewer than {tile.min_sample} cases: read with care"))
    if view.now - latest.computed_at > RECOMPUTED_WITHIN:
        facts.append(badge(f"computed {view.ago(latest.computed_at)}", Status.WARN))
    return facts


def _may_still_miss(latest: KpiValue, target: float) -> bool:
    """Whether a share that meets its target would miss it if every open case turned out badly."""
    if latest.unit != "ratio" or latest.direction != "up" or not latest.open_cases or not latest.sample_size:
        return False
    weight = latest.denominator / latest.sample_size  # of one case, where the basis is no count of cases
    return latest.numerator / (latest.denominator + weight * latest.open_cases) < target


def _trend(tile: KpiTile, reading: KpiReading, view: View) -> Component:
    latest = reading.latest

    def show(value: float | None) -> str:
        return formats.quantity(value, latest.unit)

    points = [(value.bucket_start, value.value) for value in reading.settled]
    known = [value for _, value in points if value is not None]
    figure = figures.trend(
        points,
        zone=view.zone,
        now=view.now,
        show=show,
        reference=tile.target,
        when=lambda at: formats.bucket(at, latest.grain, view.zone),
    )
    if not known:
        return html.Div(html.Span("no trend yet", className="muted"), className="figure figure-none")
    first, last = points[0][0], points[-1][0]
    spoken = (
        f"{tile.title} from {formats.bucket(first, latest.grain, view.zone)} to "
        f"{formats.bucket(last, latest.grain, view.zone)}: lowest {show(min(known))}, highest {show(max(known))}, "
        f"latest {show(latest.value)}"
    )
    scale = html.Div(
        [
            html.Span(formats.bucket(first, latest.grain, view.zone)),
            html.Span(f"{show(min(known))} to {show(max(known))}"),
            html.Span(formats.bucket(last, latest.grain, view.zone)),
        ],
        className="scale",
        **HIDDEN,
    )
    return html.Div([figures.graph(figure, spoken, height=56), scale])


def _chip(reading: KpiReading) -> Component:
    latest = reading.latest
    return html.Li(
        [html.Span(reading.label, className="chip-label"), html.B(formats.quantity(latest.value, latest.unit))],
        className="chip",
        title=sample_line(reading).replace(formats.NBSP, " "),
    )


def _details(tile: KpiTile, view: View) -> list[Component | str | None]:
    if not tile.readings:
        return [html.P(tile.definition)]
    rows = [
        html.Tr(
            [
                html.Th(reading.label or "all", scope="row"),
                html.Td(formats.quantity(reading.latest.value, reading.latest.unit)),
                html.Td(formats.count(reading.latest.sample_size)),
                html.Td(formats.count(reading.latest.excluded)),
                html.Td(formats.count(reading.latest.open_cases)),
            ]
        )
        for reading in tile.readings
    ]
    latest = tile.readings[0].latest
    return [
        html.P(tile.definition),
        html.Table(
            [
                html.Thead(
                    html.Tr([html.Th(text, scope="col") for text in ("basis", "value", "n", "left out", "open")])
                ),
                html.Tbody(rows),
            ],
            className="mini",
        ),
        html.P(
            f"Definition {tile.kpi_id} v{latest.version}"
            + (f", owned by {tile.owner}" if tile.owner else "")
            + f". Bucket {formats.bucket(latest.bucket_start, latest.grain, view.zone)}, data through "
            f"{view.time(latest.data_through)}, computed {view.time(latest.computed_at)}.",
            className="muted",
        ),
    ]
