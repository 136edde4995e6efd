"""What a key may push and when it was last used, keys that replace others, keys of certificates, limits of tenants."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
KEY_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "replaces": sa.String(16),
    "last_used_at": INSTANT,
    "signals": sa.String(100),
    "bytes_per_s": sa.Float(),
    "items_per_s": sa.Float(),
    "certificate": sa.String(300),
}


def upgrade() -> None:
    """Adds the columns and the table."""
    for name, kind in KEY_COLUMNS.items():
        op.add_column("api_keys", sa.Column(name, kind))
    op.create_table(
        "ingest_limits",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("bytes_per_s", sa.Float),
        sa.Column("items_per_s", sa.Float),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_ingest_limits"),
    )


def downgrade() -> None:
    """Takes them away again."""
    op.drop_table("ingest_limits")
    with op.batch_alter_table("api_keys") as table:
        for name in KEY_COLUMNS:
            table.drop_column(name)
