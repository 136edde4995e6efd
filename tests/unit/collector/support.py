"""What the collector's tests share: frames, requests, files that fail on purpose, and waiting for a condition."""

from __future__ import annotations

import errno
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.quarantine import Quarantine
from collector.quarantine_table import Entry
from collector.wal import Backlog, Frame, SegmentFile, SegmentLog, SystemFiles, lane_folder
from collector.wal.replay import segment_files
from core import Clock
from storage import SegmentMeta, Signal


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Returns once the condition holds; fails when it does not within the time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.005)


def frame(number: int = 1, *, tenant: str = "shop", items: int = 2, signal: Signal = Signal.TRACES) -> Frame:
    """A frame whose payload names its number."""
    return Frame(signal, tenant, 1_772_000_000_000_000_000 + number, items, b"payload %d " % number + bytes(number % 7))


def trace_request(spans: int = 3, service: str = "web-shop") -> ExportTraceServiceRequest:
    """Spans of now with ids of their own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = service
    scope = resource.scope_spans.add()
    start = time.time_ns()
    for index in range(spans):
        scope.spans.add(
            name=f"span {index}",
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            start_time_unix_nano=start + index,
            end_time_unix_nano=start + index + 5,
        )
    return request


def open_log(folder: Path, clock: Clock, **options: Any) -> SegmentLog:
    """Lane 0 of a log with small limits, its quarantine inside."""
    sizes = {"segment_bytes": 1 << 20, "max_bytes": 1 << 26, "age_s": 3_600.0, "lane": 0}
    return SegmentLog(folder, clock=clock, quarantine=Quarantine(folder / "quarantine", clock), **(sizes | options))


def open_backlog(folder: Path, clock: Clock, **options: Any) -> Backlog:
    """The store's side of the same log."""
    return Backlog(folder, clock, Quarantine(folder / "quarantine", clock), **options)


def pending_of(folder: Path, clock: Clock, tenant: str) -> int:
    """A tenant's items in the log."""
    pending = open_backlog(folder, clock).pending().values()
    return sum(count for items in pending for (_, owner), count in items.items() if owner == tenant)


def files_of(folder: Path, lane: int = 0) -> list[SegmentFile]:
    """The segments of a lane."""
    return segment_files(lane_folder(folder, lane))


class FaultyFiles(SystemFiles):
    """The n-th write or sync fails; with `forever`, all later ones too, and so does cutting back."""

    def __init__(self, operation: str, number: int, *, forever: bool = False, code: int = errno.EIO) -> None:
        self._operation, self._left, self._forever, self._code = operation, number, forever, code
        self.failures = 0

    def _maybe_fail(self, operation: str) -> bool:
        if operation != self._operation:
            return False
        self._left -= 1
        if self._left == 0 or (self._forever and self._left < 0):
            self.failures += 1
            return True
        return False

    def write(self, descriptor: int, buffers: Sequence[bytes]) -> None:
        if self._maybe_fail("write"):
            whole = b"".join(buffers)
            super().write(descriptor, [whole[: len(whole) // 2]])  # a failed write leaves a part behind
            raise OSError(self._code, "injected")
        super().write(descriptor, buffers)

    def sync(self, descriptor: int) -> None:
        if self._maybe_fail("sync"):
            raise OSError(self._code, "injected")
        super().sync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        if self._maybe_fail("sync_folder"):
            raise OSError(self._code, "injected")
        super().sync_folder(folder)

    def create(self, path: Path) -> int:
        if self._maybe_fail("create"):
            raise OSError(self._code, "injected")
        return super().create(path)


class FakeEngine:
    """A store in memory that fails where it is told to; stands in for nothing but faults."""

    def __init__(self, fail: Callable[[int, Signal, bytes, SegmentMeta], Exception | None] = lambda *_: None) -> None:
        self._fail, self.calls, self._lock = fail, 0, threading.Lock()
        self.inserted: dict[str, bytes] = {}  # by token
        self.quarantined: dict[str, list[Entry]] = {}  # by token
        self.count: Callable[[Signal, str, int], int] = lambda *_: 0
        self.forgotten: list[tuple[Signal, str, int]] = []
        self.life, self.durable_within = "first", 0.0

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        with self._lock:
            self.calls += 1
            call = self.calls
        problem = self._fail(call, signal, payload, meta)
        if problem is not None:
            raise problem
        token = meta.token(signal)
        assert self.inserted.setdefault(token, payload) == payload, "a token names one payload, forever"

    def stored_items(self, signal: Signal, meta: SegmentMeta) -> int:
        return self.count(signal, meta.tenant, meta.segment)

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        assert self.quarantined.setdefault(token, list(entries)) == list(entries), "a token names its rows, forever"

    def forget(self, signal: Signal, meta: SegmentMeta) -> None:
        self.forgotten.append((signal, meta.tenant, meta.segment))

    def make_durable(self) -> float:
        return self.durable_within

    def incarnation(self) -> str:
        return self.life

    def highest_segments(self) -> dict[int, int]:
        return {}
