"""Variants: the distinct sequences of steps, with their share of the cases, how long they take and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

CLOSED_BY = "outcomes"


@dataclass(frozen=True)
class VariantShare:
    """`id` selects it in a filter. Durations in seconds; `outcomes`: cases by terminal event, '' for open ones."""

    id: int
    steps: tuple[str, ...]
    cases: int
    share: float
    median_s: float
    p90_s: float
    rework: bool
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Variants:
    """The most frequent ones, and how many there are in all; `cases` is what shares refer to."""

    cases: int
    total: int
    variants: tuple[VariantShare, ...]


def variants(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, *, limit: int = 100) -> Variants:
    """The `limit` most frequent variants of the cases that the filter lets through."""
    rows = ask(ch, "variants", tenant, stream, wanted, {"limit": limit}).dicts()
    cases = rows[0]["all_cases"] if rows else 0
    return Variants(
        cases,
        rows[0]["total"] if rows else 0,
        tuple(
            VariantShare(
                one["id"], tuple(one["steps"]), one["cases"], one["cases"] / cases, one["median_s"], one["p90_s"],
                bool(one["rework"]), dict(one["outcomes"]),
            )
            for one in rows
        ),
    )  # fmt: skip
