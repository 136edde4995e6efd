"""What a person has chosen on the process page, as the page's address: what is linked, reloaded or sent is the same.

Reading never fails: a value that is not understood counts as not given, for an address is typed, cut and mangled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qs, urlencode

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
PATH = "/process"
LONGEST = 512
"""Longer values are cut off: no name or id that the page shows is that long."""
MOST = 20
"""Of a filter that may be given several times, so many are read."""
ARROW = "->"
UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
LENGTH = r"(?:\d{1,9}[wdhms])+|\d{1,9}"
"""A length of time as the API reads it too: `2h`, `1d12h`, or a number of seconds."""


class Period(StrEnum):
    """How far back map and variants look; cases that were active in it count."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "28d"
    ALL = "all"

    @property
    def words(self) -> str:
        """For a sentence: `in the last 7 days`."""
        return {
            Period.DAY: "in the last 24 hours",
            Period.WEEK: "in the last 7 days",
            Period.MONTH: "in the last 28 days",
            Period.ALL: "at any time",
        }[self]

    def start(self, now: datetime) -> datetime | None:
        """Its beginning, at a full minute, so that pages that are open at the same time share a reading."""
        back = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 28}.get(self)
        return None if back is None else now.replace(second=0, microsecond=0) - timedelta(days=back)


class Paths(StrEnum):
    """How many of the map's paths are drawn, by the share of all moves that they make up."""

    MAIN = "main"
    MOST = "most"
    ALL = "all"

    @property
    def share(self) -> float:
        """The least share of all moves that is drawn."""
        return {Paths.MAIN: 0.75, Paths.MOST: 0.95, Paths.ALL: 1.0}[self]


class Steps(StrEnum):
    """Which of the map's steps are drawn, by the share of the cases that they occur in."""

    MAIN = "main"
    MOST = "most"
    ALL = "all"

    @property
    def share(self) -> float:
        """The least share of cases in which a drawn step occurs."""
        return {Steps.MAIN: 0.25, Steps.MOST: 0.05, Steps.ALL: 0.0}[self]


class Count(StrEnum):
    """What frequencies on the map count."""

    EVENT = "event"
    CASE = "case"


class Times(StrEnum):
    """Which times the map shows: waiting between steps, work within them, or all the time between two steps."""

    WAITING = "waiting"
    WORKING = "working"
    TOTAL = "total"


class Statistic(StrEnum):
    """What of a distribution of times the map shows."""

    MEDIAN = "median"
    MEAN = "mean"
    P90 = "p90"
    P95 = "p95"
    SUM = "sum"


