"""On PostgreSQL: re-sent requests."""

from tests.unit.collector.test_resent import *  # noqa: F403
