"""Which partitions go: a pure function of what is there, what is wished and the time.

    a partition goes when the end of its span, not only its newest row, is older than the wish

So nothing younger is ever dropped, whatever arrives between the look and the drop; and everything older than the wish
plus the width of a partition is. A look-up table's partition stays for as long as anything it may point to stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.retention.datasets import RETAINED, Dataset
from storage.retention.partitions import Partition, bucket_bounds
from storage.retention.policies import Policies


class Why(StrEnum):
    """What a decision rests on."""

    OVER = "older than it is to be kept"
    WINDOW = "inside the window"
    FOR_EVER = "kept for ever"
    YOUNGER = "holds rows that speak of a later time"
    SOURCE = "what it points to is still there"


@dataclass(frozen=True)
class Decision:
    """What becomes of a partition. `days`: the wish (None for ever); `due`: when it goes, where that is known."""

    partition: Partition
    days: int | None
    drop: bool
    why: Why
    due: datetime | None = None


def plan(
    partitions: Sequence[Partition],
    policies: Policies,
    now: datetime,
    newest: Callable[[Partition], datetime] = lambda partition: partition.newest,
) -> list[Decision]:
    """A decision for every partition, in the given order.

    `partitions`: all of the tenants in question. `newest`: until when the rows of a partition speak; it is asked only
    about those that would go.
    """
    decided = {id(one): _own(one, policies, now, newest) for one in partitions if not one.table.follows}
    for one in partitions:
        if one.table.follows:
            decided[id(one)] = _following(one, policies, now, newest, decided, partitions)
    return [decided[id(one)] for one in partitions]


def _own(one: Partition, policies: Policies, now: datetime, newest: Callable[[Partition], datetime]) -> Decision:
    days = policies.of(one.tenant, one.dataset).days
    return _aged(one, days, now, newest)


def _following(
    one: Partition,
    policies: Policies,
    now: datetime,
    newest: Callable[[Partition], datetime],
    decided: Mapping[int, Decision],
    partitions: Sequence[Partition],
) -> Decision:
    """As old as the longest-lived source, and nothing that is still there overlaps with its span."""
    wishes = [policies.of(one.tenant, dataset).days for dataset in _sources(one)]
    days = None if None in wishes else max(wish for wish in wishes if wish is not None)
    decision = _aged(one, days, now, newest)
    if not decision.drop:
        return decision
    start, end = bucket_bounds(one.bucket)
    for source in partitions:
        if (
            source.tenant == one.tenant
            and source.table.name in one.table.follows
            and source.oldest < end
            and source.newest >= start
            and not decided[id(source)].drop
        ):
            return Decision(one, days, False, Why.SOURCE, decided[id(source)].due)
    return decision


def _aged(one: Partition, days: int | None, now: datetime, newest: Callable[[Partition], datetime]) -> Decision:
    if days is None:
        return Decision(one, None, False, Why.FOR_EVER)
    kept = timedelta(days=days)
    due = one.end + kept if one.end <= datetime.max.replace(tzinfo=one.end.tzinfo) - kept else None
    if due is None or due > now:
        return Decision(one, days, False, Why.WINDOW, due)
    if one.newest + kept > now or newest(one) + kept > now:
        return Decision(one, days, False, Why.YOUNGER, due)
    return Decision(one, days, True, Why.OVER, due)


def _sources(one: Partition) -> list[Dataset]:
    return [table.dataset for table in RETAINED if table.name in one.table.follows]
