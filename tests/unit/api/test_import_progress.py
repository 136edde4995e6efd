"""What people and log files see of an import that is under way."""

from __future__ import annotations

import io

from rich.console import Console

from api.import_progress import import_progress
from collector.importers import Advance
from core import ManualClock


def test_no_terminal_gets_a_line_every_ten_seconds(clock: ManualClock) -> None:
    """And none for an import that takes less."""
    out = io.StringIO()
    with import_progress("[log].csv", clock, Console(file=out, width=200)) as told:
        for step in range(1, 6):
            clock.advance(4)
            told(Advance(step * 100, step * 100, step * 1_000_000, 10_000_000, False))
    assert out.getvalue() == "[log].csv: 30% of 10.0 MB, 300 events, 25/s, about 28 s left\n"


def test_what_was_in_before_does_not_count_for_the_rate(clock: ManualClock) -> None:
    out = io.StringIO()
    with import_progress("log.csv", clock, Console(file=out, width=200)) as told:
        clock.advance(5)
        told(Advance(1_000, 1_000, 500, 1_000, True))
        clock.advance(10)
        told(Advance(1_100, 1_100, 550, 1_000, False))
    assert out.getvalue() == "log.csv: 55% of 1.0 kB, 1,100 events, 10/s, about 12 s left\n"


def test_a_terminal_gets_a_bar_with_bytes_and_rate(clock: ManualClock) -> None:
    out = io.StringIO()
    console = Console(file=out, width=150, force_terminal=True)
    with import_progress("log.csv", clock, console) as told:
        clock.advance(2)
        told(Advance(100, 100, 5_000_000, 10_000_000, False))
    for text in ("log.csv", "50%", "5.0/10.0 MB", "100 events, 50/s"):
        assert text in out.getvalue()
