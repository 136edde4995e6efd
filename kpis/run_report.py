"""What a run of the KPI jobs did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RunReport:
    """What a run did: (tenant, KPI) pairs computed and found unchanged, buckets, rows written, failures as text.

    left_out: definitions that the engine refuses, with the reason; the others are computed. through: all that was
    received until then is in the values.
    """

    computed: int = 0
    unchanged: int = 0
    buckets: int = 0
    rows: int = 0
    failures: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    through: datetime | None = None

    def __add__(self, other: RunReport) -> RunReport:
        return RunReport(
            self.computed + other.computed,
            self.unchanged + other.unchanged,
            self.buckets + other.buckets,
            self.rows + other.rows,
            self.failures + other.failures,
            tuple(dict.fromkeys(self.left_out + other.left_out)),
            max((one for one in (self.through, other.through) if one), default=None),
        )
