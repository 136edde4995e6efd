"""How long fuzzing goes on: a few seconds of fixed seeds in `make blackbox`, minutes of new ones in `make fuzz`.

`FUZZ_SECONDS` is the time for each door, `FUZZ_SEED` the first seed. A failure names its seed, which repeats it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from random import Random

SHORT_S = 3.0
LONG = "FUZZ_SECONDS" in os.environ


class Seeded(Random):
    """Knows its seed, for messages."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def rounds(short_s: float = SHORT_S, *, least: int = 1) -> Iterator[Seeded]:
    """Generators of random numbers, until the time is up; at least so many."""
    first = int(os.environ.get("FUZZ_SEED", time.time_ns() % 10**9 if LONG else 1))
    deadline = time.monotonic() + (float(os.environ["FUZZ_SECONDS"]) if LONG else short_s)
    done = 0
    while done < least or time.monotonic() < deadline:
        yield Seeded(first + done)
        done += 1
    print(f"{done} rounds from the seed {first}")
