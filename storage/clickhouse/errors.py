"""Foreign errors of the engine and of its client become ours here, once.

The engine's own text is cut to its first sentence: it names the column, the function or the limit, which the caller
needs, and drops the statement and the stack, which he must not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from clickhouse_connect.driver import exceptions as driver

from core.errors import ConfigurationError, LimitExceeded, QueryRejected, StorageError, StoreUnavailable

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
REJECTED = frozenset(
    {6, 27, 36, 38, 41, 42, 43, 44, 46, 47, 48, 50, 53, 57, 60, 62, 63, 70, 80, 81, 115, 117, 125, 130, 131, 153, 164}
    | {179, 184, 206, 215, 344, 352, 386, 403, 407, 452, 456, 457, 497, 549, 579, 620}
)
LIMITS = frozenset({158, 159, 160, 161, 162, 167, 168, 191, 241, 290, 307, 396})
UNAVAILABLE = frozenset(
    {3, 74, 75, 76, 198, 202, 203, 209, 210, 225, 242, 243, 252, 319, 373, 425, 439, 473, 999, 1002}
)
"""Files, network, keeper, disk space, too many parts: the same call may succeed later. 1002 is the engine's unknown."""

CREDENTIALS = frozenset({192, 193, 194, 516})
"""Unknown user, wrong or missing password: it may be put right while a service runs, so what it holds is kept."""

CHECK_DSN = "check the user and the password in OPSINTEL_CLICKHOUSE_DSN"

_CODE = re.compile(r"Code: (\d+)")
_STATUS = re.compile(r"received HTTP status (\d+)")
_NOISE = re.compile(
    r"(\s*\(line \d+, col \d+\):.*|:?\s*while (?:executing|processing|converting)\b.*"
    r"|\s*In scope\b.*|\(version .*|\s*\([A-Z_]{4,}\).*"
    r"|Stack trace.*|: ?\(?in file/uri.*|: ?\(at row \d+\).*|\s*\(for url .*)",
    re.DOTALL | re.IGNORECASE,
)


def engine_code(error: Exception) -> int | None:
    """The engine's error number, where the client knows it or its text tells."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else None


def _gateway_failed(error: Exception) -> bool:
    """Whether the answer was not the engine's: a proxy's, or that of a server that is starting or overloaded.

    Whether the statement was executed is then not known, so it must never count as refused.
    """
    found = _STATUS.search(str(error))
    return found is not None and (int(found[1]) >= 500 or int(found[1]) in (404, 408, 429))


NETWORK: tuple[tuple[type[Exception], str], ...] = (
    (urllib3.exceptions.NameResolutionError, "its host name is not known"),
    (urllib3.exceptions.NewConnectionError, "it does not accept connections"),
    (urllib3.exceptions.ConnectTimeoutError, "it did not accept a connection in time"),
    (urllib3.exceptions.ReadTimeoutError, "it did not answer in time"),
    (urllib3.exceptions.SSLError, "TLS failed"),
    (urllib3.exceptions.ProtocolError, "the connection ended without a whole answer"),
    (TimeoutError, "it did not answer in time"),
    (ConnectionError, "the connection ended without a whole answer"),
)
"""In words, because the library's own text has the whole URL with its parameters; the first that fits."""


def _network(error: Exception) -> str:
    """What the network did, from the chain of causes; empty when it was not the network."""
    chain: list[BaseException] = []
    one: object = error
    while isinstance(one, BaseException) and len(chain) < 10:
        chain.append(one)
        one = getattr(one, "reason", None) or one.__cause__ or one.__context__
    return next((words for kind, words in NETWORK if any(isinstance(one, kind) for one in chain)), "")


def explain(error: Exception) -> str:
    """The first sentence of the engine's message, without statement, stack and version; at most 300 characters."""
    if isinstance(error, driver.OperationalError | urllib3.exceptions.HTTPError | OSError) and (
        words := _network(error)
    ):
        return words
    text = re.sub(r"^.*?DB::Exception:\s*", "", str(error), count=1, flags=re.DOTALL)
    return _NOISE.sub("", text).strip().rstrip(".:")[:300] or "no reason was given"


def translate(error: Exception) -> StorageError:
    """The error of ours that stands for a foreign one."""
    code, why = engine_code(error), explain(error)
    if code in CREDENTIALS:
        return StoreUnavailable("the engine refuses the user or the password", hint=CHECK_DSN)
    if code is None and _gateway_failed(error):
        return StoreUnavailable(f"the engine cannot be used now: {why}")
    if isinstance(error, driver.StreamFailureError | driver.DatabaseError | driver.ProgrammingError):
        if code in REJECTED or (code is None and isinstance(error, driver.ProgrammingError)):
            return QueryRejected(f"the engine rejects the statement: {why}")
        if code in LIMITS:
            return LimitExceeded(
                f"the statement ran into a limit: {why}", hint="ask for less, or narrow the time range"
            )
    if code in UNAVAILABLE or isinstance(error, driver.OperationalError | urllib3.exceptions.HTTPError | OSError):
        return StoreUnavailable(f"the engine cannot be used now: {why}")
    return StorageError(f"the engine failed: {why}")


def at_start(error: StorageError) -> StorageError | ConfigurationError:
    """What a failure means while a connection is first made: credentials that are wrong then do not come right."""
    if error.hint == CHECK_DSN:
        return ConfigurationError(error.message, hint=CHECK_DSN)
    return error


@contextmanager
def translated() -> Iterator[None]:
    """Lets nothing foreign out."""
    try:
        yield
    except (
        driver.ClickHouseError,
        driver.StreamCompleteException,
        urllib3.exceptions.HTTPError,
        OSError,
        RuntimeError,
    ) as error:
        raise translate(error) from error
