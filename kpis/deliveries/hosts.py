"""Where a subscription may lead the service to: public addresses, and private ones of hosts that are allowed by name.

A subscription is the tenant's; without this it could have the service call what only the service can reach.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from core.errors import Forbidden, Unavailable


def addresses(host: str, port: int, allowed: Collection[str]) -> list[str]:
    """The host's addresses, in the order of trying. Forbidden when one is private; Unavailable when there is none.

    Whoever calls connects to one of these, so that a name that changes afterwards leads nowhere else.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(f"the host {host!r} is not known") from None
    answers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if host.lower() not in allowed and not all(is_public(one) for one in answers):
        raise Forbidden(f"{host!r} is an address of a private network, which is not allowed")
    return answers


def is_public(address: str) -> bool:
    """Whether anybody on the Internet could be meant: not private, not this machine, not many at once."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo[1] if one.teredo else None)
        if one in ipaddress.ip_network("64:ff9b::/96"):  # an IPv4 address by way of NAT64
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return one.is_global and not one.is_multicast
