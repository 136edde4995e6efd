"""The evaluation: read, step, persist, tell.

One tick reads the clock once. For each tenant, readings are taken first; then one transaction steps every alert, writes
what changed and puts the notifications this decided into the outbox; then the outbox is delivered. A process killed
anywhere in between loses nothing: the transaction happened or did not, and an undelivered message is still there.
What it does not promise: exactly-once delivery (a lost answer means another attempt under the same `webhook-id`), and
leadership: one process at a time runs the ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from alerts import store
from alerts.impact import Waiting, impact_annotations
from alerts.notifier import Notifier, RetryPolicy
from alerts.payload import Status, fingerprint, message, message_id
from alerts.rules import Reading, Rule
from alerts.sources import Snapshot, Sources
from alerts.state import Alert, AlertState, Observation, Reason, Timing, Verdict, step
from alerts.store import Letter, Notification, Stored
from core.clock import Clock
from core.errors import StorageError
from core.logs import get_logger
from core.sending import Delivered, Rejected
from storage import StateDb

DELIVERIES_A_TICK = 100
_log = get_logger("alerts")
_ACTIVE = (AlertState.FIRING, AlertState.PENDING)
_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class AlertView:
    """An alert as pages show it. since: when its state began; value_at: what instant the last value speaks of."""

    rule: str
    name: str
    severity: str
    tenant: str
    labels: Mapping[str, str]
    state: AlertState
    reason: Reason
    value: float | None
    value_at: datetime | None
    threshold: float
    since: datetime
    active_since: datetime | None
    fired_at: datetime | None
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Tick:
    """What one evaluation did: alerts judged, state changes, notifications decided, attempts to deliver, failures."""

    judged: int = 0
    changed: int = 0
    decided: int = 0
    attempted: int = 0
    failed_tenants: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Change:
    """An alert after a step: whether its row or its state changed, and what is to be told about it."""

    stored: Stored
    dirty: bool
    moved: bool
    tell: Status | None


class AlertService:
    """See the module. `evaluate` must not run twice at the same time; everything else is thread-safe."""

    def __init__(
        self,
        state: StateDb,
        clock: Clock,
        rules: Iterable[Rule],
        sources: Sources[Any],
        tenants: Callable[[], Iterable[str]],
        notifier: Notifier | None = None,
        *,
        retry: RetryPolicy | None = None,
        external_url: str = "",
    ) -> None:
        """Without a notifier, notifications are decided and logged as `unsent`. `tenants` is asked at every tick."""
        self.rules = tuple(rules)
        self._state = state
        self._clock = clock
        self._sources = sources
        self._tenants = tenants
        self._notifier = notifier
        self._retry = retry or RetryPolicy()
        self._external_url = external_url

    # --- reading ---

    def active(self, tenant: str) -> list[AlertView]:
        """The tenant's firing and pending alerts: firing first, the most severe first, the oldest first."""
        with self._state.connect() as connection:
            found = store.load(connection, tenant).values()
        views = [_view(tenant, stored) for stored in found if stored.alert.state in _ACTIVE]
        return sorted(views, key=lambda v: (_ACTIVE.index(v.state), _severity(v.severity), v.since, v.rule))

    def notifications(self, tenant: str, limit: int = 50) -> list[Notification]:
        """The tenant's notification log, the newest first."""
        with self._state.connect() as connection:
            return store.logged(connection, tenant, limit)

    def undelivered(self, tenant: str) -> int:
        """How many of the tenant's notifications wait to be delivered."""
        with self._state.connect() as connection:
            return store.waiting(connection, tenant)

    # --- one tick ---

    def evaluate(self) -> Tick:
        """One tick over every tenant, then a round of deliveries. A tenant whose state cannot be kept is reported."""
        now = self._clock.now()
        tick = Tick()
        with self._state.connect() as connection:
            alerted = store.tenants(connection)
        for tenant in sorted({*self._tenants(), *alerted}):
            try:
                changes = self._evaluate(tenant, now)
            except StorageError as problem:
                _log.error("alerts not evaluated", tenant=tenant, problem=str(problem))
                tick = replace(tick, failed_tenants=(*tick.failed_tenants, tenant))
                continue
            tick = replace(
                tick,
                judged=tick.judged + len(changes),
                changed=tick.changed + sum(change.moved for change in changes),
                decided=tick.decided + sum(change.tell is not None for change in changes),
            )
        return replace(tick, attempted=self.deliver())

    def _evaluate(self, tenant: str, now: datetime) -> list[_Change]:
        snapshot = self._sources.snapshot(tenant, now)
        judged = [(rule, self._read(tenant, rule, snapshot)) for rule in self.rules]
        # Planned once outside the transaction, to learn whether it and the slower question about impact are needed.
        with self._state.connect() as connection:
            foreseen = _plan(tenant, store.load(connection, tenant), judged, now)
        if not any(change.dirty for change in foreseen):
            return foreseen
        waiting = self._waiting(tenant, snapshot) if any(change.tell for change in foreseen) else Waiting()
        with self._state.begin() as connection:
            changes = _plan(tenant, store.load(connection, tenant), judged, now)
            for change in changes:
                stored = change.stored
                if change.tell is not None:
                    impact = impact_annotations(stored.labels, waiting)
                    stored = replace(stored, annotations=_without_impact(stored.annotations) | impact)
                    self._enqueue(connection, tenant, stored, change.tell, now)
                if change.dirty:
                    store.save(connection, tenant, stored)
        for change in changes:
            if change.moved:
                alert = change.stored.alert
                _log.info(
                    "alert moved",
                    tenant=tenant,
                    rule=change.stored.rule_id,
                    state=alert.state.value,
                    reason=alert.reason.value,
                    **{name: value for name, value in change.stored.labels.items() if name in ("edge", "destination")},
                )
        return changes

    def _read(self, tenant: str, rule: Rule, snapshot: Snapshot) -> list[Reading]:
        try:
            return snapshot.read(rule)
        except StorageError as problem:  # silence, not calm: what is known keeps its state
            _log.warning("rule without data", tenant=tenant, rule=rule.id, problem=str(problem))
            return []

    def _waiting(self, tenant: str, snapshot: Snapshot) -> Waiting:
        try:
            return Waiting(tuple(snapshot.waiting()), snapshot.consumers())
        except StorageError as problem:  # a notification without its impact is better than none
            _log.warning("impact not known", tenant=tenant, problem=str(problem))
            return Waiting()

    def _enqueue(self, connection: Any, tenant: str, stored: Stored, status: Status, now: datetime) -> None:
        fired_at = stored.alert.fired_at or now
        payload = message(
            receiver=self._notifier.receiver if self._notifier else "",
            status=status,
            labels=stored.labels,
            group_by=tuple(name for name in stored.labels if name != "severity"),
            annotations=stored.annotations,
            starts_at=fired_at,
            ends_at=now if status is Status.RESOLVED else None,
            external_url=self._external_url,
        )
        store.enqueue(
            connection,
            message_id=message_id(tenant, stored.rule_id, stored.series, fired_at, status),
            tenant=tenant,
            stored=stored,
            status=status.value,
            payload=payload,
            now=now,
        )

    # --- delivery ---

    def deliver(self, limit: int = DELIVERIES_A_TICK) -> int:
        """Sends what is due, in order for each alert; returns how many attempts were made.

        A round ends at the first attempt that has to be repeated, so that a dead receiver costs one time-out a tick.
        """
        attempts = 0
        while attempts < limit:
            with self._state.connect() as connection:
                letter = store.next_due(connection, self._clock.now())
            if letter is None:
                break
            attempts += 1
            if not self._attempt(letter):
                break
        return attempts

    def _attempt(self, letter: Letter) -> bool:
        """One attempt; False when the receiver should be left alone for now."""
        if self._notifier is None:
            self._finish(letter, "", "unsent", "no receiver is configured")
            return True
        result = self._notifier.send(letter.message_id, letter.payload.encode())
        if isinstance(result, Delivered):
            self._finish(letter, self._notifier.receiver, "delivered", result.detail)
            return True
        if isinstance(result, Rejected):
            self._finish(letter, self._notifier.receiver, "rejected", result.detail)
            return True
        failed = letter.attempts + 1
        if failed >= self._retry.attempts:
            self._finish(letter, self._notifier.receiver, "dead", f"out of retries: {result.detail}")
            return False
        pause = max(self._retry.pause_s(failed), result.seconds or 0.0)
        with self._state.begin() as connection:
            store.put_off(connection, letter, self._clock.now() + timedelta(seconds=pause), result.detail)
        _log.warning("notification put off", message=letter.message_id, seconds=pause, detail=result.detail)
        return False

    def _finish(self, letter: Letter, receiver: str, outcome: str, detail: str) -> None:
        with self._state.begin() as connection:
            store.finish(connection, letter, receiver=receiver, outcome=outcome, detail=detail, now=self._clock.now())
        _log.info("notification finished", message=letter.message_id, outcome=outcome, detail=detail)


