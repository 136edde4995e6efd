"""Rows: the state database, the clock, clients that repeat themselves, and starts that meet something unexpected."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator

from tests.faults.clients import Client, Outcome
from tests.faults.points import CLOCK, Point
from tests.faults.rig import Group, Rig, until
from tests.faults.row import Rows
from tests.support.faults import Action

rows = Rows()
STATE = "state database"
ANY_ROWS = "SELECT (SELECT count() FROM otel_traces) + (SELECT count() FROM otel_logs)"
"""A segment need not hold every signal."""


# --- the state database ---


@contextlib.contextmanager
def _locked(rig: Rig) -> Iterator[None]:
    """Somebody else holds the write lock of the state database."""
    connection = sqlite3.connect(rig.data / "state.db", isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@rows.row(STATE, "locked by another process for 40 s, under load")
def locked(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load(0.05):
        rig.wait_acknowledged(100)
        with _locked(rig):
            threading.Event().wait(40)
            rig.wait_acknowledged(100)
        rig.injected()
        rig.wait_acknowledged()


@rows.row(STATE, "locked between the insert and the ledger, then kill -9", store="server", quick=True)
def locked_then_killed(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    before = rig.server.tell()["struck"]
    rig.server.fault(Action.DELAY, "INSERT INTO", seconds=1.0)
    with rig.load():
        rig.wait_acknowledged(100)
        until(lambda: rig.server is not None and rig.server.tell()["struck"] > before)
        with _locked(rig):
            rig.server.clear()
            until(lambda: rig.server is not None and rig.server.ask(ANY_ROWS, "opsintel") != [["0"]])
            threading.Event().wait(1.0)
            rig.kill_group()
    rig.injected()
    rig.start().wait_open()


@rows.row(STATE, "every settlement fails, because a table is not there for a while")
def failing(rig: Rig) -> None:
    """The insert was executed, its outcome cannot be written down: it stays in the log."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(100)
        with contextlib.closing(sqlite3.connect(rig.data / "state.db", isolation_level=None)) as other:
            other.execute("ALTER TABLE ledger RENAME TO ledger_away")
            rig.wait_acknowledged(300)
            threading.Event().wait(3.0)
            other.execute("ALTER TABLE ledger_away RENAME TO ledger")
        rig.injected()
        rig.wait_acknowledged()


@rows.row(STATE, "missing at a start after kill -9 (its files are gone)", ledger_anew=True)
def missing(rig: Rig) -> None:
    """The ledger begins anew with what the log still tells; no item may be stored twice for that."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: rig.segments("done"))
    rig.kill_group()
    for path in rig.data.glob("state.db*"):
        path.unlink()
    known = sum(len(rig.segments(state)) for state in ("open", "seg", "done"))
    rig.notes.append(f"{known} segments in the log then; the ledger knows of nothing before them")
    rig.injected()
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()


# --- the clock ---


def _steps(rig: Rig, *seconds: float) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(200)
        for shift in seconds:
            rig.plan.shift(shift)
            rig.wait_acknowledged(200)
        rig.injected()
        rig.wait_acknowledged(200)


for _name, _shifts in (
    ("an hour forward, under load", (3600.0,)),
    ("an hour back, under load", (-3600.0,)),
    ("a day forward, under load", (86_400.0,)),
    ("a day back, under load", (-86_400.0,)),
    ("to and fro by a day, under load", (86_400.0, -86_400.0, 0.0)),
):

    def _stepping(rig: Rig, shifts: tuple[float, ...] = _shifts) -> None:
        _steps(rig, *shifts)

    rows.row("clock step", _name, points=CLOCK)(_stepping)


@rows.row(
    "clock step",
    "an hour back between kill -9 and start, with answers that were never given",
    points=(*CLOCK, Point("p", "collector.wal.files", "SystemFiles.sync", "after", role="receiver", once=False)),
)
def step_between(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.plan.arm("p")
        until(lambda: rig.plan.struck("p") >= 2)
        rig.kill_group()
        rig.plan.disarm("p")
    rig.plan.shift(-3000.0)  # further, and what was sent would rightly be called the future's
    rig.injected()
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()


# --- the same bytes again ---


def _everything_again(rig: Rig) -> None:
    """All that was acknowledged is sent once more, byte for byte."""
    client = Client(rig.book, lambda: rig.doors)
    again = [one for one in rig.book.sent if one.outcome is Outcome.ACKNOWLEDGED]
    for one in again:
        assert client.deliver(one) is Outcome.ACKNOWLEDGED
    client.close()
    rig.notes.append(f"{10 * len(again)} items sent twice")


@rows.row("client repeats", "every acknowledged request, to either receiver", quick=True)
def repeated(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
    _everything_again(rig)
    rig.injected()


@rows.row("client repeats", "every acknowledged request, after kill -9 and a start")
def repeated_after_start(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        rig.kill_group()
    rig.start().wait_open()
    _everything_again(rig)
    rig.injected()


@rows.row("client repeats", "while the first copies wait for an engine that is away", store="server")
def repeated_while_away(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.tell(listening=False)
    with rig.load():
        rig.wait_acknowledged(600)
    _everything_again(rig)
    rig.kill_group()
    rig.server.tell(listening=True)
    rig.injected()
    rig.start().wait_open()


# --- starts ---


@rows.row("start", "a port is taken by another program; then it is free")
def port_taken(rig: Rig) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(rig.settings["OPSINTEL_OTLP_HTTP_PORT"])))
        other.listen()
        failed = Group(rig.folder, **rig.settings)
        rig.notes.append(f"exit status {failed.process.wait(60)}")
        assert "cannot listen on" in failed.log.read_text()
    rig.injected()
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()


@rows.row("start", "a second owner on the same data directory, under load")
def second_owner(rig: Rig) -> None:
    rig.start().wait_open()
    ports = {f"OPSINTEL_{name}_PORT": "0" for name in ("HTTP", "OTLP_HTTP", "OTLP_GRPC")}
    with rig.load():
        rig.wait_acknowledged(100)
        other = Group(rig.folder, **rig.settings | ports)
        status = other.process.wait(60)
        rig.notes.append(f"its exit status {status}")
        assert status == 2
        assert "is in use by process" in other.log.read_text()
        rig.injected()
        rig.wait_acknowledged()


@rows.row("start", "receivers before the owner, which comes later")
def receivers_first(rig: Rig) -> None:
    alone = Group(rig.folder, "--roles", "receiver", "--processes", "2", **rig.settings)
    try:
        client = Client(rig.book, lambda: rig.doors)
        first = rig.book.new("traces", "proto", True)
        until(lambda: client.deliver(first) is Outcome.ACKNOWLEDGED)
        client.close()
        with rig.load():
            rig.wait_acknowledged()
            ports = {"OPSINTEL_OTLP_HTTP_PORT": "0", "OPSINTEL_OTLP_GRPC_PORT": "0"}
            rig.start("--roles", "backend", **ports).wait_open()
            rig.injected()
            rig.wait_acknowledged()
        rig.settle()
    finally:
        alone.stop()


@rows.row("start", "the data directory was moved meanwhile")
def moved(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
        rig.kill_group()
    new = rig.folder / "elsewhere"
    shutil.move(rig.data, new)
    rig.settings["OPSINTEL_DATA_DIR"] = str(new)
    rig.injected()
    rig.start().wait_open()


@rows.row("start", "the log's folder is gone, tables and ledger are not")
def log_gone(rig: Rig) -> None:
    """Ids must not be given twice, or the engine would drop new data as known."""
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
    rig.settle()
    rig.running.stop()
    shutil.rmtree(rig.wal)
    rig.injected()
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged()
