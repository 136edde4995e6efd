"""Protobuf messages as trees of fields, so that they can be bent on the wire in ways that no library writes.

A field is its number, its wire type and a value: a list of fields for a message, bytes for what else has a length, a
number for the rest. `encode` writes exactly what a tree says, be it sensible or not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor

VARINT, FIXED_64, LENGTH, START_GROUP, END_GROUP, FIXED_32 = range(6)
WIDTHS = {FIXED_64: 8, FIXED_32: 4}
Message: TypeAlias = "list[Field]"


@dataclass
class Field:
    """`kind` names the message that the value is, None for a scalar; `padding`: superfluous bytes of its varints."""

    number: int
    wire: int
    value: Any
    kind: Descriptor | None = None
    padding: int = 0
    claim: int = field(default=0)
    """Added to the length that is written."""

    def __deepcopy__(self, memo: object) -> Field:
        value = [copy.deepcopy(one) for one in self.value] if isinstance(self.value, list) else self.value
        return replace(self, value=value)


def varint(number: int, padding: int = 0) -> bytes:
    """With `padding`, longer than it needs to be: valid up to ten bytes in all."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    for _ in range(padding):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    return b"".join(map(_encoded, message))


def _encoded(one: Field) -> bytes:
    head = varint(one.number << 3 | one.wire, min(one.padding, 3))
    if one.wire == VARINT:
        return head + varint(one.value % (1 << 64), one.padding)
    if one.wire in WIDTHS:
        width = WIDTHS[one.wire]
        return head + int(one.value % (1 << 8 * width)).to_bytes(width, "little")
    inside = encode(one.value) if isinstance(one.value, list) else bytes(one.value or b"")
    if one.wire == START_GROUP:
        return head + inside + varint(one.number << 3 | END_GROUP)
    if one.wire == LENGTH:
        return head + varint(max(0, len(inside) + one.claim), one.padding) + inside
    return head


def decode(data: bytes, kind: Descriptor) -> Message:
    """The tree of a well-formed message. Raises ValueError or IndexError on any other."""
    out, at = list[Field](), 0
    while at < len(data):
        tag, at = _read(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _read(data, at)
            out.append(Field(number, wire, value))
        elif wire in WIDTHS:
            out.append(Field(number, wire, int.from_bytes(data[at : at + WIDTHS[wire]], "little")))
            at += WIDTHS[wire]
        elif wire == LENGTH:
            length, at = _read(data, at)
            inside = data[at : at + length]
            at += length
            known = kind.fields_by_number.get(number)
            below = known.message_type if known is not None else None
            out.append(Field(number, wire, decode(inside, below) if below else inside, below))
        else:
            raise ValueError(f"wire type {wire}")
    return out


def _read(data: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def messages(message: Message, kind: Descriptor) -> list[tuple[Message, Descriptor]]:
    """The message and all messages in it."""
    found = [(message, kind)]
    for one in message:
        if isinstance(one.value, list) and one.kind is not None:
            found += messages(one.value, one.kind)
    return found
