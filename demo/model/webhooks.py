"""Webhook deliveries between systems: one CLIENT span an attempt, repeated with growing pauses until one succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.incidents import CARRIER_WEBHOOK, IncidentKind
from demo.model.facts import SECOND, Attributes, Ref
from demo.model.http import TIMEOUT
from demo.model.kernel import Process
from demo.model.recorder import NOWHERE, Case
from metrics import conventions as c
from metrics.conventions import edge

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

PAUSES = (60, 300, 900, 2_700, 5_400, 10_800)


def deliver(
    shop: Retailer,
    case: Case,
    name: str,
    source: str,
    target: str,
    route: str,
    step: str,
    about: Attributes | None = None,
) -> Process:
    """A process: delivers a webhook and returns the receiver's span of the attempt that succeeded.

    Every attempt is a trace of its own; a repeated one says how often it was sent before.
    """
    kernel, http, rng = shop.kernel, shop.http, shop.rng
    attempt = 0
    yield shop.gate(edge(source, target))
    while True:
        extra = {c.WEBHOOK_NAME: name, c.DEPLOYMENT_VERSION: shop.version(target, kernel.now), **(about or {})}
        call = http.open(case, NOWHERE, source, target, "POST", route, kernel.now, step, extra)
        status, error = _outcome(shop, name)
        took = TIMEOUT if error and not status else http.seconds(target, route, kernel.now)
        end = http.close(call, call.received + int(took * SECOND), status, error, attempt)
        yield (end - kernel.now) / SECOND
        if not error:
            return Ref(call.server.trace_id, call.server.span_id)
        yield PAUSES[min(attempt, len(PAUSES) - 1)] * rng.uniform(0.8, 1.2)
        attempt += 1


def _outcome(shop: Retailer, name: str) -> tuple[int, str]:
    broken = shop.incident(IncidentKind.FAILING_WEBHOOK, shop.kernel.now)
    if broken and name == CARRIER_WEBHOOK and shop.rng.random() < broken.numbers["failure_rate"]:
        return 422, "422"
    return shop.http.failure() if shop.http.fails() else (200, "")
