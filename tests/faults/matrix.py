"""The fault matrix: every fault at every stage, made on the real product, and what was observed.

    python -m tests.faults.matrix [--out docs/fault-matrix.md] [--only TEXT …] [--keep]

Fails when a row breaks the promise. What it prints and writes is what was seen, not what was hoped for.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults.observed import Observed, observe
from tests.faults.report import Result, page
from tests.faults.rig import Unable
from tests.faults.rows import ROWS, Row


def run(row: Row, folder: Path) -> Result:
    """Makes the fault, lets the product recover, and looks."""
    folder.mkdir(parents=True)
    started = time.monotonic()
    try:
        with row.rig(folder) as rig:
            row.work(rig)
            rig.settle()
            seen = observe(rig)
    except Unable as reason:
        return Result(row, None, [], str(reason), time.monotonic() - started)
    except Exception as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0][:160]
        return Result(row, None, [f"{type(error).__name__}: {first}"], "", time.monotonic() - started)
    problems = seen.problems(refused_may_be_stored=row.refused_may_be_stored, ledger_anew=row.ledger_anew)
    return Result(row, seen, problems, "", time.monotonic() - started)


def line(result: Result) -> str:
    """For people who watch."""
    seen = result.seen or Observed()
    return (
        f"{result.verdict:7} {result.row.fault} / {result.row.stage}: {seen.acknowledged} acknowledged, "
        f"{seen.lost} lost, {seen.doubled} doubled, {seen.quarantined} quarantined, {seen.duplicates} duplicates, "
        f"{seen.recovery_s:.1f} s to recover, {result.seconds:.0f} s in all"
        + "".join(f"\n        {one}" for one in [*result.problems, *filter(None, [result.skipped])])
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="make every fault on the real product and write down what was seen")
    parser.add_argument("--out", type=Path, help="the page to write")
    parser.add_argument("--only", nargs="*", default=[""], help="rows whose fault or stage contains one of these")
    parser.add_argument("--keep", action="store_true", help="keep the folders of rows that fail")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    wanted = [row for row in ROWS if any(text.lower() in row.words for text in options.only)]
    results = []
    base = Path(tempfile.mkdtemp(prefix="fault-matrix-"))
    for row in wanted:
        folder = base / row.name
        result = run(row, folder)
        results.append(result)
        print(line(result), flush=True)
        if not (options.keep and result.problems):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"        kept: {folder}")
    if not options.keep:
        shutil.rmtree(base, ignore_errors=True)
    if options.out:
        options.out.write_text(page(results))
    bad = sum(1 for result in results if result.problems)
    print(f"{len(results)} rows, {bad} of them bad")
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main())
