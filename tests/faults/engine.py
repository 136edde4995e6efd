"""Rows: an engine that fails, is slow, is away, or loses what it had taken."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from tests.faults.rig import Rig, Unable, until
from tests.faults.row import Rows
from tests.support.faults import Action

rows = Rows()
INSERTS = "INSERT INTO"


def _struck(rig: Rig) -> int:
    assert rig.server is not None
    return int(rig.server.tell()["struck"])


def _faulty(rig: Rig, action: Action, strikes: int, **more: object) -> None:
    """Under load every insert meets the fault until it has struck so often."""
    assert rig.server is not None
    rig.start().wait_open()
    before = _struck(rig)
    with rig.load():
        rig.wait_acknowledged(100)
        rig.server.fault(action, INSERTS, times=strikes, **more)
        until(lambda: _struck(rig) >= before + strikes, 90)
        rig.server.clear()
        rig.injected()
        rig.wait_acknowledged()


STATUSES = (
    ("500 without an error number", 500, 0, "<html>upstream</html>"),
    ("503 of a proxy", 503, 0, "no backend"),
    ("memory limit (241)", 500, 241, "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"),
    ("too many parts (252)", 500, 252, "Code: 252. DB::Exception: Too many parts (3000). (TOO_MANY_PARTS)"),
    ("table is read-only (242)", 500, 242, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"),
    ("no disk space (243)", 500, 243, "Code: 243. DB::Exception: Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)"),
    ("too many queries (202)", 500, 202,
     "Code: 202. DB::Exception: Too many queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
    ("authentication (516)", 403, 516, "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)"),
)  # fmt: skip
for _name, _status, _code, _text in STATUSES:

    def _answers(rig: Rig, status: int = _status, code: int = _code, text: str = _text) -> None:
        _faulty(rig, Action.STATUS, 6, status=status, code=code, text=text)
        seen = rig.ledger()
        assert not any(entry["quarantined"] for entry in seen.values()), "quarantined for no fault of its own"

    rows.row("engine error", f"{_name}, answered to inserts", store="server")(_answers)


@rows.row("engine error", "what is in a segment is refused (33), six times", store="server")
def refused(rig: Rig) -> None:
    text = "Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)"
    _faulty(rig, Action.STATUS, 6, status=500, code=33, text=text)


for _name, _action in (
    ("the connection is cut before an insert is read", Action.CUT_HEAD),
    ("the connection is cut within an insert", Action.CUT_BODY),
    ("the insert is executed, the connection cut before its answer", Action.CUT_AFTER),
    ("the insert is executed, the connection cut within its answer", Action.CUT_ANSWER),
    ("the insert is executed, its answer never comes", Action.LOSE_ANSWER),
):

    def _cut(rig: Rig, action: Action = _action) -> None:
        _faulty(rig, action, 6, seconds=3.0)

    rows.row("answer lost", _name, store="server", quick=_action is Action.CUT_AFTER, clickhouse_answer_timeout_s="2")(
        _cut
    )


@rows.row("answer lost", "and both the service and the server are killed then", store="server")
def both_killed(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    before = _struck(rig)
    rig.server.fault(Action.LOSE_ANSWER, INSERTS, seconds=30.0)
    with rig.load():
        rig.wait_acknowledged()
        until(lambda: _struck(rig) > before)
        rig.kill_group()
    rig.server.kill()
    rig.server.start()
    rig.injected()
    rig.start().wait_open()


@rows.row("slow engine", "one second more for every insert, under load", store="server")
def slow(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    rig.server.fault(Action.DELAY, INSERTS, seconds=1.0)
    with rig.load():
        rig.wait_acknowledged(3000, 60)
        waiting = sum(entry["pending"] for entry in rig.ledger().values())
        rig.notes.append(f"{waiting} pending then")
    rig.server.clear()
    rig.injected()


@rows.row("engine away", "for a minute, under load", store="server")
def away(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    with rig.load(0.05):
        rig.wait_acknowledged(100)
        rig.server.tell(listening=False)
        threading.Event().wait(60)
        rig.notes.append(f"{sum(entry['pending'] for entry in rig.ledger().values())} pending then")
        rig.server.tell(listening=True)
        rig.injected()
        rig.wait_acknowledged()


@rows.row("engine away", "killed and started again, under load", store="server")
def restarted(rig: Rig) -> None:
    assert rig.server is not None
    rig.start().wait_open()
    for _ in range(2):
        with rig.load():
            rig.wait_acknowledged()
            rig.server.kill()
            rig.wait_acknowledged()
            rig.server.start()
    rig.injected()


# --- power cuts ---


def _lose_newest(rig: Rig) -> tuple[int, int]:
    """Removes the parts that were written after the first of the kept segments was settled; parts and their tables."""
    kept = rig.segments("done")
    if not kept:
        raise Unable("no settled segment was kept")
    since = min(path.stat().st_ctime for path in kept) - 1.0
    engine = rig.data / "clickhouse"
    lost: list[Path] = []
    for checksums in engine.glob("**/checksums.txt"):
        part = checksums.parent
        if part.name.startswith("tmp"):
            continue
        if checksums.stat().st_mtime >= since:
            lost.append(part)
    for part in lost:
        shutil.rmtree(part, ignore_errors=True)
    return len(lost), len({part.parent for part in lost})


@rows.row("power cut", "the parts of all kept segments are gone, another boot id", quick=True)
def power(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: len(rig.segments("done")) >= 4)
        rig.kill_group()
    parts, tables = _lose_newest(rig)
    (rig.wal / "engine-incarnation").write_text("another boot")
    rig.notes.append(f"{parts} parts of {tables} tables lost")
    rig.injected()
    rig.start().wait_open()
    until(lambda: not rig.segments("done"))
    rig.notes.append(f"{rig.metric('opsintel_collector_restored_items_total'):.0f} items restored")
    assert rig.metric("opsintel_collector_restored_items_total") > 0


@rows.row("power cut", "the same, and the first recovery is killed half way")
def power_twice(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: len(rig.segments("done")) >= 4)
        rig.kill_group()
    parts, tables = _lose_newest(rig)
    (rig.wal / "engine-incarnation").write_text("another boot")
    rig.start().wait_open()
    until(lambda: '"rows restored"' in rig.log_text())
    rig.kill_group()
    rig.notes.append(f"{parts} parts of {tables} tables lost")
    rig.injected()
    rig.start().wait_open()
    until(lambda: not rig.segments("done"))


@rows.row("power cut", "a part is damaged, not gone (its columns are empty files)")
def damaged_part(rig: Rig) -> None:
    rig.start().wait_open()
    with rig.load():
        rig.wait_acknowledged(600)
        until(lambda: len(rig.segments("done")) >= 4)
        rig.kill_group()
    since = min(path.stat().st_ctime for path in rig.segments("done")) - 1.0
    struck = 0
    for checksums in (rig.data / "clickhouse").glob("**/checksums.txt"):
        if checksums.stat().st_mtime >= since:
            for column in checksums.parent.glob("*.bin"):
                column.write_bytes(b"")
            struck += 1
    (rig.wal / "engine-incarnation").write_text("another boot")
    rig.notes.append(f"{struck} parts damaged")
    rig.injected()
    rig.start().wait_open()
    until(lambda: not rig.segments("done"))
