"""The keeper: files of settled segments stay until the engine's data is safely on disk, and it puts back what is lost.

The engine answers before its parts are on the disk, so a power cut may take rows that the ledger calls stored. When the
machine (or the server) was started anew, every segment that is still kept is compared with the tables, and stored again
where rows are missing. Then, and every few seconds, the engine's data is written out and the files go.
"""

from __future__ import annotations

import threading
from pathlib import Path

from collector.engine import Engine
from collector.quarantine import write_durably
from collector.resent import SeenRequests
from collector.self_metrics import CollectorMetrics
from collector.wal import Backlog, SegmentFile
from collector.writer import SegmentWriter
from core import Clock, OpsintelError, get_logger
from storage import same_life

_log = get_logger("collector.keeper")
EVERY_S = 5.0


class SegmentKeeper:
    """A thread of its own, from `start` to `stop`. `note` is the file that remembers the engine's incarnation.

    `most_bytes`: when the log is larger, the oldest kept files go before their time, so nobody is refused for them.
    """

    def __init__(
        self,
        backlog: Backlog,
        writer: SegmentWriter,
        seen: SeenRequests,
        engine: Engine,
        metrics: CollectorMetrics,
        clock: Clock,
        note: Path,
        *,
        most_bytes: int | None = None,
    ) -> None:
        self._backlog, self._writer, self._seen, self._engine = backlog, writer, seen, engine
        self._metrics, self._clock, self._note = metrics, clock, note
        self._most_bytes = most_bytes
        self._known = note.read_text() if note.exists() else ""
        self._settled_since: dict[int, float] = {}  # monotonic seconds: the clock of the day may be set
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="segment-keeper", daemon=True)

    def start(self) -> None:
        """Begins with what the last run kept."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Tidies once more and ends; what is not done by then is done at the next start."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(deadline_s)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stop.wait(EVERY_S)
            try:
                self.tidy()
            except (OpsintelError, OSError) as error:
                _log.warning("settled segments are kept longer", error=str(error))
            except Exception:  # the rim of the thread
                _log.exception("the keeper failed")

    def tidy(self) -> int:
        """Restores what is lost, then removes the files that are not needed any more; returns how many.

        Raises core.StorageError, OSError; nothing is removed then.
        """
        with self._lock:
            return self._tidy()

    def _tidy(self) -> int:
        self._seen.forget(self._clock.time_ns(), self._backlog.oldest_created_ns())
        kept = self._backlog.settled()
        self._check_incarnation(kept)
        if not kept:
            return 0
        now, since = self._clock.monotonic(), self._settled_since
        self._settled_since = {file.segment: since.get(file.segment, now) for file in kept}
        within = self._engine.make_durable()
        kept.sort(key=lambda file: self._settled_since[file.segment])
        excess = 0 if self._most_bytes is None else self._backlog.bytes_on_disk - self._most_bytes
        removed = 0
        for file in kept:
            if now - self._settled_since[file.segment] < within and excess <= 0:
                break
            excess -= file.path.stat().st_size if file.path.exists() else 0
            self._backlog.remove(file)
            removed += 1
        return removed

    def _check_incarnation(self, kept: list[SegmentFile]) -> None:
        """Without a note nobody knows what happened, so what is kept is compared then, too."""
        found = self._engine.incarnation()
        if same_life(found, self._known):
            return
        if kept:
            _log.warning("the engine's machine may have been started anew; checking what is kept", segments=len(kept))
        for file in kept:
            self._writer.restore(file)
        write_durably(self._note, found.encode())
        self._known = found
