"""Process intelligence beside pm4py: the same events, the same machine, alternating rounds in one run.

    python -m tests.bench.process_bench [--quick] [--logs bpic2012,1500000,10000000] [--rounds 5] [--markdown FILE]

A log is `bpic2012` (from the folder `shared` beside the repository) or a number of events to be generated. Each side is
a process of its own with the log in it: ours with the embedded engine on an empty folder, pm4py with a DataFrame in
memory. Before anything is timed both sides' answers are compared, in full: a time without that is worth nothing. Then
rounds alternate, and which side begins alternates, too; the median of the rounds counts. Logs above
`--pm4py-most` events are ours alone.

Then 10,000 new events come in, on new cases, and one each on cases of the last 30 days and of all times, picked at
random, and the case jobs' run is timed.
Exits 1 when answers differ or a goal is missed. A number to compare on one machine, in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.process_worker import Answers, Worker, differences

LOGS = "bpic2012,1500000,10000000"
NEW_EVENTS = 10_000
ASKED = ("map", "variants", "durations", "rework")


@dataclass
class Measured:
    """One log: seconds of each round by question, and what else is told."""

    log: str
    events: int = 0
    cases: int = 0
    ours: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    theirs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stored_s: float = 0.0
    cases_s: float = 0.0
    loaded_s: float = 0.0
    peak: dict[str, int] = field(default_factory=dict)
    increments: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    disk: dict[str, float] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    compared: bool = False

    def total(self, side: dict[str, list[float]]) -> float:
        """The medians of the questions, together."""
        return sum(statistics.median(side[one]) for one in ASKED)


def shared() -> Path:
    """The folder with the public logs."""
    given = os.environ.get("OPSINTEL_SHARED")
    root = Path(__file__).resolve().parents[2]
    places = [Path(given)] if given else [parent / "shared" for parent in root.parents]
    return next((place for place in places if (place / "data").is_dir()), places[0])


def measure(log: str, options: argparse.Namespace) -> Measured:
    """Everything about one log."""
    found = Measured(log)
    with tempfile.TemporaryDirectory(prefix="process-bench-", dir=options.folder) as folder:
        ours = Worker("tests.bench.process_ours")
        theirs: Worker | None = None
        try:
            prepare(found, ours, Path(folder))
            if found.events <= options.pm4py_most:
                file = str(Path(folder) / "log.parquet")
                tell(found, "ours: export", ours, "export", file=file, starts=log.isdigit())
                theirs = Worker("tests.bench.process_pm4py")
                found.loaded_s = tell(found, "pm4py: load", theirs, "load", file=file)
            compare(found, ours, theirs)
            for number in range(options.rounds):
                sides = [(ours, found.ours, "ours"), *([(theirs, found.theirs, "pm4py")] if theirs else [])]
                for worker, times, name in sides if number % 2 else reversed(sides):
                    for question in ASKED:
                        reply = worker.tell("ask", question=question)
                        times[question].append(reply["seconds"])
                        remember(found, f"{name}: questions", reply)
            if theirs:
                theirs.close()
                theirs = None
            for kind in ("new", "recent", "old"):
                for number in range(options.increments):
                    done = tell(found, "ours: increment", ours, "increment", kind=kind, round=number, count=NEW_EVENTS)
                    if done["rebuilt"] or not done["cases"]:
                        found.differences.append(f"an increment on {kind} cases: {done}")
                    found.increments[kind].append(done["seconds"])
        finally:
            for worker in (ours, theirs):
                if worker:
                    worker.close()
    return found


def prepare(found: Measured, ours: Worker, folder: Path) -> None:
    """The log in the engine, and its cases."""
    tell(found, "ours: store", ours, "open", folder=str(folder / "data"))
    if found.log.isdigit():
        stored = tell(found, "ours: store", ours, "generate", events=int(found.log))
    else:
        file = shared() / "data" / found.log / f"{found.log}.parquet"
        stored = tell(found, "ours: store", ours, "take_in", file=str(file))
    found.events, found.stored_s = int(stored["events"]), stored["seconds"]
    made = tell(found, "ours: make cases", ours, "make_cases")
    found.cases, found.cases_s = int(made["cases"]), made["seconds"]
    found.disk = tell(found, "ours: make cases", ours, "size")


def compare(found: Measured, ours: Worker, theirs: Worker | None) -> None:
    """Notes where the two sides differ; this is also the round that warms up."""
    if theirs:
        one, other = (Answers.read(worker.tell("answers")["answers"]) for worker in (ours, theirs))
        found.differences, found.compared = differences(one, other), True
        found.cases = one.cases


def tell(found: Measured, phase: str, worker: Worker, method: str, **arguments: Any) -> Any:
    """Calls a worker and remembers its memory."""
    reply = worker.tell("call", method=method, arguments=arguments)
    remember(found, phase, reply)
    return reply["result"]


def remember(found: Measured, phase: str, reply: dict[str, Any]) -> None:
    """The highest resident size of a phase."""
    found.peak[phase] = max(found.peak.get(phase, 0), reply["peak_mib"])


def goals(found: Measured) -> list[tuple[str, bool]]:
    """What was wished for, and whether it was reached."""
    wished = [("the answers agree", not found.differences)]
    if found.theirs and 1_000_000 < found.events < 2_000_000:
        ratio = found.total(found.theirs) / found.total(found.ours)
        wished.append((f"8 times as fast as pm4py: {ratio:.1f}", ratio >= 8))
    if found.events > 9_000_000:
        seconds = found.total(found.ours)
        wished.append((f"all four questions on 10 million events in 5 s: {seconds:.2f} s", seconds < 5))
    for kind, times in found.increments.items():
        seconds = statistics.median(times)
        wished.append((f"{NEW_EVENTS:,} new events on {kind} cases in 1 s: {seconds:.2f} s", seconds < 1))
    return wished


def page(found: Measured, rounds: int) -> str:
    """The table of one log, in Markdown."""
    agreed = "the answers agree" if found.compared and not found.differences else "the answers differ"
    beside = f"; {agreed}" if found.compared else "; not asked of pm4py"
    lines = [
        f"### {found.log}: {found.events:,} events, {found.cases:,} cases",
        "",
        f"Median of {rounds} rounds, seconds (lowest to highest){beside}.",
        "",
        "| question | opsintel | pm4py | times as fast |",
        "|---|---|---|---|",
        *(row(question, found.ours[question], found.theirs.get(question, [])) for question in ASKED),
    ]
    ours = found.total(found.ours)
    if found.theirs:
        theirs = found.total(found.theirs)
        lines.append(f"| **all** | **{ours:.3f}** | **{theirs:.3f}** | **{theirs / ours:.1f}** |")
    else:
        lines.append(f"| **all** | **{ours:.3f}** | | |")
    lines += [
        "",
        f"Before: events stored in {found.stored_s:.1f} s, cases made in {found.cases_s:.1f} s"
        + (f"; pm4py read and formatted its frame in {found.loaded_s:.1f} s." if found.theirs else "."),
        "On disk, MiB: " + ", ".join(f"`{name}` {size:.0f}" for name, size in sorted(found.disk.items())) + ".",
        "Highest resident size, MiB: " + ", ".join(f"{name} {size:,}" for name, size in found.peak.items()) + ".",
        "",
        *(
            f"- {NEW_EVENTS:,} new events on {kind} cases: {', '.join(f'{one:.2f}' for one in times)} s"
            for kind, times in found.increments.items()
        ),
        "",
        *(f"- {'reached' if reached else '**missed**'}: {goal}" for goal, reached in goals(found)),
        *(f"- differs: {one}" for one in found.differences[:10]),
        "",
    ]
    return "\n".join(lines)


def row(name: str, ours: list[float], theirs: list[float]) -> str:
    """One question."""

    def cell(times: list[float]) -> str:
        return f"{statistics.median(times):.3f} ({min(times):.3f}–{max(times):.3f})" if times else ""

    ratio = f"{statistics.median(theirs) / statistics.median(ours):.1f}" if theirs else ""
    return f"| {name} | {cell(ours)} | {cell(theirs)} | {ratio} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", default=LOGS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--increments", type=int, default=3, help="runs of the case jobs for each kind of new events")
    parser.add_argument("--pm4py-most", type=int, default=2_000_000, help="above so many events pm4py is not asked")
    parser.add_argument("--quick", action="store_true", help="bpic2012 and 300,000 events, three rounds")
    parser.add_argument("--folder", help="where the logs are kept meanwhile; 10 million events take about 2 GB")
    parser.add_argument("--markdown", type=Path, help="also writes the tables to this file")
    parser.add_argument("--json", type=Path, help="also writes every figure to this file")
    options = parser.parse_args()
    if options.quick:
        options.logs, options.rounds = "bpic2012,300000", 3
    reached, pages, figures = True, [], []
    load = f"load average {os.getloadavg()[0]:.1f} at the beginning, {os.cpu_count()} cores, {platform.machine()}"
    print(load, flush=True)
    for log in options.logs.split(","):
        found = measure(log, options)
        pages.append(page(found, options.rounds))
        figures.append(vars(found))
        print(pages[-1], flush=True)
        reached = reached and all(done for _, done in goals(found))
    if options.markdown:
        options.markdown.write_text("\n".join((load, "", *pages)))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
