"""How many examples a property of the engine is tried on."""

from __future__ import annotations

import os

DEEP = bool(os.environ.get("DEEP_PROPERTIES"))
"""`make properties` sets it."""


def examples(many: int) -> int:
    """All of them in `make properties`, else a fifth: one that asks the engine takes up to two seconds."""
    return many if DEEP else max(2, many // 5)
