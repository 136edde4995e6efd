"""The rules by which well-formed telemetry is unusable, and what happens to each kind of it.

What can never become right is rejected: the caller reads its number and reason. What may be right for somebody who
looks at it is kept in quarantine: acknowledged, counted, and there to be replayed. Nothing is cut or corrected.
docs/quarantine.md has the same table in prose; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from core import Settings

DAY_NS, MINUTE_NS = 86_400 * 10**9, 60 * 10**9
NO_RECORDED_VALUE = 1
"""The flag of a metric point that says: there is no value now (OTLP, DataPointFlags)."""


class Verdict(StrEnum):
    """What happens to an item that breaks a rule."""

    REJECT = "reject"
    QUARANTINE = "quarantine"


class Reason(IntEnum):
    """Why an item is unusable. The numbers stand in the log and in the table, so they never change.

    Below 100 an item is kept in quarantine, from 100 on it is rejected.
    """

    TOO_OLD = 1
    IN_THE_FUTURE = 2
    END_BEFORE_START = 3
    NAME_TOO_LONG = 4
    KEY_TOO_LONG = 5
    VALUE_TOO_LONG = 6
    TOO_MANY_ATTRIBUTES = 7
    TOO_MANY_EVENTS = 8
    TOO_MANY_LINKS = 9
    COUNT_MISMATCH = 10
    BODY_TOO_LONG = 11
    BAD_TRACE_ID = 100
    BAD_SPAN_ID = 101
    NO_TIME = 102
    EMPTY_RECORD = 103
    NO_METRIC_NAME = 104
    NO_VALUE = 105
    BAD_BUCKETS = 106
    BAD_QUANTILE = 107

    @property
    def verdict(self) -> Verdict:
        """Rejected or kept."""
        return Verdict.QUARANTINE if self < 100 else Verdict.REJECT

    @property
    def slug(self) -> str:
        """Its name in tables, answers and metrics."""
        return self.name.lower()


def reason_name(code: int) -> str:
    """The name of a code in the log; a newer version's code keeps its number."""
    try:
        return Reason(code).slug
    except ValueError:
        return f"reason_{code}"


@dataclass(frozen=True)
class Rules:
    """Limits; 0 means none. Times in nanoseconds, lengths in bytes as sent.

    `past_ns` and `future_ns` bound an item's own time, seen from the moment it is received. `plausible`: an end is not
    before its start, and a count is the sum of its buckets.
    """

    past_ns: int = 400 * DAY_NS
    future_ns: int = 60 * MINUTE_NS
    attributes: int = 512
    key_bytes: int = 1_024
    value_bytes: int = 64 << 10
    name_bytes: int = 64 << 10
    body_bytes: int = 1 << 20
    events: int = 1_024
    links: int = 1_024
    plausible: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """As configured."""
        return cls(
            past_ns=settings.accept_past_days * DAY_NS,
            future_ns=settings.accept_future_minutes * MINUTE_NS,
            attributes=settings.item_max_attributes,
            key_bytes=settings.item_max_key_bytes,
            value_bytes=settings.item_max_value_bytes,
            name_bytes=settings.item_max_name_bytes,
            body_bytes=settings.item_max_body_bytes,
            events=settings.item_max_events,
            links=settings.item_max_links,
        )

    def without_window(self) -> Rules:
        """For history and for what a person has looked at: any time but none, and what is not plausible."""
        return replace(self, past_ns=0, future_ns=0, plausible=False)

    def without_limits(self) -> Rules:
        """For what a person has looked at: any number and any length."""
        return replace(self, attributes=0, key_bytes=0, value_bytes=0, name_bytes=0, body_bytes=0, events=0, links=0)

    def bounds(self, now_ns: int) -> tuple[int, int]:
        """The earliest and the latest time that is accepted, both inclusive."""
        low = max(1, now_ns - self.past_ns) if self.past_ns else 1
        return low, now_ns + self.future_ns if self.future_ns else 2**64 - 1

    @property
    def small(self) -> int:
        """No item of at most so many bytes can be over any limit: an attribute, event or link takes two or more."""
        counts = [2 * limit for limit in (self.attributes, self.events, self.links) if limit]
        lengths = [limit for limit in (self.key_bytes, self.value_bytes, self.name_bytes, self.body_bytes) if limit]
        return min(counts + lengths, default=2**63)


SENTENCES: dict[Reason, str] = {
    Reason.TOO_OLD: "the time is further in the past than accept_past_days",
    Reason.IN_THE_FUTURE: "the time is further in the future than accept_future_minutes",
    Reason.END_BEFORE_START: "the end is missing or before the start",
    Reason.NAME_TOO_LONG: "a name is longer than item_max_name_bytes",
    Reason.KEY_TOO_LONG: "an attribute's key is longer than item_max_key_bytes",
    Reason.VALUE_TOO_LONG: "an attribute's value is longer than item_max_value_bytes",
    Reason.TOO_MANY_ATTRIBUTES: "there are more attributes than item_max_attributes",
    Reason.TOO_MANY_EVENTS: "there are more events than item_max_events",
    Reason.TOO_MANY_LINKS: "there are more links than item_max_links",
    Reason.COUNT_MISMATCH: "the count is not the sum of the buckets",
    Reason.BODY_TOO_LONG: "the body is longer than item_max_body_bytes",
    Reason.BAD_TRACE_ID: "trace_id must be 16 bytes and not all zero",
    Reason.BAD_SPAN_ID: "span_id must be 8 bytes and not all zero",
    Reason.NO_TIME: "the time is missing",
    Reason.EMPTY_RECORD: "the record is empty",
    Reason.NO_METRIC_NAME: "the metric has no name",
    Reason.NO_VALUE: "the point has neither a value nor the flag that says so",
    Reason.BAD_BUCKETS: "there must be one bucket more than ascending bounds, or neither",
    Reason.BAD_QUANTILE: "a quantile must be from 0 to 1",
}
"""What a caller is told."""
