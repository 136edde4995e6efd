"""Durations as people write them: `90d`, `12h`, `30m`, `45s`, `2w`, or several of these in a row."""

from __future__ import annotations

import re
from datetime import timedelta

from core import InvalidInput

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WHOLE = re.compile(r"(?:\d{1,9}[wdhms])+", re.ASCII)
_PART = re.compile(r"(\d+)([wdhms])", re.ASCII)
LONGEST = timedelta(days=3_660)


def parse_duration(text: str) -> timedelta:
    """Raises InvalidInput for what is no duration of a second to ten years."""
    cleaned = text.strip().lower()
    if not _WHOLE.fullmatch(cleaned):
        raise InvalidInput(f"{text[:40]!r} is no duration", hint="write for example 90d, 12h or 1d12h")
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(cleaned))
    if not 1 <= seconds <= LONGEST.total_seconds():
        raise InvalidInput(f"a duration is 1s to {LONGEST.days}d, got {text[:40]!r}")
    return timedelta(seconds=seconds)
