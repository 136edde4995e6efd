"""The door for CloudEvents: one event or a batch in, log records out, and an answer that names every refused event.

A bad event never hurts its neighbours. An event that came before is not recognised here: its id and source travel with
it, and the store makes one of the two.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collector.admission import Admitted, Encoding
from collector.cloudevents.binding import BATCH, STRUCTURED, Mode, mode_of, read
from collector.cloudevents.event import InvalidEvent
from collector.cloudevents.mapping import to_record
from collector.cloudevents.rules import EventRules
from collector.otlp_status import Refusal
from collector.receivers.decompress import check_encoding, decompress
from collector.receivers.doors import Admit, Answer, Headers, Taken
from core import Clock
from storage import Signal

SCOPE = "opsintel.cloudevents"
MAX_TOLD = 100
"""Warnings in one answer, and how many events get a suggestion; all that is rejected is named."""
_MAX_REASON = 1000
JSON, PROBLEM = "application/json", "application/problem+json"


class CloudEventsDoor:
    """Bodies of at most `max_bytes`, also after decompression."""

    def __init__(self, rules: EventRules, clock: Clock, max_bytes: int) -> None:
        self._rules, self._clock, self._max_bytes = rules, clock, max_bytes

    def check(self, headers: Headers) -> bool:
        """See Door."""
        mode_of(headers)
        return bool(check_encoding(headers.get("content-encoding", "")))

    def take(self, headers: Headers, raw: bytes, admit: Admit) -> Taken:
        """See Door."""
        mode = mode_of(headers)
        body = decompress(raw, check_encoding(headers.get("content-encoding", "")), self._max_bytes)
        now_ns = self._clock.time_ns()
        found = read(mode, headers, body)
        accepted, rejected, remarks = list[tuple[int, str, str, LogRecord]](), list[_Refused](), list[_Refused]()
        for index, (sent, event) in enumerate(found):
            if isinstance(event, str):
                rejected.append(_refused(index, sent, event))
                continue
            try:
                suggest = len(rejected) + len(remarks) < MAX_TOLD
                record, said = to_record(event, self._rules, now_ns, suggest=suggest)
            except InvalidEvent as problem:
                rejected.append(_refused(index, sent, str(problem)))
                continue
            accepted.append((index, sent, event.source, record))
            remarks.extend(_refused(index, sent, one) for one in said)
        admitted = _admitted(accepted, rejected, admit)
        rejected.sort(key=lambda one: int(one["index"]))
        count = len(found) - len(rejected)
        if rejected and not count:
            return Taken(Signal.LOGS, admitted, _nothing_accepted(mode, rejected))
        gone = {one["index"] for one in rejected}
        answer: dict[str, Any] = {"accepted": count, "rejected": rejected}
        if kept := [one for one in remarks if one["index"] not in gone]:
            answer["warnings"] = kept[:MAX_TOLD]
            if len(kept) > MAX_TOLD:
                answer["more_warnings"] = len(kept) - MAX_TOLD
        if admitted.reason and not rejected:
            answer["message"] = admitted.reason
        return Taken(Signal.LOGS, admitted, Answer(200, orjson.dumps(answer), JSON))

    def refuse(self, headers: Headers, refusal: Refusal) -> Answer:
        """See Door."""
        return _problem(refusal.http_status, refusal.message)

    def options(self, headers: Headers) -> Answer | None:
        """The handshake of the webhook specification: consent to deliveries from the origin that asks.

        The origin needs the credentials of a delivery to get here, so it is known to whoever made the key.
        https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
        """
        told: tuple[tuple[str, str], ...] = (("allow", "POST, OPTIONS"), ("accept-post", f"{STRUCTURED}, {BATCH}, */*"))
        origin = headers.get("webhook-request-origin", "").strip()
        if origin:
            told = (*told, ("webhook-allowed-origin", origin), ("webhook-allowed-rate", "*"))
        return Answer(200, headers=told)


_Refused = dict[str, Any]


def _admitted(accepted: list[tuple[int, str, str, LogRecord]], rejected: list[_Refused], admit: Admit) -> Admitted:
    """Of what the admission takes; what it refuses joins the rejected, found by trying each event alone."""
    admitted = admit(Signal.LOGS, Encoding.PROTOBUF, _request(accepted))
    if admitted.rejected:
        for one in accepted:
            alone = admit(Signal.LOGS, Encoding.PROTOBUF, _request([one]))
            if alone.rejected:
                rejected.append(_refused(one[0], one[1], alone.reason))
    if not rejected:
        return admitted
    return replace(admitted, rejected=len(rejected), reason=f"{len(rejected)} events were rejected")


def _refused(index: int, sent: str, reason: str) -> _Refused:
    return {"index": index, "id": sent, "reason": reason[:_MAX_REASON]}


def _request(accepted: list[tuple[int, str, str, LogRecord]]) -> bytes:
    request = ExportLogsServiceRequest()
    by_source: dict[str, Any] = {}
    for _, _, source, record in accepted:
        records = by_source.get(source)
        if records is None:
            group = request.resource_logs.add()
            name = group.resource.attributes.add(key="service.name")
            name.value.string_value = source
            scope = group.scope_logs.add()
            scope.scope.name = SCOPE
            records = by_source[source] = scope.log_records
        records.append(record)
    return bytes(request.SerializeToString())


def _nothing_accepted(mode: Mode, rejected: list[_Refused]) -> Answer:
    if mode is not Mode.BATCH:
        return _problem(400, rejected[0]["reason"], rejected=rejected)
    return _problem(400, f"none of the {len(rejected)} events can be used", rejected=rejected)


def _problem(status: int, detail: str, **more: object) -> Answer:
    """A problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Answer(status, orjson.dumps(body), PROBLEM)
