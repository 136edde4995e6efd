"""An alert that fired is an incident of every period in which it was firing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alerts import Notification
from alerts.payload import Status, message
from api.happenings import _bottleneck, incidents
from kpis.exports.report import Row
from kpis.process.waiting import WaitingStep

START, END = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(status: Status, since: datetime, until: datetime | None = None, series: str = "a") -> Notification:
    """As the log has it."""
    payload = message(
        receiver="webhook", status=status, labels={"alertname": "Deep", "severity": "warning"}, group_by=(),
        annotations={"summary": f"{series} is deep"}, starts_at=since, ends_at=until, external_url="",
    )  # fmt: skip
    at = until or since
    return Notification(
        f"{series}{status}{since}", "t", "deep", series, status.value, "", "unsent", "", 0, at, at, payload
    )


def test_an_alert_is_one_incident_from_its_start_to_its_end() -> None:
    """It counts for every period in which it was firing; one without an end is not over."""
    log = [
        told(Status.RESOLVED, START + HOUR, START + 3 * HOUR),
        told(Status.FIRING, START + 2 * HOUR, series="b"),
        told(Status.FIRING, START + HOUR),
    ]
    found = incidents(log, START, END)
    assert found == (
        Row("b is deep", "Deep: warning, not over", at=START + 2 * HOUR),
        Row("a is deep", "Deep: warning, over after 2\u00a0h", at=START + HOUR),
    )
    assert [one.title for one in incidents(log, END, END + HOUR)] == ["b is deep"]
    assert incidents(log, START - HOUR, START) == ()
    assert incidents(log[:1], START + 3 * HOUR, END)[0].title == "a is deep"


def test_a_bottleneck_is_named_as_on_the_pages() -> None:
    step = WaitingStep(
        "order-to-cash", "retail.order.allocated", "warehouse", 3, Decimal(30), "EUR", START, 60.0, 45.0, 0
    )
    assert _bottleneck(step).title == "After order allocated"
