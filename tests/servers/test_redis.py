"""A real Redis: lists, streams with their groups, users and passwords, and TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from collector.pollers.environment import Environment
from collector.pollers.models import Redis
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason
from collector.pollers.sources.redis_queues import EMPTY_FOR, RedisSource
from core import ManualClock, SystemClock
from tests.servers.polling import Installation
from tests.servers.processes import folder, listens, started
from tests.support.ports import free_port

Install = Callable[..., Installation]


def source(port: int, environ: dict[str, str] | None = None, **values: object) -> RedisSource:
    config = Redis.model_validate({"name": "cache", "kind": "redis", "host": "127.0.0.1", "port": port, **values})
    return RedisSource(config, Environment(environ or {}))


def poll(found: RedisSource, now: datetime | None = None, seconds: float = 5.0) -> Polled:
    return found.poll(now or datetime.now(UTC), Deadline(SystemClock(), seconds))


def by_name(polled: Polled) -> dict[str, QueueReading]:
    return {f"{one.destination} {one.group}".strip(): one for one in polled.readings}


def test_lists_and_streams_reach_the_page(redis_port: int, redis_client: redis.Redis, install: Install) -> None:
    redis_client.rpush("orders", *range(7))
    redis_client.rpush("jobs:mail", "a", "b")
    for number in range(5):
        redis_client.xadd("events", {"n": number})
    redis_client.xgroup_create("events", "billing", "0")
    redis_client.xgroup_create("events", "shipping", "0")
    redis_client.xreadgroup("shipping", "worker", {"events": ">"}, count=3)
    installation = install(
        f"""
        [[poller]]
        name = "cache"
        kind = "redis"
        tenant = "{{tenant}}"
        host = "127.0.0.1"
        port = {redis_port}
        lists = ["orders", "nothing", "jobs:*"]
        streams = ["events"]
        """
    )
    installation.poll()
    queues = installation.queues()
    depths = {name: one.depth for name, one in queues.items()}
    assert depths == {"orders": 7, "nothing": 0, "jobs:mail": 2, "events billing": 5, "events shipping": 2}
    assert queues["nothing"].oldest_age_s == 0.0
    assert queues["orders"].oldest_age_s is None
    assert queues["events billing"].oldest_age_s == pytest.approx(0, abs=20)
    assert installation.points("retail.queue.in_flight") == {"events billing": 0.0, "events shipping": 3.0}
    assert installation.points("retail.queue.consumers") == {"events billing": 0.0, "events shipping": 1.0}
    assert installation.points("retail.queue.oldest_in_flight_age")["events shipping"] == pytest.approx(0, abs=20)


def test_ages_come_from_entry_ids(redis_port: int, redis_client: redis.Redis, still: ManualClock) -> None:
    """A group's oldest entry is the first that it was not given; ids that are no times say nothing."""
    now = still.now()
    milliseconds = int(now.timestamp() * 1000)
    for seconds in (90, 60, 30):
        redis_client.xadd("events", {"n": 1}, id=f"{milliseconds - seconds * 1000}-0")
    redis_client.xgroup_create("events", "all", "0")
    redis_client.xgroup_create("events", "some", f"{milliseconds - 60_000}-0")
    redis_client.xgroup_create("events", "done", "$")
    redis_client.xadd("numbered", {"n": 1}, id="7-0")
    found = by_name(poll(source(redis_port, streams=["*"]), now))
    assert found["events all"].oldest_age_s == pytest.approx(90, abs=0.01)
    assert found["events some"].oldest_age_s == pytest.approx(30, abs=0.01)
    assert (found["events done"].depth, found["events done"].oldest_age_s) == (0.0, 0.0)
    assert (found["numbered"].depth, found["numbered"].oldest_age_s) == (1.0, None)


def test_a_lag_that_redis_does_not_know_is_a_gap(redis_port: int, redis_client: redis.Redis) -> None:
    """After deletions in the middle the server says nil: no point is better than a wrong one."""
    ids = [str(redis_client.xadd("events", {"n": number})) for number in range(5)]
    redis_client.xgroup_create("events", "billing", ids[1])
    redis_client.xdel("events", ids[3])
    (info,) = redis_client.xinfo_groups("events")
    assert info["lag"] is None
    found = by_name(poll(source(redis_port, streams=["events"])))["events billing"]
    assert found.depth is None
    assert found.oldest_age_s is not None
    redis_client.xreadgroup("billing", "worker", {"events": ">"})
    assert by_name(poll(source(redis_port, streams=["events"])))["events billing"].depth == 0.0


def test_a_list_that_a_pattern_found_is_empty_when_it_is_gone(redis_port: int, redis_client: redis.Redis) -> None:
    """Redis removes a list with its last item. After an hour it is not reported any more."""
    redis_client.rpush("jobs:mail", "a")
    poller, now = source(redis_port, lists=["jobs:*"]), datetime.now(UTC)
    assert by_name(poll(poller, now))["jobs:mail"].depth == 1.0
    redis_client.lpop("jobs:mail")
    assert by_name(poll(poller, now))["jobs:mail"].depth == 0.0
    assert by_name(poll(poller, now + EMPTY_FOR)) == {}


