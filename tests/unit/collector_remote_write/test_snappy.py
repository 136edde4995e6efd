"""Blocks unpacked within the limit, or refused before anything is allocated."""

from __future__ import annotations

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.remote_write.snappy import unpack
from core import InvalidInput, TooLarge


@given(st.binary(max_size=5000) | st.binary(max_size=3).map(lambda piece: piece * 5000))
def test_round_trip(data: bytes) -> None:
    """Whatever the density: no honest block is taken for a dishonest one."""
    assert unpack(bytes(cramjam.snappy.compress_raw(data)), 20_000) == data


def test_the_limit() -> None:
    block = bytes(cramjam.snappy.compress_raw(bytes(1001)))
    assert len(unpack(block, 1001)) == 1001
    with pytest.raises(TooLarge, match="1001 bytes when decompressed, 1000 are allowed"):
        unpack(block, 1000)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff",
        b"\xff" * 20,
        b"\xff\xff\xff\xff\x7f",
        b"\x80\x80\x80\x04",  # announces 8 MiB, holds nothing
        bytes(cramjam.snappy.compress_raw(b"abc" * 100))[:-1],
        bytes(cramjam.snappy.compress_raw(b"abc" * 100)) + b"x",
        bytes(cramjam.snappy.compress(b"abc")),  # the framed format, which is not the block format
    ],
    ids=range(8),
)
def test_refused(block: bytes) -> None:
    with pytest.raises(InvalidInput):
        unpack(block, 1 << 24)


@given(st.binary(max_size=100))
def test_no_block_breaks_it(block: bytes) -> None:
    try:
        assert len(unpack(block, 1 << 16)) <= 1 << 16
    except InvalidInput:
        return
