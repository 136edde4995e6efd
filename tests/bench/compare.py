"""This collector beside rotel: the same load, the same engine, one after the other, in alternating rounds.

    python -m tests.bench.compare [--quick] [--rounds 3] [--seconds 8] [--cases traces/http/10,…] [--markdown FILE]

A case is `signal/transport/items per trace`. In every round each contender starts on an empty folder, is warmed up,
loaded as fast as it answers, then at half of what it stored a second, then at 50,000 items a second. What is stored is
always compared with what was acknowledged, by distinct ids and by resource: a time without that is worth nothing.

CPU is that of all processes but the load generator's, until they are idle again, so background merges count. Exits 1
when this collector lost, doubled or stripped an item; what rotel did is printed. A number to compare on one machine, in
one run; it depends on what else runs there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.contenders import Contender, Opsintel, Rotel, Stored, default_command
from tests.bench.usage import Usage

CASES = "traces/http/10,traces/grpc/10,traces/http/1,logs/http/10,metrics/http/10"
FIXED_RATE = 50_000
DRAIN_S, STUCK_S, IDLE_S = 240.0, 6.0, 60.0
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """What is sent."""

    signal: str
    transport: str
    per_trace: int

    @classmethod
    def parse(cls, text: str) -> Case:
        signal, transport, per_trace = text.split("/")
        return cls(signal, transport, int(per_trace))

    def __str__(self) -> str:
        together = f", {self.per_trace} a trace" if self.signal != "metrics" else ""
        return f"{self.signal} over {self.transport}{together}"


@dataclass(frozen=True)
class Figures:
    """One round of one contender."""

    acked_rate: float
    stored_rate: float
    cpu: float
    cpu_by_process: dict[str, float]
    peak_mib: dict[str, float]
    half: tuple[float, float]
    fixed: tuple[float, float]
    fixed_kept: float
    lost: int
    doubled: int
    bare: int
    acked: int
    disk: float
    disk_merged: float
    generator_cpu: float
    load: float


class Round:
    """Measures one contender once."""

    def __init__(self, contender: Contender, case: Case, options: argparse.Namespace) -> None:
        self._contender, self._case, self._options = contender, case, options
        self._epoch, self._run, self.acked = time.time_ns(), 0, 0

    def send(self, seconds: float, rate: float = 0.0) -> dict[str, Any]:
        """One run of the load generator; what it reports, with the moment it began."""
        self._run += 1
        case = self._case
        command = [
            sys.executable, "-m", "tests.bench.load", "--port", str(self._contender.ports[case.transport]),
            "--signal", case.signal, "--transport", case.transport, "--per-trace", str(case.per_trace),
            "--connections", str(self._options.connections if not rate else 16), "--items", str(self._options.items),
            "--seconds", str(seconds), "--rate", str(rate), "--run", str(self._run), "--epoch", str(self._epoch),
        ]  # fmt: skip
        generator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdout.readline()
        began = time.monotonic()
        generator.stdin.write("go\n")
        generator.stdin.flush()
        report: dict[str, Any] = json.loads(generator.stdout.readline())
        generator.wait()
        self.acked += report["acked"]
        return report | {"began": began}

    def drained(self) -> float:
        """Waits until what was acknowledged is stored, or no longer becomes more; the moment of the last change."""
        best, changed = -1, time.monotonic()
        deadline, pause = changed + DRAIN_S, threading.Event()
        while time.monotonic() < deadline:
            rows = self._contender.rows(self._case.signal)
            if rows != best:
                best, changed = rows, time.monotonic()
            if rows >= self.acked or time.monotonic() - changed > STUCK_S:
                return changed
            pause.wait(0.2)
        return changed

    def idle(self, usage: Usage) -> None:
        """Waits until the processes have nothing left to do, merges included."""
        before, pause = sum(usage.cpu().values()), threading.Event()
        deadline = time.monotonic() + IDLE_S
        while time.monotonic() < deadline:
            pause.wait(1.0)
            now = sum(usage.cpu().values())
            if now - before < 0.12:
                return
            before = now

    def measure(self) -> Figures:
        """All of it."""
        contender, options, case = self._contender, self._options, self._case
        with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
            contender.start(Path(folder))
            try:
                self.send(1.0)
                self.drained()
                before = self.acked
                usage = Usage(contender.roots())
                self.idle(usage)
                start = usage.cpu()
                full = self.send(options.seconds)
                last = self.drained()
                self.idle(usage)
                cpu = {name: seconds - start[name] for name, seconds in usage.cpu().items()}
                stored_rate = (self.acked - before) / max(last - full["began"], 0.001)
                millions = max(self.acked - before, 1) / 1e6
                disk = contender.disk(case.signal) / max(self.acked, 1)
                half = self.send(options.seconds / 2, stored_rate / 2)
                self.drained()
                fixed = self.send(options.seconds / 2, FIXED_RATE)
                self.drained()
                self.idle(usage)
                usage.stop()
                stored: Stored = contender.stored(case.signal)
                contender.merge(case.signal)
                merged = contender.disk(case.signal) / max(self.acked, 1)
                return Figures(
                    full["acked"] / full["seconds"], stored_rate, sum(cpu.values()) / millions,
                    {name: seconds / millions for name, seconds in cpu.items()},
                    {name: peak / MIB for name, peak in usage.peak.items()},
                    (half["p50_ms"], half["p99_ms"]), (fixed["p50_ms"], fixed["p99_ms"]),
                    fixed["acked"] / (options.seconds / 2), self.acked - stored.distinct, stored.rows - stored.distinct,
                    stored.bare, self.acked, disk, merged, full["cpu"] / millions, os.getloadavg()[0],
                )  # fmt: skip
            finally:
                contender.stop()


# --- the table ---


def middle(rounds: Sequence[Figures], pick: Any) -> float:
    return statistics.median(pick(one) for one in rounds)


def spread(rounds: Sequence[Figures], pick: Any, digits: int = 0) -> str:
    """The median, and the extremes when there are several rounds."""
    values = sorted(pick(one) for one in rounds)
    text = f"**{statistics.median(values):,.{digits}f}**"
    return text if len(values) == 1 else f"{text} ({values[0]:,.{digits}f}–{values[-1]:,.{digits}f})"


def table(case: Case, results: dict[str, list[Figures]]) -> str:
    """Markdown: a column for each contender; median (least–most) over the rounds."""
    item = {"traces": "spans", "logs": "records", "metrics": "points"}[case.signal]
    rows: list[tuple[str, Any]] = [
        (f"acknowledged, {item}/s", lambda r: spread(r, lambda f: f.acked_rate)),
        (f"stored and queryable, {item}/s", lambda r: spread(r, lambda f: f.stored_rate)),
        (f"CPU of all processes, s a million {item}", lambda r: spread(r, lambda f: f.cpu, 1)),
        ("… by process", lambda r: ", ".join(
            f"{name} {middle(r, lambda f, name=name: f.cpu_by_process[name]):.1f}" for name in r[0].cpu_by_process)),
        ("highest resident size, MiB", lambda r: ", ".join(
            f"{name} {max(f.peak_mib[name] for f in r):,.0f}" for name in r[0].peak_mib)),
        ("ack latency at half load, ms (median / 99 %)", lambda r:
            f"{middle(r, lambda f: f.half[0]):.1f} / {middle(r, lambda f: f.half[1]):.1f}"),
        (f"ack latency at {FIXED_RATE:,} {item}/s, ms", lambda r:
            f"{middle(r, lambda f: f.fixed[0]):.1f} / {middle(r, lambda f: f.fixed[1]):.1f}"),
        (f"bytes a {item[:-1]} on disk, as stored / merged", lambda r: "the same" if not r[0].disk else
            f"{middle(r, lambda f: f.disk):.0f} / {middle(r, lambda f: f.disk_merged):.0f}"),
        ("acknowledged, in all", lambda r: f"{sum(f.acked for f in r):,}"),
        ("lost; doubled; without resource", lambda r:
            f"{sum(f.lost for f in r):,}; {sum(f.doubled for f in r):,}; {sum(f.bare for f in r):,}"),
        ("load generator's CPU, s a million", lambda r: f"{middle(r, lambda f: f.generator_cpu):.1f}"),
        ("load average at the end", lambda r: f"{middle(r, lambda f: f.load):.1f}"),
    ]  # fmt: skip
    lines = [f"### {str(case)[0].upper()}{str(case)[1:]}", "", "| | " + " | ".join(results) + " |"]
    lines.append("|---" * (len(results) + 1) + "|")
    lines += [f"| {name} | " + " | ".join(show(rounds) for rounds in results.values()) + " |" for name, show in rows]
    own = {name: rounds for name, rounds in results.items() if name.startswith("opsintel")}
    others = {name: rounds for name, rounds in results.items() if name not in own}
    for name, rounds in own.items():
        for other, theirs in others.items():
            cpu = middle(rounds, lambda f: f.cpu) / middle(theirs, lambda f: f.cpu)
            rate = middle(rounds, lambda f: f.stored_rate) / middle(theirs, lambda f: f.stored_rate)
            lines.append(f"\n{name} beside {other}: **{cpu:.2f}** of its CPU, **{rate:.2f}** of its stored rate.")
    return "\n".join(lines) + "\n"


def contenders(options: argparse.Namespace) -> list[Contender]:
    """In the order of a round."""
    command = options.opsintel.split() if options.opsintel else default_command()
    extra = dict(one.split("=", 1) for one in options.env)
    found: list[Contender] = [
        Opsintel(server=False, command=command, environment=extra),
        Opsintel(server=True, command=command, environment=extra),
        Rotel(batch=None),
        *(Rotel(batch=int(size), asynchronous=not options.sync) for size in options.batches.split(",") if size),
    ]
    return [one for one in found if options.only in one.name]


def main() -> int:
    parser = argparse.ArgumentParser(description="this collector beside rotel")
    parser.add_argument("--quick", action="store_true", help="one round of one case, 4 s, rotel's default alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of full load")
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--items", type=int, default=1_000, help="in a request")
    parser.add_argument("--batches", default="131072", help="further batch sizes for rotel")
    parser.add_argument("--sync", action="store_true", help="rotel's further batches without async_insert")
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    parser.add_argument("--opsintel", default="", metavar="CMD", help="the command that has `serve`")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a setting of this collector")
    parser.add_argument("--markdown", type=Path, help="append the tables to this file")
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.cases, options.batches = 1, 4.0, CASES.split(",")[0], ""
    broken, raw = False, []
    for case in (Case.parse(text) for text in options.cases.split(",")):
        results: dict[str, list[Figures]] = {}
        for number in range(options.rounds):
            for one in contenders(options):
                figures = Round(one, case, options).measure()
                results.setdefault(one.name, []).append(figures)
                raw.append({"case": str(case), "round": number, "contender": one.name} | asdict(figures))
                print(
                    f"{case}, round {number + 1}, {one.name}: {figures.stored_rate:,.0f}/s stored, {figures.cpu:.1f} s "
                    f"a million, {figures.lost} lost, {figures.doubled} doubled, {figures.bare} without resource",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
                if one.name.startswith("opsintel"):
                    broken |= bool(figures.lost or figures.doubled or figures.bare)
        text = table(case, results)
        print(text, flush=True)
        if options.markdown:
            with options.markdown.open("a") as file:
                file.write(text + "\n")
        if options.json:
            options.json.write_text(json.dumps(raw, indent=1))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
