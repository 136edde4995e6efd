"""A real mail server that answers as told."""

from __future__ import annotations

import email
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.support.ports import free_port

USER, PASSWORD = "ops", "hunter2 "


class Mail:
    """Answers as told, then takes everything. None drops the connection after DATA. refused: answers by recipient."""

    def __init__(self) -> None:
        self.answers: list[str | None] = []
        self.refused: dict[str, str] = {}
        self.got: list[Any] = []
        self.for_whom: list[list[str]] = []
        self.sessions: list[Any] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _: Any) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer is None or answer.startswith("250"):
            self.got.append(email.message_from_bytes(envelope.content))
            self.for_whom.append(list(envelope.rcpt_tos))
            self.sessions.append(session)
        if answer is None:
            server.transport.abort()
            return "421 gone"
        return answer


def allowed(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Whether it is the user with the password."""
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


@contextmanager
def serving(**how: Any) -> Iterator[tuple[Mail, int]]:
    """On this machine, until the block ends; `how` is told to the server."""
    handler, port = Mail(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, **how)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()
