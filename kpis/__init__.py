"""Business metrics: the KPI catalogue, the jobs that compute it, and the readers of its values."""

from kpis.definitions import Basis, Catalogue, KpiDefinition, load_catalogue
from kpis.jobs import KpiJobs, RunReport
from kpis.schedule import KpiSchedule
from kpis.values import KpiValue, explain, latest_values, series

__all__ = [
    "Basis",
    "Catalogue",
    "KpiDefinition",
    "KpiJobs",
    "KpiSchedule",
    "KpiValue",
    "RunReport",
    "explain",
    "latest_values",
    "load_catalogue",
    "series",
]
