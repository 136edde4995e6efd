"""The writer: for every sealed segment one insert for each signal and tenant, then the ledger, then it is settled.

Several workers store a segment each, oldest first, and may finish in any order. A segment's id is the deduplication
token, so repeating any step after a crash changes nothing, whatever became of its neighbours. Frames whose bytes were
stored before are counted as duplicates and left out. An engine that cannot be reached is asked again for ever, with
growing pauses: the log grows meanwhile, not the memory. A segment that the engine refuses for what is *in* it is split
until the refused frames are alone; those go to quarantine, the others are stored. Frames that admission set
aside go to the quarantine's table, by one insert with a token like all else. Files of settled segments stay: they are
the keeper's business.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from collector.engine import Engine
from collector.ledger import Ledger, outcomes_of
from collector.quarantine import Quarantine
from collector.quarantine_table import Entry, damaged_entries, frame_entries, refused_entries
from collector.resent import SeenRequests
from collector.self_metrics import CollectorMetrics
from collector.wal import Backlog, Frame, Sealed, SegmentContent, SegmentFile, read_segment
from core import Clock, Retryable, StorageError, get_logger
from storage import SegmentMeta, Signal

_log = get_logger("collector.writer")
_T = TypeVar("_T")
_Indexed = tuple[int, Frame]
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
TRIES_BEFORE_SPLIT = 2
TAKE_S = 0.25


class _Halted(Exception):
    """The writer was told to give up; the segment stays for the next start."""


@dataclass
class _Job:
    """A segment on its way into the engine; `refused` maps the index of a frame to the engine's reason."""

    file: SegmentFile
    content: SegmentContent
    replayed: bool
    duplicates: frozenset[int] = frozenset()
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def segment(self) -> int:
        """Its id."""
        return self.file.segment

    def groups(self, *, aside: bool = False) -> dict[tuple[Signal, str], list[_Indexed]]:
        """The frames to be stored, or those to be put into quarantine, by what goes into one insert."""
        found: dict[tuple[Signal, str], list[_Indexed]] = {}
        for index, frame in enumerate(self.content.frames):
            if index not in self.duplicates and bool(frame.reason) is aside:
                found.setdefault((frame.signal, frame.tenant), []).append((index, frame))
        return dict(sorted(found.items()))