class List(StrEnum):
    """The lists that can be shown whole."""

    BOTTLENECKS = "bottlenecks"
    RISKS = "risks"
    VARIANTS = "variants"


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ProcessState:
    """Empty texts, empty tuples and None: not chosen.

    Filters, which hold for the whole page: `attributes` and `without` (name, value), `contains`, `misses` (steps),
    `follows` (a step, the next), `min_duration`, `max_duration` (seconds), `outcomes`.

    Selections, each of which narrows everything but the part of the page that it was made in: `step` (with `to`: the
    path between the two) on the map, `variant`, and `waits`, the step after which open cases wait.
    """

    stream: str = ""
    period: Period = Period.MONTH
    paths: Paths = Paths.MOST
    step: str = ""
    to: str = ""
    variant: int | None = None
    case: str = ""
    waits: str = ""
    attributes: Pairs = ()
    without: Pairs = ()
    contains: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    follows: Pairs = ()
    min_duration: int | None = None
    max_duration: int | None = None
    outcomes: tuple[str, ...] = ()
    steps: Steps = Steps.ALL
    count: Count = Count.EVENT
    times: Times = Times.WAITING
    statistic: Statistic = Statistic.MEDIAN
    whole: List | None = None

    @property
    def href(self) -> str:
        """The address of the page in this state."""
        return PATH + self.search

    @property
    def search(self) -> str:
        """The query of that address with its question mark; empty when everything is as by default."""
        default = ProcessState()
        given: list[tuple[str, str]] = [
            ("stream", self.stream),
            ("period", "" if self.period is default.period else self.period),
            *(("attribute", f"{name}={value}") for name, value in self.attributes),
            *(("without", f"{name}={value}") for name, value in self.without),
            *(("contains", step) for step in self.contains),
            *(("misses", step) for step in self.misses),
            *(("follows", f"{first}{ARROW}{second}") for first, second in self.follows),
            ("min_duration", length(self.min_duration)),
            ("max_duration", length(self.max_duration)),
            *(("outcome", outcome) for outcome in self.outcomes),
            ("paths", "" if self.paths is default.paths else self.paths),
            ("steps", "" if self.steps is default.steps else self.steps),
            ("count", "" if self.count is default.count else self.count),
            ("times", "" if self.times is default.times else self.times),
            ("statistic", "" if self.statistic is default.statistic else self.statistic),
            ("waits", self.waits),
            ("step", self.step),
            ("to", self.to if self.step else ""),
            ("variant", "" if self.variant is None else str(self.variant)),
            ("case", self.case),
            ("whole", self.whole or ""),
        ]
        query = urlencode([(name, str(value)) for name, value in given if value])
        return f"?{query}" if query else ""

    @property
    def filtered(self) -> bool:
        """Whether anything but the period narrows the cases."""
        return self.cleared() != self

    def but(self, **changes: object) -> ProcessState:
        """The same with some choices changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def cleared(self) -> ProcessState:
        """Without filters and selections; period, case and how the map is drawn stay."""
        return self.but(
            attributes=(), without=(), contains=(), misses=(), follows=(), min_duration=None, max_duration=None,
            outcomes=(), waits="", step="", to="", variant=None,
        )  # fmt: skip

    def with_one(self, name: str, value: object) -> ProcessState:
        """One more value of a filter that may have several; once is enough."""
        given = getattr(self, name)
        return self if value in given else self.but(**{name: (*given, value)})

    def less_one(self, name: str, value: object) -> ProcessState:
        """One value of such a filter less."""
        return self.but(**{name: tuple(one for one in getattr(self, name) if one != value)})

    def in_stream(self, stream: str) -> ProcessState:
        """Another stream: what was chosen within the old one is let go."""
        return ProcessState(
            stream, self.period, self.paths, steps=self.steps, count=self.count, times=self.times,
            statistic=self.statistic,
        )  # fmt: skip


def parse(search: str | None) -> ProcessState:
    """The state that an address's query describes."""
    query = _query(search or "")
    given = {name: values[-1][:LONGEST] for name, values in query.items()}
    step = given.get("step", "")
    return ProcessState(
        stream=given.get("stream", ""),
        period=_one_of(Period, given.get("period"), Period.MONTH),
        paths=_one_of(Paths, given.get("paths"), Paths.MOST),
        step=step,
        to=given.get("to", "") if step else "",
        variant=_unsigned(given.get("variant", "")),
        case=given.get("case", ""),
        waits=given.get("waits", ""),
        attributes=_pairs(query, "attribute", "="),
        without=_pairs(query, "without", "="),
        contains=_all_of(query, "contains"),
        misses=_all_of(query, "misses"),
        follows=tuple(pair for pair in _pairs(query, "follows", ARROW) if pair[1]),
        min_duration=seconds(given.get("min_duration", "")),
        max_duration=seconds(given.get("max_duration", "")),
        outcomes=_all_of(query, "outcome"),
        steps=_one_of(Steps, given.get("steps"), Steps.ALL),
        count=_one_of(Count, given.get("count"), Count.EVENT),
        times=_one_of(Times, given.get("times"), Times.WAITING),
        statistic=_one_of(Statistic, given.get("statistic"), Statistic.MEDIAN),
        whole=List(given["whole"]) if given.get("whole") in {one.value for one in List} else None,
    )


def seconds(text: str) -> int | None:
    """A length of time as people write it, in seconds; None for what is no length of a second or more."""
    text = text.strip().lower()
    if not re.fullmatch(LENGTH, text, re.ASCII):
        return None
    total = int(text) if text.isdigit() else sum(int(part[:-1]) * UNITS[part[-1]] for part in _parts(text))
    return total if 0 < total < 10**10 else None


def length(total: int | None) -> str:
    """A whole number of seconds as `seconds` reads it: 1d12h; '' for None."""
    if total is None:
        return ""
    said = ""
    for unit, size in UNITS.items():
        if total >= size and unit != "w":
            said, total = f"{said}{total // size}{unit}", total % size
    return said


def _parts(text: str) -> list[str]:
    return re.findall(r"\d+[wdhms]", text)


def _query(search: str) -> dict[str, list[str]]:
    try:
        return parse_qs(search.removeprefix("?")[:8192], max_num_fields=100)
    except ValueError:
        return {}


def _all_of(query: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    return tuple(_distinct(value[:LONGEST] for value in query.get(name, ())))


def _pairs(query: Mapping[str, Sequence[str]], name: str, between: str) -> Pairs:
    cut = (value[: 2 * LONGEST].partition(between) for value in query.get(name, ()))
    return tuple(_distinct((left[:LONGEST], right[:LONGEST]) for left, found, right in cut if left and found))


def _distinct(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))[:MOST]


def _one_of(kind: type[E], value: str | None, default: E) -> E:
    return kind(value) if value in {one.value for one in kind} else default


def _unsigned(value: str) -> int | None:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        return None
    number = int(value)
    return number if number < 1 << 64 else None
