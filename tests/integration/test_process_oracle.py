"""pm4py as oracle: every edge, variant, duration and rework on random logs; on real ones: test_answers_on_real_logs.py.

pm4py is AGPL: an oracle of tests and the benchmark's opponent. It comes with the extra `oracle`; the product must not
know it, which the last test sees to.
"""

from __future__ import annotations

import ast
import itertools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from kpis.process.cases import CaseJobs
from kpis.process.filters import ask
from kpis.process.process_map import process_map
from kpis.process.summary import rework_by_step, totals_of_cases
from storage import ClickHouse
from tests.bench.process_worker import Answers, differences, digest
from tests.support.examples import examples
from tests.unit.kpis_process.conftest import E, event, insert

__all__ = ["event", "insert"]

pytestmark = pytest.mark.filterwarnings("ignore")
"""What pm4py and pandas say about one another is not ours to mend."""

ROOT = Path(__file__).parents[2]
Insert = Callable[..., None]
RUNS = itertools.count(1)


@pytest.fixture(scope="module")
def oracle() -> Any:
    pytest.importorskip("pm4py", reason="the oracle comes with the extra `oracle`")
    from tests.bench import process_pm4py

    return process_pm4py


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), dict)


def ours(ch: ClickHouse, tenant: str, stream: str) -> Answers:
    """The product's answers from `cases`, in the benchmark's shape."""
    found = process_map(ch, tenant, stream)
    totals = totals_of_cases(ch, tenant, stream)
    sequences = ask(ch, "summary_variants", tenant, stream).rows
    return Answers(
        cases=found.cases,
        events=found.events,
        edges={f"{t.from_step} > {t.to_step}": (t.count, t.gap.mean_s, t.gap.median_s) for t in found.transitions},
        starts={one.step: one.starts for one in found.steps if one.starts},
        ends={one.step: one.ends for one in found.steps if one.ends},
        variants=len(sequences),
        sequences=digest(sequences),
        durations={"median": totals.median_s, "mean": totals.mean_s, "p90": totals.p90_s},
        rework=dict(rework_by_step(ch, tenant, stream)),
    )


LOG = st.lists(
    st.tuples(st.sampled_from("123"), st.sampled_from("abc"), st.integers(0, 9), st.none() | st.integers(0, 5)),
    min_size=1,
    max_size=25,
)


@given(LOG)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_on_a_random_log(
    oracle: Any, clickhouse: ClickHouse, tenant: str, insert: Insert, jobs: CaseJobs, log: Any
) -> None:
    """Ties, overlaps, known and unknown starts, cases of one event."""
    import pandas as pd

    stream = f"random-{next(RUNS)}"
    insert([E(case, step, at + (took or 0), None if took is None else at) for case, step, at, took in log], stream)
    jobs.run_once(tenant, stream)
    ends = [at + (took or 0) for _, _, at, took in log]
    frame = pd.DataFrame(
        {
            oracle.CASE: [row[0] for row in log],
            oracle.STEP: [row[1] for row in log],
            oracle.AT: pd.to_datetime(ends, unit="s", utc=True),
            oracle.START: pd.to_datetime([at for _, _, at, _ in log], unit="s", utc=True),
        }
    )
    assert differences(ours(clickhouse, tenant, stream), oracle.answers(oracle.formatted(frame))) == []


def test_the_comparison_can_fail() -> None:
    """A count, a time and a sequence that differ are all seen."""
    one = Answers(1, 2, {"a > b": (1, 5.0, 5.0)}, {"a": 1}, {"b": 1}, 1, digest([("ab", 1)]), {"mean": 5.0}, {})
    other = Answers(1, 2, {"a > b": (1, 5.1, 5.0)}, {"a": 2}, {"b": 1}, 1, digest([("ba", 1)]), {"mean": 5.0}, {})
    assert [text.split(":")[0] for text in differences(one, other)] == ["starts", "sequences", "edge a > b"]
    assert differences(one, one) == []


# --- the product does not know it ---


def test_no_room_of_the_product_imports_the_oracle() -> None:
    """Its licence (AGPL) would be the product's. Lazy imports count, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(rooms) >= 10
    for file in itertools.chain.from_iterable((ROOT / room).rglob("*.py") for room in rooms):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "pm4py" for name in names), file
    assert not any(one.startswith("pm4py") for one in project["project"]["dependencies"])
