"""Partial sums: what the facts of a measure add up to in an hour, and how they change.

A run sets what the facts of the touched cases add up to in their new rows against the rows that stand. What differs is
the change of the hour; days, weeks and months are hours added up. Everything is whole numbers, so that it makes no
difference whether an hour was changed a hundred times or added up once. That holds only while the partial sums and
the rows of the views are of one mind: a run that died between the two is known by its mark, and everything is added up
anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core import StorageError
from kpis.limits import FEW
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

COLUMNS = (
    *("TenantId", "Measure", "Hour", "Version", "Numerator", "Denominator", "Counted", "LeftOut", "Open", "Numbers"),
)
COMPLETE = datetime(1970, 1, 1, tzinfo=UTC)
"""The hour of the row that says that a measure is complete."""
AT_ONCE = 20_000
"""Hours that are read or written together."""
Key = tuple[int, int]
"""Key of a measure, and the second at which a local hour begins."""


@dataclass(frozen=True)
class Sums:
    """What facts add up to, or by how much it changes: numerator and denominator in millionths, numbers of subjects.

    numbers: how often each numerator is there, where a percentile needs them; a change may have negative ones.
    """

    figures: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    numbers: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def change(cls, row: Sequence[Any]) -> Sums:
        """From (numerator, denominator, counted, left out, open, numbers that come, numbers that go)."""
        numbers = Counter(row[5])
        numbers.subtract(Counter(row[6]))
        return replace(cls.of((*row[:5], ())), numbers={number: times for number, times in numbers.items() if times})

    @classmethod
    def of(cls, row: Sequence[Any]) -> Sums:
        """From (numerator, denominator, counted, left out, open, numbers)."""
        numerator, denominator, counted, left_out, opened = (int(part) for part in row[:5])
        return cls((numerator, denominator, counted, left_out, opened), Counter(row[5]))

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        """Added, or taken away with sign -1."""
        a, b = self.figures, other.figures
        figures = (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3], a[4] + sign * b[4])
        numbers = dict(self.numbers)
        for number, times in other.numbers.items():
            left = numbers.get(number, 0) + sign * times
            if left:
                numbers[number] = left
            else:
                numbers.pop(number, None)
        return Sums(figures, numbers)

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing."""
        return not any(self.figures) and not self.numbers

    @property
    def possible(self) -> bool:
        """Whether subjects can add up to it."""
        return min(self.figures[2:]) >= 0 and all(times > 0 for times in self.numbers.values())


Change = Mapping[Key, Sums]


def together(changes: Iterable[Change]) -> dict[Key, Sums]:
    """Changes that follow one another, as one."""
    found: dict[Key, Sums] = {}
    for one in changes:
        for key, sums in one.items():
            found[key] = found[key].plus(sums) if key in found else sums
    return {key: sums for key, sums in found.items() if not sums.nothing}


class Partials:
    """The partial sums of all tenants."""

    def __init__(self, ch: ClickHouse) -> None:
        self._ch = ch

    def complete(self, tenant: str) -> set[int]:
        """The keys of the measures whose hours are all there."""
        return {int(key) for (key,) in self._ch.query(load_sql("kpis", "partials_known"), {"tenant": tenant}).rows}

    def set_complete(self, tenant: str, keys: Iterable[int], version: int) -> None:
        """Says that all hours of these measures are there."""
        rows: list[tuple[Any, ...]] = [(tenant, key, COMPLETE, version, 0, 0, 0, 0, 0, []) for key in keys]
        self._ch.insert_rows("kpi_partials", COLUMNS, rows)

    def apply(self, tenant: str, changes: Change, version: int) -> None:
        """Changes the hours. Raises StorageError when they cannot be what the change started from."""
        keys = sorted(changes)
        for at in range(0, len(keys), AT_ONCE):
            some = keys[at : at + AT_ONCE]
            found = self._read(tenant, some)
            rows: list[tuple[Any, ...]] = []
            for key in some:
                now = found.get(key, Sums()).plus(changes[key])
                if not now.possible:
                    raise StorageError("sums of KPIs do not agree with their views", hint="they are computed anew")
                numbers = sorted(number for number, times in now.numbers.items() for _ in range(times))
                rows.append((tenant, key[0], datetime.fromtimestamp(key[1], UTC), version, *now.figures, numbers))
            self._ch.insert_rows("kpi_partials", COLUMNS, rows)

    def _read(self, tenant: str, keys: Collection[Key]) -> dict[Key, Sums]:
        params = {"tenant": tenant, "measures": [key for key, _ in keys], "hours": [hour for _, hour in keys]}
        rows = self._ch.query(load_sql("kpis", "partials_hours"), params, FEW).rows
        return {(int(key), int(hour)): Sums.of(figures) for key, hour, *figures in rows}
