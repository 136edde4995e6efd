"""Where work waits, now and in a past period: what is usual, what is not, what it costs and what moves with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.engine import Action
from core import SystemClock
from core.errors import ConfigurationError, InvalidInput
from kpis.process.bottlenecks import Bottleneck, bottlenecks, historical_bottlenecks, unusual_hours
from kpis.process.calendars import Calendar
from kpis.process.cases import CaseJobs
from kpis.process.correlates import EXECUTABLE, Correlate, Names, Series, advice, moves_with
from kpis.process.filters import CaseFilter
from kpis.process.streams import ControlAction, ControlHint, parse_streams
from storage import ClickHouse

Insert = Callable[..., None]
HOUR, DAY = 3600.0, 86_400.0
START = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = parse_streams(
    '[s]\nowner = "office"\nterminal = ["done"]\nrunning = ["runs"]\nvalue = ["a"]\n[s.owners]\nb = "shed"\n'
)
NOW = 12 * DAY


@pytest.fixture
def store(clickhouse: ClickHouse, tenant: str, insert: Insert) -> Callable[[list[Any]], None]:
    def run(events: list[Any]) -> None:
        insert(events)
        CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).run_once(tenant)

    return run


@pytest.fixture
def live(clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None]) -> Callable[..., list[Bottleneck]]:
    def run(events: list[Any], at: float = NOW) -> list[Bottleneck]:
        store(events)
        return bottlenecks(clickhouse, tenant, START + timedelta(seconds=at), STREAMS)

    return run


def history(event: Any, days: int = 11, wait: float = HOUR, b_wait: float = 10 * HOUR) -> list[Any]:
    """An order an hour for some days: `wait` after a (nine in ten; twice that for the tenth), `b_wait` after b."""
    events = []
    for n in range(days * 24):
        at, own = n * HOUR, wait * (2 if n % 10 == 9 else 1)
        events += [event(f"h{n}", "a", at, amount="10"), event(f"h{n}", "b", at + own)]
        if at + own + b_wait < NOW:
            events.append(event(f"h{n}", "done", at + own + b_wait))
    return events


def stuck(event: Any, waits: Mapping[str, float], amount: str = "100", currency: str = "EUR") -> list[Any]:
    return [event(case, "a", NOW - wait, amount=amount, currency=currency) for case, wait in waits.items()]


def test_unusual_waiting_is_priced_and_ranked_first(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    """Nine in ten wait an hour after a. Three orders of 100 wait 5, 4 and half an hour: two are late, by 4 and 3 h."""
    first, second = live(history(event, days=12) + stuck(event, {"1": 5 * HOUR, "2": 4 * HOUR, "3": HOUR / 2}))
    assert (first.stream, first.step, first.owner_system) == ("s", "a", "office")
    assert (first.cases, first.value, first.currency, first.unpriced) == (3, Decimal(300), "EUR", 0)
    assert (first.delayed_cases, first.delayed_value) == (2, Decimal(200))
    assert first.excess_wait_s == 7 * HOUR
    assert first.value_hours == Decimal(700)
    assert (first.median_wait_s, first.usual_wait_s) == (4 * HOUR, HOUR)
    assert first.oldest_since == START + timedelta(seconds=NOW - 5 * HOUR)
    assert first.since == START + timedelta(seconds=NOW - 3 * HOUR), "an hour earlier all was as usual"
    assert "nine in ten over within 1 h;" in first.basis
    assert (second.step, second.owner_system, second.value_hours, second.since) == ("b", "shed", 0, None)
    assert second.value < first.value * 10


def test_much_that_always_waits_costs_nothing(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    """Ten times the money stands after b, as it always does; three cases after a are late."""
    rich = [
        one if one.step != "a" else type(one)(one.case, "a", one.at, amount="1000")
        for one in history(event, days=12, b_wait=20 * HOUR)
    ]
    found = {one.step: one for one in live(rich + stuck(event, {"1": 9 * HOUR}, amount="5"))}
    assert found["b"].value >= 19_000
    assert (found["b"].value_hours, found["b"].correlates, found["b"].action) == (0, (), "")
    assert found["a"].value_hours == Decimal(40)
    assert found["b"].usual_same_hour_s == pytest.approx(found["b"].median_wait_s, abs=HOUR)


def test_an_incident_of_the_last_day_is_not_usual(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    """Thirty orders waited ten hours in the last day and are gone; the usual is what was known before."""
    gone = []
    for n in range(30):
        at = NOW - 20 * HOUR + n * 60
        gone += [event(f"g{n}", "a", at, amount="10"), event(f"g{n}", "b", at + 10 * HOUR)]
    (first, _) = live(history(event) + gone + stuck(event, {"1": 3 * HOUR}))
    assert (first.usual_wait_s, first.value_hours) == (HOUR, Decimal(200))


def test_waits_that_are_not_over_count_as_at_least_so_long(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    """Of 40 orders 30 went on after an hour and 10 never did: more than one in ten takes longer than anybody knows."""
    events = [event(f"{n}", "a", n * HOUR, amount="1") for n in range(40)]
    events += [event(f"{n}", "b", (n + 1) * HOUR) for n in range(30)]
    found = {one.step: one for one in live(events)}
    assert (found["a"].usual_wait_s, found["a"].delayed_cases, found["a"].value_hours) == (HOUR, 0, 0)
    assert "too few" in found["a"].basis


def test_without_history_nothing_is_claimed(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    (only,) = live(stuck(event, {"1": 100 * HOUR}))
    assert (only.cases, only.usual_wait_s, only.delayed_cases, only.value_hours, only.since) == (1, None, 0, 0, None)
    assert only.basis.startswith("No usual wait is known")


def test_a_weekend_is_no_bottleneck(
    clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None], event: Any
) -> None:
    """Since Friday at 17:00 an order waits for b, which a desk does by day; on Monday at 9:00 that is two hours."""
    friday, monday = 5 * DAY + 17 * HOUR, 8 * DAY + 9 * HOUR
    store([*history(event, days=4), event("1", "a", friday, amount="5"), event("2", "b", friday, amount="5")])
    desk = Calendar("desk", "UTC", ((((480, 1080),),) * 5 + ((), ())))
    stream = replace(STREAMS["s"], calendars={"b": "desk"})
    now = START + timedelta(seconds=monday)
    found = {one.step: one for one in bottlenecks(clickhouse, tenant, now, {"s": stream}, {"desk": desk})}
    assert (found["a"].calendar, found["a"].median_wait_s) == ("desk", 2 * HOUR)
    assert found["b"].calendar == "", "what comes after b is done around the clock"
    assert found["b"].oldest_since == START + timedelta(seconds=friday)
    assert found["b"].median_wait_s == monday - friday
    with pytest.raises(ConfigurationError, match="stream s: there is no calendar 'desk'; there are none"):
        bottlenecks(clickhouse, tenant, now, {"s": stream}, {})


def test_where_nothing_moves_along_the_model_advises(
    clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None], event: Any
) -> None:
    """Marked as the model's word, and as nothing that can be executed."""
    store(history(event, days=12) + stuck(event, {"1": 5 * HOUR}))
    hint = ControlHint("shop->shed", ControlAction.REROUTE, "another shed may take it")
    stream = replace(STREAMS["s"], control={"a": hint, "b": hint}, process_owner="Order desk")
    first, second = bottlenecks(clickhouse, tenant, START + timedelta(seconds=NOW), {"s": stream}, {})
    assert (first.step, first.correlates, first.process_owner) == ("a", (), "Order desk")
    assert (first.action, first.action_target) == ("reroute", "shop-to-shed")
    assert (first.action_why, first.action_executable) == ("by the model: another shed may take it", False)
    assert (second.action, second.action_why) == ("", ""), "nothing is unusual there"


