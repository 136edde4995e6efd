"""What processes cost: CPU seconds and the highest resident size, of whole process trees."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

SAMPLE_S = 0.1


@dataclass
class Usage:
    """Of some named process trees, since it was made. Processes that came and went between two samples are missed."""

    roots: Mapping[str, int]
    _cpu: dict[int, float] = field(default_factory=dict)
    _owner: dict[int, str] = field(default_factory=dict)
    _start: dict[int, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._sample()
        self._start = dict(self._cpu)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        for name, pid in self.roots.items():
            resident = 0
            try:
                root = psutil.Process(pid)
                tree = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in tree:
                try:
                    times = process.cpu_times()
                    resident += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                self._cpu[process.pid], self._owner[process.pid] = times.user + times.system, name
            self.peak[name] = max(self.peak.get(name, 0), resident)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of every tree until now."""
        self._sample()
        used = dict.fromkeys(self.roots, 0.0)
        for pid, seconds in list(self._cpu.items()):
            used[self._owner[pid]] += seconds - self._start.get(pid, 0.0)
        return used

    def stop(self) -> None:
        """Ends the sampling."""
        self._stop.set()
        self._thread.join()
