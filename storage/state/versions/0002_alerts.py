"""Live alerts, the notification outbox and the notification log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "alert_states",
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("series", sa.String(64), nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("annotations", sa.Text, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("active_since", INSTANT, nullable=True),
        sa.Column("fired_at", INSTANT, nullable=True),
        sa.Column("clear_since", INSTANT, nullable=True),
        sa.Column("value", sa.Float, nullable=True),
        sa.Column("value_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "series", name="pk_alert_states"),
    )
    op.create_table(
        "alert_outbox",
        sa.Column("position", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("series", sa.String(64), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_alert_outbox"),
        sa.UniqueConstraint("message_id", name="uq_alert_outbox_message_id"),
    )
    op.create_table(
        "alert_notifications",
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("series", sa.String(64), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("receiver", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_alert_notifications"),
    )
    op.create_index("ix_alert_notifications_tenant_finished_at", "alert_notifications", ["tenant", "finished_at"])


def downgrade() -> None:
    """Drops the tables, with what they hold."""
    op.drop_table("alert_notifications")
    op.drop_table("alert_outbox")
    op.drop_table("alert_states")
