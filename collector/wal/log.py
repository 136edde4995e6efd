"""One lane of the write-ahead log: many threads append, one fsync serves all that wait, then they are answered.

A committer thread alone touches the active segment. A segment is sealed, by giving its file another name, when it is
large enough, when its first frame is old enough (the older the more wait), when it is asked for, when the disk fails:
after a failed write or fsync nobody knows what is on the disk, so those who waited are refused, the segment is cut back
to what was acknowledged and never written again, and the next frames go to a new one. After such a failure *and* a
crash a refused frame may still be found: the log promises "acknowledged means readable" always, and "refused means
absent" as far as the disk obeys. What becomes of sealed segments is not this file's business, see `backlog`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from collector.quarantine import Quarantine
from collector.wal.files import Files, SystemFiles
from collector.wal.frame import SALT_BYTES, Frame, encode, encoded_size
from collector.wal.ids import SegmentIds
from collector.wal.lanes import LaneLock, first_id, free_lane, lane_folder
from collector.wal.replay import Found, recover, segment_files
from collector.wal.room import Room
from collector.wal.segment import HEADER_BYTES, SegmentHeader, State, encode_header, file_name
from core import Clock, Unavailable, get_logger

_log = get_logger("collector.wal")
LOOK_EVERY_S = 0.05
PATIENCE = 8
"""How many times as old the next segment gets for every one of its lane that waits already."""
QUEUE_BYTES = 64 << 20
"""How much may wait for the disk before the log refuses; one frame always may."""
NAME_AGAIN_S = 1.0
"""After this time a rename that the disk refused is tried again."""


@dataclass(frozen=True)
class Position:
    """Where an acknowledged frame ends."""

    segment: int
    offset: int


@dataclass
class _Active:
    segment: int
    path: Path
    descriptor: int
    length: int  # durable and acknowledged
    first_frame_at: float | None = None  # monotonic seconds


@dataclass(frozen=True)
class _Waiting:
    frames: Sequence[Frame]
    size: int
    future: Future[Position]


@dataclass(frozen=True)
class LogEvents:
    """What the log tells its owner, from its own thread; the callbacks must be quick and must not raise."""

    durable: Callable[[Sequence[Frame]], None] = lambda frames: None
    found: Callable[[Found], None] = lambda found: None
    synced: Callable[[float], None] = lambda seconds: None
    failed: Callable[[], None] = lambda: None
    sealed: Callable[[], None] = lambda: None


class SegmentLog:
    """Takes a lane, repairs what is there and accepts frames until `close`.

    `lane`: None for the lowest free one that is not the engine owner's; `floor` gives the lowest id for a lane. Raises
    Conflict when another process has it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lane: int | None,
        clock: Clock,
        quarantine: Quarantine,
        segment_bytes: int,
        max_bytes: int,
        age_s: float,
        min_free_bytes: int = 0,
        floor: Callable[[int], int] = lambda lane: 0,
        files: Files | None = None,
        events: LogEvents | None = None,
    ) -> None:
        self.lane, self._lock_on_lane = (
            free_lane(folder) if lane is None else (lane, LaneLock(lane_folder(folder, lane)))
        )
        self._folder, self._clock = lane_folder(folder, self.lane), clock
        self._files, self._events = files or SystemFiles(), events or LogEvents()
        self._segment_bytes, self._age_s = segment_bytes, age_s
        self._room = Room(folder, clock, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
        self._queue: list[_Waiting] = []
        self._queued_bytes, self._closed, self._seal_asked = 0, False, False
        self._last_sealed = 0
        self._active: _Active | None = None
        self._unnamed: dict[Path, Path] = {}  # sealed segments that the disk did not let have their names
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # for the committer
        self._progress = threading.Condition(self._lock)  # for those who wait for a seal
        try:
            highest = max((file.segment for file in segment_files(self._folder)), default=0)
            for found in recover(self._folder, self._files, quarantine):
                self._events.found(found)
            self._ids = SegmentIds(self._folder, self._files, max(floor(self.lane), highest + 1, first_id(self.lane)))
            self._salt = os.urandom(SALT_BYTES)
            self._open_segment()
        except BaseException:
            self._lock_on_lane.release()
            raise
        self._thread = threading.Thread(target=self._run, name="wal-committer", daemon=True)
        self._thread.start()

    # --- for those who append ---

    def submit(self, frames: Sequence[Frame]) -> Future[Position]:
        """Queues frames; the future is done when they are on disk.

        Raises Unavailable when the log is full or closed, ValueError on what is no frame.
        """
        size = sum(map(encoded_size, frames))
        waiting = _Waiting(frames, size, Future())
        with self._lock:
            if self._closed:
                raise Unavailable("the log is closed, the service is stopping", retry_after_s=5)
            self._room.check(self._queued_bytes + size)
            if self._queued_bytes and self._queued_bytes + size > QUEUE_BYTES:
                raise Unavailable(f"{self._queued_bytes} bytes wait for the disk already")
            self._queue.append(waiting)
            self._queued_bytes += size
            self._work.notify()
        return waiting.future

    def append(self, frames: Sequence[Frame]) -> Position:
        """Like `submit`, but returns when the frames are on disk. Raises Unavailable when they could not be written."""
        return self.submit(frames).result()

    def check(self) -> None:
        """Raises Unavailable when the log would refuse whatever came now; cheap, for asking before a body is read."""
        with self._lock:
            if self._closed:
                raise Unavailable("the log is closed, the service is stopping", retry_after_s=5)
            self._room.check(self._queued_bytes)

    @property
    def bytes_on_disk(self) -> int:
        """The size of all lanes."""
        return self._room.used()

    def seal(self) -> int:
        """Seals what has been acknowledged and returns an id; all of it is in segments up to that id."""
        with self._lock:
            active = self._active
            if active is None or active.first_frame_at is None:
                return self._last_sealed
            while self._active is active and self._thread.is_alive():
                self._seal_asked = True
                self._work.notify()
                self._progress.wait(1.0)
            return active.segment

    def close(self) -> None:
        """Refuses new frames, writes the queued ones, seals, ends the committer and frees the lane; files stay."""
        with self._lock:
            already, self._closed = self._closed, True
            self._work.notify()
        self._thread.join()
        if not already:
            self._lock_on_lane.release()

    # --- the committer ---

    def _run(self) -> None:
        while True:
            with self._lock:
                while not (self._queue or self._seal_asked or self._closed or self._old()):
                    if not self._work.wait(self._patience()) and self._unnamed:
                        break
                batch, self._queue = self._queue, []
                seal, self._seal_asked, closing = self._seal_asked, False, self._closed
            if self._unnamed:
                self._name_sealed()
            if batch:
                self._commit_all(batch)
            if seal or closing or self._old():
                self._seal(reopen=not closing)
            if closing and not self._left_over():
                self._drop_empty()
                return

    def _until_old(self) -> float | None:
        """Seconds until the active segment may be sealed for its age; None while it is empty."""
        first = self._active.first_frame_at if self._active else None
        if first is None:
            return None
        age = self._clock.monotonic() - first
        if age < self._age_s:
            return self._age_s - age
        left: float = self._age_s * PATIENCE ** min(self._waiting_segments(), 10) - age
        return min(left, LOOK_EVERY_S)

    def _patience(self) -> float | None:
        """Seconds until something is to be done, if nobody asks before; None for ever."""
        left = self._until_old()
        return left if not self._unnamed else NAME_AGAIN_S if left is None else min(left, NAME_AGAIN_S)

    def _old(self) -> bool:
        left = self._until_old()
        return left is not None and left <= 0

    def _waiting_segments(self) -> int:
        """How many of the lane's are sealed and not settled: a slow store then gets fewer and larger ones."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            return sum(1 for entry in entries if entry.name.endswith(f".{State.SEALED}"))
        return 0

    def _left_over(self) -> bool:
        """Whether frames came in between taking the last batch and closing."""
        with self._lock:
            return bool(self._queue)

    def _commit_all(self, batch: list[_Waiting]) -> None:
        """Commits in slices, so that a segment outgrows its size by one slice's last append at most."""
        while batch:
            room = self._segment_bytes - (self._active.length if self._active else 0)
            count, size = 0, 0
            while count < len(batch) and (not count or size < room):
                size += batch[count].size
                count += 1
            part, batch = batch[:count], batch[count:]
            problem, position = self._commit(part)
            with self._lock:
                self._queued_bytes -= size
            for waiting in part:
                if problem is None and position is not None:
                    waiting.future.set_result(position)
                else:
                    waiting.future.set_exception(problem or Unavailable("the log could not be written"))
            if self._active and self._active.length >= self._segment_bytes:
                self._seal(reopen=True)

    def _commit(self, part: list[_Waiting]) -> tuple[Unavailable | None, Position | None]:
        """Writes and syncs; the one place where something becomes acknowledged."""
        try:
            if self._active is None:
                self._open_segment()
            active = self._active
            assert active is not None
            frames = [frame for waiting in part for frame in waiting.frames]
            self._files.write(active.descriptor, [buffer for frame in frames for buffer in encode(frame, self._salt)])
            started = self._clock.monotonic()
            self._files.sync(active.descriptor)
        except OSError as error:
            self._abandon(error)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            text = "the disk of the write-ahead log is full" if full else f"the log could not be written: {error}"
            return Unavailable(text, retry_after_s=5), None
        except Exception as error:  # the rim of the thread: nobody may wait for ever
            _log.exception("the committer failed")
            self._abandon(error)
            return Unavailable("the log could not be written"), None
        self._events.synced(self._clock.monotonic() - started)
        with self._lock:
            size = sum(waiting.size for waiting in part)
            active.length += size
            self._room.added(size)
            if active.first_frame_at is None:
                active.first_frame_at = self._clock.monotonic()  # its age begins to count
        self._events.durable(frames)
        return None, Position(active.segment, active.length)

    def _open_segment(self) -> None:
        """Creates the next segment, durable by name. Raises OSError and leaves no active segment then."""
        segment = self._ids.next()
        path = self._folder / file_name(segment, State.OPEN)
        descriptor = self._files.create(path)
        try:
            self._files.write(descriptor, [encode_header(SegmentHeader(segment, self._clock.time_ns(), self._salt))])
            self._files.sync(descriptor)
            self._files.sync_folder(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                self._files.close(descriptor)
            with contextlib.suppress(OSError):
                self._files.remove(path)
            raise
        with self._lock:
            self._active = _Active(segment, path, descriptor, HEADER_BYTES)
            self._room.added(HEADER_BYTES)

    def _seal(self, *, reopen: bool, cut: bool = True) -> None:
        """Everything in the active segment is durable already; it only changes hands.

        `cut`: whether the file ends with what was acknowledged; otherwise its new name tells how much of it counts.
        """
        active = self._active
        if active is None or active.first_frame_at is None:
            return
        with contextlib.suppress(OSError):
            self._files.close(active.descriptor)
        length = None if cut else active.length
        self._unnamed[active.path] = active.path.with_name(file_name(active.segment, State.SEALED, length))
        self._name_sealed()
        with self._lock:
            self._active, self._last_sealed = None, active.segment
            self._progress.notify_all()
        if reopen:
            try:
                self._open_segment()
            except OSError as error:  # the next append tries again, and refuses if it fails again
                _log.warning("no new segment", error=str(error))

    def _name_sealed(self) -> None:
        """Gives sealed segments their names; what the disk refuses is tried again until it obeys."""
        for old, new in list(self._unnamed.items()):
            try:
                self._files.rename(old, new)
            except FileNotFoundError:  # somebody took it away
                _log.error("a segment's file is gone", file=old.name)
            except OSError as error:  # at the latest whoever repairs the lane names it
                _log.error("a segment could not be sealed", file=old.name, error=str(error))
                continue
            del self._unnamed[old]
            self._events.sealed()

    def _abandon(self, error: BaseException) -> None:
        """Cuts the segment back to what was acknowledged and never writes to it again."""
        self._events.failed()
        active = self._active
        _log.error("the log could not be written", error=str(error), segment=active.segment if active else None)
        if active is None:
            return
        cut = False
        with contextlib.suppress(OSError):
            self._files.truncate(active.descriptor, active.length)
            cut = True
        with contextlib.suppress(OSError):
            self._files.sync(active.descriptor)
        if active.first_frame_at is None:
            self._drop_empty()
            with self._lock:
                self._active = None
        else:
            self._seal(reopen=False, cut=cut)

    def _drop_empty(self) -> None:
        active = self._active
        if active is None or active.first_frame_at is not None:
            return
        with contextlib.suppress(OSError):
            self._files.close(active.descriptor)
        with contextlib.suppress(OSError):
            self._files.remove(active.path)
        with self._lock:
            self._active = None
