"""The write-ahead log: how much is in it, for how long, what is damaged, and how fast its disk answers."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson

from api.doctor.model import Finding, Status, Subject, counted, graded, size_text
from collector.wal import read_segment
from core.wording import span

READ_AT_MOST = 256 << 20
_SEGMENT = re.compile(r"^(\d{8,20})(-\d+)?\.v\d+\.[a-z]+$")
_PROBE = ".doctor-probe"


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """Ids and paths of every segment below the folder, in order of id."""
    found = [(int(match[1]), path) for path in folder.rglob("*.v*") if (match := _SEGMENT.match(path.name))]
    return sorted(found)


def size(subject: Subject) -> Iterator[Finding]:
    """Bytes and segments against the limit."""
    files = segment_files(subject.settings.wal_dir)
    used, most = sum(_bytes(path) for _, path in files), subject.settings.wal_max_bytes
    share = used / most
    yield Finding(
        "log.size",
        graded(share, 0.5, 0.9),
        f"{counted(len(files), 'segment')}, {size_text(used)} of {size_text(most)} ({share:.0%})",
        "A log that grows holds data that the engine has not taken; when it is full, senders get 503 / UNAVAILABLE.",
        "Look at ingest.lag and engine.*: is the engine away, slow or read-only? Raise OPSINTEL_WAL_MAX_BYTES only"
        " if the disk has room.",
        {"segments": len(files), "bytes": used, "limit": most},
    )


def oldest(subject: Subject) -> Iterator[Finding]:
    """How long the oldest segment waits."""
    segments = segment_files(subject.settings.wal_dir)
    files = [path for _, path in segments if path.suffix != ".done" and _bytes(path) > 64]  # settled, or only a header
    if not files:
        yield Finding("log.oldest", Status.OK, "nothing waits in the log")
        return
    age = max(0.0, subject.clock.now().timestamp() - min(path.stat().st_mtime for path in files))
    if subject.running is None and not subject.in_use:
        yield Finding(
            "log.oldest",
            Status.WARN,
            f"{counted(len(files), 'segment')} left by the last stop, the oldest {span(age)} ago",
            "They hold acknowledged data that is not in the tables yet. Nothing is lost.",
            "Start the service: it stores them first.",
            {"segments": len(files), "oldest_s": age},
        )
        return
    yield Finding(
        "log.oldest",
        graded(age, 300, 3_600) if subject.running and subject.running.collector.ledger.pending() else Status.OK,
        f"the oldest of {counted(len(files), 'segment')} was last written {span(age)} ago",
        "What is acknowledged should be in the tables within seconds.",
        "Look at the service's log for 'the store is behind' and 'segment refused'.",
        {"segments": len(files), "oldest_s": age},
    )


def damage(subject: Subject) -> Iterator[Finding]:
    """What was put aside, and on a stopped service what a reading of the log finds."""
    reasons: Counter[str] = Counter()
    kept = 0
    folder = subject.settings.wal_dir / "quarantine"
    for note in folder.glob("*.json") if folder.is_dir() else ():
        try:
            reasons[str(orjson.loads(note.read_bytes()).get("reason", "unknown"))] += 1
        except (orjson.JSONDecodeError, AttributeError):
            reasons["unreadable note"] += 1
        kept += _bytes(note.with_suffix(".bin"))
    yield Finding(
        "log.quarantine",
        Status.WARN if reasons else Status.OK,
        f"{counted(sum(reasons.values()), 'piece')} kept aside, {size_text(kept)}: {_counted(reasons)}"
        if reasons
        else "empty",
        "They were damaged on disk, or the engine refused them; their items are counted as quarantined.",
        f"Look at the .json files in {folder}: each says what and why. Remove them when they are of no more use.",
        {"pieces": dict(reasons), "bytes": kept},
    )
    if subject.running is not None or subject.in_use:  # what is being written looks torn
        return
    torn, bad, unread, budget = 0, 0, 0, READ_AT_MOST
    for segment, path in segment_files(subject.settings.wal_dir):
        budget -= _bytes(path)
        if budget < 0:
            unread += 1
            continue
        content = read_segment(path, segment)
        torn, bad = torn + (content.torn_bytes > 0), bad + len(content.bad)
    yield Finding(
        "log.damage",
        Status.WARN if bad or torn else Status.OK,
        f"{counted(bad, 'damaged place')}, {counted(torn, 'torn tail')}"
        + (f"; {unread:,} segments were not read, for their size" if unread else ""),
        "A torn tail is a write that was under way at a kill; it was never acknowledged. Damage between good frames"
        " means that the disk or somebody changed what had been written.",
        "Start the service: it cuts torn tails, keeps damaged frames aside and counts them. Check the disk (smartctl,"
        " dmesg) when there is damage.",
        {"torn_segments": torn, "damaged_regions": bad, "unread_segments": unread},
    )


def sync(subject: Subject) -> Iterator[Finding]:
    """Writes, syncs and removes a small file where the log is."""
    folder = subject.settings.wal_dir if subject.settings.wal_dir.is_dir() else subject.settings.data_dir.absolute()
    if not folder.is_dir():  # disk.permissions says so
        return
    path = folder / f"{_PROBE}-{os.getpid()}"
    times = []
    try:
        for _ in range(5):
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                started = time.perf_counter()
                os.write(descriptor, b"\0" * 4096)
                os.fdatasync(descriptor)
                times.append(time.perf_counter() - started)
            finally:
                os.close(descriptor)
    except OSError as error:
        yield Finding(
            "log.sync",
            Status.FAIL,
            f"{folder} cannot be written: {error.strerror}",
            "Without writing and syncing there nothing can be acknowledged.",
            "Check owner, mode, free space and whether the file system was mounted read-only.",
        )
        return
    finally:
        path.unlink(missing_ok=True)
    typical = sorted(times)[len(times) // 2]
    yield Finding(
        "log.sync",
        graded(typical, 0.05, 0.5),
        f"a sync of 4 KiB takes {typical * 1000:,.1f} ms",
        "Every acknowledgement waits for a sync, though many share one.",
        "Put the data directory on a local SSD; avoid network file systems.",
        {"median_s": typical},
    )


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # stored and removed meanwhile
        return 0


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(5))
