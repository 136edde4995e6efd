"""Ways to bend JSON: other types in known places, extremes, doubled keys, deep nesting, damaged text."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from tests.fuzz.wire_mutations import corrupt

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1.5, -0.0, 1e308, "", "0", "-1",
    "NaN", "Infinity", "1e5", "99999999999999999999", "zz", "ab", "\x00", "\u202e", "٣", "\ud800", "a" * 5_000,
    [], {}, [[]], [None], {"a": {}}, {"values": [{"intValue": "1"}]}, "Zm9v", "=", "2026-03-02T08:00:00Z",
    "0001-01-01T00:00:00Z",
)  # fmt: skip
_DEEP = "@deep@"


def mutate_json(random: Random, document: Any, most: int = 4) -> bytes:
    """The document as text, bent a few times."""
    document = copy.deepcopy(document)
    for _ in range(random.randint(1, most)):
        _bend(random, document)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    depth = random.choice((1, 3, 40, 70, 500))
    text = text.replace(b'"%s"' % _DEEP.encode(), b'{"arrayValue":{"values":[' * depth + b"1" + b"]}}" * depth)
    if random.random() < 0.1:  # the same key twice
        text = text[:-1] + b"," + text[1:] if text[:1] == b"{" and len(text) > 2 else text
    if random.random() < 0.03:
        text = text.replace(b"[", b"[" * random.choice((60, 300, 5_000)), 1)
    return corrupt(random, text) if random.random() < 0.2 else text


def _bend(random: Random, document: Any) -> None:
    places = list(_places(document))
    if not places:
        return
    parent, key = random.choice(places)
    match random.randrange(5):
        case 0:
            parent[key] = copy.deepcopy(random.choice(STRANGE))
        case 1:
            del parent[key]
        case 2:
            other, from_key = random.choice(places)
            parent[key] = copy.deepcopy(other[from_key]) if from_key in _keys(other) else None
        case 3 if isinstance(parent, list):
            parent += [copy.deepcopy(parent[key])] * random.choice((1, 3, 50))
        case 4 if isinstance(parent, dict):
            parent[random.choice(("gauge", "sum", "stringValue", "intValue", "unknown", "", "spans", "id", "time"))] = (
                copy.deepcopy(random.choice(STRANGE))
            )
        case _:
            parent[key] = _DEEP


def _keys(parent: Any) -> Any:
    return range(len(parent)) if isinstance(parent, list) else parent


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every parent and key."""
    found = []
    for key in _keys(document) if isinstance(document, dict | list) else ():
        found.append((document, key))
        found += _places(document[key])
    return found
