"""Content encodings: whole or refused, and never more than the limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.decompress import check_encoding, decompress
from core import InvalidInput, TooLarge, UnsupportedMedia


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("gzip", "gzip", gzip.compress),
    ("zlib", "deflate", zlib.compress),
    ("bare deflate", "deflate", raw_deflate),
    ("zstd", "zstd", zstd.compress),
]
NAMED = pytest.mark.parametrize(("encoding", "pack"), [row[1:] for row in PACKERS], ids=[row[0] for row in PACKERS])


@NAMED
@given(data=st.binary(max_size=3000))
def test_round_trip(encoding: str, pack: Callable[[bytes], bytes], data: bytes) -> None:
    """Up to the limit, which counts after decompression."""
    assert decompress(pack(data), encoding, 3000) == data


@NAMED
def test_the_limit_is_exact(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """One byte more is too much."""
    assert len(decompress(pack(bytes(5000)), encoding, 5000)) == 5000
    with pytest.raises(TooLarge, match="4999"):
        decompress(pack(bytes(5000)), encoding, 4999)


@NAMED
def test_a_bomb_costs_no_more_than_the_limit(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """100 MB that came as some hundred kilobytes."""
    bomb = pack(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(bomb, encoding, 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@NAMED
def test_damage_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """Cut short, followed by something else, or nothing of the kind."""
    whole = pack(bytes(range(256)) * 50)
    for body in (whole[:-1], whole[: len(whole) // 2], whole + b"more", b"", b"not compressed at all"):
        with pytest.raises(InvalidInput):
            decompress(body, encoding, 1 << 20)


def test_several_members_are_one_body() -> None:
    """gzip and zstd may be concatenated (RFC 1952 2.2, RFC 8878 3.1)."""
    assert decompress(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", 100) == b"one two"
    assert decompress(zstd.compress(b"one ") + zstd.compress(b"two"), "zstd", 100) == b"one two"
    with pytest.raises(TooLarge):
        decompress(gzip.compress(b"one ") * 30, "gzip", 100)


def test_names() -> None:
    """Without case; identity is none."""
    assert [check_encoding(name) for name in ("", "Identity", " GZIP", "x-gzip", "zstd")] == ["", "", "gzip", "x-gzip", "zstd"]  # fmt: skip # noqa: E501
    for name in ("rot13", "gzip, gzip", "br"):
        with pytest.raises(UnsupportedMedia, match=name):
            check_encoding(name)
