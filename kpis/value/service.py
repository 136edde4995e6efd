"""What a change is worth, asked by tenant and KPI: reads samples and values, keeps baselines, computes nothing itself.

Periods that are not named end at the last local midnight. Two periods that overlap are refused: they share cases, and
an interval takes them to be different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from core import Clock
from core.errors import Conflict, InvalidInput, NotFound
from kpis.definitions import KpiDefinition, TenantKpis, wrong_target
from kpis.exports.report import Report
from kpis.value.answers import Asked, Comparison, Frozen, Kpi, Outlook, Rollout, Side, SinceBaseline, TowardsTarget
from kpis.value.baselines import Baseline, BaselineKey, Baselines, OtherVersion
from kpis.value.compare import Change, Verdict, compare
from kpis.value.forecast import DayBand, Forecast, NotEnoughHistory, forecast_days
from kpis.value.intervals import LEVEL, TooFew, interval
from kpis.value.money import NotValued, Valuation, ValuedKpi, ValueModel, Volume, model_of, money
from kpis.value.observations import NO_CASES, Observed, data_through, observe
from kpis.value.questions import Part, Period, basis_of, known_time, part, period
from kpis.value.report_money import money_notes
from kpis.value.rollout import Effect, effect, group, windows
from kpis.value.samples import Sample
from kpis.value.targets import Attainment, Met, attainment, burn_down
from kpis.value.words import change_words
from kpis.values import KpiValue, series

if TYPE_CHECKING:
    from storage import ClickHouse, StateDb

USUAL = timedelta(days=28)
HISTORY = timedelta(weeks=40)
TREND = timedelta(weeks=8)
LONGEST_TREND_DAYS = 366
LONGEST_HORIZON = 28
AuditRecord = Callable[[Connection, str, str, str, str, Mapping[str, Any]], object]
"""Writes tenant, actor, action, subject and details into the audit chain, in the connection's transaction."""


