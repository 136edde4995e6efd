"""Numbers, shares, lengths of time and currencies as people read them, on a page as in a report.

Pure functions of their arguments; English, no locale of the machine. A value that is missing is an en dash and never a
zero; what rounds to zero has no sign. Rounding is for the eye: nothing that is computed further goes through here.
"""

from __future__ import annotations

import math
from datetime import datetime

MISSING = "–"
NBSP = "\u00a0"
MINUS = "−"
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def count(value: float | None) -> str:
    """A whole number with thousands separators: 1,234."""
    return MISSING if value is None or not math.isfinite(value) else minus(value, f"{abs(value):,.0f}")


def number(value: float | None) -> str:
    """Three significant figures at least, no needless digits: 0.125, 3.1, 47, 1,234."""
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    digits = 0 if size >= 100 or float(size).is_integer() else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{size:,.{digits}f}"
    return minus(value, text.rstrip("0").rstrip(".") if "." in text else text)


def percent(ratio: float | None) -> str:
    """A ratio as a percentage with one digit: 0.123 is 12.3 %.

    Two close to nothing and to all, where one would round to what is not so: 0.04 %, 99.96 %, < 0.01 %, > 99.99 %.
    """
    if ratio is None or not math.isfinite(ratio * 100):
        return MISSING
    size = abs(ratio)
    if size == 0:
        return f"0{NBSP}%"
    if size < 0.00005:
        text = f"<{NBSP}0.01{NBSP}%"
    elif 0.99995 <= size < 1:
        text = f">{NBSP}99.99{NBSP}%"
    else:
        digits = 2 if size < 0.01 or 0.999 <= size < 1 else 1
        text = f"{size * 100:,.{digits}f}{NBSP}%"
    return minus(ratio, text)


def duration(seconds: float | None) -> str:
    """The two largest units: 350 ms, 12.4 s, 4 min 10 s, 2 h 5 min, 2 d 4 h. A negative one is MISSING."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return MISSING
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


def span(seconds: float | None) -> str:
    """As `duration`, with a sign and plain blanks: for terminals, messages and answers, where people copy it."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    return minus(seconds, duration(abs(seconds))).replace(NBSP, " ")


def with_currency(text: str, currency: str) -> str:
    """An amount with its sign; an unknown currency keeps its code, and without one it is a plain number."""
    sign = SIGNS.get(currency, currency)
    return f"{sign}{NBSP}{text}" if sign else text


def minus(value: float, text: str) -> str:
    """The text of a size with the sign of its value, if it has one."""
    return f"{MINUS}{text}" if value < 0 and not is_zero(text) else text


def is_zero(text: str) -> bool:
    """Whether the text of a size says nothing but zero."""
    return "<" not in text and not any(sign in "123456789" for sign in text)


def words(name: str) -> str:
    """An event, step or edge name for people: `retail.order.fraud_checked` is `order fraud checked`."""
    return name.removeprefix("retail.").replace(".", " ").replace("_", " ").strip() or "unnamed step"


def zone_name(local: datetime) -> str:
    """The zone's abbreviation; one that is only an offset gets `UTC` in front."""
    name = local.tzname() or ""
    return f"UTC{name}" if name[:1] in "+-" else name


def _two(parts: int, each: int, big: str, small: str) -> str:
    major, minor = divmod(parts, each)
    return f"{major:,}{NBSP}{big}" + (f"{NBSP}{minor}{NBSP}{small}" if minor else "")
