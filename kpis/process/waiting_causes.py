"""Why cases wait: the waiting before each step split into batching, contention, prioritisation, unavailability, other.

After K. Lashkevich, F. Milani, D. Chapela-Campa, I. Suvorau and M. Dumas, "Why am I waiting? Data-driven analysis of
waiting times in business processes" (2023). Definitions and where this differs: docs/process-bottlenecks.md.

It needs to know when a step began and who performed it. Time before a step whose start is unknown is reported as
unknown, waiting before a step without a resource as unexplained; neither is guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from core.wording import span
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter, ask
from kpis.process.zones import zone_named
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_HOUR = 3_600
_LOCAL, _OFF = re.compile(r"/\*local (\S+)\*/"), re.compile(r"/\*off until (\S+)\*/")
EVIDENCE = 5.0
"""Weeks in which a working hour of the week must have been seen, on average, before a calendar is believed."""
CROWDED = 2_000
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
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    *,
    timezone: str = "UTC",
    crowded: int = CROWDED,
) -> WaitingCauses:
    """Explains the waiting of the cases that the filter lets through; `timezone` is that of the working calendars.

    `crowded`: what did more than so many things within an hour is no single worker. Raises
    InvalidInput for a zone that does not exist.
    """
    zone = zone_named(timezone)
    totals = ask(ch, "waiting_totals", tenant, stream, wanted).dicts()[0]
    known = ch.query(load_sql(_ROOM, "bottleneck_streams"), {"tenant": tenant, "streams": [stream]}).dicts()
    rows = _by_transition(ch, tenant, stream, wanted, zone, known[0], crowded) if known else []
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


def _by_transition(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter,
    zone: ZoneInfo,
    known: Mapping[str, Any],
    crowded: int,
) -> list[dict[str, Any]]:
    """`known`: the first and the last moment of the stream's cases."""
    hours = _LocalHours.of(zone, known["first"], known["last"])
    condition, values = wanted.conditions()
    text = hours.fill_in(load_sql(_ROOM, "waiting_causes")).replace(PLACE, condition)
    params = {"tenant": tenant, "stream": stream, "evidence": EVIDENCE, "share": SHARE, "most": crowded}
    return ch.query(text, {**params, **values, **hours.params()}, LIMITS).dicts()


@dataclass(frozen=True)
class _LocalHours:
    """Hours since the epoch (UTC) as hours on the wall of a zone: `starts` and, from each on, `offsets` in hours."""

    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, zone: ZoneInfo, first: datetime, last: datetime) -> _LocalHours:
        """Over a period; before and after it clocks are not set."""

        def offset(hour: int) -> int:
            found = datetime.fromtimestamp(hour * _HOUR, zone).utcoffset() or timedelta()
            return found // timedelta(hours=1)

        begin, end = (int(moment.astimezone(UTC).timestamp()) // _HOUR for moment in (first, last))
        starts, offsets = [begin - 24], [offset(begin - 24)]
        for day in range(begin - 24, end + 48, 24):
            if offset(day + 24) == offsets[-1]:
                continue
            for hour in range(day + 1, day + 25):
                if offset(hour) != offsets[-1]:
                    starts.append(hour)
                    offsets.append(offset(hour))
        return cls(tuple(starts), tuple(offsets))

    def fill_in(self, statement: str) -> str:
        """The statement with its places for hours on the wall filled in.

        Off duty until a moment: whole weeks, the hours of the week until its hour, and the part of that hour.
        """

        def until(moment: str) -> str:
            local = f"(/*local intDiv({moment},3600000000000)*/ + 72)"
            return (
                f"(3600000000000 * (intDiv({local}, 168) * OffBefore[169] + OffBefore[1 + {local} % 168])"
                f" + Off[1 + {local} % 168] * ({moment} % 3600000000000))"
            )

        text = _OFF.sub(lambda found: until(found[1]), statement)
        text = _LOCAL.sub(lambda found: self._local(found[1]), text)
        return text.replace("/*clocks set*/", self._clocks_set() if len(self.starts) > 1 else "0")

    def params(self) -> dict[str, Any]:
        """What a filled-in statement refers to."""
        skipped = self._skipped()
        return {
            "zone_starts": list(self.starts),
            "zone_offsets": list(self.offsets),
            "set_hours": [one[0] for one in skipped],
            "set_slots": [one[1] for one in skipped],
            "set_signs": [one[2] for one in skipped],
        }

    def _local(self, hour: str) -> str:
        if len(self.starts) == 1:
            return f"({hour} + {self.offsets[0]})"
        starts = "{zone_starts:Array(Int64)}"
        return f"({hour} + transform(roundDown({hour}, {starts}), {starts}, {{zone_offsets:Array(Int64)}}, toInt64(0)))"

    def _clocks_set(self) -> str:
        """Hours off that clocks skipped within a wait, or went through twice."""
        passed = "h > intDiv(Ready, 3600000000000) AND h <= intDiv(Began, 3600000000000)"
        return (
            f"3600000000000 * arraySum((h, slot, sign) -> if({passed}, sign * toInt64(Off[slot]), 0),"
            " {set_hours:Array(Int64)}, {set_slots:Array(UInt8)}, {set_signs:Array(Int8)})"
        )

    def _skipped(self) -> list[tuple[int, int, int]]:
        """When clocks are set (UTC hour), the place of an hour of the week, -1 if it was skipped, 1 if repeated."""
        found = []
        changes = zip(self.starts[1:], pairwise(self.offsets), strict=True)
        for hour, (old, new) in changes:
            sign = -1 if new > old else 1
            first, last = hour + min(old, new), hour + max(old, new)
            found += [(hour, 1 + (local + 72) % 168, sign) for local in range(first, last)]
        return found


NAMES = ("batching", "contention", "prioritisation", "unavailability", "other")


def _basis(cases: int, waits: int, waiting_s: float, no_resource_s: float, unknown_s: float) -> str:
    if not cases:
        return "No case matches."
    if not waits:
        nothing = f"No waiting is known in {cases} cases"
        return f"{nothing}: no step has a known start." if unknown_s else f"{nothing}."
    parts = [f"{waits} waits in {cases} cases, {span(waiting_s)}"]
    if no_resource_s:
        parts.append(f"{span(no_resource_s)} of it before steps without a resource, unexplained")
    if unknown_s:
        parts.append(f"besides {span(unknown_s)} before steps whose start is unknown")
    return "; ".join(parts) + "."
