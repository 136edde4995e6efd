"""A lease: of several processes with one state database, one at a time does what only one may do.

Who holds it says so again before it expires; when it does not (it died, it hangs, it lost the database), another takes
it. The wall clocks of the processes decide on expiry, so that they must agree to within the margin: a holder stops
counting itself as one that long before the others may take over, by its monotonic clock, from the moment at which it
*began* to ask. `token` grows with each new holder.

Not promised: that a statement which was sent before the lease ran out is not carried out after it. What a job writes
must bear being written twice; jobs ask `held` between their steps.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from core.clock import Clock
from core.errors import StoreUnavailable
from storage.state.database import StateDb
from storage.state.lease_tables import LEASES


@dataclass(frozen=True)
class LeaseHolder:
    """Who holds a lease, since when, and until when if it says nothing more."""

    holder: str
    token: int
    taken_at: datetime
    expires_at: datetime


class Lease:
    """One process's part in the lease `name`. Safe for several threads.

    holder: names the process, no two may have the same. lasts_s: for how long it is taken; margin_s: how much earlier
    its holder stops counting on it. Raises core.StorageError when the database fails.
    """

    def __init__(
        self, state: StateDb, clock: Clock, name: str, holder: str, *, lasts_s: float = 60.0, margin_s: float = 10.0
    ) -> None:
        if not 0 <= margin_s < lasts_s:
            raise ValueError(f"a lease's margin is 0 or more and below its {lasts_s} s, got {margin_s}")
        self._state, self._clock, self.name, self.holder = state, clock, name, holder
        self._lasts, self._margin = lasts_s, margin_s
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._token = 0

    @property
    def held(self) -> bool:
        """Whether it can be counted on now; asks nobody."""
        return self._clock.monotonic() < self._until

    @property
    def token(self) -> int:
        """The number of this holding, 0 before the first."""
        return self._token

    def hold(self) -> bool:
        """Takes it or says again that it is held; False when another holds it."""
        with self._lock:
            began, now = self._clock.monotonic(), self._clock.now()
            try:
                token = self._claim(now)
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, IntegrityError):
                    raise
                token = None  # another inserted it first
            if token is None:
                self._until = float("-inf")
                return False
            self._token, self._until = token, began + self._lasts - self._margin
            return True

    def seize(self) -> bool:
        """Takes it whoever holds it: for who knows (by the lock on a directory) that no other process lives."""
        with self._lock, self._state.begin() as connection:
            others = (LEASES.c.name == self.name) & (LEASES.c.holder != self.holder)
            connection.execute(update(LEASES).where(others).values(expires_at=self._clock.now()))
        return self.hold()

    def release(self) -> None:
        """Lets another take it at once."""
        with self._lock:
            self._until = float("-inf")
            with self._state.begin() as connection:
                mine = (LEASES.c.name == self.name) & (LEASES.c.holder == self.holder)
                connection.execute(update(LEASES).where(mine).values(expires_at=self._clock.now()))

    def now_held_by(self) -> LeaseHolder | None:
        """Who holds it according to the database; None for nobody."""
        query = select(LEASES).where(LEASES.c.name == self.name, LEASES.c.expires_at > self._clock.now())
        with self._state.connect() as connection:
            row = connection.execute(query).mappings().first()
        return LeaseHolder(row["holder"], row["token"], row["taken_at"], row["expires_at"]) if row else None

    def _claim(self, now: datetime) -> int | None:
        """The token, or None when another holds it."""
        free = or_(LEASES.c.holder == self.holder, LEASES.c.expires_at <= now)
        continued = (LEASES.c.holder == self.holder) & (LEASES.c.expires_at > now)
        values = {
            "holder": self.holder,
            "token": case((continued, LEASES.c.token), else_=LEASES.c.token + 1),
            "taken_at": case((continued, LEASES.c.taken_at), else_=now),
            "expires_at": now + timedelta(seconds=self._lasts),
        }
        with self._state.begin() as connection:
            taken = connection.execute(update(LEASES).where(LEASES.c.name == self.name, free).values(values)).rowcount
            if not taken:
                known = connection.execute(select(LEASES.c.name).where(LEASES.c.name == self.name)).first()
                if known:
                    return None
                values = {"name": self.name, "holder": self.holder, "token": 1, "taken_at": now}
                expires = now + timedelta(seconds=self._lasts)
                connection.execute(insert(LEASES).values(values | {"expires_at": expires}))
                return 1
            return int(connection.execute(select(LEASES.c.token).where(LEASES.c.name == self.name)).scalar_one())
