"""Reports that are sent on a schedule: subscriptions, runs, deliveries and their history."""

from kpis.deliveries.jobs import DeliveryJobs, RenderedFile, ReportDelivery, ReportRun, Retries
from kpis.deliveries.states import State
from kpis.deliveries.subscriptions import Subscription, load_subscriptions
from kpis.deliveries.targets import Sender, Smtp

__all__ = [
    "DeliveryJobs",
    "RenderedFile",
    "ReportDelivery",
    "ReportRun",
    "Retries",
    "Sender",
    "Smtp",
    "State",
    "Subscription",
    "load_subscriptions",
]
