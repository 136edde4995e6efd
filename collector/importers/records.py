"""Events to OTLP: batches of log records as `ExportLogsServiceRequest` bytes.

One log record an event: the event name and `retail.step` are the activity, the time is when it happened (ended), the
body is the file's name. A batch holds at most so many records and about so many characters, so its size is bounded
whatever the rows hold.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.importers.interpret import Event

MAX_RECORDS = 4_000
MAX_CHARACTERS = 2_000_000
SCOPE = "opsintel.importers"
_OVERHEAD = 200


class LogBatch:
    """Grows by `add`, is handed over and emptied by `take`. Not thread-safe."""

    def __init__(self, stream: str, body: str, observed_ns: int, max_records: int = MAX_RECORDS) -> None:
        self._stream, self._body, self._observed_ns, self._max = stream, body, observed_ns, max_records
        self._reset()

    def _reset(self) -> None:
        self._request = ExportLogsServiceRequest()
        self._by_system: dict[str, Any] = {}
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
        records = self._by_system.get(event.system)
        if records is None:
            records = self._by_system[event.system] = self._new_system(event.system)
        record = records.add()
        record.time_unix_nano = event.time_ns
        record.observed_time_unix_nano = self._observed_ns
        record.event_name = event.activity
        record.body.string_value = self._body
        attributes = record.attributes
        if not self._records:
            self.first = (event.event_id, event.time_ns)
        characters = _OVERHEAD
        pairs = [
            ("retail.stream", self._stream),
            ("retail.step", event.activity),
            ("retail.seq", str(event.seq)),
            ("retail.event.id", event.event_id),
        ]
        if event.case:
            pairs.append(("retail.case.id", event.case))
        if event.start_ns is not None:
            pairs.append(("retail.step.start", str(event.start_ns)))
        for key, text in pairs + event.attributes:
            attribute = attributes.add()
            attribute.key = key
            attribute.value.string_value = text
            characters += len(key) + len(text)
        self._records += 1
        self._characters += characters

    def take(self) -> tuple[bytes, int]:
        """The serialized request and its number of records; the batch is empty afterwards."""
        payload, records = self._request.SerializeToString(), self._records
        self._reset()
        return payload, records

    def _new_system(self, system: str) -> Any:
        group = self._request.resource_logs.add()
        attribute = group.resource.attributes.add()
        attribute.key = "service.name"
        attribute.value.string_value = system
        scope = group.scope_logs.add()
        scope.scope.name = SCOPE
        return scope.log_records
