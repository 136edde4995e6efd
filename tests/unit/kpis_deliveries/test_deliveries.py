"""Scheduled reports against real receivers: a mail server, an S3-compatible server, an HTTP server, a folder."""

from __future__ import annotations

import email
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem
from standardwebhooks import Webhook

from core import ConfigurationError, Conflict, ManualClock
from kpis.deliveries import DeliveryJobs, RenderedFile, Retries, Sender, Smtp, State, load_subscriptions
from kpis.deliveries.states import TRANSITIONS, Input, advance
from kpis.deliveries.subscriptions import target_key
from kpis.periods import Calendar
from storage import StateDb
from tests.support.ports import free_port

SECRET = "whsec_" + "QUJD" * 8
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
REPORT = """[[reports]]
id = "weekly"
title = "Weekly numbers"
format = "csv"
kpis = ["line_fill_rate"]
period = "last_day"
grain = "day"
schedule = "0 6 * * *"
to = [{to}]
"""
FOLDER = 'kind = "directory", path = "out"'


class World:
    """A tenant's deliveries on a real state database, with what was rendered counted."""

    def __init__(self, state: StateDb, path: Path, to: str, **sender: Any) -> None:
        self.folder, self.root, self.rendered = path / "reports", path / "root", 0
        self.folder.mkdir()
        (self.folder / "a.toml").write_text(REPORT.format(to="{" + to + "}"))
        self.problem: Exception | None = None
        given = Sender({"HOOK": SECRET, "KEY": "k", "SECRET": "s"}, self.root, **sender)
        self.parts = (state, ManualClock(START), "acme", self.folder, Calendar("Europe/Berlin"), self.render, given)
        self.spool = path / "spool"
        self.jobs = self.restarted()

    def restarted(self) -> DeliveryJobs:
        return DeliveryJobs(*self.parts, self.spool, retries=Retries(10, 60, 3), draw=lambda: 0.0)

    def render(self, tenant: str, one: Any, start: datetime, end: datetime) -> RenderedFile:
        self.rendered += 1
        if self.problem:
            raise self.problem
        return RenderedFile("r.csv", "text/csv", b"a,b\n", None, (("Fill rate", "97 %"),))

    def states(self) -> list[State]:
        return [one.state for one in self.jobs.deliveries()]


class Mail:
    """A mail server that answers as told, then takes everything. None drops the connection after DATA."""

    def __init__(self) -> None:
        self.answers: list[str | None] = []
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer is None or answer.startswith("250"):
            self.got.append(email.message_from_bytes(envelope.content))
        if answer is None:
            server.transport.abort()
            return "421 gone"
        return answer


