"""One CloudEvent by the specification: what is taken, what is refused and why, and that no input breaks the reader."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cloudevents.binding import header_value, mode_of, read
from collector.cloudevents.event import CloudEvent, DataForm, InvalidEvent, from_json
from core import InvalidInput, UnsupportedMedia

EVENT: dict[str, Any] = {"specversion": "1.0", "id": "e-1", "source": "/orders", "type": "retail.order.placed"}


def event(**changes: Any) -> CloudEvent:
    return from_json(EVENT | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"specversion": "0.3"}, "specversion must be '1.0', got '0.3'"),
        ({"specversion": None}, "required attribute 'specversion' is missing"),
        ({"id": ""}, "id must be text and not empty, got an empty text"),
        ({"id": 7}, "id must be text and not empty, got a number"),
        ({"id": None}, "required attribute 'id' is missing"),
        ({"source": "two words"}, "source must be a URI reference, got 'two words'"),
        ({"source": "%zz"}, "source must be a URI reference, got '%zz'"),
        ({"type": []}, "type must be text and not empty, got a list"),
        ({"subject": ""}, "subject must be text and not empty, got an empty text"),
        ({"dataschema": "relative"}, "dataschema must be an absolute URI, got 'relative'"),
        ({"datacontenttype": "json"}, "datacontenttype must be a media type, got 'json'"),
        ({"orderId": "7"}, "attribute name 'orderId' must be of lower-case letters and digits"),
        ({"order-id": "7"}, "attribute name 'order-id' must be of lower-case letters and digits"),
        ({"shop": {"a": 1}}, "extension 'shop' must be text, a whole number or a boolean, got an object"),
        ({"shop": 1.5}, "extension 'shop' must be text, a whole number or a boolean, got a number"),
        ({"shop": 1 << 31}, "extension 'shop' must be an integer of 32 bits, got 2147483648"),
        ({"shop": "a\nb"}, "extension 'shop' has the character U+000A, which no attribute may have"),
        ({"id": "\ufffe"}, "id has the character U+FFFE, which no attribute may have"),
        ({"data": 1, "data_base64": "AA=="}, "data and data_base64 must not both be there"),
        ({"data_base64": "?"}, "data_base64 is not base64"),
        ({"data_base64": "ä==="}, "data_base64 is not base64"),
        ({"data_base64": 5}, "data_base64 must be text, got a number"),
        ({"datacontenttype": "application/json", "data_base64": "ew=="}, "data is not the JSON"),
        ({"time": "2026-03-02"}, "time must be RFC 3339 with an offset, got '2026-03-02'"),
        ({"time": "2026-03-02T10:00:00"}, "time must be RFC 3339 with an offset"),
        ({"time": "2026-02-30T10:00:00Z"}, "time '2026-02-30T10:00:00Z' does not exist"),
        ({"time": "1969-12-31T23:59:59Z"}, "time must be after 1970"),
        ({"time": "9999-12-31T23:59:59Z"}, "time must be after 1970 and before 2262"),
        ({"time": "2026-03-02T10:00:00+99:00"}, "time must be RFC 3339 with an offset"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEvent) as problem:
        event(**changes)
    assert str(problem.value).startswith(reason)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-03-02T09:00:00Z", 1772442000_000000000),
        ("2026-03-02t09:00:00z", 1772442000_000000000),
        ("2026-03-02T10:00:00.123456789+01:00", 1772442000_123456789),
        ("2026-03-02T03:30:00.5-05:30", 1772442000_500000000),
        ("2026-03-02T09:00:00.1234567899Z", 1772442000_123456789),
        ("2016-12-31T23:59:60Z", 1483228800_000000000),
    ],
)
def test_times_are_exact(text: str, nanoseconds: int) -> None:
    """To the nanosecond, with any offset, leap seconds included."""
    assert event(time=text).time_ns == nanoseconds


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2261, 1, 1)),  # noqa: DTZ001 hypothesis adds no zone to aware bounds
    st.integers(-23 * 60, 23 * 60),
    st.integers(0, 999),
)
def test_every_time_is_read_as_written(moment: datetime, offset: int, nanos: int) -> None:
    at = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset)))
    text = at.isoformat(timespec="microseconds")
    seconds = (moment.replace(tzinfo=UTC, microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    expected = seconds * 10**9 + moment.microsecond * 1000 + nanos
    assert event(time=f"{text[:26]}{nanos:03}{text[26:]}").time_ns == expected


@pytest.mark.parametrize(
    ("changes", "form", "body", "document"),
    [
        ({}, DataForm.NONE, "", None),
        ({"data": {"order_id": 1}}, DataForm.JSON, '{"order_id":1}', {"order_id": 1}),
        ({"data": None}, DataForm.JSON, "null", None),
        ({"data": [1]}, DataForm.JSON, "[1]", None),
        ({"data": "x"}, DataForm.JSON, '"x"', None),
        ({"data": "<a/>", "datacontenttype": "text/xml"}, DataForm.TEXT, "<a/>", None),
        ({"data": {"a": 1}, "datacontenttype": "application/vnd.shop+json"}, DataForm.JSON, '{"a":1}', {"a": 1}),
        ({"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/json"}, DataForm.JSON, '{"a":1}', {"a": 1}),
        ({"data_base64": "/w==", "datacontenttype": "image/png"}, DataForm.BASE64, "/w==", None),
        ({"data_base64": "4Q==", "datacontenttype": "text/plain;charset=ISO-8859-1"}, DataForm.TEXT, "á", None),
        ({"data_base64": "4Q==", "datacontenttype": "text/plain"}, DataForm.BASE64, "4Q==", None),
        ({"data_base64": "4Q==", "datacontenttype": "text/plain;charset=ebcdic"}, DataForm.BASE64, "4Q==", None),
    ],
    ids=str,
)
def test_data(changes: dict[str, Any], form: DataForm, body: str, document: Any) -> None:
    found = event(**changes)
    assert (found.form, found.body, found.document) == (form, body, document)


def test_too_deep_data_is_refused() -> None:
    nested: Any = 0
    for _ in range(400):
        nested = [nested]
    with pytest.raises(InvalidEvent, match="inside one another"):
        event(data=nested)


_NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20).filter(
    lambda name: name not in {*EVENT, "data", "time", "subject", "dataschema", "datacontenttype"}
)
_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=30)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(_NAMES, st.booleans() | st.integers(-(2**31), 2**31 - 1) | _TEXTS, max_size=4),
    _TEXTS,
    _TEXTS,
    _JSON,
)
def test_structured_round_trip(extensions: dict[str, Any], id_: str, subject: str, data: Any) -> None:
    """What a well-formed event says is what is read."""
    member = EVENT | extensions | {"id": id_, "subject": subject, "data": data}
    ((sent, found),) = read(mode_of(STRUCTURED), STRUCTURED, json.dumps(member).encode())
    assert isinstance(found, CloudEvent), found
    assert (sent, found.id, found.subject, dict(found.extensions)) == (id_, id_, subject, extensions)
    assert json.loads(found.body) == data


STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def percent(text: str) -> str:
    """As 3.1.3.1 of the binding writes a header's value."""
    return "".join(
        character
        if "!" <= character <= "~" and character not in '"%'
        else "".join(f"%{b:02X}" for b in character.encode())
        for character in text
    )


