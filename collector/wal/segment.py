"""A segment: an immutable file of frames whose id is, forever, the deduplication token of what it holds.

A reader finds every good frame, also behind damaged ones, and says what it could not read. Bytes at the end behind
which no good frame follows are a torn tail: a write that was never acknowledged. This file does not repair.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isal.isal_zlib import crc32

from collector.wal.frame import MARKER, PREFIX_BYTES, SALT_BYTES, Claim, Damage, Damaged, Frame, decode

MAGIC = b"OPSINWAL"
VERSION = 1
_HEADER = struct.Struct(f"<8sHHQQ{SALT_BYTES}sI")  # magic, version, length, segment id, created at (ns), salt, checksum
HEADER_BYTES = _HEADER.size
GUESSES = 64
"""How many markers are looked at when the header is damaged."""
_NAME = re.compile(r"^(\d{8,20})(?:-(\d+))?\.v(\d+)\.(open|seg|done)$")


class State(StrEnum):
    """What stands at the end of a segment's file name."""

    OPEN = "open"  # its log may be writing it
    SEALED = "seg"  # it will not change
    SETTLED = "done"  # what became of its items is committed; kept until the engine's data is safely on disk


@dataclass(frozen=True)
class SegmentFile:
    """A segment as its file's name tells it; only the first `length` bytes count, all of them if None."""

    segment: int
    state: State
    path: Path
    length: int | None = None

    def named(self, state: State) -> Path:
        """The path of the same file in another state."""
        return self.path.with_name(file_name(self.segment, state, self.length))


@dataclass(frozen=True)
class SegmentHeader:
    """`created_ns`: nanoseconds since the Unix epoch; `salt`: what every frame of the segment begins with."""

    segment: int
    created_ns: int
    salt: bytes


@dataclass(frozen=True)
class BadRegion:
    """Bytes between good frames that are none, with the best guess at what they were."""

    offset: int
    length: int
    reason: Damage
    claim: Claim


@dataclass(frozen=True)
class SegmentContent:
    """All that can be read: frames with their offsets, damage, and `end`, where the torn tail begins."""

    segment: int
    created_ns: int
    frames: tuple[Frame, ...]
    offsets: tuple[int, ...]
    bad: tuple[BadRegion, ...]
    end: int
    torn_bytes: int

    @property
    def received_ns(self) -> int:
        """When the first frame came, which may be long after the segment was created; nanoseconds since the epoch."""
        return self.frames[0].received_at_ns if self.frames else self.created_ns


def file_name(segment: int, state: State = State.SEALED, length: int | None = None) -> str:
    """`00000042.v1.seg`: sorts by id, names the format and the state; `00000042-512.v1.seg` where 512 bytes count."""
    cut = "" if length is None else f"-{length}"
    return f"{segment:08d}{cut}.v{VERSION}.{state}"


def segment_file(path: Path) -> SegmentFile | None:
    """What a path's name tells; None for any other file. Raises ValueError on a format of another version."""
    match = _NAME.match(path.name)
    if not match:
        return None
    if int(match[3]) != VERSION:
        raise ValueError(f"{path.name} has the format version {match[3]}, this program reads {VERSION}")
    return SegmentFile(int(match[1]), State(match[4]), path, int(match[2]) if match[2] else None)


def encode_header(header: SegmentHeader) -> bytes:
    """The first bytes of a segment."""
    plain = _HEADER.pack(MAGIC, VERSION, HEADER_BYTES, header.segment, header.created_ns, header.salt, 0)[:-4]
    return plain + crc32(plain).to_bytes(4, "little")


def decode_header(data: bytes | memoryview) -> SegmentHeader | None:
    """The header, or None where the bytes are none of this version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, length, segment, created, salt, checksum = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION or length != HEADER_BYTES:
        return None
    return SegmentHeader(segment, created, salt) if crc32(data[: HEADER_BYTES - 4]) == checksum else None


def parse_segment(segment: int, raw: bytes) -> SegmentContent:
    """Reads the bytes of a segment whose file name has this id."""
    data, frames, offsets, bad = memoryview(raw), list[Frame](), list[int](), list[BadRegion]()
    header, at = decode_header(data), HEADER_BYTES
    if header is None or header.segment != segment:
        header, at = _guess_header(segment, raw), 0
    while at < len(raw):
        found = decode(data, at, header.salt)
        if not isinstance(found, Damaged):
            frames.append(found[0])
            offsets.append(at)
            at = found[1]
            continue
        following = _next_start(data, raw, at, header.salt, found)
        if following is None:
            break
        bad.append(BadRegion(at, following - at, found.reason, found.claim))
        at = following
    while at < len(raw) and bad and bad[-1].offset + bad[-1].length == at:  # nothing good follows them: torn, too
        at = bad.pop().offset
    created = header.created_ns or (frames[0].received_at_ns if frames else 0)
    return SegmentContent(segment, created, tuple(frames), tuple(offsets), tuple(bad), at, len(raw) - at)


def read_segment(path: Path, segment: int, length: int | None = None) -> SegmentContent:
    """Reads the file, or its first `length` bytes."""
    with path.open("rb") as file:
        return parse_segment(segment, file.read() if length is None else file.read(length))


def _guess_header(segment: int, raw: bytes) -> SegmentHeader:
    """For a damaged header: the first salt that a good frame has, among those of what looks like a frame.

    In order of place, so that a frame comes before anything that a caller put into its payload.
    """
    data, salts = memoryview(raw), dict.fromkeys(_salts(raw))
    good = (salt for salt in salts if _next_start(data, raw, -1, salt, Damaged(Damage.BAD_MARKER, Claim())) is not None)
    return SegmentHeader(segment, 0, next(good, next(iter(salts), bytes(SALT_BYTES))))


def _salts(raw: bytes) -> Iterator[bytes]:
    """What stands behind the first markers."""
    at = raw.find(MARKER)
    for _ in range(GUESSES):
        if at < 0:
            return
        yield raw[at + len(MARKER) : at + PREFIX_BYTES].ljust(SALT_BYTES, b"\0")
        at = raw.find(MARKER, at + 1)


def _next_start(data: memoryview, raw: bytes, at: int, salt: bytes, damaged: Damaged) -> int | None:
    """Where the next frame begins: where the damaged one says that it ends, if one begins there, else the next good."""
    claimed = at + damaged.claim.length
    if damaged.claim.length and raw.startswith(MARKER + salt, claimed):
        return claimed
    candidate = raw.find(MARKER + salt, at + 1)
    while candidate >= 0:
        if not isinstance(decode(data, candidate, salt), Damaged):
            return candidate
        candidate = raw.find(MARKER + salt, candidate + 1)
    return None
