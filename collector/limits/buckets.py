"""A token bucket that can owe: pure arithmetic on times that are passed in.

What a request really costs is known after it has been decoded, so it is let in on what it announces and charged the
rest afterwards; a level below zero is a debt that later requests wait for. The bucket bounds the average and one
burst. It does not bound a single request, nor those that were let in together before their cost was known.
"""

from __future__ import annotations

ROUNDING_S = 1e-6
"""A shorter wait is none."""


class TokenBucket:
    """Fills by `rate` tokens a second up to `burst`. Times are seconds on a clock that never steps back."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        if rate <= 0 or burst <= 0:
            raise ValueError(f"rate and burst must be above 0, got {rate} and {burst}")
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, now

    def level(self, now: float) -> float:
        """The tokens that are there; negative when some are owed."""
        return min(self.burst, self._level + max(0.0, now - self._at) * self.rate)

    def wait_for(self, amount: float, now: float) -> float:
        """Seconds until `amount` tokens are there, or the bucket is full when it cannot hold as many; 0 if now."""
        missing = min(amount, self.burst) - self.level(now)
        wait = missing / self.rate
        return wait if wait > ROUNDING_S else 0.0

    def spend(self, amount: float, now: float) -> None:
        """Takes tokens, those that are not there too; a negative amount gives back."""
        self._level, self._at = min(self.burst, self.level(now) - amount), max(now, self._at)

    def change(self, rate: float, burst: float, now: float) -> None:
        """Another rate from now on. A full bucket stays full, a debt stays the same number of tokens."""
        level = self.level(now)
        full = level >= self.burst
        self.rate, self.burst = rate, burst
        self._level, self._at = burst if full else min(level, burst), max(now, self._at)

    def full(self, now: float) -> bool:
        """Whether it can be forgotten and made anew without a difference."""
        return self.level(now) >= self.burst
