"""Ticks of several processes side by side on PostgreSQL, which lets their transactions look at the same rows."""

from __future__ import annotations

import threading
from pathlib import Path

from kpis.deliveries import DeliveryJobs, State
from storage import StateDb
from tests.unit.kpis_deliveries.world import World


def test_many_ticks_side_by_side_send_each_letter_once(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, *(f'kind = "directory", path = "{name}"' for name in "abcdefgh"))
    processes, gate, problems = [world.restarted() for _ in range(4)], threading.Barrier(4), list[str]()

    def run(jobs: DeliveryJobs) -> None:
        gate.wait()
        for _ in range(3):
            problems.extend(jobs.tick().problems)

    for _ in range(3):
        world.clock.advance(86_400)
        threads = [threading.Thread(target=run, args=(jobs,)) for jobs in processes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert problems == []
    assert [one.state for one in world.jobs.history()] == [State.RENDERED] * 2  # the first day only began it
    assert world.rendered == 2
    assert world.states() == [State.SENT] * 16
    assert world.seen.count(("directory", "delivered")) == 16
    assert world.spooled() == []
