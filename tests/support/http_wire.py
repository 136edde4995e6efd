"""The part of HTTP/1.1 that a ClickHouse client speaks, on blocking sockets: requests in, answers out.

Bodies go into one buffer with as few copies as Python allows, because the requests are inserts of tens of megabytes and
the server's own work must stay small beside the engine's. It is test support: no TLS, no pipelining, no limits.
"""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from urllib.parse import parse_qsl, urlsplit

import lz4.block
import lz4.frame
from backports import zstd

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
RECEIVE_BYTES = 1 << 20


class Gone(Exception):
    """The other side has closed the connection, or sends what is not HTTP."""


@dataclass(frozen=True)
class Head:
    """A request without its body; `headers` have lower-case names."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))


def read_head(reader: BufferedReader) -> Head | None:
    """The next request's head; None when the connection ended between requests. Raises Gone."""
    line = reader.readline(1 << 20)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3:
        raise Gone(f"not a request line: {line[:100]!r}")
    headers: dict[str, str] = {}
    while (field := reader.readline(1 << 16)) not in (b"\r\n", b"\n"):
        if not field:
            raise Gone("the connection ended within the headers")
        name, _, value = field.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    url = urlsplit(parts[1])
    return Head(parts[0], url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers)


def read_body(reader: BufferedReader, head: Head, limit: int | None = None) -> bytes | bytearray:
    """The body as it was sent; with `limit` it stops once it has that many bytes. Raises Gone."""
    if head.chunked:
        body = bytearray()
        while True:
            line = reader.readline(256)
            if not line:
                raise Gone("the connection ended within a chunked body")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while reader.readline(1 << 16) not in (b"\r\n", b"\n", b""):
                    pass
                return body
            start = len(body)
            body.extend(bytes(size))
            _fill(reader, memoryview(body)[start:])
            reader.readline(16)
            if limit is not None and len(body) >= limit:
                return body
    whole = bytearray(head.length if limit is None else min(limit, head.length))
    _fill(reader, memoryview(whole))
    return whole


def _fill(reader: BufferedReader, view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = reader.readinto(view[done:])
        if not count:
            raise Gone("the connection ended within a body")
        done += count


# --- compression ---


def unpack(body: bytes | bytearray, head: Head) -> bytes | bytearray:
    """The body without its Content-Encoding, and without ClickHouse's own blocks when `decompress=1` asks for it."""
    encoding = head.headers.get("content-encoding", "").lower()
    if encoding in ("gzip", "x-gzip"):
        body = gzip.decompress(body)
    elif encoding == "deflate":
        body = zlib.decompress(body)
    elif encoding == "zstd":
        body = zstd.decompress(bytes(body))
    elif encoding == "lz4":
        body = lz4.frame.decompress(bytes(body))
    elif encoding not in ("", "identity"):
        raise ValueError(f"unknown Content-Encoding {encoding!r}")
    return unpack_blocks(body) if head.query.get("decompress") == "1" else body


def unpack_blocks(body: bytes | bytearray) -> bytes:
    """ClickHouse's native compression: 16 bytes of checksum (not verified), method, both sizes, data; repeated."""
    found, view, at = [], memoryview(body), 0
    while at < len(view):
        method, packed, plain = struct.unpack_from("<BII", view, at + 16)
        data = view[at + 25 : at + 16 + packed]
        if method == 0x82:
            found.append(lz4.block.decompress(data, uncompressed_size=plain))
        elif method == 0x90:
            found.append(zstd.decompress(bytes(data)))
        elif method == 0x02:
            found.append(bytes(data))
        else:
            raise ValueError(f"unknown compression method {method:#x}")
        at += 16 + packed
    return b"".join(found)


def pack(body: bytes, accepted: str) -> tuple[bytes, str]:
    """The answer in the first encoding of an Accept-Encoding that is known here, and that encoding's name."""
    for one in accepted.split(","):
        name = one.split(";")[0].strip().lower()
        if name == "gzip":
            return gzip.compress(body, 1), name
        if name == "zstd":
            return zstd.compress(body, 1), name
        if name == "lz4":
            return lz4.frame.compress(body), name
        if name == "deflate":
            return zlib.compress(body, 1), name
    return body, ""


# --- answers ---


def answer(
    connection: socket.socket, status: int, body: bytes, headers: Mapping[str, str], *, half: bool = False
) -> None:
    """Sends a whole answer, or with `half` only the first half of its body, or of its head when it has none."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    lines += ["Connection: keep-alive", f"Content-Length: {len(body)}", "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if half:
        connection.sendall(head + body[: len(body) // 2] if body else head[: len(head) // 2])
    else:
        connection.sendall(head + body)


def cut(connection: socket.socket) -> None:
    """Ends the connection with a reset, as a killed process or a firewall would."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
