"""A simulated retailer that is an ordinary OpenTelemetry client, with planted incidents and their truth.

`run_demo_client` is all a command line needs; `DemoSettings` and `Retailer` give the facts without sending them.
"""

from demo.engine import WorkflowEngine, control_targets
from demo.incidents import Incident, IncidentKind
from demo.model.retailer import DemoSettings, Retailer
from demo.progress import ConsoleProgress
from demo.runner import Progress, backfill, live, run_demo_client
from demo.telemetry.exporters import Counts, Exporters

__all__ = [
    "ConsoleProgress",
    "Counts",
    "DemoSettings",
    "Exporters",
    "Incident",
    "IncidentKind",
    "Progress",
    "Retailer",
    "WorkflowEngine",
    "backfill",
    "control_targets",
    "live",
    "run_demo_client",
]
