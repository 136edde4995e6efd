"""API keys."""

from __future__ import annotations

from alembic import op

from storage.state.key_tables import API_KEYS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    API_KEYS.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    API_KEYS.drop(op.get_bind(), checkfirst=True)
