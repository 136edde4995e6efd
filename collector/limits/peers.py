"""How many connections there may be, in all and from one address; when it is full the longest idle one makes room.

Not safe for threads: it belongs to one event loop.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Connection(Protocol):
    """What can be closed when it has nothing to do."""

    def close_idle(self) -> None:
        """Ends the connection; nothing is in work on it."""
        ...


class Peers:
    """`total` connections, `per_peer` from one address."""

    def __init__(self, total: int, per_peer: int) -> None:
        if not 1 <= per_peer <= total:
            raise ValueError(f"per peer there may be 1 to {total} connections, got {per_peer}")
        self._total, self._per_peer = total, per_peer
        self._addresses: dict[Connection, str] = {}
        self._count = Counter[str]()
        self._idle: dict[Connection, None] = {}  # in the order in which they became idle

    def __len__(self) -> int:
        return len(self._addresses)

    def enter(self, connection: Connection, address: str) -> str:
        """Takes a connection in and returns "", or the reason why not: `peer_connections` or `connections`."""
        if self._count[address] >= self._per_peer and not self._make_room(address):
            return "peer_connections"
        if len(self._addresses) >= self._total and not self._make_room(None):
            return "connections"
        self._addresses[connection] = address
        self._count[address] += 1
        return ""

    def leave(self, connection: Connection) -> None:
        """It is gone; one that was never taken in is no matter."""
        self._idle.pop(connection, None)
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._count[address] -= 1
            if not self._count[address]:
                del self._count[address]

    def idle(self, connection: Connection) -> None:
        """It has answered and waits for another request."""
        if connection in self._addresses:
            self._idle[connection] = None

    def busy(self, connection: Connection) -> None:
        """It has something to do again."""
        self._idle.pop(connection, None)

    def _make_room(self, address: str | None) -> bool:
        for one in self._idle:
            if address is None or self._addresses[one] == address:
                self.leave(one)
                one.close_idle()
                return True
        return False
