"""Reports that are sent on a schedule: subscriptions, runs, deliveries and their history."""

from kpis.deliveries.jobs import DeliveryJobs, Rendered, Retries, TickReport
from kpis.deliveries.mail import Smtp
from kpis.deliveries.standing import Standing, Trouble, standings
from kpis.deliveries.states import State
from kpis.deliveries.store import ReportDelivery, ReportRun, counts, tenants_with_runs
from kpis.deliveries.subscriptions import Subscription, describe, load_subscriptions, subscription_files
from kpis.deliveries.targets import Sender

__all__ = [
    "DeliveryJobs",
    "Rendered",
    "ReportDelivery",
    "ReportRun",
    "Retries",
    "Sender",
    "Smtp",
    "Standing",
    "State",
    "Subscription",
    "TickReport",
    "Trouble",
    "counts",
    "describe",
    "load_subscriptions",
    "standings",
    "subscription_files",
    "tenants_with_runs",
]
