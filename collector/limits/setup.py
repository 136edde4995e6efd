"""The limits of one process, made from the settings: what its receivers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from collector.limits.book import LimitBook, LimitStore
from collector.limits.counts import LimitCounts
from collector.limits.fair import FairBudget
from collector.limits.gate import Gate, Pools
from collector.limits.pace import Pace
from collector.limits.peers import Peers
from collector.limits.pressure import Pressure, free_bytes_of
from collector.limits.rates import RateLimits
from core import Clock, Rates, Settings
from storage import StateDb


@dataclass(frozen=True)
class IngestLimits:
    """`http` and `grpc` have requests in work of their own; memory, rates and pressure are one."""

    http: Gate
    grpc: Gate
    pace: Pace
    peers: Callable[[], Peers]
    counts: LimitCounts
    book: LimitBook
    pressure: Pressure


def make_limits(
    settings: Settings,
    clock: Clock,
    state: StateDb,
    registry: CollectorRegistry,
    log_bytes: Callable[[], int],
    *,
    share: float = 1.0,
) -> IngestLimits:
    """`share`: this process' part of the configured rates. Memory and connections are for each process."""
    counts = LimitCounts(registry)
    default = Rates(settings.otlp_tenant_bytes_per_s, settings.otlp_tenant_items_per_s)
    book = LimitBook(LimitStore(state, clock), default)
    book.read()

    def budget(capacity: int) -> FairBudget:
        tenants = min(settings.otlp_fair_tenants, capacity // 2)
        return FairBudget(capacity, clock, tenants=tenants, weight_of=book.weight)

    pressure = Pressure(
        clock,
        log_bytes=log_bytes,
        log_max_bytes=settings.wal_max_bytes,
        free_bytes=free_bytes_of(settings.wal_dir),
        free_floor_bytes=settings.wal_free_floor_bytes,
    )
    memory = settings.otlp_memory_bytes
    pools = Pools(budget(settings.otlp_max_requests), budget(memory * 2 // 3), budget(memory // 3))
    rates = RateLimits(clock, book.rates, share=share)
    http = Gate(pools, rates, pressure, counts, max_bytes=settings.otlp_max_request_bytes)
    grpc_pools = replace(pools, requests=budget(settings.otlp_grpc_max_calls))
    grpc = Gate(grpc_pools, rates, pressure, counts, max_bytes=settings.otlp_max_request_bytes)
    counts.watch("reading_bytes", "Memory reserved for bodies on their way.", lambda: pools.reading.in_use)
    counts.watch("working_bytes", "Memory reserved for decoded bodies.", lambda: pools.working.in_use)
    counts.watch("waiting_requests", "Requests that wait for memory.",
                 lambda: pools.reading.waiting + pools.working.waiting)  # fmt: skip
    counts.watch("requests_in_work", "Requests in work.",
                 lambda: http.pools.requests.in_use + grpc.pools.requests.in_use)  # fmt: skip
    servers = list[Peers]()

    def peers() -> Peers:
        servers.append(Peers(settings.otlp_max_connections, settings.otlp_max_connections_per_address))
        return servers[-1]

    counts.watch("http_connections", "Connections over HTTP.", lambda: sum(len(one) for one in servers))
    return IngestLimits(
        http,
        grpc,
        Pace(least_bytes_per_s=settings.otlp_body_min_bytes_per_s, longest_s=settings.otlp_body_timeout_s),
        peers,
        counts,
        book,
        pressure,
    )
