"""On PostgreSQL: the audit chain."""

from tests.unit.control.test_audit import *  # noqa: F403
