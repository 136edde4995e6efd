"""API latency as a sortable table. The grid is made once; a refresh replaces its rows and leaves the sorting alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
from dash import html
from dash.development.base_component import Component

from dashboards import formats
from dashboards.components.common import Status, badge, cell, heads
from dashboards.reads import ApiLatency

GRID_ID = "latency-grid"
ERROR_RATE_BAD = 0.05


def latency_grid() -> Component:
    """An empty grid with its columns."""
    made: Component = dag.AgGrid(
        id=GRID_ID,
        rowData=[],
        columnDefs=_columns(),
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True, "flex": 1, "minWidth": 84},
        getRowId="params.data.key",
        dashGridOptions={
            "domLayout": "autoHeight",
            "rowHeight": 36,
            "headerHeight": 36,
            "animateRows": False,
            "enableCellTextSelection": True,
            "ensureDomOrder": True,
            "suppressCellFocus": False,
            "suppressColumnVirtualisation": True,
            "tooltipShowDelay": 300,
        },
        className="ag-theme-opsintel",
        style={"height": None, "width": "100%"},
    )
    return made


def latency_rows(rows: Sequence[ApiLatency]) -> list[dict[str, Any]]:
    """The grid's rows; numbers stay numbers, the grid formats them, so that sorting is by value."""
    return [
        {
            "key": f"{row.system}\u001f{row.operation}",
            "system": row.system,
            "operation": row.operation,
            "calls": row.calls,
            "errors": row.errors,
            "error_rate": row.error_rate,
            "p50": row.p50_ms,
            "p95": row.p95_ms,
            "p99": row.p99_ms,
        }
        for row in slowest_first(rows)
    ]


def latency_list(rows: Sequence[ApiLatency]) -> Component:
    """The same rows for a narrow screen, slowest first, where a grid of seven columns cannot be read."""
    head = heads(("Operation", ""), ("Calls", ""), ("Errors", ""), ("p50 · p95 · p99", ""))
    body = [
        html.Tr(
            [
                html.Th([html.Span(row.operation, className="strong"), html.Small(row.system)], scope="row"),
                cell(formats.count(row.calls), "calls"),
                cell(
                    badge(formats.percent(row.error_rate), Status.BAD)
                    if row.error_rate >= ERROR_RATE_BAD
                    else formats.percent(row.error_rate),
                    "errors",
                ),
                cell(
                    " · ".join(formats.milliseconds(value) for value in (row.p50_ms, row.p95_ms, row.p99_ms)),
                    "p50 · p95 · p99",
                ),
            ]
        )
        for row in slowest_first(rows)
    ]
    return html.Div(html.Table([head, html.Tbody(body)], className="grid stack"), className="card flush narrow-only")


def slowest_first(rows: Sequence[ApiLatency]) -> list[ApiLatency]:
    """By the 95th percentile."""
    return sorted(rows, key=lambda row: (-row.p95_ms, row.system, row.operation))


def _columns() -> list[dict[str, Any]]:
    def number(field: str, name: str, shown: str, **extra: Any) -> dict[str, Any]:
        return {
            "field": field,
            "headerName": name,
            "type": "rightAligned",
            "valueFormatter": {"function": f"{shown}(params.value)"},
            "sortingOrder": ["desc", "asc", None],
            **extra,
        }

    bad = f"params.value >= {ERROR_RATE_BAD}"
    return [
        {"field": "operation", "headerName": "Operation", "flex": 3, "minWidth": 180, "tooltipField": "operation"},
        {"field": "system", "headerName": "System", "flex": 2, "minWidth": 160},
        number("calls", "Calls", "opsCount"),
        number("error_rate", "Errors", "opsPercent", cellClassRules={"cell-bad": bad}),
        number("p50", "p50", "opsMillis"),
        number("p95", "p95", "opsMillis", sort="desc"),
        number("p99", "p99", "opsMillis"),
    ]
