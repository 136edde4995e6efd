"""Ordinary retail tables of other people, by the mappings in docs/import-mappings, against answers of independent code.

Each file is imported once, through the importer, into the embedded engine; every number is asked of the stored events
in plain SQL. The files lie beside the repository (`shared/`, or where OPSINTEL_SHARED points) and are not part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.importers import ImportReport, build_mapping, detect, import_file
from core import SystemClock
from metrics.events import ProblemKind, load_event_catalogue, validate_event
from storage import ClickHouse, SegmentMeta, Signal

pytestmark = pytest.mark.acceptance

GIVEN = os.environ.get("OPSINTEL_SHARED", "")
"""Read when the tests are collected: the fixtures clear such variables."""
MAPPINGS = Path(__file__).resolve().parents[2] / "docs" / "import-mappings"
UNIT = "supplygraph/unit"
FILES = {
    "olist": [("olist_sample/olist_orders_dataset.csv", "olist-orders")],
    "supplygraph": [
        (f"{UNIT}/sales_order.csv", "supplygraph-orders"),
        (f"{UNIT}/delivery_to_distributor.csv", "supplygraph-deliveries"),
    ],
    "online_retail": [("online_retail/online_retail_2010-12_2011-05.parquet", "online-retail")],
    "ocel": [("ocel/ocel_order_simulated.csv", "ocel-orders")],
}
MISSING = {
    "retail.order.placed": {"retail.quantity", "retail.amount", "retail.currency"},
    "retail.order.line.placed": {"retail.amount", "retail.currency"},
    "retail.order.line.shipped": {"retail.amount", "retail.currency"},
}
"""What the catalogue requires and these tables do not know; everything else must be there."""


@pytest.fixture(scope="module")
def data() -> Path:
    """The folder with the files and the answers."""
    root = Path(__file__).resolve().parents[2]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place / "data" for place in places if (place / "data" / "answers.json").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/data beside {root} or above it; set OPSINTEL_SHARED")
    return found


@pytest.fixture(scope="module")
def answers(data: Path) -> dict[str, Any]:
    """The right numbers of each set."""
    found: dict[str, Any] = json.loads((data / "answers.json").read_text())["sets"]
    return found


class Imported:
    """The sets in the store, a tenant each, and what the importer said."""

    def __init__(self, clickhouse: ClickHouse, data: Path, folder: Path) -> None:
        self._ch, self._data, self._folder, self._segment = clickhouse, data, folder, 0
        self.reports: dict[str, list[ImportReport]] = {}
        for name in FILES:
            self.reports[name] = self.load(name)

    def load(self, name: str) -> list[ImportReport]:
        """Imports the files of the set in their order."""

        def store(payload: bytes, items: int) -> None:
            self._segment += 1
            meta = SegmentMeta(f"tables-{name}", self._segment, 1_772_442_000 * 10**9)
            self._ch.insert_otlp(Signal.LOGS, payload, meta)

        found = []
        for file, mapping in FILES[name]:
            path = self._data / file
            wanted = build_mapping(MAPPINGS / f"{mapping}.toml", kind=detect(path))
            found.append(
                import_file(path, wanted, store, clock=SystemClock(), quarantine=self._folder, batch_records=50_000)
            )
        return found

    def ask(self, name: str, select: str, table: str = "process_events FINAL") -> tuple[Any, ...]:
        """The first row; `select` goes on after the table with the words that filter and group."""
        what, _, more = select.partition(" WHERE ")
        where = f"TenantId = {{t:String}} AND {more or '1'}"
        row = self._ch.query(f"SELECT {what} FROM {table} WHERE {where}", {"t": f"tables-{name}"}).rows[0]
        return tuple(row)


@pytest.fixture(scope="module")
def sets(clickhouse: ClickHouse, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """All sets, imported once."""
    yield Imported(clickhouse, data, tmp_path_factory.mktemp("tables"))


def named(event: str) -> str:
    return f"EventName = 'retail.{event}'"


def test_nothing_is_broken(sets: Imported) -> None:
    for name, reports in sets.reports.items():
        for report in reports:
            assert (report.rejected, report.reasons) == (0, {}), name
            assert sum(report.by_name.values()) == report.events
            print(name, report.by_name, report.remarks, report.notes, report.elapsed_s)


