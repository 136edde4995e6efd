"""What is asked about a KPI: which basis, which part of it, and which periods.

A part is one process (`stream`), one value of a dimension (`channel`, `warehouse`, …), or both; the dimensions are
those of breakdowns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import InvalidInput
from kpis.breakdown import dimension_names
from kpis.definitions import KpiDefinition
from kpis.values import FIRST, LAST

LONGEST_VALUE = 512


@dataclass(frozen=True)
class Period:
    """[start, end), aware, in whole seconds."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def seconds(self) -> tuple[int, int]:
        """Its ends as seconds since the epoch."""
        return int(self.start.timestamp()), int(self.end.timestamp())


@dataclass(frozen=True)
class Part:
    """Which part of a KPI is meant; all of it where nothing is named."""

    stream: str = ""
    dimension: str = ""
    value: str = ""

    def words(self) -> str:
        """For people."""
        said = [self.stream] if self.stream else []
        said += [f"{self.dimension} {self.value!r}"] if self.dimension else []
        return ", ".join(said) or "all"


def known_time(at: datetime, name: str) -> datetime:
    """The time, so far from the ends of the calendar that days can be added; raises InvalidInput."""
    if at.tzinfo is None:
        raise InvalidInput(f"{name} needs a time zone, got {at.isoformat()}", hint="append Z for UTC")
    if not FIRST <= at <= LAST:
        raise InvalidInput(f"{name} is out of range, got {at.isoformat()}", hint="a time of the years 1970 to 2105")
    return at


def period(start: datetime, end: datetime, name: str = "a period") -> Period:
    """The period; raises InvalidInput for one that is naive, empty, inverted or out of range."""
    start, end = (_up(known_time(at, name)) for at in (start, end))
    if start >= end:
        raise InvalidInput(
            f"{name} ends after it starts, got {start.isoformat()} to {end.isoformat()}",
            hint="swap start and end; the end is not part of the period",
        )
    return Period(start, end)


def dimensions(definition: KpiDefinition) -> tuple[str, ...]:
    """The dimensions by which parts of the KPI can be told."""
    return dimension_names(definition)


def basis_of(definition: KpiDefinition, basis: str) -> str:
    """The basis, the definition's first for ''. Raises InvalidInput for an unknown one."""
    wanted = basis or definition.basis_ids[0]
    if wanted not in definition.basis_ids:
        known = ", ".join(filter(None, definition.basis_ids)) or "none to choose from"
        raise InvalidInput(f"{definition.id} has no basis {basis[:80]!r}", hint=f"there are {known}")
    return wanted


def part(definition: KpiDefinition, stream: str = "", dimension: str = "", value: str = "") -> Part:
    """The part; the definition's own stream is all of it. Raises InvalidInput for what the KPI does not have."""
    if stream and definition.stream and stream != definition.stream:
        raise InvalidInput(
            f"{definition.id} is of {definition.stream}, not of {stream[:80]!r}", hint="leave stream out"
        )
    if stream and not definition.stream and not definition.view:
        raise InvalidInput(f"{definition.id} is not told by process", hint="leave stream out")
    if bool(dimension) != bool(value):
        raise InvalidInput("a dimension and one of its values go together", hint="name both or neither")
    if len(value) > LONGEST_VALUE:
        raise InvalidInput(f"a value of a dimension has {LONGEST_VALUE} characters at most, got {len(value)}")
    known = dimensions(definition)
    if dimension and dimension not in known:
        raise InvalidInput(
            f"{definition.id} has no dimension {dimension[:80]!r}", hint=f"there are {', '.join(known) or 'none'}"
        )
    return Part("" if definition.stream else stream, dimension, value)


def _up(at: datetime) -> datetime:
    """A part of a second is rounded up, as facts are of whole seconds."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