@given(_TEXTS, _TEXTS, st.binary(max_size=40))
def test_binary_round_trip(id_: str, extension: str, data: bytes) -> None:
    """Header values travel percent-encoded, data as it is."""
    headers = {
        "ce-specversion": "1.0", "ce-id": percent(id_), "ce-source": "/s", "ce-type": "t",
        "ce-shop": percent(extension), "content-type": "application/octet-stream",
    }  # fmt: skip
    ((_, found),) = read(mode_of(headers), headers, data)
    assert isinstance(found, CloudEvent), found
    assert (found.id, found.extensions["shop"]) == (id_, extension)
    assert base64.b64decode(found.body) == data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ('"with \\"quotes\\" and %41"', 'with "quotes" and A'),
        (" padded ", "padded"),
        ("100%", "100%"),
    ],
)
def test_header_values(value: str, expected: str) -> None:
    assert header_value("ce-id", value) == expected


def test_header_values_that_are_not_utf_8() -> None:
    with pytest.raises(InvalidEvent, match="ce-id is not UTF-8"):
        header_value("ce-id", "%FF")


@pytest.mark.parametrize(
    "content_type", ["application/json", "", "application/cloudevents+xml", "application/cloudevents-batch+avro"]
)
def test_what_is_no_cloudevent(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia):
        mode_of({"content-type": content_type})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{}", b'"x"'])
def test_a_batch_that_is_no_list(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(mode_of(BATCH), BATCH, body)


def test_datacontenttype_is_no_header_of_its_own() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-datacontenttype": "a/b"}
    ((_, found),) = read(mode_of(headers), headers, b"")
    assert found == "the media type of the data belongs in Content-Type, not in ce-datacontenttype"


@given(
    st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from([STRUCTURED, BATCH])
)
def test_no_body_breaks_the_reader(body: bytes, headers: dict[str, str]) -> None:
    """It is read, refused as a whole, or refused event by event."""
    try:
        found = read(mode_of(headers), headers, body)
    except InvalidInput:
        return
    assert all(isinstance(one, CloudEvent | str) for _, one in found)


@given(st.dictionaries(st.sampled_from([*EVENT, "time", "data", "data_base64", "datacontenttype", "x"]), _JSON))
def test_no_member_breaks_the_reader(changes: dict[str, Any]) -> None:
    try:
        from_json(EVENT | changes)
    except InvalidEvent:
        return
