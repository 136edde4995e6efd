"""A SELECT over a table of jobs, in PostgreSQL or SQLite: one row a queue.

Columns: `name` and `depth`, and where known `oldest_age` (seconds) or `oldest_at` (a time with an offset), `in_flight`,
`consumers`. The session is read-only, the statement has a time limit, and more rows than the limit fail the poll. The
connection is made anew for every poll. What the statement costs the database is its author's business; a user of its
own, with the right to read that table alone, is the better guard.
"""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from collector.pollers.environment import Environment
from collector.pollers.models import Sql
from collector.pollers.moments import moment
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, age, number
from core.clock import Clock
from core.errors import ConfigurationError

COLUMNS = ("name", "depth", "oldest_age", "oldest_at", "in_flight", "consumers")
SQLITE_STEPS = 2_000
"""SQLite asks whether to go on after so many steps of its machine."""


class SqlSource:
    """One statement on one database."""

    def __init__(self, config: Sql, environment: Environment, clock: Clock) -> None:
        self._config = config
        self._url = _checked(environment.url(config.url_env, config.name, "url_env"), config)
        self._postgres = self._url.get_backend_name() == "postgresql"

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        engine = self._engine(deadline)
        try:
            with _translated(deadline), engine.connect() as connection, self._limited(connection, deadline):
                rows = self._rows(connection)
        finally:
            engine.dispose()
        readings, problems = [], []
        for row in rows:
            try:
                readings.append(self._reading(row, now))
            except ValueError as problem:
                problems.append(str(problem))
        named = {reading.destination for reading in readings} | {str(row["name"]) for row in rows}
        readings += [
            QueueReading(self._config.system, self._config.prefix + name, 0.0, 0.0)
            for name in self._config.expected
            if not {name, self._config.prefix + name} & named
        ]
        return Polled(tuple(readings), tuple(problems))

    def close(self) -> None:
        """Nothing is kept between polls."""

    def _engine(self, deadline: Deadline) -> Engine:
        if self._postgres:
            left = deadline.left()
            arguments: dict[str, Any] = {
                "connect_timeout": max(2, round(left)),
                "application_name": "opsintel",
                "options": f"-c default_transaction_read_only=on -c statement_timeout={max(1, int(left * 1000))}",
            }
            return create_engine(self._url, poolclass=NullPool, connect_args=arguments)
        # A path in a URI of SQLite's own, so that a database that is not there is not made.
        uri = f"file:{quote(os.path.abspath(str(self._url.database)))}?mode=ro"
        return create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=deadline.left()), poolclass=NullPool
        )

    @contextmanager
    def _limited(self, connection: Connection, deadline: Deadline) -> Iterator[None]:
        raw = connection.connection.driver_connection
        assert raw is not None
        if self._postgres:
            with _cut_off(raw.fileno(), deadline.left()):
                yield
            return
        raw.set_progress_handler(lambda: _is_over(deadline), SQLITE_STEPS)
        raw.execute("PRAGMA query_only=ON")
        yield

    def _rows(self, connection: Connection) -> list[dict[str, Any]]:
        # The administrator's own statement, inside one of ours: the server stops at the limit, and only reads.
        limit = self._config.max_queues
        text = f"SELECT * FROM (\n{self._config.query}\n) AS polled LIMIT {limit + 1}"
        result = connection.exec_driver_sql(text.replace("%", "%%") if self._postgres else text)
        names = list(result.keys())
        if "name" not in names or "depth" not in names:
            raise PollFailed(
                Reason.ANSWER,
                f"the statement must yield columns called name and depth, got {', '.join(names)}",
                hint="rename columns with AS",
            )
        unknown = [name for name in names if name not in COLUMNS]
        if unknown:
            raise PollFailed(Reason.ANSWER, f"unknown column {unknown[0]!r}", hint=f"columns are {', '.join(COLUMNS)}")
        rows = result.fetchall()
        if len(rows) > limit:
            raise PollFailed(
                Reason.TOO_MUCH, f"the statement yields more than {limit} rows",
                hint="group by queue, or raise max_queues",
            )  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _reading(self, row: dict[str, Any], now: datetime) -> QueueReading:
        name = row["name"]
        if not isinstance(name, str) or not name:
            raise ValueError(f"name must be a text, got {name!r}")
        depth = _number(name, row, "depth")
        if depth is None:
            raise ValueError(f"{name}: depth is null")
        oldest = _number(name, row, "oldest_age")
        if oldest is None and row.get("oldest_at") is not None:
            since = moment(row["oldest_at"])
            if since is None:
                raise ValueError(f"{name}: oldest_at must be a time with an offset, got {row['oldest_at']!r}")
            oldest = age(now, since)
        return QueueReading(
            system=self._config.system,
            destination=self._config.prefix + name,
            depth=depth,
            oldest_age_s=0.0 if oldest is None and depth == 0 else oldest,
            in_flight=_number(name, row, "in_flight"),
            consumers=_number(name, row, "consumers"),
        )


