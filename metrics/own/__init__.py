"""The service's own telemetry: numbers for `/metrics`, and traces when they are switched on."""

from metrics.own.http import RequestTiming
from metrics.own.registry import OwnMetrics, render
from metrics.own.tracing import SelfTracing, open_self_tracing

__all__ = ["OwnMetrics", "RequestTiming", "SelfTracing", "open_self_tracing", "render"]
