"""Time zones by name, for whoever asks with one."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import InvalidInput


def zone_named(name: str) -> ZoneInfo:
    """The time zone with an IANA name. Raises InvalidInput when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last: a name that no file can have
        raise InvalidInput(f"there is no time zone {name[:64]!r}", hint="such as Europe/Berlin") from None
