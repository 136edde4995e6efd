"""Opens the store at the newest schema, and waits for a server that cannot be reached yet.

In a cluster everything starts at once, so a server that is away at the start is ordinary. Wrong credentials, a server
that is too old and another process on the embedded engine's directory are not waited for.
"""

from __future__ import annotations

import threading

from core import Clock, Settings, StoreUnavailable, get_logger
from storage.clickhouse.client import ClickHouse, open_clickhouse
from storage.migrations.runner import migrate_clickhouse

_log = get_logger("storage")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


def open_migrated(settings: Settings, clock: Clock, *, wait_s: float = 0.0) -> tuple[ClickHouse, list[str]]:
    """The store, and the names of the migrations that were applied.

    Raises StoreUnavailable when a server could not be reached for `wait_s` seconds, ConfigurationError and Conflict at
    once.
    """
    deadline, pause = clock.monotonic() + (0.0 if settings.embedded else wait_s), FIRST_PAUSE_S
    while True:
        try:
            return _opened(settings)
        except StoreUnavailable as error:
            if clock.monotonic() + pause > deadline:
                raise
            _log.warning("waiting for the store", error=str(error), retry_in_s=round(pause, 1))
        threading.Event().wait(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _opened(settings: Settings) -> tuple[ClickHouse, list[str]]:
    ch = open_clickhouse(settings)
    try:
        return ch, migrate_clickhouse(ch)
    except BaseException:
        ch.close()
        raise
