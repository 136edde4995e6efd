"""On PostgreSQL: the life of API keys."""

from tests.unit.api.test_key_life import *  # noqa: F403
