"""Where work waits now, whether that is unusual, since when, what it costs, and what moves with it: one list over all
value streams, the costliest first. The same for a past period: `past_bottlenecks`.

The cost of waiting is money times time: a case adds its value for every hour that it waits beyond what is usual. A
step where much always waits costs nothing by this measure as long as it is as usual. Formulas:
docs/process-bottlenecks.md.

Not promised: a step that few cases ever left, or that has less than a day of history, has no usual wait, and then
nothing is said about it. Parallel branches of a case are not told apart: it stands after its latest step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import InvalidInput
from kpis.process.correlates import Correlate, Waiting, correlates, length
from kpis.process.past_bottlenecks import HistoricalBottleneck, PastTransition, historical_bottlenecks
from kpis.process.stays import (
    HOUR_NS,
    LEAST_FINISHED,
    LEAST_HOURS,
    USUAL_OVER,
    ask_stays,
    lasting,
    money,
    nanoseconds,
    stays,
    upper,
)
from kpis.process.streams import ValueStream, value_streams
from storage import ClickHouse

__all__ = [
    "Bottleneck",
    "Correlate",
    "HistoricalBottleneck",
    "PastTransition",
    "bottlenecks",
    "historical_bottlenecks",
    "unusual_hours",
]

UNTOUCHED = timedelta(days=1)
"""The usual is what was known so long ago, so that an incident of the last day is no part of it."""
LOOKED_INTO = 10
"""For so many of the costliest unusual steps correlates are looked for."""
HOURS_SHOWN = 8 * 24
"""Hours back for which the cases that stood after a step are counted: as far as other signals are looked at."""


@dataclass(frozen=True)
class Bottleneck:
    """Open cases that stand after one step, in one currency ('' when none has an amount).

    Waits are seconds: `median_wait_s` so far, of the cases that stand there; `usual_wait_s` the median of what was
    known a day ago, `usual_same_hour_s` the median so far of the cases that stood there at this hour of the week
    before, each None where too little is known. `delayed_cases` wait longer than nine in ten usually do.
    `excess_wait_s` and `value_hours` (money x hours) are their time beyond that, 0 while the step is as usual; `since`
    is when it became unusual, to the hour. `action` on `action_target` would help; both '' when none is known to.
    """

    stream: str
    step: str
    owner_system: str
    cases: int
    value: Decimal
    currency: str
    unpriced: int
    median_wait_s: float
    usual_wait_s: float | None
    usual_same_hour_s: float | None
    excess_wait_s: float
    delayed_cases: int
    delayed_value: Decimal
    value_hours: Decimal
    oldest_since: datetime
    since: datetime | None
    correlates: tuple[Correlate, ...]
    action: str
    action_target: str
    basis: str


@dataclass(frozen=True)
class _Usual:
    """What is usual after a step; lengths in seconds. `first_ns`: the first wait that is known."""

    finished: int
    first_ns: int
    median_s: float | None
    p90_s: float | None


def bottlenecks(
    ch: ClickHouse, tenant: str, now: datetime, streams: Mapping[str, ValueStream] | None = None
) -> list[Bottleneck]:
    """Where open cases stand at `now` (aware), by `value_hours`, then value; currencies are separate rows.

    Raises InvalidInput when `now` carries no zone.
    """
    if now.tzinfo is None:
        raise InvalidInput(f"a time must carry its zone, got {now.isoformat()!r}", hint="use datetime.now(UTC)")
    live = _Live(ch, tenant, now, value_streams() if streams is None else streams)
    return live.ranked()


class _Live:
    """One answer in the making: what is asked of the engine once is kept here."""

    def __init__(self, ch: ClickHouse, tenant: str, now: datetime, streams: Mapping[str, ValueStream]) -> None:
        self._ch, self._tenant, self._now, self._streams = ch, tenant, now, streams
        self._now_ns = nanoseconds(now)
        self._cap = lasting(USUAL_OVER)
        self._cutoff = self._now_ns - lasting(UNTOUCHED)

    def ranked(self) -> list[Bottleneck]:
        usual = self._usual()
        limits = {
            place: round(one.p90_s * 1e9)
            for place, one in usual.items()
            if one.p90_s is not None and one.finished >= LEAST_FINISHED
        }
        standing = self._ask("bottleneck_standing", 0, limits, last_ns=self._now_ns, cap_ns=self._cap)
        if not standing:
            return []
        since = self._unusual_since(usual, limits)
        same_hour = {
            _place(row): row["median_wait_s"]
            for row in self._ask("bottleneck_same_hour", self._now_ns - 2 * self._cap, {}, cap_ns=self._cap)
            if row["cases"] >= 5
        }
        rows = [row | {"unusual": _place(row) in since and row["excess_wait_s"] > 0} for row in standing]
        rows.sort(key=_rank)
        causes = self._causes([row for row in rows if row["unusual"]], usual, since)
        return [self._bottleneck(row, usual, limits, since, same_hour, causes) for row in rows]

    def _bottleneck(
        self,
        row: Mapping[str, Any],
        usual: Mapping[str, _Usual],
        limits: Mapping[str, int],
        since: Mapping[str, int],
        same_hour: Mapping[str, float],
        causes: Mapping[str, tuple[tuple[Correlate, ...], str, str]],
    ) -> Bottleneck:
        place, unusual = _place(row), row["unusual"]
        known = usual.get(place)
        found, action, target = causes.get(place, ((), "", "")) if unusual else ((), "", "")
        return Bottleneck(
            stream=row["stream"],
            step=row["step"],
            owner_system=self._owner(row),
            cases=row["cases"],
            value=row["value"],
            currency=row["currency"],
            unpriced=row["unpriced"],
            median_wait_s=row["median_wait_s"],
            usual_wait_s=known.median_s if known and known.finished >= LEAST_FINISHED else None,
            usual_same_hour_s=same_hour.get(place),
            excess_wait_s=row["excess_wait_s"] if unusual else 0.0,
            delayed_cases=row["delayed_cases"],
            delayed_value=row["delayed_value"],
            value_hours=money(row["value_hours"]) if unusual else Decimal(0),
            oldest_since=row["oldest_since"],
            since=self._now - timedelta(hours=since[place]) if unusual else None,
            correlates=found,
            action=action,
            action_target=target,
            basis=_basis(known, limits.get(place)),
        )

    def _owner(self, row: Mapping[str, Any]) -> str:
        return self._streams[row["stream"]].owner_after(row["step"], row["event_name"])

    # --- what is usual ---

    def _usual(self) -> dict[str, _Usual]:
        rows = self._ask("bottleneck_usual", self._now_ns - self._cap, {}, cutoff_ns=self._cutoff)
        return {_place(row): _Usual(row["finished"], row["first_ns"], row["median_s"], row["p90_s"]) for row in rows}

    def _unusual_since(self, usual: Mapping[str, _Usual], limits: Mapping[str, int]) -> dict[str, int]:
        """Places that are unusual now, and for how many full hours back they have been without a break."""
        hours = self._cap // HOUR_NS
        rows = self._ask("bottleneck_levels", self._now_ns - 2 * self._cap, limits, cap_ns=self._cap, hours=hours)
        found = {}
        for row in rows:
            place = _place(row)
            begun = max(usual[place].first_ns, self._now_ns - self._cap) + limits[place]
            history = (self._cutoff - begun) // HOUR_NS
            back = unusual_hours({int(k): float(level) for k, level in row["levels"]}, history)
            if back is not None:
                found[place] = back
        return found

    # --- what moves with it ---

    def _causes(
        self, rows: Sequence[Mapping[str, Any]], usual: Mapping[str, _Usual], since: Mapping[str, int]
    ) -> dict[str, tuple[tuple[Correlate, ...], str, str]]:
        owners = dict(list({_place(row): self._owner(row) for row in rows}.items())[:LOOKED_INTO])
        if not owners:
            return {}
        from_ns = self._now_ns - self._cap
        rows = self._ask(
            "bottleneck_present", from_ns, dict.fromkeys(owners, 0), hours=HOURS_SHOWN, cutoff_ns=self._cutoff
        )
        places = []
        for row in rows:
            place = _place(row)
            hours, counts = self._known_hours(usual[place]), dict(row["present"])
            standing = {back: float(counts.get(back, 0)) for back in range(hours + 1)}
            unusual = frozenset(range(since[place] + 1))
            places.append(Waiting(row["stream"], row["step"], owners[place], unusual, dict(row["takers"]), standing))
        params = self._params() | {"from_ns": from_ns, "last_ns": from_ns}
        return correlates(self._ch, self._tenant, self._now_ns, self._now, places, stays(), params)

    def _known_hours(self, usual: _Usual) -> int:
        return min(HOURS_SHOWN, max(0, (self._now_ns - usual.first_ns) // HOUR_NS))

    # --- asking ---

    def _params(self) -> dict[str, Any]:
        known = self._streams.values()
        return {
            "tenant": self._tenant,
            "now_ns": self._now_ns,
            "streams": [one.name for one in known],
            "running": [f"{one.name}/{event}" for one in known for event in one.running],
        }

    def _ask(self, statement: str, from_ns: int, places: Mapping[str, int], **more: Any) -> list[dict[str, Any]]:
        params = self._params() | {"from_ns": from_ns, "last_ns": from_ns} | more
        return ask_stays(self._ch, statement, params, places)


def unusual_hours(levels: Mapping[int, float], history: int) -> int | None:
    """For how many full hours back a level has been above the usual, None when it is not now.

    `levels` by hours back, 0 where there is none; usual is the 95th percentile of the `history` hours that ended a day
    ago. None, too, when these are fewer than a day.
    """
    if history < LEAST_HOURS:
        return None
    day = lasting(UNTOUCHED) // HOUR_NS
    limit = upper([levels.get(back, 0.0) for back in range(day, day + history)])
    if levels.get(0, 0.0) <= limit:
        return None
    back = 0
    while levels.get(back + 1, 0.0) > limit:
        back += 1
    return back


# --- small helpers ---


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The costliest first; where there is no money, the longest unusual waiting."""
    unusual = (-row["value_hours"], -row["excess_wait_s"]) if row["unusual"] else (0.0, 0.0)
    return (*unusual, -row["value"], -row["cases"], row["stream"], row["step"], row["currency"])


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['stream']}/{row['step']}"


def _basis(known: _Usual | None, limit: int | None) -> str:
    if known is None or known.finished < LEAST_FINISHED:
        count = known.finished if known else 0
        return (
            f"No usual wait is known: {count} waits after this step were over a day ago, of the 28 days before; "
            f"{LEAST_FINISHED} are needed."
        )
    about = f"Usual is what was known a day ago of the 28 days before: {known.finished} finished waits after this step"
    if limit is None:
        return f"{about}, too few of all that began to say how long nine in ten wait, so nothing counts as delayed."
    return f"{about}, nine in ten over within {length(limit / 1e9)}; time beyond that is unusual waiting."
