"""What the dashboards read and ask for, answered by the rooms: the adapter between pages and services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alerts import AlertView
from api.kpi_reads import KpiStoryReads
from api.services import Services
from control import CommandState, ControlTarget, EngineState, TargetStatus
from core import OpsintelError, Principal
from dashboards import ActionOutcome, AlertTile, ControlTile, KpiReading, KpiTile, TargetState, Windows
from dashboards.process_reads import Bottleneck, CaseAtRisk, CaseQuestion, StreamTile
from kpis import Catalogue, KpiDefinition, KpiValue, SeriesKey, WaitingStep, latest_values, trends, waiting_now
from kpis.process import ValueStream, bottlenecks, cases_at_risk
from kpis.process.case_facets import CaseFacets, case_facets, standing
from kpis.process.case_streams import case_streams
from kpis.process.filters import OPEN, CaseFilter
from kpis.process.process_map import ProcessMap, process_map
from kpis.process.timeline import CaseTimeline, case_timeline
from kpis.process.variants import Variants, variants
from metrics import ApiLatency, QueueDepth, WebhookFailures, api_latency, queue_depths, webhook_failures

TREND = timedelta(days=14)
TRENDS = {"day": TREND, "week": timedelta(weeks=13), "month": timedelta(days=400)}
"""How much of the past is drawn, by grain."""
ACROSS = "Across processes"
GROUPS = (
    "Order to cash",
    "Return to resolution",
    "Procure to pay",
    "Forecast to replenish",
    "Promotion to settlement",
    "Customer lifecycle",
    ACROSS,
)
"""Headings of the key figures, in their order."""
QUEUES, LATENCY, WEBHOOKS = timedelta(hours=6), timedelta(hours=1), timedelta(hours=24)
EDGES_SHOWN = 4
NOBODY = ("",)
"""Ids of no case."""
SUBJECT = ("edge", "destination")
"""The labels that name what an alert is about; the others say which rule and how bad."""


class ServiceReads(KpiStoryReads):
    """Every method answers for one tenant and takes well under a second on two weeks of data."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def windows(self) -> Windows:
        """The windows of the reads, in words."""
        return Windows()

    def data_through(self, tenant: str) -> datetime | None:
        """When the newest telemetry was received."""
        sql = "SELECT max(Last) FROM case_index WHERE TenantId = {tenant:String} HAVING count() > 0"
        found: datetime | None = self._services.ch.query(sql, {"tenant": tenant}).scalar()
        return found

    def kpis(self, tenant: str) -> Sequence[KpiTile]:
        """A tile for each of the overview's KPIs that has a value: its bases, or its total and its worst edges."""
        chosen = self._kpis_of(tenant).catalogue.chosen(lambda definition: definition.headline)
        return self._tiles(tenant, chosen, "day", TREND)

    def all_kpis(self, tenant: str, grain: str) -> Sequence[KpiTile]:
        """A tile for each KPI that has a value, by the process that it speaks of."""
        tiles = self._tiles(tenant, self._kpis_of(tenant).catalogue, grain, TRENDS[grain])
        return sorted(tiles, key=lambda tile: GROUPS.index(tile.group) if tile.group in GROUPS else len(GROUPS))

    def _tiles(self, tenant: str, catalogue: Catalogue, grain: str, past: timedelta) -> list[KpiTile]:
        ch = self._services.ch
        currency = self._kpis_of(tenant).currency
        found = latest_values(ch, tenant, grain, catalogue=catalogue)
        latest = [replace(one, unit=currency) if currency and one.unit == "money" else one for one in found]
        history = trends(ch, tenant, grain, start=self._services.clock.now() - past, catalogue=catalogue)
        tiles = []
        for definition in catalogue:
            own = [value for value in latest if value.kpi_id == definition.id]
            if own:
                readings = tuple(_reading(definition, value, history) for value in _shown(definition, own))
                tiles.append(_tile(definition, readings))
        return tiles

    def waiting(self, tenant: str) -> Sequence[WaitingStep]:
        """Where open cases wait, the dearest first."""
        return waiting_now(self._services.ch, tenant, self._services.clock.now(), self._services.models.streams())

    def queues(self, tenant: str) -> Sequence[QueueDepth]:
        """Every queue that reported within the window."""
        return queue_depths(self._services.ch, tenant, self._services.clock.now(), QUEUES)

    def latency(self, tenant: str) -> Sequence[ApiLatency]:
        """Every operation called within the window."""
        now = self._services.clock.now()
        return api_latency(self._services.ch, tenant, now - LATENCY, now)

    def webhooks(self, tenant: str) -> Sequence[WebhookFailures]:
        """Every webhook tried within the window."""
        now = self._services.clock.now()
        return webhook_failures(self._services.ch, tenant, now - WEBHOOKS, now)

    def alerts(self, tenant: str) -> Sequence[AlertTile]:
        """Pending and firing alerts."""
        return [_alert(view) for view in self._services.alerts.active(tenant)]

    def control_targets(self, tenant: str) -> Sequence[ControlTile]:
        """What can be paused, with the state that the engine shows now."""
        return [self._control(tenant, target) for target in self._services.control.targets(tenant)]

    # --- the process page ---

    def streams(self, tenant: str) -> Sequence[StreamTile]:
        """The streams that have cases: the watched ones first, then by how many are open, then by size."""
        found = case_streams(self._services.ch, tenant)
        ordered = sorted(found, key=lambda one: (not one.watched, -one.open_cases, -one.cases, one.stream))
        return [StreamTile(one.stream, one.cases, one.open_cases, one.data_through, one.watched) for one in ordered]

    def process_map(self, tenant: str, stream: str, question: CaseQuestion) -> ProcessMap:
        """Steps and transitions of the cases asked for."""
        return process_map(self._services.ch, tenant, stream, case_filter(question))

    def variants(self, tenant: str, stream: str, question: CaseQuestion) -> Variants:
        """The most frequent variants of the cases asked for."""
        return variants(self._services.ch, tenant, stream, case_filter(question))

    def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
        """Where open cases of the stream wait now, the dearest first."""
        calendars = self._services.models.calendars()
        return bottlenecks(self._services.ch, tenant, self._services.clock.now(), self._watched(stream), calendars)

    def standing(self, tenant: str, stream: str, question: CaseQuestion) -> Mapping[str, int]:
        """How many of the open cases asked for stand after each step, where it is known which are open."""
        open_ones = _open(case_filter(question))
        return standing(self._services.ch, tenant, stream, open_ones) if self._watched(stream) else {}

    def risks(self, tenant: str, stream: str, question: CaseQuestion) -> Sequence[CaseAtRisk]:
        """Open cases of those asked for that may miss their promise, the dearest first."""
        found = self._services
        return cases_at_risk(
            found.ch,
            tenant,
            found.clock.now(),
            self._watched(stream),
            wanted=case_filter(question),
            corrections=found.corrections,
        )

    def facets(self, tenant: str, stream: str, question: CaseQuestion) -> CaseFacets:
        """Attributes, values and outcomes of the cases asked for."""
        return case_facets(self._services.ch, tenant, stream, case_filter(question))

    def _watched(self, stream: str) -> dict[str, ValueStream]:
        """The stream alone, if it is known when its cases are over; else none, so that nothing is waited for."""
        known = self._services.models.streams().get(stream)
        return {} if known is None else {stream: known}

    def timeline(self, tenant: str, stream: str, case_id: str) -> CaseTimeline:
        """One case with its steps and spans; raises NotFound."""
        return case_timeline(self._services.ch, tenant, stream, case_id)

    def _control(self, tenant: str, target: ControlTarget) -> ControlTile:
        service = self._services.control
        last = next((one for one in service.commands(tenant, 200) if one.target_id == target.id), None)
        return ControlTile(
            target.id,
            target.name,
            target.kind,
            _state(service.status(tenant, target.id)),
            changed_at=last.state_since if last else None,
            changed_by=last.requested_by if last else "",
            reason=last.reason if last else "",
        )


