"""Texts with fields, as rules carry them: `{edge} fails {value:percent} of its calls`.

A field is a plain name out of those the rule's kind knows, with an optional format out of `FORMATS`; attribute access,
indexing, nesting and conversions do not exist. Mistakes show when the rule is loaded, not when it fires.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping

from core.errors import InvalidInput
from core.wording import span

Value = str | float | int | None
UNKNOWN = "unknown"
MAX_TEMPLATE = 2_000


def _plain(value: Value) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: Value) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _percent(value: Value) -> str:
    return f"{value * 100:.1f} %" if isinstance(value, int | float) else str(value)


def _duration(value: Value) -> str:
    return span(value) if isinstance(value, int | float) else str(value)


FORMATS: Mapping[str, Callable[[Value], str]] = {
    "": _plain,
    "number": _number,
    "percent": _percent,
    "duration": _duration,
}
"""Formats by name: plain, a number with separators, a ratio as per cent, seconds as a duration."""


def check_template(text: str, fields: Collection[str]) -> None:
    """Raises InvalidInput that says what is wrong with the template."""
    if len(text) > MAX_TEMPLATE:
        raise InvalidInput(f"a template has at most {MAX_TEMPLATE} characters, got {len(text)}")
    for name, form, conversion in _parts(text):
        if name not in fields:
            raise InvalidInput(f"unknown field {{{name}}}", hint=f"known are {', '.join(sorted(fields))}")
        if conversion or form not in FORMATS:
            raise InvalidInput(
                f"unknown format {(conversion and '!' + conversion) or form!r} of {{{name}}}",
                hint=f"known are {', '.join(sorted(filter(None, FORMATS)))}",
            )


def render(text: str, values: Mapping[str, Value]) -> str:
    """Fills a checked template; a value that is None or not there shows as `unknown`."""
    out = []
    for literal, name, form, _ in string.Formatter().parse(text):
        out.append(literal)
        if name is not None:
            value = values.get(name)
            out.append(UNKNOWN if value is None else FORMATS[form or ""](value))
    return "".join(out)


def _parts(text: str) -> list[tuple[str, str, str]]:
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as problem:
        raise InvalidInput(f"the template cannot be read: {problem}") from None
    return [(name, form or "", conversion or "") for _, name, form, conversion in parsed if name is not None]
