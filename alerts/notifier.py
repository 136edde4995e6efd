"""Getting a message to its receiver: one attempt, and what came of it.

A notifier never raises and never repeats itself; the service decides about another attempt. Delivery is at least once:
an answer that got lost leads to another attempt with the same `webhook-id`, by which the receiver drops the double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from control import Answer, OutboundHttp, Signer, check_endpoint
from core.clock import Clock
from core.sending import Result, RetryAfter, of_answer


@dataclass(frozen=True)
class RetryPolicy:
    """Pauses that double from `first_s` to `most_s`; after `attempts` the message is a dead letter (here: 8 hours)."""

    first_s: float = 5.0
    most_s: float = 1_800.0
    attempts: int = 24

    def pause_s(self, failed: int) -> float:
        """The pause after the `failed`-th failed attempt (from 1), in seconds."""
        return min(self.first_s * 2.0 ** min(failed - 1, 30), self.most_s)


class Notifier(Protocol):
    """A way to a receiver."""

    @property
    def receiver(self) -> str:
        """Its name, as messages and the notification log show it."""
        ...

    def send(self, message_id: str, payload: bytes) -> Result:
        """One attempt."""
        ...


class WebhookNotifier:
    """Posts to one URL, signed after Standard Webhooks where there is a signer."""

    def __init__(
        self, url: str, http: OutboundHttp, clock: Clock, signer: Signer | None, *, receiver: str = "webhook"
    ) -> None:
        self._url = check_endpoint(url)
        self._http = http
        self._clock = clock
        self._signer = signer
        self._receiver = receiver

    @property
    def receiver(self) -> str:
        return self._receiver

    def send(self, message_id: str, payload: bytes) -> Result:
        now = self._clock.now()
        headers = {"webhook-id": message_id}
        if self._signer is not None:
            headers = self._signer.headers(message_id, now, payload)
        result = self._http.post(self._url, payload, headers)
        if not isinstance(result, Answer):
            return RetryAfter(result.detail)
        return of_answer(result.status, result.headers.get("retry-after", ""), now)
