"""From definitions to facts: what each subject of a canonical view contributes to each KPI.

A *measure* is one way in which a definition counts: bases with the same expressions share it. A *fact* is a subject
seen by a measure: (measure, second, state, numerator, denominator). The state says whether the subject is counted,
still open or left out, and for which reason. All measures of a view are computed in one reading of it.

Numerators and denominators are millionths as integers, so that a sum does not depend on the order of adding: what is
recomputed equals what was computed once, to the last digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kpis.definitions import Exclusion, KpiDefinition, Statistic

COUNTED, OPEN, LEFT_OUT = 1, 2, 10
"""States of a fact; LEFT_OUT + n is left out by the n-th exclusion of its measure, the one after the last by a
number that is not known."""
MILLIONTHS = 1_000_000
MOST = 9e12
"""The largest number that is added up, in units; whatever is beyond counts as this."""
FIRST_SECOND, LAST_SECOND = 31_622_400, 4_102_358_400
"""From 1971-01-02 to 2099-12-31: a fact outside of them is in no bucket."""


@dataclass(frozen=True)
class Measure:
    """One way in which a definition counts, and the statistics that are told of it, by basis."""

    definition: KpiDefinition
    at: str
    where: str
    numerator: str
    denominator: str
    open: str
    excluded: tuple[Exclusion, ...]
    statistics: tuple[tuple[str, Statistic], ...]
    by_minute: bool = False
    """Whether its sums are of minutes of late, not of hours."""

    @property
    def view(self) -> str:
        """The canonical view that it reads."""
        return self.definition.view

    @property
    def ordered(self) -> bool:
        """Whether the numerators are needed one by one, for a percentile."""
        return any(statistic in ("median", "p90") for _, statistic in self.statistics)

    def key(self, tz: str) -> int:
        """Names how it counts, beside what the view says: another text, parameter or zone of hours is another key."""
        d = self.definition
        said = (d.id, d.version, tz, self.fact(0), sorted(d.parameters.items()), self.ordered)
        text = f"{said!r} by minute" if self.by_minute else repr(said)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    @property
    def level(self) -> bool:
        """Whether it is a running sum: see `kpis.levels`."""
        return self.definition.level

    @property
    def lasts(self) -> str:
        """The condition on a subject of a level that it begins, within the time of buckets, and not after its end."""
        at, until = (f"toDateTime64({text}, 9, 'UTC')" for text in (self.at, self.definition.until))
        return f"{_in_time(second_of(self.at))} AND {_holds(self.where or 'true')} AND ifNull({until} > {at}, 1)"

    def fact(self, number: int) -> str:
        """The SQL tuples of the facts: one, or the beginning and the end of a subject that adds to a level."""
        return self._begin_and_end(number) if self.level else self._fact(number)

    def _begin_and_end(self, number: int) -> str:
        """(…, +1, +moment of the beginning) at `at` and (…, -1, -the same) at `until`; neither if the end is first."""
        at, lasts = f"toDateTime64({self.at}, 9, 'UTC')", self.lasts
        moment = moment_of(at)

        def fact(time: str, counted: str, sign: str) -> str:
            return (
                f"(toUInt16({number}), {second_of(time)}, toUInt8(if({counted}, {COUNTED}, 0)), "
                f"toInt64({sign}{MILLIONTHS}), toInt64({sign}{moment}))"
            )

        ended = f"{lasts} AND ({self.definition.until}) IS NOT NULL"
        both = f"{fact(self.at, lasts, '')}, {fact(self.definition.until, ended, '-')}"
        return own_parameters(self.definition, both)

    def _fact(self, number: int) -> str:
        reasons = [f"{_holds(one.when)}, {LEFT_OUT + place}" for place, one in enumerate(self.excluded)]
        opened = [f"{_holds(self.open)}, {OPEN}"] if self.open else []
        unknown = " OR ".join(_unknown(f"toFloat64({part})") for part in (self.numerator, self.denominator))
        state = ", ".join(
            [
                f"({self.at}) IS NULL OR NOT {_holds(self.where or 'true')}, 0",
                *reasons,
                *opened,
                f"{unknown}, {LEFT_OUT + len(self.excluded)}",
                str(COUNTED),
            ]
        )
        fact = (
            f"(toUInt16({number}), {second_of(self.at)}, "
            f"toUInt8(multiIf({state})), {millionths(self.numerator)}, {millionths(self.denominator)})"
        )
        return own_parameters(self.definition, fact)


def measures(definitions: Iterable[KpiDefinition]) -> list[Measure]:
    """The measures of definitions over views, in order."""
    found: list[Measure] = []
    for definition in definitions:
        if not definition.view:
            continue
        ways: dict[tuple[str, str, str, str, str, tuple[Exclusion, ...]], list[tuple[str, Statistic]]] = {}
        d = definition
        if not d.bases:
            ways[d.at, d.where, d.numerator, d.denominator or "1", d.open, d.excluded] = [("", d.statistic)]
        for basis in d.bases:
            key = (
                basis.at or d.at,
                basis.where or d.where,
                basis.numerator or d.numerator,
                basis.denominator or d.denominator or "1",
                basis.open or d.open,
                d.excluded if basis.excluded is None else basis.excluded,
            )
            ways.setdefault(key, []).append((basis.id, basis.statistic or d.statistic))
        found += [Measure(definition, *key, tuple(told)) for key, told in ways.items()]
    return found


def with_minutes(measures: Iterable[Measure]) -> list[Measure]:
    """These, and a second one by minute for each whose definition lists minutes."""
    found = list(measures)
    minutes = [one for one in found if "minute" in one.definition.grains and not one.level]
    return found + [replace(one, by_minute=True) for one in minutes]


def by_view(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    """Measures by the view that they read."""
    found: dict[str, list[Measure]] = {}
    for measure in measures:
        found.setdefault(measure.view, []).append(measure)
    return found


def facts_sql(chosen: Sequence[Measure]) -> str:
    """The array of facts of a row, those that say something."""
    tuples = ",\n        ".join(measure.fact(number) for number, measure in enumerate(chosen))
    return f"arrayFilter(f -> f.3 != 0 AND f.2 >= {FIRST_SECOND} AND f.2 < {LAST_SECOND}, [\n        {tuples}])"


def second_of(time: str) -> str:
    """The second of a time, 0 where there is none; of any year that the engine knows, not only of those of buckets."""
    return f"ifNull(toUnixTimestamp64Second(toDateTime64({time}, 0, 'UTC')), 0)"


def moment_of(time: str) -> str:
    """The microsecond of a time of nanoseconds, 0 where there is none."""
    return f"intDiv(ifNull(toUnixTimestamp64Nano({time}), 0), 1000)"


def _in_time(second: str) -> str:
    return f"{second} >= {FIRST_SECOND} AND {second} < {LAST_SECOND}"


def _unknown(number: str) -> str:
    """Whether a Float64 says nothing: it is not there, no number, or without end."""
    return f"NOT ifNull(isFinite({number}), 0)"


def _holds(condition: str) -> str:
    return f"ifNull(toBool({condition}), 0)"


def parameters(chosen: Sequence[Measure]) -> dict[str, Any]:
    """The values of the definitions' own parameters, by their names in the facts."""
    return {
        f"{measure.definition.id}__{name}": value
        for measure in chosen
        for name, value in measure.definition.parameters.items()
    }


def own_parameters(definition: KpiDefinition, expression: str) -> str:
    """The expression with the definition's id before the names of its parameters: others may have the same names."""
    for name in definition.parameters:
        expression = expression.replace(f"{{{name}:", f"{{{definition.id}__{name}:")
    return expression


def value_of(statistic: Statistic, row: Sequence[Any]) -> float | None:
    """A bucket's value from (numerator, denominator, counted, median, p90); None where there is nothing to divide."""
    numerator, denominator, counted, median, p90 = (float(part) for part in row)
    if not counted:
        return None
    if statistic == "sum":
        return numerator
    if statistic == "mean":
        return numerator / counted
    if statistic == "median":
        return median
    if statistic == "p90":
        return p90
    return numerator / denominator if denominator else None


def millionths(expression: str) -> str:
    """SQL of a number as whole millionths; nothing is none."""
    number = f"ifNull(toFloat64({expression}), 0)"
    return f"toInt64(round(greatest(least({number}, {MOST}), -{MOST}) * {MILLIONTHS}))"
