"""The small parts: fingerprints, Retry-After, impact, selectors, tables, public names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import alerts
import control
from alerts.impact import Waiting, impact_annotations
from alerts.notifier import RetryPolicy
from alerts.payload import Status, fingerprint, message_id
from alerts.rules import QueueSelector
from alerts.sources import _queue_reading
from kpis import WaitingStep
from metrics import QueueDepth
from storage import StateDb
from storage.state.metadata import METADATA

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, "cbf29ce484222325", id="empty"),  # FNV-1a's offset basis
        pytest.param({"a": "b"}, "d2b371819297f98a", id="one"),
    ],
)
def test_fingerprints(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


def test_a_fingerprint_ignores_order_and_minds_borders() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"ab": "c"}) != fingerprint({"a": "bc"})


def test_message_ids() -> None:
    """Stable for an episode's status, different for everything else."""
    base = message_id("t", "r", "s", NOW, Status.FIRING)
    assert base == message_id("t", "r", "s", NOW.astimezone(), Status.FIRING)
    others = {
        message_id("u", "r", "s", NOW, Status.FIRING),
        message_id("t", "q", "s", NOW, Status.FIRING),
        message_id("t", "r", "x", NOW, Status.FIRING),
        message_id("t", "r", "s", NOW + timedelta(microseconds=1), Status.FIRING),
        message_id("t", "r", "s", NOW, Status.RESOLVED),
    }
    assert len(others | {base}) == 6


def test_the_default_retries_last_for_a_working_day() -> None:
    policy = RetryPolicy()
    total = sum(policy.pause_s(failed) for failed in range(1, policy.attempts))
    assert timedelta(hours=7) < timedelta(seconds=total) < timedelta(hours=9)


def waits(system: str, cases: int, value: str, currency: str = "EUR", hours: int = 1) -> WaitingStep:
    since = NOW - timedelta(hours=hours)
    return WaitingStep("order-to-cash", "s", system, cases, Decimal(value), currency, since, 1.0, None)


WAITING = Waiting(
    (
        waits("warehouse", 1200, "5000", hours=3),
        waits("warehouse", 3, "7", "USD", hours=5),
        waits("order-management", 2, "0", ""),
        waits("erp", 0, "0"),
    ),
    {"fulfilment.requests": "order-management"},
)


@pytest.mark.parametrize(
    ("labels", "impact"),
    [
        (
            {"edge": "order-management->warehouse"},
            "1,203 cases worth 5,000.00 EUR + 7.00 USD wait at warehouse now, the oldest since 2026-03-02T04:00:00Z",
        ),
        (
            {"edge": "order-management->erp"},
            "2 cases wait at order-management now, the oldest since 2026-03-02T08:00:00Z",
        ),
        (
            {"destination": "fulfilment.requests"},
            "2 cases wait at order-management now, the oldest since 2026-03-02T08:00:00Z",
        ),
        ({"destination": "unknown"}, None),
        ({"edge": "a->b"}, None),
        ({}, None),
    ],
)
def test_impact(labels: dict[str, str], impact: str | None) -> None:
    """The target of an edge first, then its source; the consumer of a queue; nothing rather than a guess."""
    assert impact_annotations(labels, WAITING).get("impact") == impact


@pytest.mark.parametrize(
    ("measure", "depth", "usual", "value"),
    [
        ("depth", 40.0, None, 40.0),
        ("oldest_age_s", 40.0, None, 90.0),
        ("over_usual", 40.0, 8.0, 5.0),
        ("over_usual", 40.0, 0.0, 40.0),
        ("over_usual", 40.0, None, None),
    ],
)
def test_measures_of_a_queue(measure: Any, depth: float, usual: float | None, value: float | None) -> None:
    point = QueueDepth("rabbitmq", "q", depth, 90.0, NOW, usual, ())
    reading = _queue_reading(QueueSelector(measure=measure, min_depth=40.0), point)
    assert (reading.value, reading.quiet) == (value, False)
    assert _queue_reading(QueueSelector(measure=measure, min_depth=40.1), point).quiet


def test_consumer_groups_of_a_topic_are_series_of_their_own() -> None:
    """Two groups on one topic must not share an alert; a queue without groups keeps the labels it always had."""
    plain = QueueDepth("kafka", "orders", 4.0, 90.0, NOW, None, ())
    group = QueueDepth("kafka", "orders", 4.0, 90.0, NOW, None, (), "shipping")
    assert _queue_reading(QueueSelector(), plain).labels == {"system": "kafka", "destination": "orders"}
    assert _queue_reading(QueueSelector(), group).labels["consumer_group"] == "shipping"


def test_the_migrated_tables_are_the_declared_ones(state: StateDb) -> None:
    """Revisions 0002 and 0003 against the tables that the code uses."""
    mine = {name for name in METADATA.tables if name.startswith(("alert_", "control_", "audit_"))}
    assert len(mine) == 6

    def included(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return (name if kind == "table" else thing.table.name) in mine

    with state.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": included, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
        inspector = sa.inspect(connection)
        for name in mine:
            declared = [column.name for column in METADATA.tables[name].primary_key]
            assert inspector.get_pk_constraint(name)["constrained_columns"] == declared


@pytest.mark.parametrize("room", [alerts, control])
def test_public_names(room: Any) -> None:
    assert sorted(room.__all__) == room.__all__
    assert all(hasattr(room, name) for name in room.__all__)