def test_the_age_of_a_list_from_its_items(redis_port: int, redis_client: redis.Redis, still: ManualClock) -> None:
    now = still.now()
    redis_client.lpush("jobs", json.dumps({"at": now.timestamp() - 120}), json.dumps({"at": now.timestamp() - 5}))
    redis_client.lpush("odd", "no json")
    poller = source(redis_port, lists=["jobs", "odd", "none"], item_time={"pointer": "/at"})
    found = by_name(poll(poller, now))
    assert found["jobs"].oldest_age_s == pytest.approx(120, abs=0.01)
    assert found["odd"].oldest_age_s is None
    assert found["none"].oldest_age_s == 0.0
    young = source(redis_port, lists=["jobs"], item_time={"pointer": "/at", "oldest": "left"})
    assert by_name(poll(young, now))["jobs"].oldest_age_s == pytest.approx(5, abs=0.01)


def test_one_wrong_key_leaves_the_others_standing(redis_port: int, redis_client: redis.Redis) -> None:
    redis_client.set("orders", "a text")
    redis_client.rpush("refunds", "a")
    polled = poll(source(redis_port, lists=["orders", "refunds"], streams=["absent"]))
    assert [one.destination for one in polled.readings] == ["refunds"]
    assert [problem.partition(":")[0] for problem in polled.problems] == ["orders", "absent"]


def test_more_queues_than_the_limit_fail(redis_port: int, redis_client: redis.Redis) -> None:
    for number in range(5):
        redis_client.rpush(f"q:{number}", "a")
    with pytest.raises(PollFailed) as caught:
        poll(source(redis_port, lists=["q:*"], max_queues=4))
    assert caught.value.reason is Reason.TOO_MUCH


def test_users_and_rights(redis_port: int, redis_client: redis.Redis) -> None:
    """A user with only the rights that the hint names can poll; one without them is told so."""
    rights = "+ping +scan +type +llen +lindex +xlen +xinfo +xrange +xrevrange +xpending +select +client"
    redis_client.execute_command("ACL", "SETUSER", "poller", "on", ">pass-of-poller", "~q:*", *rights.split())
    redis_client.execute_command("ACL", "SETUSER", "nobody", "on", ">pass-of-nobody", "~*", "+ping")
    redis_client.rpush("q:1", "a")
    redis_client.xadd("q:s", {"a": "1"})
    redis_client.xgroup_create("q:s", "g", "0")
    redis_client.xreadgroup("g", "worker", {"q:s": ">"})
    environ = {"SECRET": "pass-of-poller", "NOBODY": "pass-of-nobody", "WRONG": "not-the-pass"}
    common = {"lists": ["q:*"], "streams": ["q:*"], "username": "poller"}
    found = by_name(poll(source(redis_port, environ, password_env="SECRET", **common)))
    assert set(found) == {"q:1", "q:s g"}
    hidden = poll(source(redis_port, environ, password_env="SECRET", **{**common, "lists": ["other", "q:1"]}))
    assert hidden.problems == ("other: the user may not read this key",)
    for values, reason in (
        ({"username": "poller", "password_env": "WRONG"}, Reason.CREDENTIALS),
        ({"username": "nobody", "password_env": "NOBODY"}, Reason.FORBIDDEN),
    ):
        with pytest.raises(PollFailed) as caught:
            poll(source(redis_port, environ, **{**common, **values}))
        assert caught.value.reason is reason, caught.value
        assert "pass" not in caught.value.message.replace("username-password", "").replace("password", "")


def test_a_server_that_is_away_and_one_that_is_frozen(redis_port: int, redis_client: redis.Redis) -> None:
    """Refused at once; silent until the time is over. Then the next poll works on a new connection."""
    with pytest.raises(PollFailed) as caught:
        poll(source(free_port(), lists=["a"]))
    assert caught.value.reason is Reason.UNREACHABLE
    poller = source(redis_port, lists=["a"])
    poll(poller)
    poller.close()
    redis_client.execute_command("CLIENT", "PAUSE", "1500", "ALL")
    with pytest.raises(PollFailed) as caught:
        poll(poller, seconds=0.3)
    assert caught.value.reason is Reason.TIMEOUT
    assert by_name(poll(poller, seconds=10))["a"].depth == 0.0


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """An authority and a certificate for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl is not installed")
    with folder("tls") as home:
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out",
             "cert.pem", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True, cwd=home,
        )  # fmt: skip
        yield home


def test_tls(certificates: Path, redis_port: int) -> None:
    """With its authority it works; without, it is refused and the reason says why."""
    port, binary = free_port(), shutil.which("redis-server")
    assert binary
    command = [binary, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem",
               "--tls-auth-clients", "no", "--dir", str(certificates)]  # fmt: skip
    with started(command, port, lambda: listens(port), log=certificates / "out.log"):
        safe = source(port, lists=["a"], tls=True, ca_file=certificates / "cert.pem")
        assert by_name(poll(safe))["a"].depth == 0.0
        safe.close()
        with pytest.raises(PollFailed) as caught:
            poll(source(port, lists=["a"], tls=True))
        assert caught.value.reason is Reason.TLS