class ServiceActions:
    """Pause and resume; a refusal becomes a sentence for the person who asked."""

    def __init__(self, services: Services) -> None:
        self._control = services.control

    def pause(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome:
        """Stops the target's work."""
        return self._act(principal, target_id, "pause", reason, idempotency_key)

    def resume(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome:
        """Lets the target go on."""
        return self._act(principal, target_id, "resume", reason, idempotency_key)

    def _act(self, principal: Principal, target_id: str, action: str, reason: str, key: str) -> ActionOutcome:
        try:
            command = self._control.request(principal, target_id, action, reason, key)
        except OpsintelError as error:
            return ActionOutcome(False, False, str(error))
        verified = command.state is CommandState.VERIFIED
        accepted = command.state is not CommandState.FAILED
        return ActionOutcome(accepted, verified, f"{action} {target_id}: {command.detail}", command.id)


def case_filter(question: CaseQuestion) -> CaseFilter:
    """What a page asks, as the answers take it."""
    wanted = CaseFilter(
        start=question.start,
        contains=question.contains,
        misses=question.misses,
        follows=question.follows,
        attributes=_by_name(question.attributes),
        excluded=_by_name(question.without),
        min_duration_s=question.min_duration_s,
        max_duration_s=question.max_duration_s,
        variants=() if question.variant is None else (question.variant,),
        outcomes=question.outcomes,
    )
    return _open(replace(wanted, last_steps=(question.waits,))) if question.waits else wanted


def _by_name(pairs: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return found


def _open(wanted: CaseFilter) -> CaseFilter:
    """The open ones of the cases; none when the filter lets only closed ones through."""
    if wanted.outcomes and OPEN not in wanted.outcomes:
        return replace(wanted, case_ids=NOBODY)
    return replace(wanted, outcomes=(OPEN,))


def _shown(definition: KpiDefinition, values: list[KpiValue]) -> list[KpiValue]:
    totals = [value for value in values if not value.dimension_value]
    parts = [value for value in values if value.dimension_value and value.value is not None]
    sign = -1 if definition.direction == "down" else 1
    worst = sorted(parts, key=lambda value: sign * (value.value or 0.0))[:EDGES_SHOWN]
    return totals + worst


def _reading(definition: KpiDefinition, latest: KpiValue, history: Mapping[SeriesKey, list[KpiValue]]) -> KpiReading:
    names = {basis.id: basis.name for basis in definition.bases}
    series = history.get((latest.kpi_id, latest.basis, latest.dimension, latest.dimension_value), [])
    return KpiReading(latest.dimension_value or names.get(latest.basis, latest.basis), latest, tuple(series))


def _tile(definition: KpiDefinition, readings: tuple[KpiReading, ...]) -> KpiTile:
    return KpiTile(
        definition.id,
        definition.name,
        definition.description,
        readings,
        target=definition.target,
        min_sample=definition.small_sample,
        owner=definition.owner,
        group=definition.stream.replace("-", " ").capitalize() if definition.stream else ACROSS,
    )


def _alert(view: AlertView) -> AlertTile:
    subject = ", ".join(view.labels[name] for name in SUBJECT if view.labels.get(name))
    return AlertTile(
        view.rule, view.name, view.severity, view.state, subject, view.annotations.get("summary", ""), view.since
    )


def _state(status: TargetStatus) -> TargetState:
    if status.under_way is not None:
        return TargetState.CHANGING
    states = {EngineState.RUNNING: TargetState.RUNNING, EngineState.PAUSED: TargetState.PAUSED}
    return states.get(status.state, TargetState.UNKNOWN) if status.state else TargetState.UNKNOWN
