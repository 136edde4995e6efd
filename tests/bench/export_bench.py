"""How long an export of many rows takes, and how much memory: a run by hand, no test.

    python -m tests.bench.export_bench [ROWS] [xlsx|csv|parquet]

Stores hourly values of one KPI by dimension value in an embedded engine of its own, and exports them all. Memory: the
process's peak before and after; what the engine holds is in both. CPU: of all threads; it says
more than the clock where others compete for the cores.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from core import load_settings
from kpis import load_catalogue
from kpis.exports.build import ExportQuestion, build_report
from kpis.exports.formats import format_named
from storage import ClickHouse, migrate_clickhouse, open_clickhouse
from tests.unit.kpis_exports.reports import NOW, START, store

HOURS = 1_000
HOUR = timedelta(hours=1)
KPI = {"KpiId": "integration_failure_rate", "Basis": "", "Dimension": "edge", "Grain": "hour"}


def main(rows: int, name: str) -> None:
    """Prints one line; the file is thrown away."""
    kind = format_named(name)
    with tempfile.TemporaryDirectory() as folder:
        ch = open_clickhouse(load_settings(data_dir=Path(folder)))
        try:
            migrate_clickhouse(ch)
            _fill(ch, rows)
            question = ExportQuestion(START, START + HOURS * HOUR, "hour", (KPI["KpiId"],), ("edge",))
            before, started, worked = _peak_mib(), time.perf_counter(), time.process_time()
            with (Path(folder) / f"values.{kind.name}").open("w+b") as file:
                kind.write(build_report(ch, "bench", load_catalogue(), question, now=NOW), file)
                size = file.seek(0, 2)
            took, cpu, after = time.perf_counter() - started, time.process_time() - worked, _peak_mib()
        finally:
            ch.close()
    work = f"{took:.2f} s ({cpu:.2f} s of CPU)"
    print(f"{name}: {rows:,} rows, {work}, {size / 2**20:.1f} MiB, peak {before:.0f} -> {after:.0f} MiB")


def _fill(ch: ClickHouse, rows: int) -> None:
    for edge in range(-(-rows // HOURS)):
        hours = min(HOURS, rows - edge * HOURS)
        one = KPI | {"DimensionValue": f"orders->edge {edge:04}"}
        store(ch, "bench", [one | {"BucketStart": START + n * HOUR, "Value": n / HOURS} for n in range(hours)])


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, sys.argv[2] if len(sys.argv) > 2 else "xlsx")
