"""What is kept of a sample: the sums from which an estimate and its interval follow, as SQL can compute them.

A sample is made of *subjects* (cases, lines, returns) that are independent of each other. Money and times are in the
KPI's unit. Sums of squares lose digits when values are huge and alike: subtract a constant in SQL first.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from core.errors import InvalidInput, StorageError


@dataclass(frozen=True)
class ProportionSample:
    """`successes` out of `n` subjects, each with or without; ratio 0 to 1."""

    successes: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.n:
            raise InvalidInput(f"successes must be 0 to n = {self.n!r}, got {self.successes!r}")

    @property
    def estimate(self) -> float | None:
        """The share; None of nothing."""
        return self.successes / self.n if self.n else None


@dataclass(frozen=True)
class MeanSample:
    """n values with their sum and sum of squares."""

    n: int
    total: float
    squares: float

    def __post_init__(self) -> None:
        _finite("n, total and squares", self.n, self.total, self.squares)
        if self.n < 0 or self.squares < 0:
            raise InvalidInput(f"n and squares must be 0 or more, got {self.n!r} and {self.squares!r}")
        if self.n and self.squares < self.total**2 / self.n * (1 - 1e-9):
            raise InvalidInput(f"no {self.n} values have the sum {self.total!r} and the squares {self.squares!r}")

    @property
    def estimate(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.n if self.n else None

    @property
    def variance(self) -> float:
        """With n - 1 below; 0 where rounding leaves nothing of it, or of one value."""
        if self.n < 2:
            return 0.0
        return _rounded(self.squares - self.total**2 / self.n, self.squares) / (self.n - 1)


@dataclass(frozen=True)
class RatioSample:
    """n subjects with a part x and a whole y each (units delivered and ordered): Σx, Σy, Σx², Σy², Σxy."""

    n: int
    x: float
    y: float
    xx: float
    yy: float
    xy: float

    def __post_init__(self) -> None:
        _finite("the sums of a ratio", self.n, self.x, self.y, self.xx, self.yy, self.xy)
        if self.n < 0 or self.xx < 0 or self.yy < 0:
            raise InvalidInput(f"n and sums of squares must be 0 or more, got {self.n!r}, {self.xx!r}, {self.yy!r}")

    @property
    def estimate(self) -> float | None:
        """Σx / Σy; None where the whole is 0."""
        return self.x / self.y if self.n and self.y else None

    @property
    def variance(self) -> float:
        """Of the ratio itself, by the delta method: n / (n - 1) · Σ(x - r·y)² / (Σy)² (Cochran 1977, 6.4)."""
        ratio = self.estimate
        if ratio is None or self.n < 2:
            return 0.0
        left = self.xx - 2 * ratio * self.xy + ratio**2 * self.yy
        return _rounded(left, self.xx + ratio**2 * self.yy) * self.n / (self.n - 1) / self.y**2

    @property
    def whole_spread(self) -> float:
        """The coefficient of variation of the mean of y; infinite where the mean is 0."""
        if self.n < 2 or not self.y:
            return math.inf
        variance = _rounded(self.yy - self.y**2 / self.n, self.yy) / (self.n - 1)
        return math.sqrt(variance / self.n) / abs(self.y / self.n)


@dataclass(frozen=True)
class QuantileSample:
    """Values in rising order, each as often as `counts` says (once when empty), and the quantile meant.

    The estimate interpolates linearly between order statistics (Hyndman and Fan's type 7, ClickHouse's
    quantileExactInclusive).
    """

    values: tuple[float, ...]
    counts: tuple[int, ...] = ()
    q: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.q < 1:
            raise InvalidInput(f"a quantile must be above 0 and below 1, got {self.q!r}")
        _finite("the values of a quantile", *self.values)
        if any(one > after for one, after in zip(self.values, self.values[1:], strict=False)):
            raise InvalidInput("the values of a quantile must be in rising order", hint="sort them")
        if self.counts and (len(self.counts) != len(self.values) or min(self.counts) < 1):
            raise InvalidInput(
                f"there must be one count of 1 or more for each of {len(self.values)} values, got {len(self.counts)}"
            )

    @cached_property
    def _through(self) -> tuple[int, ...]:
        return tuple(accumulate(self.counts)) if self.counts else ()

    @property
    def n(self) -> int:
        """How many values there are, repeated ones as often as they occur."""
        return self._through[-1] if self._through else len(self.values)

    def at(self, rank: int) -> float:
        """The order statistic, 1 the smallest and n the largest."""
        if not self._through:
            return self.values[rank - 1]
        return self.values[bisect_left(self._through, rank)]

    @property
    def estimate(self) -> float | None:
        """The quantile; None of nothing."""
        if not self.values:
            return None
        place = (self.n - 1) * self.q
        below = math.floor(place)
        low, high = self.at(below + 1), self.at(min(below + 2, self.n))
        return low + (high - low) * (place - below)

    def thinned(self, limit: int = 2_000) -> QuantileSample:
        """At most `limit` distinct values for the same n: neighbours are replaced by the middle one of them.

        Every order statistic keeps its rank within n / (2 · limit) places.
        """
        if len(self.values) <= limit:
            return self
        n, values, counts = self.n, [], []
        edges = [round(step * n / limit) for step in range(limit + 1)]
        for start, end in pairwise(edges):
            if end > start:
                values.append(self.at((start + 1 + end) // 2))
                counts.append(end - start)
        return QuantileSample(tuple(values), tuple(counts), self.q)


LEAST_EXPOSURE = 1e-6
"""Less than that is no exposure but a mistake, and its rates leave the range of numbers."""


@dataclass(frozen=True)
class CountSample:
    """`events` seen while `exposure` lasted (days, calls, orders): the estimate is events for one of it."""

    events: int
    exposure: float

    def __post_init__(self) -> None:
        _finite("an exposure", self.exposure)
        if self.events < 0 or self.exposure < 0 or 0 < self.exposure < LEAST_EXPOSURE:
            raise InvalidInput(
                f"events must be 0 or more, an exposure 0 or at least {LEAST_EXPOSURE}, "
                f"got {self.events!r} and {self.exposure!r}"
            )

    @property
    def n(self) -> int:
        """The number of events."""
        return self.events

    @property
    def estimate(self) -> float | None:
        """The rate; None without exposure."""
        return self.events / self.exposure if self.exposure else None


def as_ratio(sample: ProportionSample | MeanSample | RatioSample) -> RatioSample:
    """The same subjects as parts of wholes of 1, so that periods of two kinds can be compared."""
    match sample:
        case ProportionSample(successes=part, n=n):
            return RatioSample(n, part, n, part, n, part)
        case MeanSample(n=n, total=total, squares=squares):
            return RatioSample(n, total, n, squares, n, total)
    return sample


Sample = ProportionSample | MeanSample | RatioSample | QuantileSample | CountSample

_KINDS: dict[str, Any] = {
    "proportion": ProportionSample,
    "mean": MeanSample,
    "ratio": RatioSample,
    "quantile": QuantileSample,
    "count": CountSample,
}


def dump(sample: Sample) -> str:
    """JSON that `load` reads."""
    kind = next(name for name, one in _KINDS.items() if isinstance(sample, one))
    return json.dumps({"kind": kind, **asdict(sample)}, allow_nan=False)


def load(text: str) -> Sample:
    """The sample that `dump` wrote; raises StorageError for anything else."""
    try:
        fields = json.loads(text)
        kind = _KINDS[fields.pop("kind")]
        made: Sample = kind(**{name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()})
        return made
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as problem:
        raise StorageError(f"a stored sample cannot be read: {text[:80]!r}") from problem


def _finite(what: str, *values: float) -> None:
    for value in values:
        if not math.isfinite(value):
            raise InvalidInput(f"{what} must be finite, got {value!r}")


def _rounded(left: float, size: float) -> float:
    """What subtraction left of numbers of this size; 0 when it is rounding alone."""
    return left if left > 1e-12 * size else 0.0
