"""What the versions of tenants' own KPIs meant."""

from __future__ import annotations

from alembic import op

from storage.state.meaning_tables import KPI_MEANINGS

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    KPI_MEANINGS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    KPI_MEANINGS.drop(op.get_bind(), checkfirst=True)
