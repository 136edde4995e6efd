"""Frozen baselines of KPIs."""

from __future__ import annotations

from alembic import op

from storage.state.baseline_tables import KPI_BASELINES

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    KPI_BASELINES.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    KPI_BASELINES.drop(op.get_bind(), checkfirst=True)
