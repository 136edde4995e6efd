"""Puts the dashboards on a FastAPI application: the pages, and Dash's own paths below `/_dash-` and `/assets`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from fastapi import FastAPI, Request

from core import LOCAL_ADMIN, Clock, ConfigurationError, Principal
from dashboards import backend
from dashboards.components.shell import bar, shell
from dashboards.pages import kpi, kpis, overview, process
from dashboards.process_snapshot import ProcessReadings
from dashboards.reads import Actions, Reads
from dashboards.snapshot import Snapshots
from dashboards.view import Doors, View

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/mark.svg">
    <script>
      (function () {
        var kept = localStorage.getItem("mantine-color-scheme-value") || "auto";
        var dark = kept === "dark" || (kept === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
        document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
      })();
    </script>
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <noscript>This page needs JavaScript. The same figures are on the API: see <a href="/docs">/docs</a>.</noscript>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>
"""


def mount(
    app: FastAPI,
    reads: Reads,
    actions: Actions,
    clock: Clock,
    notice: str | None,
    *,
    timezone: str = "UTC",
    zone_of: Callable[[str], str] | None = None,
    doors: Doors | None = None,
    identify: backend.Identify | None = None,
    refresh_s: int = 15,
) -> None:
    """Adds the dashboards to `app`; call it once, before the application starts.

    `notice` stands on every page for as long as it is true. `identify` tells from a request who asks, and raises
    `core.Unauthenticated` or `core.Forbidden`; what it raises reaches the application's own exception handlers.
    Without it everybody is the local administrator, which is allowed only together with a notice that says so.
    `timezone` is the IANA name that times are shown in, `zone_of` gives that of a tenant that has its own. Raises
    ConfigurationError.
    """
    if identify is None and not notice:
        raise ConfigurationError(
            "dashboards without credentials must say so on every page", hint="pass identify, or a notice"
        )
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(f"timezone must be an IANA name such as Europe/Berlin, got {timezone!r}") from None
    dash_app = Dash(
        name="dashboards",
        server=False,
        backend=backend.NarrowFastAPI,
        assets_folder=str(Path(__file__).parent / "assets"),
        title="opsintel",
        index_string=INDEX,
        update_title="",
        serve_locally=True,
        add_log_handler=False,
        suppress_callback_exceptions=True,
    )
    where = doors or Doors()

    def zone_name() -> str:
        return zone_of(backend.current_principal().tenant) if zone_of else timezone

    def view() -> View:
        return View(clock.now(), ZoneInfo(zone_name()) if zone_of else zone, where)

    dash_app.layout = shell(notice)
    pages = {
        "/": ("/", "", overview.layout(reads.windows, refresh_s)),
        process.PATH: (process.PATH, process.PREFIX, process.layout(refresh_s)),
        kpis.PATH: (kpis.PATH, kpis.PREFIX, kpis.layout(refresh_s)),
        kpi.PATH: (kpis.PATH, kpi.PREFIX, kpi.layout(refresh_s)),
    }
    _register_routing(dash_app, pages, zone_name)
    overview.register(dash_app, Snapshots(reads, clock), actions, view, backend.current_principal)
    process.register(dash_app, ProcessReadings(reads, clock), view, backend.current_principal)
    kpis.register(dash_app, reads, view, backend.current_principal)
    kpi.register(dash_app, reads, view, backend.current_principal)
    backend.attach(dash_app, app, identify or _everybody_is_local)


def _register_routing(
    dash_app: Dash, pages: Mapping[str, tuple[str, str, list[Component]]], zone_name: Callable[[], str]
) -> None:
    """Fills the frame for the page that was opened. Links between pages load anew; only links within one do not.

    pages: by path, which of the bar's names is marked, the prefix of the ids, and the layout.
    """

    @dash_app.callback(Output("bar", "children"), Output("main", "children"), Input("url", "pathname"))
    async def route(path: str | None) -> tuple[Component, list[Component]]:
        found = pages.get(path or "")
        if found is None:
            raise PreventUpdate
        marked, prefix, layout = found
        return bar(marked, zone_name(), prefix), layout


def _everybody_is_local(_request: Request) -> Principal:
    return LOCAL_ADMIN
