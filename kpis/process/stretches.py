"""Stretches of data time: which of it is read at once, when what arrived lies here and there in it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

BUCKET_S = 300
"""Seconds of data time that one note of arrivals stands for."""
NEAR_BUCKETS = 12
"""Arrivals that are further apart than an hour are looked at in statements of their own,"""
STRETCHES = 8
"""but only at so many of the widest gaps."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of data time, [low, high) in seconds since the epoch."""

    low: int
    high: int

    @property
    def params(self) -> dict[str, int]:
        return {
            name: max(-(2**63), min(2**63 - 1, at * 10**9)) for name, at in (("low", self.low), ("high", self.high))
        }


def stretches(buckets: Sequence[tuple[int, int]], items_at_once: int) -> list[tuple[Stretch, int]]:
    """Joins neighbouring buckets (number, items; in order) into stretches of time of up to so many items.

    A stretch is left where the next bucket is far away, but only at the widest of such gaps: an import of years with an
    event every few hours is looked at in a few stretches, because each costs as much as many items.
    """
    gaps = sorted((int(two) - int(one) for (one, _), (two, _) in itertools.pairwise(buckets)), reverse=True)
    near = max(NEAR_BUCKETS, gaps[STRETCHES] if len(gaps) > STRETCHES else 0)
    found: list[tuple[int, int, int]] = []
    for bucket, items in buckets:
        number, more = int(bucket), int(items)
        if found:
            first, last, sum_so_far = found[-1]
            if number - last <= near and sum_so_far + more <= items_at_once:
                found[-1] = (first, number, sum_so_far + more)
                continue
        found.append((number, number, more))
    # The engine rounds towards zero, so the buckets before 1970 lie one lower, and bucket 0 is two wide.
    return [
        (Stretch((first - (first <= 0)) * BUCKET_S, (last + (last >= 0)) * BUCKET_S + (last < 0)), items)
        for first, last, items in found
    ]


def joined(ranges: Sequence[Stretch], near: int) -> list[Stretch]:
    """Disjoint stretches that cover all of these; what is no further apart than `near` seconds becomes one."""
    found: list[Stretch] = []
    for one in sorted(ranges, key=lambda r: r.low):
        if found and one.low <= found[-1].high + near:
            found[-1] = Stretch(found[-1].low, max(found[-1].high, one.high))
        else:
            found.append(one)
    return found
