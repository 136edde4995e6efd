"""A clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core import ManualClock


def test_it_moves_only_when_told() -> None:
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    clock.advance(1.5)
    assert clock.now() == datetime(2026, 3, 2, 0, 0, 1, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 1.5
    assert clock.time_ns() == 1_772_409_601_500_000_000


def test_it_never_steps_back() -> None:
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match="0 seconds or more"):
        clock.advance(-1)


def test_it_starts_at_an_aware_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 3, 2))  # noqa: DTZ001
