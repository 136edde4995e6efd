"""What a report says beside its KPIs: where open cases wait, incidents, and what was done about them.

Incidents are the alerts that fired, from the log of notifications: one that was not told yet is not among them. Waiting
cases are as they stand when the report is made; nobody keeps how they stood earlier. What could not be looked at in
full is said in the report's notes, so that an empty list means that there was nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alerts import Notification
from alerts import store as alert_log
from control import Command
from control import commands as control_log
from core.wording import duration, words
from kpis import WaitingStep, waiting_now
from kpis.exports.report import Report, Row
from kpis.process import ValueStream
from storage import ClickHouse, StateDb

LOOKED_AT = 5_000
"""Newest notifications and commands that are read."""
AS_OF = "Bottlenecks are open cases as they stood when the report was made; their time is that of the oldest."
_NEVER = "0001-"


@dataclass(frozen=True)
class Happenings:
    """From both stores; `streams` answers with the value streams in force, `worth` with what the changes are worth."""

    ch: ClickHouse
    state: StateDb
    streams: Callable[[], Mapping[str, ValueStream]]
    worth: Callable[[Report], Sequence[str]] = lambda _: ()

    def told(self, report: Report) -> Report:
        """The report with its lists. Raises StorageError."""
        tenant, notes = report.tenant, [*report.notes, AS_OF, *self.worth(report)]
        with self.state.connect() as connection:
            notifications = alert_log.logged(connection, tenant, LOOKED_AT)
            untold = alert_log.waiting(connection, tenant)
            commands = control_log.latest(connection, tenant, LOOKED_AT)
        if untold:
            notes.append(f"{untold} notifications wait to be told; incidents that only they speak of are not listed.")
        if len(notifications) == LOOKED_AT and notifications[-1].finished_at > report.start:
            notes.append(f"Only the newest {LOOKED_AT:,} notifications were looked at for incidents.")
        if len(commands) == LOOKED_AT and commands[-1].requested_at > report.start:
            notes.append(f"Only the newest {LOOKED_AT:,} control commands were looked at.")
        steps = waiting_now(self.ch, tenant, report.generated_at, self.streams())
        return replace(
            report,
            bottlenecks=tuple(_bottleneck(one) for one in steps),
            incidents=incidents(notifications, report.start, report.end),
            actions=tuple(_action(one) for one in commands if report.start <= one.requested_at < report.end),
            notes=tuple(notes),
        )


def incidents(notifications: Sequence[Notification], start: datetime, end: datetime) -> tuple[Row, ...]:
    """The alerts that were firing at some time of [start, end), the newest first."""
    episodes: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in notifications:
        alert = json.loads(one.payload)["alerts"][0]
        key = (one.rule_id, one.series, alert["startsAt"])
        if key not in episodes or one.status == "resolved":  # who told the end says the start, too
            episodes[key] = alert
    rows = []
    for alert in episodes.values():
        since, until = datetime.fromisoformat(alert["startsAt"]), None
        if not alert["endsAt"].startswith(_NEVER):
            until = datetime.fromisoformat(alert["endsAt"])
        if since < end and (until is None or until >= start):
            rows.append(_incident(alert, since, until))
    return tuple(sorted(rows, key=lambda row: row.at or start, reverse=True))


def _incident(alert: Mapping[str, Any], since: datetime, until: datetime | None) -> Row:
    labels, told = alert["labels"], alert["annotations"]
    lasted = "not over" if until is None else f"over after {duration((until - since).total_seconds())}"
    severity = f"{labels['severity']}, " if labels.get("severity") else ""
    name = str(labels.get("alertname", "alert"))
    return Row(str(told.get("summary") or name), f"{name}: {severity}{lasted}", at=since)


def _bottleneck(one: WaitingStep) -> Row:
    usual = "" if one.usual_wait_s is None else f", usually {duration(one.usual_wait_s)}"
    unpriced = f"; {one.unpriced} without an amount" if one.unpriced else ""
    owner = f"; {one.owner_system}" if one.owner_system else ""
    detail = f"{one.stream}: waiting {duration(one.median_wait_s)} (median){usual}{owner}{unpriced}"
    money = float(one.value) if one.cases > one.unpriced else None
    return Row(f"After {words(one.step)}", detail, money, one.currency, one.oldest_since, one.cases)


def _action(one: Command) -> Row:
    detail = f"{one.state.value}; asked for by {one.requested_by}: {one.reason}"
    return Row(f"{one.action.value} {one.target_id}", detail, at=one.requested_at)
