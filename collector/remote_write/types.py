"""The messages of both versions of remote write, made at import from a table of their fields.

Only the numbers and types of the fields are the protocol; enums are plain integers here, so that a value that is not
known yet does not get lost. Newer senders put a series' start time into the sample (`start_timestamp`), older ones into
the series (`created_timestamp`); both are known.
https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_SCALARS = {
    "string": FieldDescriptor.TYPE_STRING,
    "double": FieldDescriptor.TYPE_DOUBLE,
    "int32": FieldDescriptor.TYPE_INT32,
    "uint32": FieldDescriptor.TYPE_UINT32,
    "sint32": FieldDescriptor.TYPE_SINT32,
    "int64": FieldDescriptor.TYPE_INT64,
    "uint64": FieldDescriptor.TYPE_UINT64,
    "sint64": FieldDescriptor.TYPE_SINT64,
}
_HISTOGRAM = (
    "count count_int=1 uint64, count count_float=2 double, sum=3 double, schema=4 sint32, "
    "zero_threshold=5 double, zero_count zero_count_int=6 uint64, zero_count zero_count_float=7 double, "
    "negative_spans=8 *BucketSpan, negative_deltas=9 *sint64, negative_counts=10 *double, "
    "positive_spans=11 *BucketSpan, positive_deltas=12 *sint64, positive_counts=13 *double, reset_hint=14 int32, "
    "timestamp=15 int64, custom_values=16 *double"
)
_SPAN = "offset=1 sint32, length=2 uint32"
_V1 = {
    "Label": "name=1 string, value=2 string",
    "Sample": "value=1 double, timestamp=2 int64",
    "Exemplar": "labels=1 *Label, value=2 double, timestamp=3 int64",
    "BucketSpan": _SPAN,
    "Histogram": _HISTOGRAM,
    "TimeSeries": "labels=1 *Label, samples=2 *Sample, exemplars=3 *Exemplar, histograms=4 *Histogram",
    "WriteRequest": "timeseries=1 *TimeSeries",
}
_V2 = {
    "Sample": "value=1 double, timestamp=2 int64, start_timestamp=3 int64",
    "Exemplar": "labels_refs=1 *uint32, value=2 double, timestamp=3 int64",
    "Metadata": "type=1 int32, help_ref=3 uint32, unit_ref=4 uint32",
    "BucketSpan": _SPAN,
    "Histogram": f"{_HISTOGRAM}, start_timestamp=17 int64",
    "TimeSeries": (
        "labels_refs=1 *uint32, samples=2 *Sample, histograms=3 *Histogram, exemplars=4 *Exemplar, "
        "metadata=5 Metadata, created_timestamp=6 int64"
    ),
    "Request": "symbols=4 *string, timeseries=5 *TimeSeries",
}


def _message(package: str, messages: dict[str, str], wanted: str) -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name=f"opsintel/{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        choices: dict[str, int] = {}
        for text in fields.split(", "):
            *choice, declared, kind = text.split(" ")
            field, _, number = declared.partition("=")
            label = FieldDescriptor.LABEL_REPEATED if kind.startswith("*") else FieldDescriptor.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number), label=label)
            kind = kind.removeprefix("*")
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = FieldDescriptor.TYPE_MESSAGE, f".{package}.{kind}"
            if choice:
                if choice[0] not in choices:
                    choices[choice[0]] = len(choices)
                    message.oneof_decl.add(name=choice[0])
                added.oneof_index = choices[choice[0]]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{wanted}"))
    return made


WriteRequest: type[Message] = _message("prometheus", _V1, "WriteRequest")
"""Version 1.0. The metadata of 1.0 (field 3) is not read: it comes apart from the samples it would describe."""
Request: type[Message] = _message("io.prometheus.write.v2", _V2, "Request")
"""Version 2.0."""