class ValueService:
    """Answers for every tenant. Raises NotFound for an unknown KPI, InvalidInput for questions that cannot be meant."""

    def __init__(
        self,
        ch: ClickHouse,
        state: StateDb,
        clock: Clock,
        kpis_of: Callable[[str], TenantKpis],
        models: Mapping[str, ValueModel],
        *,
        record: AuditRecord | None = None,
    ) -> None:
        """kpis_of: the definitions and calendar in force for a tenant. models: value models by tenant, see `money`."""
        self._ch, self._clock, self._kpis_of, self._models = ch, clock, kpis_of, models
        self._baselines = Baselines(state, clock)
        self._record = record

    # --- comparisons ---

    def compare(
        self,
        tenant: str,
        asked: Asked,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        before_start: datetime | None = None,
        before_end: datetime | None = None,
        level: float = LEVEL,
    ) -> Comparison:
        """[start, end) against [before_start, before_end).

        Without an end: the last midnight; without a start: 28 days; without a period before: one of the same length
        that ends where the other begins.
        """
        found = self._find(tenant, asked)
        until = known_time(end or self._midnight(tenant), "end")
        after = period(start or until - USUAL, until)
        ends = known_time(before_end or after.start, "before_end")
        before = period(before_start or ends - after.length, ends, "the period before")
        _apart(before, after)
        then, now = self._observe(tenant, found, before, after)
        return self._comparison(tenant, found, then, now, level)

    def change(
        self,
        tenant: str,
        asked: Asked,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        level: float = LEVEL,
    ) -> SinceBaseline:
        """[start, end) against the baseline in force; else the newest period of its length, as far as it is after it.

        Raises NotFound without a baseline, Conflict where the only one is of another version of the definition.
        """
        found = self._find(tenant, asked)
        current = self._baselines.current(_key(tenant, found))
        if isinstance(current, OtherVersion):
            raise Conflict(
                f"the baseline of {asked.kpi_id} is of version {current.baseline.key.version}, the definition is at"
                f" {found[0].version}: they do not mean the same",
                hint="freeze a baseline anew",
            )
        if not isinstance(current, Baseline):
            raise NotFound(f"no baseline of {asked.kpi_id} is frozen for this basis and part", hint="freeze one first")
        until = known_time(end or self._midnight(tenant), "end")
        since = start or max(until - (current.end - current.start), current.end)
        if start is None and since >= until:
            raise InvalidInput(
                f"nothing is known yet of the time after the baseline, which ends {current.end.isoformat()}",
                hint="name start and end, or wait for a day",
            )
        after = period(since, until)
        frozen = Period(current.start, current.end)
        _apart(frozen, after)
        (now,) = self._observe(tenant, found, after)
        then = Observed(
            frozen, current.sample, now.unit, current.sample.n, 0, None, 0.0,
            (f"as frozen {current.frozen_at.isoformat()}",),
        )  # fmt: skip
        shown = _frozen(current, current=True)
        return SinceBaseline(shown, self._comparison(tenant, found, then, now, level))

    # --- baselines ---

    def freeze(self, tenant: str, asked: Asked, *, start: datetime, end: datetime, by: str, reason: str) -> Frozen:
        """Freezes [start, end); the one before stays in the history. Raises InvalidInput, see Baselines.freeze."""
        found = self._find(tenant, asked)
        definition, _, _ = found
        wanted = period(start, end, "a baseline's period")
        through = data_through(self._ch, tenant, definition)
        if through is None:
            raise InvalidInput(f"{definition.id} was never computed", hint="wait for the jobs, or run them")
        (seen,) = self._observe(tenant, found, wanted)
        if seen.sample is None:
            raise InvalidInput(f"{definition.id} cannot be frozen: {NO_CASES}", hint="choose a KPI over a view")

        def record(connection: Connection, made: Baseline) -> None:
            if self._record is not None:
                details = {
                    "id": made.id, "version": made.key.version, "basis": made.key.basis, "stream": made.key.stream,
                    "dimension": made.key.dimension, "dimension_value": made.key.dimension_value,
                    "start": made.start.isoformat(), "end": made.end.isoformat(), "reason": made.reason,
                }  # fmt: skip
                self._record(connection, tenant, by, "kpi.baseline.freeze", definition.id, details)

        made = self._baselines.freeze(
            _key(tenant, found), wanted.start, wanted.end, seen.sample,
            data_through=through, by=by, reason=reason, record=record,
        )  # fmt: skip
        return _frozen(made, current=True)

    def baselines(self, tenant: str, kpi_id: str) -> list[Frozen]:
        """All of a KPI, the newest first; superseded ones and those of other versions among them."""
        definition = self._kpis_of(tenant).catalogue.get(kpi_id)
        return self._shown(self._baselines.of_tenant(tenant, definition.id))

    def all_baselines(self, tenant: str) -> list[Frozen]:
        """All of a tenant, the newest first."""
        return self._shown(self._baselines.of_tenant(tenant))

    def _shown(self, found: list[Baseline]) -> list[Frozen]:
        seen: set[BaselineKey] = set()
        shown = []
        for one in found:
            shown.append(_frozen(one, current=one.key not in seen))
            seen.add(one.key)
        return shown

    def value_model(self, tenant: str) -> ValueModel | None:
        """The assumptions by which the tenant's changes are turned to money; None where there are none."""
        return model_of(self._models, tenant)

    def money_notes(self, report: Report) -> tuple[str, ...]:
        """What the changes that a report shows are worth, see `report_money`."""
        return tuple(money_notes(report, self._kpis_of(report.tenant).catalogue, self.value_model(report.tenant)))

    # --- roll-outs ---

    def rollout(
        self,
        tenant: str,
        asked: Asked,
        at: datetime,
        *,
        control_value: str = "",
        days: int = 28,
        settle_days: int = 0,
        level: float = LEVEL,
    ) -> Rollout:
        """Before and after `at`; control_value: another value of the asked dimension, which it did not reach."""
        found = self._find(tenant, asked)
        definition, basis, whole = found
        if control_value and not whole.dimension:
            raise InvalidInput(
                "a control group is another value of the roll-out's dimension", hint="name dimension and its value"
            )
        if control_value and control_value == whole.value:
            raise InvalidInput(f"{control_value!r} cannot be its own control group", hint="name another value")
        spans = windows(known_time(at, "a roll-out"), self._midnight(tenant), days, settle_days)
        periods = (spans.before, spans.after, spans.earlier, spans.later)
        own = self._observe(tenant, found, *periods)
        treated = self._comparison(tenant, found, own[0], own[1], level)
        if not control_value:
            notes = (*spans.notes, "without a control group: whatever else changed at the date is in the number")
            return Rollout(at, days, settle_days, treated, None, None, treated.money, treated.words, notes)
        other = part(definition, asked.stream, whole.dimension, control_value)
        control_found = (definition, basis, other)
        beside = self._observe(tenant, control_found, *periods)
        control = self._comparison(tenant, control_found, beside[0], beside[1], level)
        samples = [one.sample for one in (*own, *beside) if one.sample is not None]
        if len(samples) < len(own) + len(beside):
            told = Effect(None, None, None, level, Verdict.TOO_FEW, "", NO_CASES, None, ())
        else:
            told = effect(group(samples[:4]), group(samples[4:]), definition.direction, level)
        as_change = replace(
            treated.change, absolute=told.absolute, relative=None, low=told.low, high=told.high, verdict=told.verdict,
            method=told.method, reason=told.reason, notes=told.notes,
        )  # fmt: skip
        subjects = min(one.subjects for one in (own[0], own[1], beside[0], beside[1]))
        words = change_words(replace(as_change, before=None), definition.unit, definition.small_sample, subjects)
        worth = self._money(tenant, definition, whole, as_change, own[1])
        return Rollout(at, days, settle_days, treated, control, told, worth, f"effect {words}", spans.notes)

    # --- what comes ---

    def forecast(self, tenant: str, asked: Asked, *, days: int = 14, level: float = 0.8) -> Outlook:
        """The next `days` local days, today the first. Raises InvalidInput for days outside 1 to 28."""
        if not 1 <= days <= LONGEST_HORIZON:
            raise InvalidInput(f"days must be 1 to {LONGEST_HORIZON}, got {days!r}", hint="14 is usual")
        found = self._find(tenant, asked)
        definition, _, _ = found
        history, notes = self._history(tenant, found, HISTORY)
        kpi, last = self._kpi(tenant, found), max(history, default=None)
        behind = 0 if last is None else (self._today(tenant) - last).days - 1
        if days + behind > LONGEST_HORIZON:
            reason = f"the last day that can be relied on is {last}, too long ago" if last else ""
            return Outlook(kpi, (), reason, level, None, 0, None, None, "", last, notes)
        floor = None if definition.unit == "money" else 0.0
        told = forecast_days(
            history, days + behind, level, lowest=floor, highest=1.0 if definition.unit == "ratio" else None
        )
        if isinstance(told, NotEnoughHistory):
            return Outlook(kpi, (), told.reason, level, None, 0, None, None, "", last, notes)
        bands, how = told
        return self._outlook(self._today(tenant), kpi, bands, how, last, notes)

    def _outlook(
        self,
        today: date,
        kpi: Kpi,
        bands: tuple[DayBand, ...],
        how: Forecast,
        last: date | None,
        notes: tuple[str, ...],
    ) -> Outlook:
        ahead = tuple(one for one in bands if one.day >= today)
        if how.error > how.naive_error:
            notes = (*notes, "the value of a week before was nearer in the past: trust this forecast less")
        return Outlook(
            kpi, ahead, "" if ahead else "the history has too many gaps", how.level, how.coverage, how.judged,
            how.error, how.naive_error, how.method, last, notes,
        )  # fmt: skip

    def burn_down(
        self, tenant: str, asked: Asked, *, target: float | None = None, days: int = 56, level: float = LEVEL
    ) -> TowardsTarget:
        """The last `days` local days against the target, the definition's where none is given.

        Raises InvalidInput without a target or for one that the KPI cannot have, and for days outside 14 to 366.
        """
        if not 14 <= days <= LONGEST_TREND_DAYS:
            raise InvalidInput(f"days must be 14 to {LONGEST_TREND_DAYS}, got {days!r}", hint="56 is eight whole weeks")
        found = self._find(tenant, asked)
        definition, _, _ = found
        wanted = definition.target if target is None else target
        if wanted is None:
            raise InvalidInput(f"{definition.id} has no target", hint="give one: target=…")
        if why := wrong_target(definition.unit, wanted):
            raise InvalidInput(f"target: {why}", hint="a target is in the KPI's own unit")
        history, _ = self._history(tenant, found, timedelta(days=days))
        until = self._midnight(tenant)
        (seen,) = self._observe(tenant, found, period(until - timedelta(days=days), until))
        tolerance = definition.tolerance or 0.0
        if seen.sample is None:
            met = _unknown(wanted, tolerance)
        else:
            met = attainment(seen.sample, definition.direction, wanted, tolerance, level)
        told = burn_down(history, definition.direction, wanted, level)
        return TowardsTarget(self._kpi(tenant, found), met, told, _side(seen, level))

    # --- parts ---

    def _find(self, tenant: str, asked: Asked) -> tuple[KpiDefinition, str, Part]:
        definition = self._kpis_of(tenant).catalogue.get(asked.kpi_id)
        basis = basis_of(definition, asked.basis)
        return definition, basis, part(definition, asked.stream, asked.dimension, asked.dimension_value)

    def _observe(self, tenant: str, found: tuple[KpiDefinition, str, Part], *periods: Period) -> list[Observed]:
        definition, basis, chosen = found
        return observe(self._ch, tenant, definition, basis, periods, chosen, self._kpis_of(tenant).calendar.timezone)

    def _comparison(
        self, tenant: str, found: tuple[KpiDefinition, str, Part], before: Observed, after: Observed, level: float
    ) -> Comparison:
        definition, _, chosen = found
        change = (
            Change(
                None, None, before.subjects, after.subjects, None, None, None, None, level, Verdict.TOO_FEW, "",
                definition.direction, NO_CASES,
            )
            if before.sample is None or after.sample is None
            else compare(before.sample, after.sample, definition.direction, level)
        )  # fmt: skip
        subjects = min(before.subjects, after.subjects)
        return Comparison(
            self._kpi(tenant, found),
            _side(before, level),
            _side(after, level),
            change,
            subjects < definition.small_sample,
            change_words(change, definition.unit, definition.small_sample, subjects),
            self._money(tenant, definition, chosen, change, after),
        )

    def _money(
        self, tenant: str, definition: KpiDefinition, chosen: Part, change: Change, after: Observed
    ) -> Valuation | NotValued:
        """The change for what the period after held; only with a driver and a model, never of an invented number."""
        if not definition.driver:
            return NotValued(definition.id, "its definition names no driver of value")
        model = model_of(self._models, tenant)
        if model is None:
            return NotValued(definition.id, "the tenant has no value model, so no money is shown", "value_models_file")
        stream = definition.stream or chosen.stream
        if definition.driver == "delay_hours" and not stream:
            return NotValued(definition.id, "the cost of delay is by process: name a stream")
        of = "days" if after.unit == "days" else "cases"
        size = int(after.volume) if float(after.volume).is_integer() else after.volume
        volume = Volume(Decimal(repr(size)), f"{of} of the period after", "counted in the period after")
        valued = ValuedKpi(definition.id, definition.unit, stream, definition.driver)
        return money(change, valued, volume, model)

    def _history(
        self, tenant: str, found: tuple[KpiDefinition, str, Part], length: timedelta
    ) -> tuple[dict[date, float | None], tuple[str, ...]]:
        """Values by local day until the last that is settled; of a KPI that only counts, a day without a row is 0."""
        definition, basis, chosen = found
        if chosen.stream or (chosen.dimension and chosen.dimension not in definition.dimensions):
            raise InvalidInput(
                f"days of {definition.id} are not kept by {chosen.words()}",
                hint=f"ask for all of it, or for one of: {', '.join(definition.dimensions) or 'nothing else'}",
            )
        until = self._midnight(tenant)
        rows = series(
            self._ch, tenant, definition.id, basis, chosen.value, "day", until - length, until,
            dimension=chosen.dimension, catalogue=self._kpis_of(tenant).catalogue,
        )  # fmt: skip
        zone = ZoneInfo(self._kpis_of(tenant).calendar.timezone)
        settled = {row.bucket_start.astimezone(zone).date(): row for row in rows if _settled(row, definition)}
        notes: tuple[str, ...] = ()
        if len(settled) < len(rows):
            notes = (f"{len(rows) - len(settled)} days with too many open cases are left out",)
        values: dict[date, float | None] = {day: row.value for day, row in sorted(settled.items())}
        if definition.statistic == "sum" and values:
            first, count = min(values), (self._today(tenant) - min(values)).days
            values = {day: values.get(day) or 0.0 for day in (first + timedelta(days=n) for n in range(count))}
        return values, notes

    def _kpi(self, tenant: str, found: tuple[KpiDefinition, str, Part]) -> Kpi:
        one, basis, chosen = found
        return Kpi(
            one.id, one.version, one.name, one.unit, one.direction, basis, one.stream or chosen.stream,
            chosen.dimension, chosen.value, data_through(self._ch, tenant, one),
        )  # fmt: skip

    def _midnight(self, tenant: str) -> datetime:
        """The instant at which today began."""
        calendar = self._kpis_of(tenant).calendar
        return calendar.start("day", self._clock.now())

    def _today(self, tenant: str) -> date:
        return self._clock.now().astimezone(ZoneInfo(self._kpis_of(tenant).calendar.timezone)).date()


