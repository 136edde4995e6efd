"""Business metrics: the KPI catalogue, the jobs that compute it, and the readers of its values."""

from kpis.definitions import Basis, Catalogue, KpiDefinition, load_catalogue
from kpis.jobs import KpiJobs, RunReport
from kpis.process import (
    ProcessSummary,
    WaitingStep,
    process_streams,
    process_summary,
    waiting_now,
)
from kpis.schedule import KpiSchedule
from kpis.values import KpiValue, SeriesKey, explain, latest_values, series, trends

__all__ = [
    "Basis",
    "Catalogue",
    "KpiDefinition",
    "KpiJobs",
    "KpiSchedule",
    "KpiValue",
    "ProcessSummary",
    "RunReport",
    "SeriesKey",
    "WaitingStep",
    "explain",
    "latest_values",
    "load_catalogue",
    "process_streams",
    "process_summary",
    "series",
    "trends",
    "waiting_now",
]
