"""The table of value streams: what ships is sound, what is broken is refused."""

from __future__ import annotations

import pytest

import kpis.process
from core.errors import ConfigurationError
from kpis.process import parse_streams, value_streams


def test_the_five_value_streams() -> None:
    assert sorted(value_streams()) == [
        "forecast-to-replenish",
        "order-to-cash",
        "procure-to-pay",
        "promotion-to-settlement",
        "return-to-resolution",
    ]


@pytest.mark.parametrize("name", sorted(value_streams()))
def test_a_stream_does_not_contradict_itself(name: str) -> None:
    """An event that ends a case is not waited after, and a detail is neither an end nor a value."""
    stream = value_streams()[name]
    assert not set(stream.terminal) & (set(stream.owners) | set(stream.running) | set(stream.details))
    assert not set(stream.details) & (set(stream.value) | set(stream.owners))


def test_owner_after() -> None:
    stream = value_streams()["order-to-cash"]
    assert stream.owner_after("retail.order.packed", "") == "carrier"
    assert stream.owner_after("pack", "retail.order.packed") == "carrier", (
        "a step of another name is known by its event"
    )
    assert stream.owner_after("something", "else") == "order-management"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[s]\nterminal = ["x"]', "stream s: owner must be the name of a system, got None"),
        ('[s]\nowner = "erp"', "stream s: terminal must name an event"),
        ('[s]\nowner = "erp"\nterminal = "x"', "terminal must be a list of event names, got 'x'"),
        ('[s]\nowner = "erp"\nterminal = ["x"]\nends = []', "unknown key 'ends'"),
        ('[s]\nowner = "erp"\nterminal = ["x"]\n[s.owners]\nx = 1', "owners must map events to systems"),
    ],
)
def test_broken_tables_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_streams(text)


def test_public_names() -> None:
    assert all(hasattr(kpis.process, name) for name in kpis.process.__all__)
    assert {"process_summary", "process_streams", "waiting_now"} <= set(kpis.process.__all__)
