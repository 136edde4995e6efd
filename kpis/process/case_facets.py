"""What the cases of a stream can be filtered by: their attributes with the most frequent values, and their outcomes.

Counts are exact, of the cases that the filter lets through; how many values an attribute has is the engine's estimate
(`uniq`), which is exact for few. An attribute with more than `MOST_VALUES` of them (an id, an amount) is named without
its values: grouping by each would cost as much memory as there are cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

MOST_VALUES = 300


@dataclass(frozen=True)
class AttributeFacet:
    """An attribute that `cases` have, with about `values` different values; `top`: the most frequent, with cases.

    `top` is empty for an attribute with too many values to list.
    """

    name: str
    cases: int
    values: int
    top: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CaseFacets:
    """`cases` are those the filter let through; `outcomes`: cases by terminal event, '' while open."""

    cases: int
    attributes: tuple[AttributeFacet, ...]
    outcomes: Mapping[str, int]


def case_facets(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, *, top: int = 12) -> CaseFacets:
    """The facets of the cases that the filter lets through, `top` values of each attribute; the most common first.

    Raises InvalidInput when `top` is outside 1 to 100.
    """
    if not 1 <= top <= 100:
        raise InvalidInput(f"top must be 1 to 100, got {top}")
    outcomes = {one["outcome"]: one["cases"] for one in ask(ch, "facet_outcomes", tenant, stream, wanted).dicts()}
    names = ask(ch, "facet_names", tenant, stream, wanted).dicts() if outcomes else []
    few = [one["name"] for one in names if one["values"] <= MOST_VALUES]
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    if few:
        for one in ask(ch, "facet_values", tenant, stream, wanted, {"names": few, "top": top}).dicts():
            found[one["name"]].append((one["value"], one["cases"]))
    return CaseFacets(
        sum(outcomes.values()),
        tuple(
            AttributeFacet(one["name"], one["cases"], one["values"], tuple(found.get(one["name"], ()))) for one in names
        ),
        outcomes,
    )


def standing(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> dict[str, int]:
    """How many of the cases that the filter lets through have each step as their latest."""
    return {one["step"]: one["cases"] for one in ask(ch, "facet_last_steps", tenant, stream, wanted).dicts()}
