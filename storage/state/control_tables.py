"""Tables of the control room: commands, their outbox, and the audit chain.

`control_outbox` holds one row for every command that still needs a call (to send it or to verify it); the row is
written and removed in the transaction that moves the command. `audit_entries` is only ever appended to; nothing in
the database enforces that, which is why its rows are hash-linked.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from storage.state.columns import UtcDateTime
from storage.state.metadata import METADATA

control_commands = Table(
    "control_commands",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("target_id", String(128), nullable=False),
    Column("target_kind", String(32), nullable=False),
    Column("action", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", String(256), nullable=False),
    Column("idempotency_key", String(200), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("state_since", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime, nullable=True),
    Column("finished_at", UtcDateTime, nullable=True),
    UniqueConstraint("tenant", "idempotency_key"),
    UniqueConstraint("tenant", "target_id", "sequence"),
    Index(None, "tenant", "requested_at"),
)

control_outbox = Table(
    "control_outbox",
    METADATA,
    Column("command_id", String(64), ForeignKey("control_commands.id"), primary_key=True),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index(None, "due_at"),
)

audit_entries = Table(
    "audit_entries",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(256), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
