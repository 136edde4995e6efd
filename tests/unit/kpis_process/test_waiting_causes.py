"""Waiting by cause: one hand-made log for each, and the totals of a published log."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import SystemClock
from core.errors import InvalidInput
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.waiting_causes import Causes, WaitingCauses, waiting_causes
from storage import ClickHouse

GIVEN = os.environ.get("OPSINTEL_SHARED", "")
"""Read when the tests are collected: the fixtures clear such variables."""
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3600
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "Resource",
    "ReceivedAt", "SegmentId",
)  # fmt: skip
Work = tuple[str, str, str, float | None, float]
"""Case, step, resource, start and end in seconds after Monday 2026-03-02T00:00:00Z; no start: it is unknown."""


@pytest.fixture
def explain(clickhouse: ClickHouse, tenant: str) -> Callable[..., WaitingCauses]:
    def run(log: Iterable[Work], wanted: CaseFilter | None = None, **options: Any) -> WaitingCauses:
        rows = []
        for place, (case, step, resource, start, end) in enumerate(log, 1):
            began = None if start is None else MONDAY + timedelta(seconds=start)
            ended = MONDAY + timedelta(seconds=end)
            rows.append((tenant, "s", case, ended, place, f"e{place}", step, step, began, resource, MONDAY, 1))
        clickhouse.insert_rows("process_events", COLUMNS, rows)
        CaseJobs(clickhouse, SystemClock()).run_once(tenant)
        return waiting_causes(clickhouse, tenant, "s", wanted or CaseFilter(), **options)

    return run


def only(found: WaitingCauses, step: str) -> Causes:
    (one,) = [each.causes for each in found.transitions if each.to_step == step]
    return one


def test_busy_with_what_was_ready_before_is_contention(explain: Callable[..., WaitingCauses]) -> None:
    """The second waits 80 s for the first to be done; nobody is at work in its last 20 s, which is other."""
    found = explain([
        ("1", "a", "x", 0, 10), ("2", "a", "y", 0, 20),
        ("1", "b", "r", 10, 100), ("2", "b", "r", 120, 130),
    ])  # fmt: skip
    assert only(found, "b") == Causes(0, 80, 0, 0, 20)
    assert found.waiting_s == found.causes.total_s == 100


def test_busy_with_what_became_ready_later_is_prioritisation(explain: Callable[..., WaitingCauses]) -> None:
    """Ready at 20, begun at 130, after something that became ready at 40 and was served from 50 to 120."""
    found = explain([
        ("1", "a", "x", 0, 20), ("2", "a", "y", 0, 40),
        ("2", "b", "r", 50, 120), ("1", "b", "r", 130, 140),
    ])  # fmt: skip
    causes = only(found, "b")
    assert (causes.prioritisation_s, causes.contention_s) == (70, 0)
    assert causes.other_s == 10 + 30 + 10, "of the second case before 50, and of the first around it"


def test_waiting_for_the_others_of_a_batch_is_batching(explain: Callable[..., WaitingCauses]) -> None:
    """Ready at 10, 40 and 70 and shipped together at 100: 60 s and 30 s until the batch is ready, then 30 s each."""
    found = explain(
        [(case, "pack", case, 0, end) for case, end in (("1", 10), ("2", 40), ("3", 70))]
        + [(case, "ship", "van", 100, 160) for case in ("1", "2", "3")]
    )
    assert only(found, "ship") == Causes(90, 0, 0, 0, 90)


def test_one_after_the_other_is_a_batch_when_all_were_ready(explain: Callable[..., WaitingCauses]) -> None:
    """The last of them became ready at 70; the second then waits 10 s for the first of the batch, ready before it."""
    found = explain([
        ("1", "pack", "x", 0, 10), ("2", "pack", "y", 0, 70),
        ("1", "ship", "van", 100, 110), ("2", "ship", "van", 110, 120),
    ])  # fmt: skip
    assert only(found, "ship") == Causes(60, 10, 0, 0, 30 + 30)


def test_outside_the_working_hours_is_unavailability(explain: Callable[..., WaitingCauses]) -> None:
    """Six weeks of Mondays, eight to ten; then something ready at 9:30 is begun the week after, at 8:15."""
    log: list[Work] = []
    for week in range(6):
        at = week * 7 * 24 * HOUR + 8 * HOUR
        log += [(f"{week}-{n}", "do", "desk", at + n * HOUR, at + n * HOUR + 60) for n in (0, 1)]
    ready = 6 * 7 * 24 * HOUR + 9.5 * HOUR
    began = 7 * 7 * 24 * HOUR + 8.25 * HOUR
    log += [("late", "ask", "elsewhere", ready - 60, ready), ("late", "do", "desk", began, began + 60)]
    causes = only(explain(log), "do")
    at_work = 0.5 * HOUR + 0.25 * HOUR
    assert causes.other_s == pytest.approx(at_work)
    assert causes.unavailability_s == pytest.approx(began - ready - at_work)


def test_without_a_calendar_nothing_is_unavailability(explain: Callable[..., WaitingCauses]) -> None:
    found = explain([("1", "a", "x", 0, 10), ("1", "b", "r", 5 * 24 * HOUR, 5 * 24 * HOUR + 10)])
    assert only(found, "b") == Causes(0, 0, 0, 0, 5 * 24 * HOUR - 10)
    assert (found.own_calendar_share, found.pooled_calendar_share) == (0, 0)


def test_what_is_not_known_is_said(explain: Callable[..., WaitingCauses]) -> None:
    """30 s before a step without a resource, and 50 s before one whose start nobody told."""
    found = explain([("1", "a", "x", 0, 10), ("1", "b", "", 40, 50), ("1", "c", "r", None, 100)])
    assert (found.waiting_s, found.no_resource_s, found.unknown_s) == (30, 30, 50)
    assert found.causes.total_s == 0
    assert "without a resource" in found.basis
    assert "start is unknown" in found.basis


def test_the_filter_chooses_waits_and_not_what_keeps_people_busy(explain: Callable[..., WaitingCauses]) -> None:
    log: list[Work] = [
        ("1", "a", "x", 0, 10), ("2", "a", "y", 0, 20),
        ("1", "b", "r", 10, 100), ("2", "b", "r", 120, 130),
    ]  # fmt: skip
    found = explain(log, CaseFilter(case_ids=["2"]))
    assert (found.cases, only(found, "b")) == (1, Causes(0, 80, 0, 0, 20))
    assert explain([], CaseFilter(case_ids=["nobody"])).basis == "No case matches."


def test_overlapping_work_counts_once(explain: Callable[..., WaitingCauses]) -> None:
    """Two tasks at once keep the resource busy from 10 to 60, not for 90 s."""
    found = explain([
        ("1", "a", "x", 0, 10), ("2", "a", "y", 0, 10), ("3", "c", "z", 0, 20),
        ("1", "b", "r", 10, 50), ("2", "e", "r", 10, 60), ("3", "d", "r", 60, 70),
    ])  # fmt: skip
    assert only(found, "d") == Causes(0, 40, 0, 0, 0)


def test_a_machine_that_does_thousands_of_things_is_not_contended(explain: Callable[..., WaitingCauses]) -> None:
    """2,001 tasks of a second each between the two steps of a case, in one hour."""
    log: list[Work] = [(f"m{n}", "run", "machine", n, n + 1) for n in range(2_001)]
    log += [("1", "a", "x", 0, 10), ("1", "b", "machine", 3_000, 3_001)]
    causes = only(explain(log), "b")
    assert (causes.contention_s, causes.other_s) == (0, 2_990)


def test_a_zone_must_exist(explain: Callable[..., WaitingCauses]) -> None:
    with pytest.raises(InvalidInput, match="there is no time zone 'Mars'"):
        explain([("1", "a", "x", 0, 10)], timezone="Mars")


@pytest.fixture(scope="module")
def shared_data() -> Path:
    """The folder with logs and answers that lies beside the repository and is no part of it."""
    root = Path(__file__).resolve().parents[3]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place / "data" for place in places if (place / "data" / "answers.json").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/data beside {root} or above it; set OPSINTEL_SHARED")
    return found


def test_the_parts_of_a_published_log_add_up(
    shared_data: Path, clickhouse: ClickHouse, explain: Callable[..., WaitingCauses]
) -> None:
    """27 resources, 8,511 transitions of which every start and resource is known."""
    answers = json.loads((shared_data / "answers.json").read_text())["process_logs"]["purchasing_example"]
    with (shared_data / answers["file"]).open(newline="") as file:
        log = [
            (
                row["case:concept:name"], row["concept:name"], row["org:resource"],
                seconds(row["start_timestamp"]), seconds(row["time:timestamp"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    found = explain(log)
    expected = answers["working_waiting"]
    assert found.cases == answers["cases"]
    assert found.waiting_s == expected["waiting_s"]
    assert found.causes.total_s == pytest.approx(expected["waiting_s"], rel=1e-9)
    assert (found.no_resource_s, found.unknown_s) == (0, 0)
    by_transition = {(one.from_step, one.to_step): one.causes for one in found.transitions}
    for edge in expected["bottlenecks"]:
        assert by_transition[edge["from"], edge["to"]].total_s == pytest.approx(edge["waiting_s"], rel=1e-9)
    for part in (*by_transition.values(), found.causes):
        assert min(part.batching_s, part.contention_s, part.prioritisation_s, part.unavailability_s) >= 0
        assert part.other_s >= -1e-6


def seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - MONDAY).total_seconds()
