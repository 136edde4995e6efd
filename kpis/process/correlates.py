"""What moves together with a bottleneck: queues, APIs, integration edges and teams that are unusual in the same hours.

Where to look is taken from the data: the edges, queues and operations in the spans of the very cases that waited there
lately, the system that has the next move, and the systems those edges lead to. A measure is raised in an hour when it
is above the 95th percentile of its hours in the week before the last day; it is a correlate when it is raised now and
in at least half of the hours in which the step has been unusual. Co-movement is not proof of a cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.wording import span
from kpis.process.filters import LIMITS
from kpis.process.stays import StepsOnAClock, with_stays
from kpis.process.streams import ControlHint, ValueStream
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
HOUR_NS = 3_600_000_000_000
LOOKED_BACK = timedelta(days=8)
"""How far back queues, APIs and edges are looked at: a week before the last day."""
RECENT_HOURS = 24
"""The hours that are no part of what is usual, because they may be part of the incident."""
LEAST_HOURS = 24
"""Below so many hours of history nothing is called unusual."""
LEAST_CALLS = 4
RAISED_SHARE = 0.95
IN_COMMON = 0.5
LATELY = timedelta(days=2)
MOST = 6
TEAM_SHARE = 0.5
"""A resource that takes the next step at least so often is the team a step waits for."""

DEPTH, AGE, P95, ERRORS, OPEN_CASES = "depth", "oldest_age_s", "p95_ms", "error_rate", "open_cases"
FLOORS = {DEPTH: 1.0, AGE: 60.0, P95: 10.0, ERRORS: 0.02, OPEN_CASES: 2.0}
"""A difference smaller than this is of no interest, however unusual."""

PAUSE, RETRY, THROTTLE, REROUTE = "pause", "retry", "throttle", "reroute"
EXECUTABLE = frozenset({PAUSE})
"""What the control room carries out (and takes back by `resume`); all else is advice to people."""


@dataclass(frozen=True)
class Correlate:
    """Something unusual in the same hours as the bottleneck.

    `kind`: queue, api, edge or team. `name`: a queue's name, "system operation", "source->target" or a resource.
    `measure`: depth (items), oldest_age_s, p95_ms, error_rate (0 to 1) or open_cases. `now` is the last hour's value,
    `usual` the median hour, `since` the beginning of the hours in which it has been raised without a break.
    """

    kind: str
    name: str
    measure: str
    now: float
    usual: float | None
    since: datetime | None
    text: str


@dataclass(frozen=True)
class Waiting:
    """A step that is unusual, as its correlates are looked for: unusual in the `hours` newest hours (0 is now).

    `takers`: who took the next step usually, how often. `standing`: cases there by hours back.
    """

    stream: ValueStream
    step: str
    owner: str
    hours: frozenset[int]
    takers: Mapping[str, int]
    standing: Mapping[int, float]

    @property
    def place(self) -> str:
        """Names the step among those of all streams."""
        return f"{self.stream.name}/{self.step}"


@dataclass(frozen=True)
class Advice:
    """A control action that would help, what it is to act on, and why."""

    action: str
    target: str
    why: str


@dataclass
class Names:
    """What the cases at a place had to do with: edges, queues they were put into, operations that served them."""

    edges: set[str] = field(default_factory=set)
    queues: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # queue -> edges it is fed over
    operations: set[tuple[str, str]] = field(default_factory=set)

    def systems(self, owner: str) -> set[str]:
        """The owner of the next move, and where the edges lead."""
        return {owner} | {edge.partition("->")[2] for edge in self.edges if "->" in edge}


@dataclass(frozen=True)
class Series:
    """One measure by hours back. `direct`: named by the cases' own spans."""

    kind: str
    name: str
    measure: str
    direct: bool
    points: Mapping[int, float]


@dataclass(frozen=True)
class Found:
    """A correlate with what it is ranked by."""

    correlate: Correlate
    direct: bool
    overlap: float
    strength: float


def correlates(
    ch: ClickHouse, now_ns: int, now: datetime, places: Sequence[Waiting], params: Mapping[str, Any]
) -> dict[str, tuple[tuple[Correlate, ...], Advice | None]]:
    """By place: the correlates, and the action that would help. `params`: the tenant and those of the list of waits."""
    if not places:
        return {}
    tenant = params["tenant"]
    names = _names(ch, now_ns, places, params)
    signals = _signals(ch, tenant, now_ns, places, names)
    out = {}
    for place in places:
        own = names[place.place]
        series = [*_near(signals, place, own), *_team(place)]
        found = [one for each in series if (one := moves_with(each, place.hours, now))]
        found.sort(key=lambda one: (not one.direct, -one.overlap, -one.strength, one.correlate.name))
        kept = tuple(one.correlate for one in found)
        out[place.place] = (kept[:MOST], advice(kept, own))
    return out


