"""The door for Prometheus remote write: both versions at one path, told apart by the media type.

204 when everything was written. When something was refused the rest is written all the same, and the answer is 400,
which senders do not repeat; the headers say how much was written. An exemplar whose series has no sample in the request
is left out, as the protocol allows, and is missing in that header.
https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

import re
from dataclasses import replace

from collector.admission import Encoding
from collector.otlp_status import Refusal
from collector.receivers.doors import Admit, Answer, Headers, Taken
from collector.remote_write.queues import QueueMetrics
from collector.remote_write.series import read_v1, read_v2
from collector.remote_write.snappy import unpack
from collector.remote_write.translate import Translated, translate
from core import UnsupportedMedia
from storage import Signal

MEDIA_TYPE, V1, V2 = "application/x-protobuf", "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
_PROTO = re.compile(r';\s*proto\s*=\s*"?([A-Za-z0-9_.]+)"?\s*(?:;|$)', re.ASCII | re.IGNORECASE)
_READERS = {V1: read_v1, V2: read_v2}
_TEXT = "text/plain; charset=utf-8"


class RemoteWriteDoor:
    """Bodies of at most `max_bytes`, also when unpacked."""

    def __init__(self, queues: QueueMetrics, max_bytes: int) -> None:
        self._queues, self._max_bytes = queues, max_bytes

    def check(self, headers: Headers) -> bool:
        """See Door; always costly, since it is always compressed."""
        _version(headers)
        packing = headers.get("content-encoding", "").strip().lower()
        if packing != "snappy":
            raise UnsupportedMedia(
                f"the content encoding {packing[:80]!r} is not that of remote write", hint="use snappy"
            )
        return True

    def take(self, headers: Headers, raw: bytes, admit: Admit) -> Taken:
        """See Door."""
        body = unpack(raw, self._max_bytes)
        found = translate(_READERS[_version(headers)](body), self._queues, self._max_bytes)
        admitted = admit(Signal.METRICS, Encoding.PROTOBUF, bytes(found.request.SerializeToString()))
        if admitted.rejected:
            found.refused[admitted.reason or "admission refused it"] += admitted.rejected
        refused = found.refused.total()
        counts = (
            ("x-prometheus-remote-write-samples-written", str(max(0, found.samples - admitted.rejected))),
            ("x-prometheus-remote-write-histograms-written", str(found.histograms)),
            ("x-prometheus-remote-write-exemplars-written", str(found.exemplars)),
        )
        answer = Answer(400, _explain(found).encode(), _TEXT, counts) if refused else Answer(204, headers=counts)
        return Taken(
            Signal.METRICS, replace(admitted, rejected=refused, reason=_explain(found) or admitted.reason), answer
        )

    def refuse(self, headers: Headers, refusal: Refusal) -> Answer:
        """See Door: a line of text, which senders write into their log."""
        return Answer(refusal.http_status, f"{refusal.message}\n".encode(), _TEXT)

    def options(self, headers: Headers) -> Answer | None:
        """See Door."""
        return None


def _version(headers: Headers) -> str:
    content_type = headers.get("content-type", "")
    named = _PROTO.search(content_type)
    version = named.group(1) if named else V1
    if content_type.split(";", 1)[0].strip().lower() != MEDIA_TYPE or version not in _READERS:
        raise UnsupportedMedia(
            f"the media type {content_type[:80]!r} is not remote write's",
            hint=f"use {MEDIA_TYPE}, {MEDIA_TYPE};proto={V1} or {MEDIA_TYPE};proto={V2}",
        )
    return version


def _explain(found: Translated) -> str:
    if not found.refused:
        return ""
    refused = found.refused.total()
    causes = "; ".join(f"{count} because {reason}" for reason, count in sorted(found.refused.items()))
    return f"{refused} of {refused + found.samples + found.histograms} samples were rejected: {causes}\n"
