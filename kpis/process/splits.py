"""What splits slow cases from fast ones: traits of cases ranked by effect, with support and significance.

A trait is something a case has or has not: a value of an attribute, a number in one of four quarters, its first step, a
system it touched, the weekday or hour it began, a step it contains. For each the slow share with and without it is
compared (chi-square with Yates' correction), and the durations (Mann-Whitney U test with correction for ties); the
first is corrected for the number of traits tried (Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate",
1995). A trait that goes with slowness need not be its cause. Formulas: docs/process-bottlenecks.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter, ask
from kpis.process.zones import zone_named
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_TRAITS = "/*traits*/"
ALPHA = 0.05
"""The false discovery rate that is accepted among the splits."""
SUPPORT = 20
NUMERIC_VALUES = 10
"""A number with more values than this is told by its quarter."""
NEARLY_UNIQUE = 0.5
NUMBERED = 0.9
"""Whole numbers with so many different values among the cases are numbers of something, not amounts."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Split:
    """Cases with a trait against those without it.

    `kind`: attribute, number, first step, system, weekday, hour or contains; `name` is the attribute's ('' elsewhere).
    `odds_ratio` of being slow, above 1 where the trait goes with slowness (half a case is added to each cell);
    `lift` is the slow share against that of all cases. Medians in seconds. `p` (chi-square), `q` (corrected for the
    number of traits), `p_duration` (Mann-Whitney). `also`: other traits of exactly the same cases.
    """

    kind: str
    name: str
    value: str
    cases: int
    slow_cases: int
    slow_share: float
    slow_share_without: float
    odds_ratio: float
    lift: float
    median_s: float
    median_without_s: float
    p: float
    q: float
    p_duration: float
    also: tuple[str, ...] = ()

    @property
    def difference_s(self) -> float:
        """Of the medians, in seconds; positive where cases with the trait take longer."""
        return self.median_s - self.median_without_s

    @property
    def label(self) -> str:
        """The trait for people."""
        return _label(self.kind, self.name, self.value)


@dataclass(frozen=True)
class Splits:
    """The significant splits, the strongest first; `tried` traits had enough cases with and without them.

    `slow_cases` of the `cases` took longer than `threshold_s`. `left_out`: attributes that are different in nearly
    every case. `open_cases` were left out because they are not over.
    """

    stream: str
    cases: int
    slow_cases: int
    threshold_s: float | None
    open_cases: int
    tried: int
    splits: tuple[Split, ...]
    left_out: tuple[str, ...]
    data_through: datetime | None
    basis: str


def splits(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    *,
    slow_share: float = 0.25,
    threshold_s: float | None = None,
    min_support: int = SUPPORT,
    timezone: str = "UTC",
    limit: int = 20,
) -> Splits:
    """Compares the slowest `slow_share` of the cases, or those above `threshold_s`, with the others.

    Open cases are left out where any case of the stream is known to be closed; elsewhere every case counts with what
    it has so far. Raises InvalidInput for a share outside (0, 1), a negative threshold, too small a support or a zone
    that does not exist.
    """
    _check(slow_share, threshold_s, min_support, timezone)
    population = ask(ch, "split_population", tenant, stream, wanted).dicts()[0]
    closed_only = population["closed"] > 0
    asked = {
        "closed_only": int(closed_only),
        "share": 1 - slow_share,
        "threshold_s": -1.0 if threshold_s is None else threshold_s,
    }
    left_open = population["cases"] - population["closed"] if closed_only else 0
    totals = ask(ch, "split_totals", tenant, stream, wanted, asked).dicts()[0] if population["cases"] else {"cases": 0}
    cases = int(totals["cases"])
    if not cases:
        return Splits(stream, 0, 0, None, left_open, 0, (), (), None, "No case matches.")
    slow, through = int(totals["slow"]), population["data_through"]
    if not 0 < slow < cases:
        about = f"{'All' if slow else 'None'} of {cases} cases took longer than {totals['threshold_s']:g} s."
        return Splits(stream, cases, slow, totals["threshold_s"], left_open, 0, (), (), through, about)
    traits = _Traits(ch, tenant, stream, wanted, asked | {"threshold_s": totals["threshold_s"], "timezone": timezone})
    rows = traits.counted(min_support, cases)
    found = _significant(rows, cases, slow, float(totals["ties"]), traits.quartiles)[:limit]
    others = traits.medians_without([row for row, *_ in found])
    return Splits(
        stream,
        cases,
        slow,
        totals["threshold_s"],
        left_open,
        len(rows),
        tuple(
            _split(row, cases, slow, q, others[place], traits.quartiles, also)
            for place, (row, q, also) in enumerate(found)
        ),
        traits.left_out,
        through,
        f"{cases} cases, {slow} of them slower than {totals['threshold_s']:.0f} s; {len(rows)} traits that at least "
        f"{min_support} cases have and {min_support} have not, at a false discovery rate of {ALPHA:.0%}.",
    )


