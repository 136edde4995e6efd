"""What predictions of lateness turned out to be worth, kept for an hour: to find out takes longer than to predict.

It is worked out anew from the cases when it is asked for and the last answer is an hour old; nothing is stored. Not
promised: that two processes, or the hour before and after, agree.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from kpis.process.calibration import calibration
from kpis.process.recalibration import Correction
from kpis.process.remaining import HISTORY, History
from kpis.process.streams import ValueStream
from storage import ClickHouse

LASTING = timedelta(hours=1)
MOST = 1_000
"""So many streams of tenants are remembered of a store; then all are forgotten."""
Key = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], History]


class Corrections:
    """The corrections of streams, by store. Safe to use from any thread; two may work out the same at once."""

    def __init__(self, lasting: timedelta = LASTING) -> None:
        self._lasting = lasting
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[ClickHouse, dict[Key, tuple[datetime, Correction]]] = WeakKeyDictionary()

    def of(
        self, ch: ClickHouse, tenant: str, stream: ValueStream, now: datetime, history: History = HISTORY
    ) -> Correction:
        """What to make of predictions for the stream at `now` (aware), by what was known within the hour before."""
        key = (tenant, stream.name, stream.terminal, stream.promise_kept, stream.running, stream.details, history)
        with self._lock:
            found = self._known.setdefault(ch, {}).get(key)
        if found and timedelta(0) <= now - found[0] < self._lasting:
            return found[1]
        made = calibration(ch, tenant, stream.name, now, streams={stream.name: stream}, history=history).correction
        with self._lock:
            known = self._known.setdefault(ch, {})
            if len(known) >= MOST:
                known.clear()
            known[key] = (now, made)
        return made


CORRECTIONS = Corrections()
