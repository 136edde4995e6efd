"""API latency: how long each system takes to answer each operation, and how often it fails.

Read from SERVER spans: the time in the answering system, without the network in front of it. Operation is the span's
name; an error is StatusCode 'Error' (a refusal with 4xx is usually not one, as OpenTelemetry has it). No promise is
made about sampled data: the counts are of spans that arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from metrics.read_models._values import check_window, ratio, sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class ApiLatency:
    """One operation of one system; latencies in milliseconds, exact percentiles; `error_rate` from 0 to 1."""

    system: str
    operation: str
    calls: int
    errors: int
    error_rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def api_latency(ch: ClickHouse, tenant: str, start: datetime, end: datetime) -> list[ApiLatency]:
    """Every operation with a SERVER span that started in [start, end), by system and operation.

    Raises InvalidInput when a time is naive or the window is empty.
    """
    check_window(start, end)
    found = ch.query(
        load_sql("metrics", "api_latency"), {"tenant": tenant, "start": sql_time(start), "end": sql_time(end)}
    )
    return [
        ApiLatency(
            system=system,
            operation=operation,
            calls=int(calls),
            errors=int(errors),
            error_rate=ratio(errors, calls),
            p50_ms=float(durations[0]) / NS_PER_MS,
            p95_ms=float(durations[1]) / NS_PER_MS,
            p99_ms=float(durations[2]) / NS_PER_MS,
        )
        for system, operation, calls, errors, durations in found.rows
    ]
