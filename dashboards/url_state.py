"""What a person has chosen on the process page, as the page's address: what is linked, reloaded or sent is the same.

Reading never fails: a value that is not understood counts as not given, for an address is typed, cut and mangled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qs, urlencode

E = TypeVar("E", bound=StrEnum)
PATH = "/process"
LONGEST = 512
"""Longer values are cut off: no name or id that the page shows is that long."""


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


@dataclass(frozen=True)
class ProcessState:
    """`step` alone is a selected step, with `to` a selected path. Empty texts and None: not chosen."""

    stream: str = ""
    period: Period = Period.MONTH
    paths: Paths = Paths.MOST
    step: str = ""
    to: str = ""
    variant: int | None = None
    case: str = ""

    @property
    def href(self) -> str:
        """The address of the page in this state."""
        return PATH + self.search

    @property
    def search(self) -> str:
        """The query of that address with its question mark; empty when everything is as by default."""
        default = ProcessState()
        given = {
            "stream": self.stream,
            "period": "" if self.period is default.period else self.period.value,
            "paths": "" if self.paths is default.paths else self.paths.value,
            "step": self.step,
            "to": self.to if self.step else "",
            "variant": "" if self.variant is None else str(self.variant),
            "case": self.case,
        }
        query = urlencode({name: value for name, value in given.items() if value})
        return f"?{query}" if query else ""

    def but(self, **changes: object) -> ProcessState:
        """The same with some choices changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def in_stream(self, stream: str) -> ProcessState:
        """Another stream: what was chosen within the old one is let go."""
        return ProcessState(stream, self.period, self.paths)


def parse(search: str | None) -> ProcessState:
    """The state that an address's query describes."""
    given = {name: values[-1][:LONGEST] for name, values in _query(search or "").items()}
    step = given.get("step", "")
    return ProcessState(
        stream=given.get("stream", ""),
        period=_one_of(Period, given.get("period"), Period.MONTH),
        paths=_one_of(Paths, given.get("paths"), Paths.MOST),
        step=step,
        to=given.get("to", "") if step else "",
        variant=_unsigned(given.get("variant", "")),
        case=given.get("case", ""),
    )


def _query(search: str) -> dict[str, list[str]]:
    try:
        return parse_qs(search.removeprefix("?")[:8192], max_num_fields=50)
    except ValueError:
        return {}


def _one_of(kind: type[E], value: str | None, default: E) -> E:
    return kind(value) if value in {one.value for one in kind} else default


def _unsigned(value: str) -> int | None:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        return None
    number = int(value)
    return number if number < 1 << 64 else None
