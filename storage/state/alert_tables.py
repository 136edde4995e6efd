"""Tables of the alerts room: live alerts, the notification outbox and the notification log.

An alert that is inactive has no row. `alert_outbox` holds what has been decided and not yet told; a row leaves it in
the transaction that writes its outcome to `alert_notifications`, which is what later decisions are deduplicated
against.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

alert_states = Table(
    "alert_states",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("rule_id", String(128), primary_key=True),
    Column("series", String(64), primary_key=True),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("state", String(32), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("active_since", UtcDateTime, nullable=True),
    Column("fired_at", UtcDateTime, nullable=True),
    Column("clear_since", UtcDateTime, nullable=True),
    Column("value", Float, nullable=True),
    Column("value_at", UtcDateTime, nullable=True),
)

alert_outbox = Table(
    "alert_outbox",
    METADATA,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("tenant", String(128), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("series", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("last_error", Text, nullable=False),
)

alert_notifications = Table(
    "alert_notifications",
    METADATA,
    Column("message_id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("series", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("receiver", String(128), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "tenant", "finished_at"),
)
