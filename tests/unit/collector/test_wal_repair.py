"""What damage costs: a table of corruptions, and how many records each leaves intact."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.quarantine import Quarantine
from collector.wal import State, SystemFiles, lane_folder
from collector.wal.frame import HEADER_BYTES, MARKER, Damage, Damaged, decode, encode
from collector.wal.replay import recover
from collector.wal.segment import HEADER_BYTES as SEGMENT_HEADER_BYTES
from collector.wal.segment import SegmentHeader, encode_header, parse_segment, read_segment
from core import ConfigurationError, ManualClock
from storage import Signal
from tests.unit.collector.support import frame, open_log

SALT = b"salt"
FRAMES = [frame(number) for number in range(1, 6)]
ENCODED = [b"".join(encode(one, SALT)) for one in FRAMES]
STARTS = [SEGMENT_HEADER_BYTES + sum(map(len, ENCODED[:index])) for index in range(5)]
WHOLE = encode_header(SegmentHeader(7, 1_000, SALT)) + b"".join(ENCODED)


def changed(at: int, new: bytes) -> bytes:
    """The segment with other bytes at an offset."""
    return WHOLE[:at] + new + WHOLE[at + len(new) :]


def with_bad_content(index: int) -> bytes:
    """A frame whose checksum is right and whose signal does not exist."""
    header = bytearray(ENCODED[index])
    header[HEADER_BYTES - 4] = 9  # the signal
    header[8:12] = zlib.crc32(bytes(header[12:])).to_bytes(4, "little")
    return changed(STARTS[index], bytes(header))


# name, bytes, records left intact, regions set aside with their reason, whether bytes are cut from the end
TABLE: list[tuple[str, bytes, int, list[Damage], bool]] = [
    ("intact", WHOLE, 5, [], False),
    ("torn_tail in a payload", WHOLE[:-3], 4, [], True),
    ("torn_tail in a header", WHOLE[: STARTS[4] + 5], 4, [], True),
    ("torn_tail of random bytes", WHOLE + bytes(range(1, 200)), 5, [], True),
    ("torn_tail that repeats the marker", WHOLE + MARKER * 9, 5, [], True),
    ("bad_length, too large, inside", changed(STARTS[2] + 12, b"\xff\xff\xff\x7f"), 4, [Damage.BAD_LENGTH], False),
    ("bad_length, too small, inside", changed(STARTS[2] + 12, b"\x06\0\0\0"), 4, [Damage.BAD_CHECKSUM], False),
    ("bad_length at the end", changed(STARTS[4] + 12, b"\xff\xff\xff\x7f"), 4, [], True),
    ("bad_checksum of the first", changed(STARTS[0] + HEADER_BYTES + 6, b"?"), 4, [Damage.BAD_CHECKSUM], False),
    ("bad_checksum in the middle", changed(STARTS[3] - 1, b"?"), 4, [Damage.BAD_CHECKSUM], False),
    ("bad_checksum and bad_marker in a row", changed(STARTS[3] - 9, b"?" * 30), 3, [Damage.BAD_CHECKSUM], False),
    ("bad_checksum of two in a row", changed(STARTS[2] - 1, b"?" + ENCODED[2][:-1] + b"?"), 3,
     [Damage.BAD_CHECKSUM] * 2, False),
    ("bad_checksum of the last two", changed(STARTS[4] - 1, b"?" + ENCODED[4][:-1] + b"?"), 3, [], True),
    ("bad_content in the middle", with_bad_content(1), 4, [Damage.BAD_CONTENT], False),
    ("bad_marker in the middle", changed(STARTS[1], b"????"), 4, [Damage.BAD_MARKER], False),
    ("zero_page at the end", WHOLE + bytes(4096), 5, [], True),
    ("zero_page in the middle", changed(STARTS[1], bytes(len(ENCODED[1]))), 4, [Damage.BAD_MARKER], False),
    ("damaged segment header", changed(2, b"?"), 5, [Damage.BAD_MARKER], False),
    ("nothing but zeros", bytes(len(WHOLE)), 0, [], True),
    ("empty file", b"", 0, [], False),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "intact", "bad", "cut"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_reading_keeps_every_good_frame(raw: bytes, intact: int, bad: list[Damage], cut: bool) -> None:
    """A damaged frame costs itself alone, and every byte is accounted for."""
    content = parse_segment(7, raw)
    assert len(content.frames) == intact
    assert set(content.frames) <= set(FRAMES)
    assert [region.reason for region in content.bad] == bad
    assert bool(content.torn_bytes) == cut
    header = 0 if (content.bad and content.bad[0].offset == 0) or not content.frames else SEGMENT_HEADER_BYTES
    good = sum(len(b"".join(encode(one, SALT))) for one in content.frames)
    if content.frames:
        assert header + good + sum(region.length for region in content.bad) + content.torn_bytes == len(raw)


@pytest.mark.parametrize(("raw", "intact", "bad", "cut"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_opening_repairs_the_tail(
    raw: bytes, intact: int, bad: list[Damage], cut: bool, tmp_path: Path, clock: ManualClock
) -> None:
    """After a start the file ends with its last good frame; what was cut is kept, unless it was all zeros."""
    lane = lane_folder(tmp_path, 0)
    lane.mkdir(parents=True)
    (lane / f"00000007.v1.{State.OPEN}").write_bytes(raw)
    log = open_log(tmp_path, clock)
    log.close()
    path, kept = lane / "00000007.v1.seg", list((tmp_path / "quarantine").glob("*torn_tail.bin"))
    assert path.exists() == bool(intact)
    if intact:
        content = read_segment(path, 7)
        assert (len(content.frames), content.torn_bytes) == (intact, 0)
        tail = raw[content.end :]
        assert [file.read_bytes() for file in kept] == ([tail] if any(tail) else [])
    again = open_log(tmp_path, clock)
    again.close()
    assert list((tmp_path / "quarantine").glob("*torn_tail.bin")) == kept, "a second start finds nothing to repair"


def test_a_repair_leaves_sealed_segments_to_those_who_store(tmp_path: Path, clock: ManualClock) -> None:
    """They may be renamed and removed while the lane's next writer starts: it must neither read nor miss them."""
    lane = lane_folder(tmp_path, 0)
    lane.mkdir(parents=True)
    for number, state in ((5, State.OPEN), (6, State.SEALED), (7, State.SEALED), (8, State.SETTLED)):
        encoded = encode_header(SegmentHeader(number, 1_000, SALT)) + ENCODED[0]
        (lane / f"{number:08d}.v1.{state}").write_bytes(encoded)
    repair = recover(lane, SystemFiles(), Quarantine(tmp_path / "quarantine", clock))
    first = next(repair)
    (lane / "00000006.v1.seg").rename(lane / "00000006.v1.done")
    (lane / "00000007.v1.seg").unlink()
    (lane / "00000008.v1.done").unlink()
    assert [one.content.segment for one in (first, *repair)] == [5]
    log = open_log(tmp_path, clock)
    assert log.append([frame()]).segment > 6
    log.close()


