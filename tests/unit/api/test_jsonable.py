"""Every kind of value as JSON."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from api.jsonable import jsonable


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Span(Enum):
    DAY = timedelta(days=1)


class Model(BaseModel):
    at: datetime
    amount: Decimal


@dataclasses.dataclass(frozen=True)
class Inner:
    value: float
    colour: Colour


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    more: Any


AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
VALUES: list[tuple[Any, Any]] = [
    (None, None), (True, True), (0, 0), (2**200, 2**200), ("ü\0", "ü\0"), (1.5, 1.5), (-0.0, -0.0),
    (float("nan"), None), (float("inf"), None), (float("-inf"), None),
    (Decimal("12.3400"), "12.3400"), (Decimal("1E+3"), "1E+3"), (Decimal("NaN"), "NaN"),
    (AT, "2026-03-02T09:00:00+00:00"), (date(2026, 3, 2), "2026-03-02"),
    (AT.astimezone(timezone(timedelta(hours=-3))), "2026-03-02T06:00:00-03:00"),
    (timedelta(minutes=1, microseconds=5), 60.000005),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (IPv4Address("10.0.0.1"), "10.0.0.1"), (IPv6Address("::1"), "::1"), (b"\xff\0", "/wA="),
    (Colour.RED, "red"), (Level.HIGH, 3), (Span.DAY, 86400.0),
    ((1, [2, (3,)]), [1, [2, [3]]]), ({"a": {1: None, Level.HIGH: float("nan")}}, {"a": {"1": None, "3": None}}),
    ({AT: 1, None: 2, Colour.RED: 3}, {"2026-03-02T09:00:00+00:00": 1, "None": 2, "red": 3}), (frozenset({7}), [7]),
    (Model(at=AT, amount=Decimal("2.50")), {"at": "2026-03-02T09:00:00+00:00", "amount": "2.50"}),
    (Outer((Inner(float("inf"), Colour.RED),), {"n": Decimal(1)}),
     {"inner": [{"value": None, "colour": "red"}], "more": {"n": "1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[repr(value)[:40] for value, _ in VALUES])
def test_a_value_as_json(value: Any, expected: Any) -> None:
    found = jsonable(value)
    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(expected))


@pytest.mark.parametrize("value", [object(), 1j, Inner, [object()], {"a": object()}])
def test_what_has_no_json_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError, match="no JSON stands for"):
        jsonable(value)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals()
nested = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner)
)


@given(value=nested)
def test_the_answer_is_always_strict_json(value: Any) -> None:
    json.dumps(jsonable(value), allow_nan=False)