@pytest.fixture(scope="module")
def mail_server() -> Iterator[tuple[Mail, int]]:
    handler, port = Mail(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def hooks() -> Iterator[tuple[list[Any], list[int], int]]:
    got: list[Any] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((Webhook(SECRET).verify(body, dict(self.headers)), self.headers["webhook-id"]))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("retry-after", "40")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield got, answers, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_missed_times_are_made_up_once_and_the_older_ones_shown_as_skipped(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.jobs.tick(START)
    assert world.jobs.history() == ()
    later = START + timedelta(days=3)
    for jobs in (world.jobs, world.jobs, world.restarted()):
        jobs.tick(later)
    newest, *older = world.jobs.history()
    assert newest.scheduled_at == datetime(2026, 3, 5, 5, tzinfo=UTC)
    assert newest.state is State.RENDERED
    assert [one.state for one in older] == [State.SKIPPED] * 2
    assert world.rendered == 1
    (letter,) = world.jobs.deliveries()
    (file,) = (world.root / "out").iterdir()
    assert (letter.state, file.name, file.read_bytes()) == (State.SENT, f"r-{letter.id}.csv", b"a,b\n")


def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    state: StateDb, tmp_path: Path, mail_server: tuple[Mail, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, port = mail_server
    handler.got.clear()
    world = World(
        state,
        tmp_path,
        'kind = "email", to = ["a@example.com"]',
        smtp=Smtp("127.0.0.1", "o@example.com", port, "plain"),
    )
    world.jobs.run_now("weekly")
    with monkeypatch.context() as patch:
        patch.setattr(world.jobs, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.jobs.tick(START)
    world.restarted().tick(START)
    assert world.states() == [State.SENT]
    first, second = handler.got
    assert first["Message-ID"] == second["Message-ID"]
    assert world.jobs.deliveries()[0].id == first["X-Opsintel-Delivery"]
    assert world.rendered == 1
    assert [part.get_content_type() for part in first.walk()][-1] == "text/csv"


@pytest.mark.parametrize(
    ("answers", "states"),
    [
        (["451 later", "250 OK"], [State.RETRY, State.SENT]),
        (["421 busy", "250 OK"], [State.RETRY, State.SENT]),
        (["550 no"], [State.FAILED, State.FAILED]),
        ([None], [State.RETRY, State.SENT]),
    ],
    ids=["451", "421", "550", "dropped after DATA"],
)
def test_what_a_mail_server_answers(
    state: StateDb, tmp_path: Path, mail_server: tuple[Mail, int], answers: list[str | None], states: list[State]
) -> None:
    handler, port = mail_server
    handler.answers = list(answers)
    world = World(
        state,
        tmp_path,
        'kind = "email", to = ["a@example.com"]',
        smtp=Smtp("127.0.0.1", "o@example.com", port, "plain"),
    )
    world.jobs.run_now("weekly")
    world.jobs.tick(START)
    seen = world.states()
    world.jobs.tick(START + timedelta(seconds=10))
    assert seen + world.states() == states


def test_mail_without_tls_leaves_the_machine_only_when_allowed(state: StateDb, tmp_path: Path) -> None:
    to = 'kind = "email", to = ["a@example.com"]'
    world = World(state, tmp_path, to, smtp=Smtp("mail.example.com", "o@example.com", 25, "plain"))
    world.jobs.run_now("weekly")
    world.jobs.tick(START)
    assert "without TLS" in world.jobs.failures()[0].detail


def test_a_webhook_is_signed_and_its_retry_after_honoured(
    state: StateDb, tmp_path: Path, hooks: tuple[list[Any], list[int], int]
) -> None:
    got, answers, port = hooks
    answers.append(503)
    to = f'kind = "webhook", url = "http://127.0.0.1:{port}/r", secret_env = "HOOK"'
    world = World(state, tmp_path, to, allow_private_hosts=True)
    world.jobs.run_now("weekly")
    now = datetime.now(UTC)
    for seconds in (0, 39, 40):
        world.jobs.tick(now + timedelta(seconds=seconds))
    assert world.states() == [State.SENT]
    assert [one[1] for one in got] == [world.jobs.deliveries()[0].id] * 2
    assert got[0][0]["file"]["base64"] == "YSxiCg=="


def test_a_private_address_is_refused(state: StateDb, tmp_path: Path, hooks: tuple[list[Any], list[int], int]) -> None:
    got, _, port = hooks
    to = f'kind = "webhook", url = "http://127.0.0.1:{port}/r", secret_env = "HOOK"'
    world = World(state, tmp_path, to)
    world.jobs.run_now("weekly")
    world.jobs.tick(START)
    assert ("private network" in world.jobs.failures()[0].detail, got) == (True, [])


def test_a_bucket_gets_the_object(state: StateDb, tmp_path: Path) -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        store = S3FileSystem(
            access_key="k",
            secret_key="s",
            scheme="http",
            endpoint_override=f"{host}:{port}",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        where = f'bucket = "reports", prefix = "kpi/", endpoint = "http://{host}:{port}"'
        to = f'kind = "s3", {where}, access_key_env = "KEY", secret_key_env = "SECRET"'
        world = World(state, tmp_path, to)
        world.jobs.run_now("weekly")
        world.jobs.tick(START)
        assert world.states() == [State.RETRY]  # no such bucket yet
        store.create_dir("reports")
        world.jobs.tick(START + timedelta(seconds=10))
        (letter,) = world.jobs.deliveries()
        assert store.open_input_file(f"reports/kpi/r-{letter.id}.csv").read() == b"a,b\n"
    finally:
        server.stop()


def test_what_cannot_be_rendered_is_retried_then_failed_and_shown(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.problem = ConfigurationError("no such KPI")
    world.jobs.run_now("weekly")
    for seconds in (0, 9, 10, 30):
        world.jobs.tick(START + timedelta(seconds=seconds))
    (run,) = world.jobs.history()
    assert (run.state, run.attempts, "no such KPI" in run.detail) == (State.FAILED, 3, True)


def test_a_dead_letter_is_sent_when_asked_for_and_another_file_is_not_overwritten(
    state: StateDb, tmp_path: Path
) -> None:
    world = World(state, tmp_path, FOLDER)
    run = world.jobs.run_now("weekly")
    (world.root / "out").mkdir(parents=True)
    key = target_key(load_subscriptions(world.folder)[0].to[0])
    (file := world.root / "out" / f"r-{run}-{key}.csv").write_text("mine")
    world.jobs.tick(START)
    (letter,) = world.jobs.failures()
    assert file.read_text() == "mine"
    file.unlink()
    world.jobs.retry(letter.id)
    world.jobs.tick(START)
    assert world.states() == [State.SENT]
    with pytest.raises(Conflict):
        world.jobs.retry(letter.id)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"csv"', '"doc"', "format"),
        ("0 6 * * *", "0 6 * * 1", "weekdays are names"),
        ("0 6 * * *", "0 99 * * *", "schedule"),
        ('"out"', '"../out"', "'../out'"),
        ("last_day", "last_0_days", "period"),
        ('path = "out"', 'path = "out", password = "hunter2"', "password"),
    ],
)
def test_a_wrong_file_is_named_and_leaves_the_set_in_force(
    state: StateDb, tmp_path: Path, old: str, new: str, said: str
) -> None:
    world = World(state, tmp_path, FOLDER)
    text = REPORT.format(to="{" + FOLDER + "}")
    (world.folder / "a.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        world.jobs.reload()
    assert "a.toml: report 'weekly'" in str(caught.value)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    world.jobs.run_now("weekly")
    world.jobs.tick(START)
    assert world.states() == [State.SENT]


@pytest.mark.parametrize(("state_", "given_"), list(itertools.product(State, Input)))
def test_only_the_table_changes_a_state(state_: State, given_: Input) -> None:
    if (state_, given_) in TRANSITIONS:
        assert advance(state_, given_) is TRANSITIONS[state_, given_]
    else:
        with pytest.raises(Conflict):
            advance(state_, given_)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(Input)))
def test_what_ended_well_stays_so(inputs: list[Input]) -> None:
    at, ended = State.PENDING, None
    for one in inputs:
        try:
            at = advance(at, one)
        except Conflict:
            continue
        assert ended is None
        ended = at if at in (State.SENT, State.RENDERED) else None


def test_headers_cannot_be_added(tmp_path: Path) -> None:
    text = REPORT.format(to='{kind = "email", to = ["a@example.com\\r\\nBcc: b@example.com"]}')
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"to"):
        load_subscriptions(tmp_path)
