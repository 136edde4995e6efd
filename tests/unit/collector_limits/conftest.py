"""Collectors on the test's own data directory, stopped at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from core import Settings
from storage import StateDb
from tests.unit.collector_limits.rig import Rig

Make = Callable[..., Rig]


@pytest.fixture
def make(settings: Settings, state: StateDb) -> Iterator[Make]:
    """Makes collectors with changed settings."""
    with ExitStack() as stack:

        def made(**changed: Any) -> Rig:
            rig = Rig(settings, state, **changed)
            stack.callback(rig.close)
            return rig

        yield made
