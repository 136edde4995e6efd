"""The summary of an event log computed in plain Python, as the rules of answers about event logs have it.

Order in a case: start where there is one, then timestamp, then row. Edge: from the timestamp of one step to the start
of the next (its timestamp, where the start is unknown), not below 0. Case: last timestamp - first start. Rework: a step
occurs more than once. Percentiles by linear interpolation. Exact: times are whole nanoseconds until they are divided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

NS = 10**9


@dataclass(frozen=True)
class Step:
    """An event as it happened; times in nanoseconds since 1970."""

    case: str
    name: str
    at: int
    start: int | None = None

    @property
    def began(self) -> int:
        """Where it stands in its case."""
        return self.at if self.start is None else self.start


def percentile(values: Sequence[int], share: Fraction) -> float:
    """By linear interpolation; seconds."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float((ordered[low] + (ordered[high] - ordered[low]) * (place - low)) / NS)


def mean(values: Sequence[int]) -> float:
    """Seconds."""
    return float(Fraction(sum(values), len(values) * NS))


def summary(rows: Iterable[Step]) -> dict[str, Any]:
    """What `opsintel process summary --json` should print of rows in the order of the file, without the rest."""
    cases: dict[str, list[tuple[int, int, int, Step]]] = defaultdict(list)
    for row, step in enumerate(rows):
        cases[step.case].append((step.began, step.at, row, step))
    traces = [[step for *_, step in sorted(steps, key=lambda one: one[:3])] for steps in cases.values()]
    gaps: dict[tuple[str, str], list[int]] = defaultdict(list)
    for steps in traces:
        for one, two in pairwise(steps):
            gaps[one.name, two.name].append(max(two.began - one.at, 0))
    lasted = [max(one.at for one in steps) - min(one.began for one in steps) for steps in traces]
    variants = Counter(tuple(one.name for one in steps) for steps in traces)
    half, nine = Fraction(1, 2), Fraction(9, 10)
    return {
        "cases": len(traces),
        "events": sum(map(len, traces)),
        "activities": len({one.name for steps in traces for one in steps}),
        "rework_cases": sum(len({one.name for one in steps}) < len(steps) for steps in traces),
        "case_duration_s": {
            "median": percentile(lasted, half), "mean": mean(lasted), "p90": percentile(lasted, nine),
        },
        "variants": dict(variants),
        "edges": {edge: (len(took), mean(took), percentile(took, half)) for edge, took in gaps.items()},
    }  # fmt: skip


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What of the printed summary is not as computed; durations within a microsecond or a billionth."""
    out = [f"{key}: {found[key]} for {wanted[key]}" for key in ("cases", "events", "activities", "rework_cases")
           if found[key] != wanted[key]]  # fmt: skip
    for key, value in wanted["case_duration_s"].items():
        if not near(found["case_duration_s"][key], value):
            out.append(f"case_duration_s.{key}: {found['case_duration_s'][key]} for {value}")
    variants = {tuple(one["activities"]): one["count"] for one in found["variants"]}
    out += [f"variant {one!r:.300}" for one in variants.items() ^ wanted["variants"].items()]
    if len(found["variants"]) != len(variants):
        out.append("a variant is there twice")
    edges = {(one["from"], one["to"]): (one["count"], one["mean_s"], one["median_s"]) for one in found["edges"]}
    for edge in edges.keys() | wanted["edges"].keys():
        got, want = edges.get(edge, (0, 0, 0)), wanted["edges"].get(edge, (0, 0, 0))
        if got[0] != want[0] or not all(map(near, got, want)):
            out.append(f"edge {edge!r:.300}: {got} for {want}")
    return out


def near(found: float, wanted: float) -> bool:
    """Equal but for the last digits."""
    return abs(found - wanted) <= max(1e-6, 1e-9 * abs(wanted))