def test_the_claim_of_a_damaged_frame_survives() -> None:
    """The ledger can count what was lost: signal, tenant and items stand in the header."""
    (region,) = parse_segment(7, changed(STARTS[3] - 1, b"?")).bad
    assert (region.claim.signal, region.claim.tenant, region.claim.items) == (Signal.TRACES, "shop", 2)


def test_a_forged_frame_inside_a_payload_is_not_found() -> None:
    """A caller who knows the format does not know the salt, so his bytes are no frame even where the log is damaged."""
    forged = b"".join(encode(frame(9, tenant="victim"), b"evil"))
    outer = b"".join(encode(type(FRAMES[0])(Signal.LOGS, "shop", 5, 1, forged), SALT))
    damaged = bytearray(outer)
    damaged[12:16] = b"\xff\xff\xff\x7f"
    raw = encode_header(SegmentHeader(7, 1_000, SALT)) + bytes(damaged) + ENCODED[0]
    assert [one.tenant for one in parse_segment(7, raw).frames] == ["shop"]


def test_another_format_version_is_not_touched(tmp_path: Path, clock: ManualClock) -> None:
    """An older program does not repair what it does not understand."""
    lane = lane_folder(tmp_path, 0)
    lane.mkdir(parents=True)
    (lane / "00000007.v2.seg").write_bytes(b"from the future")
    with pytest.raises(ConfigurationError, match="version 2"):
        open_log(tmp_path, clock)
    assert (lane / "00000007.v2.seg").read_bytes() == b"from the future"


@given(
    st.sampled_from(list(Signal)), st.text("äbc☃", min_size=1, max_size=20), st.binary(min_size=9), st.integers(1, 9)
)
def test_frames_round_trip(signal: Signal, tenant: str, payload: bytes, items: int) -> None:
    """What goes in comes out, and the offset behind it is the end."""
    sent = type(FRAMES[0])(signal, tenant, 2**63, items, payload)
    raw = b"".join(encode(sent, SALT))
    assert decode(memoryview(raw), 0, SALT) == (sent, len(raw))


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)))
@example(b"OPSF", 0)  # a damaged header that looks like a frame: its salt hid all real frames once
@example(bytes(SEGMENT_HEADER_BYTES) + b"OPSF", 0)
def test_any_overwrite_is_survived(noise: bytes, at: int) -> None:
    """Whatever stands in the file, reading ends, invents nothing and never raises."""
    raw = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    content = parse_segment(7, raw)
    assert set(content.frames) <= set(FRAMES)
    untouched = [start for start, one in zip(STARTS, ENCODED, strict=True) if raw[start : start + len(one)] == one]
    assert len(content.frames) >= len(untouched) - (at < SEGMENT_HEADER_BYTES)


@given(st.integers(0, len(ENCODED[0]) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(at: int, bit: int) -> None:
    """The checksum guards the header as well as the payload."""
    raw = bytearray(ENCODED[0])
    raw[at] ^= 1 << bit
    assert isinstance(decode(memoryview(bytes(raw)), 0, SALT), Damaged)
