"""The ledger balances at every moment, and settles a segment once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.ledger import Ledger, LedgerEntry, LedgerKey, Outcome, hour_of, outcomes_of
from collector.wal import Damage, Frame, Items, first_id, items_of
from collector.wal.frame import Claim
from collector.wal.segment import BadRegion, SegmentContent
from core import ManualClock
from storage import Signal, StateDb
from tests.unit.collector.support import frame

HOUR_NS = 3_600 * 10**9


def content(segment: int, *frames: Frame, bad: tuple[BadRegion, ...] = ()) -> SegmentContent:
    """A segment as it would be read."""
    return SegmentContent(segment, 1, frames, tuple(range(len(frames))), bad, 0, 0)


class Log:
    """What a ledger is told of the log: segments whose files do not say that they are settled."""

    def __init__(self, *segments: SegmentContent) -> None:
        self.segments = {segment.segment: segment for segment in segments}

    def __call__(self) -> dict[int, Items]:
        return {number: items_of(segment) for number, segment in list(self.segments.items())}


def test_received_is_pending_until_settled(state: StateDb, clock: ManualClock) -> None:
    """Then it is stored or quarantined."""
    frames = [frame(1, items=5), frame(2, items=3), frame(3, items=2, tenant="other"), frame(4, items=9)]
    ledger = Ledger(state, clock, Log(content(1, *frames)))
    assert ledger.totals()["traces"] == LedgerEntry(pending=19)
    assert ledger.pending() == 19
    assert ledger.settle(1, outcomes_of(content(1, *frames), {1: "refused"}, {3}))
    assert ledger.totals()["traces"] == LedgerEntry(stored=7, quarantined=3, duplicates=9)
    assert ledger.totals("shop")["traces"] == LedgerEntry(stored=5, quarantined=3, duplicates=9)
    assert ledger.totals("shop")["logs"] == LedgerEntry()
    assert (ledger.pending(), ledger.highest_segments()) == (0, {0: 1})


def test_every_lane_has_its_highest_segment(state: StateDb, clock: ManualClock) -> None:
    """A lane that starts anew must give no id that it gave before."""
    ledger = Ledger(state, clock)
    for segment in (3, 7, first_id(2), first_id(2) + 4):
        ledger.settle(segment, {})
    assert ledger.highest_segments() == {0: 7, 2: first_id(2) + 4}


def test_a_segment_is_settled_once(state: StateDb, clock: ManualClock) -> None:
    """A replay after a kill between the commit and the removal of the file adds nothing."""
    segment = content(9, frame(items=4))
    first = Ledger(state, clock, Log(segment))
    assert first.settle(9, outcomes_of(segment))
    again = Ledger(state, clock, Log(segment))
    assert again.pending() == 0
    assert not again.settle(9, outcomes_of(segment))
    assert again.totals()["traces"] == LedgerEntry(stored=4)


def test_damaged_frames_are_quarantined_as_what_they_claim(state: StateDb, clock: ManualClock) -> None:
    """Also when they cannot even tell their signal."""
    regions = (
        BadRegion(0, 9, Damage.BAD_CHECKSUM, Claim(Signal.LOGS, "shop", 7, 9)),
        BadRegion(9, 9, Damage.BAD_MARKER, Claim()),
    )
    segment = content(1, frame(items=1), bad=regions)
    ledger = Ledger(state, clock, Log(segment))
    assert {name: entry.pending for name, entry in ledger.totals().items()} == {
        "traces": 1, "logs": 7, "metrics": 0, "unknown": 1,
    }  # fmt: skip
    ledger.settle(1, outcomes_of(segment))
    assert {name: (entry.stored, entry.quarantined) for name, entry in ledger.totals().items()} == {
        "traces": (1, 0), "logs": (0, 7), "metrics": (0, 0), "unknown": (0, 1),
    }  # fmt: skip


def test_hours_are_those_of_acceptance(state: StateDb, clock: ManualClock) -> None:
    """A segment may span two of them."""
    frames = [Frame(Signal.LOGS, "shop", at, 1, b"x") for at in (HOUR_NS - 1, HOUR_NS, HOUR_NS + 1)]
    ledger = Ledger(state, clock)
    ledger.settle(1, outcomes_of(content(1, *frames)))
    assert ledger.by_hour("shop", 0) == {
        LedgerKey(0, "logs", "shop"): Outcome(stored=1),
        LedgerKey(3_600, "logs", "shop"): Outcome(stored=2),
    }
    assert ledger.by_hour("shop", 3_600).keys() == {LedgerKey(3_600, "logs", "shop")}
    assert hour_of(2 * HOUR_NS - 1) == 3_600


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.sampled_from(list(Signal)), st.sampled_from("ab"), st.booleans()), max_size=12
    ),
    st.data(),
)
def test_it_balances_through_restarts(
    state: StateDb, clock: ManualClock, accepted: list[tuple[int, Signal, str, bool]], data: st.DataObject
) -> None:
    """Whatever is settled before the process dies, a new ledger and what the log still holds add up."""
    log = Log()
    ledger = Ledger(state, clock, log)
    before = {name: entry.received for name, entry in ledger.totals().items()}
    base = ledger.highest_segments().get(0, 0) + 1
    segments = [
        content(base + index, frame(index, items=items, signal=signal, tenant=tenant))
        for index, (items, signal, tenant, _) in enumerate(accepted)
    ]
    log.segments = {segment.segment: segment for segment in segments}
    settled = data.draw(st.integers(0, len(segments)))
    for segment, (*_, refused) in list(zip(segments, accepted, strict=True))[:settled]:
        ledger.settle(segment.segment, outcomes_of(segment, {0: "no"} if refused else {}))
    removed = data.draw(st.integers(0, settled))  # files of some settled segments are still there
    after = Ledger(state, clock, Log(*segments[removed:]))
    for one in (ledger, after):
        for name, entry in one.totals().items():
            sent = sum(items for items, signal, *_ in accepted if signal == name)
            assert entry.received - before.get(name, 0) == sent
    assert after.pending() == sum(items for items, *_ in accepted[settled:])
    for segment in segments[settled:]:  # leave nothing pending for the next example
        after.settle(segment.segment, outcomes_of(segment))


@pytest.mark.parametrize("threads", [4])
def test_every_reading_balances(threads: int, state: StateDb, clock: ManualClock) -> None:
    """A reader never sees an item twice or not at all, while others accept and settle."""
    segments = [content(number, frame(number, items=25)) for number in range(1, 41)]
    log, done, wrong = Log(*segments), threading.Event(), list[int]()
    ledger = Ledger(state, clock, log)

    def read() -> None:
        while not done.is_set():
            received = ledger.totals()["traces"].received
            if received != 1_000:
                wrong.append(received)

    readers = [threading.Thread(target=read) for _ in range(threads)]
    for reader in readers:
        reader.start()
    for segment in segments:
        ledger.settle(segment.segment, outcomes_of(segment))
        del log.segments[segment.segment]
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert ledger.totals()["traces"] == LedgerEntry(stored=1_000)
