"""How a workbook looks: formats of cells by unit, the brand's colour, lines of a chart."""

from __future__ import annotations

import re
from typing import Any

DAY_S = 86_400
DAYS_FROM_S = 2 * DAY_S
SHORT_S = 60
"""Lengths from two days on are written in days, below a minute with thousandths of a second."""
FALLBACK = "#1f4e79"
LINES = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class Styles:
    """The formats of one workbook; each is made once."""

    def __init__(self, workbook: Any, colour: str) -> None:
        self._workbook = workbook
        self._measures: dict[str, Any] = {}
        self.colour = colour if _COLOUR.fullmatch(colour) else FALLBACK
        on = "#000000" if _bright(self.colour) else "#ffffff"
        head = {"bold": True, "bg_color": self.colour, "font_color": on, "text_wrap": True, "valign": "top"}
        self.header = workbook.add_format(head)
        self.title = workbook.add_format({"bold": True, "font_size": 16, "font_color": self.colour})
        self.strong = workbook.add_format({"bold": True, "valign": "top"})
        self.wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
        self.link = workbook.add_format({"font_color": self.colour, "underline": 1})
        self.time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "left"})
        self.count = workbook.add_format({"num_format": "#,##0"})
        self.plain = workbook.add_format({"num_format": "0.000"})
        self.good = workbook.add_format({"bg_color": "#d8f0dd", "font_color": "#0b5d23"})
        self.bad = workbook.add_format({"bg_color": "#fbdcdc", "font_color": "#8a1212"})

    def measure(self, unit: str, currency: str, scale: float, value: float | None) -> Any:
        """Of a value in this unit. scale: a usual length of the KPI in seconds."""
        pattern = _pattern(unit, currency, scale, value)
        if pattern not in self._measures:
            self._measures[pattern] = self._workbook.add_format({"num_format": pattern})
        return self._measures[pattern]

    def line(self, place: int) -> dict[str, Any]:
        """The brand's colour first."""
        return {"color": self.colour if place == 0 else LINES[place % len(LINES)], "width": 2.0}


def _pattern(unit: str, currency: str, scale: float, value: float | None) -> str:
    if unit == "ratio":
        return "0.0%"
    if unit == "seconds":
        if scale >= DAYS_FROM_S or (value is not None and value < 0):  # a clock cannot show less than nothing
            return '0.00" d"'
        return "[h]:mm:ss.000" if scale < SHORT_S else "[h]:mm:ss"
    if unit == "money":
        code = re.sub(r"[^A-Za-z]", "", currency)[:8]
        return f'#,##0.00" {code}"' if code else "#,##0.00"
    return "#,##0" if unit == "count" else "#,##0.00"


def _bright(colour: str) -> bool:
    """Whether black is better to read on it than white."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue > 150
