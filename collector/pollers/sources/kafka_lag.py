"""The arithmetic of consumer lag: how many messages lie between what a group has committed and the end.

`lag = end − committed`, and never more than the log still holds: what retention has deleted cannot be read any more. A
partition without a committed offset says nothing about the group, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Partition = tuple[str, int]
"""A topic and the number of a partition."""


@dataclass(frozen=True)
class Offsets:
    """What a partition holds: the first offset that can be read, and the one that the next message will get."""

    start: int
    end: int


@dataclass(frozen=True)
class TopicLag:
    """A group on a topic. `behind` maps a partition to the offset that the group will read next, where it has to."""

    group: str
    topic: str
    lag: int
    partitions: tuple[tuple[int, int], ...]
    behind: Mapping[int, int] = field(default_factory=dict)


def partition_lag(committed: int, offsets: Offsets) -> int:
    """Messages of one partition that the group has not finished; 0 when it is ahead of the end (a topic made anew)."""
    return max(0, offsets.end - max(committed, offsets.start))


def topic_lags(
    group: str, committed: Mapping[Partition, int], offsets: Mapping[Partition, Offsets]
) -> Iterable[TopicLag]:
    """The group's lag on every topic of which it has committed a partition that still exists, by name of the topic."""
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(committed):
        if committed[topic, partition] >= 0 and (topic, partition) in offsets:
            topics.setdefault(topic, []).append(partition)
    for topic, partitions in topics.items():
        lags = tuple((one, partition_lag(committed[topic, one], offsets[topic, one])) for one in partitions)
        behind = {one: max(committed[topic, one], offsets[topic, one].start) for one, lag in lags if lag}
        yield TopicLag(group, topic, sum(lag for _, lag in lags), lags, behind)
