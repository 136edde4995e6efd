"""Writes docs/settings.md from the fields of Settings, so that the page cannot lie: `python -m api.settings_doc`."""

from __future__ import annotations

import typing
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt

from core import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Generated from `core/settings.py`; do not edit. Sources, the stronger first: `OPSINTEL_*` environment variables, then
`opsintel.toml` in the working directory (or where `OPSINTEL_CONFIG` points), keys in lower case without the prefix.
An unknown key is an error in both. A secret is never shown in logs or messages.

| variable | type | default | meaning |
|---|---|---|---|
"""


def _kind(annotation: object) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in typing.get_args(annotation))
    names = [part.__name__ for part in typing.get_args(annotation) or (annotation,) if part is not type(None)]
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}[names[0]]


def _bounds(metadata: list[object]) -> str:
    words = []
    for one in metadata:
        match one:
            case Ge(ge=bound):
                words.append(f"≥ {bound:,}")
            case Gt(gt=bound):
                words.append(f"> {bound:,}")
            case Le(le=bound):
                words.append(f"≤ {bound:,}")
            case Lt(lt=bound):
                words.append(f"< {bound:,}")
    return f" ({', '.join(words)})" if words else ""


def page() -> str:
    """The whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default in ("", None) else f"`{field.default}`"
        kind = _kind(field.annotation) + _bounds(field.metadata)
        rows.append(f"| `OPSINTEL_{name.upper()}` | {kind} | {default} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
