"""`opsintel serve` with pollers: one source that works beside one that never answers, up to the stop."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.integration.served import eventually, opsintel, serving

FILE = """
[defaults]
interval_s = 1

[[poller]]
name = "jobs"
kind = "sql"
url_env = "JOBS_URL"
query = "SELECT queue AS name, count(*) AS depth FROM jobs GROUP BY queue"

[[poller]]
name = "silent"
kind = "http_json"
url = "http://127.0.0.1:PORT/"
timeout_s = 60
queue = [{ destination = "labels", depth = "/n" }]
"""


def test_a_service_that_polls(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        connection.execute("CREATE TABLE jobs (queue text)")
        connection.executemany("INSERT INTO jobs VALUES (?)", [("refunds",)] * 12)
        connection.commit()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        (tmp_path / "pollers.toml").write_text(FILE.replace("PORT", str(silent.getsockname()[1])))
        environ = {"OPSINTEL_POLLERS_FILE": str(tmp_path / "pollers.toml"), "JOBS_URL": f"sqlite:///{tmp_path}/jobs.db"}
        with serving(tmp_path, **environ) as served:
            (queue,) = eventually(lambda: served.get("/api/v1/queues").json()["queues"])
            assert (queue["system"], queue["destination"], queue["depth"]) == ("database", "refunds", 12)
            assert 'opsintel_poller_up{kind="sql",poller="jobs"} 1.0' in served.get("/metrics").text
            assert served.process.poll() is None
        told = served.log.read_text()
        assert "a poll failed unexpectedly" not in told
        assert "pollers were left in the middle of a poll" in told


def test_a_wrong_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "pollers.toml").write_text(FILE.replace("interval_s", "intervall_s"))
    done = opsintel(tmp_path, "serve", OPSINTEL_POLLERS_FILE=str(tmp_path / "pollers.toml"))
    assert done.returncode == 2
    assert "unknown key 'intervall_s', did you mean 'interval_s'?" in done.stderr
    assert "Traceback" not in done.stderr
