"""Is memory flat, does anything pile up, and do the books agree? Numbers in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.soak.samples import Sample, Store, slope

OWNER_MIB_PER_HOUR, RECEIVER_MIB_PER_HOUR = 24.0, 4.0
"""Growth that is still called flat, in an equivalent hour. The owner holds the engine, whose caches breathe."""
WARM_UP_S = 60.0
"""What a process takes in this time after its start is no growth."""
FDS_PER_HOUR, THREADS_PER_HOUR = 8.0, 4.0


@dataclass(frozen=True)
class Trend:
    """A process over the second half of the load; growth in an equivalent hour."""

    name: str
    samples: int
    rss: float
    peak: float
    rss_growth: float
    fds: int
    fds_growth: float
    threads: int
    threads_growth: float

    def problems(self) -> list[str]:
        """Empty when it is flat."""
        bound = OWNER_MIB_PER_HOUR if self.name == "owner" else RECEIVER_MIB_PER_HOUR
        found = []
        if self.rss_growth > bound:
            found.append(f"{self.name}: memory grows by {self.rss_growth:.1f} MiB an hour, more than {bound:.0f}")
        if self.fds_growth > FDS_PER_HOUR:
            found.append(f"{self.name}: open files grow by {self.fds_growth:.1f} an hour")
        if self.threads_growth > THREADS_PER_HOUR:
            found.append(f"{self.name}: threads grow by {self.threads_growth:.1f} an hour")
        return found


def trend(name: str, samples: Sequence[Sample], *, from_s: float, speed: float) -> Trend | None:
    """After `from_s` and its own beginning; None for a process that did not live from `from_s` to the last sample."""
    if not samples or samples[0].at > from_s:
        return None
    from_s = max(from_s, samples[0].at + WARM_UP_S)
    later = [one for one in samples if one.at >= from_s]
    if len(later) < 5:
        return None
    hours = [one.at * speed / 3600 for one in later]
    return Trend(
        name,
        len(later),
        sum(one.rss for one in later) / len(later),
        max(one.rss for one in samples),
        slope(list(zip(hours, (one.rss for one in later), strict=True))),
        later[-1].fds,
        slope(list(zip(hours, (float(one.fds) for one in later), strict=True))),
        later[-1].threads,
        slope(list(zip(hours, (float(one.threads) for one in later), strict=True))),
    )


def stores_growth(stores: Sequence[Store], *, from_s: float, speed: float) -> dict[str, float]:
    """What piles up, in an equivalent hour."""
    later = [one for one in stores if one.at >= from_s]
    hours = [one.at * speed / 3600 for one in later]
    return {
        "log, MiB": slope([(hour, one.log_bytes / (1 << 20)) for hour, one in zip(hours, later, strict=True)]),
        "sealed segments": slope([(hour, float(one.segments)) for hour, one in zip(hours, later, strict=True)]),
        "parts on disk": slope([(hour, float(one.parts)) for hour, one in zip(hours, later, strict=True)]),
        "pending items": slope([(hour, float(one.pending)) for hour, one in zip(hours, later, strict=True)]),
    }
