"""The temporal profile of a stream: how long it usually takes from each step to each later one, and who deviates.

After Stertz, Mangler and Rinderle-Ma, "Temporal Conformance Checking at Runtime based on Time-infused Process Models"
(2020): for every ordered pair of steps (a, b), over all occurrences of b after an a in a case, the mean and the sample
standard deviation of the time from the end of a to the start of b. An occurrence further than zeta standard deviations
from the mean is a deviation. Occurrences that overlap have no time between them and are left out.

A case of n steps has up to n(n-1)/2 pairs, so both are bounded and the answer says what it left out: the most frequent
steps, and cases of at most so many steps. Nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

MOST_STEPS, MOST_EVENTS = 40, 100
_LIMIT_STEPS, _LIMIT_EVENTS = 70, 400
_NO_PROFILE = -1.0


@dataclass(frozen=True)
class UsualTime:
    """From the end of one step to the start of a later one, in seconds, over `count` occurrences."""

    from_step: str
    to_step: str
    count: int
    mean_s: float
    deviation_s: float


@dataclass(frozen=True)
class TemporalProfile:
    """The usual times. `steps`: those that were looked at, `all_steps`: how many there are.

    `used_cases` of the `cases` have at most `longest` steps and were looked at.
    """

    stream: str
    steps: tuple[str, ...]
    all_steps: int
    cases: int
    used_cases: int
    longest: int
    times: tuple[UsualTime, ...]


@dataclass(frozen=True)
class Outlier:
    """One occurrence; `distance` is its distance from the mean in standard deviations, infinite where they are 0."""

    case_id: str
    from_step: str
    to_step: str
    seconds: float
    distance: float


@dataclass(frozen=True)
class TemporalDeviation:
    """What deviates between two steps; `slower` of the `count` occurrences took longer than usual."""

    usual: UsualTime
    count: int
    cases: int
    slower: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class TemporalDeviations:
    """`cases` with any deviation of `checked` that were short enough to be checked; the `worst` 100 occurrences."""

    checked: int
    cases: int
    deviations: tuple[TemporalDeviation, ...]
    worst: tuple[Outlier, ...]


def temporal_profile(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    *,
    steps: int = MOST_STEPS,
    longest: int = MOST_EVENTS,
) -> TemporalProfile:
    """The profile of the cases that the filter lets through: the `steps` most frequent steps, in cases up to `longest`.

    Raises InvalidInput for bounds beyond what fits in the engine's memory.
    """
    _check("steps", steps, 1, _LIMIT_STEPS)
    _check("longest", longest, 2, _LIMIT_EVENTS)
    params: dict[str, Any] = {"steps": steps, "longest": longest}
    (counts,) = ask(ch, "temporal_cases", tenant, stream, wanted, params).dicts()
    found = ask(ch, "temporal_steps", tenant, stream, wanted, params).dicts()
    names = [row["step"] for row in found]
    rows = ask(ch, "temporal_profile", tenant, stream, wanted, params | {"names": names}).dicts() if names else []
    return TemporalProfile(
        stream,
        tuple(names),
        found[0]["all_steps"] if found else 0,
        counts["cases"],
        counts["used"],
        longest,
        tuple(
            UsualTime(
                names[row["from_place"] - 1], names[row["to_place"] - 1], row["count"], row["mean_s"],
                row["deviation_s"],
            )
            for row in rows
        ),
    )  # fmt: skip


def temporal_deviations(
    ch: ClickHouse,
    tenant: str,
    profile: TemporalProfile,
    wanted: CaseFilter = ALL,
    *,
    zeta: float = 3.0,
    at_least: int = 30,
    examples: int = 5,
) -> TemporalDeviations:
    """What in the cases that the filter lets through is further than `zeta` standard deviations from the profile.

    The profile may be of other cases, of an earlier time for instance. Pairs that it knows from fewer than `at_least`
    occurrences are not judged: a deviation estimated from a few says little. Raises InvalidInput.
    """
    _check("zeta", zeta, 0, 1e6)
    _check("examples", examples, 0, 100)
    params: dict[str, Any] = {"longest": profile.longest, "names": list(profile.steps), "zeta": zeta}
    (counts,) = ask(ch, "temporal_cases", tenant, profile.stream, wanted, params).dicts()
    if not profile.steps:
        return TemporalDeviations(counts["used"], 0, (), ())
    place = {step: number for number, step in enumerate(profile.steps)}
    means, spreads = ([start] * len(place) ** 2 for start in (0.0, _NO_PROFILE))
    usual = {}
    for one in profile.times:
        if one.count >= at_least:
            cell = place[one.from_step] * len(place) + place[one.to_step]
            means[cell], spreads[cell] = one.mean_s, one.deviation_s
            usual[one.from_step, one.to_step] = one
    params |= {"means": means, "deviations": spreads, "examples": examples}
    rows = ask(ch, "temporal_deviations", tenant, profile.stream, wanted, params).dicts()

    def step(number: int) -> str:
        return profile.steps[number - 1]

    total = next((row for row in rows if row["from_place"] == 0), None)
    return TemporalDeviations(
        counts["used"],
        total["cases"] if total else 0,
        tuple(
            TemporalDeviation(
                usual[step(row["from_place"]), step(row["to_place"])], row["count"], row["cases"], row["slower"],
                tuple(dict.fromkeys(case for _, case, *_ in row["worst"])),
            )
            for row in rows
            if row["from_place"]
        ),
        tuple(
            Outlier(case, step(one), step(two), seconds, -distance)
            for distance, case, one, two, seconds in (total["worst"] if total else ())
        ),
    )  # fmt: skip


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidInput(f"{name} must be from {least:g} to {most:g}, got {value:g}")
