"""The shared capacity: its rule, as properties over any sequence of asking and giving back."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collector.limits import FairBudget, Ticket
from core import ManualClock

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TENANTS = ["a", "b", "c", "d"]


def budget(capacity: int = 1600, tenants: int = 4, **options: object) -> tuple[FairBudget, ManualClock]:
    clock = ManualClock(START)
    return FairBudget(capacity, clock, tenants=tenants, **options), clock  # type: ignore[arg-type]


def flood(shared: FairBudget, tenant: str, size: int = 10) -> list[Ticket]:
    """As many as it gets."""
    return list(itertools.takewhile(bool, (shared.ask_now(tenant, size) for _ in range(100_000))))  # type: ignore[arg-type]


class Sharing(RuleBasedStateMachine):
    """Four tenants with a floor of 200 each and a common half of 800."""

    @initialize(weights=st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=4, max_size=4))
    def begin(self, weights: list[float]) -> None:
        self.shared, self.clock = budget(weight_of=dict(zip(TENANTS, weights, strict=True)).__getitem__)
        self.given: list[Ticket] = []
        self.waiting: list[Ticket] = []

    def held(self, tenant: str) -> int:
        return sum(one.amount for one in self.given if one.tenant == tenant)

    def settle(self) -> None:
        for one in list(self.waiting):
            if one.given:
                self.waiting.remove(one)
                self.given.append(one)

    @rule(tenant=st.sampled_from(TENANTS), amount=st.integers(0, 300))
    def ask(self, tenant: str, amount: int) -> None:
        """Within the floor there is never a wait, unless the tenant itself waits for something larger."""
        before, queue = self.held(tenant), any(one.tenant == tenant for one in self.waiting)
        ticket = self.shared.ask(tenant, amount)
        assert ticket.given == (ticket.future is None)
        if before + amount <= 200 and not queue:
            assert ticket.given, "a tenant within its floor was kept waiting"
        (self.given if ticket.given else self.waiting).append(ticket)

    @rule(tenant=st.sampled_from(TENANTS), amount=st.integers(0, 300))
    def ask_now(self, tenant: str, amount: int) -> None:
        before, queue = self.held(tenant), any(one.tenant == tenant for one in self.waiting)
        ticket = self.shared.ask_now(tenant, amount)
        if before + amount <= 200 and not queue:
            assert ticket, "a tenant within its floor was refused"
        if ticket:
            self.given.append(ticket)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        one = self.given.pop(data.draw(st.integers(0, len(self.given) - 1)))
        self.shared.release(one)
        self.shared.release(one)
        self.settle()

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def shrink(self, data: st.DataObject) -> None:
        one = self.given[data.draw(st.integers(0, len(self.given) - 1))]
        self.shared.shrink(one, data.draw(st.integers(0, one.amount)))
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        one = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.shared.release(one)
        self.settle()

    @rule(seconds=st.floats(0, 20))
    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def bounded_and_counted(self) -> None:
        if hasattr(self, "shared"):
            assert self.shared.in_use == sum(one.amount for one in self.given) <= 1600
            assert self.shared.waiting == len(self.waiting)

    @invariant()
    def nobody_waits_when_nothing_is_held(self) -> None:
        """Nothing is lost: when all is given back, everybody is served."""
        if hasattr(self, "shared") and not self.given:
            assert not self.waiting


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=12), floods=st.integers(1, 3))
def test_a_tenant_within_its_floor_is_never_refused_because_of_floods(sizes: list[int], floods: int) -> None:
    """Whoever floods, however many, before it comes and while it works."""
    shared, _ = budget()
    for tenant in TENANTS[:floods]:
        flood(shared, tenant)
    for size in sizes:
        quiet = shared.ask_now("d", size)
        assert quiet
        for tenant in TENANTS[:floods]:
            flood(shared, tenant)
        shared.release(quiet)


def test_one_alone_may_take_all_of_the_common_half() -> None:
    shared, _ = budget()
    flood(shared, "a")
    assert shared.in_use == 200 + 800


def test_floods_are_divided_by_weight_once_they_turn_over() -> None:
    """Max-min: who holds too much gets nothing more until the others have their part."""
    shared, _ = budget(weight_of={"a": 1.0, "b": 3.0}.__getitem__)
    held = {"a": flood(shared, "a"), "b": flood(shared, "b")}
    assert sum(one.amount for one in held["a"]) == 1000
    for _ in range(300):
        for name in held:
            if held[name]:
                shared.release(held[name].pop())
        for name in held:
            held[name] += flood(shared, name)
    assert sum(one.amount for one in held["a"]) == 200 + 200
    assert sum(one.amount for one in held["b"]) == 200 + 600


def test_who_holds_least_is_served_first() -> None:
    shared, _ = budget()
    first = [shared.ask_now("a", 300) for _ in range(3)]
    assert all(first)
    large = shared.ask_now("b", 300)
    assert large
    waiting_a, waiting_b = shared.ask("a", 150), shared.ask("b", 150)
    assert waiting_a.future
    assert waiting_b.future
    assert first[0]
    shared.release(first[0])
    assert waiting_b.given


def test_a_large_one_is_not_overtaken_for_ever() -> None:
    """Small ones that need the common half queue behind it; those within a floor do not."""
    shared, _ = budget()
    held = flood(shared, "a")
    large = shared.ask("b", 800)
    assert not large.given
    small = shared.ask("c", 450)
    assert not small.given
    within = shared.ask("d", 200)
    assert within.given
    for one in held:
        shared.release(one)
    assert large.given
    assert not small.given
    shared.release(large)
    assert small.given


def test_tenants_beyond_the_expected_share_the_common_half() -> None:
    shared, _ = budget()
    for tenant in TENANTS:
        assert shared.ask_now(tenant, 1)
    extra = flood(shared, "e")
    assert extra
    assert shared.in_use <= 1600
    assert sum(one.amount for one in extra) <= 800 / 5 + 10


def test_a_share_is_what_recent_tenants_leave() -> None:
    shared, clock = budget()
    for tenant in "abc":
        ticket = shared.ask_now(tenant, 1)
        assert ticket
        shared.release(ticket)
    assert shared.ask_now("d", 1)
    assert shared.share("d") == 200 + 200
    clock.advance(10.1)
    assert shared.share("d") == 200 + 800


def test_whose_fault_it_is() -> None:
    shared, _ = budget()
    flood(shared, "a")
    assert shared.over_share("a", 10)
    for tenant in "bcd":
        flood(shared, tenant)
    extra = shared.ask("e", 700)
    assert not extra.given
    assert not shared.over_share("e", 700)


def test_impossible_amounts_are_refused_loudly() -> None:
    shared, _ = budget()
    with pytest.raises(ValueError, match="800"):
        shared.ask("a", 801)
    with pytest.raises(ValueError, match="too small"):
        budget(capacity=7)
