"""Alerts: rules over KPIs and queues, their state machine, and notifications that name the business impact."""

from alerts.notifier import Notifier, RetryPolicy, WebhookNotifier
from alerts.rules import Rule, load_rules
from alerts.service import AlertService, AlertView, Tick
from alerts.sources import Sources
from alerts.state import Alert, AlertState, Observation, Reason, Timing, Verdict, step
from alerts.store import Notification
from alerts.wiring import open_alerts

__all__ = [
    "Alert",
    "AlertService",
    "AlertState",
    "AlertView",
    "Notification",
    "Notifier",
    "Observation",
    "Reason",
    "RetryPolicy",
    "Rule",
    "Sources",
    "Tick",
    "Timing",
    "Verdict",
    "WebhookNotifier",
    "load_rules",
    "open_alerts",
    "step",
]
