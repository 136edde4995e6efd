"""Why cases wait: the waiting before each step split into batching, contention, prioritisation, unavailability, other.

After K. Lashkevich, F. Milani, D. Chapela-Campa, I. Suvorau and M. Dumas, "Why am I waiting? Data-driven analysis of
waiting times in business processes" (2023). Definitions and where this differs: docs/process-bottlenecks.md.

It needs to know when a step began and who performed it. Time before a step whose start is unknown is reported as
unknown, waiting before a step without a resource as unexplained; neither is guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

EVIDENCE = 5.0
"""Weeks in which a working hour of the week must have been seen, on average, before a calendar is believed."""
MOST = 2_000
"""What did more than this within an hour is no single worker: nothing waits for it to be done with something else."""
SHARE = 0.1
"""An hour of the week belongs to the working time when it is worked in at least this share of the average weeks."""


@dataclass(frozen=True)
class Causes:
    """Waiting time by cause, in seconds.

    `batching`: until the other cases of a batch were ready. `contention`: the resource worked on what had been ready
    before. `prioritisation`: it worked on what became ready later. `unavailability`: outside its working hours.
    `other`: none of these, such as waiting for something outside the process.
    """

    batching_s: float
    contention_s: float
    prioritisation_s: float
    unavailability_s: float
    other_s: float

    @property
    def total_s(self) -> float:
        """All five together."""
        return self.batching_s + self.contention_s + self.prioritisation_s + self.unavailability_s + self.other_s


@dataclass(frozen=True)
class TransitionCauses:
    """The waiting before `to_step` directly after `from_step`, over the `waits` times that anything waited there."""

    from_step: str
    to_step: str
    waits: int
    causes: Causes


@dataclass(frozen=True)
class WaitingCauses:
    """`waiting_s = causes.total_s + no_resource_s`, over `cases`; the transitions with most waiting first.

    `no_resource_s`: waiting before steps that name no resource, not explained. `unknown_s`: time before steps whose
    start is unknown, no part of the waiting. `own_calendar_share` and `pooled_calendar_share`: of the waiting beyond
    batching, how much was judged by the resource's own inferred working hours and by those of all resources together;
    the rest had no calendar, and nothing of it counts as unavailability.
    """

    stream: str
    cases: int
    waits: int
    waiting_s: float
    causes: Causes
    no_resource_s: float
    unknown_s: float
    own_calendar_share: float
    pooled_calendar_share: float
    transitions: tuple[TransitionCauses, ...]
    basis: str


def waiting_causes(
    ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, *, timezone: str = "UTC"
) -> WaitingCauses:
    """Explains the waiting of the cases that the filter lets through; `timezone` is that of the working calendars.

    Raises InvalidInput for a zone that does not exist.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInput(f"there is no time zone {timezone[:64]!r}", hint="such as Europe/Berlin") from error
    totals = ask(ch, "waiting_totals", tenant, stream, wanted).dicts()[0]
    params = {"timezone": timezone, "evidence": EVIDENCE, "share": SHARE, "most": MOST}
    rows = ask(ch, "waiting_causes", tenant, stream, wanted, params).dicts()
    transitions = tuple(
        TransitionCauses(
            row["from_step"], row["to_step"], row["waits"],
            Causes(*(row[f"{name}_s"] for name in NAMES)),
        )
        for row in rows
    )  # fmt: skip
    causes = Causes(*(sum(row[f"{name}_s"] for row in rows) for name in NAMES))
    after_batching = causes.total_s - causes.batching_s
    own, pooled = (
        sum(row[f"{kind}_calendar_s"] for row in rows) / after_batching if after_batching else 0.0
        for kind in ("own", "pooled")
    )
    return WaitingCauses(
        stream,
        totals["cases"],
        totals["waits"],
        totals["waiting_s"],
        causes,
        totals["no_resource_s"],
        totals["unknown_s"],
        own,
        pooled,
        transitions,
        _basis(totals["cases"], totals["waits"], totals["waiting_s"], totals["no_resource_s"], totals["unknown_s"]),
    )


NAMES = ("batching", "contention", "prioritisation", "unavailability", "other")


def _basis(cases: int, waits: int, waiting_s: float, no_resource_s: float, unknown_s: float) -> str:
    if not cases:
        return "No case matches."
    if not waits:
        nothing = f"No waiting is known in {cases} cases"
        return f"{nothing}: no step has a known start." if unknown_s else f"{nothing}."
    parts = [f"{waits} waits in {cases} cases, {waiting_s / 3600:.1f} h"]
    if no_resource_s:
        parts.append(f"{no_resource_s / 3600:.1f} h of it before steps without a resource, unexplained")
    if unknown_s:
        parts.append(f"besides {unknown_s / 3600:.1f} h before steps whose start is unknown")
    return "; ".join(parts) + "."
