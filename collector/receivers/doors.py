"""What stands behind a path of the HTTP receiver: a door knows one protocol, the receiver knows HTTP.

The receiver authenticates, reads the body within its limits, waits until what a door made of it is durable, and
counts. A door checks and translates; it is pure, may be called from several threads at once, and never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from collector.admission import Admitted, Encoding
from collector.otlp_status import Refusal
from collector.otlp_types import REJECTED_FIELDS, RESPONSES
from collector.receivers.decompress import check_encoding, decompress
from core import UnsupportedMedia
from storage import Signal

Headers = Mapping[str, str]
"""Names in lower case."""
Admit = Callable[[Signal, Encoding, bytes], Admitted]
"""The admission that every OTLP request of this caller goes through; a door that translates hands its OTLP to it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; the receiver adds the length, and `Retry-After` and the like to a refusal."""

    status: int
    body: bytes = b""
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What a door made of a body: what goes into the log (nothing when it has no items), and the answer after that."""

    signal: Signal
    admitted: Admitted
    answer: Answer


class Door(Protocol):
    """One protocol behind one path."""

    def check(self, headers: Headers) -> bool:
        """Before the body is read. Raises UnsupportedMedia; tells whether even a small body is costly to unpack."""
        ...

    def take(self, headers: Headers, raw: bytes, admit: Admit) -> Taken:
        """The body as it came. Raises InvalidInput, TooLarge or UnsupportedMedia when nothing of it can be used."""
        ...

    def refuse(self, headers: Headers, refusal: Refusal) -> Answer:
        """A refusal in the caller's own encoding."""
        ...

    def options(self, headers: Headers) -> Answer | None:
        """The answer to OPTIONS, None where the protocol has none."""
        ...


class OtlpDoor:
    """OTLP/HTTP for one signal; bodies of at most `max_bytes`, also after decompression."""

    def __init__(self, signal: Signal, max_bytes: int) -> None:
        self._signal, self._max_bytes = signal, max_bytes

    def check(self, headers: Headers) -> bool:
        """See Door."""
        if encoding_of(headers) is None:
            raise UnsupportedMedia(
                f"the media type {headers.get('content-type', '')[:80]!r} is not OTLP",
                hint=f"use {Encoding.PROTOBUF.value} or {Encoding.JSON.value}",
            )
        return bool(check_encoding(headers.get("content-encoding", "")))

    def take(self, headers: Headers, raw: bytes, admit: Admit) -> Taken:
        """See Door."""
        encoding = encoding_of(headers) or Encoding.JSON
        packing = check_encoding(headers.get("content-encoding", ""))
        admitted = admit(self._signal, encoding, decompress(raw, packing, self._max_bytes))
        return Taken(
            self._signal, admitted, Answer(200, success_body(self._signal, encoding, admitted), encoding.value)
        )

    def refuse(self, headers: Headers, refusal: Refusal) -> Answer:
        """See Door."""
        return refuse_as_otlp(headers, refusal)

    def options(self, headers: Headers) -> Answer | None:
        """See Door."""
        return None


def otlp_doors(max_bytes: int) -> dict[str, Door]:
    """The doors of the OpenTelemetry protocol by path."""
    return {f"/v1/{signal.value}": OtlpDoor(signal, max_bytes) for signal in Signal}


def refuse_as_otlp(headers: Headers, refusal: Refusal) -> Answer:
    """A google.rpc.Status in the caller's encoding, JSON where it has none of OTLP's."""
    encoding = encoding_of(headers) or Encoding.JSON
    return Answer(refusal.http_status, refusal.body(encoding), encoding.value)


def success_body(signal: Signal, encoding: Encoding, admitted: Admitted) -> bytes:
    """The Export*ServiceResponse: empty, unless something was rejected, or kept aside (a warning, after OTLP)."""
    if not admitted.reason:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    field = REJECTED_FIELDS[signal]
    if encoding is Encoding.PROTOBUF:
        partial = {field: admitted.rejected, "error_message": admitted.reason}
        return bytes(RESPONSES[signal](partial_success=partial).SerializeToString())
    first, *others = field.split("_")
    name = first + "".join(word.capitalize() for word in others)
    return orjson.dumps({"partialSuccess": {name: str(admitted.rejected), "errorMessage": admitted.reason}})


def media_type_of(headers: Headers) -> str:
    """The media type without parameters, in lower case; empty when there is none."""
    return headers.get("content-type", "").split(";", 1)[0].strip().lower()


def encoding_of(headers: Headers) -> Encoding | None:
    """OTLP's encoding that the caller names, if it is one."""
    media_type = media_type_of(headers)
    return next((encoding for encoding in Encoding if encoding.value == media_type), None)
