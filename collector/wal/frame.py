"""A frame: one accepted request as it stands in a segment, guarded by a checksum.

The byte layout is in docs/wal-format.md. A checksum finds accidents, not attackers; the salt that every frame of a
process begins with keeps bytes that a client chose from being taken for a frame when a damaged log is searched. This
file promises nothing about disks: it turns frames into bytes and back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from isal.isal_zlib import crc32

from storage import Signal

MARKER = b"OPSF"
SALT_BYTES = 4
PREFIX_BYTES = len(MARKER) + SALT_BYTES
_HEADER = struct.Struct("<IIIQBBH")  # checksum, body length, items, received at (ns), signal, tenant length, reason
_SUM_BYTES = 4
HEADER_BYTES = PREFIX_BYTES + _HEADER.size
MAX_BODY_BYTES = 1 << 30
MAX_TENANT_BYTES = 255
_CODES = {Signal.TRACES: 1, Signal.LOGS: 2, Signal.METRICS: 3}
_SIGNALS = {code: signal for signal, code in _CODES.items()}


class Damage(StrEnum):
    """Why bytes are no frame."""

    BAD_MARKER = "bad_marker"  # nothing begins here
    BAD_LENGTH = "bad_length"  # the length is out of range or runs past the end
    BAD_CHECKSUM = "bad_checksum"  # header and body do not belong together
    BAD_CONTENT = "bad_content"  # the checksum is right, the content is not one that this version writes


@dataclass(frozen=True, slots=True)
class Frame:
    """An accepted request: `items` spans, log records or metric points in `payload`, serialized OTLP.

    `reason` is 0 for what is to be stored, else the code of why all of it belongs into quarantine.
    """

    signal: Signal
    tenant: str
    received_at_ns: int
    items: int
    payload: bytes
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What the header of damaged bytes says of them; to be believed only as a best guess."""

    signal: Signal | None = None
    tenant: str = ""
    items: int = 1
    length: int = 0


@dataclass(frozen=True, slots=True)
class Damaged:
    """Bytes at an offset that are no frame, and what they claim to be."""

    reason: Damage
    claim: Claim


def encoded_size(frame: Frame) -> int:
    """The bytes that the frame takes in a segment. Raises ValueError on what no frame holds."""
    tenant = len(frame.tenant.encode())
    if not 0 < tenant <= MAX_TENANT_BYTES:
        raise ValueError(f"a tenant's name has 1 to {MAX_TENANT_BYTES} bytes, got {frame.tenant!r}")
    if tenant + len(frame.payload) > MAX_BODY_BYTES or not frame.payload or not 0 < frame.items <= len(frame.payload):
        raise ValueError(
            f"a frame has items and at least their number of bytes, got {frame.items} items, {len(frame.payload)} bytes"
        )
    return HEADER_BYTES + tenant + len(frame.payload)


def encode(frame: Frame, salt: bytes) -> tuple[bytes, bytes]:
    """Header with tenant, and payload, to be written one after the other."""
    tenant = frame.tenant.encode()
    length, code = len(tenant) + len(frame.payload), _CODES[frame.signal]
    numbers = (0, length, frame.items, frame.received_at_ns, code, len(tenant), frame.reason)
    guarded = _HEADER.pack(*numbers)[_SUM_BYTES:] + tenant
    checksum = crc32(frame.payload, crc32(guarded))
    return MARKER + salt + checksum.to_bytes(_SUM_BYTES, "little") + guarded, frame.payload


def decode(data: memoryview, at: int, salt: bytes) -> tuple[Frame, int] | Damaged:
    """The frame at the offset and the offset behind it, or why there is none."""
    if data[at : at + PREFIX_BYTES] != MARKER + salt:
        return Damaged(Damage.BAD_MARKER, Claim())
    if len(data) - at < HEADER_BYTES:
        return Damaged(Damage.BAD_LENGTH, Claim())
    start = at + PREFIX_BYTES
    checksum, length, items, received, code, tenant_length, reason = _HEADER.unpack_from(data, start)
    body, end = at + HEADER_BYTES, at + HEADER_BYTES + length
    name = bytes(data[body : body + tenant_length])
    claim = Claim(
        _SIGNALS.get(code), name.decode(errors="replace"), items if 0 < items <= length else 1, HEADER_BYTES + length
    )
    if not tenant_length < length <= MAX_BODY_BYTES or end > len(data):
        return Damaged(Damage.BAD_LENGTH, claim)
    if crc32(data[start + _SUM_BYTES : end]) != checksum:
        return Damaged(Damage.BAD_CHECKSUM, claim)
    signal = _SIGNALS.get(code)
    if signal is None or not tenant_length or not items or claim.tenant.encode() != name:
        return Damaged(Damage.BAD_CONTENT, claim)
    return Frame(signal, claim.tenant, received, items, bytes(data[body + tenant_length : end]), reason), end


def peek(data: bytes | memoryview, at: int) -> tuple[Claim, int] | None:
    """What a frame's header says of it, unchecked, and the offset behind the frame; None where no header is.

    The bytes need not reach further than the tenant's name.
    """
    start = at + PREFIX_BYTES
    if data[at : at + len(MARKER)] != MARKER or len(data) < at + HEADER_BYTES:
        return None
    _, length, items, _, code, tenant_length, _ = _HEADER.unpack_from(data, start)
    signal, body = _SIGNALS.get(code), at + HEADER_BYTES
    name = bytes(data[body : body + tenant_length])
    if signal is None or not 0 < tenant_length == len(name) or not tenant_length < length <= MAX_BODY_BYTES:
        return None
    return Claim(signal, name.decode(errors="replace"), items, HEADER_BYTES + length), body + length