def moves_with(series: Series, hours: frozenset[int], now: datetime) -> Found | None:
    """The series as a correlate of a step that has been unusual in these hours; None when it is not one."""
    points = series.points
    history = sorted(value for back, value in points.items() if back >= RECENT_HOURS)
    newest = min(points, default=None)
    if len(history) < LEAST_HOURS or newest is None or newest > 1:
        return None
    limit, usual = history[int(RAISED_SHARE * (len(history) - 1))], _median(history)
    floor = FLOORS[series.measure]

    def raised(back: int) -> bool:
        return points[back] > limit and points[back] - usual > floor

    seen = [back for back in hours if back in points]
    if not seen or not raised(newest):
        return None
    overlap = sum(raised(back) for back in seen) / len(seen)
    if overlap < IN_COMMON:
        return None
    oldest, gap = newest, 0
    for back in range(newest, max(points) + 1):
        if back in points and raised(back):
            oldest, gap = back, 0
        else:
            gap += 1
        if gap > 1:  # one hour without it, or without data, is no end
            break
    since = now - timedelta(hours=oldest + 1)
    value = points[newest]
    text = _text(series, value, usual, since)
    correlate = Correlate(series.kind, series.name, series.measure, value, usual, since, text)
    return Found(correlate, series.direct, overlap, (value - usual) / max(limit - usual, floor))


def advice(found: Sequence[Correlate], names: Names) -> Advice | None:
    """The control action that would help, None when none would; the rules are in the docs.

    1. A queue is full and an edge of the step is slow or fails: pause that edge, so that what cannot be worked off is
       not sent. 2. A queue is full that is fed over an edge: pause that one. 3. An edge fails: retry over it. 4. An
       edge is slow: throttle it. 5. A team or a queue alone is too full: reroute work away from it.
    """
    edges = [one for one in found if one.kind == "edge"]
    failing = [one for one in edges if one.measure == ERRORS]
    queues = [one.name for one in found if one.kind == "queue"]
    fed = sorted((edge, name) for name in queues for edge in names.queues.get(name, ()))
    if queues and edges:
        worst = max(edges, key=lambda one: (one.measure == ERRORS, one.now))
        how = "fail" if worst.measure == ERRORS else "are slow"
        return Advice(PAUSE, target(worst.name), f"{queues[0]} is full and calls over {worst.name} {how}")
    if fed:
        return Advice(PAUSE, target(fed[0][0]), f"{fed[0][1]} is full and is fed over {fed[0][0]}")
    if failing:
        return Advice(RETRY, target(failing[0].name), f"calls over {failing[0].name} fail")
    if edges:
        return Advice(THROTTLE, target(edges[0].name), f"calls over {edges[0].name} are slow")
    teams = [one.name for one in found if one.kind == "team"]
    if teams or queues:
        name = (teams or queues)[0]
        return Advice(REROUTE, name, f"more waits for {name} than usual")
    return None


def hinted(hint: ControlHint | None) -> Advice | None:
    """What the stream's model says would help where nothing was seen to move along."""
    if hint is None:
        return None
    return Advice(hint.action.value, target(hint.edge), f"by the model: {hint.why or 'no reason given'}")


def target(edge: str) -> str:
    """An edge as the targets of control commands name it: `a->b` is `a-to-b`."""
    return edge.replace("->", "-to-")


# --- looking ---


def _names(ch: ClickHouse, now_ns: int, places: Sequence[Waiting], params: Mapping[str, Any]) -> dict[str, Names]:
    found: dict[str, Names] = defaultdict(Names)
    for stream in {place.stream.name: place.stream for place in places}.values():
        steps = StepsOnAClock(stream, steps=[one.step for one in places if one.stream is stream], others=False)
        values = {**params, **steps.params(), "lately_ns": now_ns - _nanoseconds(LATELY)}
        for row in ch.query(with_stays("correlate_names"), values, LIMITS).dicts():
            names = found[f"{stream.name}/{row['step']}"]
            if row["edge"]:
                names.edges.add(row["edge"])
            if row["kind"] == "Producer" and row["queue"]:
                names.queues[row["queue"]] |= {row["edge"]} - {""}
            if row["kind"] == "Server":
                names.operations.add((row["system"], row["operation"]))
    return found


