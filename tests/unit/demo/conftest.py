"""Histories of the simulated retailer, made once a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.incidents import Incident, IncidentKind
from demo.model.facts import DAY, SECOND, Fact, GaugeFact, LogFact, SpanFact
from demo.model.retailer import DemoSettings, Retailer

END = int(datetime(2026, 3, 17, 14, tzinfo=UTC).timestamp()) * SECOND  # a Tuesday afternoon


@dataclass(frozen=True)
class History:
    """A retailer at the end of its window, and all it told."""

    retailer: Retailer
    spans: list[SpanFact]
    logs: list[LogFact]
    gauges: list[GaugeFact]

    def events(self, name: str) -> list[LogFact]:
        """The business events of a name."""
        return [log for log in self.logs if log.name == name]

    def incident(self, kind: IncidentKind) -> Incident:
        """The planted incident of a kind."""
        found = self.retailer.planned(kind)
        assert found is not None
        return found

    def impact(self, kind: IncidentKind) -> dict[str, Any]:
        """What the truth says the incident did."""
        entries: Any = self.retailer.truth()["incidents"]
        [entry] = [e for e in entries if e["kind"] == kind]
        impact: dict[str, Any] = entry["impact"]
        return impact


def tell(settings: DemoSettings) -> list[Fact]:
    """All facts of a window."""
    return list(Retailer(settings).facts_until(settings.end))


def sort(retailer: Retailer, facts: Iterable[Fact]) -> History:
    """Facts by their type."""
    history = History(retailer, [], [], [])
    for fact in facts:
        if isinstance(fact, SpanFact):
            history.spans.append(fact)
        elif isinstance(fact, LogFact):
            history.logs.append(fact)
        else:
            history.gauges.append(fact)
    return history


def window(days: float = 14, **changes: Any) -> DemoSettings:
    """A window that ends at a fixed time."""
    return DemoSettings(END - int(days * DAY), END, **changes)


@pytest.fixture(scope="session")
def history() -> History:
    """Fourteen days with incidents, as a user would see them."""
    retailer = Retailer(window())
    return sort(retailer, retailer.facts_until(END))
