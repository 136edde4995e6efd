"""What of a process map is shown and by which numbers: frequencies, times, which steps and paths, whom that leaves out.

Pure: a map and the page's state in, choices out; drawing is `components.process_map`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dashboards.process_reads import ProcessMap, Spread, StepNode, Transition, Variants
from dashboards.url_state import Count, ProcessState, Statistic, Times

SMALL = 30
"""Fewer observations than this are marked: their times say little."""
LEVELS = ("shorter half", "longer half", "longest quarter", "longest tenth")
Key = tuple[str, str]


@dataclass(frozen=True)
class Measure:
    """How long something takes; None where nobody knows. `known`: it is what was asked for.

    Where waiting is asked for and no start is known, it is the whole gap instead, of which some may be work.
    """

    seconds: float | None
    known: bool
    sample: int


def picked(spread: Spread, statistic: Statistic) -> float:
    """The statistic of a distribution, in seconds."""
    return {
        Statistic.MEDIAN: spread.median_s,
        Statistic.MEAN: spread.mean_s,
        Statistic.P90: spread.p90_s,
        Statistic.P95: spread.p95_s,
        Statistic.SUM: spread.sum_s,
    }[statistic]


def measure(move: Transition, state: ProcessState) -> Measure:
    """The time that stands on the map for a move; none while the map is about work, which is in the steps."""
    if state.times is Times.WORKING:
        return Measure(None, True, move.count)
    if state.times is Times.WAITING and move.waiting is not None:
        return Measure(picked(move.waiting, state.statistic), True, move.waits)
    return Measure(picked(move.gap, state.statistic), state.times is Times.TOTAL, move.count)


def working(step: StepNode, state: ProcessState) -> float | None:
    """The working time that stands in a step's box; None where no start is known."""
    return None if step.working is None else picked(step.working, state.statistic)


def frequency(one: StepNode | Transition, state: ProcessState) -> int:
    """How often, by event or by case."""
    return one.cases if state.count is Count.CASE else one.count


def levels(times: Mapping[Key, float | None]) -> dict[Key, int]:
    """For each key 0 to 3: how its time compares with the others; 0 where it is unknown."""
    ordered = sorted(time for time in times.values() if time is not None)
    if not ordered:
        return dict.fromkeys(times, 0)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    limits = [at(0.5), at(0.75), at(0.9)]
    return {
        key: 0 if time is None or time <= ordered[0] else sum(time >= limit for limit in limits)
        for key, time in times.items()
    }


@dataclass(frozen=True)
class Shown:
    """The steps and paths that are drawn, how many are not, and the share of all moves that the drawn ones are.

    `cases_share`: the cases whose every step and path is drawn; None when that is not known. `at_least`: only the most
    frequent variants were looked at, so it may be more.
    """

    steps: tuple[StepNode, ...]
    moves: tuple[Transition, ...]
    hidden_steps: int
    hidden_moves: int
    moves_share: float
    cases_share: float | None = None
    at_least: bool = False


def shown_part(whole: ProcessMap, state: ProcessState, variants: Variants | None = None) -> Shown:
    """What the state's choice of steps and paths leaves of the map; `variants` are those of the very same cases."""
    least = state.steps.share * whole.cases
    steps = tuple(step for step in whole.steps if step.cases >= least) or tuple(whole.steps[:1])
    names = {step.step for step in steps}
    among = [move for move in whole.transitions if move.from_step in names and move.to_step in names]
    moves = tuple(main_moves(steps, among, state.paths.share, lambda move: frequency(move, state)))
    total = sum(frequency(move, state) for move in whole.transitions)
    share = sum(frequency(move, state) for move in moves) / total if total else 1.0
    hidden = len(whole.steps) - len(steps), len(whole.transitions) - len(moves)
    if not any(hidden):
        return Shown(steps, moves, 0, 0, 1.0, 1.0)
    covered, at_least = _covered(names, {(move.from_step, move.to_step) for move in moves}, variants)
    return Shown(steps, moves, *hidden, share, covered, at_least)


def _covered(steps: Collection[str], moves: Collection[Key], variants: Variants | None) -> tuple[float | None, bool]:
    if variants is None or not variants.cases:
        return None, False
    whole = sum(
        one.cases
        for one in variants.variants
        if all(step in steps for step in one.steps) and all(pair in moves for pair in pairwise(one.steps))
    )
    return whole / variants.cases, variants.total > len(variants.variants)


def main_moves(
    steps: Sequence[StepNode], moves: Sequence[Transition], share: float, often: Callable[[Transition], int]
) -> list[Transition]:
    """The most frequent moves that make up `share` of all, and those without which a step could not be reached.

    Every step stays reachable from a first step of some case, and from every step a last step of some case.
    """
    ordered = sorted(moves, key=lambda move: (-often(move), move.from_step, move.to_step))
    wanted, so_far, kept = share * sum(often(move) for move in ordered), 0, set()
    for move in ordered:
        if so_far >= wanted:
            break
        so_far += often(move)
        kept.add((move.from_step, move.to_step))
    plain = [(move.from_step, move.to_step) for move in ordered if move.from_step != move.to_step]
    kept |= _bridges(plain, kept, {step.step for step in steps if step.starts})
    turned = {(there, here) for here, there in kept}
    back = _bridges([(there, here) for here, there in plain], turned, {step.step for step in steps if step.ends})
    kept |= {(here, there) for there, here in back}
    return [move for move in ordered if (move.from_step, move.to_step) in kept]


def _bridges(ordered: Sequence[Key], kept: Collection[Key], sources: Iterable[str]) -> set[Key]:
    """The first moves in the given order that lead to what the kept ones do not reach from the sources."""
    out: dict[str, list[str]] = defaultdict(list)
    for here, there in kept:
        out[here].append(there)
    reached: set[str] = set()
    added: set[Key] = set()
    frontier = list(sources)
    while True:
        while frontier:
            step = frontier.pop()
            if step not in reached:
                reached.add(step)
                frontier.extend(out[step])
        move = next((one for one in ordered if one[0] in reached and one[1] not in reached), None)
        if move is None:
            return added
        added.add(move)
        frontier.append(move[1])
