"""Job tables in a real PostgreSQL and a real SQLite file."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from collector.pollers.environment import Environment
from collector.pollers.models import Sql
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason
from collector.pollers.sources.sql import SqlSource
from core import ConfigurationError, SystemClock
from tests.servers.conftest import PASSWORD
from tests.servers.polling import Installation
from tests.servers.processes import Server
from tests.support.ports import free_port

Install = Callable[..., Installation]
JOBS = "SELECT queue AS name, count(*) AS depth FROM jobs GROUP BY queue"


def source(url: str, query: str = JOBS, **values: object) -> SqlSource:
    config = Sql.model_validate({"name": "jobs", "kind": "sql", "url_env": "URL", "query": query, **values})
    return SqlSource(config, Environment({"URL": url}), SystemClock())


def poll(found: SqlSource, seconds: float = 10.0) -> Polled:
    return found.poll(datetime.now(UTC), Deadline(SystemClock(), seconds))


def failure(found: SqlSource, seconds: float = 10.0) -> PollFailed:
    with pytest.raises(PollFailed) as caught:
        poll(found, seconds)
    return caught.value


def by_name(polled: Polled) -> dict[str, QueueReading]:
    return {one.destination: one for one in polled.readings}


@pytest.fixture
def jobs(postgres: Server) -> Iterator[psycopg.Connection]:
    """A connection that commits by itself, and a table with three jobs."""
    with psycopg.connect(postgres.values["url"], autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS jobs")
        connection.execute("CREATE TABLE jobs (queue text, created_at timestamptz)")
        connection.execute(
            "INSERT INTO jobs VALUES ('mail', now() - interval '90 seconds'), ('mail', now()), ('sms', now())"
        )
        yield connection


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """The same table in a file."""
    file = tmp_path / "jobs #1.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE jobs (queue text, created_at text)")
    connection.executemany("INSERT INTO jobs VALUES (?, ?)", [("mail", "2026-01-01T00:00:00Z")] * 2 + [("sms", None)])
    connection.commit()
    connection.close()
    return file


def test_a_job_table_reaches_the_page(postgres: Server, jobs: psycopg.Connection, install: Install) -> None:
    installation = install(
        """
        [[poller]]
        name = "jobs"
        kind = "sql"
        tenant = "{tenant}"
        url_env = "JOBS_URL"
        system = "job-table"
        expected = ["refunds"]
        query = '''
          SELECT queue AS name, count(*) AS depth, extract(epoch FROM now() - min(created_at)) AS oldest_age,
                 2::bigint AS in_flight, NULL AS consumers
          FROM jobs WHERE queue NOT LIKE '%:paused' GROUP BY queue
        '''
        """,
        {"JOBS_URL": postgres.values["url"]},
    )
    installation.poll()
    queues = installation.queues()
    assert {name: one.depth for name, one in queues.items()} == {"mail": 2.0, "sms": 1.0, "refunds": 0.0}
    assert queues["mail"].system == "job-table"
    assert queues["mail"].oldest_age_s == pytest.approx(90, abs=20)
    assert installation.points("retail.queue.in_flight") == {"mail": 2.0, "sms": 2.0}
    assert installation.points("retail.queue.consumers") == {}
    jobs.execute("DELETE FROM jobs WHERE queue = 'sms'")
    installation.poll()
    assert installation.sample("opsintel_poller_queues", poller="jobs", kind="sql") == 2.0


def test_nothing_can_be_written(postgres: Server, jobs: psycopg.Connection) -> None:
    """Not even by a statement that looks like a SELECT."""
    query = (
        "WITH gone AS (DELETE FROM jobs RETURNING queue) SELECT queue AS name, count(*) AS depth FROM gone GROUP BY 1"
    )
    assert failure(source(postgres.values["url"], query)).reason is Reason.FORBIDDEN
    assert jobs.execute("SELECT count(*) FROM jobs").fetchone() == (3,)


def test_a_statement_that_takes_too_long(postgres: Server) -> None:
    began = time.monotonic()
    problem = failure(source(postgres.values["url"], "SELECT 'a' AS name, pg_sleep(30) IS NULL AS depth"), 0.5)
    assert problem.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 20


def test_a_server_that_freezes(postgres: Server) -> None:
    """It does not keep its own time limit any more, so the connection is cut off from here."""
    frozen: list[int] = []
    with psycopg.connect(postgres.values["url"], autocommit=True) as watcher:

        def freeze() -> None:
            while time.monotonic() < began + 3:
                row = watcher.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(29)%'"
                                      " AND pid <> pg_backend_pid()").fetchone()  # fmt: skip
                if row:
                    os.kill(row[0], signal.SIGSTOP)
                    frozen.append(row[0])
                    return

        began = time.monotonic()
        thread = threading.Thread(target=freeze)
        thread.start()
        problem = failure(source(postgres.values["url"], "SELECT 'a' AS name, pg_sleep(29) IS NULL AS depth"), 3.0)
        thread.join()
        took = time.monotonic() - began
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert frozen
    assert problem.reason is Reason.TIMEOUT
    assert took < 12


@pytest.mark.parametrize(
    ("query", "reason", "says"),
    [
        ("SELECT 1 AS depth", Reason.ANSWER, "name and depth"),
        ("SELECT 'a' AS name, 1 AS depth, 2 AS deep", Reason.ANSWER, "'deep'"),
        ("SELECT 'a' AS name, nothing AS depth FROM jobs", Reason.ANSWER, "nothing"),
        ("SELECT 'a' AS name, 1 AS depth FROM no_such_table", Reason.NOT_FOUND, "no_such_table"),
        ("SELECT 'a' AS name, 1 AS depth FROM generate_series(1, 5)", Reason.TOO_MUCH, "more than 3"),
    ],
    ids=["no name", "unknown column", "wrong column", "no table", "rows"],
)
def test_what_is_wrong_is_said(
    postgres: Server, jobs: psycopg.Connection, query: str, reason: Reason, says: str
) -> None:
    problem = failure(source(postgres.values["url"], query, max_queues=3))
    assert problem.reason is reason
    assert says in problem.message


def test_wrong_credentials_and_rights(postgres: Server, jobs: psycopg.Connection) -> None:
    problem = failure(source(postgres.values["url"].replace(PASSWORD, "another-secret")))
    assert problem.reason is Reason.CREDENTIALS
    assert "another-secret" not in str(problem)
    jobs.execute("DROP ROLE IF EXISTS clerk")
    jobs.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk-secret'")
    url = postgres.values["url"].replace("tester", "clerk").replace(PASSWORD, "clerk-secret")
    assert failure(source(url)).reason is Reason.FORBIDDEN
    assert failure(source(f"postgresql://a:b@127.0.0.1:{free_port()}/c")).reason is Reason.UNREACHABLE


def test_single_rows_can_be_wrong(postgres: Server) -> None:
    rows = "('100%:%s', 1), ('null', NULL), ('below', -1), ('', 5)"
    query = f"SELECT * FROM (VALUES {rows}) AS rows (name, depth) -- all of them"
    polled = poll(source(postgres.values["url"], query, expected=["null", "absent"]))
    assert {name: one.depth for name, one in by_name(polled).items()} == {"100%:%s": 1.0, "absent": 0.0}
    assert len(polled.problems) == 3


def test_sqlite(sqlite_file: Path) -> None:
    query = "SELECT queue AS name, count(*) AS depth, min(created_at) AS oldest_at FROM jobs GROUP BY queue"
    found = by_name(poll(source(f"sqlite:///{sqlite_file}", query)))
    assert {name: one.depth for name, one in found.items()} == {"mail": 2.0, "sms": 1.0}
    age = found["mail"].oldest_age_s
    assert age == pytest.approx((datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds(), abs=30)
    assert found["sms"].oldest_age_s is None


def test_sqlite_is_only_read(sqlite_file: Path, tmp_path: Path) -> None:
    """A file that is not there is not made; a statement without an end is ended."""
    absent = tmp_path / "absent.db"
    assert failure(source(f"sqlite:///{absent}")).reason is Reason.NOT_FOUND
    assert not absent.exists()
    forever = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'a' AS name, count(*) AS depth FROM n"
    )
    assert failure(source(f"sqlite:///{sqlite_file}", forever), 0.3).reason is Reason.TIMEOUT
    assert failure(source(f"sqlite:///{sqlite_file}", JOBS.replace("jobs", "none"))).reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("url", "says"),
    [("no url: s3cret", "no SQLAlchemy URL"), ("mysql://a:s3cret@b/c", "'mysql'"), ("sqlite://", "no file")],
    ids=["no url", "another database", "memory"],
)
def test_a_url_that_cannot_be_polled(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        source(url)
    assert "s3cret" not in str(caught.value)
