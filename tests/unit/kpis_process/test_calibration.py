"""The back-test by hand: errors, probabilities, baselines; and that nothing of the future is in a prediction."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import SystemClock
from core.errors import InvalidInput, NotFound
from kpis.process.calibration import Backtest, backtest, calibration
from kpis.process.cases import CaseJobs
from kpis.process.recalibration import Way
from kpis.process.remaining import History, question
from kpis.process.streams import parse_streams
from storage import ClickHouse

Insert = Callable[..., None]
START = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["done", "gone"]\nvalue = ["a"]\n')
ANY = History(least_alike=(1, 1, 1))
PAST = ((10, 100), (20, 80), (30, 60), (40, 50))


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), lambda: STREAMS)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def closed(event: Any, case: str, begin: float, gap: float, rest: float) -> list[Any]:
    return [event(case, "a", begin), event(case, "b", begin + gap), event(case, "done", begin + rest)]


def past(event: Any) -> list[Any]:
    """Closed 100, 80, 60 and 50 s after "a"; usual are 94 s."""
    return list(
        itertools.chain.from_iterable(
            closed(event, f"past-{place}", 1000 * place, *one) for place, one in enumerate(PAST)
        )
    )


def test_errors_probabilities_and_baselines_by_hand(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """At 10,045 s two cases stand 45 s after "a": 15 s are predicted (90 %: 55 s), late with 1/4. One took 20 s, one
    60 s and was late; a third has not ended, and its promise at 10,094 s has passed."""
    cases = [*closed(event, "soon", 10_000, 50, 65), *closed(event, "late", 10_000, 50, 105)]
    insert([*past(event), *cases, event("stuck", "a", 10_000), *closed(event, "after", 20_000, 1, 2)])
    jobs.run_once(tenant)
    found = backtest(clickhouse, tenant, "s", [at(10_045)], streams=STREAMS, history=ANY)
    assert (found.open_cases, found.without_history, found.overdue) == (3, 0, 0)
    assert (found.timed, found.mae_s, found.p90_coverage) == (2, (5 + 45) / 2, 0.5)
    assert (found.judged, found.late_share) == (3, pytest.approx(2 / 3))
    assert found.brier == pytest.approx((0.25**2 + 2 * 0.75**2) / 3)
    assert found.brier_constant == pytest.approx(2 / 9)
    used = [one for one in found.bins if one.count]
    assert [(one.low, one.high, one.count, one.predicted) for one in used] == [(0.2, 0.3, 3, 0.25)]
    assert used[0].observed == pytest.approx(2 / 3)
    assert (len(found.bins), found.bins[0].predicted, found.bins[9].high) == (10, None, 1)

    after_a = sum(rest * gap - gap**2 / 2 for gap, rest in PAST) / sum(gap for gap, _ in PAST)
    assert after_a == 49
    assert found.mae_step_s == pytest.approx((abs(after_a - 20) + abs(after_a - 60)) / 2)
    whole = sum(rest**2 / 2 for _, rest in PAST) / sum(rest for _, rest in PAST)
    assert found.mae_constant_s == pytest.approx((abs(whole - 20) + abs(whole - 60)) / 2)
    assert found.brier_step == pytest.approx(2 / 3), "the mean of 49 s says in time for all"


def test_moments_add_up(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs) -> None:
    insert([*past(event), *closed(event, "x", 10_000, 50, 65), *closed(event, "y", 20_000, 50, 105)])
    jobs.run_once(tenant)

    def run(*moments: float) -> Backtest:
        return backtest(clickhouse, tenant, "s", [at(one) for one in moments], streams=STREAMS, history=ANY)

    one, two, both = run(10_045), run(20_045), run(10_045, 20_045)
    assert both.timed == one.timed + two.timed == 2
    assert both.mae_s == pytest.approx((one.mae_s + two.mae_s) / 2)  # type: ignore[operator]
    assert both.brier == pytest.approx((one.brier + two.brier) / 2)  # type: ignore[operator]
    assert sum(bin.count for bin in both.bins) == both.judged == 2


def predictions(ch: ClickHouse, tenant: str, when: datetime) -> list[dict[str, Any]]:
    asked = question(ch, tenant, STREAMS["s"], when, ANY, as_known_then=True)
    rows = ch.query(asked.text, asked.params).dicts()
    kept = [{name: value for name, value in row.items() if name not in ("value", "currency")} for row in rows]
    return sorted(kept, key=lambda row: str(row["case_id"]))


def test_nothing_that_happens_later_changes_a_prediction(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Later events of open, of closed and of new cases; one that began before the moment and closes the case by its
    place; a promise that became known later. The amounts of a case are of now, and no part of the prediction."""
    insert([*past(event), event("1", "a", 10_000), event("2", "a", 9_990), event("2", "b", 9_995)])
    insert([event("3", "a", 9_000), event("3", "done", 9_020)])
    jobs.run_once(tenant)
    before = predictions(clickhouse, tenant, at(10_025))
    assert [row["case_id"] for row in before] == ["1", "2"]
    insert(
        [
            event("1", "b", 10_026, amount="99"), event("1", "done", 10_200), event("2", "a", 10_030, start=9_991),
            event("past-0", "b", 30_000), event("new", "a", 10_026), event("new", "done", 10_027),
            event("3", "gone", 10_500, start=8_999), event("2", "gone", 10_400, start=10),
        ]
    )  # fmt: skip
    columns = ("TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "Attributes", "StartTime", "ReceivedAt", "SegmentId")  # fmt: skip # noqa: E501
    told = {"retail.promise.at": at(10_050).isoformat()}
    clickhouse.insert_rows(
        "process_events", columns,
        [(tenant, "s", "1", at(10_040), 0, "p", "b", "b", told, at(9_999), at(10_040), 987_654)],
    )  # fmt: skip
    jobs.run_once(tenant)
    assert predictions(clickhouse, tenant, at(10_025)) == before
    assert predictions(clickhouse, tenant, at(10_041)) != before
    promised = next(row for row in predictions(clickhouse, tenant, at(10_041)) if row["case_id"] == "1")
    assert promised["promised"], "known by then"


def test_overdue_and_unheard_of_cases_are_not_judged(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """200 s are longer than anything; a case of 95 s is past the usual 94 s. Both are counted apart."""
    insert([*past(event), event("unheard", "a", 9_800), event("overdue", "a", 9_905), event("fine", "a", 9_999)])
    insert([event("x", "a", 20_000), event("x", "done", 20_001)])
    jobs.run_once(tenant)
    found = backtest(clickhouse, tenant, "s", [at(10_000)], streams=STREAMS, history=ANY)
    assert (found.open_cases, found.without_history, found.overdue, found.judged) == (3, 1, 1, 1)
    assert (found.timed, found.mae_s, found.p90_coverage) == (0, None, None)


def test_through_says_up_to_when_outcomes_are_known(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([*past(event), *closed(event, "x", 10_000, 50, 65)])
    jobs.run_once(tenant)
    early = backtest(clickhouse, tenant, "s", [at(10_045)], streams=STREAMS, through=at(10_064), history=ANY)
    assert (early.open_cases, early.timed, early.judged) == (1, 0, 0)
    gone = backtest(clickhouse, tenant, "s", [at(10_045)], streams=STREAMS, through=at(10_065), history=ANY)
    assert (gone.timed, gone.judged) == (1, 0), "its promise, at 10,094 s, has not passed"
    passed = backtest(clickhouse, tenant, "s", [at(10_045)], streams=STREAMS, through=at(10_094), history=ANY)
    assert (passed.timed, passed.judged, passed.late_share) == (1, 1, 0)


def test_a_promise_kept_by_delivery_is_not_late_because_of_the_payment(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    """Promised within 25 s: one is delivered after 20 s, one after 30 s, one never; all are open for 100 s and more."""
    stream, delivered = "parcels", "handed over"
    model = parse_streams(f'[{stream}]\nowner = "erp"\nterminal = ["done"]\npromise_kept = ["{delivered}"]\n')
    log = []
    for place, gap in enumerate((10, 20, 30, 40)):
        begin = 1000 * place
        log += [event(f"p{place}", "a", begin), event(f"p{place}", delivered, begin + gap)]
        log += [event(f"p{place}", "done", begin + gap + 100)]
    columns = ("TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "Attributes", "ReceivedAt", "SegmentId")  # fmt: skip # noqa: E501
    told = {"retail.promise.at": at(10_025).isoformat()}
    clickhouse.insert_rows(
        "process_events", columns,
        [(tenant, stream, case, at(10_000), 1, case, "a", "a", told, at(10_000), 876_543) for case in "xyz"],
    )  # fmt: skip
    log += [event("x", delivered, 10_020, seq=2), event("y", delivered, 10_030, seq=2), event("last", "a", 10_040)]
    insert(log, stream=stream)
    CaseJobs(clickhouse, SystemClock(), lambda: model).run_once(tenant)
    found = backtest(clickhouse, tenant, stream, [at(10_000)], streams=model, history=ANY)
    assert (found.open_cases, found.timed, found.judged, found.late_share) == (3, 0, 3, pytest.approx(2 / 3))
    assert found.brier == pytest.approx(0.25), "each late with 1/2"
    before = backtest(clickhouse, tenant, stream, [at(10_000)], streams=model, through=at(10_024), history=ANY)
    assert before.judged == 0, "kept already, but to count only those would make lateness rare"
    after = backtest(clickhouse, tenant, stream, [at(10_000)], streams=model, through=at(10_025), history=ANY)
    assert (after.judged, after.late_share) == (3, pytest.approx(2 / 3))


def test_the_product_tells_its_calibration(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """A case begins every 10 s and lasts 100 s, without exception: nothing is late, and nothing wrong."""
    insert(itertools.chain.from_iterable(closed(event, f"{n}", 10 * n, 40, 100) for n in range(60)))
    insert([event("foreign", "a", 0), event("foreign", "done", 1)], tenant=f"{tenant}-other")
    jobs.run_once()
    found = calibration(clickhouse, tenant, "s", at(690), streams=STREAMS, history=ANY, over=timedelta(minutes=5))
    assert (found.moments, found.period_end) == (8, at(590))
    assert found.period_start == at(590 - 300 * 7 / 8)
    assert found.n == 8 * 10
    assert (found.late_share, found.brier, found.mae_s, found.p90_coverage, found.unresolved) == (0, 0, 0, 1, 0)
    assert found.bins[0].count == found.n


def test_a_correction_is_learned_from_what_was_known_and_never_from_later(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Cases take 60 to 200 s. The product says what it would have shown: at a moment only predictions count whose
    promise had passed by then."""
    log: list[Any] = []
    for number, start in enumerate(range(0, 6_000, 2), 1):
        log += closed(event, f"{number}", start, 40, (60, 80, 100, 200)[number * 7 % 4])
    insert(log)
    jobs.run_once(tenant)
    moments = [at(second) for second in (1_000, 2_000, 3_000, 4_000, 5_000)]

    def run(*chosen: datetime, through: datetime) -> Backtest:
        return backtest(clickhouse, tenant, "s", chosen, streams=STREAMS, through=through, history=ANY)

    whole = run(*moments, through=at(5_500))
    assert whole.judged > 100
    assert 0 < whole.tested < whole.judged
    assert whole.correction.n == whole.judged
    assert whole.correction.way is not Way.UNTESTED
    assert whole.brier_tested is not None
    assert whole.brier_share is not None
    assert whole.brier_tested <= whole.brier_share * 1.05
    early = run(*moments[:3], through=at(3_500))
    later = run(*moments[:3], through=at(5_500))
    assert early.judged == later.judged
    assert (early.brier, early.bins, early.correction) == (later.brier, later.bins, later.correction)
    plain = backtest(
        clickhouse, tenant, "s", moments, streams=STREAMS, through=at(5_500), history=ANY, corrected=False
    )  # fmt: skip
    assert plain.brier == plain.brier_as_predicted == whole.brier_as_predicted


def test_nothing_known_yet(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs) -> None:
    empty = calibration(clickhouse, tenant, "s", at(9), streams=STREAMS)
    assert (empty.n, empty.period_start, empty.brier, empty.mae_s, empty.late_share) == (0, None, None, None, None)
    insert([event("1", "a", 0)])
    jobs.run_once(tenant)
    assert calibration(clickhouse, tenant, "s", at(9), streams=STREAMS) == empty
    nothing = backtest(clickhouse, f"{tenant}-nobody", "s", [at(0)], streams=STREAMS)
    assert (nothing.open_cases, nothing.brier, nothing.moments) == (0, None, ())
    assert dataclasses.asdict(nothing)["bins"][0]["count"] == 0


def test_what_cannot_be_answered(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 0)])
    jobs.run_once(tenant)
    with pytest.raises(NotFound, match="nobody has said what ends a case of 'x'; the value streams are s"):
        backtest(clickhouse, tenant, "x", [at(0)], streams=STREAMS)
    with pytest.raises(InvalidInput, match="a moment must be before 2026-03-01T00:00:00"):
        backtest(clickhouse, tenant, "s", [at(0)], streams=STREAMS)
