"""Digests of what was stored lately."""

from __future__ import annotations

from alembic import op

from storage.state.resent_tables import CLAIMED_SEGMENTS, SEEN_REQUESTS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (SEEN_REQUESTS, CLAIMED_SEGMENTS):
        table.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    for table in (SEEN_REQUESTS, CLAIMED_SEGMENTS):
        table.drop(op.get_bind(), checkfirst=True)
