"""On PostgreSQL: API keys."""

from tests.unit.api.test_keys import *  # noqa: F403
