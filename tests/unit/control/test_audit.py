"""The audit chain: what it records, and that tampering is named where it happened."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control import AuditChain, AuditHead, Problem
from control.audit import GENESIS, canonical_json, entry_hash
from core import InvalidInput, ManualClock, StoreUnavailable
from storage import StateDb
from storage.state.control_tables import audit_entries

T = audit_entries


@pytest.fixture
def chain(state: StateDb, clock: ManualClock) -> AuditChain:
    """Five entries of one tenant and two of another, with readable ids."""
    ids = (f"e{number}" for number in itertools.count(1))
    chain = AuditChain(state, clock, new_id=lambda: next(ids))
    for number in range(5):
        add(chain, state, "default", number)
        clock.advance(1.5)
    for number in range(2):
        add(chain, state, "other", number)
    return chain


def add(chain: AuditChain, state: StateDb, tenant: str, number: int) -> None:
    with state.begin() as connection:
        chain.append(
            connection,
            tenant=tenant,
            actor="ops-1",
            action="control.requested",
            subject="target:x",
            details={"n": number, "reason": "Rückstau"},
        )


def tamper(state: StateDb, *statements: sa.Executable) -> None:
    with state.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def at(tenant: str, sequence: int) -> sa.ColumnElement[bool]:
    return sa.and_(T.c.tenant == tenant, T.c.sequence == sequence)


def test_an_untouched_chain_holds(chain: AuditChain) -> None:
    report = chain.verify()
    assert report.ok
    assert report.entries == 7
    assert [(head.tenant, head.sequence) for head in report.heads] == [("default", 5), ("other", 2)]
    assert chain.head("default") == report.heads[0]


def test_an_empty_chain_holds(state: StateDb, clock: ManualClock) -> None:
    chain = AuditChain(state, clock)
    assert chain.verify().ok
    assert chain.head("default") is None


def test_entries_are_the_tenants_own_and_newest_first(chain: AuditChain) -> None:
    assert [entry.id for entry in chain.entries("default", limit=2)] == ["e5", "e4"]
    first = chain.entries("other")[-1]
    assert (first.sequence, first.previous_hash, first.details) == (1, GENESIS, {"n": 0, "reason": "Rückstau"})
    assert chain.entries("nobody") == []


def test_a_returned_entry_equals_the_stored_one(chain: AuditChain, state: StateDb) -> None:
    with state.begin() as connection:
        entry = chain.append(connection, tenant="new", actor="a", action="b", subject="c", details={"k": [1, None]})
    assert chain.entries("new") == [entry]


def test_a_rolled_back_transaction_leaves_no_entry(chain: AuditChain, state: StateDb) -> None:
    """The record stands or falls with what it records."""

    def fail_after_append() -> None:
        with state.begin() as connection:
            chain.append(connection, tenant="default", actor="a", action="b", subject="c", details={})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_append()
    assert chain.verify().entries == 7


def test_fixed_hash() -> None:
    """The format is a promise: chains written by an older version must still verify."""
    digest = entry_hash(
        tenant="default",
        sequence=1,
        entry_id="e1",
        at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        actor="ops-1",
        action="control.requested",
        subject="target:om-warehouse",
        details='{"reason":"Rückstau"}',
        previous_hash=GENESIS,
    )
    assert digest == "53a646462079323cd522506deae31a8d7a9bfd3f56cedc0172c1433cf78b0a95"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "ops-2"),
        ("action", "control.verified"),
        ("subject", "target:y"),
        ("details", '{"n":2,"reason":"rückstau"}'),
        ("at", datetime(2026, 3, 2, 9, 0, 3, 1, tzinfo=UTC)),
        ("id", "e3x"),
        ("hash", "f" * 64),
        ("previous_hash", "f" * 64),
    ],
)
def test_a_changed_field_is_named(chain: AuditChain, state: StateDb, column: str, value: Any) -> None:
    """One byte, or one microsecond, in any column."""
    tamper(state, sa.update(T).where(at("default", 3)).values({column: value}))
    (broken,) = chain.verify().broken
    assert (broken.tenant, broken.sequence, broken.problem) == ("default", 3, Problem.CONTENT)
    assert broken.entry_id == (value if column == "id" else "e3")


def test_a_change_with_its_own_hash_recomputed_breaks_the_next_link(chain: AuditChain, state: StateDb) -> None:
    third = chain.entries("default")[2]
    forged = entry_hash(
        tenant="default",
        sequence=3,
        entry_id="e3",
        at=third.at,
        actor="ops-2",
        action=third.action,
        subject=third.subject,
        details=canonical_json(third.details),
        previous_hash=third.previous_hash,
    )
    tamper(state, sa.update(T).where(at("default", 3)).values(actor="ops-2", hash=forged))
    (broken,) = chain.verify().broken
    assert (broken.entry_id, broken.problem) == ("e4", Problem.LINK)
    assert (broken.expected, broken.found) == (forged, third.hash)


def test_a_removed_entry_is_named_by_its_successor(chain: AuditChain, state: StateDb) -> None:
    tamper(state, sa.delete(T).where(at("default", 2)))
    (broken,) = chain.verify().broken
    assert (
        str(broken) == "tenant 'default', entry 3 (e3): entries are missing before it; expected entry 2, found entry 3"
    )


def test_a_removed_beginning(chain: AuditChain, state: StateDb) -> None:
    tamper(state, sa.delete(T).where(T.c.tenant == "default", T.c.sequence <= 2))
    (broken,) = chain.verify().broken
    assert (broken.sequence, broken.problem) == (3, Problem.MISSING)


def test_renumbering_after_a_removal(chain: AuditChain, state: StateDb) -> None:
    tamper(
        state,
        sa.delete(T).where(at("default", 2)),
        *(sa.update(T).where(at("default", old)).values(sequence=old - 1) for old in (3, 4, 5)),
    )
    (broken,) = chain.verify().broken
    assert (broken.entry_id, broken.problem) == ("e3", Problem.CONTENT)


def test_two_entries_swapped(chain: AuditChain, state: StateDb) -> None:
    tamper(
        state,
        sa.update(T).where(at("default", 2)).values(sequence=99),
        sa.update(T).where(at("default", 3)).values(sequence=2),
        sa.update(T).where(at("default", 99)).values(sequence=3),
    )
    (broken,) = chain.verify().broken
    assert (broken.sequence, broken.entry_id, broken.problem) == (2, "e3", Problem.CONTENT)


def test_an_entry_moved_to_another_tenant(chain: AuditChain, state: StateDb) -> None:
    tamper(state, sa.update(T).where(at("default", 5)).values(tenant="other", sequence=3))
    (broken,) = chain.verify().broken
    assert (broken.tenant, broken.entry_id, broken.problem) == ("other", "e5", Problem.CONTENT)


def test_each_broken_chain_is_named_once(chain: AuditChain, state: StateDb) -> None:
    tamper(state, sa.update(T).values(actor="nobody"))
    assert [(item.tenant, item.sequence) for item in chain.verify().broken] == [("default", 1), ("other", 1)]
    assert [item.tenant for item in chain.verify("other").broken] == ["other"]


def test_a_cut_end_shows_only_against_an_anchor(chain: AuditChain, state: StateDb) -> None:
    """The chain itself cannot know how long it was."""
    anchor = chain.head("default")
    assert anchor is not None
    tamper(state, sa.delete(T).where(T.c.tenant == "default", T.c.sequence > 3))
    assert chain.verify().ok
    (broken,) = chain.verify(anchors=[anchor]).broken
    assert (broken.sequence, broken.problem, broken.found) == (5, Problem.CUT, "an end at entry 3")


def test_a_vanished_chain_shows_only_against_an_anchor(chain: AuditChain, state: StateDb) -> None:
    anchor = chain.head("other")
    assert anchor is not None
    tamper(state, sa.delete(T).where(T.c.tenant == "other"))
    assert chain.verify().ok
    assert [item.problem for item in chain.verify(anchors=[anchor]).broken] == [Problem.CUT]
    assert chain.verify("default", anchors=[anchor]).ok


def test_a_rewritten_end_shows_only_against_an_anchor(chain: AuditChain, state: StateDb) -> None:
    """No key is involved: whoever can write can also compute good hashes."""
    anchor = chain.head("default")
    assert anchor is not None
    tamper(state, sa.delete(T).where(at("default", 5)))
    add(chain, state, "default", 42)
    assert chain.verify().ok
    (broken,) = chain.verify(anchors=[anchor]).broken
    assert (broken.sequence, broken.problem, broken.expected) == (5, Problem.ANCHOR, anchor.hash)


def test_an_anchor_that_holds(chain: AuditChain, state: StateDb) -> None:
    anchors = [head for head in (chain.head("default"), chain.head("other")) if head]
    add(chain, state, "default", 6)
    assert chain.verify(anchors=anchors).ok
    assert not chain.verify(anchors=[AuditHead("default", 2, "f" * 64)]).ok


def test_two_writers_of_one_sequence_cannot_both_win(chain: AuditChain, state: StateDb) -> None:
    row = {"id": "x", "at": datetime(2026, 3, 2, tzinfo=UTC), "actor": "", "action": "", "subject": "", "details": "{}"}
    with pytest.raises(StoreUnavailable, match=r"(?i)unique"):
        tamper(
            state,
            sa.insert(T).values(tenant="default", sequence=5, previous_hash=GENESIS, hash=GENESIS, **row),
        )


@pytest.mark.parametrize("value", [1.5, {"a": float("nan")}, [object()], {1: "a"}, b"x"])
def test_ambiguous_details_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        canonical_json(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.dictionaries(st.text(max_size=5), JSON)), max_size=6))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_recorded_verifies(state: StateDb, clock: ManualClock, items: list[tuple[str, Any]]) -> None:
    """Any text, any nesting, chains interleaved."""
    chain = AuditChain(state, clock)
    for tenant, details in items:
        with state.begin() as connection:
            chain.append(connection, tenant=tenant, actor="a", action="b", subject="c", details=details)
    assert chain.verify().ok
