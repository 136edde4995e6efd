"""Event logs that other people made: every answer against independent code. Each log is imported once and asked twice.

The summary equals answers computed by independent code and, in every edge, variant and time, those that plain Python
computes from the stored events; map and variants tell the same; and so does pm4py on the file itself. The files and the
check live beside the repository, see test_import_real_logs.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector.importers import ImportReport
from core import SystemClock
from kpis.process import ProcessSummary, process_summary
from kpis.process.cases import CaseJobs, CasesReport
from kpis.process.process_map import ProcessMap, process_map
from kpis.process.summary import rework_by_step
from kpis.process.variants import variants
from storage import ClickHouse
from tests.bench.process_worker import differences
from tests.integration.oracle_process import assert_tells, process_of, stored
from tests.integration.test_import_real_logs import LOGS, checked, importer, shared
from tests.integration.test_process_oracle import oracle, ours

__all__ = ["oracle", "shared"]

pytestmark = pytest.mark.acceptance


def rare(log_id: str) -> Any:
    """The longest logs, of 262,200 and 164,506 events, come in `make blackbox`; the next has 22,367."""
    return pytest.param(log_id, marks=pytest.mark.blackbox) if log_id.startswith("bpic2012") else log_id


PM4PY = [rare(name) for name in LOGS if not name.startswith(("ocel", "olist"))]


@dataclass(frozen=True)
class Imported:
    """A log of LOGS under its own id as the stream, for a tenant of its own."""

    log_id: str
    tenant: str
    report: ImportReport


@pytest.fixture(scope="module", params=[rare(one) for one in LOGS])
def log(
    request: pytest.FixtureRequest, shared: Path, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Imported:
    log_id: str = request.param
    tenant = f"real-{log_id.replace('_', '-')}"
    return Imported(log_id, tenant, importer(shared, clickhouse, tenant, tmp_path_factory.mktemp("aside"))(log_id))


@pytest.fixture(scope="module")
def made(log: Imported, clickhouse: ClickHouse) -> CasesReport:
    """What the job told that made the log's cases."""
    return CaseJobs(clickhouse, SystemClock()).run_once(log.tenant, log.log_id)


def test_answers_from_cases_are_right(
    shared: Path, log: Imported, made: CasesReport, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    assert made.cases == log.report.cases
    summary = process_summary(clickhouse, log.tenant, log.log_id)
    assert (log.report.rejected, log.report.events, log.report.cases) == (0, summary.events, summary.cases)
    checked(shared, tmp_path, log.log_id, summary)
    assert_tells(summary.to_json(), process_of(stored(clickhouse, log.tenant, log.log_id)))
    assert_map_tells_the_same(process_map(clickhouse, log.tenant, log.log_id), summary)
    shares = variants(clickhouse, log.tenant, log.log_id, limit=100_000)
    assert {one.steps: one.cases for one in shares.variants} == {v.activities: v.count for v in summary.variants}
    assert (shares.total, shares.cases) == (len(summary.variants), summary.cases)
    assert sum(one.cases for one in shares.variants if one.rework) == summary.rework_cases
    again = rework_by_step(clickhouse, log.tenant, log.log_id)
    assert max(again.values(), default=0) <= summary.rework_cases <= sum(again.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("log", PM4PY, indirect=True)
def test_pm4py_answers_the_same(
    oracle: Any, shared: Path, log: Imported, made: CasesReport, clickhouse: ClickHouse
) -> None:
    """It reads the file itself, so this also tells that nothing was lost or turned around on the way."""
    frame = read(oracle, shared, log.log_id)
    assert made.cases
    assert differences(ours(clickhouse, log.tenant, log.log_id), oracle.answers(oracle.formatted(frame))) == []


def read(oracle: Any, shared: Path, log_id: str) -> Any:
    """The columns that matter, rows in the order of the file."""
    import pandas as pd

    answer = json.loads((shared / "data" / "answers.json").read_text())["process_logs"][log_id]
    path = shared / "data" / answer["file"]
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={oracle.CASE: str})
    for keep in LOGS[log_id].get("keep", []):
        frame = frame[frame[keep["column"]] == keep["equals"]]
    for column in {oracle.AT, oracle.START} & set(frame):
        frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    wanted = [oracle.CASE, oracle.STEP, oracle.AT]
    if LOGS[log_id]["columns"].get("start"):
        wanted.append(oracle.START)
    return frame[wanted].dropna(subset=wanted[:3])


def assert_map_tells_the_same(found: ProcessMap, summary: ProcessSummary) -> None:
    """The map and the summary share their numbers."""
    assert (found.cases, found.events) == (summary.cases, summary.events)
    assert sum(one.count for one in found.steps) == summary.events
    assert len(found.steps) == summary.activities
    assert sum(one.starts for one in found.steps) == sum(one.ends for one in found.steps) == summary.cases
    edges = {(one.from_step, one.to_step): one for one in found.transitions}
    assert len(edges) == len(found.transitions) == len(summary.edges)
    for edge in summary.edges:
        one = edges[edge.from_step, edge.to_step]
        assert (one.count, one.gap.median_s) == (edge.count, edge.median_s)
        assert one.gap.mean_s == pytest.approx(edge.mean_s, rel=1e-12, abs=1e-9)
        assert 0 < one.cases <= one.count
        assert one.gap.median_s <= one.gap.p90_s <= one.gap.p95_s
