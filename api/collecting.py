"""The collector, wired with what it may not import: for the process that stores and for those that only receive."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from collector import Collector
from collector.remote_write import load_queue_metrics
from core import Clock, Settings
from metrics import CatalogueRules, load_event_catalogue
from storage import ClickHouse, StateDb


def open_collector(
    settings: Settings,
    clock: Clock,
    ch: ClickHouse | None,
    state: StateDb,
    registry: CollectorRegistry,
    *,
    share: float = 1.0,
) -> Collector:
    """`share`: this process' part of the configured rates. Raises ConfigurationError, Conflict."""
    return Collector(
        settings,
        clock,
        ch,
        state,
        registry,
        event_rules=CatalogueRules(load_event_catalogue()),
        queue_metrics=load_queue_metrics(settings.queue_metrics_file),
        share=share,
    )
