"""The demo's workflow engine: it obeys signed commands alone, each once, never an older one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from demo.engine import TARGETS, WorkflowEngine, control_targets
from tests.support.plain_http import PLAIN

SECRET = "whsec_" + "b3BzaW50ZWw=" * 3
TARGET = "order-management-to-warehouse"


@pytest.fixture
def engine() -> Iterator[WorkflowEngine]:
    """An engine that serves on a free port."""
    with WorkflowEngine(SECRET) as running:
        yield running


def command(action: str = "pause", sequence: int = 1, **changes: Any) -> dict[str, Any]:
    """A command as the product sends it."""
    body = {
        "command_id": f"cmd-{sequence}",
        "action": action,
        "target": {"id": TARGET, "kind": "edge"},
        "reason": "backlog",
        "requested_by": "ops-1",
        "sequence": sequence,
    }
    return body | changes


def send(engine: WorkflowEngine, body: dict[str, Any], *, secret: str = SECRET, age: int = 0) -> httpx.Response:
    """Signs and sends a command."""
    text = json.dumps(body)
    at = datetime.now(UTC) - timedelta(seconds=age)
    headers = {
        "webhook-id": str(body.get("command_id", "")) or "none",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(body.get("command_id", "")) or "none", at, text),
        "content-type": "application/json",
    }
    return PLAIN.post(f"{engine.url}/commands", content=text, headers=headers)


def state(engine: WorkflowEngine) -> str:
    """The state the engine shows."""
    return str(PLAIN.get(f"{engine.url}/edges/{TARGET}").json()["state"])


def test_pause_and_resume_change_the_state(engine: WorkflowEngine) -> None:
    assert state(engine) == "running"
    answer = send(engine, command("pause", 1))
    assert (answer.status_code, answer.json()) == (200, {"id": TARGET, "state": "paused"})
    assert state(engine) == "paused"
    assert engine.paused_edges() == {"order-management->warehouse"}
    assert send(engine, command("resume", 2)).status_code == 200
    assert (state(engine), engine.paused_edges()) == ("running", frozenset())


def test_the_same_command_again_changes_nothing_and_an_older_one_is_refused(engine: WorkflowEngine) -> None:
    send(engine, command("pause", 5))
    send(engine, command("resume", 6))
    assert send(engine, command("pause", 5)).json()["state"] == "running"
    assert send(engine, command("pause", 4)).status_code == 409
    assert state(engine) == "running"


@pytest.mark.parametrize(
    ("changes", "how", "status"),
    [
        pytest.param({}, {"secret": "whsec_" + "b3RoZXI=" * 3}, 401, id="signed with another secret"),
        pytest.param({}, {"age": 3_600}, 401, id="an old message replayed"),
        pytest.param({"action": "delete"}, {}, 400, id="unknown action"),
        pytest.param({"sequence": "x"}, {}, 400, id="no sequence"),
        pytest.param({"target": {"id": "nowhere"}}, {}, 404, id="unknown target"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(
    engine: WorkflowEngine, changes: dict[str, Any], how: dict[str, Any], status: int
) -> None:
    assert send(engine, command(**changes), **how).status_code == status
    assert state(engine) == "running"


def test_unsigned_oversize_and_lost_requests_are_refused(engine: WorkflowEngine) -> None:
    assert PLAIN.post(f"{engine.url}/commands", content=b"{}").status_code == 401
    assert PLAIN.post(f"{engine.url}/commands", content=b"\xff\xfe").status_code == 401
    assert PLAIN.post(f"{engine.url}/commands", content=b"x" * 70_000).status_code == 413
    assert PLAIN.post(f"{engine.url}/other", content=b"{}").status_code == 404
    assert PLAIN.get(f"{engine.url}/edges/nowhere").status_code == 404
    assert PLAIN.get(f"{engine.url}/").status_code == 404


def test_the_control_file_names_every_target() -> None:
    targets = tomllib.loads(control_targets("http://127.0.0.1:9"))["targets"]
    assert {target["id"]: target["name"] for target in targets} == TARGETS
    assert all(target["verify_url"].endswith(f"/edges/{target['id']}") for target in targets)
