"""Text as a cell of a spreadsheet: what a program may take for a formula, or refuse to open, is taken out of it.

XLSX says the type of every cell, so that there text only has to be legal. CSV does not: a program that opens it decides
by the first character. Where that begins a formula an apostrophe is put before it, as OWASP advises. Numbers are no
text: a negative number stays one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

CELL_LIMIT = 32_767
"""Characters (UTF-16 units) that Excel takes in a cell."""
SHEET_LIMIT = 31
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠﹦﹢﹣−")
"""A formula in Excel, LibreOffice or Google Sheets; the full-width ones in their East Asian editions."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Not allowed in XML 1.0, or with no meaning in a cell."""
_SKIPPED = (
    " \x00\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u200c\u200d\u202f\u205f\u2060\u3000\ufeff"
)
"""Blanks and characters without width that programs strip before they look for a formula."""
_REFERENCE = re.compile(r"!(?=\$?[A-Z]+\$?\d)")
_NOT_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\'\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


def plain_text(text: str) -> str:
    """Without control characters and lone surrogates, and no longer than a cell; line feeds and tabs stay."""
    clean = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return clean if len(clean) * 2 <= CELL_LIMIT or _utf16(clean) <= CELL_LIMIT else _clip(clean, CELL_LIMIT - 1) + "…"


def csv_text(text: str) -> str:
    """As it may stand in a CSV file: what a program would take for a formula gets an apostrophe in front."""
    first = text.lstrip(_SKIPPED)[:1]
    clean = _CONTROL.sub("\ufffd", text)
    return f"'{clean}" if text[:1] in FORMULA_STARTS or first in FORMULA_STARTS else clean


def chart_text(text: str, longest: int = 200) -> str:
    """As the name of a chart or of one of its lines: what the writer would take for a reference to a cell is none."""
    return _REFERENCE.sub("! ", re.sub("^=", " =", plain_text(text)[:longest]))


def sheet_names(wanted: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Legal names of sheets, unique without regard to case, as near to what is wanted as they can be."""
    used = {name.casefold() for name in taken} | {"history"}  # Excel keeps that one for itself
    names = []
    for one in wanted:
        base = _clip(" ".join(_NOT_IN_SHEET_NAMES.sub(" ", one).split()) or "KPI", SHEET_LIMIT).strip()
        name, number = base, 2
        while name.casefold() in used:
            ending = f" {number}"
            name, number = _clip(base, SHEET_LIMIT - len(ending)).rstrip() + ending, number + 1
        used.add(name.casefold())
        names.append(name)
    return names


def _utf16(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def _clip(text: str, limit: int) -> str:
    """The longest beginning of the text that has no more UTF-16 units than the limit."""
    clipped = text[:limit]
    while _utf16(clipped) > limit:
        clipped = clipped[: len(clipped) - max(1, (_utf16(clipped) - limit) // 2)]
    return clipped
