"""The page of the fault matrix, from results alone."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from tests.faults.observed import Observed
from tests.faults.row import Row

HEAD = """# The fault matrix

`make fault-matrix` writes this page (`python -m tests.faults.matrix --out docs/fault-matrix.md`; `--only TEXT` runs a part).
Every row starts the service as its users do (an owner of the engine and, unless the row says otherwise, two receiver
processes), pushes traces, logs and metric points over gRPC, HTTP/protobuf and HTTP/JSON, makes the fault, lets the service
recover without hands, sends again what exporters would send again, and then compares three books: what the clients were
told, what the ledger says, and what is in the tables. Every item is unique, so *lost* and *doubled* are counted, not
estimated. A row fails unless every acknowledged item is stored exactly once or is in quarantine, no item is stored twice,
nothing is pending, every refusal carries a delay, the ledger balances and what it calls stored is what the tables hold.

**embedded**: the engine is in the owner's process. **server**: ClickHouse's HTTP interface, served by the test suite's own
server over the embedded engine, because faults on that way can only be made there.

- *acknowledged*, *stored*, *distinct*, *quarantined*, *duplicates*: items. *unknown*: items of requests for which a client once
  got no answer; half of the clients send those again, and what was stored before is then counted among the duplicates.
- *refused*: requests, by code; each had a `Retry-After` or `RetryInfo`.
- *restarts*: how often the service was started after the first time, and receivers by their supervisor.
- *recovery*: seconds from the end of the fault (or the new start) until nothing was pending.
"""


@dataclass
class Result:
    """One row and what was seen; `skipped` says why it could not be made here."""

    row: Row
    seen: Observed | None
    problems: list[str]
    skipped: str
    seconds: float

    @property
    def verdict(self) -> str:
        """In a word."""
        return "skipped" if self.skipped else "FAILS" if self.problems else "holds"


COLUMNS = (
    "fault", "stage", "store", "acknowledged", "unknown", "refused", "stored", "distinct", "lost", "doubled",
    "quarantined", "duplicates", "pending", "restarts", "recovery", "seen besides", "verdict",
)  # fmt: skip


def page(results: list[Result]) -> str:
    """Markdown."""
    lines = [HEAD, "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_cells(result)) + " |" for result in results]
    seen = [result.seen for result in results if result.seen]
    bad = sum(1 for result in results if result.problems)
    skipped = sum(1 for result in results if result.skipped)
    lines += [
        "",
        f"{len(results)} rows: {len(results) - bad - skipped} hold, {bad} fail, {skipped} skipped. "
        f"{sum(one.acknowledged for one in seen):,} items acknowledged, {sum(one.lost for one in seen)} lost, "
        f"{sum(one.doubled for one in seen)} doubled.",
        "",
        f"Made on {datetime.now(UTC):%Y-%m-%d} in {sum(result.seconds for result in results) / 60:.0f} minutes: "
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"chDB {version('chdb')}.",
        "",
    ]
    if bad:
        lines += [
            f"- **{one.row.fault}, {one.row.stage}**: {'; '.join(one.problems)}" for one in results if one.problems
        ]
        lines.append("")
    return "\n".join(lines)


def _cells(result: Result) -> list[str]:
    row, seen = result.row, result.seen
    start = [row.fault, row.stage, row.store]
    if seen is None:
        return [*start, *[""] * (len(COLUMNS) - len(start) - 2), result.skipped, result.verdict]
    restarts = str(seen.starts - 1) + (f" + {seen.receivers_restarted}" if seen.receivers_restarted else "")
    refused = ", ".join(f"{count} × {code}" for code, count in sorted(seen.refusals.items())) or "0"
    counts = (seen.stored, seen.distinct, seen.lost, seen.doubled, seen.quarantined, seen.duplicates, seen.pending)
    return [
        *start, str(seen.acknowledged), str(seen.unknown), refused, *map(str, counts), restarts,
        f"{seen.recovery_s:.1f} s", "; ".join(seen.notes), result.verdict,
    ]  # fmt: skip
