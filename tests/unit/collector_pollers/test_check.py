"""`opsintel pollers check`: what would be stored, what is wrong and what to do, and nothing secret."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from collector.pollers import check_pollers, load_pollers
from core import ConfigurationError, SystemClock

FILE = """
[[poller]]
name = "jobs"
kind = "sql"
url_env = "JOBS_URL"
query = "SELECT queue AS name, count(*) AS depth, 90 AS oldest_age FROM jobs GROUP BY queue"

[[poller]]
name = "site"
kind = "http_json"
enabled = ENABLED
url_env = "SITE_URL"
queue = [{ destination = "labels", depth = "/n" }]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pollers' file whose first source works."""
    database = tmp_path / "jobs.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE jobs (queue text)")
        connection.executemany("INSERT INTO jobs VALUES (?)", [("[mail]",)] * 1200)
        connection.commit()
    monkeypatch.setenv("JOBS_URL", f"sqlite:///{database}")
    monkeypatch.setenv("SITE_URL", "http://127.0.0.1:1/path?key=s3cret")
    made = tmp_path / "pollers.toml"
    made.write_text(FILE.replace("ENABLED", "true"))
    return made


def test_one_works_and_one_does_not(file: Path) -> None:
    result = CliRunner().invoke(app, ["pollers", "check", "--file", str(file)])
    assert result.exit_code == 1
    assert "[mail]" in result.output
    assert "1,200" in result.output
    assert "90 s" in result.output
    assert "jobs: works, 1 queues" in result.output
    assert "site: FAILS" in result.output
    assert "unreachable: http://127.0.0.1:1/path cannot be reached" in result.output
    assert "check host, port and network" in result.output
    assert "s3cret" not in result.output


def test_all_work(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disabled poller is left alone; the setting names the file as well."""
    file.write_text(FILE.replace("ENABLED", "false"))
    monkeypatch.setenv("OPSINTEL_POLLERS_FILE", str(file))
    result = CliRunner().invoke(app, ["pollers", "check"])
    assert (result.exit_code, "site" in result.output) == (0, False)


def test_no_file() -> None:
    result = CliRunner().invoke(app, ["pollers", "check"])
    assert isinstance(result.exception, ConfigurationError)


def test_a_variable_that_is_not_set_fails_its_poller_alone(file: Path) -> None:
    jobs, site = check_pollers(load_pollers(file), SystemClock(), {"SITE_URL": "http://127.0.0.1:1/"})
    assert "JOBS_URL" in jobs.error
    assert jobs.hint == "export JOBS_URL in the service's environment"
    assert site.error.startswith("unreachable")
