"""Scenario files: what arrives when, and which KPI values are then expected.

at 2026-03-02T09:05                 the clock moves there, what follows is received then, and the jobs run
  placed    O1/L1 2026-03-02T09:00 qty=2 amount=10     order line placed (also: shipped, cancelled, order-cancelled,
                                                       order-failed)
  received  R1 2026-03-02T09:00                        return received (also: refunded, closed)
  call      a->b 2026-03-02T09:00 span=1 failed        integration call
  … id=X gives an event id (else it is made of the content), reason=… a reason to cancel
  expect fill_rate line day 2026-03-02T00:00 = 1/2 n 2 excluded 0 open 0
  expect refund_turnaround p90 hour 2026-03-02T09:00 value 3600 n 1 excluded 0 open 0
  expect integration_failure_rate - hour 2026-03-02T09:00 edge a->b = 1/2 n 2 excluded 0 open 0
  expect fill_rate line day 2026-03-03T00:00 nothing
# a comment
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from core import ManualClock
from kpis import KpiJobs, KpiValue, series
from storage import ClickHouse
from tests.unit.kpis.events import ORDERS, RETURNS, Call, Event, load_calls, load_events, moment

ORDER_EVENTS = {
    "placed": "retail.order.line.placed",
    "shipped": "retail.order.line.shipped",
    "cancelled": "retail.order.line.cancelled",
    "order-cancelled": "retail.order.cancelled",
    "order-failed": "retail.order.failed",
}
RETURN_EVENTS = {
    "received": "retail.return.received",
    "requested": "retail.return.requested",
    "refunded": "retail.refund.issued",
    "closed": "retail.return.closed",
}
EXPECT = re.compile(
    r"expect (?P<kpi>\S+) (?P<basis>\S+) (?P<grain>\S+) (?P<bucket>\S+)(?: edge (?P<edge>\S+))? (?:"
    r"(?P<nothing>nothing)|(?:= (?P<num>[\d.]+)/(?P<den>[\d.]+)|value (?P<value>\S+)) "
    r"n (?P<n>\d+) excluded (?P<excluded>\d+) open (?P<open>\d+))"
)


def play(file: Path, ch: ClickHouse, tenant: str, clock: ManualClock, jobs: KpiJobs) -> int:
    """Plays the file; returns how many expectations were met. Raises AssertionError that names file and line."""
    met = 0
    block: list[tuple[int, str]] = []
    blocks: list[list[tuple[int, str]]] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.split("#")[0].strip()
        if text.startswith("at "):
            blocks.append(block := [(number, text)])
        elif text:
            block.append((number, text))
    for (_, head), *body in blocks:
        now = moment(head.split()[1])
        clock.advance((now - clock.now()) / timedelta(seconds=1))
        arrivals = [text for _, text in body if not text.startswith("expect ")]
        load_events(ch, tenant, [event for text in arrivals if (event := parse_event(text))], clock.now())
        load_calls(ch, tenant, [parse_call(text) for text in arrivals if text.startswith("call ")], clock.now())
        report = jobs.run_once()
        assert not report.failures, f"{file.name}: {report.failures}"
        for number, text in body:
            if text.startswith("expect "):
                check(f"{file.name}:{number}: {text}", text, ch, tenant)
                met += 1
    return met


def parse_event(text: str) -> Event | None:
    """An order or return event; None for a call. Raises ValueError for a word that is none of them."""
    word, case, at, *rest = text.split()
    given = dict(part.split("=", 1) for part in rest if "=" in part)
    named = {"retail.event.id": given["id"]} if "id" in given else {}
    # Without an id of its own an event gets one made of its time and its content.
    identity = given.get("id", " ".join([word, case, at, *rest]))
    if word in RETURN_EVENTS:
        return Event(RETURNS, case, RETURN_EVENTS[word], moment(at), identity, attributes=named)
    if word not in ORDER_EVENTS:
        if word == "call":
            return None
        raise ValueError(f"unknown word {word!r} in {text!r}")
    order, _, line = case.partition("/")
    attributes = {"retail.order.id": order, "retail.currency": "EUR", **named}
    if line:
        attributes["retail.order.line.id"] = line
    if "reason" in given:
        attributes["retail.cancel.reason"] = given["reason"]
    return Event(
        ORDERS,
        order,
        ORDER_EVENTS[word],
        moment(at),
        identity,
        float(given["qty"]) if "qty" in given else None,
        given.get("amount"),
        attributes,
    )


def parse_call(text: str) -> Call:
    """An integration call."""
    _, edge, at, *rest = text.split()
    given = dict(part.split("=", 1) for part in rest if "=" in part)
    edge = "" if edge == "-" else edge
    return Call(edge, moment(at), int(given["span"]), "failed" in rest, given.get("kind", "Client"))


def check(where: str, text: str, ch: ClickHouse, tenant: str) -> None:
    """One expectation."""
    wanted = EXPECT.fullmatch(text)
    assert wanted, f"{where}: not understood"
    start = moment(wanted["bucket"])
    basis = "" if wanted["basis"] == "-" else wanted["basis"]
    found = series(
        ch, tenant, wanted["kpi"], basis, wanted["edge"] or "", wanted["grain"], start, start + timedelta(seconds=1)
    )
    if wanted["nothing"]:
        assert found == [], where
        return
    assert len(found) == 1, f"{where}: got {found}"
    (got,) = found
    assert counts(got) == (int(wanted["n"]), int(wanted["excluded"]), int(wanted["open"])), f"{where}: got {got}"
    if wanted["value"]:
        value = None if wanted["value"] == "none" else float(wanted["value"])
        assert got.value == value, f"{where}: got {got}"
    else:
        assert (got.numerator, got.denominator) == (float(wanted["num"]), float(wanted["den"])), f"{where}: got {got}"
        assert got.value == (got.numerator / got.denominator if got.denominator else None), f"{where}: got {got}"


def counts(value: KpiValue) -> tuple[int, int, int]:
    """Sample size, excluded, open."""
    return value.sample_size, value.excluded, value.open_cases
