"""Requests as a sender writes them, in both versions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import cramjam

from collector.remote_write.types import Request, WriteRequest

AT_MS = 1_772_442_000_000
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {
    1: {"content_type": "application/x-protobuf", "x_prometheus_remote_write_version": "0.1.0"},
    2: {
        "content_type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "x_prometheus_remote_write_version": "2.0.0",
    },
}
Sample = tuple[float, int]


def pack(request: Any) -> bytes:
    """Serialized and compressed."""
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def v1(*series: tuple[Mapping[str, str], Iterable[Sample]]) -> Any:
    """A request of version 1.0."""
    request: Any = WriteRequest()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, value in sorted(labels.items()):
            one.labels.add(name=name, value=value)
        for value, at in samples:
            one.samples.add(value=value, timestamp=at)
    return request


class V2:
    """A request of version 2.0 that grows."""

    def __init__(self) -> None:
        self.request: Any = Request()
        self._symbols: dict[str, int] = {"": 0}
        self.request.symbols.append("")

    def symbol(self, text: str) -> int:
        if text not in self._symbols:
            self._symbols[text] = len(self._symbols)
            self.request.symbols.append(text)
        return self._symbols[text]

    def references(self, labels: Mapping[str, str]) -> list[int]:
        return [self.symbol(text) for pair in sorted(labels.items()) for text in pair]

    def add(
        self,
        labels: Mapping[str, str],
        samples: Iterable[Sample] = (),
        *,
        kind: int = 0,
        help_: str = "",
        unit: str = "",
    ) -> Any:
        one = self.request.timeseries.add(labels_refs=self.references(labels))
        one.metadata.type, one.metadata.help_ref = kind, self.symbol(help_)
        one.metadata.unit_ref = self.symbol(unit)
        for value, at in samples:
            one.samples.add(value=value, timestamp=at)
        return one
