"""What a run of the KPI jobs did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunReport:
    """What a run did: (tenant, KPI) pairs computed and found unchanged, buckets, rows written, failures as text."""

    computed: int = 0
    unchanged: int = 0
    buckets: int = 0
    rows: int = 0
    failures: tuple[str, ...] = ()

    def __add__(self, other: RunReport) -> RunReport:
        return RunReport(
            self.computed + other.computed,
            self.unchanged + other.unchanged,
            self.buckets + other.buckets,
            self.rows + other.rows,
            self.failures + other.failures,
        )
