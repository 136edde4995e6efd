"""An HTTP answer as what came of an attempt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.sending import Delivered, Rejected, Result, RetryAfter, of_answer, retry_after_s

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 3600.0),
        ("²", None),
        ("Mon, 02 Mar 2026 09:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
        ("Tue, 03 Mar 2026 09:00:00 GMT", 3600.0),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Delivered("the receiver answered 200")),
        (299, Delivered("the receiver answered 299")),
        (302, Rejected("the receiver answered 302")),
        (404, Rejected("the receiver answered 404")),
        (408, RetryAfter("the receiver answered 408", 40.0)),
        (425, RetryAfter("the receiver answered 425", 40.0)),
        (429, RetryAfter("the receiver answered 429", 40.0)),
        (500, RetryAfter("the receiver answered 500", 40.0)),
        (599, RetryAfter("the receiver answered 599", 40.0)),
    ],
)
def test_of_an_answer(status: int, result: Result) -> None:
    assert of_answer(status, "40", NOW) == result