class SegmentWriter:
    """Threads that follow the log. All state of a segment is in its job, on its worker's stack."""

    def __init__(
        self,
        backlog: Backlog,
        ledger: Ledger,
        seen: SeenRequests,
        engine: Engine,
        quarantine: Quarantine,
        metrics: CollectorMetrics,
        clock: Clock,
        *,
        workers: int = 1,
        chance: random.Random | None = None,
    ) -> None:
        self._backlog, self._ledger, self._seen, self._engine = backlog, ledger, seen, engine
        self._quarantine, self._metrics, self._clock = quarantine, metrics, clock
        self._chance = chance or random.Random()
        self._halt, self._drain = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"segment-writer-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Begins with the oldest segment."""
        for thread in self._threads:
            thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Stores what waits in the (closed) log and ends; False when segments were left for the next start."""
        self._backlog.look()
        self._drain.set()
        self._backlog.wake()
        self._join(deadline_s)
        self._halt.set()
        self._join(5.0)
        return not self._backlog.waiting

    def _join(self, seconds: float) -> None:
        """Waits for all workers, together not longer than this."""
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    # --- a worker ---

    def _run(self) -> None:
        while not self._halt.is_set():
            sealed = self._backlog.take(TAKE_S)
            try:
                if sealed is not None:
                    self._store(sealed)
                elif self._drain.is_set():
                    return
            except _Halted:
                return
            except Exception:  # the rim of the thread: nothing is lost, the segment is tried again
                _log.exception("the writer failed", segment=sealed.segment if sealed else None)
                self._halt.wait(LONGEST_PAUSE_S)
                if sealed is not None:
                    self._backlog.give_back(sealed)

    def _store(self, sealed: Sealed) -> None:
        segment = sealed.segment
        if sealed.replayed and self._retried(lambda: self._ledger.is_settled(segment)):
            self.restore(sealed.file)  # its new name was not on disk yet, so its rows may not have been, either
        else:
            job = self._job(sealed.file, replayed=sealed.replayed)
            for (signal, tenant), frames in job.groups().items():
                self._store_group(job, signal, tenant, frames)
            for (signal, tenant), frames in job.groups(aside=True).items():
                self._store_aside(job, signal, tenant, frames)
            self._retried(lambda: self._keep_aside(job))
            self._list_aside(job)
            outcomes = outcomes_of(job.content, job.refused, job.duplicates)
            self._retried(lambda: self._ledger.settle(segment, outcomes))
            for key, outcome in outcomes.items():
                self._metrics.stored.labels(key.signal).inc(outcome.stored)
                self._metrics.duplicates.labels(key.signal).inc(outcome.duplicates)
        self._retried(lambda: self._backlog.settle(sealed))

    def _job(self, file: SegmentFile, *, replayed: bool) -> _Job:
        content = read_segment(file.path, file.segment, file.length)
        duplicates = self._retried(lambda: self._seen.claim(file.segment, content.created_ns, content.frames))
        return _Job(file, content, replayed, duplicates)

    def restore(self, file: SegmentFile) -> int:
        """Stores again what the engine has lost of a settled segment; returns how many items it lacked."""
        job, lacking = self._job(file, replayed=True), 0
        for index, offset in enumerate(job.content.offsets):
            why = self._quarantine.why(file.segment, offset, "refused")
            if why is not None:
                job.refused[index] = why
        for (signal, tenant), frames in job.groups().items():
            kept = [(index, frame) for index, frame in frames if index not in job.refused]
            expected, found = sum(frame.items for _, frame in kept), self._rows(job, signal, tenant)
            if found != expected:
                lacking += max(0, expected - found)
                self._replace(job, signal, tenant, kept)
        for (signal, tenant), frames in job.groups(aside=True).items():  # repeated entries collapse in the table
            entries = frame_entries(job.content, [index for index, _ in frames if index not in job.refused])
            self._kept(entries, f"{job.segment}-quarantine-{signal}-{tenant}-{self._again()}")
        self._list_aside(job, f"-{self._again()}")
        if lacking:
            self._metrics.restored.inc(lacking)
            _log.warning("rows restored", segment=file.segment, items=lacking)
        return lacking

    def _again(self) -> str:
        """Part of a token that the engine of this life has not seen; a repetition within it stores nothing twice."""
        return f"again-{hashlib.sha256(self._retried(self._engine.incarnation).encode()).hexdigest()[:12]}"

    def _rows(self, job: _Job, signal: Signal, tenant: str) -> int:
        """How many rows the tables have of a segment's signal and tenant."""
        meta = SegmentMeta(tenant, job.segment, job.content.received_ns)
        return self._retried(lambda: self._engine.stored_items(signal, meta))

    def _replace(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        """Removes what is there of a segment and stores it whole, under a token that the engine cannot know yet."""
        meta = SegmentMeta(tenant, job.segment, job.content.received_ns)
        self._retried(lambda: self._engine.forget(signal, meta))
        problem = self._insert(job, signal, tenant, frames, self._again()) if frames else None
        if problem is not None:
            raise Retryable(f"the engine refuses what it took before: {problem}")

    def _store_group(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        problem = self._insert(job, signal, tenant, frames, "")
        if problem is not None:
            segment = job.segment
            _log.error("segment refused", segment=segment, signal=signal.value, tenant=tenant, error=str(problem))
            stored = self._rows(job, signal, tenant)
            if stored and not job.replayed:
                # A view behind the main table failed. Smaller pieces would double its rows: keep the rest aside.
                self._mark_rest(job, frames, stored, str(problem))
            else:
                self._split(job, signal, tenant, frames, problem)
        if problem is not None or job.replayed:
            self._verify(job, signal, tenant, frames)

    def _store_aside(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        """Puts frames that admission set aside into the table; if that refuses them, they become files."""
        entries = frame_entries(job.content, [index for index, _ in frames])
        problem = self._kept(entries, f"{job.segment}-quarantine-{signal}-{tenant}")
        if problem is not None:
            job.refused.update((index, str(problem)) for index, _ in frames)
            return
        for entry in entries:
            self._metrics.quarantined.labels(entry.reason).inc(entry.items)

    def _kept(self, entries: Sequence[Entry], token: str) -> StorageError | None:
        """One insert into the quarantine; None when it was taken, else why it was refused."""
        refusals = 0

        def attempt() -> StorageError | None:
            nonlocal refusals
            try:
                self._engine.keep(entries, token)
            except StorageError as error:
                self._metrics.insert_failures.inc()
                refusals += 1
                if isinstance(error, Retryable):
                    raise
                if refusals < TRIES_BEFORE_SPLIT:
                    raise Retryable(str(error)) from error
                return error
            return None

        return self._retried(attempt)

    def _split(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed], problem: StorageError) -> None:
        """Halves what was refused until the refused frames are alone."""
        if len(frames) == 1:
            self._prove(job, signal, tenant)
            job.refused[frames[0][0]] = str(problem)
            return
        middle = len(frames) // 2
        for half in (frames[:middle], frames[middle:]):
            again = self._insert(job, signal, tenant, half, f"{half[0][0]}-{half[-1][0]}")
            if again is not None:
                self._split(job, signal, tenant, half, again)

    def _prove(self, job: _Job, signal: Signal, tenant: str) -> None:
        """Returns once the engine takes a request without items: then a refusal is the frame's fault, not its own."""
        meta = SegmentMeta(tenant, job.segment, job.content.received_ns, "proof")

        def proof() -> None:
            try:
                self._engine.insert(signal, b"", meta)
            except StorageError as error:
                raise Retryable(f"the engine refuses even an empty request: {error}") from error

        self._retried(proof)

    def _insert(
        self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed], part: str
    ) -> StorageError | None:
        """One insert; None when it was taken, else why it was refused. Waits while the engine is away."""
        payload = b"".join([frame.payload for _, frame in frames])
        meta = SegmentMeta(tenant, job.segment, job.content.received_ns, part)
        refusals = 0

        def attempt() -> StorageError | None:
            nonlocal refusals
            started = self._clock.monotonic()
            try:
                self._engine.insert(signal, payload, meta)
            except StorageError as error:
                self._metrics.insert_failures.inc()
                refusals += 1
                if isinstance(error, Retryable):
                    raise
                if refusals < TRIES_BEFORE_SPLIT:
                    raise Retryable(str(error)) from error
                return error
            self._metrics.insert.observe(self._clock.monotonic() - started)
            return None

        return self._retried(attempt)

    def _mark_rest(self, job: _Job, frames: Sequence[_Indexed], stored: int, reason: str) -> None:
        for index, frame in frames:
            if stored < frame.items:
                job.refused[index] = reason
            stored = max(0, stored - frame.items)

    def _verify(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        """Compares what the ledger will call stored with the rows in the tables.

        Where a replayed segment lacks rows, the engine has lost some of them since it remembered their token.
        """
        kept = [(index, frame) for index, frame in frames if index not in job.refused]
        expected, segment = sum(frame.items for _, frame in kept), job.segment
        found = self._rows(job, signal, tenant)
        if found == expected:
            return
        self._metrics.mismatches.inc()
        _log.error(
            "stored rows differ", segment=segment, signal=signal.value, tenant=tenant, expected=expected, rows=found
        )
        if job.replayed and not job.refused:
            self._replace(job, signal, tenant, kept)

    def _keep_aside(self, job: _Job) -> None:
        """Keeps refused frames and unreadable regions. Raises OSError."""
        content, segment = job.content, job.segment
        for index, reason in job.refused.items():
            frame = content.frames[index]
            details = {"signal": frame.signal.value, "tenant": frame.tenant, "items": frame.items, "why": reason}
            self._quarantine.keep(segment, content.offsets[index], "refused", frame.payload, details)
            self._metrics.quarantined.labels("refused").inc(frame.items)
        if content.torn_bytes:  # it was whole when it was sealed: the disk has lost it since
            tail = _bytes_of(job.file, content.end, content.torn_bytes)
            _log.error("the end of a sealed segment cannot be read", segment=segment, bytes=len(tail), at=content.end)
            self._metrics.torn.inc(len(tail))
            if any(tail):
                self._quarantine.keep(segment, content.end, "torn_tail", tail, {"bytes": len(tail)})
        for region in content.bad:
            data = _bytes_of(job.file, region.offset, region.length)
            claim = region.claim
            signal = claim.signal.value if claim.signal else None
            self._quarantine.keep(
                segment,
                region.offset,
                region.reason.value,
                data,
                {"signal": signal, "tenant": claim.tenant, "items": claim.items},
            )
            self._metrics.quarantined.labels(region.reason.value).inc(claim.items)

    def _list_aside(self, job: _Job, part: str = "") -> None:
        """Puts what is kept as a file into the table, too, so that people have one place to look at."""
        entries = refused_entries(job.content, job.refused)
        if job.content.bad:
            with job.file.path.open("rb") as file:
                entries += damaged_entries(job.content, file)
        if entries and (problem := self._kept(entries, f"{job.segment}-quarantine-files{part}")) is not None:
            _log.error("not listed in the quarantine's table", segment=job.segment, error=str(problem))

    def _retried(self, attempt: Callable[[], _T]) -> _T:
        """Repeats what may succeed later, with growing, jittered pauses, until it does or the writer is halted."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except (Retryable, OSError) as error:
                _log.warning("the store is behind", error=str(error), retry_in_s=round(pause, 2))
                if self._halt.wait(pause * self._chance.uniform(0.5, 1.0)):
                    raise _Halted from error
            pause = min(pause * 2, LONGEST_PAUSE_S)


def _bytes_of(file: SegmentFile, offset: int, length: int) -> bytes:
    with file.path.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)