def _unknown(target: float, tolerance: float) -> Attainment:
    """Of a KPI that is not told case by case."""
    return Attainment(None, None, None, target, tolerance, None, Met.NOT_SHOWN, NO_CASES)


def _settled(row: KpiValue, definition: KpiDefinition) -> bool:
    return row.value is not None and row.open_cases <= definition.settled_open_share * (
        row.open_cases + row.sample_size
    )


def _side(seen: Observed, level: float) -> Side:
    found: Any = TooFew(NO_CASES, 0) if seen.sample is None else interval(seen.sample, level)
    low, high = (None, None) if isinstance(found, TooFew) else (found.low, found.high)
    said = (found.reason,) if isinstance(found, TooFew) else found.notes
    n, value = (0, None) if seen.sample is None else (seen.sample.n, seen.sample.estimate)
    return Side(
        seen.period.start, seen.period.end, value, low, high, n, seen.unit, seen.subjects, seen.excluded,
        seen.open_cases, tuple(dict.fromkeys((*seen.notes, *said))),
    )  # fmt: skip


def _key(tenant: str, found: tuple[KpiDefinition, str, Part]) -> BaselineKey:
    one, basis, chosen = found
    return BaselineKey(tenant, one.id, one.version, basis, chosen.dimension, chosen.value, chosen.stream)


def _frozen(one: Baseline, *, current: bool) -> Frozen:
    sample: Sample = one.sample
    found = interval(sample)
    low, high = (None, None) if isinstance(found, TooFew) else (found.low, found.high)
    key = one.key
    return Frozen(
        one.id, key.kpi_id, key.version, key.basis, key.stream, key.dimension, key.dimension_value, one.start, one.end,
        one.value, low, high, sample.n, one.data_through, one.frozen_by, one.frozen_at, one.reason, current,
    )  # fmt: skip


def _apart(before: Period, after: Period) -> None:
    if before.start < after.end and after.start < before.end:
        raise InvalidInput(
            f"the periods overlap: {before.start.isoformat()} to {before.end.isoformat()} and "
            f"{after.start.isoformat()} to {after.end.isoformat()} share cases",
            hint="choose periods that do not overlap",
        )
