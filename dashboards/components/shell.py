"""The frame of every page: skip link, links to the pages, state of the data, notice, theme and refresh switches."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboards.aria import HIDDEN, aria, current

FONT = "var(--font)"
MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", Menlo, Consolas, monospace'
THEME: dict[str, Any] = {
    "fontFamily": FONT,
    "fontFamilyMonospace": MONO,
    "primaryColor": "blue",
    "primaryShade": 8,
    "defaultRadius": "sm",
    "cursorType": "pointer",
    "respectReducedMotion": True,
}


PAGES = {"/": "Overview", "/process": "Process", "/kpis": "Key figures"}
"""The pages there are, by their path."""
BELOW = {"/kpi": "Key figure"}
"""Pages that one comes to from others, and not by the bar."""


def shell(notice: str | None) -> Component:
    """What all pages share; `notice` is shown on top of them for as long as it is true.

    The regions `bar` and `main` are filled for the page that the address names.
    """
    made: Component = dmc.MantineProvider(
        html.Div(
            [
                dcc.Location(id="url", refresh=False),
                html.A("Skip to content", href="#main", className="skip"),
                html.Div(id="bar"),
                html.Div(
                    [html.Span(className="icon icon-info", **HIDDEN), html.Span(notice)],
                    className="banner banner-notice",
                    role="note",
                )
                if notice
                else None,
                html.Main(id="main", tabIndex="-1"),
            ],
            className="app",
        ),
        theme=THEME,
        defaultColorScheme="auto",
    )
    return made


def bar(path: str, zone_name: str, prefix: str = "") -> Component:
    """The header of the page at `path`; its ids begin with `prefix`, for every page refreshes by itself."""
    return html.Header(
        [
            html.Div(
                [
                    html.Span(className="mark", **HIDDEN),
                    html.Span("opsintel", className="brand"),
                    html.Nav(
                        [
                            html.A(
                                name,
                                href=where,
                                className=f"page-name{' page-here' if where == path else ''}",
                                **current(where == path, "page"),
                            )
                            for where, name in PAGES.items()
                        ],
                        className="pages",
                        **aria(label="Pages"),
                    ),
                ],
                className="bar-left",
            ),
            html.Div(
                [
                    html.Span(id=f"{prefix}freshness", className="freshness"),
                    html.Span(id=f"{prefix}page-age", className="page-age"),
                    dmc.Switch(id=f"{prefix}auto-refresh", label="Auto-refresh", checked=True, size="xs"),
                    html.Span(f"Times in {zone_name}", className="zone muted"),
                    dmc.ActionIcon(
                        html.Span(className="icon icon-refresh", **HIDDEN),
                        id=f"{prefix}refresh-now",
                        variant="subtle",
                        color="gray",
                        size="lg",
                        **aria(label="Refresh now"),
                    ),
                    dmc.ColorSchemeToggle(
                        lightIcon=html.Span(className="icon icon-sun", **HIDDEN),
                        darkIcon=html.Span(className="icon icon-moon", **HIDDEN),
                        variant="subtle",
                        color="gray",
                        size="lg",
                        **aria(label="Switch between light and dark"),
                    ),
                ],
                className="bar-right",
            ),
        ],
        className="bar",
    )


def clock(refresh_s: int, prefix: str = "") -> list[Component]:
    """What makes a page refresh by itself and tell its age; `register_clock` adds what drives it."""
    return [
        dcc.Interval(id=f"{prefix}tick", interval=refresh_s * 1000),
        dcc.Interval(id=f"{prefix}second", interval=1000),
        dcc.Store(id=f"{prefix}refreshed", data=None),
        dcc.Store(id=f"{prefix}refresh-every", data=refresh_s),
    ]


def register_clock(dash_app: Dash, prefix: str = "") -> None:
    """Adds the callbacks of `bar` and `clock`; both run in the browser."""
    clientside: Any = dash_app.clientside_callback
    clientside(
        ClientsideFunction("opsintel", "age"),
        Output(f"{prefix}page-age", "children"),
        Output(f"{prefix}page-age", "className"),
        Input(f"{prefix}second", "n_intervals"),
        Input(f"{prefix}refreshed", "data"),
        State(f"{prefix}refresh-every", "data"),
        State(f"{prefix}auto-refresh", "checked"),
    )
    clientside(
        ClientsideFunction("opsintel", "pause"),
        Output(f"{prefix}tick", "disabled"),
        Input(f"{prefix}auto-refresh", "checked"),
    )
