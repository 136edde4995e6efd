"""Compressed bodies: good ones, and such as are cut, damaged, doubled, wrongly named, or explode."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random

from backports import zstd

ENCODINGS = ("gzip", "deflate", "zstd")


def pack(encoding: str, data: bytes) -> bytes:
    """The data in a content encoding."""
    match encoding:
        case "gzip":
            return gzip.compress(data)
        case "deflate":
            return zlib.compress(data)
    return bytes(zstd.compress(data))


def broken(random: Random, data: bytes) -> tuple[str, bytes, bool]:
    """An encoding, a body, and whether that is a good one with the data in it."""
    encoding = random.choice(ENCODINGS)
    body = pack(encoding, data)
    match random.randrange(8):
        case 0:
            return encoding, body[: random.randrange(1, len(body))], False
        case 1:
            return encoding, body + random.randbytes(random.randint(1, 9)), False
        case 2:
            return random.choice([one for one in ENCODINGS if one != encoding]), body, False
        case 3:
            return encoding, random.randbytes(random.randint(1, 200)), False
        case 4:
            return random.choice(("br", "compress", "gzip, gzip", "x" * 500)), body, False
        case 5:
            return encoding, pack(encoding, bytes(40 << 20)), False
        case 6 if encoding != "deflate":  # a second stream behind the first belongs to it
            at = random.randrange(len(data))
            return encoding, pack(encoding, data[:at]) + pack(encoding, data[at:]), True
    return encoding, body, True


@cache
def packed(encoding: str, size: int) -> bytes:
    """So many zeros."""
    match encoding:
        case "gzip" | "deflate":
            inner = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
            return b"".join(inner.compress(part) for part in _zeros(size)) + inner.flush()
    compressor = zstd.ZstdCompressor()
    return b"".join(compressor.compress(part) for part in _zeros(size)) + compressor.flush()


def _zeros(size: int) -> Iterator[bytes]:
    part = bytes(1 << 20)
    for _ in range(size >> 20):
        yield part
