"""Reports as mail, against a real mail server: its answers, TLS, log-in, and recipients that it refuses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core import ConfigurationError
from kpis.deliveries import Smtp, State, load_subscriptions
from storage import StateDb
from tests.unit.kpis_deliveries.certificates import contexts
from tests.unit.kpis_deliveries.mail_server import PASSWORD, USER, Mail, allowed, serving
from tests.unit.kpis_deliveries.world import World

ONE = 'kind = "email", to = ["a@example.com"]'
TWO = 'kind = "email", to = ["a@example.com", "b@example.com"]'


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return contexts(tmp_path_factory.mktemp("mail"))


@pytest.fixture(scope="module")
def servers(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[dict[str, tuple[Mail, int]]]:
    """One of each kind of security; those with TLS offer a log-in."""
    starttls = {"tls_context": tls[0], "require_starttls": True, "auth_required": True}
    with ExitStack() as stack:
        yield {
            "plain": stack.enter_context(serving()),
            "starttls": stack.enter_context(serving(authenticator=allowed, **starttls)),
            "tls": stack.enter_context(serving(authenticator=allowed, ssl_context=tls[0], auth_require_tls=False)),
        }


@pytest.fixture
def plain(servers: dict[str, tuple[Mail, int]]) -> tuple[Mail, Smtp]:
    handler, port = servers["plain"]
    handler.__init__()  # type: ignore[misc]
    return handler, Smtp("127.0.0.1", "o@example.com", port, "plain")


def world(state: StateDb, path: Path, smtp: Smtp, to: str = ONE) -> World:
    found = World(state, path, to, smtp=smtp)
    found.jobs.run_now("weekly")
    return found


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
    state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp], answers: list[str | None], states: list[State]
) -> None:
    """A mail that was taken though its answer got lost comes again with the same Message-ID."""
    handler, smtp = plain
    handler.answers = list(answers)
    found = world(state, tmp_path, smtp)
    found.tick()
    seen = found.states()
    found.tick(10)
    assert seen + found.states() == states
    assert len({one["Message-ID"] for one in handler.got}) == (State.SENT in states)
    assert len(handler.got) == (State.SENT in states) + (answers == [None])


def test_a_mail_carries_the_numbers_the_file_and_the_id(
    state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]
) -> None:
    handler, smtp = plain
    found = world(state, tmp_path, smtp)
    found.tick()
    (mail,), (letter,) = handler.got, found.jobs.deliveries()
    text, html, file = [part for part in mail.walk() if not part.is_multipart()]
    assert mail["X-Opsintel-Delivery"] == letter.id
    assert mail["Subject"] == "Weekly numbers"
    assert "Fill rate: 97 %" in text.get_payload(decode=True).decode()
    assert "<td>97 %</td>" in html.get_payload(decode=True).decode()
    assert (file.get_content_type(), file.get_filename()) == ("text/csv", "r.csv")
    assert file.get_payload(decode=True) == b"a,b\n"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_sent_over_tls_by_who_logged_in(
    state: StateDb, tmp_path: Path, servers: Any, tls: tuple[ssl.SSLContext, ssl.SSLContext], security: Any
) -> None:
    handler, port = servers[security]
    handler.__init__()
    smtp = Smtp("127.0.0.1", "o@example.com", port, security, USER, PASSWORD, tls=tls[1])
    found = world(state, tmp_path, smtp)
    found.tick()
    assert (found.states(), found.details()) == ([State.SENT], ["taken for 1"])
    (session,) = handler.sessions
    assert session.authenticated
    assert session.ssl is not None or security == "tls"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_wrong_password_is_told_without_it(
    state: StateDb, tmp_path: Path, servers: Any, tls: tuple[ssl.SSLContext, ssl.SSLContext], security: Any
) -> None:
    handler, port = servers[security]
    handler.__init__()
    smtp = Smtp("127.0.0.1", "o@example.com", port, security, USER, "guess", tls=tls[1])
    found = world(state, tmp_path, smtp)
    found.tick()
    assert found.states() == [State.RETRY]
    assert found.details() == ["the mail server did not accept the log-in (535)"]
    assert handler.got == []
    assert "guess" not in repr(smtp)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_a_stranger_is_not_trusted(
    state: StateDb, tmp_path: Path, servers: Any, security: Any
) -> None:
    handler, port = servers[security]
    handler.__init__()
    found = world(state, tmp_path, Smtp("127.0.0.1", "o@example.com", port, security, USER, PASSWORD))
    found.tick()
    assert found.states() == [State.RETRY]
    assert found.details()[0].startswith("the mail server's certificate is not trusted: self")
    assert handler.got == []


def test_a_server_that_offers_no_tls_gets_no_mail(state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]) -> None:
    handler, smtp = plain
    found = world(state, tmp_path, Smtp(smtp.host, smtp.sender, smtp.port, "starttls"))
    found.tick()
    assert (found.states(), handler.got) == ([State.FAILED], [])
    assert "STARTTLS" in found.details()[0]


def test_mail_without_tls_leaves_the_machine_only_whenallowed(state: StateDb, tmp_path: Path) -> None:
    found = world(state, tmp_path, Smtp("mail.example.com", "o@example.com", 25, "plain"))
    found.tick()
    assert found.details() == ["mail without TLS goes to loopback alone unless it is allowed"]


def test_a_recipient_refused_for_good_is_a_failure_and_asking_again_reaches_that_one_alone(
    state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]
) -> None:
    handler, smtp = plain
    handler.refused = {"b@example.com": "550 unknown"}
    found = world(state, tmp_path, smtp, TWO)
    found.tick()
    (letter,) = found.jobs.failures()
    assert (letter.state, letter.taken) == (State.FAILED, ("a@example.com",))
    assert letter.detail == "taken for 1 of 2, refused for b@example.com (550)"
    handler.refused = {}
    found.jobs.retry(letter.id)
    found.tick()
    assert (found.states(), found.details()) == ([State.SENT], ["taken for 2"])
    assert handler.for_whom == [["a@example.com"], ["b@example.com"]]
    assert {one["To"] for one in handler.got} == {"a@example.com, b@example.com"}


def test_a_recipient_refused_for_now_is_tried_again_and_the_others_get_it_once(
    state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]
) -> None:
    handler, smtp = plain
    handler.refused = {"b@example.com": "450 greylisted"}
    found = world(state, tmp_path, smtp, TWO)
    found.tick()
    assert found.states() == [State.RETRY]
    handler.refused = {}
    found.tick(10)
    assert found.states() == [State.SENT]
    assert handler.for_whom == [["a@example.com"], ["b@example.com"]]


def test_all_recipients_refused(state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]) -> None:
    handler, smtp = plain
    handler.refused = {"a@example.com": "550 unknown", "b@example.com": "450 later"}
    found = world(state, tmp_path, smtp, TWO)
    for seconds in (0, 10, 30):
        found.tick(seconds)
    assert (found.states(), handler.got) == ([State.FAILED], [])
    assert found.details() == ["taken for 0 of 2, refused for a@example.com (550), b@example.com (450)"]


def test_a_file_that_is_too_large_for_mail_fails(state: StateDb, tmp_path: Path, plain: tuple[Mail, Smtp]) -> None:
    handler, smtp = plain
    found = world(state, tmp_path, Smtp(smtp.host, smtp.sender, smtp.port, "plain", max_bytes=3))
    found.tick()
    assert (found.details(), handler.got) == (["the file has 4 bytes, more than the 3 a mail may carry"], [])


def test_headers_cannot_be_added(tmp_path: Path) -> None:
    text = '[[reports]]\nid = "a"\ntitle = "A"\nformat = "csv"\nperiod = "last_day"\ngrain = "day"\n'
    text += 'schedule = "0 6 * * *"\nto = [{kind = "email", to = ["a@example.com\\r\\nBcc: b@example.com"]}]\n'
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"to"):
        load_subscriptions(tmp_path)