def test_only_what_the_control_room_knows_can_be_executed() -> None:
    assert {str(one) for one in EXECUTABLE} <= {str(one) for one in Action}


def test_currencies_are_never_added(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    waiting = stuck(event, {"1": 3 * HOUR}) + stuck(event, {"2": 5 * HOUR}, amount="7", currency="GBP")
    found = [one for one in live(history(event) + waiting) if one.step == "a"]
    assert [(one.currency, one.value_hours) for one in found] == [("EUR", Decimal(200)), ("GBP", Decimal(28))]


def test_cases_that_run_by_themselves_or_are_over_do_not_wait(
    live: Callable[..., list[Bottleneck]], event: Any
) -> None:
    events = [event("1", "a", 0), event("1", "runs", 1), event("2", "a", 0), event("2", "done", 1), event("2", "b", 2)]
    assert live(events) == []


def test_nothing_that_happens_later_counts(live: Callable[..., list[Bottleneck]], event: Any) -> None:
    events = [event("1", "a", 0, amount="5"), event("1", "b", 50), event("1", "done", 90)]
    assert [one.step for one in live(events, at=49)] == ["a"]
    assert [one.step for one in live([], at=89)] == ["b"]
    assert live([], at=90) == []


def test_a_time_must_carry_its_zone(clickhouse: ClickHouse, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="must carry its zone"):
        bottlenecks(clickhouse, tenant, datetime(2026, 3, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="must end after it starts"):
        historical_bottlenecks(clickhouse, tenant, "s", start=START, end=START)


# --- a past period ---


def test_longer_waits_of_a_past_day_are_found(
    clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None], event: Any
) -> None:
    """Five orders of 100 came on day nine at noon and waited ten hours after a; all of it is over."""
    late = []
    for n in range(5):
        at = 9 * DAY + 12 * HOUR + n
        late += [event(f"l{n}", "a", at, amount="100"), event(f"l{n}", "b", at + 10 * HOUR)]
        late.append(event(f"l{n}", "done", at + 20 * HOUR))
    store(history(event) + late)
    period = {"start": START + timedelta(days=9), "end": START + timedelta(days=10)}
    first, *others = historical_bottlenecks(clickhouse, tenant, "s", streams=STREAMS, **period)
    assert (first.step, first.kind, first.owner_system) == ("a", "longer", "office")
    noon = START + timedelta(days=9, hours=12)
    assert (first.since, first.until) == (noon, noon + timedelta(hours=11)), "first too many, then too long"
    assert first.worst_hours[0] == (noon + timedelta(hours=2), Decimal(500))
    assert float(first.unusual_value_hours) == pytest.approx(5 * 100 * 10, rel=0.05)
    assert [one.to_step for one in first.transitions] == ["b"]
    assert first.value_hours > first.before_value_hours
    assert all(one.unusual_value_hours < first.unusual_value_hours / 2 for one in others)
    nobody = CaseFilter(case_ids=["nobody"])
    assert historical_bottlenecks(clickhouse, tenant, "s", nobody, streams=STREAMS, **period) == []


def test_more_cases_than_usual_are_found(
    clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None], event: Any
) -> None:
    """Forty orders at once stand after b for their usual ten hours: none is late, but they are many."""
    many = []
    for n in range(40):
        at = 9 * DAY + 6 * HOUR
        many += [event(f"m{n}", "a", at, amount="10"), event(f"m{n}", "b", at + HOUR)]
        many.append(event(f"m{n}", "done", at + 11 * HOUR))
    store(history(event) + many)
    first, *_ = historical_bottlenecks(
        clickhouse, tenant, "s", streams=STREAMS, start=START + timedelta(days=9), end=START + timedelta(days=10)
    )
    assert (first.step, first.kind) == ("b", "more")
    assert (first.since, first.until) == (
        START + timedelta(days=9, hours=7), START + timedelta(days=9, hours=17)
    )  # fmt: skip
    assert first.unusual_value_hours == Decimal(40 * 10 * 10)


