"""The writer: for every sealed segment one insert for each signal and tenant, then the ledger, then the file goes.

Several workers store a segment each, oldest first, and may finish in any order. A segment's id is the deduplication
token, so repeating any step after a crash changes nothing, whatever became of its neighbours. An engine that cannot be
reached is asked again for ever, with growing pauses: the log grows meanwhile, not the memory. A segment that the engine
refuses for what is *in* it is split until the refused frames are alone; those go to quarantine, the others are stored.
Frames that admission set aside go to the quarantine's table, by one insert with a token like all else.
The writer does not promise that the engine's own data is synced to disk when a segment's file goes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from collector.engine import Engine
from collector.ledger import Ledger, outcomes_of
from collector.quarantine import Quarantine
from collector.quarantine_table import Entry, damaged_entries, frame_entries, refused_entries
from collector.self_metrics import CollectorMetrics
from collector.wal import Frame, Sealed, SegmentContent, SegmentLog, read_segment
from core import Clock, Retryable, StorageError, get_logger
from storage import SegmentMeta, Signal

_log = get_logger("collector.writer")
_T = TypeVar("_T")
_Indexed = tuple[int, Frame]
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
TRIES_BEFORE_SPLIT = 2


class _Halted(Exception):
    """The writer was told to give up; the segment stays for the next start."""


@dataclass
class _Job:
    """A segment on its way into the engine; `refused` maps the index of a frame to the engine's reason."""

    sealed: Sealed
    content: SegmentContent
    refused: dict[int, str] = field(default_factory=dict)


class SegmentWriter:
    """Threads that follow the log. All state of a segment is in its job, on its worker's stack."""

    def __init__(
        self,
        log: SegmentLog,
        ledger: Ledger,
        engine: Engine,
        quarantine: Quarantine,
        metrics: CollectorMetrics,
        clock: Clock,
        *,
        age_s: float,
        workers: int = 1,
        chance: random.Random | None = None,
    ) -> None:
        self._log, self._ledger, self._engine = log, ledger, engine
        self._quarantine, self._metrics, self._clock = quarantine, metrics, clock
        self._age_s, self._chance = age_s, chance or random.Random()
        self._halt, self._drain = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"segment-writer-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Begins with the oldest segment."""
        for thread in self._threads:
            thread.start()

    def flush(self, timeout: float) -> bool:
        """Seals, and waits until everything acknowledged before the call is settled; False if that took too long."""
        return self._log.wait_removed(self._log.seal(), timeout)

    def stop(self, deadline_s: float) -> bool:
        """Drains the (closed) log and ends; False when segments were left for the next start."""
        self._drain.set()
        self._log.wake()
        self._join(deadline_s)
        self._halt.set()
        self._join(5.0)
        return not self._log.sealed_count

    def _join(self, seconds: float) -> None:
        """Waits for all workers, together not longer than this."""
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    # --- a worker ---

    def _run(self) -> None:
        while not self._halt.is_set():
            sealed = self._log.take(self._pause())
            try:
                if sealed is not None:
                    self._store(sealed)
                elif self._drain.is_set():
                    return
                elif (age := self._log.age()) is not None and age >= self._age_s:
                    self._log.request_seal()
            except _Halted:
                return
            except Exception:  # the rim of the thread: nothing is lost, the segment is tried again
                _log.exception("the writer failed", segment=sealed.segment if sealed else None)
                self._halt.wait(LONGEST_PAUSE_S)
                if sealed is not None:
                    self._log.give_back(sealed)

    def _pause(self) -> float:
        """How long to wait for a sealed segment before the active one is old enough."""
        age = self._log.age()
        return self._age_s if age is None else min(max(self._age_s - age, 0.001), self._age_s)

    def _store(self, sealed: Sealed) -> None:
        if not (sealed.replayed and self._retried(lambda: self._ledger.is_settled(sealed.segment))):
            job = _Job(sealed, read_segment(sealed.path, sealed.segment, sealed.length))
            groups: dict[tuple[Signal, str, bool], list[_Indexed]] = {}
            for index, frame in enumerate(job.content.frames):
                groups.setdefault((frame.signal, frame.tenant, frame.reason != 0), []).append((index, frame))
            for (signal, tenant, aside), frames in sorted(groups.items()):
                if aside:
                    self._store_aside(job, signal, tenant, frames)
                else:
                    self._store_group(job, signal, tenant, frames)
            self._retried(lambda: self._keep_aside(job))
            self._list_aside(job)
            outcomes = outcomes_of(job.content, job.refused)
            self._retried(lambda: self._ledger.settle(sealed.segment, outcomes))
            for key, outcome in outcomes.items():
                self._metrics.stored.labels(key.signal).inc(outcome.stored)
        self._retried(lambda: self._log.remove(sealed.segment))

    def _store_group(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        problem = self._insert(job, signal, tenant, frames, "")
        if problem is not None:
            segment = job.sealed.segment
            _log.error("segment refused", segment=segment, signal=signal.value, tenant=tenant, error=str(problem))
            stored = self._retried(lambda: self._engine.stored_items(signal, tenant, segment))
            if stored and not job.sealed.replayed:
                # A view behind the main table failed. Smaller pieces would double its rows: keep the rest aside.
                self._mark_rest(job, frames, stored, str(problem))
            else:
                self._split(job, signal, tenant, frames, problem)
        if problem is not None or job.sealed.replayed:
            self._verify(job, signal, tenant, frames)

    def _store_aside(self, job: _Job, signal: Signal, tenant: str, frames: Sequence[_Indexed]) -> None:
        """Puts frames that admission set aside into the table; if that refuses them, they become files."""
        entries = frame_entries(job.content, [index for index, _ in frames])
        problem = self._kept(entries, f"{job.sealed.segment}-quarantine-{signal}-{tenant}")
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
        meta = SegmentMeta(tenant, job.sealed.segment, job.content.created_ns, "proof")

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
        meta = SegmentMeta(tenant, job.sealed.segment, job.content.created_ns, part)
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
        """Compares what the ledger will call stored with the rows in the tables."""
        expected = sum(frame.items for index, frame in frames if index not in job.refused)
        segment = job.sealed.segment
        found = self._retried(lambda: self._engine.stored_items(signal, tenant, segment))
        if found != expected:
            self._metrics.mismatches.inc()
            _log.error(
                "stored rows differ", segment=segment, signal=signal.value, tenant=tenant, expected=expected, rows=found
            )

    def _keep_aside(self, job: _Job) -> None:
        """Keeps refused frames and unreadable regions. Raises OSError."""
        content, segment = job.content, job.sealed.segment
        for index, reason in job.refused.items():
            frame = content.frames[index]
            details = {"signal": frame.signal.value, "tenant": frame.tenant, "items": frame.items, "why": reason}
            self._quarantine.keep(segment, content.offsets[index], "refused", frame.payload, details)
            self._metrics.quarantined.labels("refused").inc(frame.items)
        for region in content.bad:
            with job.sealed.path.open("rb") as file:
                file.seek(region.offset)
                data = file.read(region.length)
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

    def _list_aside(self, job: _Job) -> None:
        """Puts what is kept as a file into the table, too, so that people have one place to look at."""
        entries = refused_entries(job.content, job.refused)
        if job.content.bad:
            with job.sealed.path.open("rb") as file:
                entries += damaged_entries(job.content, file)
        if entries and (problem := self._kept(entries, f"{job.sealed.segment}-quarantine-files")) is not None:
            _log.error("not listed in the quarantine's table", segment=job.sealed.segment, error=str(problem))

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
