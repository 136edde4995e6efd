"""What processes and disk looked like, every few seconds; and the straight line through it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_THREADS_COUNTER = re.compile(r"/proc/\d+/task/\d+/")


@dataclass(frozen=True)
class Sample:
    """Of one process: `at` in seconds since the load began, `rss` in MiB, `fds` as `open_files` counts them."""

    at: float
    rss: float
    fds: int
    threads: int


@dataclass(frozen=True)
class Store:
    """Of the log, the engine and the ledger: bytes, sealed segments, parts on disk, items."""

    at: float
    log_bytes: int
    segments: int
    parts: int
    pending: int


def open_files(pid: int) -> int:
    """How many descriptors a process has, without counters of its threads.

    The engine opens three of those (`/proc/…/task/…/stat`, `io`, `schedstat`) for each of its threads at that thread's
    first query and keeps them: they grow for as long as threads of the pool are used for the first time, and never
    beyond three for each thread. Threads are counted by themselves. Raises OSError when the process is gone.
    """
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = descriptor.readlink()
        except FileNotFoundError:  # closed meanwhile
            continue
        count += not _THREADS_COUNTER.match(str(target))
    return count


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much y grows with each x; 0 where there is no line to draw."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


@dataclass
class Sampler:
    """Watches a process and its children from `start` to `stop`."""

    root: int
    log: Path
    ask: Callable[[], tuple[int, int]]
    every_s: float = 2.0
    processes: dict[str, list[Sample]] = field(default_factory=dict)
    stores: list[Store] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """In a thread of its own."""
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            self._processes()
            self._store()

    def _processes(self) -> None:
        at = time.monotonic() - self._begun
        try:
            root = psutil.Process(self.root)
            tree = [root, *root.children()]
        except psutil.NoSuchProcess:
            return
        for one in tree:
            try:
                if one.status() == psutil.STATUS_ZOMBIE:  # killed; it has nothing left to measure
                    continue
                name = self._names.get(one.pid) or self._name(one)
                sample = Sample(at, one.memory_info().rss / (1 << 20), open_files(one.pid), one.num_threads())
            except (psutil.Error, OSError):
                continue
            self.processes.setdefault(name, []).append(sample)

    def _name(self, one: psutil.Process) -> str:
        count = len(self._names)
        self._names[one.pid] = "owner" if one.pid == self.root else f"receiver {count}"
        return self._names[one.pid]

    def _store(self) -> None:
        files = [path for path in self.log.glob("lanes/*/*") if path.suffix in (".open", ".seg", ".done")]
        size = 0
        for path in files:
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue
        try:
            parts, pending = self.ask()
        except Exception:  # the owner is paused or busy; the next sample will tell
            return
        waiting = sum(1 for path in files if path.suffix == ".seg")
        self.stores.append(Store(time.monotonic() - self._begun, size, waiting, parts, pending))
