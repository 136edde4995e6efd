"""Every error the product raises on purpose.

    OpsintelError
    ├── ConfigurationError      a setting is wrong; the process does not start
    ├── InvalidInput            the caller sent something unusable
    │   ├── TooLarge            … larger than the limit
    │   └── UnsupportedMedia    … in a type or encoding that is not understood
    ├── Unauthenticated         no credentials, or unknown ones
    ├── Forbidden               known, but not allowed to
    ├── NotFound                no such thing
    ├── Conflict                the thing is not in a state that allows this
    ├── Retryable               the same request may succeed later
    │   ├── RateLimited         the caller is over its rate
    │   └── Unavailable         the product cannot serve now (log full, engine down)
    └── StorageError            a store refused or failed
        ├── QueryRejected       the statement is wrong or not allowed
        ├── LimitExceeded       it ran into a time, memory or row limit
        └── StoreUnavailable    the store cannot be reached or used; a Retryable too

Foreign errors are translated once, at the edge where they enter (`storage/clickhouse/errors.py`, …), and turned into
answers once, where they leave (`api/problems.py`, `collector/otlp_status.py`). A message says what happened with the
value quoted; `hint` says what to do. Neither carries secrets or SQL.
"""

from __future__ import annotations


class OpsintelError(Exception):
    """The root. `message` says what happened and why, `hint` the way out (may be empty)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigurationError(OpsintelError):
    """A setting is missing, unknown or out of its range."""


class InvalidInput(OpsintelError):
    """What the caller sent cannot be used, now or later."""


class TooLarge(InvalidInput):
    """It is larger than the limit, before or after decompression."""


class UnsupportedMedia(InvalidInput):
    """Its media type or content encoding is not understood."""


class Unauthenticated(OpsintelError):
    """No credentials, or none that are known."""


class Forbidden(OpsintelError):
    """The principal is known and may not do this."""


class NotFound(OpsintelError):
    """There is no such thing, or none that the principal may see."""


class Conflict(OpsintelError):
    """The thing is not in a state that allows this."""


class Retryable(OpsintelError):
    """The same request may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Retryable):
    """The caller is over its rate."""


class Unavailable(Retryable):
    """The product cannot serve this now."""


class StorageError(OpsintelError):
    """A store refused or failed."""


class QueryRejected(StorageError):
    """The statement is malformed, names what is not there, or is not allowed."""


class LimitExceeded(StorageError):
    """The statement ran into a limit of time, memory, rows or bytes."""


class StoreUnavailable(StorageError, Unavailable):
    """The store cannot be reached or cannot be written to."""