def test_a_stream_without_history_says_so(
    clickhouse: ClickHouse, tenant: str, store: Callable[[list[Any]], None], event: Any
) -> None:
    store([event("1", "a", 0, amount="5"), event("1", "b", HOUR)])
    found = historical_bottlenecks(clickhouse, tenant, "s", streams=STREAMS, start=START, end=START + timedelta(days=1))
    assert [(one.step, one.unusual_value_hours, one.kind) for one in found] == [("b", 0, ""), ("a", 0, "")]
    assert found[0].basis.startswith("Nothing counts as unusual")


# --- pure parts ---


def test_a_level_is_unusual_above_the_highest_twentieth_of_its_history() -> None:
    """100 hours of history: five of them are above the limit, the sixth is the limit."""
    past = {24 + n: float(n) for n in range(100)}
    assert unusual_hours(past | {0: 94.0}, 100) is None
    assert unusual_hours(past | {0: 95.0}, 100) == 0
    assert unusual_hours(past | {0: 95.0, 1: 99.0, 2: 96.0, 3: 94.0, 4: 99.0}, 100) == 2
    assert unusual_hours({0: 1e9}, 23) is None, "less than a day is no history"


@given(st.dictionaries(st.integers(24, 123), st.floats(0, 1e6)), st.floats(0, 1e6))
def test_what_is_no_higher_than_always_is_usual(past: dict[int, float], now: float) -> None:
    highest = max([past.get(hour, 0.0) for hour in range(24, 124)])
    found = unusual_hours(past | {0: now}, 100)
    assert found is not None or now <= highest
    assert found is None or now > 0


