"""Backfills: the stored values of KPIs computed anew for a period, because somebody asked for it.

A backfill is a list of steps: the sums of hours of a view's measures, the values of a month, the buckets of a KPI with
a statement. Steps may be repeated; which are done is noted after each, under a hash of what was asked for, so that the
same question asked again goes on where it was killed. When all are done the notes go, and the next time everything is
done again. Steps of one kind run side by side, a few at a time.

It takes the rows of the views as they are, after what arrived until it began: what changes while it runs is for the
jobs of every minute, which must not run meanwhile (the caller holds their lease).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from core import Clock, Conflict, InvalidInput
from kpis.run_report import RunReport
from storage.state.backfill_tables import KPI_BACKFILL_STEPS

if TYPE_CHECKING:
    from storage import StateDb

FORGOTTEN = timedelta(days=7)
"""Notes of a backfill that nobody went on with are of no use after that: too much has changed."""
PARALLEL, MOST_PARALLEL = 2, 4
SLICE = timedelta(days=31)


@dataclass(frozen=True)
class Step:
    """One piece of work that may be repeated. stage: steps of a stage begin when those of the stage before are done."""

    name: str
    stage: int
    work: Callable[[], RunReport]


@dataclass(frozen=True)
class Progress:
    """How far a backfill is. before: steps that an earlier call did. step: what was done last."""

    done: int
    steps: int
    before: int
    step: str
    rows: int


def period_slices(
    start: datetime, end: datetime, length: timedelta = timedelta(days=31)
) -> Iterator[tuple[datetime, datetime]]:
    """The period cut into pieces. Raises InvalidInput for one that ends before it starts."""
    if start >= end:
        raise InvalidInput(
            f"a backfill's period ends after it starts, got {start.isoformat()} to {end.isoformat()}",
            hint="swap --from and --to; the end is not part of the period",
        )
    while start < end:
        yield start, min(end, start + length)
        start += length


class Backfill:
    """Does steps and remembers which are done. asked: what was asked for, in words that name it wholly."""

    def __init__(self, state: StateDb, clock: Clock, asked: Sequence[object], parallel: int = PARALLEL) -> None:
        if not 1 <= parallel <= MOST_PARALLEL:
            raise InvalidInput(f"1 to {MOST_PARALLEL} steps run side by side, got {parallel}")
        self._state, self._clock, self._parallel = state, clock, parallel
        self.id = hashlib.sha256(repr(tuple(asked)).encode()).hexdigest()

    def run(
        self,
        steps: Sequence[Step],
        told: Callable[[Progress], None] = lambda _: None,
        leading: Callable[[], bool] = lambda: True,
    ) -> RunReport:
        """Does what is not done yet; raises what the first step that fails raises, after those under way.

        Raises Conflict before a step that somebody else may be doing, for `leading` no longer holds.
        """
        done = self._done()
        left = [step for step in steps if step.name not in done]
        before, total, count = len(steps) - len(left), RunReport(), len(steps) - len(left)
        told(Progress(count, len(steps), before, "", 0))
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="kpi-backfill") as threads:
            for stage in sorted({step.stage for step in left}):
                waiting = [step for step in left if step.stage == stage]
                running: dict[Future[RunReport], Step] = {}
                while waiting or running:
                    while waiting and len(running) < self._parallel:
                        if not leading():
                            raise Conflict(
                                f"another process may run the jobs; {count} of {len(steps)} steps are done",
                                hint="ask for the same again when it does not: it goes on from there",
                            )
                        step = waiting.pop(0)
                        running[threads.submit(step.work)] = step
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        step = running.pop(future)
                        total += future.result()
                        self._note(step.name)
                        count += 1
                        told(Progress(count, len(steps), before, step.name, total.rows))
        self._forget()
        return total

    def _done(self) -> set[str]:
        c = KPI_BACKFILL_STEPS.c
        with self._state.begin() as connection:
            connection.execute(delete(KPI_BACKFILL_STEPS).where(c.done_at < self._clock.now() - FORGOTTEN))
            return set(connection.scalars(select(c.step).where(c.backfill == self.id)))

    def _note(self, step: str) -> None:
        row = {"backfill": self.id, "step": step, "done_at": self._clock.now()}
        with self._state.begin() as connection:
            connection.execute(insert(KPI_BACKFILL_STEPS).values(row))

    def _forget(self) -> None:
        with self._state.begin() as connection:
            connection.execute(delete(KPI_BACKFILL_STEPS).where(KPI_BACKFILL_STEPS.c.backfill == self.id))
