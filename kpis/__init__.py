"""Business metrics: the KPI catalogue, the jobs that compute it, and the readers of its values."""

from kpis.definitions import Basis, Catalogue, KpiDefinition, TenantKpis, load_catalogue
from kpis.jobs import KpiJobs
from kpis.process import (
    CaseFilter,
    CaseJobs,
    ProcessMap,
    ProcessModels,
    ProcessSummary,
    TimeBasis,
    Variants,
    WaitingStep,
    process_map,
    process_streams,
    process_summary,
    require_cases,
    variants,
    waiting_now,
)
from kpis.run_report import RunReport
from kpis.schedule import KpiSchedule
from kpis.values import KpiValue, SeriesKey, explain, latest_values, series, trends

__all__ = [
    "Basis",
    "CaseFilter",
    "CaseJobs",
    "Catalogue",
    "KpiDefinition",
    "KpiJobs",
    "KpiSchedule",
    "KpiValue",
    "ProcessMap",
    "ProcessModels",
    "ProcessSummary",
    "RunReport",
    "SeriesKey",
    "TenantKpis",
    "TimeBasis",
    "Variants",
    "WaitingStep",
    "explain",
    "latest_values",
    "load_catalogue",
    "process_map",
    "process_streams",
    "process_summary",
    "require_cases",
    "series",
    "trends",
    "variants",
    "waiting_now",
]
