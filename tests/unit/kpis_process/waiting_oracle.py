"""What bottlenecks and causes of waiting are, worked out in plain Python from lists of steps: slow, and easy to follow.

Times are whole seconds after the epoch. A case is a list of steps in its order: (step, resource, start or None, end).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

HOUR, DAY = 3_600, 86_400
Step = tuple[str, str, int | None, int]
Worked = Callable[[int, int], int]
"""How much of a clock goes by from an arrival to a moment."""


@dataclass(frozen=True)
class Case:
    steps: Sequence[Step]
    value: float | None
    currency: str


@dataclass(frozen=True)
class Wait:
    """`gone` is None while the case stands there, as far as is known."""

    case: int
    step: str
    entered: int
    gone: int | None
    next_step: str
    value: float
    currency: str
    priced: bool


def by_the_wall(start: int, end: int) -> int:
    return max(0, end - start)


def waits(cases: Sequence[Case], now: int, terminal: str, running: str) -> list[Wait]:
    """Every wait as it was known at `now`."""
    found = []
    for number, case in enumerate(cases):
        closed = min((end for step, _, _, end in case.steps if step == terminal), default=None)
        known = sorted((end, place) for place, (_, _, _, end) in enumerate(case.steps) if end <= now)
        for at, (end, place) in enumerate(known):
            step = case.steps[place][0]
            if step == running or (closed is not None and end >= closed):
                continue
            gone, following = None, ""
            if at + 1 < len(known):
                following, _, start, its_end = case.steps[known[at + 1][1]]
                gone = max(end, its_end if start is None else start)
            value, priced = case.value or 0.0, case.value is not None
            found.append(Wait(number, step, end, gone, following, value, case.currency, priced))
    return found


def product_limit(lengths: Iterable[tuple[int, bool]], left: Fraction) -> int | None:
    """The shortest length after which no more than `left` still wait; True means that the wait was over."""
    every = sorted(lengths)
    share = Fraction(1)
    for length in sorted({one for one, _ in every}):
        at_risk = sum(one >= length for one, _ in every)
        share *= 1 - Fraction(sum(one == length and over for one, over in every), at_risk)
        if share <= left:
            return length
    return None


def usual(known: Sequence[Wait], since: int, cutoff: int, worked: Worked) -> dict[str, tuple[int, int, int | None]]:
    """By step with enough finished waits: how many, the median and the 90th percentile (None: not known)."""
    found = {}
    for step in {one.step for one in known}:
        own = [one for one in known if one.step == step and since <= one.entered < cutoff]
        lengths = []
        for one in own:
            over = one.gone is not None and one.gone <= cutoff
            lengths.append((worked(one.entered, one.gone if over and one.gone is not None else cutoff), over))
        finished = sum(over for _, over in lengths)
        half = product_limit(lengths, Fraction(1, 2))
        if finished >= 20 and half is not None:
            found[step] = finished, half, product_limit(lengths, Fraction(1, 10))
    return found


def level(known: Sequence[Wait], step: str, moment: int, limit: int, worked: Worked) -> int:
    """Time beyond the usual that stood after a step at a moment."""
    return sum(
        max(0, worked(one.entered, moment) - limit)
        for one in known
        if one.step == step and one.entered <= moment and (one.gone is None or one.gone > moment)
        and moment - one.entered <= 28 * DAY
    )  # fmt: skip


def unusual_since(levels: Callable[[int], int], history: int) -> int | None:
    """Hours back for which a level has been above that of the 95th percentile of the hours before a day ago."""
    if history < 24:
        return None
    ordered = sorted((levels(back) for back in range(24, 24 + history)), reverse=True)
    limit = ordered[int(0.05 * len(ordered) + 1e-9)]
    back = -1
    while levels(back + 1) > limit:
        back += 1
    return None if back < 0 else back


def stood(known: Sequence[Wait], step: str, now: int, worked: Worked) -> list[list[int]]:
    """What the cases had waited that stood after a step one, two, three and four weeks ago."""
    return [
        [
            worked(one.entered, then) for one in known
            if one.step == step and one.entered <= then and then - one.entered <= 28 * DAY
            and (one.gone is None or one.gone > then)
        ]
        for then in (now - week * 7 * DAY for week in (1, 2, 3, 4))
    ]  # fmt: skip


# --- causes ---

CAUSES = ("batching", "contention", "prioritisation", "unavailability", "other")


@dataclass
class Task:
    case: int
    place: int
    before: str
    step: str
    resource: str
    enabled: int
    began: int
    ended: int
    batch: int = 0
    ready: int = 0


def tasks(cases: Sequence[Case]) -> list[Task]:
    """Every step with a known start and a resource; ready when nothing of the case was at work any more."""
    found = []
    for number, case in enumerate(cases):
        busy = None
        for place, (step, resource, start, end) in enumerate(case.steps):
            before = case.steps[place - 1][0] if place else ""
            if start is not None and resource:
                enabled = start if busy is None else min(start, busy)
                found.append(Task(number, place, before, step, resource, enabled, start, max(start, end)))
            busy = max(end, busy if busy is not None else end)
    return found


def put_in_batches(every: Sequence[Task]) -> None:
    """Marks what was in a batch: cases of one step and resource without a break, all ready before the first began."""
    for key in {(one.resource, one.step) for one in every}:
        session: list[Task] = []
        own = sorted((one for one in every if (one.resource, one.step) == key), key=lambda one: one.began)
        for at, one in enumerate(own):
            if session and one.began > max(other.ended for other in session):
                _close(session)
                session = []
            session.append(one)
            if at == len(own) - 1:
                _close(session)


def _close(session: Sequence[Task]) -> None:
    first = min(one.began for one in session)
    members = [one for one in session if one.place > 0 and one.enabled <= first]
    together = len({one.case for one in members}) > 1
    for one in session:
        one.batch, one.ready = 0, one.enabled
    for one in members if together else ():
        one.batch, one.ready = id(session[0]), max(other.enabled for other in members)


def causes(
    cases: Sequence[Case], off: Callable[[str, int], bool] = lambda resource, hour: False, most: int = 2_000
) -> dict[tuple[str, str], dict[str, int]]:
    """By transition the seconds of waiting by cause; every moment has the first cause that applies.

    `off`: whether a resource is off duty in an hour since the epoch.
    """
    every = tasks(cases)
    put_in_batches(every)
    found: dict[tuple[str, str], dict[str, int]] = {}
    for wait in every:
        if wait.place == 0 or wait.began == wait.enabled:
            continue
        sums = found.setdefault((wait.before, wait.step), dict.fromkeys(CAUSES, 0))
        sums["batching"] += wait.ready - wait.enabled
        near = [t for t in every if t.resource == wait.resource and t.ended > wait.ready and t.began < wait.began]
        cuts = {wait.ready, wait.began}
        cuts |= {at for one in near for at in (one.began, one.ended)}
        cuts |= set(range(wait.ready - wait.ready % HOUR, wait.began + HOUR, HOUR))
        ordered = sorted(at for at in cuts if wait.ready <= at <= wait.began)
        for start, end in pairwise(ordered):
            at_work = [one for one in near if one.began <= start and one.ended >= end]
            hour = start // HOUR
            doing = [
                one for one in every
                if one.resource == wait.resource and one.ended > one.began
                and one.began // HOUR <= hour <= (one.ended - 1) // HOUR
            ]  # fmt: skip
            if len(doing) > most:
                at_work = []
            sums[_cause(wait, at_work, off(wait.resource, hour))] += end - start
    return found


def _cause(wait: Task, at_work: Sequence[Task], off: bool) -> str:
    for one in at_work:
        mates = wait.batch != 0 and one.batch == wait.batch
        if one.enabled <= (wait.enabled if mates else wait.ready):
            return "contention"
    if at_work:
        return "prioritisation"
    return "unavailability" if off else "other"


def duty(every: Sequence[Task], local: Callable[[int], int]) -> Callable[[str, int], bool]:
    """Working hours from what was done: an hour of the week belongs to them when it was worked in in a tenth as many
    weeks as in the average hour. `local`: the place of an hour in the week."""
    hours: dict[str, set[int]] = {}
    for one in every:
        last = max(one.ended - 1, one.began) // HOUR
        hours.setdefault(one.resource, set()).update(range(one.began // HOUR, last + 1))
    weeks: dict[str, dict[int, int]] = {}
    for resource, seen in hours.items():
        for hour in seen:
            own = weeks.setdefault(resource, {})
            own[local(hour)] = own.get(local(hour), 0) + 1
    pooled: dict[int, int] = {}
    for own in weeks.values():
        for slot, count in own.items():
            pooled[slot] = pooled.get(slot, 0) + count

    def chosen(resource: str) -> Mapping[int, int]:
        for one in (weeks[resource], pooled):
            if sum(one.values()) / len(one) >= 5:
                return one
        return {}

    def off(resource: str, hour: int) -> bool:
        own = chosen(resource)
        return bool(own) and own.get(local(hour), 0) < 0.1 * sum(own.values()) / len(own)

    return off


def middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None