def _plan(
    tenant: str,
    known: Mapping[tuple[str, str], Stored],
    judged: Sequence[tuple[Rule, Sequence[Reading]]],
    now: datetime,
) -> list[_Change]:
    """Steps every alert that has a reading or a past. Pure."""
    changes, seen = [], set()
    for rule, readings in judged:
        for reading in readings:
            key = (rule.id, fingerprint(reading.labels))
            seen.add(key)
            before = known.get(key)
            observation = rule.judge(reading)
            spoke = observation.verdict in (Verdict.BREACH, Verdict.CLEAR)
            stored = Stored(
                rule.id,
                key[1],
                {**reading.labels, "alertname": rule.id, "severity": rule.severity, "tenant": tenant},
                rule.texts(tenant, reading) if spoke or before is None else before.annotations,
                rule.threshold,
                before.alert if before else Alert(),
            )
            changes.append(_change(before, stored, observation, now, rule.timing))
    timings = {rule.id: rule.timing for rule, _ in judged}
    for key, before in known.items():
        if key not in seen:
            verdict = Verdict.NO_DATA if before.rule_id in timings else Verdict.WITHDRAWN
            changes.append(_change(before, before, Observation(verdict), now, timings.get(before.rule_id, Timing())))
    return changes


def _change(known: Stored | None, current: Stored, observation: Observation, now: datetime, timing: Timing) -> _Change:
    before = current.alert
    after, _ = step(before, observation, now, timing)
    moved = after.state is not before.state
    tell = None
    if moved and after.state is AlertState.FIRING:
        tell = Status.FIRING
    elif moved and after.state is AlertState.RESOLVED:
        tell = Status.RESOLVED
    if known is not None:  # the impact is as told last, until the next telling
        told = {name: text for name, text in known.annotations.items() if name.startswith("impact")}
        current = replace(current, annotations={**current.annotations, **told})
    stored = replace(current, alert=after)
    idle = known is None and after.state is AlertState.INACTIVE
    return _Change(stored, not idle and stored != known, moved, tell)


def _without_impact(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in annotations.items() if not name.startswith("impact")}


def _severity(name: str) -> int:
    return _SEVERITIES.index(name) if name in _SEVERITIES else len(_SEVERITIES)


def _view(tenant: str, stored: Stored) -> AlertView:
    alert = stored.alert
    if alert.since is None:
        raise StorageError(f"a stored alert of rule {stored.rule_id!r} has no beginning")
    return AlertView(
        rule=stored.rule_id,
        name=stored.annotations.get("title", stored.rule_id),
        severity=stored.labels.get("severity", ""),
        tenant=tenant,
        labels=stored.labels,
        state=alert.state,
        reason=alert.reason,
        value=alert.value,
        value_at=alert.value_at,
        threshold=stored.threshold,
        since=alert.since,
        active_since=alert.active_since,
        fired_at=alert.fired_at,
        annotations=stored.annotations,
    )
