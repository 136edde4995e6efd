"""Whose report it is, as a reader sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Brand:
    """Name, colour (`#rrggbb`) and a logo (PNG, JPEG or SVG), if there is one."""

    name: str
    colour: str = "#1f4e79"
    logo: bytes | None = None
    logo_type: str = "png"
