"""How slowly a body may come: after a grace it must have come at a least rate on average, and be there by an end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds and bytes a second. `longest_s` counts from the first moment, whatever the rate."""

    grace_s: float = 5.0
    least_bytes_per_s: float = 4096.0
    longest_s: float = 60.0

    def due(self, received: int) -> float:
        """Seconds after the start at which more than `received` bytes must have come."""
        return min(self.longest_s, self.grace_s + received / self.least_bytes_per_s)
