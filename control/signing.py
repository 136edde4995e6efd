"""Signed calls after the Standard Webhooks specification (https://www.standardwebhooks.com).

Three headers: `webhook-id` (the receiver's key for de-duplication), `webhook-timestamp` (Unix seconds of this attempt)
and `webhook-signature` (`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`). A signature proves that the holder of
the secret sent these bytes at about that time; it does not hide them, and only the receiver can refuse a replay.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from standardwebhooks import Webhook

from core.errors import ConfigurationError

PREFIX = "whsec_"
MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 64


class Signer:
    """Holds one secret and signs with it. Never shows it: not in `repr`, not in an error."""

    def __init__(self, secret: str, *, setting: str) -> None:
        """`secret` is `whsec_` and the base64 of 24 to 64 bytes; `setting` names it in the ConfigurationError."""
        hint = "make one with: python -c \"import base64,os;print('whsec_'+base64.b64encode(os.urandom(32)).decode())\""
        if not secret.startswith(PREFIX):
            raise ConfigurationError(f"{setting} must start with {PREFIX!r}", hint=hint)
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError(f"{setting} must be base64 after {PREFIX!r}", hint=hint) from None
        if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
            raise ConfigurationError(
                f"{setting} must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, got {len(key)}", hint=hint
            )
        self._webhook = Webhook(key)

    def headers(self, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """The three headers for a UTF-8 body sent at an aware instant; seconds are cut, not rounded."""
        if at.tzinfo is None:
            raise ValueError(f"the time of a signature must be aware, got {at!r}")
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, at.astimezone(UTC), body.decode()),
        }
