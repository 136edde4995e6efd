"""The frame of every page: skip link, header with the state of the data, notice, theme and refresh switches."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboards.aria import HIDDEN, aria

FONT = "var(--font)"
MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", Menlo, Consolas, monospace'
THEME: dict[str, Any] = {
    "fontFamily": FONT,
    "fontFamilyMonospace": MONO,
    "primaryColor": "blue",
    "defaultRadius": "sm",
    "cursorType": "pointer",
    "respectReducedMotion": True,
}


def shell(page: str, notice: str | None, zone_name: str, main: Any) -> Component:
    """A page called `page`; `notice` is shown on top of it for as long as it is true."""
    made: Component = dmc.MantineProvider(
        html.Div(
            [
                html.A("Skip to content", href="#main", className="skip"),
                html.Header(
                    [
                        html.Div(
                            [
                                html.Span(className="mark", **HIDDEN),
                                html.Span("opsintel", className="brand"),
                                html.Span(page, className="page-name"),
                            ],
                            className="bar-left",
                        ),
                        html.Div(
                            [
                                html.Span(id="freshness", className="freshness"),
                                html.Span(id="page-age", className="page-age"),
                                dmc.Switch(id="auto-refresh", label="Auto-refresh", checked=True, size="xs"),
                                html.Span(f"Times in {zone_name}", className="zone muted"),
                                dmc.ActionIcon(
                                    html.Span(className="icon icon-refresh", **HIDDEN),
                                    id="refresh-now",
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
                ),
                html.Div(
                    [html.Span(className="icon icon-info", **HIDDEN), html.Span(notice)],
                    className="banner banner-notice",
                    role="note",
                )
                if notice
                else None,
                html.Main(main, id="main", tabIndex="-1"),
            ],
            className="app",
        ),
        theme=THEME,
        defaultColorScheme="auto",
    )
    return made
