"""Accessibility attributes, whose names are not Python names."""

from __future__ import annotations

from typing import Any

HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""For signs and icons that repeat what a word beside them says."""


def aria(**values: str) -> dict[str, Any]:
    """`aria(labelledby="x")` is `{"aria-labelledby": "x"}`, to be passed on with `**`."""
    return {f"aria-{name}": value for name, value in values.items()}
