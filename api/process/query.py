"""The questions about cases as text: filter and options, from a query string or a command line, read the same way.

Raises core.InvalidInput that names the parameter, what was given and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from api.durations import parse_duration
from core import InvalidInput
from kpis import CaseFilter, TimeBasis
from kpis.process import storable, zone_named

Values = Mapping[str, Sequence[str]]
_T = TypeVar("_T")
_WHOLE = re.compile(r"-?\d+", re.ASCII)
_DIGITS = 25
MOST_VALUES = 1_000


@dataclass(frozen=True)
class Parameter:
    """`repeated`: may be given several times. `read` turns a text into a value; `default` where nothing is given."""

    name: str
    help: str
    read: Callable[[str], Any] = str
    repeated: bool = False
    default: Any = None
    required: bool = False

    def of(self, values: Values) -> Any:
        """The parameter's value."""
        given = values.get(self.name, ())
        if not given:
            if self.required:
                raise InvalidInput(f"{self.name} is missing: {self.help}")
            return () if self.repeated else self.default
        if len(given) > 1 and not self.repeated:
            raise InvalidInput(f"{self.name} may be given once, got {len(given)} values")
        if len(given) > MOST_VALUES:
            raise InvalidInput(f"{self.name} may be given {MOST_VALUES:,} times, got {len(given):,} values")
        try:
            found = tuple(self.read(text) for text in given)
        except InvalidInput as error:
            raise InvalidInput(f"{self.name}: {error.message}", hint=error.hint) from None
        return found if self.repeated else found[0]


def a_time(text: str) -> datetime:
    """ISO 8601 with an offset; where no event can be, the nearest time at which one can: `9999` is for ever."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is no time", hint="write for example 2026-03-01T00:00:00Z") from None
    if found.tzinfo is None:
        raise InvalidInput(f"{text[:40]!r} has no time zone", hint="append Z for UTC")
    try:
        return storable(found.astimezone(UTC))
    except OverflowError:
        raise InvalidInput(f"{text[:40]!r} is out of range") from None


def a_zone(text: str) -> str:
    """The IANA name of a time zone."""
    return zone_named(text).key


def a_length(text: str) -> float:
    """Seconds, as a number or as `2h`, `3d`."""
    try:
        seconds = float(text)
    except ValueError:
        return parse_duration(text).total_seconds()
    return _within(seconds, 0, 1e12)


def a_whole(least: int, greatest: int) -> Callable[[str], int]:
    """A whole number in a range."""

    def read(text: str) -> int:
        tidy = text.strip()
        if not _WHOLE.fullmatch(tidy):
            raise InvalidInput(f"{text[:40]!r} is no whole number")
        if len(tidy) > _DIGITS:  # more than any bound has, and more than may be turned into a number
            raise InvalidInput(f"must be {least:g} to {greatest:g}, got {tidy[:_DIGITS]}…")
        return int(_within(int(tidy), least, greatest))

    return read


def a_number(least: float, greatest: float) -> Callable[[str], float]:
    """A number in a range."""

    def read(text: str) -> float:
        try:
            return _within(float(text), least, greatest)
        except ValueError:
            raise InvalidInput(f"{text[:40]!r} is no number") from None

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise InvalidInput(f"{text[:40]!r} is none of {', '.join(allowed)}")
        return text

    return read


def a_pair(separator: str) -> Callable[[str], tuple[str, str]]:
    """Two texts with a separator between them; the first one counts."""

    def read(text: str) -> tuple[str, str]:
        left, found, right = text.partition(separator)
        if not found or not left.strip():
            raise InvalidInput(f"{text[:40]!r} is not written as A{separator}B")
        return left.strip(), right.strip()

    return read


def _within(number: float, least: float, greatest: float) -> float:
    if not least <= number <= greatest:
        raise InvalidInput(f"must be {least:g} to {greatest:g}, got {number:g}")
    return number


FILTER = (
    Parameter("start", "cases from this time on", a_time),
    Parameter("end", "cases before this time", a_time),
    Parameter(
        "basis",
        "what of a case lies between them: active, started, ended, inside",
        one_of(*TimeBasis),
        default="active",
    ),
    Parameter("contains", "cases with this step; several: all of them", repeated=True),
    Parameter("misses", "cases without this step; several: without any of them", repeated=True),
    Parameter("last_step", "cases whose latest step this is: with outcome=open, those that stand there", repeated=True),
    Parameter("follows", "cases in which B comes directly after A, as A->B", a_pair("->"), repeated=True),
    Parameter("attribute", "cases with name=value; the same name again: either value", a_pair("="), repeated=True),
    Parameter("without", "cases that do not have name=value", a_pair("="), repeated=True),
    Parameter("min_duration", "cases that take at least this long: seconds, or 2h, 3d", a_length),
    Parameter("max_duration", "cases that take at most this long", a_length),
    Parameter("min_events", "cases with at least so many steps", a_whole(1, 10**9)),
    Parameter("variant", "cases of this variant, by its id", a_whole(0, 2**64 - 1), repeated=True),
    Parameter("outcome", "open, closed, or the event that ended the case", repeated=True),
    Parameter("min_value", "cases worth at least this much", a_number(0, 1e15)),
)


def read_filter(values: Values) -> CaseFilter:
    """The filter that the values describe."""
    found = {one.name: one.of(values) for one in FILTER}
    return CaseFilter(
        start=found["start"],
        end=found["end"],
        basis=TimeBasis(found["basis"]),
        contains=found["contains"],
        misses=found["misses"],
        last_steps=found["last_step"],
        follows=found["follows"],
        attributes=_by_name(found["attribute"]),
        excluded=_by_name(found["without"]),
        min_duration_s=found["min_duration"],
        max_duration_s=found["max_duration"],
        min_events=found["min_events"],
        variants=found["variant"],
        outcomes=found["outcome"],
        min_value=found["min_value"],
    )


def refuse_unknown(values: Values, known: Sequence[Parameter]) -> None:
    """Raises InvalidInput for a parameter that nobody would read: a filter with a slip must not mean all cases."""
    names = [one.name for one in known]
    for name in values:
        if name not in names:
            raise InvalidInput(f"there is no parameter {name[:40]!r}", hint=f"use {', '.join(names)}")


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
