"""The answers about waiting on random logs, equal to what plain Python makes of the same steps."""

# ruff: noqa: B023 -- functions are called where they are made
from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from core import SystemClock
from kpis.process.bottlenecks import bottlenecks, historical_bottlenecks
from kpis.process.calendars import Calendar
from kpis.process.cases import CaseJobs
from kpis.process.streams import ValueStream
from kpis.process.waiting_causes import waiting_causes
from storage import ClickHouse
from tests.unit.kpis_process import waiting_oracle as oracle
from tests.unit.kpis_process.waiting_oracle import DAY, HOUR, Case

BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "Resource",
    "Amount", "Currency", "ReceivedAt", "SegmentId",
)  # fmt: skip
DESK = Calendar("desk", "UTC", ((((8 * 60, 18 * 60),),) * 5 + ((), ())), frozenset({date(2026, 3, 11)}))
SLOW = ((28.5, 30), (34.5, 36.4), (39, 41))
"""Days in which it takes much longer to come to b."""
Store = Callable[[Sequence[Case], ValueStream], None]


@pytest.fixture
def store(clickhouse: ClickHouse, tenant: str) -> Store:
    def run(cases: Sequence[Case], stream: ValueStream) -> None:
        rows = []
        for number, case in enumerate(cases):
            for place, (step, resource, start, end) in enumerate(case.steps):
                amount = Decimal(str(case.value)) if place == 0 and case.value is not None else None
                rows.append(
                    (
                        tenant, stream.name, f"c{number}", moment(end), place + 1, f"{number}-{place}", step, step,
                        None if start is None else moment(start), resource, amount, case.currency, moment(BEGIN), 1,
                    )
                )  # fmt: skip
        clickhouse.insert_rows("process_events", COLUMNS, rows)
        CaseJobs(clickhouse, SystemClock(), lambda: {stream.name: stream}).run_once(tenant)

    return run


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def a_log(seed: int, count: int = 500, days: int = 41) -> list[Case]:
    """Random paths with steps that overlap, equal times, several currencies, and cases that are not over."""
    dice = random.Random(seed)
    cases = []
    for _ in range(count):
        at = BEGIN + dice.randrange(days * DAY // 60) * 60
        steps: list[oracle.Step] = []
        for step in ["a", *dice.choices(["b", "c", "runs"], [5, 4, 1], k=dice.randrange(1, 5)), "done"]:
            if dice.random() < 0.015:
                break
            slow = 8 if step == "b" and any(first <= (at - BEGIN) / DAY < last for first, last in SLOW) else 1
            start = at + dice.choice([0, 60, 3_600, 7_200]) + slow * int(dice.expovariate(1 / 20_000)) // 60 * 60
            took = dice.choice([0, 0, 600, 5_400])
            known = dice.random() < 0.7
            steps.append((step, "", start if known else None, start + took if known else start))
            at = start if dice.random() < 0.3 else start + took  # the next may begin before this one has ended
        if steps:
            priced = dice.random() < 0.8
            currency = dice.choice(["EUR", "EUR", "GBP"]) if priced else ""
            cases.append(Case(in_order(steps), float(dice.randrange(1, 500)) if priced else None, currency))
    return cases


def in_order(steps: Sequence[oracle.Step]) -> list[oracle.Step]:
    """A case's order: by start where known, else by the timestamp; then by the timestamp."""
    return sorted(steps, key=lambda one: (one[3] if one[2] is None else one[2], one[3]))


def at_the_desk(start: int, end: int) -> int:
    """Working time by looking at every day."""
    day, total = start // DAY * DAY, 0
    while day < end:
        opens, closes = (day + minutes * 60 for minutes in (8 * 60, 18 * 60))
        if DESK.day(moment(day).date()):
            total += max(0, min(closes, end) - max(opens, start))
        day += DAY
    return total


@pytest.mark.parametrize("calendar", ["", "desk"])
@pytest.mark.parametrize("seed", [1, 2])
def test_live_bottlenecks(clickhouse: ClickHouse, tenant: str, store: Store, seed: int, calendar: str) -> None:
    cases = a_log(seed)
    stream = ValueStream("s", "office", ("done",), running=("runs",), calendar=calendar)
    store(cases, stream)
    worked = at_the_desk if calendar else oracle.by_the_wall
    unusual = 0
    for now in (BEGIN + 41 * DAY + 1_234, BEGIN + 36 * DAY + 10 * HOUR + 60):
        found = bottlenecks(clickhouse, tenant, moment(now), {"s": stream}, {"desk": DESK})
        known = oracle.waits(cases, now, "done", "runs")
        standing = [one for one in known if one.gone is None]
        usual = oracle.usual(known, now - 28 * DAY, now - DAY, worked)
        assert sum(one.cases for one in found) == len(standing)
        assert {one.calendar for one in found} == {calendar}
        for one in found:
            here = [w for w in standing if w.step == one.step and w.currency in (one.currency, "")]
            default = max(w.currency for w in standing if w.step == one.step)
            here = [w for w in here if (w.currency or default) == one.currency]
            ages = [worked(w.entered, now) for w in here]
            assert (one.cases, float(one.value)) == (len(here), sum(w.value for w in here))
            assert one.unpriced == sum(not w.priced for w in here)
            assert one.median_wait_s == oracle.middle(ages)
            assert one.oldest_since == moment(min(w.entered for w in here))
            _, half, limit = usual.get(one.step, (0, None, None))
            assert one.usual_wait_s == half
            then = oracle.stood(known, one.step, now, worked)
            every = [length for week in then for length in week]
            assert one.usual_same_hour_s == (oracle.middle(every) if len(every) >= 5 else None)
            assert one.usual_same_hour_cases == oracle.middle([len(week) for week in then])
            if limit is None:
                assert (one.delayed_cases, one.since) == (0, None)
                continue
            late = [(age, w) for age, w in zip(ages, here, strict=True) if age > limit]
            assert (one.delayed_cases, float(one.delayed_value)) == (len(late), sum(w.value for _, w in late))
            own = [w for w in known if w.step == one.step and now - 28 * DAY <= w.entered < now - DAY]
            begun = min(w.entered for w in own) + limit
            step = one.step

            def level(back: int, step: str = step, limit: int = limit) -> int:
                return oracle.level(known, step, now - back * HOUR, limit, worked)

            back = oracle.unusual_since(level, (now - DAY - begun) // HOUR)
            recent = [(age, w) for age, w in late if now - w.entered <= 28 * DAY]
            if back is None or not recent:
                assert (one.since, one.value_hours, one.excess_wait_s) == (None, 0, 0)
                continue
            unusual += 1
            assert one.since == moment(now - back * HOUR)
            assert one.excess_wait_s == pytest.approx(sum(age - limit for age, _ in recent))
            money = sum((age - limit) / 3600 * w.value for age, w in recent)
            scale = 28 * DAY / worked(now - 28 * DAY, now)
            assert float(one.value_hours) == pytest.approx(money * scale, abs=0.01)
    assert unusual, "the log must have something to find"


@pytest.mark.parametrize("calendar", ["", "desk"])
def test_past_bottlenecks(clickhouse: ClickHouse, tenant: str, store: Store, calendar: str) -> None:
    cases = a_log(3, count=500)
    stream = ValueStream("s", "office", ("done",), running=("runs",), calendar=calendar)
    store(cases, stream)
    worked = at_the_desk if calendar else oracle.by_the_wall
    start, end = BEGIN + 27 * DAY, BEGIN + 33 * DAY + 5 * HOUR
    before = start - 14 * DAY
    found = historical_bottlenecks(
        clickhouse, tenant, "s", start=moment(start), end=moment(end), streams={"s": stream}, calendars={"desk": DESK}
    )
    ever = oracle.waits(cases, 1 << 40, "done", "runs")
    usual = oracle.usual(oracle.waits(cases, start, "done", "runs"), before, start, worked)
    assert {one.step for one in found} == {"a", "b", "c"}
    for one in found:
        mine = [w for w in ever if w.step == one.step and w.entered < end]
        default = max(w.currency for w in mine)
        mine = [w for w in mine if (w.currency or default) == one.currency]

        def within(w: oracle.Wait, first: int, last: int) -> int:
            till = min(w.gone if w.gone is not None else end, last)
            return max(0, worked(w.entered, till) - worked(w.entered, first))

        inside = [w for w in mine if within(w, start, end) > 0]
        assert one.waits == len(inside)
        assert one.cases == len({w.case for w in inside})
        assert one.unpriced == sum(not w.priced for w in inside)
        assert one.median_wait_s == oracle.middle(
            [worked(w.entered, w.gone if w.gone is not None else end) for w in inside]
        )
        assert one.waiting_s == pytest.approx(sum(within(w, start, end) for w in mine))
        priced = sum(within(w, start, end) / 3600 * w.value for w in mine)
        scale = (end - before) / worked(before, end)
        assert float(one.value_hours) == pytest.approx(priced * scale, abs=0.01)
        assert one.usual_wait_s == usual[one.step][1]
        limit = usual[one.step][2]
        assert limit is not None

        def late_money(at: int) -> float:
            return sum(
                w.value for w in mine
                if w.entered <= at and (w.gone is None or w.gone > at) and worked(w.entered, at) >= limit
                and (w.gone is None or worked(w.entered, w.gone) > limit)
            )  # fmt: skip

        def all_money(at: int) -> float:
            return sum(w.value for w in mine if w.entered <= at and (w.gone is None or w.gone > at))

        first = min(w.entered for w in oracle.waits(cases, start, "done", "runs")
                    if w.step == one.step and w.entered >= before)  # fmt: skip
        hours = [before + n * HOUR for n in range((end - before) // HOUR)]
        weight = {at: worked(at, min(at + HOUR, end)) / HOUR for at in hours}
        known = [at for at in hours if weight[at] and at < start and at >= first and worked(first, at) >= limit]
        beyond = 0.0
        judged = [lambda at: late_money(at)]
        if sum(weight[at] for at in known) * HOUR >= 5 * usual[one.step][1]:
            judged.append(lambda at: all_money(at) - late_money(at))
        for money in judged:
            ordered = sorted((money(at) for at in known), reverse=True)
            usual_level = ordered[int(0.05 * len(ordered) + 1e-9)]
            beyond += sum(max(0, money(at) - usual_level) * weight[at] for at in hours if at >= start)
        assert float(one.unusual_value_hours) == pytest.approx(beyond * scale, abs=0.02)
    assert found[0].unusual_value_hours > 0


def a_shift(seed: int, count: int = 90, days: int = 49) -> list[Case]:
    """Few people who do several things at once, in batches, by day and not at week-ends; times in whole minutes."""
    dice = random.Random(seed)
    cases = []
    for _ in range(count):
        at = BEGIN + dice.randrange(days) * DAY + dice.randrange(9 * 60, 12 * 60) // 10 * 600
        steps: list[oracle.Step] = []
        for step in dice.choices(["pick", "pack", "ship"], k=dice.randrange(2, 5)):
            hour = dice.choice([8, 9, 9, 10, 13])
            start = max(at, at // DAY * DAY + hour * HOUR) + dice.choice([0, 0, 600, 4_200])
            if dice.random() < 0.2:
                start += DAY
            took = dice.choice([0, 600, 600, 1_800, 9_000])
            steps.append((step, dice.choice(["x", "x", "y"]), start, start + took))
            at = start if dice.random() < 0.1 else start + took
        cases.append(Case(in_order(steps), None, ""))
    return cases


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_waiting_causes(clickhouse: ClickHouse, tenant: str, store: Store, zone: str) -> None:
    """Clocks are set forward in the middle of the log in Berlin; Kolkata is half an hour off."""
    where = ZoneInfo(zone)

    def slot(hour: int) -> int:
        there = datetime.fromtimestamp(hour * HOUR, where)
        return there.weekday() * 24 + there.hour

    cases = a_shift(7, count=260)
    store(cases, ValueStream("s", "office", ("done",)))
    found = waiting_causes(clickhouse, tenant, "s", timezone=zone)
    expected = oracle.causes(cases, oracle.duty(oracle.tasks(cases), slot))
    assert {(one.from_step, one.to_step) for one in found.transitions} == set(expected)
    for one in found.transitions:
        wanted = expected[one.from_step, one.to_step]
        assert {name: getattr(one.causes, f"{name}_s") for name in oracle.CAUSES} == pytest.approx(wanted, abs=1e-3)
    assert all(getattr(found.causes, f"{name}_s") > 0 for name in oracle.CAUSES), "each cause must occur"


def test_waiting_causes_in_crowded_hours(clickhouse: ClickHouse, tenant: str, store: Store) -> None:
    """Where a resource does more than anybody could, nothing waits for it; here that is five things an hour."""
    cases = a_shift(8, count=120, days=4)
    store(cases, ValueStream("s", "office", ("done",)))
    expected = oracle.causes(cases, most=5)
    assert expected != oracle.causes(cases), "some hour must be crowded"
    for one in waiting_causes(clickhouse, tenant, "s", crowded=5).transitions:
        wanted = expected[one.from_step, one.to_step]
        assert {name: getattr(one.causes, f"{name}_s") for name in oracle.CAUSES} == pytest.approx(wanted, abs=1e-3)


def test_a_long_case_is_no_trouble(clickhouse: ClickHouse, tenant: str, store: Store) -> None:
    """Steps out of order in a case of 20,000: sorted, not looked up one by one."""
    steps = [("a", "x", BEGIN + 60 * n, BEGIN + 60 * n + (90 if n % 7 else 0)) for n in range(20_000)]
    stream = ValueStream("s", "office", ("done",))
    store([Case(in_order(steps), 5.0, "EUR")], stream)
    now = moment(BEGIN) + timedelta(days=15)
    (found,) = bottlenecks(clickhouse, tenant, now, {"s": stream}, {})
    assert (found.cases, found.usual_wait_s) == (1, 0.0)
    assert waiting_causes(clickhouse, tenant, "s").cases == 1
