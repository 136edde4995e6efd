"""Before and after a roll-out, and against a group that it did not reach where one is named.

With a control group the effect is the difference in differences: (treated after - before) - (control after - before);
see Angrist and Pischke, Mostly Harmless Econometrics (2009), 5.2. It rests on both groups moving alike without the
roll-out. That cannot be proved; the two halves of the time before are compared in the same way, and where they differ
already it is said. The interval combines those of the two changes (Zou and Donner 2008, `intervals.moved`): the groups
are different cases, so their changes are independent.

Without a control group whatever else changed at the date is in the number, and the report says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import InvalidInput
from kpis.value.compare import Change, Direction, Verdict, compare, difference, verdict
from kpis.value.intervals import LEVEL, TooFew, moved
from kpis.value.questions import Period, period
from kpis.value.samples import Sample

WEEK = timedelta(weeks=1)
LONGEST_DAYS = 366


@dataclass(frozen=True)
class Windows:
    """The time before a roll-out (and its halves), and after it. notes: what to know about their lengths."""

    before: Period
    after: Period
    earlier: Period
    later: Period
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """What the roll-out did, in the KPI's unit, beyond what the control group did.

    low and high: None exactly when the verdict is `too_few`; `reason` says why then. alike_before: whether the groups
    moved alike in the two halves of the time before; None where that cannot be told.
    """

    absolute: float | None
    low: float | None
    high: float | None
    level: float
    verdict: Verdict
    method: str
    reason: str
    alike_before: bool | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Samples of one group: before, after, and of the two halves of before."""

    before: Sample
    after: Sample
    earlier: Sample
    later: Sample


def windows(at: datetime, now: datetime, days: int = 28, settle_days: int = 0) -> Windows:
    """So many days before `at`, and after it and the days left to settle, as far as they are over.

    Raises InvalidInput for a roll-out that has no day behind it, for days outside 1 to 366, and for settle_days
    outside 0 to 366.
    """
    if not 2 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"days must be 2 to {LONGEST_DAYS}, got {days!r}", hint="28 is four whole weeks")
    if not 0 <= settle_days <= LONGEST_DAYS:
        raise InvalidInput(f"settle_days must be 0 to {LONGEST_DAYS}, got {settle_days!r}")
    length, begins = timedelta(days=days), at + timedelta(days=settle_days)
    if now - begins < timedelta(days=1):
        raise InvalidInput(
            f"nothing is known yet of the time after {begins.isoformat()}", hint="wait for a day after the roll-out"
        )
    ends = min(begins + length, now)
    notes = []
    if ends < begins + length:
        gone = int((now - begins) / timedelta(days=1))
        ends = begins + timedelta(days=gone)
        notes.append(f"{gone} of {days} days after the roll-out are over")
    if days % 7 or (ends - begins) % WEEK:
        notes.append("the windows are not whole weeks, so weekdays may weigh differently before and after")
    half = at - length / 2
    return Windows(
        period(at - length, at, "the time before"),
        period(begins, ends, "the time after"),
        period(at - length, half, "the first half"),
        period(half, at, "the second half"),
        tuple(notes),
    )


def effect(treated: Group, control: Group, direction: Direction, level: float = LEVEL) -> Effect:
    """The difference in differences. Raises InvalidInput for samples of kinds that cannot be compared."""
    own, other = difference(treated.before, treated.after, level), difference(control.before, control.after, level)
    alike = _alike(treated, control, level)
    notes = ["takes both groups to move alike without the roll-out"]
    if alike is False:
        notes.append("the groups already moved differently before the roll-out, so the effect is doubtful")
    elif alike is None:
        notes.append("too little is known of the time before to tell whether the groups moved alike")
    values = [_change(treated), _change(control)]
    absolute = None if values[0] is None or values[1] is None else values[0] - values[1]
    for name, one in (("treated", own), ("control", other)):
        if isinstance(one, TooFew):
            reason = f"{name} group: {one.reason}"
            return Effect(absolute, None, None, level, Verdict.TOO_FEW, "", reason, alike, tuple(notes))
    found = moved(other, own, level, "difference in differences, Zou-Donner")
    return Effect(
        found.estimate, found.low, found.high, level, verdict(found, direction), found.method, "", alike,
        (*notes, *found.notes),
    )  # fmt: skip


def before_after(group: Group, direction: Direction, level: float = LEVEL) -> Change:
    """The change of one group alone."""
    return compare(group.before, group.after, direction, level)


def group(samples: Sequence[Sample]) -> Group:
    """From samples in the order of `Windows`: before, after, earlier, later."""
    before, after, earlier, later = samples
    return Group(before, after, earlier, later)


def _alike(treated: Group, control: Group, level: float) -> bool | None:
    own, other = (difference(one.earlier, one.later, level) for one in (treated, control))
    if isinstance(own, TooFew) or isinstance(other, TooFew):
        return None
    found = moved(other, own, level, "")
    return found.low <= 0 <= found.high


def _change(one: Group) -> float | None:
    before, after = one.before.estimate, one.after.estimate
    return None if before is None or after is None else after - before
