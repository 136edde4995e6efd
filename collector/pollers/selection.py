"""Which queues a poller looks at: shell patterns to take, shell patterns to leave out; upper and lower case differ."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

WILD = "*?["


def is_pattern(text: str) -> bool:
    """Whether it stands for many names."""
    return any(sign in text for sign in WILD)


def matches(name: str, include: Sequence[str], exclude: Sequence[str] = ()) -> bool:
    """Whether the name is taken and not left out."""
    return any(fnmatchcase(name, one) for one in include) and not any(fnmatchcase(name, one) for one in exclude)
