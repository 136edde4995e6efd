"""Reports to webhooks and buckets, against real servers: signatures, answers, and where they may lead."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem
from standardwebhooks import Webhook

from core import ManualClock
from kpis.deliveries import State
from kpis.deliveries.hosts import is_public
from storage import StateDb
from tests.unit.kpis_deliveries.certificates import contexts
from tests.unit.kpis_deliveries.world import CONTENT, SECRET, World

LOCAL = frozenset({"127.0.0.1"})


class Hooks:
    """A receiver that verifies signatures and answers as told, then 204."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.port = 0


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Hooks]:
    hooks = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hooks.got.append(Webhook(SECRET).verify(body, dict(self.headers)))
            hooks.headers.append({key.lower(): value for key, value in self.headers.items()})
            self.send_response(hooks.answers.pop(0) if hooks.answers else 204)
            self.send_header("retry-after", "40")
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    hooks.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield hooks
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with receiving() as found:
        yield found


def hook(port: int, host: str = "127.0.0.1", scheme: str = "http") -> str:
    return f'kind = "webhook", url = "{scheme}://{host}:{port}/r?key=1", secret_env = "REPORT_HOOK"'


def world(state: StateDb, path: Path, to: str, **sender: Any) -> World:
    found = World(state, path, to, **sender)
    found.clock = ManualClock(datetime.now(UTC))  # receivers refuse signatures of another day
    found.jobs = found.restarted()
    found.jobs.run_now("weekly")
    return found


def test_a_webhook_is_signed_and_its_retry_after_honoured(state: StateDb, tmp_path: Path, hooks: Hooks) -> None:
    hooks.answers.append(503)
    found = world(state, tmp_path, hook(hooks.port), private_hosts=LOCAL)
    for seconds in (0, 39, 1):
        found.clock.advance(seconds)
        found.jobs.tick()
    (letter,) = found.jobs.deliveries()
    assert (letter.state, letter.target) == (State.SENT, f"http://127.0.0.1:{hooks.port}")
    assert [one["webhook-id"] for one in hooks.headers] == [letter.id] * 2
    assert hooks.got[0]["file"]["base64"] == "YSxiCg=="


@pytest.mark.parametrize(("status", "state_"), [(302, State.FAILED), (404, State.FAILED), (429, State.RETRY)])
def test_what_a_receiver_answers(state: StateDb, tmp_path: Path, hooks: Hooks, status: int, state_: State) -> None:
    """A redirect is not followed."""
    hooks.answers.append(status)
    found = world(state, tmp_path, hook(hooks.port), private_hosts=LOCAL)
    found.jobs.tick()
    assert (found.states(), len(hooks.got)) == ([state_], 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_address_is_refused(state: StateDb, tmp_path: Path, hooks: Hooks, host: str) -> None:
    found = world(state, tmp_path, hook(hooks.port, host))
    found.jobs.tick()
    assert (found.states(), hooks.got) == ([State.FAILED], [])
    assert found.details() == [f"'{host}' is an address of a private network, which is not allowed"]


def named(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """hooks.example leads to one answer after the other; who asked for a name is noted."""
    asked: list[str] = []
    left, real = list(answers), socket.getaddrinfo

    def lookup(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "hooks.example":
            return real(host, *rest, **more)
        asked.append(host)
        return real(left.pop(0), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_name_is_looked_up_once_and_the_certificate_is_that_of_the_name(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a name that changes after the check leads nowhere else."""
    server, client = contexts(tmp_path)
    with receiving(server) as hooks:
        asked = named(monkeypatch, "127.0.0.1", "192.0.2.1")
        to = hook(hooks.port, "hooks.example", "https")
        found = world(state, tmp_path, to, private_hosts=frozenset({"hooks.example"}), tls=client)
        found.jobs.tick()
        assert (found.details(), found.states()) == (["the receiver answered 204"], [State.SENT])
        assert (len(asked), hooks.headers[0]["host"]) == (1, f"hooks.example:{hooks.port}")


def test_a_certificate_of_another_name_is_refused(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = contexts(tmp_path, "other.example")
    with receiving(server) as hooks:
        named(monkeypatch, "127.0.0.1")
        to = hook(hooks.port, "hooks.example", "https")
        found = world(state, tmp_path, to, private_hosts=frozenset({"hooks.example"}), tls=client)
        found.jobs.tick()
        assert (found.details(), hooks.got) == (["no answer: ConnectError"], [])


@pytest.mark.parametrize(
    ("address", "public"),
    [("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.0.0.1", False), ("169.254.169.254", False),
     ("100.64.0.1", False), ("224.0.0.1", False), ("0.0.0.0", False), ("::1", False), ("fe80::1%eth0", False),
     ("fd00::1", False), ("::ffff:127.0.0.1", False), ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False)],
)  # fmt: skip
def test_which_addresses_anybody_may_be_sent_to(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, Callable[[], S3FileSystem]]]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def store() -> S3FileSystem:
        return S3FileSystem(
            access_key="k", secret_key="s", scheme="http", endpoint_override=f"{host}:{port}", region="us-east-1",
            allow_bucket_creation=True,
        )  # fmt: skip

    where = f'bucket = "reports", prefix = "kpi/", endpoint = "http://{host}:{port}"'
    yield f'kind = "s3", {where}, access_key_env = "REPORT_KEY", secret_key_env = "REPORT_SECRET"', store
    server.stop()


def test_a_bucket_gets_the_object(state: StateDb, tmp_path: Path, bucket: Any) -> None:
    to, store = bucket
    found = world(state, tmp_path, to, private_hosts=frozenset({"127.0.0.1", "0.0.0.0", "localhost"}))
    found.jobs.tick()
    assert found.states() == [State.RETRY]  # no such bucket yet
    store().create_dir("reports")
    found.clock.advance(timedelta(seconds=10).total_seconds())
    found.jobs.tick()
    (letter,) = found.jobs.deliveries()
    assert store().open_input_file(f"reports/kpi/r-{letter.id}.csv").read() == CONTENT


def test_a_bucket_in_a_private_network_is_refused_unless_allowed(state: StateDb, tmp_path: Path, bucket: Any) -> None:
    found = world(state, tmp_path, bucket[0])
    found.jobs.tick()
    assert found.states() == [State.FAILED]
    assert "private network" in found.details()[0]
