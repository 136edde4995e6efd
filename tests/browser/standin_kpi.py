"""A stand-in for what the page of one key figure reads: a fill rate of a Monday, with its parts and cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from core import NotFound
from dashboards import KpiReading
from dashboards.kpi_reads import CaseList, CaseRow, KpiStory, SplitPart, Undelivered
from dashboards.kpi_state import KpiState
from dashboards.reads import KpiValue
from tests.browser.standin import TODAY, StandIn

CHANNELS = (("web", 0.931, 700), ("store", 0.958, 240), ("", 0.9, 20))
MISSED = tuple(f"ORD-{number:03}" for number in range(60))
WITHDRAWN = "lines that the customer withdrew"
UNDELIVERED = (
    Undelivered(
        "Weekly numbers", TODAY + timedelta(hours=6), "email cfo@example.com", "the mail server refused it: 550", 1,
        None, TODAY - timedelta(days=7) + timedelta(hours=6),
    ),
    Undelivered(
        "Edges", TODAY + timedelta(hours=7), "webhook https://example.com", "no answer: ReadTimeout", 3,
        TODAY + timedelta(hours=9, minutes=42), None,
    ),
)  # fmt: skip


class KpiStandIn(StandIn):
    """Knows the fill rate alone."""

    def kpi(self, tenant: str, state: KpiState) -> KpiStory:
        if state.kpi_id != "fill_rate":
            raise NotFound(f"no KPI {state.kpi_id!r}", hint="did you mean fill_rate?")
        tile = self.kpis(tenant)[0]
        basis = state.basis or "line"
        reading: KpiReading = next(one for one in tile.readings if one.latest.basis == basis or basis in one.label)
        start: datetime = state.at or reading.latest.bucket_start
        chosen: KpiValue | None = next((one for one in reading.series if one.bucket_start == start), None)
        return KpiStory(
            tile.kpi_id, tile.title, "ratio", "up", 1, tile.target, 30, "day", basis,
            (("line", "lines"), ("unit", "units")), ("hour", "day", "week"), ("channel", "sku"),
            ("counted", "numerator", "misses", "open", "excluded"),
            {"What it says": tile.definition, "Formula": "shipped / ordered"}, reading, chosen, start,
            start + timedelta(days=1),
        )  # fmt: skip

    def kpi_parts(self, tenant: str, state: KpiState, story: KpiStory) -> Sequence[SplitPart]:
        parts = [SplitPart(name, False, 1, rate, rate * n, n, 4, 9) for name, rate, n in CHANNELS]
        return [*parts, SplitPart("", True, 7, 0.99, 39.6, 40, 0, 0)]

    def kpi_cases(self, tenant: str, state: KpiState, story: KpiStory) -> CaseList:
        role = state.role or "misses"
        first = int(state.after or 0)
        reason = WITHDRAWN if role == "excluded" else ""
        cases = [
            CaseRow(
                "order-to-cash", case, f"{case}/L1", "", TODAY + timedelta(hours=8), 0.0, 1.0, state.value or "", reason
            )
            for case in (MISSED[:3] if role == "excluded" else MISSED)[first : first + 25]
        ]
        following = str(first + 25) if role != "excluded" and first + 25 < len(MISSED) else ""
        return CaseList(role, {"counted": 1000, "open": 31, "excluded": 3}, ((WITHDRAWN, 3),), cases, True, following)

    def kpi_problems(self, tenant: str) -> Sequence[str]:
        return ("orders_placed.toml:2: target: input should be a valid number. In force: nothing of it.",)

    def undelivered(self, tenant: str) -> Sequence[Undelivered]:
        return UNDELIVERED


class NotSplit(KpiStandIn):
    """A figure that is computed by a statement: no dimensions, no cases; and nothing computed yet."""

    def kpi(self, tenant: str, state: KpiState) -> KpiStory:
        found = super().kpi(tenant, state)
        return dataclasses.replace(found, dimensions=(), roles=(), reading=None, chosen=None)
