"""Spans as steps of cases: which of them may be, and how long a consumer's messages had waited in their queue.

A span tells a step when it is marked (`retail.step`), or when it is a SERVER or CONSUMER span whose name is mapped to a
step for the stream of its case. What of that is an occurrence of the step, beside events and spans around it, the
resolution job decides; here is what it is told, and the answer about queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigurationError
from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.process_map import Spread
from kpis.process.rules import END, START
from kpis.process.streams import NOT_KEYS, ValueStream
from metrics import EventDefinition, load_event_catalogue
from storage import ClickHouse


@dataclass(frozen=True)
class SpanRules:
    """What the resolution job knows of the streams.

    `steps`: stream → span name → step, for SERVER and CONSUMER spans without a mark. `keys`: stream → attributes whose
    value is the business key of its cases (`retail.order.id`), the first one present counts. An item that has keys of
    several streams, and names none, has no key: nothing tells which. `by_event`: the names of business events; a step
    of such a name happens when the event says so, and a span that is marked with it is work on it. `events`: names of
    events that are steps even where they name neither stream nor step. Raises ConfigurationError.
    """

    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_event: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for stream, names in self.steps.items():
            for name, step in names.items():
                if not (stream and name and step):
                    raise ConfigurationError(f"stream {stream!r}: span {name!r} must be mapped to a step, got {step!r}")
        for stream, attributes in self.keys.items():
            if isinstance(attributes, str) or not stream or not all(attributes):
                raise ConfigurationError(f"stream {stream!r}: keys must be a list of attributes, got {attributes!r}")
            for attribute in attributes:
                if attribute in NOT_KEYS:
                    raise ConfigurationError(f"stream {stream!r}: {attribute} cannot be the key of a case")

    def told(self) -> tuple[object, ...]:
        """Everything that a result depends on, in a comparable form; the order of a stream's keys matters."""
        steps = sorted((stream, sorted(names.items())) for stream, names in self.steps.items() if names)
        keys = sorted((stream, tuple(names)) for stream, names in self.keys.items() if names)
        return tuple(map(str, steps)), tuple(keys), tuple(sorted(self.by_event)), tuple(sorted(self.events))


def span_rules(streams: Mapping[str, ValueStream]) -> SpanRules:
    """What the models of the streams say (`spans`, `keys`, what they speak of), and the catalogue of events."""
    return SpanRules(
        {name: one.spans for name, one in streams.items() if one.spans},
        {name: one.keys for name, one in streams.items() if one.keys},
        frozenset(_catalogue()),
        frozenset(name for one in streams.values() for name in _spoken_of(one))
        | frozenset(name for name, event in _catalogue().items() if event.case),
    )


def _catalogue() -> Mapping[str, EventDefinition]:
    return load_event_catalogue().events


def _spoken_of(stream: ValueStream) -> set[str]:
    lists = (stream.terminal, stream.running, stream.value, stream.owners, stream.calendars)
    rules = (step for rule in stream.all_rules for step in rule.steps)
    return {*(name for names in lists for name in names), *stream.control, *stream.spans.values(), *rules} - {
        START,
        END,
    }


@dataclass(frozen=True)
class QueueWait:
    """Messages of one destination that were taken up by one step ('' for a consumer that is no step).

    The wait runs from the end of the producer's span to the start of the consumer's; statistics are over the `n` waits
    that are not negative. `skewed`: how many were: the clocks differ, or the consumer was faster than the producer's
    own acknowledgement. `wait` is None when all were.
    """

    destination: str
    step: str
    n: int
    skewed: int
    wait: Spread | None


def queue_waits(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> tuple[QueueWait, ...]:
    """How long messages of the stream's cases waited in queues, the longest sum first. Empty when nothing matches."""
    rows = ask(ch, "queue_waits", tenant, stream, wanted).dicts()
    return tuple(
        QueueWait(one["destination"], one["step"], one["n"], one["skewed"], _spread(one) if one["n"] else None)
        for one in rows
    )


def _spread(one: dict[str, Any]) -> Spread:
    median, p90, p95 = one["spread"]
    return Spread(one["mean_s"], median, p90, p95, one["sum_s"])
