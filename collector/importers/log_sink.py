"""Hands batches to the write-ahead log of this process.

The log refuses while it is full; an import fills it faster than the engine empties it, so that is waited out. What is
not waited for is the engine: a batch is safe once it is in the log, and stored a little later.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from collector.importers.sinks import Sink
from core import Clock
from core.errors import Unavailable
from storage import Signal

Append = Callable[[Signal, str, bytes, int], object]
"""`Collector.append`: signal, tenant, payload, items; returns when they are durable."""


def log_sink(
    append: Append,
    tenant: str,
    *,
    clock: Clock,
    give_up_after_s: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Sink:
    """A sink for `import_file`. A batch that the log does not take for `give_up_after_s` raises Unavailable."""

    def take(payload: bytes, items: int) -> None:
        deadline = clock.monotonic() + give_up_after_s
        while True:
            try:
                append(Signal.LOGS, tenant, payload, items)
                return
            except Unavailable as problem:
                wait = max(0.1, problem.retry_after_s)
                if clock.monotonic() + wait > deadline:
                    raise
            sleep(wait)

    return take
