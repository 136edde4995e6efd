"""Whether a request names this machine: what stands in for credentials while the service is open."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from core import Forbidden


def refuse_other_hosts(host: str) -> None:
    """Raises Forbidden unless a Host header can only mean this machine; a stranger's page may have rebound its name."""
    name = _host_name(host)
    if not _is_local(name):
        raise Forbidden(
            f"an open service answers to this machine's own name only, not to {name!r}",
            hint="call it at 127.0.0.1 or localhost",
        )


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_local(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
