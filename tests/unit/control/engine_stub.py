"""A workflow engine behind a real HTTP server: verifies signatures, remembers sequences, can die at the n-th call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading

from tests.unit.control.local_http import Drop, Hang, LocalServer, Received, Reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


class EngineStub:
    """Speaks the protocol of docs/control.md. `script` overrides the answer to the n-th request (from 1)."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.sequences: dict[str, int] = {}
        self.seen: list[str] = []  # webhook ids in the order of arrival
        self.script: dict[int, Reply | Drop | Hang] = {}
        self.act_before_script = False  # whether a scripted POST still takes effect
        self.obey = True
        self._lock = threading.Lock()
        self._calls = 0
        self.server = LocalServer(self._answer)

    def _answer(self, received: Received) -> Reply | Drop | Hang:
        with self._lock:
            self._calls += 1
            scripted = self.script.get(self._calls)
            if received.method == "POST":
                if scripted is None or self.act_before_script:
                    reply = self._command(received)
                    return scripted or reply
                return scripted
            return scripted or self._show(received.path.rsplit("/", 1)[-1])

    def _command(self, received: Received) -> Reply:
        timestamp = int(received.headers["webhook-timestamp"])
        signed = f"{received.headers['webhook-id']}.{timestamp}.".encode() + received.body
        digest = hmac.new(KEY, signed, hashlib.sha256).digest()
        if received.headers["webhook-signature"] != f"v1,{base64.b64encode(digest).decode()}":
            return Reply(401, b'{"error":"signature"}')
        body = received.json()
        target = body["target"]["id"]
        self.seen.append(received.headers["webhook-id"])
        if body["sequence"] <= self.sequences.get(target, 0):
            return Reply(409, b'{"error":"stale sequence"}')
        self.sequences[target] = body["sequence"]
        if self.obey:
            self.states[target] = {"pause": "paused", "resume": "running"}[body["action"]]
        return Reply(202)

    def _show(self, target: str) -> Reply:
        return Reply(200, json.dumps({"id": target, "state": self.states.get(target, "running")}).encode())
