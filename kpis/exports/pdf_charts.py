"""The geometry of the report's charts: where lines, gaps, targets and labels lie, in shares of the drawing area.

x runs from 0 (start of the period) to 1 (its end), y from 0 (bottom) to 1 (top). A bucket without a value is a gap; a
line from or to an incomplete bucket is marked pale. More points than can be told apart on paper are thinned to the
first, lowest, highest and last of each column, so that no peak is lost; a gap narrower than a column is not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kpis.exports import pdf_formats as formats
from kpis.exports.report import Point

COLUMNS = 110
_THIN_ABOVE = 4 * COLUMNS
_LABELS = 5
_LENGTHS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 30.4 * 86400, "year": 365.2 * 86400}
_X_STEPS = (
    *(("minute", n) for n in (1, 5, 10, 30)),
    *(("hour", n) for n in (1, 3, 6, 12)),
    *(("day", n) for n in (1, 2, 7, 14)),
    *(("month", n) for n in (1, 2, 3, 6)),
    *(("year", n) for n in (1, 2, 5, 10, 50)),
)
_SECOND_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 5 * 86400),
)


@dataclass(frozen=True)
class Mark:
    """A point of a line: its place in time (0 to 1), its value (None: a gap) and whether its bucket is settled."""

    x: float
    value: float | None
    complete: bool = True


def marks(points: Iterable[Point], start: datetime, end: datetime) -> list[Mark]:
    """The points as marks, each in the middle of its bucket; a bucket that is not there is a gap. Reads points once."""
    span = (end - start).total_seconds()
    found: list[Mark] = []
    last_end: datetime | None = None
    for point in points:
        if last_end is not None and point.start > last_end:
            found.append(Mark(_share((last_end - start).total_seconds(), span), None))
        middle = (point.start - start).total_seconds() + (point.end - point.start).total_seconds() / 2
        value = point.value if point.value is not None and math.isfinite(point.value) else None
        found.append(Mark(_share(middle, span), value, point.complete))
        last_end = point.end
    return found


def thinned(line: Sequence[Mark], columns: int = COLUMNS) -> list[Mark]:
    """At most four marks a column, and a gap where a whole column has no value."""
    if len(line) <= 4 * columns:
        return list(line)
    by_column: dict[int, list[Mark]] = {}
    for mark in line:
        by_column.setdefault(min(int(mark.x * columns), columns - 1), []).append(mark)
    kept: list[Mark] = []
    for column in by_column.values():
        valued = [mark for mark in column if mark.value is not None]
        if not valued:
            kept.append(column[0])
            continue
        ends = [valued[0], valued[-1], min(valued, key=_value), max(valued, key=_value)]
        kept.extend(sorted(dict.fromkeys(ends), key=lambda mark: mark.x))
    return kept


def chart(
    line: Sequence[Mark],
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    unit: str,
    currency: str = "",
    *,
    target: float | None = None,
    baseline: float | None = None,
) -> dict[str, Any] | None:
    """All that a chart draws; None when no bucket has a value."""
    values = [mark.value for mark in line if mark.value is not None]
    if not values:
        return None
    beside = [one for one in (target, baseline) if one is not None and math.isfinite(one)]
    low, high, step = y_range([*values, *beside], unit)
    ticks = [low + step * n for n in range(round((high - low) / step) + 1)]

    def place(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else _share(value - low, high - low)

    return {
        **_lines(thinned(line), place),
        "target": place(target),
        "baseline": place(baseline),
        "y": [[place(tick), formats.axis(tick, step, unit, currency)] for tick in ticks],
        "x": [
            [_share((at - start).total_seconds(), (end - start).total_seconds()), text]
            for at, text in x_labels(start, end, zone)
        ],
    }


def sparkline(line: Sequence[Mark], target: float | None) -> dict[str, Any] | None:
    """A line without axes and its target; None when no bucket has a value."""
    values = [mark.value for mark in line if mark.value is not None]
    if not values:
        return None
    beside = [target] if target is not None and math.isfinite(target) else []
    low, high = min([*values, *beside]), max([*values, *beside])
    span = high - low

    def place(value: float | None) -> float | None:
        return None if value is None else 0.5 if span <= 0 else _share(value - low, span)

    return {**_lines(thinned(line, 60), place), "target": place(beside[0]) if beside else None}


def y_range(values: Sequence[float], unit: str) -> tuple[float, float, float]:
    """Lowest and highest label and their step. All but ratios begin at zero unless something is negative."""
    low, high = min(values), max(values)
    if unit != "ratio" and low > 0:
        low = 0.0
    if high - low < 1e-9 * max(abs(high), 1e-6):
        margin = abs(high) * 0.05 or 1.0
        low, high = (low - margin, high + margin) if low < 0 or unit == "ratio" else (low, high + margin)
        if unit == "ratio":
            low, high = max(low, 0.0) if values[0] >= 0 else low, min(high, 1.0) if 0 < values[0] <= 1 else high
    step = _step((high - low) / (_LABELS - 1), unit)
    bottom, top = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return bottom * step, max(top, bottom + 1) * step, step


def x_labels(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, str]]:
    """At most six moments of the period at round times of the zone, with their names."""
    span = (end - start).total_seconds()
    for unit, each in _X_STEPS:
        if span / (_LENGTHS[unit] * each) > _LABELS + 1:
            continue
        found = [at for at in _rounds(start, end, zone, unit, each) if start <= at < end]
        if len(found) <= _LABELS + 1:
            return [(at, _x_text(at.astimezone(zone), unit, first=n == 0)) for n, at in enumerate(found)]
    return []


def _rounds(start: datetime, end: datetime, zone: ZoneInfo, unit: str, each: int) -> list[datetime]:
    local = start.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in ("minute", "hour"):
        step = timedelta(seconds=_LENGTHS[unit] * each)
        first = midnight.astimezone(start.tzinfo)
        skipped = (start - first) // step
        return [first + step * n for n in range(skipped, skipped + _LABELS + 4)]
    found = []
    for n in range(_LABELS + 5):
        if unit == "day":
            at = midnight + timedelta(days=each * n)  # on the clock of the zone: a day may have 23 or 25 hours
        else:
            months = each * (12 if unit == "year" else 1)
            index = (local.year * 12 + local.month - 1) // months * months + months * n
            if index >= 9999 * 12:
                break
            at = midnight.replace(year=index // 12, month=index % 12 + 1, day=1)
        found.append(at)
    return found


def _x_text(local: datetime, unit: str, *, first: bool) -> str:
    if unit in ("minute", "hour"):
        if first or (local.hour, local.minute) == (0, 0):
            return f"{local.day} {formats.MONTHS[local.month - 1]} {local:%H:%M}"
        return f"{local:%H:%M}"
    if unit == "day":
        return f"{local.day} {formats.MONTHS[local.month - 1]}"
    if unit == "year":
        return str(local.year)
    name = formats.MONTHS[local.month - 1]
    return f"{name} {local.year}" if first or local.month == 1 else name


def _lines(line: Sequence[Mark], place: Any) -> dict[str, Any]:
    """Solid and pale polylines, and the dots of values that have a gap on both sides."""
    solid: list[list[list[float]]] = []
    pale: list[list[list[float]]] = []
    dots: list[list[Any]] = []
    before: Mark | None = None
    into: list[list[list[float]]] | None = None
    for number, mark in enumerate(line):
        if mark.value is None:
            before = into = None
            continue
        spot = [round(mark.x, 4), round(place(mark.value), 4)]
        if before is None:
            following = line[number + 1] if number + 1 < len(line) else None
            if following is None or following.value is None:
                dots.append([*spot, mark.complete])
        else:
            wanted = solid if mark.complete and before.complete else pale
            if wanted is not into:
                wanted.append([[round(before.x, 4), round(place(before.value), 4)]])
                into = wanted
            wanted[-1].append(spot)
        before = mark
    return {"solid": solid, "pale": pale, "dots": dots}


def _step(rough: float, unit: str) -> float:
    if unit == "seconds":
        for one in _SECOND_STEPS:
            if one >= rough * 0.999:
                return float(one)
        return 86400.0 * _decimal_step(rough / 86400)
    return max(_decimal_step(rough), 1.0) if unit == "count" else _decimal_step(rough)


def _decimal_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0


def _value(mark: Mark) -> float:
    return mark.value if mark.value is not None else 0.0
