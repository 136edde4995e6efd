"""Rows: processes that are killed, at every stage between a client's bytes and a removed file."""

from __future__ import annotations

import signal

from tests.faults.points import Point
from tests.faults.rig import Rig, until
from tests.faults.row import Rows
from tests.support.faults import Action

rows = Rows()
KILL = "kill -9"
SPANS = "INSERT INTO traces_in"


@rows.row(KILL, "a receiver, while receiving")
def receiver(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.receivers()[0].kill()
        rig.injected()
        until(lambda: len(rig.receivers()) == 2)
        rig.wait_acknowledged()


@rows.row(KILL, "both receivers at once, while receiving")
def receivers(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        for one in rig.receivers():
            one.kill()
        rig.injected()
        until(lambda: len(rig.receivers()) == 2)
        rig.wait_acknowledged()


@rows.row(KILL, "a receiver, between a batch's write and its sync",
          points=(Point("p", "collector.wal.files", "SystemFiles.sync", role="receiver"),))  # fmt: skip
def receiver_before_sync(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        until(lambda: rig.plan.struck("p"))
        rig.injected()
        rig.wait_acknowledged()


@rows.row(KILL, "a receiver, between a batch's sync and its answers",
          points=(Point("p", "collector.wal.files", "SystemFiles.sync", "after", role="receiver"),))  # fmt: skip
def receiver_after_sync(rig: Rig) -> None:
    receiver_before_sync(rig)


@rows.row(KILL, "a receiver, between two names of a segment (sealing)",
          points=(Point("p", "collector.wal.files", "SystemFiles.rename", role="receiver"),))  # fmt: skip
def receiver_sealing(rig: Rig) -> None:
    receiver_before_sync(rig)


def _owner_dies(rig: Rig) -> None:
    """At its armed point, under load; then a new start."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        rig.wait_dead()
    rig.notes.append(f"files then: {len(rig.segments('open'))} open, {len(rig.segments('seg'))} sealed, "
                     f"{len(rig.segments('done'))} settled")  # fmt: skip
    rig.injected()
    rig.start().wait_open()


@rows.row(KILL, "the owner, while receiving")
def owner(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.kill_owner()
    rig.injected()
    rig.start().wait_open()


@rows.row(KILL, "the whole group, while receiving")
def group(rig: Rig) -> None:
    rig.start().wait_open()
    for _ in range(3):
        with rig.load():
            rig.wait_acknowledged()
            rig.kill_group()
        rig.injected()
        rig.start().wait_open()


@rows.row(KILL, "one process that receives and stores, while receiving", receiver_processes="0")
def single(rig: Rig) -> None:
    group(rig)


@rows.row(KILL, "the owner, while inserting", store="server")
def inserting(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.fault(Action.DELAY, SPANS, seconds=1.5)
    before = rig.server.tell()["struck"]
    with rig.load():
        rig.wait_acknowledged()
        until(lambda: rig.server is not None and rig.server.tell()["struck"] > before)
        rig.kill_owner()
    rig.server.clear()
    rig.injected()
    rig.start().wait_open()


for _stage, _point in (
    ("before the decision on duplicates", Point("p", "collector.resent", "SeenRequests.claim")),
    ("between the decision on duplicates and the insert",
     Point("p", "collector.resent", "SeenRequests.claim", "after")),
    ("between the inserts of two signals", Point("p", "collector.engine", "ClickHouseEngine.insert", "after")),
    ("between the inserts and the ledger", Point("p", "collector.ledger", "Ledger.settle")),
    ("between the ledger and the file's new name", Point("p", "collector.wal.backlog", "Backlog.settle")),
    ("between the file's new name and its removal", Point("p", "collector.wal.backlog", "Backlog.remove")),
    ("between writing out the engine's data and removing files",
     Point("p", "collector.engine", "ClickHouseEngine.make_durable", "after")),
):  # fmt: skip
    rows.row(KILL, f"the owner, {_stage}", points=(_point,), quick="ledger and" in _stage)(_owner_dies)


def _start_dies(rig: Rig) -> None:
    """A start that finds work is killed at its point; then another start."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.kill_group()
    rig.plan.arm("p")
    rig.start()
    rig.wait_dead()
    assert rig.plan.struck("p"), "the start did not come to the point"
    rig.injected()
    rig.start().wait_open()


for _stage, _point in (
    ("while a lane is repaired", Point("p", "collector.wal.replay", "read_segment")),
    ("after a lane's file got its new name", Point("p", "collector.wal.files", "SystemFiles.rename", "after")),
    ("while replayed segments are inserted", Point("p", "collector.engine", "ClickHouseEngine.insert", "after")),
    ("before the first replayed segment is in the ledger", Point("p", "collector.ledger", "Ledger.settle")),
):
    rows.row(KILL, f"a start, {_stage}", points=(_point,))(_start_dies)


def _first_start_dies(rig: Rig) -> None:
    """During the migrations of an empty store, again and again, until one start comes through."""
    for _ in range(4):
        rig.plan.arm("p")
        rig.start()
        rig.wait_dead()
    rig.plan.disarm("p")
    rig.injected()
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()


rows.row(KILL, "the first start, between two statements of a migration (4 times)",
         points=(Point("p", "storage.clickhouse.client", "ClickHouse.command", "after"),),
         )(_first_start_dies)  # fmt: skip
rows.row(KILL, "the first start, while the state database is migrated",
         points=(Point("p", "storage.state.database", "command.upgrade", "after"),))(_first_start_dies)  # fmt: skip


@rows.row("SIGTERM", "under load")
def terminated(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        status, seconds = rig.running.stop(signal.SIGTERM)
        rig.notes.append(f"exit status {status} after {seconds:.1f} s, {len(rig.segments('seg'))} segments left")
        assert (status, seconds < 15) == (0, True)
        rig.injected()
        rig.start().wait_open()


@rows.row("SIGTERM", "under load, with a slow engine", store="server")
def terminated_slow(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.fault(Action.DELAY, SPANS, seconds=5.0)
    terminated_with = rig.load()
    with terminated_with:
        rig.wait_acknowledged(900)
        status, seconds = rig.running.stop(signal.SIGTERM)
        rig.notes.append(f"exit status {status} after {seconds:.1f} s, {len(rig.segments('seg'))} segments left")
        assert (status, seconds < 15) == (0, True)
    rig.server.clear()
    rig.injected()
    rig.start().wait_open()
