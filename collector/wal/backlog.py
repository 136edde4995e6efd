"""The store's side of the log: which segments of all lanes wait, who stores which, and which are settled.

Files tell everything: `.open` is being written, `.seg` waits, `.done` is settled and kept until the engine's data is
safely on disk. So any number of processes may write lanes without knowing of this one. A lane whose writer died is
repaired here. Only the process that owns the engine has a backlog.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from collector.quarantine import Quarantine
from collector.wal.files import Files, SystemFiles
from collector.wal.lanes import LaneLock, lane_folders, lane_of
from collector.wal.replay import Found, recover, segment_files
from collector.wal.room import bytes_of
from collector.wal.segment import HEADER_BYTES, SegmentFile, State, decode_header
from collector.wal.tally import Items, Tally
from core import Clock, ConfigurationError, Conflict, get_logger

_log = get_logger("collector.wal")
LOOK_EVERY_S = 0.05
ADOPT_EVERY_S = 1.0
_ORDER = {state: number for number, state in enumerate(State)}


@dataclass(frozen=True)
class Sealed:
    """A segment to be stored. `replayed`: it is from before the start, and may have been stored then."""

    file: SegmentFile
    replayed: bool = False

    @property
    def segment(self) -> int:
        """Its id."""
        return self.file.segment


@dataclass
class _Known:
    file: SegmentFile
    replayed: bool
    tally: Tally = field(default_factory=Tally)
    created_ns: int = 0


class Backlog:
    """Thread-safe. `found` hears of every segment that is repaired here. Raises ConfigurationError, OSError."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        quarantine: Quarantine,
        *,
        files: Files | None = None,
        found: Callable[[Found], None] = lambda found: None,
    ) -> None:
        self._folder, self._clock, self._quarantine = folder, clock, quarantine
        self._files, self._found = files or SystemFiles(), found
        self._known: dict[int, _Known] = {}
        self._untaken: deque[int] = deque()
        self._adopted_at = float("-inf")
        self._lock, self._looking = threading.RLock(), threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._look(replayed=True)

    # --- what is there ---

    def look(self) -> None:
        """Takes note of what the writers of the lanes have done meanwhile."""
        self._look(replayed=False)

    def _look(self, *, replayed: bool) -> None:
        with self._looking:
            folders = lane_folders(self._folder)
            if self._clock.monotonic() - self._adopted_at >= ADOPT_EVERY_S:
                self._adopted_at = self._clock.monotonic()
                for folder in folders:
                    try:
                        self._adopt(folder)
                    except OSError as error:  # the other lanes are none the worse for it
                        _log.error("a lane cannot be repaired", lane=folder.name, error=str(error))
            files: dict[int, SegmentFile] = {}
            for file in (file for folder in folders for file in segment_files(folder)):
                if file.segment not in files or _ORDER[file.state] > _ORDER[files[file.segment].state]:
                    files[file.segment] = file
            with self._lock:
                new = [file for file in files.values() if self._note(file, replayed)]
                self._untaken.extend(file.segment for file in sorted(new, key=_age))
                for segment in self._known.keys() - files.keys():
                    self._drop_if_gone(segment)
                if new:
                    self._changed.notify_all()

    def _note(self, file: SegmentFile, replayed: bool) -> bool:
        """Whether the segment is sealed since we last looked. A listing may be older than what we know."""
        known = self._known.get(file.segment)
        if known is None:
            self._known[file.segment] = _Known(file, replayed and file.state is State.SEALED)
            return file.state is State.SEALED
        if _ORDER[file.state] <= _ORDER[known.file.state]:
            return False
        known.file = file
        return file.state is State.SEALED

    def _drop_if_gone(self, segment: int) -> None:
        """A file may be missing in a listing only because it got another name meanwhile."""
        file = self._known[segment].file
        if not any(file.path.parent.glob(f"{segment:08d}[-.]*")):
            del self._known[segment]
            self._changed.notify_all()

    def _adopt(self, folder: Path) -> None:
        """Repairs a lane whose writer is gone."""
        if not any(file.state is State.OPEN for file in segment_files(folder)):
            return
        try:
            lock = LaneLock(folder)
        except Conflict:
            return
        try:
            for found in recover(folder, self._files, self._quarantine):
                self._found(found)
        finally:
            lock.release()

    def pending(self) -> dict[int, Items]:
        """The items of every segment that is not settled, those that are being written included."""
        self.look()
        with self._lock:
            unsettled = [known for known in self._known.values() if known.file.state is not State.SETTLED]
            return {known.file.segment: self._items(known) for known in unsettled}

    def _items(self, known: _Known) -> Items:
        for file in (known.file, SegmentFile(known.file.segment, State.SEALED, known.file.named(State.SEALED))):
            try:
                known.tally.advance(file)
            except FileNotFoundError:
                continue
            break
        return known.tally.items.copy()

    @property
    def bytes_on_disk(self) -> int:
        """The size of all lanes."""
        return sum(map(bytes_of, lane_folders(self._folder)))

    @property
    def waiting(self) -> int:
        """How many sealed segments are not settled."""
        with self._lock:
            return sum(1 for known in self._known.values() if known.file.state is State.SEALED)

    def oldest_created_ns(self) -> int | None:
        """When the oldest segment with frames was created, in nanoseconds since the epoch; None when there is none.

        An empty one may have been opened days ago, and all that it will hold is of today.
        """
        self.look()
        with self._lock:
            known = list(self._known.values())
        return min((created for one in known if (created := _created_ns(one))), default=None)

    # --- for those who store ---

    def take(self, timeout: float) -> Sealed | None:
        """The oldest segment that nobody stores; it is the caller's until he settles it or gives it back.

        None when there is none after `timeout` seconds, or earlier when something has changed.
        """
        with self._lock:
            if not self._untaken:
                self._changed.wait(min(timeout, LOOK_EVERY_S))
        if not self._untaken:
            try:
                self.look()
            except (OSError, ConfigurationError) as error:
                _log.error("the log cannot be listed", error=str(error))
        with self._lock:
            while self._untaken:
                known = self._known.get(self._untaken.popleft())
                if known is not None and known.file.state is State.SEALED:  # else somebody took the file away
                    return Sealed(known.file, known.replayed)
        return None

    def give_back(self, sealed: Sealed) -> None:
        """Lets a segment that was not settled be taken again, before the others."""
        with self._lock:
            known = self._known.get(sealed.segment)
            if known is not None and known.file.state is State.SEALED:
                self._untaken.appendleft(sealed.segment)
                self._changed.notify_all()

    def settle(self, sealed: Sealed) -> None:
        """The segment's outcome is committed; its file is kept. Raises OSError."""
        done = sealed.file.named(State.SETTLED)
        with self._lock:
            try:
                self._files.rename(sealed.file.path, done)
            except FileNotFoundError:  # somebody took it away while it was being stored: nothing is left to keep
                _log.error("a segment's file is gone", segment=sealed.segment, file=sealed.file.path.name)
            if sealed.segment in self._known:
                self._known[sealed.segment].file = SegmentFile(sealed.segment, State.SETTLED, done, sealed.file.length)
            self._changed.notify_all()

    def wake(self) -> None:
        """Wakes whoever waits in `take`."""
        with self._lock:
            self._changed.notify_all()

    def wait_settled(self, segment: int, timeout: float) -> bool:
        """Waits until every segment of the lane up to this id is settled; False if that took too long."""
        deadline = self._clock.monotonic() + timeout
        self.look()
        with self._lock:
            return self._changed.wait_for(lambda: self._settled_up_to(segment), deadline - self._clock.monotonic())

    def _settled_up_to(self, segment: int) -> bool:
        return not any(
            one <= segment and lane_of(one) == lane_of(segment) and known.file.state is not State.SETTLED
            for one, known in self._known.items()
        )

    # --- for those who clean up ---

    def settled(self) -> list[SegmentFile]:
        """The settled segments whose files are still kept."""
        with self._lock:
            return [known.file for known in self._known.values() if known.file.state is State.SETTLED]

    def remove(self, file: SegmentFile) -> None:
        """Removes a settled segment. Raises OSError."""
        with self._looking:  # or a listing from before would bring it back
            self._files.remove(file.path)
            with self._lock:
                self._known.pop(file.segment, None)


def _age(file: SegmentFile) -> int:
    try:
        return file.path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _created_ns(known: _Known) -> int:
    """0 while the segment is empty, or when its header cannot be read."""
    if not known.created_ns:
        try:
            with known.file.path.open("rb") as file:
                start = file.read(HEADER_BYTES + 1)
        except FileNotFoundError:  # it got another name: the next look tells
            return 0
        header = decode_header(start) if len(start) > HEADER_BYTES else None
        known.created_ns = header.created_ns if header else 0
    return known.created_ns
