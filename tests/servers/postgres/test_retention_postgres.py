"""On PostgreSQL: retention."""

from tests.unit.storage_retention.test_retention import *  # noqa: F403
