"""Retention policies, and the record of what was dropped."""

from __future__ import annotations

from alembic import op

from storage.state.retention_tables import RETENTION_DROPS, RETENTION_POLICIES

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    RETENTION_POLICIES.create(op.get_bind(), checkfirst=True)
    RETENTION_DROPS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    RETENTION_DROPS.drop(op.get_bind(), checkfirst=True)
    RETENTION_POLICIES.drop(op.get_bind(), checkfirst=True)
