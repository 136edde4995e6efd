"""Where in a TOML text something stands: tomllib tells it of what it cannot read, and forgets it of what it can."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEAD = re.compile(r"\s*\[\[?\s*([\w.\"'-]+)\s*\]\]?")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*(?:\.[\w.\"'-]+\s*)?=")
_AT = re.compile(r"\(at line (\d+), column \d+\)")
_MULTI = re.compile(r'"""|\'\'\'')


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line (from 1) of a key, of the table it lies in when it is not there, or None for what is nowhere.

    A path as pydantic gives it: `("excluded", 1, "when")` is the key `when` of the second `[[excluded]]`.
    """
    if not path:
        return None
    first, *rest = path
    if not rest or (len(rest) == 1 and isinstance(rest[0], int)):
        return _found(text, "", 0, str(first)) or _head_of(text, str(first))
    if isinstance(rest[0], int):
        return _found(text, str(first), rest[0], str(rest[1])) or _head_of(text, str(first), rest[0])
    return _found(text, str(first), 0, str(rest[0])) or line_of(text, [first])


def _found(text: str, table: str, number: int, key: str) -> int | None:
    """The line of a key of the number-th table of that name; '' is the top."""
    at, seen, within = "", {"": 0}, False
    for line_number, line in enumerate(text.splitlines(), 1):
        toggles = len(_MULTI.findall(line)) % 2 == 1
        if within:
            within = not toggles
            continue
        within = toggles
        if head := _HEAD.match(line):
            at = head[1].strip("\"'")
            seen[at] = seen.get(at, -1) + 1
        elif at == table and seen[at] == number and (named := _KEY.match(line)) and named[1] == key:
            return line_number
    return None


def _head_of(text: str, table: str, number: int = 0) -> int | None:
    """The line on which the number-th table of that name begins."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if (head := _HEAD.match(line)) and head[1] == table]
    return lines[number] if number < len(lines) else None


def line_of_syntax(message: str, text: str) -> int | None:
    """The line that tomllib's message names."""
    found = _AT.search(message)
    if found:
        return int(found[1])
    return max(1, len(text.splitlines())) if "end of document" in message else None
