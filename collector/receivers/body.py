"""The body of a request over HTTP, piece by piece, for as long as it keeps its pace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from collector.limits import Pace
from core import TooLarge, Unavailable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The caller went away before the request was complete."""


class TooSlow(Unavailable):
    """The body came slower than is waited for; the caller may try again on a better line."""


class Body:
    """`complete` once all has come; `late` once its pace was lost, after which nothing more is read."""

    def __init__(self, receive: Receive, pace: Pace) -> None:
        self._receive, self._pace = receive, pace
        self._started: float | None = None
        self._size = 0
        self.complete, self.late = False, False

    async def piece(self) -> bytes:
        """What has come since. Raises Disconnected, TooSlow."""
        now = asyncio.get_running_loop().time()
        if self._started is None:  # time spent waiting for memory does not count
            self._started = now
        try:
            async with asyncio.timeout_at(self._started + self._pace.due(self._size)):
                message = await self._receive()
        except TimeoutError:
            self.late = True
            raise TooSlow(
                f"{self._size} bytes of the body came in {now - self._started:.0f} s",
                hint=f"at least {self._pace.least_bytes_per_s:g} bytes a second are needed",
            ) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        return piece

    async def read(self, limit: int) -> bytes:
        """All of it. Raises TooLarge, Disconnected, TooSlow."""
        parts, size = list[bytes](), 0
        while not self.complete:
            parts.append(await self.piece())
            size += len(parts[-1])
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def drain(self, limit: int, seconds: float) -> None:
        """Reads on without keeping anything, up to a limit of bytes and time. Raises Disconnected."""
        size = 0
        try:
            async with asyncio.timeout(seconds):
                while not self.complete and not self.late and size <= limit:
                    size += len(await self.piece())
        except (TimeoutError, TooSlow):
            self.late = True
