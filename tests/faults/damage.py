"""Rows: what disks and people do to the files of the log."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from collector.wal import SegmentFile, State, file_name, read_segment
from collector.wal.segment import segment_file
from tests.faults.points import Point
from tests.faults.rig import Rig, Unable, small_disk, until
from tests.faults.row import Rows
from tests.support.faults import Action

rows = Rows()
SPANS = "INSERT INTO"


def _stopped_with_a_log(rig: Rig, requests: int = 300) -> None:
    """A service that was killed while its engine was slow: sealed segments wait, open ones have frames."""
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.fault(Action.DELAY, SPANS, seconds=2.0)
    with rig.load():
        rig.wait_acknowledged(requests)
        rig.kill_group()
    rig.server.clear()


@rows.row("torn write", "at the end of the open segments of two lanes", quick=True)
def torn(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.kill_group()
    lanes = set()
    for path in rig.segments("open"):
        raw = path.read_bytes()
        content = read_segment(path, _file(path).segment)
        frame = raw[content.offsets[0] : content.offsets[0] + 60] if content.frames else os.urandom(60)
        with path.open("ab") as file:  # a frame's beginning, as a write that was cut off leaves it
            file.write(frame)
        lanes.add(path.parent.name)
    rig.notes.append(f"torn in lanes {', '.join(sorted(lanes))}")
    assert len(lanes) >= 2
    rig.injected()
    rig.start().wait_open()
    assert "torn tail truncated" in rig.log_text()


@rows.row("torn write", "a page of zeros at the end of an open segment")
def zeros(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.kill_group()
    for path in rig.segments("open"):
        with path.open("ab") as file:
            file.write(bytes(4096))
    rig.injected()
    rig.start().wait_open()


@rows.row("flipped bytes", "in a frame of a sealed segment", store="server")
def flipped(rig: Rig) -> None:
    _stopped_with_a_log(rig)
    struck = _flip(rig, header=False)
    rig.notes.append(f"{struck} frames struck")
    rig.injected()
    rig.start().wait_open()


@rows.row("flipped bytes", "in the header of a sealed segment", store="server")
def flipped_header(rig: Rig) -> None:
    _stopped_with_a_log(rig)
    rig.notes.append(f"{_flip(rig, header=True)} headers struck")
    rig.injected()
    rig.start().wait_open()


def _flip(rig: Rig, *, header: bool) -> int:
    """Three bytes in one frame of each sealed segment with three frames or more, never the last; how many."""
    struck = 0
    for path in rig.segments("seg"):
        content = read_segment(path, _file(path).segment)
        if len(content.frames) < 3:
            continue
        at = 9 if header else content.offsets[1] + 60
        raw = bytearray(path.read_bytes())
        for place in range(at, at + 3):
            raw[place] ^= 0xFF
        path.write_bytes(raw)
        struck += 1
    if not struck:
        raise Unable("no sealed segment had three frames")
    return struck


@rows.row("repeated segment", "settled files get the name of sealed ones, while stopped")
def renamed_back(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: len(rig.segments("done")) >= 4)
        rig.kill_group()
    done = rig.segments("done")
    for path in done:
        path.rename(path.with_name(path.name.replace(".done", ".seg")))
    rig.notes.append(f"{len(done)} settled segments came back")
    rig.injected()
    rig.start().wait_open()


@rows.row("repeated segment", "copies of settled files as sealed ones, while running")
def copied(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        done = until(lambda: rig.segments("done"))
        count = 0
        for path in done:
            try:
                shutil.copyfile(path, path.with_name(path.name.replace(".done", ".seg")))
                count += 1
            except FileNotFoundError:
                continue  # the keeper was faster
        rig.notes.append(f"{count} settled segments copied")
        rig.injected()
        rig.wait_acknowledged()


@rows.row("repeated segment", "a copy whose original is gone, while running", store="server")
def copied_back(rig: Rig) -> None:
    """The keeper removed the settled file long ago; a restored backup brings it back."""
    rig.start().wait_open()
    aside = rig.folder / "aside"
    aside.mkdir()
    with rig.load():
        rig.wait_acknowledged(600)
    until(lambda: not any(one["pending"] for one in rig.ledger().values()))
    done = rig.segments("done")
    for path in done:
        shutil.copyfile(path, aside / path.name)
    names = {path.name: path.parent for path in done}
    rig.running.stop()
    for name, lane in names.items():
        (lane / name).unlink(missing_ok=True)
        shutil.copyfile(aside / name, lane / name.replace(".done", ".seg"))
    rig.notes.append(f"{len(names)} segments came back")
    rig.injected()
    rig.start().wait_open()


@rows.row("renamed segment", "under another id: its content once more")
def other_id(rig: Rig) -> None:
    """Somebody copies a file by hand under a free id; the window of re-sent bytes recognises every frame."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: rig.segments("done"))
        rig.kill_group()
    path = rig.segments("done")[-1]
    twin = _file(path).segment + 30
    shutil.copyfile(path, path.with_name(file_name(twin, State.SEALED)))
    rig.injected()
    rig.start().wait_open()


