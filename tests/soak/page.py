"""The page and the chart of a soak."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.soak.judge import OWNER_MIB_PER_HOUR, RECEIVER_MIB_PER_HOUR, Trend
from tests.soak.retailer import Told
from tests.soak.samples import Sample

WIDTH, HEIGHT, LEFT, BOTTOM = 760, 320, 60, 40
COLOURS = ("#1f5fa8", "#b3541e", "#2d7d46", "#7a3f9d", "#8a6d1a", "#4a4a4a")


@dataclass
class Verdict:
    """Everything that was seen."""

    hours: float
    speed: float
    seconds: float
    trends: list[Trend]
    growth: dict[str, float]
    books: list[list[Any]]
    told: Told
    problems: list[str]
    most_log_bytes: int
    most_parts: int
    most_pending: int
    kills: int
    pauses: int
    stopped_s: float
    chart: str


def page(seen: Verdict) -> str:
    """Markdown."""
    told = seen.told
    total = sum(told.acknowledged.values())
    lines = [
        "# The soak",
        "",
        "`make soak` writes this page (`python -m tests.soak.soak --equivalent-hours 4 --speed 24 --out docs/soak.md`): the load of a",
        "mid-size retailer (120 stores, 9,000 orders a day: 64 items a second on average, as traces over gRPC, logs, metrics and",
        "CloudEvents over HTTP, and Prometheus remote write), in accelerated time. The times in the data and the intervals of the jobs",
        "(KPIs, alerts, balance, retention) are as much faster. 2 % of the requests are sent twice, 1 % are nonsense, some spans",
        "are from the far future; in every equivalent hour a receiver is killed and the engine's owner stands still for three seconds.",
        "",
        f"**{seen.hours:g} hours at {seen.speed:g} times the speed, {seen.seconds:.0f} s: "
        + ("holds.**" if not seen.problems else "does not hold.**"),
        "",
        *[f"- {one}" for one in seen.problems],
        *([""] if seen.problems else []),
        "![Memory of every process](soak.svg)",
        "",
        "## Memory, files, threads",
        "",
        "Least squares over the second half; growth in an equivalent hour. Flat means at most "
        f"{OWNER_MIB_PER_HOUR:.0f} MiB for the owner of the engine, {RECEIVER_MIB_PER_HOUR:.0f} MiB for a receiver.",
        "",
        "Open files do not count the three counters that the engine keeps for each of its threads, which threads bound.",
        "",
        "| process | mean MiB | peak MiB | growth, MiB | open files | growth | threads | growth |",
        "|---|---|---|---|---|---|---|---|",
        *[
            f"| {one.name} | {one.rss:.0f} | {one.peak:.0f} | {one.rss_growth:+.1f} | {one.fds} | {one.fds_growth:+.1f} | "
            f"{one.threads} | {one.threads_growth:+.1f} |"
            for one in seen.trends
        ],
        "",
        "Growth of the log, parts and pending items in an equivalent hour: "
        + ", ".join(f"{name} {value:+.2f}" for name, value in seen.growth.items())
        + f". At most {seen.most_log_bytes / (1 << 20):.1f} MiB in the log, {seen.most_parts} parts on disk, "
        f"{seen.most_pending:,} items pending.",
        "",
        "## The books",
        "",
        "| signal | acknowledged | of these sent twice | received | stored | quarantined | duplicates | pending | rows |",
        "|---|---|---|---|---|---|---|---|---|",
        *["| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in line) + " |" for line in seen.books],
        "",
        "Acknowledged less sent twice is stored plus quarantined, to the item; duplicates are what was sent twice and what exporters",
        "sent again because they had no answer.",
        "",
        f"{total:,} items in {told.requests:,} requests, {total / seen.seconds:,.0f} a second. {seen.kills} receivers killed, "
        f"{seen.pauses} pauses of the owner; {sum(told.unknown.values())} requests without an answer, "
        f"refused: {dict(told.refused) or 'none'}; nonsense: {dict(told.bad) or 'none'}. "
        f"SIGTERM at the end took {seen.stopped_s:.1f} s and left nothing in the log.",
        "",
        f"Made on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} processors, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; the senders run on the same machine.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def chart(processes: Mapping[str, Sequence[Sample]], speed: float) -> str:
    """An SVG of resident memory over equivalent hours."""
    samples = [one for found in processes.values() for one in found]
    last = max((one.at for one in samples), default=1.0) * speed / 3600
    most = max((one.rss for one in samples), default=1.0) * 1.1
    wide, high = WIDTH - LEFT - 20, HEIGHT - BOTTOM - 20

    def place(hour: float, mebibytes: float) -> tuple[float, float]:
        return LEFT + hour / last * wide, 20 + high - mebibytes / most * high

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<title>Resident memory of every process</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for step in range(5):
        x, y = place(last * step / 4, most * step / 4)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 20}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * step / 4:.0f} MiB</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 22}" text-anchor="middle">{last * step / 4:.1f} h</text>')
    for number, (name, found) in enumerate(processes.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*place(one.at * speed / 3600, one.rss)) for one in found)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{LEFT + number * 110}" y="{HEIGHT - 6}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
