"""Rewrites a request whose attribute values are encoded in a way that the engine's expression does not know.

Protobuf lets an encoder write one value in many ways; nearly all write it in the shortest, and the engine reads only
that (`any_value`). Here the rest is brought to it, in Python, at many times the cost. Values of kinds that the store
does not know become unset, as does everything that is no field of OTLP. The order of items is kept.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from storage.signals import Signal

_REQUESTS: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
_KNOWN = ("string_value", "bool_value", "int_value", "double_value", "bytes_value")


def normalized(signal: Signal, payload: bytes) -> bytes | None:
    """The same items as protobuf's own encoder writes them; None for what is no request."""
    try:
        request = _REQUESTS[signal].FromString(payload)
    except DecodeError:
        return None
    request.DiscardUnknownFields()
    _unset_unknown(request)
    return bytes(request.SerializeToString())


def _unset_unknown(message: Message) -> None:
    if isinstance(message, AnyValue):
        if message.WhichOneof("value") not in _KNOWN:
            message.Clear()
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in (value,) if isinstance(value, Message) else value:
                _unset_unknown(child)
