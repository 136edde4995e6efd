"""Protobuf's wire format, as far as writing OTLP's messages needs it.

https://protobuf.dev/programming-guides/encoding/ - values are taken as checked: nothing here looks at their range.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_T = FieldDescriptor
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
KINDS: dict[int, int] = {
    _T.TYPE_INT32: VARINT,
    _T.TYPE_INT64: VARINT,
    _T.TYPE_UINT32: VARINT,
    _T.TYPE_UINT64: VARINT,
    _T.TYPE_SINT32: VARINT,
    _T.TYPE_SINT64: VARINT,
    _T.TYPE_BOOL: VARINT,
    _T.TYPE_ENUM: VARINT,
    _T.TYPE_FIXED64: FIXED_64,
    _T.TYPE_SFIXED64: FIXED_64,
    _T.TYPE_DOUBLE: FIXED_64,
    _T.TYPE_FIXED32: FIXED_32,
    _T.TYPE_SFIXED32: FIXED_32,
    _T.TYPE_FLOAT: FIXED_32,
    _T.TYPE_STRING: LENGTH,
    _T.TYPE_BYTES: LENGTH,
}
"""How each type of field is written."""
_PACKS = {
    _T.TYPE_FIXED64: "<Q",
    _T.TYPE_SFIXED64: "<q",
    _T.TYPE_DOUBLE: "<d",
    _T.TYPE_FIXED32: "<I",
    _T.TYPE_SFIXED32: "<i",
    _T.TYPE_FLOAT: "<f",
}


def _encoded(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SHORT = tuple(_encoded(number) for number in range(1 << 14))


def varint(number: int) -> bytes:
    """A number of 0 or more."""
    return _SHORT[number] if number < 1 << 14 else _encoded(number)


def tag(number: int, kind: int) -> bytes:
    """What stands before a field."""
    return _encoded(number << 3 | kind)


def _signed(number: int) -> bytes:
    return varint(number) if number >= 0 else _encoded(number + (1 << 64))


def _zigzag(number: int) -> bytes:
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def text(value: str) -> bytes:
    """A text with its length before it. Raises ValueError on what is no Unicode."""
    raw = value.encode()
    return varint(len(raw)) + raw


def _bytes(value: bytes) -> bytes:
    return varint(len(value)) + value


def writer(kind: int) -> Callable[[Any], bytes]:
    """How a value of this type of field is written, without its tag."""
    if kind in _PACKS:
        pack: Callable[[Any], bytes] = struct.Struct(_PACKS[kind]).pack
        return pack
    if kind in (_T.TYPE_SINT32, _T.TYPE_SINT64):
        return _zigzag
    if kind == _T.TYPE_STRING:
        return text
    return _bytes if kind == _T.TYPE_BYTES else _signed
