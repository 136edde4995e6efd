"""Before and after: how much a KPI changed, between which limits, and whether that is better or worse.

A verdict is read off the interval alone: it is `better` or `worse` when the interval leaves out 0. "No difference
shown" is not "no difference": the interval says how large one could still be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.errors import InvalidInput
from kpis.value.intervals import (
    LEVEL,
    Interval,
    TooFew,
    mean_difference,
    proportion_difference,
    quantile_difference,
    rate_difference,
    ratio_difference,
)
from kpis.value.samples import (
    CountSample,
    MeanSample,
    ProportionSample,
    QuantileSample,
    RatioSample,
    Sample,
    as_ratio,
)

Direction = Literal["up", "down"]


class Verdict(StrEnum):
    """What a change says."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE_SHOWN = "no_difference_shown"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Change:
    """after - before in the KPI's unit.

    absolute: None only where a side has no estimate. relative: absolute / before, None where before is 0 or unknown.
    low and high: the interval of `absolute`, None exactly when the verdict is `too_few`; `reason` says why then.
    """

    before: float | None
    after: float | None
    n_before: int
    n_after: int
    absolute: float | None
    relative: float | None
    low: float | None
    high: float | None
    level: float
    verdict: Verdict
    method: str
    direction: Direction
    reason: str = ""
    notes: tuple[str, ...] = ()


def compare(before: Sample, after: Sample, direction: Direction, level: float = LEVEL) -> Change:
    """The change between two samples.

    A share, a mean and a ratio of sums are compared as ratios of sums. Raises InvalidInput for other kinds that differ,
    and for an unknown direction or level.
    """
    if direction not in ("up", "down"):
        raise InvalidInput(f"a direction is up or down, got {direction!r}")
    found = difference(before, after, level)
    one, two = before.estimate, after.estimate
    absolute = None if one is None or two is None else two - one
    relative = None if absolute is None or not one else absolute / abs(one)
    return Change(
        before=one,
        after=two,
        n_before=before.n,
        n_after=after.n,
        absolute=absolute,
        relative=relative,
        low=None if isinstance(found, TooFew) else found.low,
        high=None if isinstance(found, TooFew) else found.high,
        level=level,
        verdict=verdict(found, direction),
        method="" if isinstance(found, TooFew) else found.method,
        direction=direction,
        reason=found.reason if isinstance(found, TooFew) else "",
        notes=() if isinstance(found, TooFew) else found.notes,
    )


def verdict(found: Interval | TooFew, direction: Direction) -> Verdict:
    """What the interval of a difference says when `direction` is the better one."""
    if isinstance(found, TooFew):
        return Verdict.TOO_FEW
    if found.low <= 0 <= found.high:
        return Verdict.NO_DIFFERENCE_SHOWN
    return Verdict.BETTER if (found.low > 0) == (direction == "up") else Verdict.WORSE


def difference(before: Sample, after: Sample, level: float = LEVEL) -> Interval | TooFew:
    """after - before; raises InvalidInput for two kinds that cannot be compared."""
    match before, after:
        case ProportionSample(), ProportionSample():
            return proportion_difference(before, after, level)
        case MeanSample(), MeanSample():
            return mean_difference(before, after, level)
        case RatioSample(), RatioSample():
            return ratio_difference(before, after, level)
        case QuantileSample(), QuantileSample():
            return quantile_difference(before, after, level)
        case CountSample(), CountSample():
            return rate_difference(before, after, level)
        case ((ProportionSample() | MeanSample() | RatioSample()), (ProportionSample() | MeanSample() | RatioSample())):
            return ratio_difference(as_ratio(before), as_ratio(after), level)
    raise InvalidInput(f"a {type(before).__name__} is not compared with a {type(after).__name__}")
