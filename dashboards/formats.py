"""Numbers, money, durations and times as a page writes them: what `core.wording` has, and what is a page's own.

Pure functions of their arguments: no clock, no locale of the machine. A value that is missing is an en dash, never a
zero. Rounding is for the eye alone; nothing that is computed further goes through here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from core.wording import MINUS, MISSING, NBSP, SIGNS, count, duration, minus, number, percent, with_currency, zone_name

__all__ = [
    "MISSING", "NBSP", "Delta", "Tone", "ago", "bucket", "clock_time", "compact", "count", "delta", "duration",
    "milliseconds", "money", "money_exact", "number", "percent", "quantity", "times_usual", "zone_name",
]  # fmt: skip
SECONDS_PER_UNIT = {"s": 1.0, "seconds": 1.0, "ms": 0.001, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}
RATIO_UNITS = {"ratio", "share", "fraction", "1"}
PERCENT_UNITS = {"percent", "%"}


def compact(value: float) -> str:
    """Four characters or so: 950, 12.4 k, 1.2 M."""
    size = abs(value)
    for limit, suffix in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if size >= limit * (1 if suffix == "k" else 0.9995):
            scaled = value / (1e3 if suffix == "k" else limit)
            if suffix == "k" and abs(scaled) >= 999.5:
                continue
            return f"{scaled:,.0f}{NBSP}{suffix}" if abs(scaled) >= 99.95 else f"{scaled:,.1f}{NBSP}{suffix}"
    return f"{value:,.0f}"


def money(amount: Decimal | float, currency: str) -> str:
    """€ 12.4 k; an unknown currency keeps its code; no currency at all is a plain number."""
    if not math.isfinite(amount):
        return MISSING
    return minus(float(amount), with_currency(compact(abs(float(amount))), currency))


def money_exact(amount: Decimal | float, currency: str) -> str:
    """To the cent, for titles and details: EUR 12,431.50."""
    return f"{currency}{NBSP}{Decimal(amount):,.2f}" if currency else f"{Decimal(amount):,.2f}"


def milliseconds(value: float | None) -> str:
    """A latency: 84 ms, 1.24 s."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}{NBSP}ms" if value < 999.5 else f"{value / 1000:,.2f}{NBSP}s"


def quantity(value: float | None, unit: str) -> str:
    """A KPI's value in its unit (`ratio`, `percent`, a unit of time, `EUR`, …)."""
    if value is None:
        return MISSING
    if unit in RATIO_UNITS:
        return percent(value)
    if unit in PERCENT_UNITS:
        return percent(value / 100)
    if unit in SECONDS_PER_UNIT:
        return duration(value * SECONDS_PER_UNIT[unit])
    if unit in SIGNS:
        return money(value, unit)
    if unit == "money":
        return money(value, "")
    if unit == "per_case":
        return f"{number(value)}{NBSP}per case"
    return f"{number(value)}{NBSP}{unit}" if unit and unit != "count" else number(value)


def clock_time(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`10:42 CET` today, `1 Mar 10:42 CET` else, with the year when it is another one; always with the zone's name."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        day = ""
    elif local.year == today.year:
        day = f"{local.day} {local:%b} "
    else:
        day = f"{local.day} {local:%b %Y} "
    return f"{day}{local:%H:%M}{NBSP}{zone_name(local)}"


def bucket(start: datetime, grain: str, zone: ZoneInfo) -> str:
    """A KPI bucket's name: `2 Mar` for a day, `2 Mar 09:00 CET` for an hour, `week of 2 Mar`, `Mar 2026` for a month.

    Days begin in `zone`.
    """
    local = start.astimezone(zone)
    if grain == "month":
        return f"{local:%b %Y}"
    if grain in ("day", "week"):
        return f"{'week of ' if grain == 'week' else ''}{local.day} {local:%b}"
    return f"{local.day} {local:%b %H:%M}{NBSP}{zone_name(local)}"


def ago(at: datetime, now: datetime) -> str:
    """`12 s ago`; what lies ahead by clock skew is `just now`."""
    passed = now - at
    if passed < timedelta(seconds=1):
        return "just now"
    seconds = float(int(passed.total_seconds()))
    return f"{duration(seconds)} ago"


class Tone(StrEnum):
    """What a colour may mean; there is always a word beside it."""

    BETTER = "better"
    WORSE = "worse"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Delta:
    """A change as text, with its meaning."""

    text: str
    tone: Tone


def delta(value: float | None, previous: float | None, unit: str, direction: str) -> Delta | None:
    """The change against the earlier value; None when there is nothing to compare with.

    Ratios change in points, all else in percent of the earlier value; from zero to something there is no percentage,
    so that is `new`. `direction` says which way is better: `up` or `down`.
    """
    if value is None or previous is None:
        return None
    change = value - previous
    if unit in RATIO_UNITS or unit in PERCENT_UNITS:
        points = change * 100 if unit in RATIO_UNITS else change
        digits = 2 if 0 < abs(points) < 0.1 else 1
        if round(points, digits) == 0:
            return Delta("no change", Tone.NEUTRAL)
        text = f"{points:+.{digits}f}{NBSP}pts".replace("-", MINUS)
    elif change == 0:
        return Delta("no change", Tone.NEUTRAL)
    elif previous == 0:
        text = "new"
    else:
        relative = change / abs(previous) * 100
        text = f"{relative:+,.0f}{NBSP}%".replace("-", MINUS)
        if round(relative) == 0:
            return Delta("no change", Tone.NEUTRAL)
    better = (change > 0) == (direction == "up")
    return Delta(text, Tone.BETTER if better else Tone.WORSE)


def times_usual(value: float | None, usual: float | None) -> tuple[str, float | None]:
    """How many times the usual, as text and factor: `3.2× usual`, `as usual`, `no usual yet`, `usually none`."""
    if value is None or usual is None:
        return "no usual yet", None
    if usual <= 0:
        return ("as usual", 1.0) if value <= 0 else ("usually none", math.inf)
    factor = value / usual
    if 0.8 <= factor <= 1.25:
        return "as usual", factor
    return (f"{factor:.1f}× usual" if factor < 10 else f"{factor:,.0f}× usual"), factor
