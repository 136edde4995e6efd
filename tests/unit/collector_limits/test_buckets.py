"""Token buckets and the rates made of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.limits import Charge, Overrun, RateLimits, TokenBucket
from core import ManualClock, Rates

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 400)), min_size=1, max_size=40)


@given(steps=STEPS, rate=st.floats(0.5, 50), burst=st.floats(1, 100))
def test_what_passes_is_bounded_by_rate_and_burst(steps: list[tuple[float, float]], rate: float, burst: float) -> None:
    """Whatever is asked for, whenever: the sum is at most a burst, the rate's yield, and the last request."""
    bucket, now, passed, last = TokenBucket(rate, burst, 0.0), 0.0, 0.0, 0.0
    for pause, amount in steps:
        now += pause
        if not bucket.wait_for(amount, now):
            bucket.spend(amount, now)
            passed, last = passed + amount, amount
        assert passed - last <= burst + rate * now + 1e-6


@given(steps=STEPS, rate=st.floats(0.5, 50), burst=st.floats(1, 100))
def test_the_wait_that_is_told_is_right(steps: list[tuple[float, float]], rate: float, burst: float) -> None:
    """Not sooner, and at that moment: a client that obeys is let in at its first repetition."""
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    for pause, amount in steps:
        now += pause
        wait = bucket.wait_for(amount, now)
        if wait > 1e-3:
            assert bucket.wait_for(amount, now + wait * 0.99) > 0
        now += wait
        assert bucket.wait_for(amount, now + 1e-6) <= 1e-6
        bucket.spend(amount, now)


def test_a_change_of_the_rate_keeps_a_debt_and_a_full_bucket() -> None:
    bucket = TokenBucket(10, 50, 0.0)
    bucket.change(20, 100, 0.0)
    assert bucket.level(0.0) == 100
    bucket.spend(150, 0.0)
    bucket.change(10, 50, 0.0)
    assert bucket.level(0.0) == -50
    assert bucket.wait_for(50, 0.0) == 10


class Limits:
    """Rates that a test changes, on a clock that it moves."""

    def __init__(self, share: float = 1.0, **rates: float) -> None:
        self.clock, self.tenant = ManualClock(START), Rates(**rates)
        self.limits = RateLimits(self.clock, lambda name: self.tenant if name == "shop" else Rates(), share=share)

    def ask(
        self, size: int, *, tenant: str = "shop", key: str = "", key_rates: Rates | None = None
    ) -> Charge | Overrun:
        return self.limits.admit(tenant, key, key_rates or Rates(), size)


def passed(found: Charge | Overrun) -> Charge:
    assert isinstance(found, Charge), found
    return found


def refused(found: Charge | Overrun) -> Overrun:
    assert isinstance(found, Overrun)
    return found


def test_the_real_cost_is_charged_after_decoding() -> None:
    """A small compressed body that was large inside makes the next one wait."""
    world = Limits(bytes_per_s=100)
    passed(world.ask(10)).settle(1_000, 5)
    told = refused(world.ask(10))
    assert (told.whose, told.what) == ("tenant", "bytes")
    assert told.wait_s == pytest.approx((1_000 - 500 + 10) / 100)
    world.clock.advance(told.wait_s)
    passed(world.ask(10))


def test_items_are_charged_once_known() -> None:
    world = Limits(items_per_s=10)
    passed(world.ask(10)).settle(10, 70)
    assert refused(world.ask(10)).what == "items"
    world.clock.advance(2.2)
    passed(world.ask(10))


def test_what_was_refused_later_gets_everything_back() -> None:
    world = Limits(bytes_per_s=100, items_per_s=10)
    charge = passed(world.ask(500))
    charge.settle(600, 100)
    charge.refund()
    charge.refund()
    passed(world.ask(500))


def test_a_key_has_rates_beside_its_tenants() -> None:
    """Both must have room; the longer wait is told, and a refusal takes nothing from either."""
    world = Limits(bytes_per_s=1_000)
    slow = Rates(bytes_per_s=10)
    passed(world.ask(50, key="k1", key_rates=slow))
    told = refused(world.ask(50, key="k1", key_rates=slow))
    assert (told.whose, told.wait_s) == ("key", 5.0)
    passed(world.ask(4_950, key="k2"))
    assert refused(world.ask(4_950, key="k2")).whose == "tenant"


def test_tenants_do_not_pay_for_one_another() -> None:
    world = Limits(bytes_per_s=10)
    passed(world.ask(50))
    refused(world.ask(50))
    passed(world.ask(10**9, tenant="other"))


def test_a_new_rate_counts_at_the_next_request() -> None:
    world = Limits(bytes_per_s=10)
    passed(world.ask(50))
    refused(world.ask(50))
    world.tenant = Rates(bytes_per_s=0)
    passed(world.ask(10**9))
    world.tenant = Rates(bytes_per_s=10)
    passed(world.ask(50))


def test_a_process_takes_its_share_of_the_rate() -> None:
    world = Limits(share=0.25, bytes_per_s=100)
    passed(world.ask(125))
    assert refused(world.ask(125)).wait_s == 5.0


def test_a_request_larger_than_the_burst_passes_a_full_bucket() -> None:
    world = Limits(bytes_per_s=1)
    passed(world.ask(1_000))
    world.clock.advance(990)
    refused(world.ask(1_000))
    world.clock.advance(10)
    passed(world.ask(1_000))
