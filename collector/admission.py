"""Admission: what a caller sent, checked and made ready for the log. Pure; nothing here waits or writes.

A body that cannot be decoded is refused whole. Items that break a rule (`collector.rules`) are taken out: rejected or
put aside for quarantine, and counted; their neighbours go in. Lists and maps in attributes become JSON text. A protobuf
body that needs none of this is stored byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.message import DecodeError

from collector import otlp_json
from collector.nested_values import serialize_flat
from collector.otlp_types import PUBLISHED, REQUESTS
from collector.plain_encoding import written_plainly
from collector.rules import SENTENCES, Reason, Rules, Verdict
from collector.signal_rules import inspect
from collector.unusable import Kept, take_out
from core import InvalidInput
from storage import Signal

ITEMS = {Signal.TRACES: "spans", Signal.LOGS: "log records", Signal.METRICS: "metric points"}
ANY_TIME = Rules().without_window()


class Encoding(StrEnum):
    """How a request's body is written; the value is its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Admitted:
    """`payload`: serialized OTLP with `items` spans, log records or metric points; `rejected` items were taken out.

    `quarantined` items were taken out, too, and are kept. `reason` tells the caller about both, empty when there is
    nothing to tell.
    """

    payload: bytes
    items: int
    rejected: int = 0
    reason: str = ""
    quarantined: tuple[Kept, ...] = ()

    @property
    def durable(self) -> bool:
        """Whether anything of it belongs into the log."""
        return bool(self.items or self.quarantined)


def admit(
    signal: Signal,
    encoding: Encoding,
    body: bytes,
    rules: Rules = ANY_TIME,
    now_ns: int = 1,
    *,
    quarantine: bool = True,
) -> Admitted:
    """Checks a request received at `now_ns`. Raises InvalidInput when it cannot be decoded.

    Without `quarantine` what would be kept is rejected.
    """
    request: Any = REQUESTS[signal]()
    if encoding is Encoding.JSON:
        body = otlp_json.to_protobuf(body, PUBLISHED[signal])
    try:
        request.MergeFromString(body)
    except DecodeError as problem:
        raise InvalidInput(f"the body is no serialized OTLP request for {signal}: {problem}") from None
    findings = inspect(signal, request, rules, now_ns)
    kept: tuple[Kept, ...] = ()
    counts: Counter[Reason] = Counter()
    if findings.marked:
        kept, counts = take_out(REQUESTS[signal], findings)
        if not quarantine:
            kept = ()
    saved = sum(one.items for one in kept)
    rejected = counts.total() - saved
    text = explain(signal, findings.good, counts, {one.reason for one in kept}) if counts else ""
    payload = b""
    if findings.good:
        # A metric's points are behind a oneof, where what is written twice changes how many there are: no guessing.
        plain = signal is not Signal.METRICS and written_plainly(request, findings.items_bytes, len(body))
        same = plain and not (counts or findings.changed)
        payload = _payload(request, body, plain=plain, same=same, trapped=findings.trapped)
    return Admitted(payload, findings.good, rejected, text, kept)


def _payload(request: Any, body: bytes, *, plain: bool, same: bool, trapped: bool) -> bytes:
    """`plain`: as every reader reads it; `same`: nothing was changed in the request."""
    if trapped:
        try:
            flat = serialize_flat(request)
        except DecodeError as problem:
            raise InvalidInput(f"a list or map in an attribute is malformed: {problem}") from None
        if flat is not None and plain:
            return flat
    if not plain:
        request.DiscardUnknownFields()
    return body if same else bytes(request.SerializeToString())


def explain(signal: Signal, good: int, counts: Mapping[Reason, int], kept: Collection[Reason]) -> str:
    """What was rejected and what is kept aside, in one or two sentences for the caller."""
    total = good + sum(counts.values())
    aside = {reason: count for reason, count in counts.items() if reason in kept}
    gone = {reason: count for reason, count in counts.items() if reason not in kept}
    parts = []
    for causes, what in ((gone, "were rejected"), (aside, "are kept in quarantine, not stored")):
        if causes:
            listed = "; ".join(f"{count} because {SENTENCES[reason]}" for reason, count in sorted(causes.items()))
            parts.append(f"{sum(causes.values())} of {total} {ITEMS[signal]} {what}: {listed}")
    if any(reason.verdict is Verdict.QUARANTINE for reason in gone):
        parts.append("the quarantine of this tenant is full for today")
    return ". ".join(parts)
