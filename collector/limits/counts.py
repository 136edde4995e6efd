"""What the doors refused and what is in work, as metrics; tenants beyond a number are counted as one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

NAMED_TENANTS = 100
OTHERS = "(others)"


class LimitCounts:
    """Names begin with `opsintel_collector_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._refused = Counter(
            "opsintel_collector_limited_requests",
            "Requests and connections refused by a limit.",
            ["reason", "tenant"],
            registry=registry,
        )
        self._tenants = set[str]()
        self._lock = threading.Lock()

    def refused(self, reason: str, tenant: str = "") -> None:
        """One more; `tenant` is empty when nobody knows yet whose it was."""
        self._refused.labels(reason, self._label(tenant)).inc()

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"opsintel_collector_{name}", text, registry=self._registry).set_function(read)

    def _label(self, tenant: str) -> str:
        if not tenant:
            return ""
        with self._lock:
            if tenant not in self._tenants:
                if len(self._tenants) >= NAMED_TENANTS:
                    return OTHERS
                self._tenants.add(tenant)
            return tenant