class _Traits:
    """The traits of the cases in question, as the statements need them."""

    def __init__(self, ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter, asked: Mapping[str, Any]) -> None:
        condition, values = wanted.conditions()
        self._ch, self._text = ch, load_sql(_ROOM, "split_traits").replace(PLACE, condition)
        attributes = ask(ch, "split_attributes", tenant, stream, wanted, asked).dicts()
        self.quartiles = {row["name"]: list(row["quartiles"]) for row in attributes if _is_number(row)}
        self.left_out = tuple(row["name"] for row in attributes if row["name"] not in self.quartiles and _is_id(row))
        self._params: dict[str, Any] = {
            **values, **asked, "tenant": tenant, "stream": stream, "left_out": list(self.left_out),
            "numbers": list(self.quartiles), "quartiles": list(self.quartiles.values()) or [[0.0]],
        }  # fmt: skip

    def counted(self, support: int, cases: int) -> list[dict[str, Any]]:
        return self._ask("split_counts", {"support": support, "all": cases})

    def medians_without(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        if not rows:
            return []
        asked = {f"{part}s": [row[part] for row in rows] for part in ("kind", "name", "value")}
        found = {row["number"]: row["median_s"] for row in self._ask("split_others", asked)}
        return [found[place] for place in range(1, len(rows) + 1)]

    def _ask(self, statement: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        text = load_sql(_ROOM, statement).replace(_TRAITS, self._text)
        return self._ch.query(text, {**self._params, **params}, LIMITS).dicts()


def _is_number(row: Mapping[str, Any]) -> bool:
    """All values are numbers, there are many, and they do not number the cases."""
    numbered = row["integers"] == row["cases"] and row["values"] > NUMBERED * row["cases"]
    return bool(row["numbers"] == row["cases"] and row["values"] > NUMERIC_VALUES and not numbered)


def _is_id(row: Mapping[str, Any]) -> bool:
    return bool(row["values"] > NEARLY_UNIQUE * row["cases"] and row["values"] > NUMERIC_VALUES)


# --- the tests ---


def _significant(
    rows: Sequence[dict[str, Any]], cases: int, slow: int, ties: float, quartiles: Mapping[str, Sequence[float]]
) -> list[tuple[dict[str, Any], float, tuple[str, ...]]]:
    """The rows whose corrected p is small, the strongest effect first; rows of the same cases become one."""
    for row in rows:
        row["p"] = chi_square_p(row["slow"], row["cases"], slow, cases)
        row["p_duration"] = rank_sum_p(row["ranks"], row["cases"], cases, ties)
    corrected = adjusted([row["p"] for row in rows])
    kept = [(row, q) for row, q in zip(rows, corrected, strict=True) if q <= ALPHA]
    kept.sort(key=lambda one: (-_strength(one[0], cases, slow), one[0]["kind"], one[0]["name"], one[0]["value"]))
    merged: dict[tuple[int, int, float], tuple[dict[str, Any], float, list[str]]] = {}
    for row, q in kept:
        same = (row["cases"], row["slow"], row["ranks"])
        if same in merged:
            merged[same][2].append(_label(row["kind"], row["name"], _value(row, quartiles)))
        else:
            merged[same] = (row, q, [])
    return [(row, q, tuple(also)) for row, q, also in merged.values()]


def chi_square_p(with_slow: int, with_all: int, slow: int, cases: int) -> float:
    """Two-sided p of a fourfold table, one degree of freedom, with Yates' correction."""
    a, b = with_slow, with_all - with_slow
    c, d = slow - with_slow, cases - with_all - slow + with_slow
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if not margins:
        return 1.0
    gap = max(abs(a * d - b * c) - cases / 2, 0.0)
    return math.erfc(math.sqrt(cases * gap * gap / margins / 2))


def rank_sum_p(ranks: float, with_all: int, cases: int, ties: float) -> float:
    """Two-sided p of the Mann-Whitney U test by its normal approximation, corrected for ties and continuity."""
    others = cases - with_all
    spread = with_all * others / 12 * (cases + 1 - ties / (cases * (cases - 1)))
    if spread <= 0:
        return 1.0
    gap = abs(ranks - with_all * (with_all + 1) / 2 - with_all * others / 2) - 0.5
    return math.erfc(max(gap, 0.0) / math.sqrt(spread) / math.sqrt(2))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's q for each p, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: -p_values[place])
    q_values, least = [1.0] * len(p_values), 1.0
    for rank, place in zip(range(len(p_values), 0, -1), order, strict=True):
        least = min(least, p_values[place] * len(p_values) / rank)
        q_values[place] = least
    return q_values


def _cells(row: Mapping[str, Any], cases: int, slow: int) -> tuple[float, float, float, float]:
    """The fourfold table with half a case added to each cell, so that an odds ratio is always finite."""
    a, b = row["slow"], row["cases"] - row["slow"]
    return a + 0.5, b + 0.5, slow - a + 0.5, cases - row["cases"] - slow + a + 0.5


def _strength(row: Mapping[str, Any], cases: int, slow: int) -> float:
    """The bound of the 95 % interval of the log odds ratio that is nearer to no effect."""
    a, b, c, d = _cells(row, cases, slow)
    return abs(math.log(a * d / (b * c))) - 1.96 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def _split(
    row: Mapping[str, Any],
    cases: int,
    slow: int,
    q: float,
    median_without_s: float,
    quartiles: Mapping[str, Sequence[float]],
    also: tuple[str, ...],
) -> Split:
    a, b, c, d = _cells(row, cases, slow)
    share = row["slow"] / row["cases"]
    return Split(
        kind=row["kind"],
        name=row["name"],
        value=_value(row, quartiles),
        cases=row["cases"],
        slow_cases=row["slow"],
        slow_share=share,
        slow_share_without=(slow - row["slow"]) / (cases - row["cases"]),
        odds_ratio=a * d / (b * c),
        lift=share / (slow / cases),
        median_s=row["median_s"],
        median_without_s=median_without_s,
        p=row["p"],
        q=q,
        p_duration=row["p_duration"],
        also=also,
    )


# --- words ---


def _value(row: Mapping[str, Any], quartiles: Mapping[str, Sequence[float]]) -> str:
    """A trait's value for people: bounds instead of a quarter, names instead of numbers."""
    value = str(row["value"])
    if row["kind"] == "number":
        bounds, quarter = quartiles[row["name"]], int(value)
        if quarter == 1:
            return f"up to {bounds[0]:g}"
        return (
            f"above {bounds[2]:g}" if quarter == 4 else f"above {bounds[quarter - 2]:g}, up to {bounds[quarter - 1]:g}"
        )
    if row["kind"] == "weekday":
        return WEEKDAYS[int(value) - 1]
    return f"{value}:00" if row["kind"] == "hour" else value


def _label(kind: str, name: str, value: str) -> str:
    if kind == "attribute":
        return f"{name} = {value}"
    return f"{name} {value}" if kind == "number" else f"{kind} {value}"


def _check(slow_share: float, threshold_s: float | None, min_support: int, timezone: str) -> None:
    if not 0 < slow_share < 1:
        raise InvalidInput(f"the slow share must be between 0 and 1, got {slow_share:g}")
    if threshold_s is not None and not 0 <= threshold_s < math.inf:
        raise InvalidInput(f"the threshold must be 0 s or more, got {threshold_s:g}")
    if min_support < 5:
        raise InvalidInput(f"the support must be 5 cases or more, got {min_support}")
    zone_named(timezone)