def _checked(text: str, config: Sql) -> URL:
    who = f"poller {config.name!r}: {config.url_env}"
    try:
        url = make_url(text)
    except sqlalchemy.exc.ArgumentError:
        raise ConfigurationError(
            f"{who} holds no SQLAlchemy URL", hint="for example postgresql://user:password@host/database"
        ) from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"{who} names the database {backend!r}", hint="postgresql and sqlite can be polled")
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"{who} names no file", hint="for example sqlite:////var/lib/jobs.db")
    return url


def _number(name: str, row: dict[str, Any], column: str) -> float | None:
    value = row.get(column)
    if value is None:
        return None
    found = number(float(value) if isinstance(value, Decimal) else value)
    if found is None:
        raise ValueError(f"{name}: {column} must be a number of 0 or more, got {str(value)[:40]!r}")
    return found


def _is_over(deadline: Deadline) -> int:
    try:
        deadline.left()
    except PollFailed:
        return 1
    return 0


@contextmanager
def _cut_off(descriptor: int, seconds: float) -> Iterator[None]:
    """Ends a connection whose server does not answer any more, and so does not keep to its own time limit.

    The limit of the statement comes first; this one is for a server that is frozen or cut off.
    """
    duplicate = socket.socket(fileno=os.dup(descriptor))

    def cut() -> None:
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    timer = threading.Timer(seconds + 0.5, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        duplicate.close()


@contextmanager
def _translated(deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except DBAPIError as problem:
        raise _failure(problem, deadline) from None
    except SQLAlchemyError as problem:
        raise PollFailed(Reason.ANSWER, f"the statement failed: {type(problem).__name__}") from None


def _failure(problem: DBAPIError, deadline: Deadline) -> PollFailed:
    code = str(getattr(problem.orig, "sqlstate", "") or "")
    text = next(iter(str(problem.orig).splitlines()), "")[:300]
    if _is_over(deadline) or code == "57014" or "interrupted" in text or re.search("time-?out", text):
        return PollFailed(
            Reason.TIMEOUT,
            f"the database did not answer within {deadline.seconds:g} s",
            hint="make the statement cheaper (an index?), or raise timeout_s",
        )
    if code.startswith("28") or "password authentication failed" in text or "no password supplied" in text:
        return PollFailed(Reason.CREDENTIALS, f"the database refused the user: {text}", hint="check the URL's variable")
    if code == "42501":
        return PollFailed(Reason.FORBIDDEN, f"the user may not do this: {text}", hint="grant SELECT on the table")
    if code == "25006" or "data-modifying" in text or "readonly database" in text:
        return PollFailed(Reason.FORBIDDEN, f"the statement writes: {text}", hint="a poller only reads")
    if code in ("42P01", "3D000") or "no such table" in text or "unable to open database file" in text:
        return PollFailed(Reason.NOT_FOUND, f"it is not there: {text}", hint="check the URL and the statement")
    if not code and not text.startswith("near "):
        return PollFailed(Reason.UNREACHABLE, f"the database cannot be used: {text}", hint="is it up and reachable?")
    return PollFailed(Reason.ANSWER, f"the statement failed: {text}", hint="try it with the database's own shell")
