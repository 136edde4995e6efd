"""What splits slow cases from fast ones: planted causes are found, chance is not, and the tests are the textbook's."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import SystemClock
from core.errors import InvalidInput
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.splits import Split, Splits, adjusted, chi_square_p, rank_sum_p, splits
from kpis.process.streams import parse_streams
from storage import ClickHouse

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["end"]\n')
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "System", "Attributes",
    "ReceivedAt", "SegmentId",
)  # fmt: skip
Case = tuple[float, float, list[str], Mapping[str, str]]
"""Start (seconds after Monday), duration, steps, attributes."""


@pytest.fixture
def ask(clickhouse: ClickHouse, tenant: str) -> Callable[..., Splits]:
    """Stores the cases and asks; each case's steps are spread evenly over its duration."""

    def run(cases: list[Case], wanted: CaseFilter | None = None, **options: Any) -> Splits:
        rows = []
        for number, (start, lasts, steps, attributes) in enumerate(cases):
            for place, step in enumerate(steps):
                at = MONDAY + timedelta(seconds=start + lasts * place / max(len(steps) - 1, 1))
                rows.append(
                    (
                        tenant,
                        "s",
                        f"c{number:05d}",
                        at,
                        place,
                        f"e{place}",
                        step,
                        step,
                        "erp",
                        dict(attributes),
                        MONDAY,
                        1,
                    )
                )
        clickhouse.insert_rows("process_events", COLUMNS, rows)
        CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).run_once(tenant)
        return splits(clickhouse, tenant, "s", wanted or CaseFilter(), **options)

    return run


def case(lasts: float, start: float = 0.0, steps: str = "start end", **attributes: str) -> Case:
    return start, lasts, steps.split(), attributes


def find(found: Splits, kind: str, value: str) -> Split:
    return next(one for one in found.splits if (one.kind, one.value) == (kind, value))


def test_a_planted_cause_is_found_with_its_numbers(ask: Callable[..., Splits]) -> None:
    """30 of the 40 cases of supplier s1 take 100 s or more, 10 of 120 others do."""
    log = [case(100 + n, supplier="s1") for n in range(30)] + [case(10 + n / 100, supplier="s1") for n in range(10)]
    log += [case(200 + n, supplier="s2") for n in range(10)] + [case(20 + n / 100, supplier="s2") for n in range(110)]
    found = ask(log, threshold_s=99)
    assert (found.cases, found.slow_cases, found.threshold_s, found.open_cases) == (160, 40, 99, 0)
    one = find(found, "attribute", "s1")
    assert found.splits[0] in (one, find(found, "attribute", "s2"))
    assert (one.name, one.cases, one.slow_cases, one.slow_share) == ("supplier", 40, 30, 0.75)
    assert one.slow_share_without == pytest.approx(10 / 120)
    assert one.lift == pytest.approx(3.0)
    assert one.odds_ratio == pytest.approx(30.5 * 110.5 / (10.5 * 10.5))
    assert one.median_s == pytest.approx((109 + 110) / 2)
    assert one.median_without_s == pytest.approx(20.595)
    assert one.difference_s == one.median_s - one.median_without_s
    assert one.q <= 1e-10
    assert 1e-5 < one.p_duration < 1e-3, "its fast cases are the fastest of all"
    assert find(found, "attribute", "s2").odds_ratio < 1


def test_traits_of_every_kind(ask: Callable[..., Splits]) -> None:
    """Amounts above a bound, a step, a start on Saturday at seven, another first step: one is enough to be slow."""
    chance = random.Random(7)
    saturday = 5 * 86_400 + 7 * 3_600
    log = []
    for n in range(800):
        big, check, late, other = (chance.random() < 0.2 for _ in range(4))
        slow = big or check or late or other
        amount = 500 + chance.random() * 500 if big else chance.random() * 400
        steps = f"{'hand' if other else 'start'} {'check ' if check else ''}end"
        at = saturday if late else chance.randrange(5) * 86_400 + chance.randrange(8, 24) * 3_600
        log.append(case((1_000 if slow else 10) + chance.random(), at, steps, amount=f"{amount:.2f}", id=f"id-{n}"))
    found = ask(log, threshold_s=500)
    labels = {one.label: one for one in found.splits} | {also: one for one in found.splits for also in one.also}
    for label in ("contains check", "weekday Saturday", "hour 07:00", "first step hand", "contains hand"):
        assert labels[label].odds_ratio > 5, label
    amounts = [one for one in found.splits if one.kind == "number" and one.odds_ratio > 1]
    assert [one.value[:6] for one in amounts] == ["above "]
    assert found.left_out == ("id",)
    assert not [one for one in found.splits if one.value == "erp"], "every case touches it"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chance_splits_nothing(ask: Callable[..., Splits], seed: int) -> None:
    """Durations drawn without regard to eight attributes, the start or the steps: at most a single false alarm."""
    chance = random.Random(seed)
    log = []
    for _ in range(600):
        attributes = {f"a{n}": chance.choice("abcde") for n in range(6)}
        attributes |= {f"n{n}": f"{chance.random():.6f}" for n in range(2)}
        steps = " ".join(["start", *chance.sample(["u", "v", "w", "x"], 2), "end"])
        log.append(case(chance.expovariate(0.001), chance.random() * 7 * 86_400, steps, **attributes))
    found = ask(log)
    assert found.tried > 60
    assert found.slow_cases == 150
    assert len(found.splits) <= 1


