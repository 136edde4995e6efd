"""Ports for servers that must know theirs before they start, or get the same one again after a restart."""

from __future__ import annotations

import itertools
import random
import socket
from pathlib import Path

LOWEST, MOST = 10_240, 32_768
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""From here the system takes ports for connections and for whoever asks for any; only ports below stay free."""


def _candidates() -> list[int]:
    highest = int(RANGE.read_text().split()[0]) if RANGE.exists() else MOST
    start = random.SystemRandom().randrange(LOWEST, highest)  # several runs, and workers of one, go side by side
    return [*range(start, highest), *range(LOWEST, start)]


_PORTS = itertools.cycle(_candidates())


def free_port() -> int:
    """A port that nothing listens on, that this process has not given out and the system will give to nobody."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
