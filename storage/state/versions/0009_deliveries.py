"""Scheduled reports, their runs and deliveries."""

from __future__ import annotations

from alembic import op

from storage.state.delivery_tables import report_deliveries, report_runs, report_schedules

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (report_schedules, report_runs, report_deliveries):
        table.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    for table in (report_deliveries, report_runs, report_schedules):
        table.drop(op.get_bind(), checkfirst=True)
