"""Redis: the length of lists, and for each consumer group of a stream what it has not been given yet.

In Redis an empty list does not exist. A list that is configured by name is therefore empty when it is absent; one that
a pattern found is reported as empty for a while after it is gone, and then no more. A stream outlives its entries: one
that is absent is not reported. A single server is meant; a cluster answers MOVED, and the poller says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import redis
from redis import exceptions as failed
from redis.backoff import NoBackoff
from redis.retry import Retry

from collector.pollers.environment import Environment
from collector.pollers.json_pointer import Missing, resolve
from collector.pollers.models import Redis
from collector.pollers.moments import moment
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, age
from collector.pollers.selection import is_pattern, matches
from collector.pollers.sources.http_client import ssl_context
from collector.pollers.sources.redis_streams import StreamReader, text_of

EMPTY_FOR = timedelta(hours=1)
"""So long a list that was found by a pattern and is gone counts as empty."""


class RedisSource:
    """One database of one server."""

    def __init__(self, config: Redis, environment: Environment) -> None:
        self._config = config
        self._user = config.username or None
        if config.username_env:
            self._user = environment.secret(config.username_env, config.name, "username_env")
        self._password = (
            environment.secret(config.password_env, config.name, "password_env") if config.password_env else None
        )
        if config.tls:
            ssl_context(config, config.name)  # says now what is wrong with the files
        self._client: redis.Redis | None = None
        self._seen: dict[str, datetime] = {}

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        readings: list[QueueReading] = []
        problems: list[str] = []
        try:
            with self._translated(deadline):
                client = self._connected(deadline)
                for name in self._lists(client, now, deadline):
                    self._one(name, problems, readings, partial(self._list, client, now=now))
                reader = StreamReader(client, self._config, now)
                for name in self._names(client, self._config.streams, "stream", deadline):
                    self._one(name, problems, readings, reader.read)
                    deadline.left()
        except BaseException:
            self.close()  # an answer may still be under way on this connection
            raise
        if len(readings) > self._config.max_queues:
            raise self._too_many()
        return Polled(tuple(readings), tuple(problems))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # --- connection ---

    def _connected(self, deadline: Deadline) -> redis.Redis:
        if self._client is None:
            config = self._config
            safe: dict[str, Any] = (
                {
                    "ssl": True,
                    "ssl_ca_certs": str(config.ca_file) if config.ca_file else None,
                    "ssl_certfile": str(config.cert_file) if config.cert_file else None,
                    "ssl_keyfile": str(config.key_file) if config.key_file else None,
                    "ssl_check_hostname": True,
                }
                if config.tls
                else {}
            )
            self._client = redis.Redis(
                host=config.host, port=config.port, db=config.db, username=self._user, password=self._password,
                socket_timeout=deadline.left(), socket_connect_timeout=deadline.left(), client_name="opsintel",
                single_connection_client=True, decode_responses=False, retry=Retry(NoBackoff(), 0), **safe,
            )  # fmt: skip
        return self._client

    @contextmanager
    def _translated(self, deadline: Deadline) -> Iterator[None]:
        where = f"redis at {self._config.host}:{self._config.port}"
        try:
            yield
        except (failed.AuthenticationError, failed.AuthenticationWrongNumberOfArgsError) as problem:
            raise PollFailed(
                Reason.CREDENTIALS,
                f"{where} refused the credentials: {problem}",
                hint="check username and password_env",
            ) from None
        except failed.NoPermissionError as problem:
            raise PollFailed(
                Reason.FORBIDDEN, f"{where} does not allow this: {problem}",
                hint="the user needs +ping +scan +type +llen +lindex +xlen +xinfo +xrange +xpending on the keys",
            ) from None  # fmt: skip
        except failed.TimeoutError:
            raise PollFailed(
                Reason.TIMEOUT,
                f"{where} did not answer within {deadline.seconds:g} s",
                hint="is it up? raise timeout_s",
            ) from None
        except failed.BusyLoadingError:
            raise PollFailed(Reason.BUSY, f"{where} is still loading its data", retry_after_s=1.0) from None
        except failed.ConnectionError as problem:
            safe = "SSL" in str(problem) or "certificate" in str(problem)
            raise PollFailed(
                Reason.TLS if safe else Reason.UNREACHABLE, f"{where} cannot be used: {problem}",
                hint="check tls, ca_file and the certificate's name" if safe else "check host, port and network",
            ) from None  # fmt: skip
        except failed.ResponseError as problem:
            raise self._refused(where, str(problem)) from None
        except failed.RedisError as problem:
            raise PollFailed(Reason.ANSWER, f"{where}: {type(problem).__name__}: {problem}") from None

    @staticmethod
    def _refused(where: str, text: str) -> PollFailed:
        if text.startswith(("NOAUTH", "WRONGPASS")):
            return PollFailed(Reason.CREDENTIALS, f"{where}: {text}", hint="check username and password_env")
        if text.startswith(("MOVED", "ASK", "CROSSSLOT")):
            return PollFailed(Reason.ANSWER, f"{where} is part of a cluster", hint="clusters cannot be polled yet")
        return PollFailed(Reason.ANSWER, f"{where}: {text}")

    def _one(
        self, name: str, problems: list[str], readings: list[QueueReading], read: Callable[[str], list[QueueReading]]
    ) -> None:
        """One key; what is wrong with it alone leaves the others standing."""
        try:
            readings += read(name)
        except failed.NoPermissionError:
            problems.append(f"{name}: the user may not read this key")
        except failed.ResponseError as problem:
            if not str(problem).startswith(("WRONGTYPE", "no such key")):
                raise
            problems.append(f"{name}: {problem}")

    # --- names ---

    def _lists(self, client: redis.Redis, now: datetime, deadline: Deadline) -> list[str]:
        """Lists by name, those that patterns find, and those that they found lately."""
        config = self._config
        found = self._names(client, config.lists, "list", deadline)
        fixed = {name for name in config.lists if not is_pattern(name)}
        for name in found:
            if name not in fixed:
                self._seen[name] = now
        self._seen = {name: at for name, at in self._seen.items() if now - at < EMPTY_FOR}
        return sorted({*found, *self._seen})

    def _names(self, client: redis.Redis, wanted: tuple[str, ...], kind: str, deadline: Deadline) -> list[str]:
        names = {name for name in wanted if not is_pattern(name)}
        for pattern in wanted:
            if is_pattern(pattern):
                cursor = 0
                while True:
                    cursor, keys = client.scan(cursor, match=pattern, count=1_000, _type=kind)
                    names |= {text_of(key) for key in keys}
                    if len(names) > self._config.max_queues:
                        raise self._too_many()
                    deadline.left()
                    if cursor == 0:
                        break
        return sorted(name for name in names if not matches(name, self._config.exclude))

    def _too_many(self) -> PollFailed:
        return PollFailed(
            Reason.TOO_MUCH, f"more than {self._config.max_queues} queues match",
            hint="narrow lists, streams or groups, or raise max_queues",
        )  # fmt: skip

    # --- lists ---

    def _list(self, client: redis.Redis, name: str, *, now: datetime) -> list[QueueReading]:
        config = self._config
        depth = int(client.llen(name))
        oldest = 0.0 if depth == 0 else None
        if depth and config.item_time:
            end = -1 if config.item_time.oldest == "right" else 0
            oldest = _item_age(client.lindex(name, end), config.item_time.pointer, now)
        return [QueueReading(config.system, config.prefix + name, float(depth), oldest)]


def _item_age(item: bytes | str | None, pointer: str, now: datetime) -> float | None:
    """The age by the time in the item; None when there is none, or it is not understood."""
    if item is None:
        return None
    try:
        found = age(now, moment(resolve(orjson.loads(item), pointer)))
    except (orjson.JSONDecodeError, Missing):
        return None
    return found if found is not None and math.isfinite(found) else None
