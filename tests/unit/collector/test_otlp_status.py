"""Errors as OTLP callers see them."""

from __future__ import annotations

import json

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

import core.errors
from collector.admission import Encoding
from collector.otlp_status import refusal_of
from core import OpsintelError, RateLimited, Retryable, StoreUnavailable, TooLarge, Unavailable

RETRYABLE_HTTP = {429, 502, 503, 504}
RETRYABLE_GRPC = {"CANCELLED": 1, "DEADLINE_EXCEEDED": 4, "ABORTED": 10, "OUT_OF_RANGE": 11, "UNAVAILABLE": 14, "DATA_LOSS": 15}  # fmt: skip # noqa: E501
ERRORS = [value for value in vars(core.errors).values() if isinstance(value, type) and issubclass(value, OpsintelError)]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_only_what_may_succeed_later_is_called_retryable(kind: type[OpsintelError]) -> None:
    """Every class of ours is mapped, and a client that obeys OTLP repeats exactly the retryable ones."""
    refusal = refusal_of(kind("it happened"))
    again = issubclass(kind, Retryable)
    assert (refusal.http_status in RETRYABLE_HTTP) == again
    assert (refusal.retry_after_s is not None) == again
    assert again or refusal.code not in RETRYABLE_GRPC.values()
    assert not again or refusal.code in (8, 14)
    assert 400 <= refusal.http_status < 600


def test_both_encodings_tell_the_same() -> None:
    """The code, the message, and when to come back."""
    refusal = refusal_of(Unavailable("the log is full", retry_after_s=2.5, hint="wait"), lambda: 0.0)
    status = Status.FromString(refusal.body(Encoding.PROTOBUF))
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    assert (status.code, status.message, retry.retry_delay.ToMilliseconds()) == (14, "the log is full; wait", 2500)
    assert json.loads(refusal.body(Encoding.JSON)) == {
        "code": 14,
        "message": "the log is full; wait",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.5s"}],
    }
    assert refusal.retry_after_header == "3"


@given(seconds=st.floats(0, 3600), chance=st.floats(0, 1))
def test_callers_refused_together_do_not_come_back_together(seconds: float, chance: float) -> None:
    """Never before it may succeed, and spread over half as long again; the header is never earlier than the detail."""
    refusal = refusal_of(RateLimited("slow down", retry_after_s=seconds), lambda: chance)
    assert refusal.retry_after_s is not None
    assert seconds <= refusal.retry_after_s <= seconds + max(1.0, seconds / 2)
    assert refusal.retry_after_header is not None
    assert int(refusal.retry_after_header) >= refusal.retry_after_s
    early, late = (refusal_of(RateLimited("", retry_after_s=5), lambda at=at: at) for at in (0.0, 1.0))  # type: ignore[misc]
    assert (early.retry_after_header, late.retry_after_header) == ("5", "8")


def test_the_more_special_class_counts() -> None:
    """TooLarge is an InvalidInput, StoreUnavailable a StorageError."""
    assert refusal_of(TooLarge("big")).http_status == 413
    assert refusal_of(StoreUnavailable("away")).http_status == 503
