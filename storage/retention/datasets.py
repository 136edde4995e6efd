"""What has a retention of its own, and which tables hold it.

A table that is partitioned by tenant and is not listed here would grow for ever; a test compares the list with the
database.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Dataset(StrEnum):
    """Something that is kept for as long as its policy says."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"
    EVENTS = "events"  # business events: the steps of cases
    KPIS = "kpis"  # results of the KPI jobs
    QUARANTINE = "quarantine"  # what was refused and kept aside
    HISTORY = "history"  # traces, logs and metrics that arrived more than a month after their time: imports


@dataclass(frozen=True)
class RetainedTable:
    """A table whose partitions are dropped.

    `time`: the column that its partitions are made of; `until`: the one that tells until when a row speaks, where it
    differs. `follows`: for a look-up table, the tables it points into: it is dropped after them.
    """

    name: str
    dataset: Dataset
    time: str
    until: str = ""
    follows: tuple[str, ...] = ()


RETAINED: tuple[RetainedTable, ...] = (
    RetainedTable("otel_traces", Dataset.TRACES, "Timestamp"),
    RetainedTable("otel_traces_trace_id_ts", Dataset.TRACES, "Start", "End", ("otel_traces",)),
    RetainedTable("otel_logs", Dataset.LOGS, "Timestamp"),
    RetainedTable("otel_metrics_gauge", Dataset.METRICS, "TimeUnix"),
    RetainedTable("otel_metrics_sum", Dataset.METRICS, "TimeUnix"),
    RetainedTable("otel_metrics_histogram", Dataset.METRICS, "TimeUnix"),
    RetainedTable("otel_metrics_exponential_histogram", Dataset.METRICS, "TimeUnix"),
    RetainedTable("otel_metrics_summary", Dataset.METRICS, "TimeUnix"),
    RetainedTable("process_events", Dataset.EVENTS, "Timestamp"),
    RetainedTable("record_events", Dataset.EVENTS, "Timestamp"),
    RetainedTable("cases", Dataset.EVENTS, "Last"),
    *(
        RetainedTable(f"kpi_{view}", Dataset.EVENTS, "Began")
        for view in (
            *("orders", "order_lines", "returns", "purchases", "promotions", "intervals", "work"),
            *("movements", "reconciliations", "stock_counts", "stock_outs", "stock_updates", "price_checks"),
        )
    ),
    RetainedTable("event_objects", Dataset.EVENTS, "Timestamp"),
    RetainedTable("object_attributes", Dataset.EVENTS, "Timestamp"),
    RetainedTable("object_relations", Dataset.EVENTS, "Timestamp"),
    RetainedTable("resolved_steps", Dataset.EVENTS, "Timestamp"),
    RetainedTable("resolved_items", Dataset.EVENTS, "Timestamp"),
    RetainedTable("object_events", Dataset.EVENTS, "Timestamp"),
    RetainedTable("trace_links", Dataset.TRACES, "Start"),
    RetainedTable("case_index", Dataset.EVENTS, "First", "Last", ("otel_traces", "otel_logs")),
    RetainedTable("quarantine", Dataset.QUARANTINE, "ReceivedAt"),
    RetainedTable("attribute_cardinality", Dataset.METRICS, "Hour"),
    RetainedTable("kpi_values", Dataset.KPIS, "BucketStart"),
    RetainedTable("kpi_partials", Dataset.KPIS, "Hour"),
)
"""Sources stand before the look-up tables that follow them."""
