"""Changes in words, for people who read a line and not a table."""

from __future__ import annotations

from kpis.value.compare import Change, Verdict
from kpis.value.observations import NO_CASES

_SAID = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.NO_DIFFERENCE_SHOWN: "no difference shown",
    Verdict.TOO_FEW: "sample too small",
}
_LENGTHS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def measure(value: float, unit: str, *, difference: bool = False) -> str:
    """A value in its unit; of a difference with its sign, a ratio's in percentage points."""
    sign = "+" if difference and value > 0 else ""
    if unit == "ratio":
        return f"{sign}{value * 100:.2f} {'points' if difference else '%'}"
    if unit == "seconds":
        size, name = next((one for one in _LENGTHS if abs(value) >= one[0]), _LENGTHS[-1])
        return f"{sign}{value / size:.2f} {name}"
    return f"{sign}{value:,.2f}"


def change_words(change: Change, unit: str, small_sample: int, subjects: int) -> str:
    """What the change says, with its interval, or why it says nothing."""
    said = _SAID[change.verdict]
    sides = ""
    if change.before is not None and change.after is not None:
        sides = f": {measure(change.before, unit)} before, {measure(change.after, unit)} after"
    if change.reason == NO_CASES:
        return f"cannot be told: {NO_CASES}"
    if change.verdict is Verdict.TOO_FEW:
        text = f"{said}{sides}; {change.reason}"
    else:
        low, high = (measure(one or 0.0, unit, difference=True) for one in (change.low, change.high))
        by = measure(change.absolute or 0.0, unit, difference=True)
        text = f"{said}{sides}, {by} ({change.level * 100:g} % interval {low} to {high})"
    if subjects < small_sample:
        text += f"; fewer than {small_sample} cases say little, there are {subjects}"
    return text
