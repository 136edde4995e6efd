"""Events to OTLP: batches of log records as `ExportLogsServiceRequest` bytes.

One log record an event: the event name and `retail.step` are the activity, the time is when it happened (ended), the
body is the file's name. A batch holds at most so many records and about so many characters, so its size is bounded
whatever the rows hold. The bytes are written here field by field, which takes half the time of the generated
classes; most attributes of a log come again and again, so the encoded ones are remembered while they are few.
"""

from __future__ import annotations

import struct

from collector.importers.interpret import Event

MAX_RECORDS = 4_000
MAX_CHARACTERS = 2_000_000
SCOPE = "opsintel.importers"
_OVERHEAD = 200
_REMEMBERED, _REMEMBERED_CHARACTERS = 4_000, 64
_fixed64 = struct.Struct("<Q").pack


class LogBatch:
    """Grows by `add`, is handed over and emptied by `take`. Not thread-safe.

    Field numbers are those of opentelemetry/proto/logs/v1/logs.proto.
    """

    def __init__(self, stream: str, body: str, observed_ns: int, max_records: int = MAX_RECORDS) -> None:
        self._max = max_records
        self._attributes: dict[tuple[str, str], bytes] = {}
        self._every = (
            b"\x59"
            + _fixed64(observed_ns)  # observed_time_unix_nano = 11
            + _field(5, _string(1, body))
        )
        self._stream = stream
        self._reset()

    def _reset(self) -> None:
        self._by_system: dict[str, list[bytes]] = {}
        self._records = self._characters = 0
        self.first = ("", 0)
        """Event id and time of the first record."""

    def __len__(self) -> int:
        return self._records

    @property
    def full(self) -> bool:
        """Whether it should be taken before the next event is added."""
        return self._records >= self._max or self._characters >= MAX_CHARACTERS

    def add(self, event: Event) -> None:
        """Appends one record."""
        if not self._records:
            self.first = (event.event_id, event.time_ns)
        parts = [
            b"\x09" + _fixed64(event.time_ns),  # time_unix_nano = 1
            self._every,
            _string(12, event.activity),
            _attribute("retail.seq", str(event.seq)),
            _attribute("retail.event.id", event.event_id),
        ]
        characters = _OVERHEAD
        pairs = [("retail.stream", event.stream or self._stream), ("retail.step", event.activity), *event.attributes]
        if event.case:
            pairs.append(("retail.case.id", event.case))
        if event.start_ns is not None:
            parts.append(_attribute("retail.step.start", str(event.start_ns)))
        known = self._attributes
        for pair in pairs:
            encoded = known.get(pair)
            if encoded is None:
                encoded = self._encoded(pair)
            parts.append(encoded)
            characters += len(encoded)
        record = b"".join(parts)
        records = self._by_system.get(event.system)
        if records is None:
            records = self._by_system[event.system] = []
        records.append(b"\x12" + _varint(len(record)))  # ScopeLogs.log_records = 2
        records.append(record)
        self._records += 1
        self._characters += characters

    def take(self) -> tuple[bytes, int]:
        """The serialized request and its number of records; the batch is empty afterwards."""
        scope = _field(1, _string(1, SCOPE))
        groups = []
        for system, records in self._by_system.items():
            resource = _field(1, _field(1, _pair("service.name", system)))
            groups.append(_field(1, resource + _field(2, scope + b"".join(records))))
        payload, records_taken = b"".join(groups), self._records
        self._reset()
        return payload, records_taken

    def _encoded(self, pair: tuple[str, str]) -> bytes:
        encoded = _attribute(*pair)
        if len(pair[1]) <= _REMEMBERED_CHARACTERS:
            if len(self._attributes) >= _REMEMBERED:
                self._attributes.clear()
            self._attributes[pair] = encoded
        return encoded


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL = [bytes([number]) for number in range(128)]


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field; its number must be below 16."""
    return _SMALL[number << 3 | 2] + _varint(len(content)) + content


def _string(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _pair(key: str, text: str) -> bytes:
    """A KeyValue with a text."""
    return _string(1, key) + _field(2, _string(1, text))


def _attribute(key: str, text: str) -> bytes:
    """LogRecord.attributes = 6."""
    return _field(6, _pair(key, text))
