"""What predictions of lateness turned out to be worth, kept for an hour: to find out takes longer than to predict.

It is worked out anew from the cases, when it is asked for or, in a service, by a job, so that no reader waits for it.
Nothing is stored. Not promised: that two processes, or the hour before and after, agree.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from kpis.process.calibration import calibration
from kpis.process.recalibration import AS_IT_IS, Correction, Way
from kpis.process.remaining import HISTORY, History
from kpis.process.streams import ValueStream
from storage import ClickHouse

LASTING = timedelta(hours=1)
SOON = timedelta(minutes=5)
"""After this, what was too little to judge by is looked at again."""
MOST = 1_000
"""So many streams of tenants are remembered; then all are forgotten."""
Key = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], History]


class Corrections:
    """The corrections of the streams in one store. Safe to use from any thread; two may work out the same at once."""

    def __init__(self, lasting: timedelta = LASTING, *, by_job: bool = False) -> None:
        """`by_job`: `of` answers with what `keep` has worked out, and says that nothing is known before that."""
        self._lasting, self._by_job = lasting, by_job
        self._lock = threading.Lock()
        self._known: dict[Key, tuple[datetime, Correction]] = {}

    def of(
        self, ch: ClickHouse, tenant: str, stream: ValueStream, now: datetime, history: History = HISTORY
    ) -> Correction:
        """What to make of predictions for the stream at `now` (aware), by what was known within the hour before."""
        found = self._found(_key(tenant, stream, history))
        if self._by_job:
            return found[1] if found else AS_IT_IS
        if found and timedelta(0) <= now - found[0] < self._lasting:
            return found[1]
        return self._work_out(ch, tenant, stream, now, history)

    def keep(self, ch: ClickHouse, tenant: str, stream: ValueStream, now: datetime, history: History = HISTORY) -> None:
        """Works it out where that is due at `now`: after an hour, or soon after there was too little to judge by."""
        found = self._found(_key(tenant, stream, history))
        lasting = SOON if found and found[1].way is Way.UNTESTED else self._lasting
        if not found or not timedelta(0) <= now - found[0] < lasting:
            self._work_out(ch, tenant, stream, now, history)

    def _found(self, key: Key) -> tuple[datetime, Correction] | None:
        with self._lock:
            return self._known.get(key)

    def _work_out(
        self, ch: ClickHouse, tenant: str, stream: ValueStream, now: datetime, history: History
    ) -> Correction:
        made = calibration(ch, tenant, stream.name, now, streams={stream.name: stream}, history=history).correction
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[_key(tenant, stream, history)] = (now, made)
        return made


def _key(tenant: str, stream: ValueStream, history: History) -> Key:
    return tenant, stream.name, stream.terminal, stream.promise_kept, stream.running, stream.details, history
