"""Steps of backfills that are done."""

from __future__ import annotations

from alembic import op

from storage.state.backfill_tables import KPI_BACKFILL_STEPS

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    KPI_BACKFILL_STEPS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    KPI_BACKFILL_STEPS.drop(op.get_bind(), checkfirst=True)
