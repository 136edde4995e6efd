"""The executive report as PDF, set by typst from `templates/executive.typ`.

The report's texts reach the template as data, never as source: whatever a name holds is printed as it is. Only the
fonts that the typst package carries are used, no package is fetched and no file is read but the template, so the same
report gives the same bytes everywhere. A character that those fonts do not have (Chinese, emoji, …) is printed as its
Unicode number, `[U+5E93]`, and the last page says so. Not promised: PDF/A.
"""

from __future__ import annotations

import json
import re
import tempfile
from functools import cache
from importlib import resources
from typing import Any

import typst

from core.errors import InvalidInput, OpsintelError
from kpis.brand import Brand
from kpis.exports.pdf_data import report_data
from kpis.exports.report import Report

LOGO_TYPES = {"png": "png", "svg": "svg", "jpg": "jpg", "jpeg": "jpg"}
LOGO_LIMIT = 1024 * 1024
"""Bytes of a logo at most."""
_LONG_WORD = re.compile(r"[^\s\u200b]{22,}")
_BREAK_EVERY = 11
_COMMON_BELOW = 0x180  # Latin letters, digits and signs: in every font
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DIRECTIONS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Characters that reorder the text around them, so that it reads as something else: shown as their numbers."""
_NOT_DRAWN = re.compile(r'the text `"(.+?)"` could not be displayed')
_PROBE = b"""#set document(title: "probe")
#set text(font: "Libertinus Serif")
#for one in json(bytes(sys.inputs.data)) [#text(one) \\ ]
"""


def render_pdf(report: Report) -> bytes:
    """The PDF of the report, A4.

    Raises InvalidInput for a brand, period or time zone that cannot be used, and OpsintelError when typesetting fails.
    """
    data = report_data(report)
    data["logo"] = _logo(report.brand)
    data["missing_glyphs"] = False
    texts = _Texts()
    texts.collect(data)
    texts.find_not_drawn()
    data = texts.cleaned(data)
    data["missing_glyphs"] = bool(texts.not_drawn)
    try:
        return _compile(data, report)
    except typst.TypstError as failed:
        if data["logo"] is not None and _compiles(data | {"logo": None}, report):
            raise InvalidInput(
                f"the brand's logo cannot be read as {report.brand.logo_type}: {failed.message[:200]}",
                hint="give a PNG, JPEG or SVG file that a browser shows, or none",
            ) from failed
        raise OpsintelError(
            f"the report {report.id[:80]!r} could not be typeset: {failed.message[:300]}",
            hint="export it as XLSX or CSV meanwhile, and report this with the message",
        ) from failed


def _compiles(data: dict[str, Any], report: Report) -> bool:
    try:
        _compile(data, report)
    except typst.TypstError:
        return False
    return True


def _compile(data: dict[str, Any], report: Report) -> bytes:
    # An empty root: the template cannot read a file of this machine even if it tried.
    with tempfile.TemporaryDirectory(prefix="opsintel-pdf-") as root:
        return typst.compile(  # type: ignore[type-var]  # its stub wants source and root of one type
            _template(),
            root=root,
            font_paths=_fonts(),
            sys_inputs={"data": json.dumps(data)},
            timestamp=int(report.generated_at.timestamp()),
        )


@cache
def _template() -> bytes:
    return resources.files("kpis.exports").joinpath("templates", "executive.typ").read_bytes()


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _logo(brand: Brand) -> dict[str, Any] | None:
    if not brand.logo:
        return None
    kind = LOGO_TYPES.get(brand.logo_type.lower())
    if kind is None:
        raise InvalidInput(
            f"the brand's logo is of type {brand.logo_type[:20]!r}", hint=f"it may be {', '.join(LOGO_TYPES)}"
        )
    if len(brand.logo) > LOGO_LIMIT:
        raise InvalidInput(
            f"the brand's logo has {len(brand.logo):,} bytes, {LOGO_LIMIT:,} at most", hint="scale the picture down"
        )
    return {"bytes": list(brand.logo), "type": kind}


class _Texts:
    """All texts of the data: which of their characters no font has, and what is printed instead."""

    def __init__(self) -> None:
        self._unusual: set[str] = set()
        self.not_drawn: set[str] = set()

    def collect(self, data: Any) -> None:
        """Notes the characters that are not in every font."""
        if isinstance(data, str):
            if not data.isascii():
                self._unusual.update(one for one in data if ord(one) >= _COMMON_BELOW)
        elif isinstance(data, dict):
            for one in data.values():
                self.collect(one)
        elif isinstance(data, list) and data and not isinstance(data[0], (int, float)):
            for one in data:
                self.collect(one)

    def find_not_drawn(self) -> None:
        """Asks typst, which refuses a PDF/A with text that no font has, and names every such text."""
        surrogates = {one for one in self._unusual if "\ud800" <= one <= "\udfff"}
        directions = {one for one in self._unusual if _DIRECTIONS.match(one)}
        self.not_drawn = surrogates | directions
        asked = sorted(self._unusual - self.not_drawn)
        if not asked:
            return
        try:
            typst.compile(
                _PROBE, font_paths=_fonts(), sys_inputs={"data": json.dumps(asked)}, pdf_standards="a-2u", timestamp=0
            )
        except typst.TypstError as refused:
            self.not_drawn.update(_unescaped(found) for found in _NOT_DRAWN.findall(refused.diagnostic))

    def cleaned(self, data: Any) -> Any:
        """The data with texts that can be set: no controls, numbers for what cannot be drawn, long words breakable."""
        if isinstance(data, str):
            return self._text(data)
        if isinstance(data, dict):
            return {key: self.cleaned(one) for key, one in data.items()}
        if isinstance(data, list):
            return data if data and isinstance(data[0], (int, float)) else [self.cleaned(one) for one in data]
        return data

    def _text(self, text: str) -> str:
        text = _CONTROLS.sub(" ", text)
        if self.not_drawn and not text.isascii():
            text = self._numbered(text)
        return _LONG_WORD.sub(_breakable, text)

    def _numbered(self, text: str) -> str:
        found: list[str] = []
        open_run = False
        for one in text:
            if one in self.not_drawn:
                found.append(f"{' ' if open_run else '['}U+{ord(one):04X}")
                open_run = True
            else:
                found.append(f"]{one}" if open_run else one)
                open_run = False
        return "".join(found) + ("]" if open_run else "")


def _unescaped(found: str) -> str:
    """A character as typst quotes it: itself, or `\\u{202e}`."""
    number = re.fullmatch(r"\\u\{([0-9a-f]+)\}", found)
    return chr(int(number[1], 16)) if number else found


def _breakable(word: re.Match[str]) -> str:
    """Places where a line may end, which are neither seen nor take room, in a word too long for a card."""
    text = word[0]
    return "\u200b".join(text[at : at + _BREAK_EVERY] for at in range(0, len(text), _BREAK_EVERY))
