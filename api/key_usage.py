"""When each key was last used, about: kept in memory, written once a minute by a thread of its own.

A process that is killed forgets the last minute. With several processes the latest one counts.
"""

from __future__ import annotations

import threading
from datetime import datetime

from sqlalchemy import or_, update

from core import Clock, OpsintelError, get_logger
from storage import StateDb
from storage.state.key_tables import API_KEYS

WRITE_S = 60.0
_log = get_logger("api.keys")


class KeyUsage:
    """`note` costs a dictionary entry; what is noted is written between `start` and `stop`, and at the stop."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._used: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-usage", daemon=True)

    def note(self, prefix: str) -> None:
        """The key was used now."""
        now = self._clock.now()
        with self._lock:
            self._used[prefix] = now

    def write(self) -> None:
        """Writes what was noted. Raises StorageError; then it is written the next time."""
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            with self._state.begin() as connection:
                for prefix, at in sorted(used.items()):
                    earlier = or_(API_KEYS.c.last_used_at.is_(None), API_KEYS.c.last_used_at < at)
                    connection.execute(
                        update(API_KEYS).where(API_KEYS.c.prefix == prefix, earlier).values(last_used_at=at)
                    )
        except OpsintelError:
            with self._lock:
                self._used = used | self._used
            raise

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes the rest."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._try()

    def _run(self) -> None:
        while not self._stopping.wait(WRITE_S):
            self._try()

    def _try(self) -> None:
        try:
            self.write()
        except OpsintelError as error:
            _log.warning("the use of keys cannot be written", error=error.message)
