"""An import that is killed (`kill -9`) at any moment and started again, on a data directory and through a service."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import environment, eventually, opsintel, serving

pytestmark = pytest.mark.blackbox

ROWS = 40_000
STREAM = "killed"
COLUMNS = ["--stream", STREAM, "--case", "case", "--activity", "step", "--timestamp", "at"]
COUNT = (
    "SELECT count(), uniqExact(LogAttributes['retail.event.id']), sum(cityHash64(LogAttributes['retail.event.id'],"
    " EventName, Timestamp)) FROM otel_logs"
)
EVENTS = "SELECT count(), uniqExact(CaseId), sum(cityHash64(EventId, Step, Timestamp, Seq)) FROM process_events FINAL"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten batches; one row in a thousand is broken."""
    path = tmp_path / "orders.csv"
    with path.open("w") as file:
        file.write("case,step,at,note\n")
        for n in range(ROWS):
            when = "soon" if n % 1_000 == 7 else f"2026-01-{1 + n % 28:02}T00:00:{n % 60:02}Z"
            file.write(f"{n // 8},step {n % 8},{when},{'x' * 40}{n}\n")
    return path


def killed(folder: Path, arguments: list[str], marks: int, pause: float, **more: str) -> bool:
    """Starts an import and kills it a while after its mark has said `marks` times how far it is; False if it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "import", *arguments],
        cwd=folder, env=environment(folder, **more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen: set[bytes] = set()

    def far_enough() -> bool:
        for path in (folder / "data" / "imports").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                seen.add(path.read_bytes())
        return len(seen) >= marks or process.poll() is not None

    try:
        eventually(far_enough)
        threading.Event().wait(pause)
    finally:
        process.send_signal(signal.SIGKILL)
        code = process.wait()
    return code == -signal.SIGKILL


def finished(folder: Path, arguments: list[str], **more: str) -> dict[str, Any]:
    done = opsintel(folder, "import", *arguments, "--json", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Counts and checksums of both tables; in a process of its own, which may open the folder's engine."""
    script = (
        "import json, sys; from core import load_settings; from storage import open_clickhouse;"
        "ch = open_clickhouse(load_settings());"
        "print(json.dumps([ch.query(sql).rows[0] for sql in sys.argv[1:]])); ch.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, COUNT, EVENTS], cwd=folder, env=environment(folder),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [tuple(row) for row in json.loads(done.stdout)]


def test_on_the_data_directory(log: Path, tmp_path: Path) -> None:
    """Killed four times at random moments: the tables have the same rows as those of an undisturbed import."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    wanted = finished(whole, [str(log), *COLUMNS])
    chance = random.Random(20_260_302)
    kills = [killed(torn, [str(log), *COLUMNS], 1 + n % 3, chance.random() / 5) for n in range(4)]
    report = finished(torn, [str(log), *COLUMNS])
    assert any(kills)
    same = {key: value for key, value in report.items() if key not in ("elapsed_s", "resumed", "quarantine_file")}
    assert same == {key: wanted[key] for key in same}
    assert report["events"] == ROWS - ROWS // 1_000
    assert report["resumed"] > 0 or not kills[-1]
    assert rows(torn) == rows(whole)
    assert not list((torn / "data" / "imports").iterdir())
    files = [folder / "data" / "quarantine" / "imports" / "orders.csv.rejected.jsonl" for folder in (whole, torn)]
    assert files[0].read_text() == files[1].read_text()


def test_through_a_running_service(log: Path, tmp_path: Path) -> None:
    """At most the batch in doubt is stored again, and only as log records; as events nothing is there twice."""
    client = tmp_path / "client"
    client.mkdir()
    kills = 0
    with serving(tmp_path) as served:
        through = [str(log), *COLUMNS, "--url", served.http]
        for n in range(2):
            kills += killed(client, through, 2, n / 10)
        report = finished(client, through)
        assert report["events"] == ROWS - ROWS // 1_000
        assert report["resumed"] > 0
        eventually(lambda: served.ledger("logs")["pending"] == 0)
    (records, ids, _), (events, cases, _) = rows(tmp_path)
    assert (ids, events, cases) == (report["events"], report["events"], ROWS // 8)
    assert records <= report["events"] + kills * 4_000
