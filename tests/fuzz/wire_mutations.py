"""Ways to bend a protobuf message: unusual but valid encodings, and such as must be refused.

Every mutation changes a tree in place and draws from a `random.Random`, so that a seed tells a whole run. None of them
decides whether the result is valid: the reference implementation does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.fuzz.wire_tree import (
    FIXED_32,
    FIXED_64,
    LENGTH,
    START_GROUP,
    VARINT,
    Field,
    Message,
    decode,
    encode,
    messages,
)

OURS = (536_870_901, 536_870_902, 536_870_903)
"""The numbers that the product uses between its door and the engine."""
TRAP = 536_870_911
EXTREMES = (0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    "\U0010ffff".encode(),
    "ä".encode() * 700,
    b"x" * 70_000,
)
Mutation = Callable[[Random, Message, Descriptor], None]
_WIRES = {
    FieldDescriptor.CPPTYPE_STRING: LENGTH,
    FieldDescriptor.CPPTYPE_MESSAGE: LENGTH,
}


def repeat(random: Random, message: Message, kind: Descriptor) -> None:
    """A field comes again: scalars are won by the last, lists grow, messages merge."""
    if message:
        message.insert(random.randint(0, len(message)), copy.deepcopy(random.choice(message)))


def split(random: Random, message: Message, kind: Descriptor) -> None:
    """A submessage comes in two halves, which every reader must merge."""
    below = [one for one in message if isinstance(one.value, list) and len(one.value) > 1]
    if below:
        one = random.choice(below)
        at = random.randint(0, len(one.value))
        rest = copy.deepcopy(one)
        one.value, rest.value = one.value[:at], rest.value[at:]
        message.insert(random.randint(0, len(message)), rest)


def shuffle(random: Random, message: Message, kind: Descriptor) -> None:
    """Fields in another order."""
    random.shuffle(message)


def drop(random: Random, message: Message, kind: Descriptor) -> None:
    """A field is not there."""
    if message:
        del message[random.randrange(len(message))]


def known(random: Random, message: Message, kind: Descriptor) -> None:
    """A field of the schema is added, with the value of its type: other members of a oneof too."""
    field = random.choice(list(kind.fields)) if kind.fields else None
    if field is None:
        return
    if field.message_type is not None:
        made = Field(field.number, LENGTH, [], field.message_type)
        known(random, made.value, field.message_type)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        made = Field(field.number, LENGTH, random.choice(TEXTS))
    else:
        made = Field(field.number, _wire_of(field), random.choice(EXTREMES))
    message.insert(random.randint(0, len(message)), made)


def rival(random: Random, message: Message, kind: Descriptor) -> None:
    """A second member of a oneof beside the first, with something in it."""
    if not kind.oneofs:
        return
    field = random.choice(list(random.choice(list(kind.oneofs)).fields))
    value: object = random.choice(EXTREMES)
    if field.message_type is not None:
        own = [one for one in message if isinstance(one.value, list) and one.kind is not None]
        value = copy.deepcopy(random.choice(own).value) if own else []
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        value = random.choice(TEXTS[:2])
    made = Field(field.number, _wire_of(field), value, field.message_type)
    message.insert(random.randint(0, len(message)), made)


def unknown(random: Random, message: Message, kind: Descriptor) -> None:
    """A field that no schema has, or only ours between door and engine; groups too."""
    number = random.choice((*OURS, TRAP, 19, 500, 100_000, random.randint(1, 40)))
    wire = random.choice((VARINT, FIXED_64, LENGTH, START_GROUP, FIXED_32))
    value: object = random.choice(EXTREMES) if wire in (VARINT, FIXED_64, FIXED_32) else random.choice(TEXTS[:6])
    if wire == START_GROUP:
        value = [Field(random.choice((1, 2, number)), VARINT, 7), Field(3, LENGTH, b"in a group")]
        if random.random() < 0.3:
            value.append(Field(4, START_GROUP, [Field(5, FIXED_32, 1)]))
    message.insert(random.randint(0, len(message)), Field(number, wire, value))


def rewire(random: Random, message: Message, kind: Descriptor) -> None:
    """A known number with the wire type of something else: an unknown field to protobuf."""
    if not message:
        return
    one = random.choice(message)
    wire = random.choice((VARINT, FIXED_64, LENGTH, START_GROUP, FIXED_32))
    if wire == one.wire:
        return
    value: object = random.choice(EXTREMES)
    if wire in (LENGTH, START_GROUP):
        value = [] if wire == START_GROUP else random.choice((b"", b"\x08\x01", b"abcdefgh"))
    new = Field(one.number, wire, value)
    if random.random() < 0.5:
        message[message.index(one)] = new
    else:
        message.insert(random.randint(0, len(message)), new)


def pad(random: Random, message: Message, kind: Descriptor) -> None:
    """Varints longer than they need to be."""
    if message:
        random.choice(message).padding = random.choice((1, 1, 2, 3, 8, 9, 10))


def unpack(random: Random, message: Message, kind: Descriptor) -> None:
    """Packed numbers one by one, single ones packed, packed ones in two pieces."""
    lists = [field for field in kind.fields if field.is_repeated and field.message_type is None]
    numbers = {field.number: field for field in lists if field.cpp_type != FieldDescriptor.CPPTYPE_STRING}
    own = [index for index, one in enumerate(message) if one.number in numbers and one.wire == LENGTH]
    if not own:
        return
    index = random.choice(own)
    one = message[index]
    wire = _wire_of(numbers[one.number])
    if wire not in (FIXED_64, FIXED_32) or not isinstance(one.value, bytes):
        message[index : index + 1] = [Field(one.number, wire, byte & 0x7F) for byte in one.value]
        return
    width = 8 if wire == FIXED_64 else 4
    parts = [one.value[at : at + width] for at in range(0, len(one.value), width)]
    message[index : index + 1] = [
        Field(one.number, wire, int.from_bytes(part, "little"))
        if random.random() < 0.5
        else Field(one.number, LENGTH, part)
        for part in parts
    ]


def extreme(random: Random, message: Message, kind: Descriptor) -> None:
    """A number, a time, a text at the edge of what its type holds."""
    scalars = [one for one in message if not isinstance(one.value, list)]
    if scalars:
        one = random.choice(scalars)
        one.value = random.choice(TEXTS) if one.wire == LENGTH else random.choice(EXTREMES)


def lie(random: Random, message: Message, kind: Descriptor) -> None:
    """A length that is not the length."""
    if message:
        random.choice(message).claim = random.choice((-1, 1, 7, 2**20, 2**31, 2**32, 2**63))


def deepen(random: Random, message: Message, kind: Descriptor) -> None:
    """Messages within themselves, where the schema allows it: values in values."""
    for one in message:
        if one.kind is not None and one.kind.name == "AnyValue" and isinstance(one.value, list):
            inside = encode(one.value)
            for _ in range(random.choice((1, 2, 10, 40, 90, 120))):
                listed = encode([Field(1, LENGTH, inside)])
                inside = encode([Field(5, LENGTH, listed)])
            one.value = [Field(5, LENGTH, encode([Field(1, LENGTH, inside)]))]
            return


def multiply(random: Random, message: Message, kind: Descriptor) -> None:
    """Very many of something."""
    below = [one for one in message if isinstance(one.value, list)]
    if below:
        one = random.choice(below)
        if len(encode([one])) < 2_000:
            message += [one] * random.choice((10, 100, 600, 2_000))


SAME: tuple[Mutation, ...] = (repeat, split, shuffle, known, rival, pad, unpack, extreme, drop, deepen)
"""Those that use nothing but fields of the schema, with their types."""
VALID: tuple[Mutation, ...] = (*SAME, unknown, rewire)
"""Those whose result is mostly a message that protobuf accepts."""
ALL: tuple[Mutation, ...] = (*VALID, lie, multiply)


def mutate(
    random: Random, data: bytes, kind: Descriptor, mutations: tuple[Mutation, ...] = ALL, most: int = 4
) -> bytes:
    """A well-formed message, bent a few times in random places."""
    tree = decode(data, kind)
    for _ in range(random.randint(1, most)):
        message, own = random.choice(messages(tree, kind))
        random.choice(mutations)(random, message, own)
    return encode(tree)


def corrupt(random: Random, data: bytes) -> bytes:
    """Bytes flipped, cut, doubled, replaced: no knowledge of what they are."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(out)) if out else 0
        match random.randrange(6):
            case 0 if out:
                out[at] ^= 1 << random.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:at] = random.randbytes(random.randint(1, 8))
            case 3:
                out[at : at + random.randint(1, 16)] = b""
            case 4:
                out[at:at] = out[at : at + random.randint(1, 64)]
            case _ if out:
                out[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5B, 0x7B, 0x2D))
    return bytes(out)


def _wire_of(field: FieldDescriptor) -> int:
    if field.cpp_type in _WIRES:
        return _WIRES[field.cpp_type]
    fixed_64 = (FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64, FieldDescriptor.TYPE_DOUBLE)
    fixed_32 = (FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32, FieldDescriptor.TYPE_FLOAT)
    return FIXED_64 if field.type in fixed_64 else FIXED_32 if field.type in fixed_32 else VARINT
