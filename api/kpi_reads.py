"""What the page of one key figure reads, answered by the rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.services import Services
from dashboards import KpiReading
from dashboards.kpi_reads import CaseList, CaseRow, KpiStory, SplitPart, Undelivered
from dashboards.kpi_state import KpiState
from kpis import KpiDefinition, KpiValue, TenantKpis, explain, latest_values, series
from kpis.breakdown import breakdown, dimension_names
from kpis.drill import CasePage, drill, roles
from kpis.periods import Grain
from kpis.values import STORED

PAST = {"hour": timedelta(days=3), "day": timedelta(days=28), "week": timedelta(weeks=26), "month": timedelta(days=800)}
"""How much of the past is drawn before the chosen bucket, by grain."""
CASES = 25


class KpiStoryReads:
    """Part of what the pages read. Every method answers for one tenant."""

    _services: Services

    def _kpis_of(self, tenant: str) -> TenantKpis:
        return self._services.definitions.of(tenant)

    def kpi(self, tenant: str, state: KpiState) -> KpiStory:
        """The KPI with its trend, at the chosen bucket or the newest settled one. Raises NotFound."""
        of = self._kpis_of(tenant)
        definition = of.catalogue.get(state.kpi_id)
        basis = state.basis if state.basis in definition.basis_ids else definition.basis_ids[0]
        grain = _grain(state.grain, definition)
        one = of.catalogue.chosen(lambda other: other is definition)
        found = latest_values(self._services.ch, tenant, grain, catalogue=one)
        latest = next((value for value in found if value.basis == basis and not value.dimension), None)
        now = self._services.clock.now()
        at = of.calendar.start(grain, state.at or (latest.bucket_start if latest else now))
        end = of.calendar.end(grain, at)
        past = series(
            self._services.ch, tenant, definition.id, basis, "", grain, min(at, now) - PAST[grain], max(now, end),
            catalogue=of.catalogue,
        )  # fmt: skip
        names = {basis.id: basis.name for basis in definition.bases}
        return KpiStory(
            definition.id,
            definition.name,
            of.currency if of.currency and definition.unit == "money" else definition.unit,
            definition.direction,
            definition.version,
            definition.target,
            definition.small_sample,
            grain,
            basis,
            [(one.id, one.name) for one in definition.bases],
            [one for one in definition.grains if one in STORED],
            dimension_names(definition),
            roles(definition, basis),
            explain(definition, basis),
            None if latest is None else KpiReading(names.get(basis, ""), latest, tuple(past)),
            _at(past, at),
            at,
            end,
        )

    def kpi_parts(self, tenant: str, state: KpiState, story: KpiStory) -> Sequence[SplitPart]:
        """The chosen bucket by the dimension chosen, else by the first."""
        of = self._kpis_of(tenant)
        if not story.dimensions:
            return ()
        found = breakdown(
            self._services.ch, tenant, of.catalogue.get(story.kpi_id), state.by or story.dimensions[0], story.start,
            story.end, basis=story.basis, calendar=of.calendar, now=self._services.clock.now(),
        )  # fmt: skip
        return [
            SplitPart(
                part.value, part.other, part.values, part.figures.value, part.figures.numerator,
                part.figures.sample_size, part.figures.excluded, part.figures.open_cases,
            )
            for part in found.parts
        ]  # fmt: skip

    def kpi_cases(self, tenant: str, state: KpiState, story: KpiStory) -> CaseList:
        """A page of the chosen bucket's cases: the bad ones when no role is chosen, all where there are none."""
        of = self._kpis_of(tenant)
        definition = of.catalogue.get(story.kpi_id)

        def asked(role: str) -> CasePage:
            return drill(
                self._services.ch, tenant, definition, story.start, story.end, role, basis=story.basis,
                dimension=state.by, value=state.value, calendar=of.calendar, largest=story.unit != "ratio",
                after=state.after, limit=CASES, now=self._services.clock.now(),
            )  # fmt: skip

        bad = "numerator" if story.unit == "ratio" and story.direction == "down" else "misses"
        wanted = state.role if state.role in story.roles else bad if bad in story.roles else "counted"
        page = asked(wanted)
        if not state.role and not page.cases:
            page = asked("counted")
        totals = page.totals
        return CaseList(
            page.role,
            {"counted": totals.counted, "open": totals.open_cases, "excluded": totals.excluded},
            [(one.reason, one.cases) for one in totals.reasons],
            [
                CaseRow(
                    one.stream,
                    one.case_id,
                    one.subject,
                    one.trace_id,
                    one.at,
                    one.numerator,
                    one.denominator,
                    one.split,
                    one.reason,
                )
                for one in page.cases
            ],
            page.of_cases,
            page.following,
        )

    def kpi_problems(self, tenant: str) -> Sequence[str]:
        """Files of the tenant's own KPIs that are wrong."""
        found = self._services.definitions.problems(tenant)
        return [f"{str(one).partition('/')[2]}. In force: {one.in_force}." for one in found]

    def undelivered(self, tenant: str) -> Sequence[Undelivered]:
        """Reports on a schedule that did not arrive the last time, each target with its reason."""
        problem, found = self._services.reports.standings(tenant)
        wrong = (
            [Undelivered("A newer set of reports is not in force", None, "", problem, 0, None, None)] if problem else []
        )
        unmade = [
            Undelivered(f"{one.title} cannot be made", None, "", one.problem, 0, None, one.last_sent)
            for one in found
            if one.problem
        ]
        return [*wrong, *unmade] + [
            Undelivered(
                one.title, one.run.scheduled_at, trouble.target, trouble.detail, trouble.attempts, trouble.next_try,
                one.last_sent,
            )
            for one in found
            if one.run
            for trouble in one.troubles
        ]  # fmt: skip


def _grain(wanted: str, definition: KpiDefinition) -> Grain:
    return next((grain for grain in definition.grains if grain == wanted), definition.grains[0])


def _at(past: Sequence[KpiValue], start: datetime) -> KpiValue | None:
    return next((value for value in past if value.bucket_start == start), None)
