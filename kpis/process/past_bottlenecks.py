"""Where work waited in a past period more than usual, when, and what that cost.

Waiting beyond the usual is of two kinds: cases that waited longer than nine in ten usually do, and more cases standing
after a step than usual. Both are added up hour by hour in money times hours, so that they can be compared between steps
and with the live list. Formulas: docs/process-bottlenecks.md.

Not promised: what is usual is taken from the time before the period, so an incident that had lasted for long by then is
usual; a step that few cases had left by then is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from core.errors import InvalidInput
from kpis.process.correlates import length
from kpis.process.filters import ALL, CaseFilter
from kpis.process.stays import (
    HOUR_NS,
    LEAST_FINISHED,
    LEAST_HOURS,
    USUAL_OVER,
    ask_stays,
    lasting,
    money,
    nanoseconds,
    upper,
)
from kpis.process.streams import ValueStream, value_streams
from storage import ClickHouse

LEAST_BEFORE = timedelta(days=14)
TURNOVERS = 5
"""How often the cases after a step must have changed in the time before, for their number to be judged."""
LONGEST_BREAK = 3
"""Hours as usual that do not end a stretch of unusual ones."""


@dataclass(frozen=True)
class PastTransition:
    """Of the cases that waited after a step those that went on to `to_step`, '' for nowhere.

    All of their waiting within the period, and the money x hours of as long a time before it.
    """

    to_step: str
    waits: int
    waiting_s: float
    value_hours: Decimal
    before_value_hours: Decimal


@dataclass(frozen=True)
class HistoricalBottleneck:
    """The waiting after a step in a past period, in one currency ('' when no case has an amount).

    `waiting_s` and `value_hours` (money x hours) are all of the waiting within the period, `before_value_hours` that of
    as long a time before it. `unusual_value_hours` and `unusual_case_hours` are what went beyond the usual. `kind` says
    how, mostly: "longer" (cases waited longer than nine in ten usually do), "more" (more cases stood there than
    usual), "" (nothing was unusual). `since` and `until` bound the worst stretch, to the hour; `until` is None when it
    lasted to the end of the period. `worst_hours`: when most stood there beyond the usual, and how much money
    (how many cases, where there is none).
    """

    stream: str
    step: str
    owner_system: str
    cases: int
    waits: int
    unpriced: int
    currency: str
    waiting_s: float
    median_wait_s: float
    usual_wait_s: float | None
    value_hours: Decimal
    before_value_hours: Decimal
    unusual_value_hours: Decimal
    unusual_case_hours: float
    kind: str
    since: datetime | None
    until: datetime | None
    worst_hours: tuple[tuple[datetime, Decimal], ...]
    transitions: tuple[PastTransition, ...]
    basis: str


def historical_bottlenecks(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    *,
    start: datetime,
    end: datetime,
    streams: Mapping[str, ValueStream] | None = None,
) -> list[HistoricalBottleneck]:
    """The steps of a stream that cases waited after in [start, end), by what waiting beyond the usual cost.

    What is usual is taken from the time before: as long as the period, and two weeks at least. Raises InvalidInput when
    the period is empty, or a time carries no zone.
    """
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise InvalidInput(
            f"a period must end after it starts, with zones, got {start.isoformat()} to {end.isoformat()}"
        )
    known = (value_streams() if streams is None else streams).get(stream)
    past = _Past(ch, tenant, known or ValueStream(stream, "", ()), wanted, start, end)
    return past.ranked()


class _Past:
    """One answer about a past period in the making."""

    def __init__(
        self, ch: ClickHouse, tenant: str, stream: ValueStream, wanted: CaseFilter, start: datetime, end: datetime
    ) -> None:
        self._ch, self._stream, self._start, self._end = ch, stream, start, end
        self._before = start - max(end - start, LEAST_BEFORE)
        self._before_ns = 0  # how much of the time before is known at all
        self._condition, values = wanted.conditions()
        self._params: dict[str, Any] = {
            **values,
            "tenant": tenant,
            "streams": [stream.name],
            "running": [f"{stream.name}/{event}" for event in stream.running],
            "start_ns": nanoseconds(start),
            "end_ns": nanoseconds(end),
            "before_ns": nanoseconds(self._before),
            "last_ns": nanoseconds(self._before),
        }

    def ranked(self) -> list[HistoricalBottleneck]:
        before, start = self._params["before_ns"], self._params["start_ns"]
        known = self._ask("bottleneck_usual", {}, now_ns=start, from_ns=before, cutoff_ns=start)
        usual = {row["step"]: row for row in known if row["finished"] >= LEAST_FINISHED}
        self._before_ns = start - min((row["first_ns"] for row in known), default=start)
        limits = {
            f"{self._stream.name}/{step}": round(row["p90_s"] * 1e9)
            for step, row in usual.items()
            if row["p90_s"] is not None
        }
        # With hindsight: where a case went in the end is known.
        ever = {"now_ns": 2**62, "from_ns": before - lasting(USUAL_OVER)}
        hours = (self._params["end_ns"] - before) // HOUR_NS
        changes = {
            (row["step"], row["currency"]): row["changes"]
            for row in self._ask("bottleneck_history_levels", limits, hours=hours, **ever)
        }
        rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._ask("bottleneck_history", {}, **ever):
            rows.setdefault((row["step"], row["currency"]), []).append(row)
        found = [
            self._bottleneck(own, usual.get(key[0]), limits, changes.get(key, ()), hours) for key, own in rows.items()
        ]
        found.sort(
            key=lambda one: (
                -one.unusual_value_hours, -one.unusual_case_hours, -one.value_hours, -one.waiting_s, one.step,
                one.currency,
            )
        )  # fmt: skip
        return found

    def _bottleneck(
        self,
        rows: Sequence[Mapping[str, Any]],
        usual: Mapping[str, Any] | None,
        limits: Mapping[str, int],
        changes: Sequence[tuple[Any, ...]],
        hours: int,
    ) -> HistoricalBottleneck:
        row, before = rows[0], self._params["before_ns"]
        limit = limits.get(f"{self._stream.name}/{row['step']}")
        split = known = (self._params["start_ns"] - before) // HOUR_NS
        if usual is not None and limit is not None:
            # The first waits that are known begin with nobody there; only when they can be over it is as it always is.
            known = -(-(max(before, usual["first_ns"] + limit) - before) // HOUR_NS)
        series = [_added_up(changes, part, hours) for part in (1, 2, 3, 4)]
        turned = usual is not None and usual["median_s"] is not None
        turned = turned and (split - known) * 3600 >= TURNOVERS * usual["median_s"]  # type: ignore[index]
        value, cases = (
            _Unusual.of(more if turned else (), late, known, split) for more, late in (series[::2], series[1::2])
        )
        main = value if value.sum else cases
        stretch = main.stretch()
        same = (self._params["end_ns"] - self._params["start_ns"]) / self._before_ns if self._before_ns else 0.0
        return HistoricalBottleneck(
            stream=self._stream.name,
            step=row["step"],
            owner_system=self._stream.owner_after(row["step"], row["event_name"]),
            cases=row["cases"],
            waits=sum(one["waits"] for one in rows),
            unpriced=sum(one["unpriced"] for one in rows),
            currency=row["currency"],
            waiting_s=sum(one["waiting_s"] for one in rows),
            median_wait_s=row["median_wait_s"],
            usual_wait_s=usual["median_s"] if usual else None,
            value_hours=money(sum(one["value_hours"] for one in rows)),
            before_value_hours=money(sum(one["before_value_hours"] for one in rows) * same),
            unusual_value_hours=money(value.sum),
            unusual_case_hours=cases.sum,
            kind=main.kind,
            since=self._at(stretch[0]) if stretch else None,
            until=self._at(stretch[1] + 1) if stretch and stretch[1] < hours - 1 else None,
            worst_hours=tuple((self._at(hour), money(level)) for hour, level in main.worst()),
            transitions=tuple(
                PastTransition(
                    one["to_step"], one["waits"], one["waiting_s"], money(one["value_hours"]),
                    money(one["before_value_hours"] * same),
                )
                for one in sorted(rows, key=lambda one: (-one["value_hours"], -one["waiting_s"], one["to_step"]))
            ),
            basis=self._basis(limit, split - known),
        )  # fmt: skip

    def _at(self, hour: int) -> datetime:
        return self._before + timedelta(hours=hour)

    def _basis(self, limit: int | None, history: int) -> str:
        since = f"since {self._before:%Y-%m-%d %H:%M} UTC before the period"
        if limit is None:
            return f"Nothing counts as unusual: too few waits after this step were over {since}."
        if history < LEAST_HOURS:
            return f"Nothing counts as unusual: less than a day is known {since}."
        return (
            f"Usual is the time {since}, of which {history} h are known; nine in ten waits after this step were over "
            f"within {length(limit / 1e9)}."
        )

    def _ask(self, statement: str, limits: Mapping[str, int], **more: Any) -> list[dict[str, Any]]:
        return ask_stays(self._ch, statement, self._params | more, limits, self._condition)


@dataclass(frozen=True)
class _Unusual:
    """By hour of the period, what stood after a step beyond the usual: more than usual, or for longer."""

    kind: str
    hours: Mapping[int, float]

    @classmethod
    def of(cls, more: Sequence[float], longer: Sequence[float], known: int, split: int) -> _Unusual:
        """From the levels of all hours, empty ones tell nothing; usual is the 95th percentile of [known, split)."""
        if split - known < LEAST_HOURS:
            return cls("", {})
        sums, hours = [0.0, 0.0], dict[int, float]()
        for which, levels in enumerate((more, longer)):
            if not levels:
                continue
            limit = upper(levels[known:split])
            for hour in range(split, len(levels)):
                if levels[hour] > limit:
                    hours[hour] = hours.get(hour, 0.0) + levels[hour] - limit
                    sums[which] += levels[hour] - limit
        return cls("" if not hours else "longer" if sums[1] >= sums[0] else "more", hours)

    @property
    def sum(self) -> float:
        """Units x hours."""
        return sum(self.hours.values())

    def stretch(self) -> tuple[int, int] | None:
        """First and last hour of the stretch with most of it; breaks of up to three hours do not end one."""
        best, total = None, 0.0
        first, last, here = -1, -1, 0.0
        for hour in sorted(self.hours):
            if first < 0 or hour - last > LONGEST_BREAK + 1:
                first, here = hour, 0.0
            last, here = hour, here + self.hours[hour]
            if here > total:
                best, total = (first, last), here
        return best

    def worst(self) -> list[tuple[int, float]]:
        """The three worst hours, the worst first."""
        return sorted(self.hours.items(), key=lambda one: (-one[1], one[0]))[:3]


def _added_up(changes: Sequence[tuple[Any, ...]], part: int, hours: int) -> list[float]:
    """Levels at the full hours 0 to `hours` - 1, from the changes between them."""
    steps = dict.fromkeys(range(hours), 0.0)
    for change in changes:
        if change[0] in steps:
            steps[change[0]] += float(change[part])
    return [round(level, 6) for level in accumulate(steps.values())]
