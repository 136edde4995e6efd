"""Text to nanoseconds since 1970 in UTC, exactly.

ISO 8601 with `T` or a space, with an offset (`+01:00`, `+0100`, `Z`, ` UTC`) or without (then the mapping's zone
holds), up to nine digits of a second, 24:00 for the end of a day; Unix time; any strptime format. A local time that
occurs twice (clocks set back) is read as the first of the two. It does not guess between day-month and month-day:
give the format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

NS = 1_000_000_000
MAX_NS = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = timedelta(0)
_SCALES = {"epoch_s": NS, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
_UNIX = re.compile(r"\d{9,20}(\.\d{1,9})?", re.ASCII)
_SLASHES = re.compile(r"(\d{4})/(\d\d)/(\d\d)\b", re.ASCII)
_UTC_WORD = re.compile(r"\s*(UTC|GMT|Z)$", re.IGNORECASE)
_SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d\d)", re.ASCII)
_MIDNIGHT = re.compile(r"(?<=[T ])24(?=:?00(:?00([.,]0+)?)?(Z|[+-]|$))", re.ASCII)
_FRACTION = re.compile(r"[.,](\d{7,})", re.ASCII)


def time_reader(fmt: str, zone: tzinfo, *, beginning: bool = False) -> Callable[[str], int]:
    """A function from text to nanoseconds; it raises ValueError with a reason fit for the person who owns the file.

    With `beginning` a time up to 1970-01-01 is the first nanosecond of 1970: "from the beginning on".
    """
    if beginning:
        return lambda text: _bounded(max(1, _iso(text, zone)), text)
    if fmt == "iso":
        return lambda text: _bounded(_iso(text, zone), text)
    if fmt in _SCALES:
        scale = _SCALES[fmt]
        return lambda text: _bounded(_epoch(text, scale), text)
    return lambda text: _bounded(_strptime(text, fmt, zone), text)


def to_datetime(ns: int) -> datetime:
    """The instant as an aware UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def _bounded(ns: int, text: str) -> int:
    """Within what the wire format and the store can hold; 0 would mean `unknown` there."""
    if 0 < ns <= MAX_NS:
        return ns
    raise ValueError(f"{text!r} is outside 1970-01-01 to 2262-04-11")


def _nanoseconds(moment: datetime, zone: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1_000


def _iso(text: str, zone: tzinfo) -> int:
    text = text.strip()
    if text[:9].isdigit() and _UNIX.fullmatch(text):
        whole = len(text.partition(".")[0])
        return _epoch(text, NS if whole <= 11 else 1_000_000 if whole <= 14 else 1_000 if whole <= 17 else 1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _iso_variant(text)
    beyond = 0
    if len(text) > 22 and (match := _FRACTION.search(text)):  # the parser cuts below a microsecond
        beyond = int(match[1][6:9].ljust(3, "0"))
    try:
        return _nanoseconds(moment, zone) + beyond
    except OverflowError:
        raise ValueError(f"{text!r} is outside 1970-01-01 to 2262-04-11") from None


def _iso_variant(text: str) -> datetime:
    tidy = _SPACED_OFFSET.sub("", _SLASHES.sub(r"\1-\2-\3", _UTC_WORD.sub("Z", text), count=1))
    tidy, midnights = _MIDNIGHT.subn("00", tidy)
    try:
        return datetime.fromisoformat(tidy) + timedelta(days=midnights)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an ISO 8601 time; give timestamp_format if it is another") from None


def _epoch(text: str, scale: int) -> int:
    try:
        number = Decimal(text.strip())
        if not number.is_finite() or abs(number.adjusted()) > 30:
            raise ValueError
        return int(number * scale)
    except (InvalidOperation, ValueError):
        raise ValueError(f"{text!r} is not a number of Unix time") from None


def _strptime(text: str, fmt: str, zone: tzinfo) -> int:
    try:
        return _nanoseconds(datetime.strptime(text.strip(), fmt), zone)  # noqa: DTZ007 the zone is added where it is missing
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} does not match the format {fmt!r}") from None
