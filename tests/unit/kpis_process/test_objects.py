"""Streams by object and the object-centric map, on orders and items counted by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import SystemClock
from core.errors import NotFound
from kpis.process.cases import CaseJobs
from kpis.process.object_map import ObjectEdge, object_map
from kpis.process.objects import derived_stream, flatten
from kpis.process.process_map import process_map
from kpis.process.variants import variants
from storage import ClickHouse
from tests.unit.kpis_process.spans import L, store


def touching(name: str, at: float, event_id: str, *, case: str = "", start: float | None = None, **objects: Any) -> L:
    """An event of the stream `s` that touches these objects: type=ids."""
    listed = [{"type": kind, "id": one, "qualifier": ""} for kind, ids in objects.items() for one in ids]
    attributes = {"retail.objects": json.dumps(listed), "retail.resource": "desk"}
    if start is not None:
        attributes["retail.step.start"] = str(round((1_772_323_200 + start) * 10**9))
    return L(name, at, stream="s", case=case, event_id=event_id, attributes=attributes)


LOG = [
    touching("place", 0, "e1", case="o1", order=["o1"], item=["i1", "i2"]),
    touching("pick", 10, "e2", case="o1", start=6, order=["o1"], item=["i1"]),
    touching("pick", 20, "e3", case="o1", order=["o1"], item=["i2"]),
    touching("remind", 30, "e4", case="o1", order=["o1"]),
    touching("remind", 40, "e5", case="o1", order=["o1"]),
    touching("place", 5, "e6", case="o2", order=["o2"], item=["i3"]),
    touching("count", 50, "e7", item=["i1", "i3"]),
]
"""Two orders; picking is done item by item, a reminder is about nothing else; one event belongs to no case at all."""


def seen(ch: ClickHouse, tenant: str, kind: str) -> dict[str, list[str]]:
    rows = ch.query(
        "SELECT CaseId, Steps FROM cases FINAL WHERE TenantId = {t:String} AND Stream = {s:String}",
        {"t": tenant, "s": derived_stream("s", kind)},
    ).rows
    return dict(rows)


def test_a_stream_by_object(clickhouse: ClickHouse, tenant: str) -> None:
    """Items: the placing of o1 is in two cases, the count too. Nothing repeats in the case of an item."""
    store(clickhouse, tenant, LOG)
    items = flatten(clickhouse, tenant, "s", "item")
    assert (items.stream, items.cases, items.events, items.occurrences) == ("s/item", 3, 5, 7)
    assert (items.convergence, items.divergence) == (2, 0)
    placed = next(one for one in items.steps if one.step == "place")
    assert (placed.events, placed.occurrences, placed.shared, placed.repeats) == (2, 3, 1, 0)
    assert seen(clickhouse, tenant, "item") == {
        "i1": ["place", "pick", "count"],
        "i2": ["place", "pick"],
        "i3": ["place", "count"],
    }
    found = process_map(clickhouse, tenant, "s/item")
    assert (found.cases, found.events) == (3, 7)
    picked = next(one for one in found.steps if one.step == "pick")
    assert picked.timed == 1, "the start is known where the event told it"
    assert picked.working is not None
    assert picked.working.sum_s == 4
    assert variants(clickhouse, tenant, "s/item").total == 3


def test_divergence_is_not_repetition(clickhouse: ClickHouse, tenant: str) -> None:
    """Orders: o1 is picked twice, for one item and for the other; it is reminded of twice, about the same."""
    store(clickhouse, tenant, LOG)
    orders = flatten(clickhouse, tenant, "s", "order")
    told = {one.step: (one.repeats, one.unrelated, one.diverging_cases) for one in orders.steps}
    assert told == {"place": (0, 0, 0), "pick": (1, 1, 1), "remind": (1, 0, 0)}
    assert (orders.convergence, orders.divergence) == (0, 1)


def test_new_events_reach_the_cases_of_their_objects(clickhouse: ClickHouse, tenant: str) -> None:
    """By the job, object by object; what was not asked for has no cases. Repetition changes nothing."""
    jobs = CaseJobs(clickhouse, SystemClock())
    store(clickhouse, tenant, LOG)
    flatten(clickhouse, tenant, "s", "item", jobs=jobs)
    late = touching("return", 90, "e8", case="o1", order=["o1"], item=["i2"])
    for _ in range(2):
        store(clickhouse, tenant, [late])
        jobs.run_once(tenant)
        assert seen(clickhouse, tenant, "item") == {
            "i1": ["place", "pick", "count"],
            "i2": ["place", "pick", "return"],
            "i3": ["place", "count"],
        }
    assert seen(clickhouse, tenant, "order") == {}
    assert flatten(clickhouse, tenant, "s", "item", jobs=jobs).occurrences == 8


def test_types_that_no_event_touches_are_named(clickhouse: ClickHouse, tenant: str) -> None:
    store(clickhouse, tenant, LOG)
    with pytest.raises(NotFound, match="the types are item, order"):
        flatten(clickhouse, tenant, "s", "parcel")
    with pytest.raises(NotFound, match="its events name no objects"):
        flatten(clickhouse, f"{tenant}-other", "s", "item")
    with pytest.raises(NotFound, match="touches an object of the types parcel"):
        object_map(clickhouse, tenant, "s", ["parcel"])


def test_object_map(clickhouse: ClickHouse, tenant: str) -> None:
    """Nothing is counted twice: place → pick happens for two items and once for their order."""
    store(clickhouse, tenant, LOG)
    store(clickhouse, tenant, LOG[:2])
    found = object_map(clickhouse, tenant, "s")
    assert found.events == 7
    assert [(one.object_type, one.objects, one.events) for one in found.types] == [("order", 2, 6), ("item", 3, 5)]
    assert found.edges == (
        ObjectEdge("item", "place", "pick", 2, 2, 2),
        ObjectEdge("item", "pick", "count", 1, 1, 1),
        ObjectEdge("item", "place", "count", 1, 1, 1),
        ObjectEdge("order", "pick", "pick", 1, 1, 1),
        ObjectEdge("order", "pick", "remind", 1, 1, 1),
        ObjectEdge("order", "place", "pick", 1, 1, 1),
        ObjectEdge("order", "remind", "remind", 1, 1, 1),
    )
    ends = {(one.object_type, one.step): one.ends for one in found.steps if one.ends}
    assert ends == {("item", "count"): 2, ("item", "pick"): 1, ("order", "remind"): 1, ("order", "place"): 1}
    (only,) = object_map(clickhouse, tenant, "s", ["item"]).types
    assert only.object_type == "item"


def test_an_event_that_moves_two_items_is_one_event_of_the_edge(clickhouse: ClickHouse, tenant: str) -> None:
    store(
        clickhouse,
        tenant,
        [
            touching("pack", 1, "a", item=["i1", "i2"]),
            touching("ship", 2, "b", item=["i1", "i2"]),
            touching("ship", 3, "c", item=["i1"]),
        ],
    )
    assert object_map(clickhouse, tenant, "s").edges == (
        ObjectEdge("item", "pack", "ship", 2, 1, 2),
        ObjectEdge("item", "ship", "ship", 1, 1, 1),
    )
