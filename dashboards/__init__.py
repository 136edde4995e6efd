"""The pages: Dash on the FastAPI application, fed by read models through `Reads`, acting through `Actions`."""

from dashboards.app import mount
from dashboards.reads import (
    ActionOutcome,
    Actions,
    AlertTile,
    ControlTile,
    KpiReading,
    KpiTile,
    Reads,
    TargetState,
    Windows,
)
from dashboards.view import Doors

__all__ = [
    "ActionOutcome",
    "Actions",
    "AlertTile",
    "ControlTile",
    "Doors",
    "KpiReading",
    "KpiTile",
    "Reads",
    "TargetState",
    "Windows",
    "mount",
]
