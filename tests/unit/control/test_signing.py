"""Signatures against fixed vectors, and against the reference library's own verification."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from control import Signer
from core import ConfigurationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("message_id", "seconds", "body", "signature"),
    [
        pytest.param(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            '{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            id="published_example",
        ),
        pytest.param("cmd_1", 1772442000, "", "v1,n8rdUJkecO6IA24Z7wFVWZPBba/L+B928eRCgFB8oRM=", id="empty_body"),
        pytest.param(
            "cmd_1",
            1772442000,
            '{"reason":"Rückstau €"}',
            "v1,1ZKbqRKFD8VjwKD4DP6LFcIp3SXhlffvTwSpVsr+K3Y=",
            id="beyond_ascii",
        ),
    ],
)
def test_fixed_vectors(message_id: str, seconds: int, body: str, signature: str) -> None:
    headers = Signer(SECRET, setting="s").headers(message_id, datetime.fromtimestamp(seconds, UTC), body.encode())
    assert headers == {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature,
    }


def test_the_reference_library_accepts_it() -> None:
    headers = Signer(SECRET, setting="s").headers("cmd_2", datetime.now(UTC), b'{"a":1}')
    assert Webhook(SECRET).verify(b'{"a":1}', headers) == {"a": 1}


def test_another_offset_is_the_same_instant() -> None:
    """A local time must not shift the signed timestamp."""
    signer = Signer(SECRET, setting="s")
    there = datetime.fromisoformat("2026-03-02T10:00:00+01:00")
    assert signer.headers("m", there, b"x") == signer.headers("m", there.astimezone(UTC), b"x")


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        pytest.param("", "control_secret must start with 'whsec_'", id="empty"),
        pytest.param("hunter2hunter2hunter2hunter2", "control_secret must start with 'whsec_'", id="no_prefix"),
        pytest.param("whsec_not base64!", "control_secret must be base64 after 'whsec_'", id="not_base64"),
        pytest.param(
            "whsec_" + base64.b64encode(b"x" * 23).decode(),
            "control_secret must hold 24 to 64 bytes, got 23",
            id="too_short",
        ),
        pytest.param(
            "whsec_" + base64.b64encode(b"x" * 65).decode(),
            "control_secret must hold 24 to 64 bytes, got 65",
            id="too_long",
        ),
    ],
)
def test_unusable_secrets(secret: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Signer(secret, setting="control_secret")
    assert caught.value.message == message
    assert not secret or secret not in str(caught.value)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="must be aware"):
        Signer(SECRET, setting="s").headers("m", datetime(2026, 3, 2), b"")  # noqa: DTZ001
