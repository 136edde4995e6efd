"""An object-centric log that other people made, flattened and as a map, against answers of independent code.

The data lie beside the repository (`shared/`, or where OPSINTEL_SHARED points). pm4py is an oracle of the tests alone.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from collector.importers import ColumnMapping, import_file
from core import SystemClock
from kpis.process.object_map import object_map
from kpis.process.objects import flatten
from kpis.process.process_map import process_map
from kpis.process.variants import variants
from storage import ClickHouse, SegmentMeta, Signal

pytestmark = pytest.mark.acceptance
GIVEN = os.environ.get("OPSINTEL_SHARED", "")
KINDS = ("items", "orders", "packages")


@pytest.fixture(scope="module")
def data() -> Path:
    root = Path(__file__).resolve().parents[2]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place / "data" for place in places if (place / "data" / "answers.json").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/data beside {root} or above it; set OPSINTEL_SHARED")
    return found


@pytest.fixture(scope="module")
def log(data: Path, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Tenant and stream of the log, imported with items as its cases and all objects named."""
    tenant, segments = "object-centric-log", iter(range(1, 10_000))
    mapping = ColumnMapping.model_validate(
        {
            "stream": "deliveries",
            "columns": {"activity": "ocel:activity", "timestamp": "ocel:timestamp", "amount": "price"},
            "explode": {"column": "ocel:type:items"},
            "objects": {kind: f"ocel:type:{kind}" for kind in KINDS},
        }
    )

    def sink(payload: bytes, items: int) -> None:
        clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, next(segments), 1_772_442_000 * 10**9))

    path, aside = data / "ocel" / "ocel_order_simulated.csv", tmp_path_factory.mktemp("aside")
    import_file(path, mapping, sink, clock=SystemClock(), quarantine=aside)
    return tenant, "deliveries"


@pytest.mark.parametrize("kind", KINDS)
def test_flattened_log_is_right(data: Path, clickhouse: ClickHouse, log: tuple[str, str], kind: str) -> None:
    answer = json.loads((data / "answers.json").read_text())["process_logs"][f"ocel_{kind}"]
    tenant, stream = log
    flat = flatten(clickhouse, tenant, stream, kind)
    assert (flat.cases, flat.occurrences) == (answer["cases"], answer["events"])
    found = process_map(clickhouse, tenant, flat.stream)
    assert (found.cases, found.events, len(found.steps)) == (answer["cases"], answer["events"], answer["activities"])
    assert sum(one.count for one in found.transitions) == answer["edge_total"]
    edges = {(one.from_step, one.to_step): one for one in found.transitions}
    for edge in answer["top_edges"]:
        mine = edges[edge["from"], edge["to"]]
        assert mine.count == edge["count"]
        assert mine.gap.mean_s == pytest.approx(edge["mean_s"], abs=1e-3)
        assert mine.gap.median_s == pytest.approx(edge["median_s"], abs=1e-3)
    told = variants(clickhouse, tenant, flat.stream)
    assert told.total == answer["variants"]
    shares = {one.steps: one.cases for one in told.variants}
    for one in answer["top_variants"]:
        assert shares[tuple(one["activities"])] == one["count"]


def test_flattening_counts_what_it_repeats(clickhouse: ClickHouse, log: tuple[str, str]) -> None:
    """Counted in the file: 14,812 events touch an item, 1,878 orders are placed for several; reminders come again."""
    items = flatten(clickhouse, *log, "items")
    assert (items.events, items.convergence, items.divergence) == (14_812, 27_805 - 14_812, 0)
    placed = next(one for one in items.steps if one.step == "place order")
    assert (placed.events, placed.shared, placed.repeats) == (2_000, 1_878, 0)
    orders = {one.step: one for one in flatten(clickhouse, *log, "orders").steps}
    assert (orders["payment reminder"].repeats, orders["payment reminder"].unrelated) == (100, 0)
    packages = {one.step: one for one in flatten(clickhouse, *log, "packages").steps}
    assert (packages["failed delivery"].repeats, packages["failed delivery"].unrelated) == (130, 0)


@pytest.fixture(scope="module")
def oracle(data: Path) -> dict[str, Any]:
    """pm4py's object-centric directly-follows graph of the same file."""
    pytest.importorskip("pm4py", reason="pm4py is not installed: it is an oracle of the tests alone")
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        algorithm = importlib.import_module("pm4py.algo.discovery.ocel.ocdfg.algorithm")
        model = importlib.import_module("pm4py.objects.ocel.obj")
        frame = pandas.read_csv(data / "ocel" / "ocel_order_simulated.csv")
        frame["ocel:timestamp"] = pandas.to_datetime(frame["ocel:timestamp"], utc=True)
        events = frame[["ocel:eid", "ocel:activity", "ocel:timestamp"]].copy()
        relations = []
        for kind in KINDS:
            part = frame[["ocel:eid", "ocel:activity", "ocel:timestamp"]].copy()
            part["ocel:oid"] = [
                [f"{kind}:{one}" for one in ast.literal_eval(text)] if isinstance(text, str) and text.strip() else []
                for text in frame[f"ocel:type:{kind}"]
            ]
            part = part.explode("ocel:oid").dropna(subset=["ocel:oid"])
            part["ocel:type"] = kind
            relations.append(part)
        touched = pandas.concat(relations).drop_duplicates(["ocel:eid", "ocel:oid"])
        touched["ocel:qualifier"] = ""
        objects = touched[["ocel:oid", "ocel:type"]].drop_duplicates()
        found: dict[str, Any] = algorithm.apply(model.OCEL(events=events, objects=objects, relations=touched))
    return found


def test_object_map_equals_pm4py(clickhouse: ClickHouse, log: tuple[str, str], oracle: dict[str, Any]) -> None:
    """Edges by event couples, objects and both; start and end steps by object."""
    found = object_map(clickhouse, *log)
    mine = {(e.object_type, e.from_step, e.to_step): (e.count, e.events, e.objects) for e in found.edges}
    theirs = {
        (kind, *pair): (
            len(oracle["edges"]["total_objects"][kind][pair]),
            len(oracle["edges"]["event_couples"][kind][pair]),
            len(oracle["edges"]["unique_objects"][kind][pair]),
        )
        for kind in KINDS
        for pair in oracle["edges"]["event_couples"][kind]
    }
    assert mine == theirs
    for ours, name in (("starts", "start_activities"), ("ends", "end_activities")):
        told = {(s.object_type, s.step): getattr(s, ours) for s in found.steps if getattr(s, ours)}
        assert told == {
            (kind, step): len(objects)
            for kind in KINDS
            for step, objects in oracle[name]["unique_objects"][kind].items()
        }


def test_object_map_agrees_with_flattening(data: Path, clickhouse: ClickHouse, log: tuple[str, str]) -> None:
    answers = json.loads((data / "answers.json").read_text())["process_logs"]
    found = object_map(clickhouse, *log)
    assert found.events == 22_367
    assert {one.object_type: one.objects for one in found.types} == {k: answers[f"ocel_{k}"]["cases"] for k in KINDS}
    for kind in KINDS:
        edges = {(e.from_step, e.to_step): e.count for e in found.edges if e.object_type == kind}
        assert edges == {(e["from"], e["to"]): e["count"] for e in answers[f"ocel_{kind}"]["top_edges"]}
