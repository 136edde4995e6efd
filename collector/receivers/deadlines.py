"""Ends what takes longer than a fixed time: one thread watches all, the oldest first."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core import Clock

LOOK_S = 0.25


class Deadlines:
    """What is watched between `watch` and `done` is ended after `seconds`, within a quarter of a second."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._watched: dict[object, tuple[float, Callable[[], None]]] = {}  # in the order of their ends
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-grpc-deadlines", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and nothing else."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def watch(self, end: Callable[[], None]) -> object:
        """`end` is called, from another thread, unless `done` comes in time."""
        mark = object()
        with self._lock:
            self._watched[mark] = (self._clock.monotonic() + self._seconds, end)
        return mark

    def done(self, mark: object) -> None:
        """It came in time, or not: nothing more will happen to it."""
        with self._lock:
            self._watched.pop(mark, None)

    def look(self) -> None:
        """Ends what is due."""
        now = self._clock.monotonic()
        due = list[Callable[[], None]]()
        with self._lock:
            while self._watched:
                mark, (at, end) = next(iter(self._watched.items()))
                if at > now:
                    break
                del self._watched[mark]
                due.append(end)
        for end in due:
            end()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.look()
