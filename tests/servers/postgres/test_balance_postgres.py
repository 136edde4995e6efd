"""On PostgreSQL: comparing the ledger with the tables."""

from tests.unit.collector.test_balance import *  # noqa: F403
