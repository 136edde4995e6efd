"""The soak's judgement: a leak is seen, a breathing cache is not called one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.soak.judge import trend
from tests.soak.samples import Sample, slope


def samples(rss: list[float], fds: int = 50) -> list[Sample]:
    return [Sample(2.0 * number, value, fds, 20) for number, value in enumerate(rss)]


def test_a_leak_is_seen() -> None:
    """One MiB a sample is 1,800 MiB an hour."""
    found = trend("receiver 1", samples([100.0 + number for number in range(100)]), from_s=100, speed=1)
    assert found is not None
    assert round(found.rss_growth) == 1800
    assert found.problems() == ["receiver 1: memory grows by 1800.0 MiB an hour, more than 4"]


def test_a_breathing_cache_is_flat() -> None:
    found = trend("owner", samples([500 + 20 * math.sin(number) for number in range(300)]), from_s=300, speed=24)
    assert found is not None
    assert found.problems() == []


def test_growth_while_warming_up_does_not_count() -> None:
    rss = [100.0 + number for number in range(100)] + [200.0] * 100
    found = trend("receiver 1", samples(rss), from_s=200, speed=24)
    assert found is not None
    assert abs(found.rss_growth) < 0.1


def test_a_process_that_came_late_is_not_judged() -> None:
    """The one that replaced a killed receiver is still warming up."""
    assert trend("receiver 3", samples([100.0] * 50), from_s=-1, speed=24) is None


@given(st.floats(-100, 100), st.floats(-1000, 1000), st.integers(2, 50))
def test_a_straight_line_has_its_slope(growth: float, start: float, count: int) -> None:
    found = slope([(float(x), start + growth * x) for x in range(count)])
    assert math.isclose(found, growth, abs_tol=1e-6)
