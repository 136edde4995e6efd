"""Remaining time: the conditional distribution by hand, then against a plain oracle on random histories."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import SystemClock
from core.errors import InvalidInput
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.remaining import History, moment, nanoseconds, question
from kpis.process.streams import parse_streams
from storage import ClickHouse
from tests.support.examples import examples

Insert = Callable[..., None]
EXAMPLES = itertools.count(1)
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["done"]\nrunning = ["goes"]\n')
START = datetime(2026, 3, 1, tzinfo=UTC)
ANY = History(least_alike=(1, 1, 1))
NEAREST = 3


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), lambda: STREAMS)


def predicted(
    ch: ClickHouse, tenant: str, seconds: float, history: History = ANY, stream: str = "s", **more: Any
) -> dict[str, dict[str, Any]]:
    """The rows for the open cases at so many seconds after the start."""
    asked = question(
        ch, tenant, parse_streams(f'[{stream}]\nowner = "erp"\nterminal = ["done"]\nrunning = ["goes"]\n')[stream],
        START + timedelta(seconds=seconds), history, **more,
    )  # fmt: skip
    return {row["case_id"]: row for row in ch.query(asked.text, asked.params).dicts()}


def finished(
    event: Any, case: str, begin: float, gap: float, rest: float, first: str = "a", then: str = "b"
) -> list[Any]:
    """A case that stood `gap` seconds after its first step and closed `rest` seconds after it."""
    return [event(case, first, begin), event(case, then, begin + gap), event(case, "done", begin + rest)]


def past(event: Any, *visits: tuple[float, float], **steps: str) -> list[Any]:
    return list(
        itertools.chain.from_iterable(
            finished(event, f"past-{place}", 1000 * place, gap, rest, **steps)
            for place, (gap, rest) in enumerate(visits)
        )
    )


def test_only_visits_that_lasted_longer_than_the_wait_count(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Waited 25 s: of the gaps 10, 20, 30, 40 two are longer, whose cases took 60 and 50 s: 35 and 25 are left."""
    insert([*past(event, (10, 100), (20, 80), (30, 60), (40, 50)), event("open", "a", 10_000)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 10_025)["open"]
    assert (row["kind"], row["used"]) == (1, 2)
    assert (row["remaining_s"], row["remaining_p90_s"]) == (25, 35)
    at_once = predicted(clickhouse, tenant, 10_000)["open"]
    assert (at_once["used"], at_once["remaining_s"], at_once["remaining_p90_s"]) == (4, 60, 100)
    assert predicted(clickhouse, tenant, 10_039)["open"]["remaining_s"] == 11
    assert row["usual_gap_s"] == 25
    assert row["usual_n"] == 4


def test_waited_longer_than_ever(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """After 45 s only the age of the case is left to compare by (100, 80, 60, 50 s), after 100 s nothing."""
    insert([*past(event, (10, 100), (20, 80), (30, 60), (40, 50)), event("open", "a", 10_000)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 10_045)["open"]
    assert (row["kind"], row["used"], row["remaining_s"], row["remaining_p90_s"]) == (3, 4, 15, 55)
    row = predicted(clickhouse, tenant, 10_100)["open"]
    assert (row["kind"], row["used"], row["remaining_s"], row["remaining_p90_s"], row["p_late"]) == (0, 0, 0, 0, 1)


def test_backs_off_from_the_steps_so_far_to_the_step_to_the_case(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Three cases went x a, two z a. An open one with x a has three visits by its steps and five by the step."""
    log = []
    for place, (first, rest) in enumerate([("x", 10), ("x", 20), ("x", 30), ("z", 40), ("z", 50)]):
        log += [event(f"p{place}", first, 100 * place), event(f"p{place}", "a", 100 * place + 1)]
        log += [event(f"p{place}", "done", 100 * place + 1 + rest)]
    insert([*log, event("open", "x", 1000), event("open", "a", 1001)])
    jobs.run_once(tenant)

    def by(*least: int) -> tuple[int, int, float]:
        row = predicted(clickhouse, tenant, 1001, History(least_alike=least))["open"]  # type: ignore[arg-type]
        return row["kind"], row["used"], row["remaining_s"]

    assert by(3, 1, 1) == (1, 3, 20)
    assert by(4, 5, 1) == (2, 5, 30)
    assert by(4, 6, 5) == (3, 5, 30)
    assert by(4, 6, 6) == (0, 0, 0)


def test_of_the_comparable_those_of_the_same_age_count(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Cases that come to "b" after 1, 2, …, 40 s close at 100 s, whatever happens. Of the 40 the nearest 20 are taken,
    and those as near as the 20th: at 31 s all from 22 to 40 s (9 s away), and 21 s and nothing (10 s away)."""
    log: list[Any] = []
    for n in range(1, 41):
        log += [event(f"{n}", "a", 1000 * n), event(f"{n}", "b", 1000 * n + n), event(f"{n}", "done", 1000 * n + 100)]
    insert([*log, event("open", "a", 50_000), event("open", "b", 50_031)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 50_031)["open"]
    assert (row["kind"], row["used"], row["remaining_s"], row["remaining_p90_s"]) == (1, 20, 69, 77)
    row = predicted(clickhouse, tenant, 50_031, History(least_alike=(1, 1, 1), near=1.0))["open"]
    assert (row["used"], row["remaining_s"]) == (40, 79)


def test_open_cases_count_with_what_they_have_lasted(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Rests of 10 and 30 s, and one of at least 20 s: Kaplan-Meier keeps 2/3 over 10 s, without it 1/2 remain.

    The case that went on at 5 s and is open since 20 s is history for the other, which stands there since 0 s.
    """
    insert(
        [
            *past(event, (5, 10), (5, 30)),
            event("went-on", "a", 9_980), event("went-on", "b", 9_985),
            event("open", "a", 10_000),
        ]
    )  # fmt: skip
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 10_000, History(least_alike=(2, 1, 1)))["open"]
    assert (row["used"], row["remaining_s"]) == (3, 30), "at 10 s two thirds are left, more than half"
    row = predicted(clickhouse, tenant, 10_000, History(least_alike=(2, 1, 1)), censored=False)["open"]
    assert (row["used"], row["remaining_s"]) == (2, 10)


def test_a_promise_and_the_probability_to_miss_it(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Usual is the 90th percentile of 100, 80, 60, 50 s: 94 s (interpolated). After 45 s 49 s are left: of 55, 35, 15
    and 5 s one is more."""
    insert([*past(event, (10, 100), (20, 80), (30, 60), (40, 50)), event("open", "a", 10_000)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 10_045)["open"]
    assert moment(row["promise_ns"]) == START + timedelta(seconds=10_094)
    assert not row["promised"]
    assert row["p_late"] == pytest.approx(1 / 4)
    assert predicted(clickhouse, tenant, 10_093)["open"]["p_late"] == 1, "7 s are needed, 1 s is left"
    assert predicted(clickhouse, tenant, 10_094)["open"]["overdue"] == 0, "a promise is kept up to its moment"
    assert predicted(clickhouse, tenant, 10_095)["open"]["overdue"] == 1


def test_no_variance(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs) -> None:
    insert([*past(event, *[(10, 50)] * 9), event("open", "a", 20_000)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 20_005)["open"]
    assert (row["remaining_s"], row["remaining_p90_s"], row["p_late"]) == (45, 45, 0)


def test_one_case_has_no_history(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("open", "a", 0)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 50)["open"]
    assert (row["kind"], row["used"], row["promise_ns"], row["p_late"]) == (0, 0, None, 0)
    assert predicted(clickhouse, tenant, -1) == {}, "it had not begun"


def test_steps_that_end_together_leave_nothing_to_wait_for(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """A case stands after the last of them, and a visit of no length is none."""
    tied = [event("past", "a", 0), event("past", "b", 0), event("past", "done", 10)]
    insert([*tied, event("open", "a", 100), event("open", "b", 100)])
    jobs.run_once(tenant)
    row = predicted(clickhouse, tenant, 103)["open"]
    assert (row["step"], row["used"], row["remaining_s"]) == ("b", 1, 7)


def test_history_is_a_window_and_the_horizon_a_limit(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([*past(event, (10, 100), (20, 80)), event("open", "a", 10_000)])
    jobs.run_once(tenant)
    only_second = History(window=timedelta(seconds=9_500), least_alike=(1, 1, 1))
    row = predicted(clickhouse, tenant, 10_000, only_second)["open"]
    assert (row["used"], row["remaining_s"]) == (1, 80)
    limited = History(horizon=timedelta(seconds=70), least_alike=(1, 1, 1))
    assert predicted(clickhouse, tenant, 10_000, limited)["open"]["remaining_s"] == 70


def test_who_goes_on_by_itself_or_is_filtered_out_is_not_asked_about(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 0), event("2", "a", 0), event("2", "goes", 1), event("3", "b", 0)])
    insert([event("4", "a", 0)], tenant=f"{tenant}-other")
    jobs.run_once()
    assert set(predicted(clickhouse, tenant, 9)) == {"1", "3"}
    assert set(predicted(clickhouse, tenant, 9, wanted=CaseFilter(contains=["a"]))) == {"1"}


def test_of_many_visits_an_even_part_is_looked_at(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """2,000 gaps of 1 to 2,000 s, each closing 1 s later: whatever the wait, the median left is in the middle."""
    visits = [(gap, gap + 1) for gap in range(1, 2001)]
    insert([*past(event, *visits), event("open", "a", 3_000_000)])
    jobs.run_once(tenant)
    for wait in (0, 500, 1000, 1500, 1900, 1990):
        row = predicted(clickhouse, tenant, 3_000_000 + wait, History(sample=256))["open"]
        alike = 2000 - wait
        assert min(127, alike) <= row["used"] <= 256
        assert row["remaining_s"] == pytest.approx(1 + alike / 2, abs=max(1, alike / 50)), wait
        assert row["remaining_p90_s"] == pytest.approx(1 + alike * 0.9, abs=max(1, alike / 50)), wait


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": timedelta(0)}, "window must be longer than nothing"),
        ({"horizon": timedelta(-1)}, "horizon must be longer than nothing"),
        ({"cases": 0}, "must have 1 case or more, got 0"),
        ({"least_alike": (0, 1, 1)}, "least_alike, nearest and sample must be 1 or more"),
        ({"sample": 0}, "least_alike, nearest and sample must be 1 or more"),
        ({"near": 1.5}, "near must be a share above 0 and up to 1, got 1.5"),
    ],
)
def test_an_impossible_history_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        History(**wrong)


def test_moments_are_exact() -> None:
    at = datetime(2026, 3, 1, 12, 30, 15, 123457, tzinfo=UTC)
    assert nanoseconds(at) == 1772368215123457000
    assert moment(nanoseconds(at)) == at


LOGS = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=1, max_size=4).flatmap(
        lambda steps: st.tuples(st.integers(0, 40), st.just(steps), st.booleans())
    ),
    min_size=1,
    max_size=14,
)


@given(LOGS, st.integers(10, 60), st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)), st.booleans())
@example(
    [
        (0, [("a", 0)], False),
        (0, [("a", 0)], True),
        (0, [("a", 0)], True),
        (0, [("a", 0), ("a", 7), ("a", 8), ("a", 0)], True),
        (7, [("a", 0), ("a", 4)], False),
    ],
    18,
    (1, 1, 1),
    False,
)  # the usual time, interpolated, is 15 s but for the last digit of a double; so much is left
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_a_plain_reading_of_the_rules(
    clickhouse: ClickHouse,
    tenant: str,
    insert: Insert,
    event: Any,
    jobs: CaseJobs,
    log: Sequence[Any],
    now: int,
    least: tuple[int, int, int],
    censored: bool,
) -> None:
    """Each case: when it begins, its steps with the time before each, and whether it closes. Much lies after `now`."""
    stream = f"s{next(EXAMPLES)}"
    cases: dict[str, list[tuple[float, str]]] = {}
    for number, (begin, steps, closes) in enumerate(log):
        at, events = begin, []
        for step, gap in [*steps, *([("done", 3)] if closes else [])]:
            at += gap
            events.append((at, step))
        cases[str(number)] = events
    insert((event(case, step, at) for case, events in cases.items() for at, step in events), stream=stream)
    CaseJobs(
        clickhouse, SystemClock(), lambda: parse_streams(f'[{stream}]\nowner = "erp"\nterminal = ["done"]\n')
    ).run_once(tenant, stream)
    rows = predicted(
        clickhouse, tenant, now, History(least_alike=least, nearest=NEAREST), stream=stream, censored=censored
    )
    found = {
        case: (row["kind"], row["used"], row["remaining_s"], row["remaining_p90_s"], row["p_late"])
        for case, row in rows.items()
    }
    expected = oracle(cases, now, least, censored)
    assert set(found) == set(expected)
    for case, values in expected.items():
        assert found[case] == pytest.approx(values), case


def oracle(
    cases: dict[str, list[tuple[float, str]]], now: float, least: tuple[int, int, int], censored: bool
) -> dict[str, tuple[float, ...]]:
    """Visit by visit, as docs/process-risk.md says it."""
    visits: dict[tuple[Any, ...], list[tuple[float, float, bool, float]]] = defaultdict(list)
    opened, lasted = {}, []
    for case, events in cases.items():
        known = [(at, step) for at, step in events if at <= now]
        if not known:
            continue
        closed = next((at for at, step in known if step == "done"), None)
        if closed is None:
            opened[case] = known
            if not censored:
                continue
        else:
            lasted.append(closed - known[0][0])
        until = now if closed is None else closed
        visits[3,].append((until - known[0][0], until - known[0][0], closed is not None, 0.0))
        for place, (at, step) in enumerate(known):
            left = known[place + 1][0] if place + 1 < len(known) else until
            for key in ((2, step), (1, *(s for _, s in known[: place + 1]))):
                visits[key].append((left - at, until - at, closed is not None, at - known[0][0]))
    found = {}
    for case, known in opened.items():
        since, begun = known[-1][0], known[0][0]
        keys = ((1, *(s for _, s in known)), (2, known[-1][1]), (3,))
        best: tuple[int, list[tuple[float, bool]]] = (0, [])
        for key, wait in zip(keys, (now - since, now - since, now - begun), strict=True):
            age = since - begun if key != (3,) else 0.0
            alike = [
                (abs(then - age), rest - wait, seen) for gap, rest, seen, then in visits[key] if gap > wait and rest > 0
            ]
            if len(alike) >= least[key[0] - 1]:
                far = sorted(alike)[min(len(alike), max(NEAREST, math.ceil(len(alike) / 4))) - 1][0]
                best = key[0], [(rest, seen) for distance, rest, seen in alike if distance <= far]
                break
        found[case] = (best[0], len(best[1]), *_survival(best[1], _left(lasted, begun, now)))
    return found


def _left(lasted: list[float], begun: float, now: float) -> float | None:
    if not lasted:
        return None
    ordered, place = sorted(lasted), 0.9 * (len(lasted) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return begun + ordered[low] + (ordered[high] - ordered[low]) * (place - low) - now


def _survival(alike: list[tuple[float, bool]], left: float | None) -> tuple[float, float, float]:
    """Median, 90th percentile and the probability of more than `left`."""
    ordered = sorted(alike, key=lambda one: (one[0], not one[1]))
    curve, alive = [], 1.0
    for place, (rest, seen) in enumerate(ordered):
        if seen:
            alive *= 1 - 1 / (len(ordered) - place)
        curve.append((rest, alive))
    ended = 1 - alive
    if not curve:
        median, most = 0.0, 0.0
    elif ended < 1e-9:
        median = most = curve[-1][0]
    elif ended < 0.5 - 1e-9:
        median, most = (next(r for r, s in curve if s <= 1 - ended * share + 1e-9) for share in (0.5, 0.9))
    else:
        median, most = (next((r for r, s in curve if s <= share + 1e-9), curve[-1][0]) for share in (0.5, 0.1))
    if left is not None and left < 0:
        return median, most, 1.0
    if left is None or not curve:
        return median, most, 0.0
    return median, most, next((s for r, s in reversed(curve) if r <= left + 1e-9), 1.0)
