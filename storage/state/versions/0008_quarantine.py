"""Decisions on quarantined data."""

from __future__ import annotations

from alembic import op

from storage.state.quarantine_tables import QUARANTINE_DECISIONS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    QUARANTINE_DECISIONS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    QUARANTINE_DECISIONS.drop(op.get_bind(), checkfirst=True)
