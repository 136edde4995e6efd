"""The names that there are, for somebody who used one that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


def closest_first(wanted: str, known: Iterable[str]) -> list[str]:
    """Those most like the one that was wanted first; equally like ones keep their order."""
    return sorted(known, key=lambda one: -SequenceMatcher(None, wanted, one).ratio())
