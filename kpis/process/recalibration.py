"""Whether predictions of lateness are worth more than the share of late cases, and what to make of them.

Three ways to a probability compete on time held back: the prediction as it is, a straight line through predictions and
outcomes (the slope and intercept that minimise the Brier score, drawn towards the prediction as it is while little is
known), and the share of late cases among the predictions judged so far, which is the same for every case. At each past
moment each is made from what had been judged by then and is scored on what came after; the one with the least sum of
squares is used. So a prediction is shown only where it has been better than that share, and what is told of its
quality was earned in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

ENOUGH = 50
"""With fewer predictions judged there is nothing to learn from them, nor to choose by."""
PULL = 50
"""As many predictions as the line is drawn by towards the prediction as it is."""


class Way(StrEnum):
    """How a probability came about."""

    UNTESTED = "untested"  # as it is: too few predictions have been judged
    AS_PREDICTED = "as predicted"
    CORRECTED = "corrected"
    SHARE = "share of late cases"


@dataclass(frozen=True)
class Sums:
    """Over judged predictions p of which `late` came true: how many, the sums of p, p² and of p of the late ones."""

    n: float = 0
    p: float = 0.0
    pp: float = 0.0
    late: float = 0
    p_late: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n + other.n,
            self.p + other.p,
            self.pp + other.pp,
            self.late + other.late,
            self.p_late + other.p_late,
        )


@dataclass(frozen=True)
class Correction:
    """The probability shown for a prediction p: `slope` * p + `intercept`, not below 0 nor above 1.

    `way` says how it was chosen, `n` by how many judged predictions; `late_share` is theirs, None without any.
    """

    way: Way = Way.UNTESTED
    slope: float = 1.0
    intercept: float = 0.0
    n: int = 0
    late_share: float | None = None

    def squares(self, over: Sums) -> float:
        """Sum of (shown - late)², at most: what lies below 0 or above 1 counts as it is."""
        a, b = self.intercept, self.slope
        return over.n * a * a + b * b * over.pp + over.late + 2 * (a * b * over.p - a * over.late - b * over.p_late)


AS_IT_IS = Correction()


def candidates(known: Sums) -> tuple[Correction, Correction, Correction]:
    """The share, the line and the prediction as it is, made from what is known: at least one prediction."""
    n, share, mean = known.n, known.late / known.n, known.p / known.n
    spread = max(known.pp / n - mean * mean, 0.0)
    together = known.p_late / n - mean * share
    own = n / (n + PULL)
    slope = max((own * together / spread if spread > 1e-9 else 0.0) + 1 - own, 0.0)
    return (
        Correction(Way.SHARE, 0.0, share, int(n), share),
        Correction(Way.CORRECTED, slope, own * (share - slope * mean), int(n), share),
        Correction(Way.AS_PREDICTED, 1.0, 0.0, int(n), share),
    )


def chosen(known: Sums, trials: Iterable[tuple[Sums, Sums]]) -> Correction:
    """What to make of predictions now. A trial is what was known at a past moment, and what came after it.

    Of equal ones the simpler is taken, the share first.
    """
    if known.n < ENOUGH:
        return Correction(n=int(known.n), late_share=known.late / known.n if known.n else None)
    tried = [(before, after) for before, after in trials if before.n >= ENOUGH and after.n]
    if sum(after.n for _, after in tried) < ENOUGH:
        return Correction(n=int(known.n), late_share=known.late / known.n)
    now = candidates(known)
    scores = [0.0] * len(now)
    for before, after in tried:
        for place, one in enumerate(candidates(before)):
            scores[place] += one.squares(after)
    return now[scores.index(min(scores))]