@rows.row("disk error", "a sync fails (EIO) in a receiver, once", refused_may_be_stored=False,
          points=(Point("p", "collector.wal.files", "SystemFiles.sync", "before", "raise", "receiver"),))  # fmt: skip
def sync_fails(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        until(lambda: rig.plan.struck("p"))
        rig.injected()
        rig.wait_acknowledged()


@rows.row("disk error", "every sync fails (EIO) in all receivers, for a while",
          points=(Point("p", "collector.wal.files", "SystemFiles.sync", "before", "raise", "receiver",
                        once=False),))  # fmt: skip
def all_syncs_fail(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        until(lambda: rig.plan.struck("p") > 20)
        rig.plan.disarm("p")
        rig.injected()
        rig.wait_acknowledged()


@rows.row("disk full", "by the system (ENOSPC) at a new segment of a receiver",
          points=(Point("p", "collector.wal.files", "SystemFiles.create", "before", "raise", "receiver", once=False,
                        error=errno.ENOSPC),))  # fmt: skip
def no_new_segment(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        until(lambda: rig.plan.struck("p") > 5)
        rig.plan.disarm("p")
        rig.injected()
        rig.wait_acknowledged()


def _full(rig: Rig, folder: Path, mebibytes: int) -> None:
    """Load until the disk at `folder` is full and callers are refused, then room."""
    ballast = folder / "ballast"
    free = shutil.disk_usage(folder).free
    with ballast.open("wb") as file:
        file.write(bytes(max(0, free - mebibytes * (1 << 20))))
    with rig.load(0.005):
        until(lambda: sum(rig.book.refusals.values()) > 10, 60)
        rig.notes.append(f"{shutil.disk_usage(folder).free >> 10} KiB free then")
        ballast.unlink()
        rig.injected()
        rig.wait_acknowledged()


@rows.row("disk full", "of the log (a small disk of its own), beneath an engine that is away", store="server")
def log_disk(rig: Rig) -> None:
    assert rig.server is not None
    with small_disk(rig.wal, 8):
        rig.start().wait_open()
        with rig.load():
            rig.wait_acknowledged(100)
        rig.server.tell(listening=False)
        _full(rig, rig.wal, 1)
        rig.server.tell(listening=True)
        rig.settle()
        rig.running.stop()
        shutil.copytree(rig.wal, rig.folder / "wal-copy")
    shutil.rmtree(rig.wal, ignore_errors=True)
    shutil.copytree(rig.folder / "wal-copy", rig.wal)
    rig.start().wait_open()


@rows.row("disk full", "of the whole data directory: log, engine and state database",
          wal_max_bytes=str(64 << 20), clickhouse_threads="1")  # fmt: skip
def data_disk(rig: Rig) -> None:
    with small_disk(rig.data, 192):
        rig.start().wait_open()
        with rig.load():
            rig.wait_acknowledged(100)
        _full(rig, rig.data, 1)
        rig.settle()
        rig.running.stop()
        shutil.copytree(rig.data, rig.folder / "copy", symlinks=True)
    shutil.rmtree(rig.data, ignore_errors=True)
    (rig.folder / "copy").rename(rig.data)
    rig.start().wait_open()


@rows.row("log full", "beyond wal_max_bytes, beneath an engine that is away", store="server", quick=True,
          wal_max_bytes=str(1 << 20))  # fmt: skip
def log_full(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.tell(listening=False)
    with rig.load(0.002):
        until(lambda: sum(rig.book.refusals.values()) > 20)
        used = sum(path.stat().st_size for path in rig.wal.glob("lanes/*/*"))
        rig.notes.append(f"{used >> 10} KiB of 1024 in the log")
        rig.server.tell(listening=True)
        rig.injected()
        rig.wait_acknowledged(seconds=60)


def _file(path: Path) -> SegmentFile:
    found = segment_file(path)
    assert found is not None
    return found
