"""Who may come in, decided from settings and keys; for every process that has doors."""

from __future__ import annotations

from api.key_usage import KeyUsage
from api.keys import ApiKeys, Authenticator
from core import Clock, ConfigurationError, Settings
from storage import StateDb


def make_authenticator(
    settings: Settings, state: StateDb, clock: Clock, usage: KeyUsage | None = None
) -> Authenticator:
    """Raises ConfigurationError where strangers could reach a service that asks for no credentials."""
    keys = ApiKeys(state, clock)
    authenticator = Authenticator(
        keys, clock, loopback_only=settings.loopback_only, admin_token=settings.admin_token, usage=usage
    )
    if not settings.loopback_only and not authenticator.credentials_exist:
        raise ConfigurationError(
            f"bound to {settings.http_host} without any credentials, the service would be open to the network",
            hint="make a key with `opsintel token create --role admin`, set OPSINTEL_ADMIN_TOKEN, or bind to 127.0.0.1",
        )
    return authenticator
