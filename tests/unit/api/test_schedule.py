"""The job of cases: steps are found first; what goes wrong there is counted, and keeps nobody from the cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from api.composition import Stores, build
from api.schedule import RESOLUTION_AT_MOST_S, JobSchedule
from api.services import Services
from core import ManualClock, Settings, StoreUnavailable
from storage import ClickHouse, StateDb


@dataclass
class Job:
    """Notes that it ran, in a list that several share; fails when it is to."""

    name: str
    ran: list[tuple[str, dict[str, Any]]]
    error: Exception | None = None

    def run_once(self, **given: Any) -> None:
        self.ran.append((self.name, given))
        if self.error:
            raise self.error


@pytest.fixture
def services(clickhouse: ClickHouse, settings: Settings, state: StateDb, clock: ManualClock) -> Iterator[Services]:
    built = build(Stores(settings, clickhouse, state), clock)
    yield built
    built.http.close()


def looked(services: Services, error: Exception | None = None) -> list[tuple[str, dict[str, Any]]]:
    ran: list[tuple[str, dict[str, Any]]] = []
    resolution, cases = cast(Any, Job("resolution", ran, error)), cast(Any, Job("cases", ran))
    JobSchedule(replace(services, resolution=resolution, cases=cases)).look_at_cases()
    return ran


def runs(services: Services, outcome: str) -> float:
    labels = {"job": "resolution", "outcome": outcome}
    return services.own.registry.get_sample_value("opsintel_job_runs_total", labels) or 0.0


def test_steps_are_found_before_cases_are_made(services: Services) -> None:
    """Within a time, so that a long look at all spans does not hold the cases up."""
    assert looked(services) == [("resolution", {"at_most_s": RESOLUTION_AT_MOST_S}), ("cases", {})]
    assert (runs(services, "success"), runs(services, "failure")) == (1, 0)


def test_a_failure_to_find_steps_keeps_nobody_from_the_cases(services: Services) -> None:
    """It is logged once and counted."""
    with capture_logs() as logged:
        ran = looked(services, StoreUnavailable("the engine is gone"))
    assert [name for name, _ in ran] == ["resolution", "cases"]
    assert [(one["log_level"], one["job"]) for one in logged] == [("error", "resolution")]
    assert (runs(services, "success"), runs(services, "failure")) == (0, 1)


def test_not_even_a_mistake_of_ours(services: Services) -> None:
    """It goes on to the scheduler, which logs it, after the cases."""
    ran: list[tuple[str, dict[str, Any]]] = []
    resolution, cases = cast(Any, Job("resolution", ran, ValueError("x"))), cast(Any, Job("cases", ran))
    with pytest.raises(ValueError, match="x"):
        JobSchedule(replace(services, resolution=resolution, cases=cases)).look_at_cases()
    assert [name for name, _ in ran] == ["resolution", "cases"]
