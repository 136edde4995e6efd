"""The whole path with nothing stood in: `opsintel demo` as a user starts it, from OTLP to the page and back to an edge.

What was planted is read from the demo's truth file, and looked for from outside.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.integration.served import environment, eventually
from tests.support.plain_http import PLAIN

pytestmark = [pytest.mark.blackbox, pytest.mark.browser, pytest.mark.timeout(600)]

DAYS = 3
PATIENCE_S = 240.0
EDGE, TARGET = "order-management->warehouse", "order-management-to-warehouse"


@dataclass(frozen=True)
class Demo:
    """A running demo after its back-fill."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    log: Path

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        reply = PLAIN.get(f"{self.url}{path}", timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def scalar(self, sql: str) -> Any:
        """The first cell of a query."""
        reply = PLAIN.post(f"{self.url}/api/v1/query", json={"sql": sql}, timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()["rows"][0][0]

    def eventually(self, what: str, done: Callable[[], Any]) -> Any:
        """Asks until the answer is true; fails with the end of the log when the patience is over."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if found := done():
                    return found
            except httpx.TransportError:
                pass
            with contextlib.suppress(subprocess.TimeoutExpired):  # a moment for the others, and an early end
                raise AssertionError(f"the demo ended with {self.process.wait(0.2)}: {self.log.read_text()[-2000:]}")
        raise AssertionError(f"{what} did not happen within {PATIENCE_S:.0f} s: {self.log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "demo.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "demo", "--days", str(DAYS)],
            env=environment(folder, OPSINTEL_KPI_INTERVAL_S="5", OPSINTEL_ALERT_INTERVAL_S="2"),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        told = eventually(lambda: re.search(r"opsintel is at (http://[^/ ]+)/", log.read_text()))
        found = Demo(process, told[1], folder / "data", log)
        truth = found.data / "demo-truth.json"
        found.eventually("the back-fill", lambda: truth.exists() and len(truth.read_text()) > 10)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(60) == 0, log.read_text()[-2000:]
        finally:
            process.kill()


def incident(demo: Demo, kind: str) -> dict[str, Any]:
    truth = json.loads((demo.data / "demo-truth.json").read_text())
    return next(one for one in truth["incidents"] if one["id"] == kind)  # type: ignore[no-any-return]


def test_everything_that_was_pushed_is_stored(demo: Demo) -> None:
    """The ledger balances, and what it calls stored is what the tables hold."""
    tables = {"traces": "otel_traces", "logs": "otel_logs", "metrics": "otel_metrics_gauge"}

    def settled() -> bool:
        signals = demo.get("/api/v1/ledger")["signals"]
        return all(
            entry["received"] == entry["stored"] == int(demo.scalar(f"SELECT count() FROM {tables[name]}")) > 1000
            for name, entry in signals.items()
        )

    demo.eventually("a settled ledger", settled)


def test_all_five_streams_have_cases(demo: Demo) -> None:
    assert set(demo.get("/api/v1/processes")["streams"]) >= {
        "order-to-cash",
        "procure-to-pay",
        "return-to-resolution",
        "forecast-to-replenish",
        "promotion-to-settlement",
    }


def test_the_kpis_are_computed_and_say_what_stands_behind_them(demo: Demo) -> None:
    kpis = {
        *("fill_rate", "refund_turnaround", "integration_failure_rate", "on_time_in_full", "order_cycle_time"),
        *("stockout_rate", "returns_requested", "supplier_on_time", "approval_waiting_time", "touchpoints_per_case"),
        *("customer_case_resolution_time", "exceptions_raised"),
    }

    def computed() -> Any:
        """All of these: a run writes one KPI after the other."""
        values = demo.get("/api/v1/kpis")["values"]
        return values if {one["kpi_id"] for one in values} >= kpis else None

    values = demo.eventually("values of every KPI", computed)
    found = {(one["kpi_id"], one["basis"]) for one in values}
    assert found >= {("fill_rate", basis) for basis in ("line", "unit", "order", "value")}
    known = {one["id"] for one in demo.get("/api/v1/kpis")["definitions"]}
    assert kpis <= {kpi for kpi, _ in found} <= known
    assert len(known) > 75
    for one in values:
        assert one["version"] >= 1
        assert one["data_through"]
        assert one["sample_size"] > 0 or one["value"] is None


def test_the_slow_warehouse_shows_wherever_it_should(demo: Demo) -> None:
    """As latency, as a queue that backs up, as orders that wait, as a failing edge, and as a firing alert."""
    planted = incident(demo, "slow-api")
    assert planted["end"] is None
    apis = demo.get("/api/v1/integrations")["apis"]
    slowest = max(apis, key=lambda one: one["p95_ms"])
    assert (slowest["system"], slowest["operation"]) == ("warehouse", "POST /pick-tasks")
    deepest = max(demo.get("/api/v1/queues")["queues"], key=lambda one: one["depth"])
    assert deepest["destination"] == "fulfilment.requests"
    waiting = demo.get("/api/v1/processes/waiting")["waiting"]
    allocated = next(one for one in waiting if one["step"] == "retail.order.allocated")
    assert allocated["cases"] > 10
    assert allocated["median_wait_s"] > 2 * allocated["usual_wait_s"]

    def firing() -> list[Any]:
        alerts = demo.get("/api/v1/alerts")["alerts"]
        return [one for one in alerts if one["state"] == "firing" and one["labels"].get("edge") == EDGE]

    alert = demo.eventually("the alert on the edge", firing)[0]
    assert "wait at warehouse" in alert["annotations"]["impact"]


def test_a_trace_is_found_whole(demo: Demo) -> None:
    found = demo.scalar("SELECT TraceId FROM otel_traces GROUP BY TraceId ORDER BY uniq(ServiceName) DESC LIMIT 1")
    trace = demo.get(f"/api/v1/traces/{found}")
    spans = int(demo.scalar(f"SELECT count() FROM otel_traces WHERE TraceId = '{found}'"))
    assert len(trace["spans"]) == spans > 3
    assert trace["cases"]


def test_the_page_shows_it_and_pauses_the_edge(demo: Demo, visit: Callable[..., Watched]) -> None:
    """Nothing foreign is asked for; the pause is verified at the engine and stands in the audit chain."""
    watched = visit(demo)
    page = watched.open()
    expect(page.locator("#headline")).to_contain_text("stands in")
    expect(page.get_by_role("region", name="Queue depth")).to_contain_text("fulfilment.requests")
    row = (
        page.get_by_role("region", name="Integration edges")
        .get_by_role("row")
        .filter(has_text="order-management → warehouse")
    )
    row.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("the warehouse API is slow")
    dialog.get_by_role("button", name="Pause").click()

    def paused() -> bool:
        newest = demo.get("/api/v1/control/commands")["commands"]
        return bool(newest) and newest[0]["target_id"] == TARGET and newest[0]["state"] == "verified"

    demo.eventually("the verified pause", paused)
    expect(row).to_contain_text("paused")
    actions = [entry["action"] for entry in demo.get("/api/v1/audit")["entries"]]
    assert actions[:2] == ["control.verified", "control.sent"]
    body = {"target": TARGET, "action": "resume", "reason": "test over"}
    reply = PLAIN.post(
        f"{demo.url}/api/v1/control/commands", json=body, headers={"Idempotency-Key": "resume-1"}, timeout=60
    )
    assert (reply.status_code, reply.json()["state"]) == (201, "verified")
    assert watched.foreign == []
    assert watched.complaints == []
