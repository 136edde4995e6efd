"""Leases, and the ledger of the runs of the KPI jobs."""

from __future__ import annotations

from alembic import op

from storage.state.lease_tables import KPI_RUNS, LEASES

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    LEASES.create(op.get_bind(), checkfirst=True)
    KPI_RUNS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    KPI_RUNS.drop(op.get_bind(), checkfirst=True)
    LEASES.drop(op.get_bind(), checkfirst=True)
