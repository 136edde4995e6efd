"""All facts of all subjects of a view in one reading: the SELECT that a run makes once a view.

The engine takes longer to read a statement than to carry it out for a few rows, so each thing is said once: what
several measures have in common (a time, a condition, an amount) is a column of the innermost subquery, and what is done
to every time and number is done to arrays of them. What a fact is: see `kpis.measures`; there a single measure says the
same for one list, split or check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kpis.measures import (
    COUNTED,
    FIRST_SECOND,
    LAST_SECOND,
    LEFT_OUT,
    MILLIONTHS,
    OPEN,
    Measure,
    millionths,
    moment_of,
    own_parameters,
    parameters,
)

VANISHED = 65_535
"""In place of the number of a measure: a subject that is no more."""


@dataclass
class _Columns:
    """Expressions by the name of their column, each once."""

    names: dict[str, str] = field(default_factory=dict)

    def of(self, measure: Measure, expression: str) -> str:
        """The name of the column."""
        return self.names.setdefault(own_parameters(measure.definition, expression), f"x{len(self.names)}")

    def holds(self, measure: Measure, condition: str) -> str:
        """NULL is as good as false where a condition is asked for."""
        return self.of(measure, f"toBool({condition})")

    def figure(self, measure: Measure, expression: str) -> str:
        """A number, or the number one as it stands."""
        return expression if expression == "1" else self.of(measure, f"toFloat64({expression})")


@dataclass
class _Facts:
    """Facts side by side: the number of the measure, and expressions of what a fact says."""

    numbers: list[int] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    numerators: list[str] = field(default_factory=list)
    denominators: list[str] = field(default_factory=list)

    def add(self, number: int, time: str, state: str, numerator: str, denominator: str) -> None:
        self.numbers.append(number)
        self.times.append(time)
        self.states.append(state)
        self.numerators.append(numerator)
        self.denominators.append(denominator)


def facts_select(chosen: Sequence[Measure], table: str, condition: str, *, sides: bool = False) -> str:
    """A SELECT of the facts (`M`, `Second`, `State`, `N`, `D`) of the rows of a table that meet a condition.

    sides: the rows have a `Side` (kept), and `Vanished` says which are to be told as facts of VANISHED. Takes the
    parameters of `facts_parameters`.
    """
    columns = _Columns()
    counted, levels = _facts_of(chosen, columns, sides)
    kept = "Side, " if sides else ""
    said = [*(["Side", "Vanished"] if sides else []), *(f"{text} AS {name}" for text, name in columns.names.items())]
    states = (
        f"arrayMap((s, n, d, unknown) -> if(s = {COUNTED} AND NOT ifNull(isFinite(n) AND isFinite(d), 0), unknown, s), "
        f"{_array(counted.states, 'UInt8')}, Ns, Ds, {{unknown:Array(UInt8)}})"
    )
    whole = f"n -> {millionths('n')}"
    times = ", ".join(counted.times + levels.times)
    return f"""
    SELECT {kept}M, Second, State, N, D
    FROM
    (
        SELECT
            {kept}arrayMap(t -> ifNull(toUnixTimestamp64Second(t), 0), [{times}]) AS Seconds,
            {_array(counted.numerators, "Nullable(Float64)")} AS Ns,
            {_array(counted.denominators, "Nullable(Float64)")} AS Ds,
            {_with(states, levels.states)} AS States,
            {_with(f"arrayMap({whole}, Ns)", levels.numerators)} AS Numerators,
            {_with(f"arrayMap({whole}, Ds)", levels.denominators)} AS Denominators
        FROM
        (
            SELECT
            {", ".join(said)}
            FROM {table}
            WHERE {condition}
        )
    )
    ARRAY JOIN {{numbers:Array(UInt16)}} AS M, Seconds AS Second, States AS State, Numerators AS N, Denominators AS D
    WHERE State != 0 AND Second >= {FIRST_SECOND} AND Second < {LAST_SECOND}"""


def facts_parameters(chosen: Sequence[Measure], tz: str, recent: int, *, sides: bool = False) -> dict[str, Any]:
    """What the SELECT, and those that add it up, take beside those of its condition.

    recent: the second from which on minutes are kept.
    """
    counted, levels = _facts_of(chosen, _Columns(), sides)
    unknown = [LEFT_OUT + len(chosen[number].excluded) if number != VANISHED else COUNTED for number in counted.numbers]
    return {
        **parameters(chosen),
        "tz": tz,
        "numbers": counted.numbers + levels.numbers,
        "unknown": unknown,
        "ordered": [number for number, measure in enumerate(chosen) if measure.ordered],
        "by_minute": [number for number, measure in enumerate(chosen) if measure.by_minute],
        "recent": recent,
    }


def _facts_of(chosen: Sequence[Measure], columns: _Columns, sides: bool) -> tuple[_Facts, _Facts]:
    """Those that count something, and those of levels, whose numbers are whole as they stand."""
    counted, levels = _Facts(), _Facts()
    if sides:
        counted.add(VANISHED, f"toDateTime64({FIRST_SECOND}, 0, 'UTC')", "Vanished", "0", "0")
    for number, measure in enumerate(chosen):
        if measure.level:
            _begin_and_end(levels, number, measure, columns)
        else:
            _count(counted, number, measure, columns)
    return counted, levels


def _count(facts: _Facts, number: int, measure: Measure, columns: _Columns) -> None:
    told = [f"{columns.holds(measure, one.when)}, {LEFT_OUT + place}" for place, one in enumerate(measure.excluded)]
    if measure.open:
        told.append(f"{columns.holds(measure, measure.open)}, {OPEN}")
    state = f"multiIf({', '.join(told)}, {COUNTED})" if told else str(COUNTED)
    if measure.where:
        state = f"if({columns.holds(measure, measure.where)}, {state}, 0)"
    time = columns.of(measure, f"toDateTime64({measure.at}, 0, 'UTC')")
    figures = [columns.figure(measure, one) for one in (measure.numerator, measure.denominator)]
    facts.add(number, time, state, *figures)


def _begin_and_end(facts: _Facts, number: int, measure: Measure, columns: _Columns) -> None:
    """(…, +1, +moment of the beginning) at `at` and (…, -1, -the same) at `until`; neither if the end is first."""
    ends = measure.definition.until
    at, until = (columns.of(measure, f"toDateTime64({time}, 9, 'UTC')") for time in (measure.at, ends))
    where = f" AND ifNull({columns.holds(measure, measure.where)}, 0)" if measure.where else ""
    lasts = columns.of(measure, f"{_within_time(at)}{where} AND ifNull({until} > {at}, 1)")
    moment = columns.of(measure, f"toInt64({moment_of(at)})")
    facts.add(number, f"toDateTime64({at}, 0, 'UTC')", lasts, str(MILLIONTHS), moment)
    facts.add(
        number, f"toDateTime64({until}, 0, 'UTC')", f"{lasts} AND {until} IS NOT NULL", f"-{MILLIONTHS}", f"-{moment}"
    )


def _within_time(time: str) -> str:
    """Whether a time is one of buckets."""
    first, last = (f"toDateTime64({second}, 9, 'UTC')" for second in (FIRST_SECOND, LAST_SECOND))
    return f"ifNull({time} >= {first} AND {time} < {last}, 0)"


def _array(texts: Sequence[str], kind: str) -> str:
    return f"[{', '.join(texts)}]::Array({kind})"


def _with(array: str, more: Sequence[str]) -> str:
    return f"arrayConcat({array}, [{', '.join(more)}])" if more else array
