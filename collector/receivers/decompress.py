"""Bodies out of their content encoding, never more than the limit of them in memory.

A bomb is refused at the first byte beyond the limit, after work and memory in proportion to the limit. What is cut
short, followed by something else, or not of the claimed encoding is refused as invalid.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

from backports import zstd

from core import InvalidInput, TooLarge, UnsupportedMedia

_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def unpack(self, data: bytes, room: int) -> tuple[bytes, bool]: ...


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def unpack(self, data: bytes, room: int) -> tuple[bytes, bool]:
        """At most `room` bytes, and whether there is more."""
        out = self._inner.decompress(data, room)
        return out, bool(self._inner.unconsumed_tail) or len(out) == room


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 24})

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def unpack(self, data: bytes, room: int) -> tuple[bytes, bool]:
        """At most `room` bytes, and whether there is more."""
        out = bytes(self._inner.decompress(data, room))
        return out, not self._inner.eof and not self._inner.needs_input


def _deflate(body: bytes) -> _Unpacker:
    """HTTP's deflate is zlib's format; some clients send it bare."""
    wrapped = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _Zlib(_ZLIB if wrapped else _RAW)


_UNPACKERS: dict[str, Callable[[bytes], _Unpacker]] = {
    "gzip": lambda _: _Zlib(_GZIP),
    "x-gzip": lambda _: _Zlib(_GZIP),
    "deflate": _deflate,
    "zstd": lambda _: _Zstd(),
}


def check_encoding(encoding: str) -> str:
    """The content encoding in lower case, "" for none. Raises UnsupportedMedia."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return ""
    if name not in _UNPACKERS:
        known = ", ".join(sorted({*_UNPACKERS} - {"x-gzip"}))
        raise UnsupportedMedia(f"the content encoding {encoding[:80]!r} is not known", hint=f"use one of {known}")
    return name


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before `encoding`. Raises TooLarge beyond `limit` bytes, InvalidInput when it is damaged."""
    if not encoding:
        return body
    parts, size, rest = list[bytes](), 0, body
    try:
        while True:
            unpacker = _UNPACKERS[encoding](rest)
            out, more = unpacker.unpack(rest, limit + 1 - size)
            parts.append(out)
            size += len(out)
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes when decompressed")
            if more or not unpacker.eof:
                raise InvalidInput(f"the {encoding} body is cut short")
            rest = unpacker.unused_data
            if not rest:
                return parts[0] if len(parts) == 1 else b"".join(parts)
    except (zlib.error, zstd.ZstdError) as problem:
        raise InvalidInput(f"the body is not {encoding}: {problem}") from None
