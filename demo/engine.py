"""A tiny workflow engine for the demo: it takes signed pause and resume commands and tells the state of edges.

It verifies Standard Webhooks signatures, remembers the last sequence a target obeyed, and refuses older ones. State is
in memory and lost with the process. It is a stand-in for an engine a retailer would have, not a part of the product.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from standardwebhooks import Webhook, WebhookVerificationError

from demo.model import world as w
from metrics.conventions import edge

MAX_BODY = 64 * 1024

_EDGES = (
    edge(w.ORDERS, w.WAREHOUSE),
    edge(w.WAREHOUSE, w.WEB_SHOP),
    edge(w.WAREHOUSE, w.CARRIER),
    edge(w.CARRIER, w.ORDERS),
    edge(w.ORDERS, w.ERP),
    edge(w.ERP, w.SUPPLIERS),
    edge(w.RETURNS, w.PAYMENT),
    edge(w.PROMOTIONS, w.WEB_SHOP),
)
TARGETS = {name.replace("->", "-to-"): name for name in _EDGES}
"""Target id -> edge, for every edge the simulated retailer can hold."""


def control_targets(base_url: str) -> str:
    """The control file (TOML) that makes these targets known to the product."""
    parts = ["# The edges of the simulated retailer that can be paused.\n"]
    for target, name in TARGETS.items():
        parts.append(
            f'[[targets]]\nid = "{target}"\nkind = "edge"\nname = "{name}"\n'
            f'endpoint_url = "{base_url}/commands"\nverify_url = "{base_url}/edges/{target}"\n'
        )
    return "\n".join(parts)


class WorkflowEngine:
    """The engine's state and its HTTP server on the loopback interface; port 0 takes any free one.

    `POST /commands` pauses or resumes; `GET /edges/{id}` tells. A context manager: it serves while entered.
    """

    def __init__(self, secret: str, port: int = 0) -> None:
        self._webhook = Webhook(secret)
        self._lock = threading.Lock()
        self._paused: set[str] = set()
        self._sequence: dict[str, int] = {}
        self._done: dict[str, str] = {}
        self._server = _server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="demo-engine", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def paused_edges(self) -> frozenset[str]:
        """The edges that are held, as values of `retail.edge`."""
        with self._lock:
            return frozenset(TARGETS[target] for target in self._paused)

    def state(self, target: str) -> str | None:
        """`paused`, `running`, or None for a target that does not exist."""
        with self._lock:
            if target not in TARGETS:
                return None
            return "paused" if target in self._paused else "running"

    def obey(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Carries a command out; returns an HTTP status and an answer. The same command again changes nothing."""
        try:
            command = self._webhook.verify(body, headers)
        except (WebhookVerificationError, UnicodeDecodeError, ValueError):
            return 401, {"error": "the signature is missing, wrong or too old"}
        try:
            target, action = str(command["target"]["id"]), str(command["action"])
            ident, sequence = str(command["command_id"]), int(command["sequence"])
        except (KeyError, TypeError, ValueError):
            return 400, {"error": "command_id, action, target.id and sequence are required"}
        if action not in ("pause", "resume"):
            return 400, {"error": f"action must be pause or resume, got {action!r}"}
        if target not in TARGETS:
            return 404, {"error": f"no target {target!r}"}
        with self._lock:
            if ident not in self._done:
                if sequence <= self._sequence.get(target, -1):
                    return 409, {"error": f"sequence {sequence} has been passed"}
                self._sequence[target] = sequence
                (self._paused.add if action == "pause" else self._paused.discard)(target)
                self._done[ident] = target
        return 200, {"id": target, "state": self.state(target)}


def _server(engine: WorkflowEngine, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > MAX_BODY:
                self.close_connection = True
                self._answer(413 if length.isdigit() else 411, {"error": f"a body of up to {MAX_BODY} bytes is needed"})
                return
            body = self.rfile.read(int(length))
            if self.path != "/commands":
                self._answer(404, {"error": "unknown path"})
                return
            self._answer(*engine.obey(body, dict(self.headers.items())))

        def do_GET(self) -> None:
            target = unquote(self.path.removeprefix("/edges/")) if self.path.startswith("/edges/") else ""
            state = engine.state(target)
            if state is None:
                self._answer(404, {"error": "unknown target"})
            else:
                self._answer(200, {"id": target, "state": state})

        def log_message(self, format: str, *args: Any) -> None:
            """The engine keeps quiet."""

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server
