"""Leases: one holder at a time, taken over when it says nothing more, and never counted on by two."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import ManualClock
from storage import StateDb
from storage.state.lease import Lease

LASTS, MARGIN = 60.0, 10.0


def lease(state: StateDb, clock: ManualClock, holder: str, name: str = "jobs") -> Lease:
    return Lease(state, clock, name, holder, lasts_s=LASTS, margin_s=MARGIN)


def test_the_first_takes_it_and_keeps_it_by_saying_so(state: StateDb, clock: ManualClock) -> None:
    ada, bob = lease(state, clock, "ada"), lease(state, clock, "bob")
    assert not ada.held
    assert ada.hold()
    assert not bob.hold()
    for _ in range(5):
        clock.advance(40)
        assert ada.hold()
        assert not bob.hold()
    assert (ada.held, bob.held, ada.token) == (True, False, 1)


def test_it_is_taken_over_when_its_holder_is_gone(state: StateDb, clock: ManualClock) -> None:
    """Ada dies. Ten seconds before Bob may take it, Ada would no longer have counted on it."""
    ada, bob = lease(state, clock, "ada"), lease(state, clock, "bob")
    assert ada.hold()
    clock.advance(49)
    assert ada.held
    clock.advance(2)
    assert not ada.held
    assert not bob.hold()
    clock.advance(9)
    assert bob.hold()
    assert bob.token == 2
    assert not ada.hold(), "she comes back too late"
    held = bob.now_held_by()
    assert held is not None
    assert (held.holder, held.token) == ("bob", 2)


def test_a_holder_that_let_it_lapse_and_takes_it_again_has_another_token(state: StateDb, clock: ManualClock) -> None:
    ada = lease(state, clock, "ada")
    assert ada.hold()
    clock.advance(61)
    assert ada.hold()
    assert ada.token == 2


def test_released_it_can_be_taken_at_once(state: StateDb, clock: ManualClock) -> None:
    ada, bob = lease(state, clock, "ada"), lease(state, clock, "bob")
    assert ada.hold()
    bob.release()
    assert not bob.hold(), "nobody releases for another"
    ada.release()
    assert not ada.held
    assert bob.hold()


def test_who_knows_that_the_holder_is_dead_need_not_wait(state: StateDb, clock: ManualClock) -> None:
    ada, bob = lease(state, clock, "ada"), lease(state, clock, "bob")
    assert ada.hold()
    assert bob.seize()
    assert (bob.token, bob.held) == (2, True)
    assert not ada.hold()
    assert bob.seize(), "it is his already"
    assert bob.token == 2


def test_leases_of_other_names_are_other_leases(state: StateDb, clock: ManualClock) -> None:
    assert lease(state, clock, "ada").hold()
    assert lease(state, clock, "bob", "other").hold()


def test_a_margin_that_leaves_nothing_is_refused(state: StateDb, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match=r"margin is 0 or more and below its 60\.0 s, got 60\.0"):
        Lease(state, clock, "jobs", "ada", lasts_s=60.0, margin_s=60.0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["hold", "hold", "hold", "release", "die"]), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 31, 49, 51, 60, 62])),
    ),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, number=st.integers(0, 2**31))
def test_never_two_hold_it_and_tokens_only_grow(
    state: StateDb, clock: ManualClock, steps: list[tuple[str, int]], number: int
) -> None:
    """Three processes that ask, release and die in any order, at any time."""
    name = f"jobs-{number}"
    holders = [lease(state, clock, f"p{n}.0", name) for n in range(3)]
    lives, newest, last = [0, 0, 0], 0, None
    for step, argument in steps:
        if step == "wait":
            clock.advance(argument)
        elif step == "die":
            lives[argument] += 1
            holders[argument] = lease(state, clock, f"p{argument}.{lives[argument]}", name)
        elif step == "release":
            holders[argument].release()
        elif holders[argument].hold():
            assert holders[argument].token >= newest
            if last is not None and last != holders[argument].holder:
                assert holders[argument].token > newest, "another holder, another token"
            newest, last = holders[argument].token, holders[argument].holder
        assert sum(one.held for one in holders) <= 1
    clock.advance(LASTS)
    assert holders[0].hold(), "whatever happened, somebody can go on after a while"