def test_open_cases_are_left_out_where_cases_are_closed(ask: Callable[..., Splits]) -> None:
    log = [case(10 + n, kind="done") for n in range(60)] + [case(1_000, steps="start wait", kind="open")] * 25
    found = ask(log, slow_share=0.5)
    assert (found.cases, found.open_cases, found.slow_cases) == (60, 25, 30)
    assert found.threshold_s == pytest.approx(39.5)


def test_what_cannot_be_compared_is_said(ask: Callable[..., Splits]) -> None:
    found = ask([case(10)] * 50)
    assert (found.splits, found.basis) == ((), "None of 50 cases took longer than 10 s.")
    assert ask([], CaseFilter(case_ids=["nobody"])).basis == "No case matches."


def test_traits_of_the_same_cases_are_one_split(ask: Callable[..., Splits]) -> None:
    log = [case(100 + n, steps="start ask answer end") for n in range(40)] + [case(n / 100) for n in range(120)]
    found = ask(log, threshold_s=99)
    (one,) = found.splits
    assert {one.label, *one.also} == {"contains ask", "contains answer"}


def test_nonsense_is_refused(ask: Callable[..., Splits]) -> None:
    for options in ({"slow_share": 1.0}, {"threshold_s": -1.0}, {"min_support": 1}, {"timezone": "Mars"}):
        with pytest.raises(InvalidInput):
            ask([case(1)], **options)


def test_the_rank_test_is_the_engine_s(clickhouse: ClickHouse) -> None:
    """Against ClickHouse's mannWhitneyUTest, with many equal values."""
    chance = random.Random(5)
    one, other = ([float(chance.randrange(9) + shift) for _ in range(40)] for shift in (0, 1))
    expected = clickhouse.query(
        "SELECT mannWhitneyUTest('two-sided', 1)(x, y).2 FROM (SELECT arrayJoin(arrayZip({x:Array(Float64)}, "
        "{y:Array(UInt8)})) AS p, p.1 AS x, p.2 AS y)",
        {"x": one + other, "y": [0] * 40 + [1] * 40},
    ).scalar()
    both = sorted(one + other)
    ranks = sum(both.index(value) + (both.count(value) + 1) / 2 for value in one)
    ties = sum(both.count(value) ** 3 - both.count(value) for value in set(both))
    assert rank_sum_p(ranks, 40, 80, ties) == pytest.approx(expected, rel=1e-6)


def test_the_table_test_is_the_textbook_s() -> None:
    """20 of 30 against 10 of 40: chi-square with Yates' correction is 10.514 (70 x 465^2 / (30 x 40 x 30 x 40))."""
    assert chi_square_p(20, 30, 30, 70) == pytest.approx(0.001185, rel=2e-3)
    assert chi_square_p(5, 10, 50, 100) == 1.0
    assert chi_square_p(0, 0, 5, 10) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_correction_is_benjamini_and_hochberg_s(p_values: list[float]) -> None:
    """q is the least of p_j m / j over all ranks j that are not before its own."""
    ordered = sorted(p_values)
    size = len(ordered)
    for p, q in zip(p_values, adjusted(p_values), strict=True):
        own = max(place for place, value in enumerate(ordered, 1) if value == p)
        assert q == pytest.approx(min([1.0, *(ordered[j - 1] * size / j for j in range(own, size + 1))]))
