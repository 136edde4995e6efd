"""What the simulated retailer tells: spans, log records and gauge points, as plain immutable values in time order.

A fact knows nothing of OpenTelemetry's SDK; `demo.telemetry` turns it into SDK objects. Times are nanoseconds since the
Unix epoch, in UTC. `at` is when the fact is complete and may be sent: the end of a span, the time of a record or point.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Attributes = Mapping[str, str | int | float]
AttributeDict = dict[str, str | int | float]


class Kind(StrEnum):
    """The span kinds of OpenTelemetry."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Ref(NamedTuple):
    """Points at a span: what a child, a link or a log record needs to know of it."""

    trace_id: int
    span_id: int


class SpanFact(NamedTuple):
    """A finished span. `error` is empty or says what failed; `parent_id` is 0 for a root."""

    at: int
    start: int
    service: str
    version: str
    name: str
    kind: Kind
    trace_id: int
    span_id: int
    parent_id: int
    attributes: Attributes
    error: str = ""
    links: tuple[Ref, ...] = ()


class LogFact(NamedTuple):
    """A log record; with a `name` it is a business event of that name, without one an ordinary line."""

    at: int
    service: str
    version: str
    name: str
    body: str
    trace_id: int
    span_id: int
    attributes: Attributes
    severe: bool = False


class GaugeFact(NamedTuple):
    """One point of a gauge."""

    at: int
    service: str
    version: str
    name: str
    unit: str
    value: float
    attributes: Attributes


Fact = SpanFact | LogFact | GaugeFact
