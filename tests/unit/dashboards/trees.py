"""Reading component trees in tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component


def walk(node: Any) -> Iterator[Component]:
    """Every component, outermost first."""
    if isinstance(node, Component):
        yield node
        for child in _children(node):
            yield from walk(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)


def text(node: Any) -> str:
    """All words a person would read, spaces made plain."""
    return " ".join(" ".join(_words(node)).replace("\u00a0", " ").split())


def by_class(node: Any, name: str) -> list[Component]:
    """The components that carry the class."""
    return [found for found in walk(node) if name in str(getattr(found, "className", "") or "").split()]


def _children(node: Component) -> list[Any]:
    inner = getattr(node, "children", None)
    return list(inner) if isinstance(inner, (list, tuple)) else [inner]


def _words(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Component):
        for child in _children(node):
            yield from _words(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from _words(child)
