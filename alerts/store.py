"""The statements that read and write live alerts, the outbox and the notification log.

Every function works inside the caller's transaction. Nothing here decides anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from alerts.state import Alert, AlertState, Reason
from storage.state.alert_tables import alert_notifications as log
from storage.state.alert_tables import alert_outbox as outbox
from storage.state.alert_tables import alert_states as states


@dataclass(frozen=True)
class Stored:
    """An alert with what it is about. labels and annotations are complete, as a receiver sees them."""

    rule_id: str
    series: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    threshold: float
    alert: Alert


@dataclass(frozen=True)
class Letter:
    """A notification that waits to be sent."""

    position: int
    message_id: str
    tenant: str
    rule_id: str
    series: str
    status: str
    payload: str
    created_at: datetime
    attempts: int
    due_at: datetime
    last_error: str


@dataclass(frozen=True)
class Notification:
    """An entry of the notification log: what became of a message. outcome: delivered, rejected, dead or unsent."""

    message_id: str
    tenant: str
    rule_id: str
    series: str
    status: str
    receiver: str
    outcome: str
    detail: str
    attempts: int
    decided_at: datetime
    finished_at: datetime
    payload: str


def load(connection: Connection, tenant: str) -> dict[tuple[str, str], Stored]:
    """The tenant's alerts that are not inactive, by rule and series."""
    found = {}
    for row in connection.execute(sa.select(states).where(states.c.tenant == tenant)):
        alert = Alert(
            AlertState(row.state),
            Reason(row.reason),
            row.since,
            row.active_since,
            row.fired_at,
            row.clear_since,
            row.value,
            row.value_at,
        )
        found[row.rule_id, row.series] = Stored(
            row.rule_id, row.series, json.loads(row.labels), json.loads(row.annotations), row.threshold, alert
        )
    return found


def tenants(connection: Connection) -> list[str]:
    """Everybody with an alert that is not inactive: it must be judged again, if only to end."""
    return list(connection.scalars(sa.select(states.c.tenant).distinct()))


def save(connection: Connection, tenant: str, stored: Stored) -> None:
    """Replaces the alert's row; an inactive alert has none."""
    connection.execute(
        sa.delete(states).where(
            states.c.tenant == tenant, states.c.rule_id == stored.rule_id, states.c.series == stored.series
        )
    )
    alert = stored.alert
    if alert.state is AlertState.INACTIVE:
        return
    connection.execute(
        sa.insert(states).values(
            tenant=tenant,
            rule_id=stored.rule_id,
            series=stored.series,
            labels=json.dumps(dict(stored.labels), ensure_ascii=False),
            annotations=json.dumps(dict(stored.annotations), ensure_ascii=False),
            threshold=stored.threshold,
            state=alert.state.value,
            reason=alert.reason.value,
            since=alert.since,
            active_since=alert.active_since,
            fired_at=alert.fired_at,
            clear_since=alert.clear_since,
            value=alert.value,
            value_at=alert.value_at,
        )
    )


def enqueue(
    connection: Connection, *, message_id: str, tenant: str, stored: Stored, status: str, payload: str, now: datetime
) -> bool:
    """Puts a message into the outbox; False when it is there or was dealt with before."""
    known = sa.union_all(
        sa.select(outbox.c.message_id).where(outbox.c.message_id == message_id),
        sa.select(log.c.message_id).where(log.c.message_id == message_id),
    )
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        sa.insert(outbox).values(
            message_id=message_id,
            tenant=tenant,
            rule_id=stored.rule_id,
            series=stored.series,
            status=status,
            payload=payload,
            created_at=now,
            attempts=0,
            due_at=now,
            last_error="",
        )
    )
    return True


def next_due(connection: Connection, now: datetime) -> Letter | None:
    """The message that has been due for the longest, leaving out those behind an unsent one about the same alert."""
    earlier = outbox.alias("earlier")
    behind = sa.exists().where(
        earlier.c.tenant == outbox.c.tenant,
        earlier.c.rule_id == outbox.c.rule_id,
        earlier.c.series == outbox.c.series,
        earlier.c.position < outbox.c.position,
    )
    row = connection.execute(
        sa.select(outbox).where(outbox.c.due_at <= now, ~behind).order_by(outbox.c.due_at, outbox.c.position).limit(1)
    ).one_or_none()
    return Letter(**row._mapping) if row else None


def put_off(connection: Connection, letter: Letter, due_at: datetime, error: str) -> None:
    """Counts a failed attempt and says when the next one is due."""
    connection.execute(
        sa.update(outbox)
        .where(outbox.c.position == letter.position, outbox.c.message_id == letter.message_id)
        .values(attempts=letter.attempts + 1, due_at=due_at, last_error=error)
    )


def finish(connection: Connection, letter: Letter, *, receiver: str, outcome: str, detail: str, now: datetime) -> None:
    """Moves a message from the outbox to the log; nothing happens if somebody else has."""
    gone = connection.execute(
        sa.delete(outbox).where(outbox.c.position == letter.position, outbox.c.message_id == letter.message_id)
    )
    if gone.rowcount == 0:
        return
    connection.execute(
        sa.insert(log).values(
            message_id=letter.message_id,
            tenant=letter.tenant,
            rule_id=letter.rule_id,
            series=letter.series,
            status=letter.status,
            receiver=receiver,
            outcome=outcome,
            detail=detail,
            attempts=letter.attempts + (outcome != "unsent"),
            decided_at=letter.created_at,
            finished_at=now,
            payload=letter.payload,
        )
    )


def logged(connection: Connection, tenant: str, limit: int) -> list[Notification]:
    """The tenant's log, the newest first."""
    query = (
        sa.select(log)
        .where(log.c.tenant == tenant)
        .order_by(log.c.finished_at.desc(), log.c.decided_at.desc(), log.c.message_id)
        .limit(limit)
    )
    return [Notification(**row._mapping) for row in connection.execute(query)]


def waiting(connection: Connection, tenant: str) -> int:
    """How many of the tenant's messages wait in the outbox."""
    count: Any = connection.execute(
        sa.select(sa.func.count()).select_from(outbox).where(outbox.c.tenant == tenant)
    ).scalar_one()
    return int(count)
