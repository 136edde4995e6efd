"""The one place where Plotly figures are made.

Figures carry no text, axes or background of their own: labels are HTML beside them, so that type, contrast and theme
stay with the page, and colours are chosen to be seen on light and dark alike. `GRAPH_CONFIG` switches off what would
send data elsewhere (the share button) and what a small picture does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import dcc, html

from dashboards import formats
from dashboards.aria import aria

INK = "#4c7fd9"  # 3:1 or better on the light and the dark card
MUTED = "#8a94a6"
ALERT = "#d9563f"

GRAPH_CONFIG: dict[str, Any] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
    "showEditInChartStudio": False,
    "showTips": False,
    "doubleClick": False,
    "scrollZoom": False,
    "responsive": True,
}

Point = tuple[datetime, float | None]
Figure = dict[str, Any]
"""Plain data in Plotly's format: building it through plotly.py took ten times as long."""


def trend(
    points: Sequence[Point],
    *,
    zone: ZoneInfo,
    now: datetime,
    show: Callable[[float | None], str],
    reference: float | None = None,
    accent: bool = False,
    from_zero: bool = False,
    when: Callable[[datetime], str] | None = None,
) -> Figure:
    """A small line over time. `reference` is drawn dashed (a target, or what is usual); gaps in the data stay gaps."""
    name = when or (lambda at: formats.clock_time(at, zone, now))
    xs = [at.astimezone(zone).replace(tzinfo=None).isoformat() for at, _ in points]
    ys = [value for _, value in points]
    colour = ALERT if accent else INK
    line: dict[str, Any] = {
        "type": "scatter",
        "x": xs,
        "y": ys,
        "mode": "lines" if len(points) > 1 else "markers",
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "size": 6},
        "text": [f"{name(at)}: <b>{show(value)}</b>" for at, value in points],
        "hovertemplate": "%{text}<extra></extra>",
        "connectgaps": False,
    }
    if from_zero:
        line |= {"fill": "tozeroy", "fillcolor": _soft(colour)}
    traces = [line]
    if len(points) > 1 and ys[-1] is not None:
        dot = {"x": xs[-1:], "y": ys[-1:], "mode": "markers", "marker": {"color": colour, "size": 6}}
        traces.append({"type": "scatter", "hoverinfo": "skip", **dot})
    dotted = {"color": MUTED, "width": 1, "dash": "dot"}
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": reference, "y1": reference, "line": dotted}
    low, high = _range([value for value in (*ys, reference) if value is not None], from_zero)
    layout = {
        "margin": {"l": 3, "r": 5, "t": 4, "b": 3},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": False,
        "hovermode": "x",
        "hoverlabel": {"bgcolor": "#1f2733", "bordercolor": "#1f2733", "font": {"color": "#ffffff", "size": 12}},
        "xaxis": {"visible": False, "fixedrange": True, "type": "date"},
        "yaxis": {"visible": False, "fixedrange": True, "range": [low, high]},
        "shapes": [] if reference is None else [across],
    }
    return {"data": traces, "layout": layout}


def graph(figure: Figure, label: str, *, height: int) -> html.Div:
    """The figure as a picture with a text alternative; screen readers get the label alone."""
    config: Any = GRAPH_CONFIG
    inner = dcc.Graph(figure=figure, config=config, style={"height": height, "width": "100%"})
    return html.Div(inner, className="figure", role="img", style={"height": height}, **aria(label=label))


def _range(values: Sequence[float], from_zero: bool) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if from_zero:
        low = min(low, 0.0)
    pad = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    return (low if from_zero and low == 0 else low - pad), high + pad


def _soft(colour: str) -> str:
    red, green, blue = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"
