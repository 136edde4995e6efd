"""Numbers, money, lengths and times as the executive report prints them: `core.wording`, and what is a report's own.

Ratios change in percentage points (pp), money has its currency and thousands separators, days have their year.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.wording import (
    MINUS,
    MISSING,
    NBSP,
    count,
    duration,
    is_zero,
    minus,
    number,
    percent,
    with_currency,
    zone_name,
)

__all__ = ["MISSING", "MONTHS", "NBSP", "axis", "change", "count", "day", "duration", "moment", "period", "quantity"]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SCALES = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))


def quantity(value: float | None, unit: str, currency: str = "") -> str:
    """A value in the unit of its KPI: 97.3 %, 2 d 4 h, € 12,340, 1,234; MISSING when there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return minus(value, _size(abs(value), unit, currency))


def change(value: float | None, unit: str, currency: str = "", *, largest: float | None = None) -> str:
    """A difference with its sign: +1.2 pp, −2 h 5 min, +€ 120. largest: of the numbers that stand beside it, for one
    number of digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if unit == "ratio":
        digits = 2 if abs(largest if largest is not None else value) < 0.01 else 1
        text = f"{abs(value) * 100:,.{digits}f}{NBSP}pp"
    else:
        text = _size(abs(value), unit, currency)
    return text if is_zero(text) else f"{MINUS if value < 0 else '+'}{text}"


def axis(value: float, step: float, unit: str, currency: str = "") -> str:
    """The label of an axis: short, with the digits that tell it from its neighbour `step` away."""
    size = abs(value)
    if unit == "ratio":
        text = f"{size * 100:,.{_digits(step * 100)}f}{NBSP}%"
    elif unit == "seconds":
        text = duration(size)
    else:
        text = _compact(size, step)
        text = with_currency(text, currency) if unit == "money" else text
    return minus(value, text)


def day(at: datetime, zone: ZoneInfo) -> str:
    """`2 Mar 2026`, as the zone counts days."""
    local = at.astimezone(zone)
    return f"{local.day}{NBSP}{MONTHS[local.month - 1]}{NBSP}{local.year}"


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """`2 Mar 2026 09:15 CET`: always with the zone's name."""
    if at is None:
        return MISSING
    local = at.astimezone(zone)
    return f"{day(at, zone)} {local:%H:%M}{NBSP}{zone_name(local)}"


def period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """The period [start, end) as people name it: whole days by their first and last, anything else by its moments."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if any((one.hour, one.minute, one.second, one.microsecond) != (0, 0, 0, 0) for one in (first, last)):
        return f"{moment(start, zone)} to {moment(end, zone)}"
    through = end - timedelta(microseconds=1)
    return day(start, zone) if day(start, zone) == day(through, zone) else f"{day(start, zone)} to {day(through, zone)}"


def _size(size: float, unit: str, currency: str) -> str:
    if unit == "ratio":
        return percent(size)
    if unit == "seconds":
        return duration(size)
    if unit == "money":
        return with_currency(f"{size:,.2f}" if size < 100 and size != round(size) else f"{size:,.0f}", currency)
    return number(size)


def _compact(size: float, step: float) -> str:
    for limit, suffix in _SCALES:
        if size >= limit and (limit > 1e3 or size >= 1e4):
            return f"{size / limit:,.{_digits(step / limit)}f}{NBSP}{suffix}"
    return f"{size:,.{_digits(step)}f}"


def _digits(step: float) -> int:
    """How many decimals tell multiples of step apart."""
    for digits in range(6):
        if abs(round(step, digits) - step) < step * 1e-6:
            return digits
    return 6
