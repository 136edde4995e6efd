"""Both versions of a request read into one form: series with their labels, and why a series is none.

A request that is no protobuf is refused whole. A series with impossible labels is refused alone: its neighbours go in.
What a request may hold is bounded in number, because a few bytes of a request can stand for many objects here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf.message import DecodeError

from collector.remote_write.types import Request, WriteRequest
from core import InvalidInput, TooLarge

Labels = tuple[tuple[str, str], ...]
NAME = "__name__"
MAX_PARTS = 50_000
"""Series, samples, histograms and exemplars of one request; senders send some thousand."""
MAX_LABELS = 256
"""Labels of one series or exemplar."""


class MetricType(IntEnum):
    """What 2.0 says a metric is."""

    UNSPECIFIED = 0
    COUNTER = 1
    GAUGE = 2
    HISTOGRAM = 3
    GAUGE_HISTOGRAM = 4
    SUMMARY = 5
    INFO = 6
    STATE_SET = 7


@dataclass(slots=True)
class Exemplar:
    """`at_ms` is 0 where the sender gave no time."""

    labels: Labels
    value: float
    at_ms: int


@dataclass(slots=True)
class Series:
    """One series of a request; `problem` tells why it cannot be used (then it has no labels).

    `samples` and `histograms` are the protocol's messages, times in milliseconds; `start_ms` is 0 where it is unknown.
    """

    labels: Labels
    samples: Sequence[Any]
    histograms: Sequence[Any]
    exemplars: list[Exemplar]
    type: MetricType = MetricType.UNSPECIFIED
    help: str = ""
    unit: str = ""
    start_ms: int = 0
    problem: str = ""


class _BadLabels(Exception):
    pass


def read_v1(body: bytes) -> Iterator[Series]:
    """The series of a prometheus.WriteRequest. Raises InvalidInput, TooLarge."""
    request: Any = WriteRequest()
    _parse(request, body, "prometheus.WriteRequest")
    _count(request)
    for one in request.timeseries:
        try:
            labels = _checked(_pairs(one.labels))
            exemplars = [Exemplar(_pairs(found.labels), found.value, found.timestamp) for found in one.exemplars]
        except _BadLabels as problem:
            yield Series((), one.samples, one.histograms, [], problem=str(problem))
            continue
        yield Series(labels, one.samples, one.histograms, exemplars)


def read_v2(body: bytes) -> Iterator[Series]:
    """The series of an io.prometheus.write.v2.Request. Raises InvalidInput, TooLarge."""
    request: Any = Request()
    _parse(request, body, "io.prometheus.write.v2.Request")
    _count(request)
    symbols = list(request.symbols)
    if symbols and symbols[0]:
        raise InvalidInput(f"the first symbol must be the empty text, got {symbols[0][:80]!r}")
    for one in request.timeseries:
        try:
            labels = _checked(_resolved(one.labels_refs, symbols))
            exemplars = [
                Exemplar(_resolved(found.labels_refs, symbols), found.value, found.timestamp) for found in one.exemplars
            ]
            metadata = one.metadata
            text, unit = _symbol(metadata.help_ref, symbols), _symbol(metadata.unit_ref, symbols)
        except _BadLabels as problem:
            yield Series((), one.samples, one.histograms, [], problem=str(problem))
            continue
        kind = MetricType(metadata.type) if 0 <= metadata.type <= MetricType.STATE_SET else MetricType.UNSPECIFIED
        yield Series(labels, one.samples, one.histograms, exemplars, kind, text, unit, one.created_timestamp)


def _parse(into: Any, body: bytes, name: str) -> None:
    try:
        into.MergeFromString(body)
    except DecodeError as problem:
        raise InvalidInput(f"the body is no serialized {name}: {problem}") from None


def _count(request: Any) -> None:
    parts = len(request.timeseries)
    if parts <= MAX_PARTS:
        parts += sum(len(one.samples) + len(one.histograms) + len(one.exemplars) for one in request.timeseries)
    if parts > MAX_PARTS:
        raise TooLarge(
            f"the request has more than {MAX_PARTS} series, samples and exemplars", hint="send fewer at once"
        )


def _pairs(labels: Sequence[Any]) -> Labels:
    if len(labels) > MAX_LABELS:
        raise _BadLabels(f"there are more than {MAX_LABELS} labels")
    return tuple((label.name, label.value) for label in labels)


def _resolved(references: Sequence[int], symbols: list[str]) -> Labels:
    if len(references) > 2 * MAX_LABELS:
        raise _BadLabels(f"there are more than {MAX_LABELS} labels")
    if len(references) % 2:
        raise _BadLabels("the number of label references is odd")
    pairs = iter(references)
    return tuple((_symbol(name, symbols), _symbol(value, symbols)) for name, value in zip(pairs, pairs, strict=True))


def _symbol(reference: int, symbols: list[str]) -> str:
    if reference < len(symbols):
        return symbols[reference]
    if reference == 0:
        return ""
    raise _BadLabels(f"a reference points to symbol {reference} of {len(symbols)}")


def _checked(labels: Labels) -> Labels:
    """In the order of their names, so that two orders of one series are one series; empty values are absent."""
    names = {name for name, _ in labels}
    if len(names) != len(labels):
        raise _BadLabels("a label name is there twice")
    if "" in names:
        raise _BadLabels("a label has no name")
    kept = tuple(sorted(pair for pair in labels if pair[1]))
    if not any(name == NAME for name, _ in kept):
        raise _BadLabels(f"the label {NAME} is missing")
    return kept
