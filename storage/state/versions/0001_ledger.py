"""The ingest ledger and the segments it has settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("hour", sa.BigInteger, autoincrement=False),
        sa.Column("signal", sa.String(16)),
        sa.Column("tenant", sa.String(255)),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hour", "signal", "tenant", name="pk_ledger"),
    )
    op.create_table(
        "ledger_segments",
        sa.Column("segment", sa.BigInteger, autoincrement=False),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("segment", name="pk_ledger_segments"),
    )


def downgrade() -> None:
    op.drop_table("ledger_segments")
    op.drop_table("ledger")
