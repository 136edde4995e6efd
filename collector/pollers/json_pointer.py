"""JSON pointers, RFC 6901: how a configuration names a value inside a document."""

from __future__ import annotations

import re


class Missing(LookupError):
    """The document has nothing there; the message is the pointer up to where it ends."""


def check_pointer(pointer: str) -> str:
    """Returns it; ValueError when it is no JSON pointer."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"a JSON pointer begins with '/', got {pointer!r}")
    if re.search(r"~(?![01])", pointer):
        raise ValueError(f"in a JSON pointer '~' is written ~0 and '/' ~1, got {pointer!r}")
    return pointer


def resolve(document: object, pointer: str) -> object:
    """The value there; '' is the whole document. Raises Missing."""
    found = document
    walked = ""
    for part in pointer.split("/")[1:]:
        walked += "/" + part
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and re.fullmatch(r"0|[1-9][0-9]{0,9}", key) and int(key) < len(found):
            found = found[int(key)]
        else:
            raise Missing(walked)
    return found
