"""What an alert may be costing: the work that waits at the system it is about, as annotations.

It is the work that waits there now, not work that was shown to wait *because* of the alert; the words say no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal

from alerts.sources import WaitingPoint


@dataclass(frozen=True)
class Waiting:
    """Where work waits now, and which service takes work from which queue."""

    points: Sequence[WaitingPoint] = ()
    consumers: Mapping[str, str] = field(default_factory=dict)


def systems_of(labels: Mapping[str, str], consumers: Mapping[str, str]) -> list[str]:
    """The systems that a series speaks of, the likeliest owner of waiting work first.

    An edge `a->b` names b, then a. A queue names the service that consumes it.
    """
    if "edge" in labels:
        source, arrow, target = labels["edge"].partition("->")
        return [target, source] if arrow else [source]
    if "destination" in labels:
        consumer = consumers.get(labels["destination"])
        return [consumer] if consumer else []
    return [labels["service"]] if "service" in labels else []


def impact_annotations(labels: Mapping[str, str], waiting: Waiting) -> dict[str, str]:
    """Annotations `impact` and `impact_{system,cases,value,oldest_since}`; empty when no work waits there."""
    for system in systems_of(labels, waiting.consumers):
        own = [point for point in waiting.points if point.owner_system == system and point.cases > 0]
        if own:
            return _describe(system, own)
    return {}


def _describe(system: str, points: Sequence[WaitingPoint]) -> dict[str, str]:
    cases = sum(point.cases for point in points)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for point in points:
        sums[point.currency] += point.value
    value = " + ".join(f"{amount:,.2f} {currency}".strip() for currency, amount in sorted(sums.items()) if amount)
    oldest = min(point.oldest_since for point in points).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    worth = f" worth {value}" if value else ""
    noun, verb = ("case", "waits") if cases == 1 else ("cases", "wait")
    return {
        "impact": f"{cases:,} {noun}{worth} {verb} at {system} now, the oldest since {oldest}",
        "impact_system": system,
        "impact_cases": str(cases),
        "impact_value": value,
        "impact_oldest_since": oldest,
    }
