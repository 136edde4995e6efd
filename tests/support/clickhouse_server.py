"""ClickHouse's HTTP interface over the embedded engine, as a process of its own; and the handle that tests have on it.

    python -m tests.support.clickhouse_server --path DIR [--port N] [--control-port N] [--user U --password P]

It serves what clickhouse-connect and other exporters need for this product: statements in the URL or the body, bound
parameters, settings, users, compression both ways, error numbers and their statuses (after ClickHouse's
exceptionCodeToHTTPStatus), asynchronous inserts, and faults on demand. It promises nothing that only a real server or
cluster can show: sessions, roles, quotas, progress headers, streamed answers, the native protocol, replication.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from tests.support.async_inserts import JOINABLE, AsyncInserts
from tests.support.engine_sessions import Outcome, Refused, Sessions
from tests.support.faults import Action, Fault, Faults
from tests.support.http_wire import RECEIVE_BYTES, Gone, Head, answer, cut, pack, read_body, read_head, unpack

BAD_REQUEST = frozenset(
    {6, 10, 15, 16, 25, 26, 27, 36, 38, 41, 43, 44, 53, 62, 69, 72, 117, 167, 168, 427, 441, 675, 676}
)
NOT_FOUND = frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 135, 336, 511})
FORBIDDEN = frozenset({192, 193, 497, 512, 516})
OTHERS = {194: 401, 48: 501, 159: 408, 209: 503, 76: 503, 439: 503, 160: 413}
NO_SETTINGS = frozenset(
    {"query", "database", "user", "password", "session_id", "session_timeout", "session_check", "query_id", "quota_key"}
    | {"compress", "decompress", "buffer_size", "wait_end_of_query", "client_protocol_version", "role", "close_session"}
    | {"default_format", "stacktrace", "enable_http_compression", "send_progress_in_http_headers"}
    | {"http_headers_progress_interval_ms", "wait_for_async_insert", "async_insert"}
)
HEAD_BYTES = 1 << 16
_INSERT = re.compile(
    r"\s*(INSERT\s+INTO\b(?:(?!\bSELECT\b|\bVALUES\b).)*?)\bFORMAT\s+(\w+)\s*?(?:\r?\n|$)", re.I | re.S
)
_SETTINGS = re.compile(r"\bSETTINGS\b(.*)$", re.I | re.S)
_SETTING = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^,\s]+)")
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
_ANSWERS = re.compile(r"\s*(?:SELECT|WITH|SHOW|DESC|EXISTS|EXPLAIN|CHECK|\()", re.I)


def status_of(code: int) -> int:
    """The HTTP status that ClickHouse gives an error of this number."""
    if code in BAD_REQUEST:
        return 400
    if code in NOT_FOUND:
        return 404
    return 403 if code in FORBIDDEN else OTHERS.get(code, 500)


@dataclass(frozen=True)
class Account:
    """The one user who may come in; an empty password lets the user in without one."""

    user: str = "default"
    password: str = ""

    def admits(self, head: Head) -> bool:
        """Whether the request's credentials (headers, basic authentication or URL) are these."""
        user = head.headers.get("x-clickhouse-user") or head.query.get("user", "")
        password = head.headers.get("x-clickhouse-key") or head.query.get("password", "")
        scheme, _, given = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            user, _, password = base64.b64decode(given).decode().partition(":")
        return (user or "default", password) == (self.user, self.password)


