"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from core import InvalidInput


def moment(text: str, name: str) -> datetime:
    """An instant with its zone, as UTC. Raises InvalidInput that names the option."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{name} is no time, got {text[:40]!r}", hint="such as 2026-03-01T00:00:00Z") from None
    if at.tzinfo is None:
        raise InvalidInput(f"{name} needs a time zone, got {text[:40]!r}", hint="append Z for UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} is out of range, got {text[:40]!r}", hint="a time of 1970 to 2105") from None
