"""Webhook failures: which deliveries fail, how often, since when and with what error.

Read from CLIENT spans that carry `retail.webhook.name`; every attempt is one span, so a retried delivery counts each
time. It does not say whether a message got through in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from metrics.read_models._values import as_utc, check_window, ratio, sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse


@dataclass(frozen=True)
class WebhookFailures:
    """One webhook on one edge; `failure_rate` from 0 to 1; `last_error` is '' when none failed or none said."""

    webhook: str
    edge: str
    attempts: int
    failures: int
    failure_rate: float
    last_failure_at: datetime | None
    last_error: str


def webhook_failures(ch: ClickHouse, tenant: str, start: datetime, end: datetime) -> list[WebhookFailures]:
    """Every webhook attempted in [start, end), the worst failure rate first.

    Raises InvalidInput when a time is naive or the window is empty.
    """
    check_window(start, end)
    found = ch.query(
        load_sql("metrics", "webhook_failures"), {"tenant": tenant, "start": sql_time(start), "end": sql_time(end)}
    )
    return [
        WebhookFailures(
            webhook=webhook,
            edge=edge,
            attempts=int(attempts),
            failures=int(failures),
            failure_rate=ratio(failures, attempts),
            last_failure_at=as_utc(last_at) if failures else None,
            last_error=last_error if failures else "",
        )
        for webhook, edge, attempts, failures, last_at, last_error in found.rows
    ]
