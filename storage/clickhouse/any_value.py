"""An attribute value as the engine reads it: as a message, or faster as the bytes of that message.

As a message an AnyValue takes six columns, as bytes it takes one, and its text is found by tag and length; for a span
of ten attributes reading and decoding cost a fifth less. The price is an expression that every insert has to analyse
again, so only what is frequent is read so: the attributes of spans and log records. The expression knows values as
every encoder writes them. What else protobuf allows (two fields in one value, a padded length, unknown fields) it does
not read but refuses: the insert fails, and `normal.normalized` rewrites the request.
"""

from __future__ import annotations

MESSAGE = (
    "Tuple(value Enum8('unset' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, "
    "'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, "
    "bytes_value String)"
)
BYTES = "String"


def text(value: str) -> str:
    """An AnyValue as text: strings as they are, numbers in decimal, true or false, bytes in base64, unset empty."""
    return (
        f"multiIf({value}.value = 'string_value', {value}.string_value, "
        f"{value}.value = 'int_value', toString({value}.int_value), "
        f"{value}.value = 'double_value', toString({value}.double_value), "
        f"{value}.value = 'bool_value', if({value}.bool_value, 'true', 'false'), "
        f"{value}.value = 'bytes_value', base64Encode({value}.bytes_value), '')"
    )


def text_of_bytes(value: str) -> str:
    """The same from the AnyValue's bytes: one field, with its tag, its length if it has one, and nothing behind it.

    Branches are tried in this order, the frequent ones first. What may fail in one (CAST, throwIf) the engine evaluates
    only for the values that came so far (`short_circuit_function_evaluation`); what is cheap, for all of them.
    """
    size, tag = f"length({value})", f"reinterpretAsUInt8({value})"
    head = f"(2 + ({size} > 129) + ({size} > 16386) + ({size} > 2097155))"  # what tag and shortest length take
    content = f"substring({value}, {head} + 1)"
    number = f"reinterpretAsUInt64(substring({value}, 2, 8))"
    more = 0x8080808080808080  # set in every byte of a number but its last
    wanted = f"bitShiftRight({more >> 8}, 8 * (9 - least({size}, 9)))"  # computed for every value, so it must not fail
    small = f"{size} BETWEEN 2 AND 9 AND bitAnd({number}, {more}) = {wanted}"
    branches = {
        f"{size} < 130 AND reinterpretAsUInt16({value}) = 256 * {size} - 502": f"substring({value}, 3)",
        f"{tag} = 24 AND {small}": f"toString({_low_bits(number)})",
        f"{value} = ''": "''",
        f"{tag} = 16 AND {value} IN ('\\x10\\x00', '\\x10\\x01')": f"if(endsWith({value}, '\\x01'), 'true', 'false')",
        f"{tag} = 33 AND {size} = 9": f"toString(reinterpretAsFloat64(substring({value}, 2)))",
        f"{tag} = 24": f"toString(reinterpretAsInt64({_varint(f'substring({value}, 2)')}))",
        f"{tag} IN (10, 58) AND {_varint(f'substring({value}, 2, {head} - 1)')} = {size} - {head}": (
            f"if({tag} = 10, {content}, base64Encode({content}))"
        ),
    }
    listed = ", ".join(f"{condition}, {found}" for condition, found in branches.items())
    return f"multiIf({listed}, toString(throwIf({size} > 0, 'a value in an unusual encoding')))"


def _low_bits(number: str) -> str:
    """The seven low bits of eight bytes side by side: neighbours are joined in pairs, fours and eights.

    https://protobuf.dev/programming-guides/encoding/#varints
    """
    pairs = f"(bitAnd({number}, {0x007F007F007F007F}) + bitShiftRight(bitAnd({number}, {0x7F007F007F007F00}), 1))"
    fours = f"(bitAnd({pairs}, {0x00003FFF00003FFF}) + bitShiftRight(bitAnd({pairs}, {0x3FFF00003FFF0000}), 2))"
    return f"(bitAnd({fours}, {0x0FFFFFFF}) + bitShiftRight(bitAnd({fours}, {0x0FFFFFFF << 32}), 4))"


def _varint(data: str) -> str:
    """The number that all of `data` encodes, up to 64 bits; an error of the engine if that is no number or more.

    A count's state is stored as just such a number. Slower than `_low_bits`, for what is rare.
    """
    return f"finalizeAggregation(CAST({data}, 'AggregateFunction(count)'))"