@dataclass(frozen=True)
class _Signals:
    queues: Sequence[tuple[str, str, bool, str, dict[int, float]]]  # queue, system, sent to, measure, points
    apis: Sequence[tuple[str, str, str, dict[int, float]]]  # system, operation, measure, points
    edges: Sequence[tuple[str, str, dict[int, float]]]  # edge, measure, points


def _signals(
    ch: ClickHouse, tenant: str, now_ns: int, places: Sequence[Waiting], names: Mapping[str, Names]
) -> _Signals:
    systems = sorted({system for one in places for system in names[one.place].systems(one.owner)})
    edges = sorted({edge for one in places for edge in names[one.place].edges})
    queues = sorted({queue for one in places for queue in names[one.place].queues})
    params = {
        "tenant": tenant, "now_ns": now_ns, "from_ns": now_ns - _nanoseconds(LOOKED_BACK), "least": LEAST_CALLS,
        "lately_ns": now_ns - _nanoseconds(LATELY),
        "systems": systems, "edges": edges, "queues": queues,
    }  # fmt: skip
    depths: dict[tuple[str, str, bool, str], dict[int, float]] = defaultdict(dict)
    for row in ch.query(load_sql(_ROOM, "correlate_queues"), params).dicts():
        key = row["queue"], row["system"], bool(row["sent_to"])
        if row["depths"]:
            depths[*key, DEPTH][row["back"]] = row["depth"]
        if row["ages"]:
            depths[*key, AGE][row["back"]] = row["oldest_age_s"]
    apis: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for row in ch.query(load_sql(_ROOM, "correlate_apis"), params).dicts():
        for measure in (P95, ERRORS):
            apis[row["system"], row["operation"], measure][row["back"]] = row[measure]
    calls: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    if edges:
        for row in ch.query(load_sql(_ROOM, "correlate_edges"), params).dicts():
            for measure in (P95, ERRORS):
                calls[row["edge"], measure][row["back"]] = row[measure]
    return _Signals(
        [(*key, points) for key, points in depths.items()],
        [(*key, points) for key, points in apis.items()],
        [(*key, points) for key, points in calls.items()],
    )


def _near(signals: _Signals, place: Waiting, names: Names) -> Iterable[Series]:
    """Of what was looked at for all places, that which belongs to this one."""
    systems = names.systems(place.owner)
    for queue, system, sent_to, measure, points in signals.queues:
        if queue in names.queues or (system == place.owner and not sent_to):
            yield Series("queue", queue, measure, True, points)
    for system, operation, measure, points in signals.apis:
        if system in systems:
            yield Series("api", f"{system} {operation}", measure, (system, operation) in names.operations, points)
    for edge, measure, points in signals.edges:
        if edge in names.edges:
            yield Series("edge", edge, measure, True, points)


def _team(place: Waiting) -> Iterable[Series]:
    """The resource that usually takes the next step, with the cases that wait for it."""
    named = {name: count for name, count in place.takers.items() if name}
    if named and max(named.values()) >= TEAM_SHARE * sum(place.takers.values()):
        name = max(sorted(named), key=lambda one: named[one])
        yield Series("team", name, OPEN_CASES, True, place.standing)


# --- words ---


def _text(series: Series, now: float, usual: float, since: datetime) -> str:
    about = {
        DEPTH: f"{series.name} holds {now:.0f} items, usually {usual:.0f}",
        AGE: f"the oldest item in {series.name} is {span(now)} old, usually {span(usual)}",
        P95: f"95 % of the calls {_calls(series)} take up to {span(now / 1000)}, usually {span(usual / 1000)}",
        ERRORS: f"{now:.0%} of the calls {_calls(series)} fail, usually {usual:.1%}",
        OPEN_CASES: f"{now:.0f} cases wait for {series.name}, usually {usual:.0f}",
    }[series.measure]
    first = about[0] if about.startswith(series.name) else about[0].upper()
    return f"{first}{about[1:]}, since {since:%Y-%m-%d %H:%M} UTC."


def _calls(series: Series) -> str:
    if series.kind == "edge":
        source, _, end = series.name.partition("->")
        return f"from {source} to {end}"
    system, _, operation = series.name.partition(" ")
    return f"of {operation} at {system}"


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _nanoseconds(length: timedelta) -> int:
    return (length.days * 86_400 + length.seconds) * 1_000_000_000 + length.microseconds * 1_000
