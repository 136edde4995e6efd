"""What can come of one attempt to hand something to a receiver, and how an HTTP answer is read as one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3_600.0


@dataclass(frozen=True)
class Delivered:
    """The receiver took it."""

    detail: str = ""


@dataclass(frozen=True)
class RetryAfter:
    """It may work later; `seconds` is the receiver's own wish, if it had one. taken: recipients that have it now."""

    detail: str
    seconds: float | None = None
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rejected:
    """The receiver will never take it. taken: recipients that have it now."""

    detail: str
    taken: frozenset[str] = frozenset()


Result = Delivered | RetryAfter | Rejected


def of_answer(status: int, retry_after: str, now: datetime) -> Result:
    """What an HTTP status says, with its Retry-After header (empty: it has none).

    Timeouts, "too early", "too many requests" and the server's own errors pass (RFC 9110, 8470, 6585).
    """
    detail = f"the receiver answered {status}"
    if 200 <= status < 300:
        return Delivered(detail)
    if status in (408, 425, 429) or status >= 500:
        return RetryAfter(detail, retry_after_s(retry_after, now))
    return Rejected(detail)


def retry_after_s(header: str, now: datetime) -> float | None:
    """Seconds from a Retry-After header (a number or a date), between 0 and an hour; None if it says nothing usable."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
