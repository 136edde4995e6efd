"""On PostgreSQL: the ledger."""

from tests.unit.collector.test_ledger import *  # noqa: F403
