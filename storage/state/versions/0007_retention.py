"""Retention policies and the record of what was dropped; outcomes of segments, for the comparison with the tables."""

from __future__ import annotations

from alembic import op

from storage.state.ledger_tables import LEDGER_OUTCOMES
from storage.state.retention_tables import RETENTION_DROPS, RETENTION_POLICIES

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    RETENTION_POLICIES.create(op.get_bind(), checkfirst=True)
    RETENTION_DROPS.create(op.get_bind(), checkfirst=True)
    LEDGER_OUTCOMES.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    LEDGER_OUTCOMES.drop(op.get_bind(), checkfirst=True)
    RETENTION_DROPS.drop(op.get_bind(), checkfirst=True)
    RETENTION_POLICIES.drop(op.get_bind(), checkfirst=True)
