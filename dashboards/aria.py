"""Accessibility attributes, whose names are not Python names."""

from __future__ import annotations

from typing import Any

HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""For signs and icons that repeat what a word beside them says."""


def aria(**values: str) -> dict[str, Any]:
    """`aria(labelledby="x")` is `{"aria-labelledby": "x"}`, to be passed on with `**`."""
    return {f"aria-{name}": value for name, value in values.items()}


def current(on: bool, kind: str = "true") -> dict[str, Any]:
    """Marks the one of several links that is shown or chosen; nothing when it is not."""
    return {"aria-current": kind} if on else {}


def data(**values: str) -> dict[str, Any]:
    """`data(key="x")` is `{"data-key": "x"}`, for the scripts of the pages."""
    return {f"data-{name}": value for name, value in values.items()}
