"""The dialog in which a control action is asked for: what will happen, a reason, and how it went."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboards.components.common import Status, badge
from dashboards.reads import ActionOutcome

EXPLANATIONS = {
    "pause": "No new work goes over it until someone resumes it. What is under way finishes.",
    "resume": "Work goes over it again, beginning with what has piled up.",
}
REASON_MAX = 500


def control_dialog() -> Component:
    """The dialog, closed."""
    made: Component = dmc.Modal(
        [
            dcc.Store(id="intent"),
            html.P(id="control-explanation", className="muted"),
            dmc.Textarea(
                id="control-reason",
                label="Reason",
                description="It is kept with the command in the audit chain.",
                required=True,
                autosize=True,
                minRows=2,
                maxRows=6,
                value="",
            ),
            html.Div(id="control-outcome", role="status", className="outcome"),
            html.Div(
                [
                    dmc.Button("Cancel", id="control-cancel", variant="default", n_clicks=0),
                    dmc.Button("Confirm", id="control-confirm", n_clicks=0),
                ],
                className="dialog-buttons",
            ),
        ],
        id="control-dialog",
        title="",
        opened=False,
        centered=True,
        closeButtonProps={"aria-label": "Close"},
        transitionProps={"duration": 0},
    )
    return made


def outcome(result: ActionOutcome) -> Component:
    """What became of the command."""
    if not result.accepted:
        mark = badge("not done", Status.BAD)
    elif result.verified:
        mark = badge("done and verified", Status.GOOD)
    else:
        mark = badge("sent, effect not seen yet", Status.WARN)
    reference = html.Small(f"Command {result.command_id}", className="mono") if result.command_id else None
    return html.Div([mark, html.P(result.message), reference])
