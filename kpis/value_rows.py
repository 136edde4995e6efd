"""The rows of `kpi_values`."""

from __future__ import annotations

RUN = "run"
"""The grain of a row that says how far a KPI's job has come."""
COLUMNS = (
    "TenantId",
    "KpiId",
    "Version",
    "Basis",
    "Dimension",
    "DimensionValue",
    "Grain",
    "BucketStart",
    "Value",
    "Numerator",
    "Denominator",
    "SampleSize",
    "Excluded",
    "OpenCases",
    "DataThrough",
    "ComputedAt",
)
