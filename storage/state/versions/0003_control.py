"""Control commands, their outbox, and the audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "control_commands",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("target_id", sa.String(128), nullable=False),
        sa.Column("target_kind", sa.String(32), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("requested_by", sa.String(256), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("state_since", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_control_commands"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="uq_control_commands_tenant_idempotency_key"),
        sa.UniqueConstraint("tenant", "target_id", "sequence", name="uq_control_commands_tenant_target_id_sequence"),
    )
    op.create_index("ix_control_commands_tenant_requested_at", "control_commands", ["tenant", "requested_at"])
    op.create_table(
        "control_outbox",
        sa.Column("command_id", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("command_id", name="pk_control_outbox"),
        sa.ForeignKeyConstraint(["command_id"], ["control_commands.id"], name="fk_control_outbox_command_id"),
    )
    op.create_index("ix_control_outbox_due_at", "control_outbox", ["due_at"])
    op.create_table(
        "audit_entries",
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence", name="pk_audit_entries"),
        sa.UniqueConstraint("id", name="uq_audit_entries_id"),
    )


def downgrade() -> None:
    """Drops the tables, with what they hold."""
    op.drop_table("audit_entries")
    op.drop_table("control_outbox")
    op.drop_table("control_commands")
