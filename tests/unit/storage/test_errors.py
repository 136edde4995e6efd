"""Foreign errors become ours, whatever the client library calls them."""

from __future__ import annotations

import inspect

import pytest
from clickhouse_connect.driver import exceptions as driver
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from core import ConfigurationError, LimitExceeded, QueryRejected, StorageError, StoreUnavailable
from storage.clickhouse.errors import at_start, explain, translate, translated

ROWS = [
    ("Code: 62. DB::Exception: Syntax error: failed at position 8 (FRM): FRM x.", QueryRejected),
    ("Code: 60. DB::Exception: Unknown table expression identifier 'x' in scope SELECT secret", QueryRejected),
    ("Code: 159. DB::Exception: Timeout exceeded: elapsed 1001 ms, maximum: 1000 ms.", LimitExceeded),
    ("Code: 241. DB::Exception: Memory limit (total) exceeded", LimitExceeded),
    ("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space.", StoreUnavailable),
    ("Code: 252. DB::Exception: Too many parts (3000)", StoreUnavailable),
    ("Code: 49. DB::Exception: Logical error", StorageError),
]


@pytest.mark.parametrize(("text", "kind"), ROWS, ids=[text[6:9] for text, _ in ROWS])
def test_the_engines_codes(text: str, kind: type[StorageError]) -> None:
    assert type(translate(driver.DatabaseError(text))) is kind


def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    error = MaxRetryError(HTTPConnectionPool("127.0.0.1", 1), "/")
    assert isinstance(translate(error), StoreUnavailable)


@pytest.mark.parametrize(
    "name", [n for n, c in inspect.getmembers(driver, inspect.isclass) if issubclass(c, Exception)]
)
def test_no_error_of_the_client_gets_out(name: str) -> None:
    """Fails when the library below grows an error that is not mapped."""
    kind = getattr(driver, name)
    if not kind.__module__.startswith("clickhouse_connect") or issubclass(kind, Warning):
        return
    with pytest.raises(StorageError), translated():
        raise kind() if kind is driver.StreamClosedError else kind("Code: 1001. DB::Exception: something")


def test_the_statement_is_cut_from_the_explanation() -> None:
    text = "Code: 47. DB::Exception: Unknown identifier 'a' in scope SELECT a FROM b. (UNKNOWN_IDENTIFIER) (version 26)"
    assert explain(driver.DatabaseError(text)) == "Unknown identifier 'a'"


# --- a server and what stands before it ---


@pytest.mark.parametrize("status", [404, 408, 429, 500, 502, 503, 504])
def test_an_answer_that_is_not_the_engines_is_no_refusal(status: int) -> None:
    """A proxy's 502 may hide an insert that was executed: it must be repeated as it is, never split."""
    error = driver.DatabaseError(
        f"HTTP driver received HTTP status {status}, server response: <html> (for url http://x)"
    )
    translated_error = translate(error)
    assert isinstance(translated_error, StoreUnavailable)
    assert "http://x" not in str(translated_error)


@pytest.mark.parametrize("code", [192, 193, 194, 516])
def test_refused_credentials_are_told_without_them(code: int) -> None:
    text = f"Received ClickHouse exception, code: {code}, server response: Code: {code}. DB::Exception: bob: no"
    error = translate(driver.DatabaseError(text, code=code))
    assert isinstance(error, StoreUnavailable)
    assert "OPSINTEL_CLICKHOUSE_DSN" in error.hint
    assert isinstance(at_start(error), ConfigurationError)


def test_a_broken_connection_is_told_in_words() -> None:
    """The library's text has the URL with every parameter in it."""
    error = driver.OperationalError(
        "Error HTTPConnectionPool(host='h'): Max retries exceeded with url: /?param_x=secret"
    )
    error.__cause__ = MaxRetryError(HTTPConnectionPool("h", 1), "/", ReadTimeoutError(HTTPConnectionPool("h"), "/", ""))
    assert translate(error).message == "the engine cannot be used now: it did not answer in time"