class Service:
    """What the threads of all connections share."""

    def __init__(self, sessions: Sessions, account: Account) -> None:
        self.sessions, self.account = sessions, account
        self.faults, self.batches = Faults(), AsyncInserts()
        self.version = sessions.version
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()

    def execute(self, head: Head, body: bytes | bytearray) -> tuple[Outcome, str]:
        """The statement's outcome and the format of its answer, empty when it has none. Raises Refused."""
        query = head.query.get("query", "")
        database = head.query.get("database", head.headers.get("x-clickhouse-database", ""))
        settings = {k: v for k, v in head.query.items() if k not in NO_SETTINGS and not k.startswith("param_")}
        start = query + "\n" if query else bytes(body[:HEAD_BYTES]).decode("latin-1")
        found = _INSERT.match(start)
        if found:
            data = body if query else memoryview(body)[len(start[: found.end()].encode("latin-1")) :]
            return self._insert(found[1], found[2], data, database, settings, head), ""
        text = f"{query}\n{bytes(body).decode()}" if query and body else query or bytes(body).decode()
        if not text.strip():
            raise Refused(62, "Code: 62. DB::Exception: Syntax error: empty query. (SYNTAX_ERROR)\n")
        if self.version != self.sessions.version:
            text = text.replace("version()", f"'{self.version}'")
        form = _FORMAT.search(text)
        name = form[1] if form else head.query.get("default_format", "TabSeparated")
        params = {key[6:]: value for key, value in head.query.items() if key.startswith("param_")}
        return self.sessions.run(text, name, database, settings, params), name if _ANSWERS.match(text) else ""

    def _insert(
        self, into: str, form: str, data: Any, database: str, settings: Mapping[str, str], head: Head
    ) -> Outcome:
        clause = _SETTINGS.search(into)
        if clause:
            own = {name: value.strip("'") for name, value in _SETTING.findall(clause[1])}
            settings, into = {**settings, **own}, into[: clause.start()]
        settings = {**settings, "async_insert": "0"}
        if head.query.get("async_insert") == "1" and form in JOINABLE:
            key = (into, form, database, tuple(sorted(settings.items())))
            return self.batches.insert(
                key, data, lambda whole: self.sessions.insert(into, form, whole, database, settings)
            )
        return self.sessions.insert(into, form, data, database, settings)

    def count(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1


class Listener:
    """A port, and a thread for each of its connections; it may be closed and opened again."""

    def __init__(self, host: str, port: int, serve: Any) -> None:
        self._host, self.port, self._serve = host, port, serve
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._socket: socket.socket | None = None

    def open(self) -> None:
        if self._socket is not None:
            return
        self._socket = socket.create_server((self._host, self.port), backlog=512)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def close(self) -> None:
        """New connections are refused, the present ones are reset."""
        listener, self._socket = self._socket, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            connections, self._open = self._open, set()
        for one in connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb", RECEIVE_BYTES) as reader:
                self._serve(connection, reader)
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def serve_queries(service: Service, connection: socket.socket, reader: BufferedReader) -> None:
    """One client's requests, one after the other, until it goes."""
    while (head := read_head(reader)) is not None:
        if head.headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if head.path == "/ping":
            answer(connection, 200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
            continue
        fault = service.faults.strike(statement_of(head, reader))
        if fault and fault.action is Action.CUT_HEAD:
            return cut(connection)
        if fault and fault.action is Action.CUT_BODY:
            read_body(reader, head, max(1, head.length // 2))
            return cut(connection)
        body = unpack(read_body(reader, head), head)
        if not respond(service, connection, head, body, fault):
            return None
    return None


def statement_of(head: Head, reader: BufferedReader) -> str:
    """The beginning of the statement, from the URL or from what has arrived of the body, which stays unread.

    A statement within a compressed body cannot be seen; it counts as "compressed:" and the encoding's name.
    """
    if head.headers.get("content-encoding"):
        return f"compressed:{head.headers['content-encoding']}"
    if "query" in head.query or not (head.chunked or head.length):
        return head.query.get("query", "")
    return bytes(reader.peek(1)[:4096]).decode("latin-1")


def respond(
    service: Service, connection: socket.socket, head: Head, body: bytes | bytearray, fault: Fault | None
) -> bool:
    """Executes and answers; False when the connection has been cut."""
    service.count("requests")
    if fault and fault.action is Action.STATUS:
        headers = {"X-ClickHouse-Exception-Code": str(fault.code)} if fault.code else {}
        answer(connection, fault.status, fault.text.encode(), headers)
        return True
    if fault and fault.action is Action.DELAY:
        time.sleep(fault.seconds)
    headers = {"X-ClickHouse-Timezone": head.query.get("session_timezone", service.sessions.timezone)}
    headers["X-ClickHouse-Server-Display-Name"] = "embedded"
    headers["X-ClickHouse-Query-Id"] = head.query.get("query_id", "")
    status, started = 200, time.perf_counter_ns()
    try:
        if not service.account.admits(head):
            user = head.headers.get("x-clickhouse-user") or head.query.get("user") or "default"
            raise Refused(
                516,
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user "
                f"with such name. (AUTHENTICATION_FAILED) (version {service.version} (official build))\n",
            )
        outcome, form = service.execute(head, body)
        text = outcome.body
        service.count("inserts" if not form and outcome.written_rows else "statements")
        summary = {"read_rows": outcome.read_rows, "written_rows": outcome.written_rows}
        summary["elapsed_ns"] = time.perf_counter_ns() - started
        headers["X-ClickHouse-Summary"] = json.dumps({name: str(value) for name, value in summary.items()})
        if form:
            headers["X-ClickHouse-Format"] = form
    except Refused as error:
        status, text = status_of(error.code), error.text.encode()
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        service.count("refused")
    if fault and fault.action is Action.LOSE_ANSWER:
        time.sleep(fault.seconds)
    if fault and fault.action in (Action.CUT_AFTER, Action.LOSE_ANSWER):
        cut(connection)
        return False
    if text and head.query.get("enable_http_compression") == "1":
        text, encoding = pack(text, head.headers.get("accept-encoding", ""))
        if encoding:
            headers["Content-Encoding"] = encoding
    half = bool(fault and fault.action is Action.CUT_ANSWER)
    answer(connection, status, text, headers, half=half)
    if half:
        cut(connection)
    return not half


def serve_control(service: Service, door: Listener, connection: socket.socket, reader: BufferedReader) -> None:
    """POST a JSON document of commands, get the state back."""
    while (head := read_head(reader)) is not None:
        body = read_body(reader, head)
        wanted = json.loads(body) if body else {}
        if wanted.get("clear"):
            service.faults.clear()
            service.version = service.sessions.version
        for one in wanted.get("faults", []):
            service.faults.add(Fault.parse(one))
        service.version = wanted.get("version", service.version)
        if "listening" in wanted:
            (door.open if wanted["listening"] else door.close)()
        state = {"struck": service.faults.struck, "counts": dict(service.counts), "port": door.port}
        answer(connection, 200, json.dumps(state).encode(), {"Content-Type": "application/json"})


def main() -> int:
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface over the embedded engine, for tests")
    parser.add_argument("--path", type=Path, required=True, help="the engine's folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    folder: Path = options.path.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # the engine keeps schemas that come as text in a folder of the current directory
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sessions = Sessions(str(folder / "engine"))
    service = Service(sessions, Account(options.user, options.password))
    door = Listener(options.host, options.port, lambda c, r: serve_queries(service, c, r))
    control = Listener(options.host, options.control_port, lambda c, r: serve_control(service, door, c, r))
    door.open()
    control.open()
    print(json.dumps({"port": door.port, "control": control.port, "version": sessions.version}), flush=True)
    stop.wait()
    door.close()
    control.close()
    sessions.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
