"""On PostgreSQL: decisions on quarantined data."""

from tests.unit.collector.test_quarantine_service import *  # noqa: F403
