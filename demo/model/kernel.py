"""A small discrete-event simulator: a clock that jumps, processes that pause, stations with waiting lines, gates.

A process is a generator. It yields a number of seconds to let time pass, a Station to wait for one of its workers, or
a Gate to wait until it is open. Nothing here reads a wall clock or a random number, so that the same processes give
the same history. It is not thread-safe.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol

from demo.model.facts import SECOND

Resume = Callable[[], None]


class Waitable(Protocol):
    """Something a process can wait for."""

    def park(self, resume: Resume) -> bool:
        """Takes the process in, or returns False when it need not wait."""
        ...


Process = Generator[float | Waitable, None, Any]


class Kernel:
    """The clock and the agenda."""

    def __init__(self, start: int) -> None:
        self.now = start
        self._agenda: list[tuple[int, int, Resume]] = []
        self._count = 0

    def at(self, when: int, call: Resume) -> None:
        """Calls back when the clock reads `when`; what lies in the past happens now."""
        self._count += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._count, call))

    def spawn(self, process: Process, delay: float = 0.0) -> None:
        """Starts a process after `delay` seconds."""
        self.at(self.now + int(delay * SECOND), lambda: self._step(process))

    def run_until(self, until: int) -> None:
        """Lets everything happen that is due up to and including `until`; the clock reads `until` afterwards."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= until:
            self.now, _, call = heapq.heappop(agenda)
            call()
        self.now = max(self.now, until)

    def _step(self, process: Process) -> None:
        for pause in process:
            if isinstance(pause, float | int):
                self.at(self.now + int(pause * SECOND), lambda: self._step(process))
                return
            if pause.park(lambda: self._step(process)):
                return


class Station:
    """Workers behind a first-come-first-served line; how many work may change with time.

    Whoever got a worker must call `leave`. When the number of workers grows by the calendar, `pump` must be called
    for the line to move (the model does so regularly).
    """

    def __init__(self, kernel: Kernel, workers: Callable[[int], int]) -> None:
        self._kernel = kernel
        self._workers = workers
        self._busy = 0
        self._line: deque[tuple[int, Resume]] = deque()

    @property
    def depth(self) -> int:
        """How many wait in line."""
        return len(self._line)

    def oldest_age(self) -> float:
        """Seconds the first in line has waited; 0 when nobody does."""
        return (self._kernel.now - self._line[0][0]) / SECOND if self._line else 0.0

    def park(self, resume: Resume) -> bool:
        if not self._line and self._busy < self._workers(self._kernel.now):
            self._busy += 1
            return False
        self._line.append((self._kernel.now, resume))
        return True

    def leave(self) -> None:
        """Gives the worker back."""
        self._busy -= 1
        self.pump()

    def pump(self) -> None:
        """Gives free workers to those in line."""
        workers = self._workers(self._kernel.now)
        while self._line and self._busy < workers:
            self._busy += 1
            _, resume = self._line.popleft()
            self._kernel.at(self._kernel.now, resume)


class Gate:
    """Open, or closed and holding back whoever comes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: list[Resume] = []
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether whoever comes is held."""
        return self._closed

    @property
    def held(self) -> int:
        """How many are held back."""
        return len(self._held)

    def park(self, resume: Resume) -> bool:
        if self._closed:
            self._held.append(resume)
        return self._closed

    def set_closed(self, closed: bool) -> None:
        """Closes the gate, or opens it and lets all go in the order they came."""
        self._closed = closed
        if not closed:
            held, self._held = self._held, []
            for resume in held:
                self._kernel.at(self._kernel.now, resume)


class Latch:
    """Holds processes until it has been counted down to 0; open from the start when it begins at 0."""

    def __init__(self, kernel: Kernel, count: int) -> None:
        self._kernel = kernel
        self._count = count
        self._held: list[Resume] = []

    def park(self, resume: Resume) -> bool:
        if self._count > 0:
            self._held.append(resume)
        return self._count > 0

    def more(self) -> None:
        """Counts up by one."""
        self._count += 1

    def done(self) -> None:
        """Counts down by one; at 0 all who wait go on."""
        self._count -= 1
        if self._count <= 0:
            held, self._held = self._held, []
            for resume in held:
                self._kernel.at(self._kernel.now, resume)
