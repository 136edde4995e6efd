"""Numbers, money, lengths and times as the executive report prints them.

Pure functions; English, no locale of the machine. Ratios are percentages and change in percentage points (pp), lengths
are their two largest units, money has its currency and thousands separators. A missing value is an en dash, and what
rounds to zero has no sign.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MISSING = "–"
NBSP = "\u00a0"
MINUS = "−"
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SCALES = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))


def quantity(value: float | None, unit: str, currency: str = "") -> str:
    """A value in the unit of its KPI: 97.3 %, 2 d 4 h, € 12,340, 1,234; MISSING when there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _minus(value, _size(abs(value), unit, currency))


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
    return text if _is_zero(text) else f"{MINUS if value < 0 else '+'}{text}"


def axis(value: float, step: float, unit: str, currency: str = "") -> str:
    """The label of an axis: short, with the digits that tell it from its neighbour `step` away."""
    size = abs(value)
    if unit == "ratio":
        text = f"{size * 100:,.{_digits(step * 100)}f}{NBSP}%"
    elif unit == "seconds":
        text = duration(size)
    else:
        text = _compact(size, step)
        text = _with_sign(text, currency) if unit == "money" else text
    return _minus(value, text)


def duration(seconds: float) -> str:
    """The two largest units of a length that is not negative: 350 ms, 12.4 s, 4 min 10 s, 2 h 5 min, 2 d 4 h."""
    if seconds == 0:
        return f"0{NBSP}s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{NBSP}ms" if seconds >= 0.0005 else f"<{NBSP}1{NBSP}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + f"{NBSP}s"
    for big, small, size, part in (("min", "s", 60, 1), ("h", "min", 3600, 60)):
        parts = round(seconds / part)
        if parts * part < {60: 3600, 3600: 86400}[size]:
            return _two(parts, size // part, big, small)
    return _two(round(seconds / 3600), 24, "d", "h")


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return MISSING if value is None else f"{value:,.0f}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """`2 Mar 2026`, as the zone counts days."""
    local = at.astimezone(zone)
    return f"{local.day}{NBSP}{MONTHS[local.month - 1]}{NBSP}{local.year}"


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """`2 Mar 2026 09:15 CET`: always with the zone's name."""
    if at is None:
        return MISSING
    local = at.astimezone(zone)
    name = local.tzname() or ""
    return f"{day(at, zone)} {local:%H:%M}{NBSP}{'UTC' if name[:1] in '+-' else ''}{name}"


def period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """The period [start, end) as people name it: whole days by their first and last, anything else by its moments."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if any((one.hour, one.minute, one.second, one.microsecond) != (0, 0, 0, 0) for one in (first, last)):
        return f"{moment(start, zone)} to {moment(end, zone)}"
    through = end - timedelta(microseconds=1)
    return day(start, zone) if day(start, zone) == day(through, zone) else f"{day(start, zone)} to {day(through, zone)}"


def _size(size: float, unit: str, currency: str) -> str:
    if unit == "ratio":
        return _percent(size)
    if unit == "seconds":
        return duration(size)
    if unit == "money":
        return _with_sign(f"{size:,.2f}" if size < 100 and size != round(size) else f"{size:,.0f}", currency)
    if unit == "per_case":
        return f"{size:,.2f}"
    return f"{size:,.0f}" if size == round(size) or size >= 100 else f"{size:,.1f}"


def _percent(ratio: float) -> str:
    """One digit; two close to nothing and to all, where one would round to what is not so."""
    if 0 < ratio < 0.00005:
        return f"<{NBSP}0.01{NBSP}%"
    if 0.99995 <= ratio < 1:
        return f">{NBSP}99.99{NBSP}%"
    digits = 2 if 0 < ratio < 0.01 or 0.999 <= ratio < 1 else 1
    return f"{ratio * 100:,.{digits}f}{NBSP}%"


def _with_sign(text: str, currency: str) -> str:
    sign = SIGNS.get(currency, currency)
    return f"{sign}{NBSP}{text}" if sign else text


def _two(parts: int, each: int, big: str, small: str) -> str:
    major, minor = divmod(parts, each)
    return f"{major:,}{NBSP}{big}" + (f"{NBSP}{minor}{NBSP}{small}" if minor else "")


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


def _is_zero(text: str) -> bool:
    return "<" not in text and not any(letter in "123456789" for letter in text)


def _minus(value: float, text: str) -> str:
    return f"{MINUS}{text}" if value < 0 and not _is_zero(text) else text
