"""The OTLP request types of the door: the published messages with one change, made at run time.

The store's schema knows scalar attribute values only, so lists and maps must be found, cheaply, in every request. Here
`AnyValue.array_value` and `kvlist_value` are of a type `Trap` with a required field that is a trap again, so nobody can
send it: serializing a message that holds one fails, in C, which costs about a microsecond for a span of ten attributes
instead of the ten that looking at each of them in Python does. What a trap holds is kept as unknown fields, so nothing
is lost. All else is validated as ever, UTF-8 included.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from storage import Signal

_SERVICES: dict[Signal, tuple[FileDescriptor, str]] = {
    Signal.TRACES: (trace_service_pb2.DESCRIPTOR, "opentelemetry.proto.collector.trace.v1.TraceService"),
    Signal.LOGS: (logs_service_pb2.DESCRIPTOR, "opentelemetry.proto.collector.logs.v1.LogsService"),
    Signal.METRICS: (metrics_service_pb2.DESCRIPTOR, "opentelemetry.proto.collector.metrics.v1.MetricsService"),
}
SERVICE_NAMES: dict[Signal, str] = {signal: name for signal, (_, name) in _SERVICES.items()}
"""The full names of the gRPC services."""

RESPONSES: dict[Signal, type[Message]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceResponse,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceResponse,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceResponse,
}
PUBLISHED: dict[Signal, type[Message]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceRequest,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceRequest,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceRequest,
}
"""The requests as published, lists and maps included."""
REJECTED_FIELDS: dict[Signal, str] = {
    Signal.TRACES: "rejected_spans",
    Signal.LOGS: "rejected_log_records",
    Signal.METRICS: "rejected_data_points",
}
ANY_VALUE, KEY_VALUE = "opentelemetry.proto.common.v1.AnyValue", "opentelemetry.proto.common.v1.KeyValue"
TRAPPED = ("array_value", "kvlist_value")
_COMMON = "opentelemetry/proto/common/v1/common.proto"
_TRAP_FILE, _TRAP = "opsintel/trap.proto", ".opsintel.Trap"


def _trap() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=_TRAP_FILE, package="opsintel", syntax="proto2")
    file.message_type.add(name="Trap").field.add(
        name="never_sent",
        number=536_870_911,
        label=FieldDescriptor.LABEL_REQUIRED,
        type=FieldDescriptor.TYPE_MESSAGE,
        type_name=_TRAP,
    )
    return file


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor, done: set[str]) -> None:
    if file.name in done:
        return
    done.add(file.name)
    for needed in file.dependencies:
        _add(pool, needed, done)
    copy = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(copy)
    if file.name == _COMMON:
        copy.dependency.append(_TRAP_FILE)
        any_value = next(message for message in copy.message_type if message.name == "AnyValue")
        for field in any_value.field:
            if field.name in TRAPPED:
                field.type_name = _TRAP
    pool.Add(copy)


def _requests() -> dict[Signal, type[Message]]:
    pool, done = descriptor_pool.DescriptorPool(), set[str]()
    pool.Add(_trap())
    found = {}
    for signal, (file, service) in _SERVICES.items():
        _add(pool, file, done)
        request = file.services_by_name[service.rsplit(".", 1)[1]].methods_by_name["Export"].input_type
        found[signal] = message_factory.GetMessageClass(pool.FindMessageTypeByName(request.full_name))
    return found


REQUESTS: dict[Signal, type[Message]] = _requests()
"""The Export*ServiceRequest of each signal, with traps."""
