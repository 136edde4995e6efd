"""Snappy's block format, which remote write always uses, never more than the limit in memory.

A block begins with its length when unpacked, so a bomb is refused before anything is allocated; so is a length that no
block of this size can have.
"""

from __future__ import annotations

import cramjam

from core import InvalidInput, TooLarge

_MOST_FROM_A_BYTE = 22
"""The densest element makes 64 bytes out of 3."""


def announced_length(block: bytes) -> int:
    """The length that the block's head announces. Raises InvalidInput."""
    length = 0
    for index, byte in enumerate(block[:5]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if length >= 1 << 32:
                break
            return length
    raise InvalidInput("the body is no snappy block: it does not begin with a length")


def unpack(block: bytes, limit: int) -> bytes:
    """The block unpacked. Raises TooLarge beyond `limit` bytes, InvalidInput when it is damaged."""
    length = announced_length(block)
    if length > limit:
        raise TooLarge(f"the body has {length} bytes when decompressed, {limit} are allowed")
    if length > len(block) * _MOST_FROM_A_BYTE:
        raise InvalidInput(f"the body is no snappy block: {len(block)} bytes cannot hold {length}")
    try:
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as problem:
        raise InvalidInput(f"the body is no snappy block: {problem}") from None
