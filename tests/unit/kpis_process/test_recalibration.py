"""What is made of predictions: by hand, and never worse than the share of late cases where that could be known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from kpis.process.recalibration import ENOUGH, PULL, Correction, Sums, Way, candidates, chosen


def sums(*judged: tuple[float, bool]) -> Sums:
    return Sums(
        len(judged),
        sum(p for p, _ in judged),
        sum(p * p for p, _ in judged),
        sum(late for _, late in judged),
        sum(p for p, late in judged if late),
    )


def squares(one: Correction, judged: Sequence[tuple[float, bool]]) -> float:
    return sum((one.slope * p + one.intercept - late) ** 2 for p, late in judged)


def predictions(count: int, seed: int, *, says: str, share: float = 0.2) -> list[tuple[float, bool]]:
    """`says`: "truth", "nothing" (any number) or "too much" (three times what is true)."""
    chance, found = random.Random(seed), []
    for _ in range(count):
        true = chance.choice((0.0, share, 2 * share)) if says != "nothing" else share
        told = {"truth": true, "nothing": chance.random(), "too much": min(1.0, 2.5 * true)}[says]
        found.append((told, chance.random() < true))
    return found


def trial(says: str, seed: int) -> tuple[Sums, Sums]:
    return sums(*predictions(500, seed, says=says)), sums(*predictions(500, seed + 1, says=says))


def test_sums_add_up_and_tell_the_squares() -> None:
    first, second = predictions(30, 1, says="truth"), predictions(20, 2, says="nothing")
    both = sums(*first) + sums(*second)
    assert both.n == 50
    for one in (Correction(), Correction(slope=0.4, intercept=0.1), Correction(slope=0, intercept=0.3)):
        assert one.squares(both) == pytest.approx(squares(one, first + second))


def test_the_line_is_drawn_towards_the_prediction_as_it_is() -> None:
    """Twice as many judged as it is drawn by: two thirds of the least-squares line (p / 2) and a third of p."""
    judged = [(0.0, False)] * PULL + [(1.0, True), (1.0, False)] * (PULL // 2)
    share, line, plain = candidates(sums(*judged))
    assert (share.slope, share.intercept, share.late_share) == (0, 0.25, 0.25)
    assert line.slope == pytest.approx(2 / 3)
    assert line.intercept == pytest.approx(2 / 3 * (0.25 - 2 / 3 * 0.5))
    assert (plain.slope, plain.intercept, plain.n) == (1, 0, 2 * PULL)


@pytest.mark.parametrize(
    ("says", "way"), [("truth", Way.AS_PREDICTED), ("nothing", Way.SHARE), ("too much", Way.CORRECTED)]
)
def test_what_was_best_on_time_held_back_is_chosen(says: str, way: Way) -> None:
    """Over many histories: never far from the best, and mostly the one that the predictions were made for."""
    ways = []
    for seed in range(20):
        one = chosen(
            sums(*predictions(1_000, 7_000 + seed, says=says)), [trial(says, 10 * seed), trial(says, 999 + seed)]
        )
        ways.append(one.way)
        later = predictions(4_000, 50_000 + seed, says=says)
        share = sum(late for _, late in later) / len(later)
        assert squares(one, later) / len(later) <= share * (1 - share) * 1.02
    assert ways.count(way) >= 12, ways


def test_too_little_judged_is_said() -> None:
    few, many = sums(*predictions(ENOUGH - 1, 1, says="truth")), sums(*predictions(ENOUGH, 2, says="truth"))
    assert chosen(Sums(), []) == Correction(Way.UNTESTED, 1, 0, 0, None)
    assert chosen(few, [(many, many)]).way is Way.UNTESTED
    assert chosen(many, [(few, many)]).way is Way.UNTESTED, "nothing could be tried out"
    assert chosen(many, [(many, few)]).way is Way.UNTESTED
    assert chosen(many, [(many, many)]).way is not Way.UNTESTED
    assert chosen(many, [(few, many)]).late_share == many.late / ENOUGH


def test_of_equal_ones_the_share_is_taken() -> None:
    """All say the same: a prediction that never differs is the share."""
    same = sums(*[(0.25, True), (0.25, False), (0.25, False), (0.25, False)] * 50)
    assert chosen(same, [(same, same)]).way is Way.SHARE
