"""Handovers: how work passes between systems, resources or types of actor from one step of a case to the next.

The counts are those of the handover-of-work matrix of social network mining (van der Aalst, Reijers and Song, 2005:
direct succession, every occurrence counted), kept as counts, with the time that lies between. A missing holder is a
category of its own. Definitions: docs/process-flow.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.process_map import Spread
from storage import ClickHouse

MISSING = ""
"""The holder of a step that names none."""


class Holder(StrEnum):
    """Whose hands work is in."""

    SYSTEM = "system"
    RESOURCE = "resource"
    ACTOR = "actor"


@dataclass(frozen=True)
class Passage:
    """Transitions from steps of one holder to steps of another or the same; '' is a missing one.

    `count`: by event; `cases`: by case. `gap` and `waiting` (seconds) as in the process map: the time between the two
    steps, and the part of it in which nothing of the case was at work, over the `waits` gaps that end at a known start.
    """

    from_holder: str
    to_holder: str
    count: int
    cases: int
    gap: Spread
    waits: int
    waiting: Spread | None

    @property
    def handover(self) -> bool | None:
        """Whether the holder changes; None when one is missing."""
        if MISSING in (self.from_holder, self.to_holder):
            return None
        return self.from_holder != self.to_holder


@dataclass(frozen=True)
class Handovers:
    """`transitions` = `handovers` + `unknown` (a holder is missing) + those that stay with their holder.

    `cases`: what the filter let through, zero when it matched nothing; `handover_cases`: with at least one handover.
    `passages`: the most frequent cells of the matrix; `total`: how many cells there are.
    """

    stream: str
    by: Holder
    cases: int
    handover_cases: int
    transitions: int
    handovers: int
    unknown: int
    total: int
    passages: tuple[Passage, ...]

    @property
    def share(self) -> float | None:
        """Handovers of the transitions whose two holders are known, 0 to 1; None when there are none such."""
        known = self.transitions - self.unknown
        return self.handovers / known if known else None


def handovers(
    ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, by: str = Holder.SYSTEM, *, limit: int = 1000
) -> Handovers:
    """The matrix of the cases that the filter lets through, the `limit` most frequent cells first.

    Raises InvalidInput for another `by` than those of `Holder`, and for a `limit` outside 1 to 100,000.
    """
    if by not in list(Holder):
        raise InvalidInput(f"by must be one of {', '.join(Holder)}, got {by!r}")
    if not 1 <= limit <= 100_000:
        raise InvalidInput(f"limit must be 1 to 100000, got {limit}")
    totals = ask(ch, "handover_totals", tenant, stream, wanted, {"by": str(by)}).dicts()[0]
    rows = ask(ch, "handover_matrix", tenant, stream, wanted, {"by": str(by), "limit": limit}).dicts()
    return Handovers(
        stream,
        Holder(by),
        totals["cases"],
        totals["handover_cases"],
        totals["transitions"],
        totals["handovers"],
        totals["unknown"],
        rows[0]["total"] if rows else 0,
        tuple(
            Passage(
                one["from_holder"], one["to_holder"], one["count"], one["cases"], Spread(*one["gap"]), one["waits"],
                Spread(*one["waiting"]) if one["waits"] else None,
            )
            for one in rows
        ),
    )  # fmt: skip