def series(measure: str, newest: list[float], usual: float = 1.0, kind: str = "queue") -> Series:
    """Hours back from now, then 100 hours around the usual."""
    points = dict(enumerate(newest)) | {24 + n: usual * (1 + n % 3 / 10) for n in range(100)}
    return Series(kind, "x", measure, True, points)


def test_what_is_raised_in_the_same_hours_moves_with_a_step() -> None:
    now = START + timedelta(days=10)
    found = moves_with(series("depth", [50, 40, 30, 1]), frozenset({0, 1, 2, 3}), now)
    assert found is not None
    assert (found.overlap, found.correlate.now, found.correlate.usual) == (0.75, 50, pytest.approx(1.1))
    assert found.correlate.since == now - timedelta(hours=3)
    assert found.correlate.text == "x holds 50 items, usually 1, since 2026-03-10 21:00 UTC."


@pytest.mark.parametrize(
    ("newest", "hours"),
    [
        pytest.param([1, 40, 30], 3, id="over again"),
        pytest.param([50, 1, 1, 1], 4, id="only in one of four hours"),
        pytest.param([1.5, 1.5, 1.5], 3, id="hardly more than usual"),
    ],
)
def test_what_is_not_does_not(newest: list[float], hours: int) -> None:
    assert moves_with(series("depth", newest), frozenset(range(hours)), START) is None


def test_too_little_history_is_no_correlate() -> None:
    short = Series("queue", "x", "depth", True, {0: 99.0, **{24 + n: 1.0 for n in range(23)}})
    assert moves_with(short, frozenset({0}), START) is None


def correlate(kind: str, name: str, measure: str, now: float = 9.0) -> Correlate:
    return Correlate(kind, name, measure, now, 1.0, None, "")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(["queue q depth", "edge a->b p95_ms"], ("pause", "a-to-b"), id="a full queue and a slow edge"),
        pytest.param(["queue fed depth"], ("pause", "c-to-d"), id="a full queue fed over an edge"),
        pytest.param(["edge a->b error_rate", "edge a->b p95_ms"], ("retry", "a-to-b"), id="a failing edge"),
        pytest.param(["edge a->b p95_ms"], ("throttle", "a-to-b"), id="a slow edge"),
        pytest.param(["queue q depth", "team desk open_cases"], ("reroute", "desk"), id="a team with too much"),
        pytest.param(["queue q oldest_age_s"], ("reroute", "q"), id="a queue before people"),
        pytest.param(["api x p95_ms"], None, id="an API alone says nothing about what to do"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_the_action_follows_from_the_correlates(found: list[str], expected: tuple[str, str] | None) -> None:
    names = Names(edges={"a->b"})
    names.queues["fed"] |= {"c->d"}
    advised = advice([correlate(*one.split()) for one in found], names)
    assert (advised and (advised.action, advised.target)) == expected
