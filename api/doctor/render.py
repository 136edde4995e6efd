"""A report for people: one line for each check, then what is not well, why it matters and what to do."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from api.doctor.model import Finding, Report, Status

MARKS = {Status.OK: ("✓", "green"), Status.WARN: ("!", "yellow"), Status.FAIL: ("✗", "red")}


def render(report: Report, console: Console) -> None:
    """Prints it; colours only where the console has them."""
    console.print(Text(f"opsintel {report.version}, {report.subject}", style="bold"))
    console.print(Text(f"{report.at:%Y-%m-%d %H:%M:%S} UTC", style="dim"))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    area = ""
    for one in report.findings:
        if one.area != area:
            table.add_row("", "", "")
            area = one.area
        mark, colour = MARKS[one.status]
        seen = Text(one.seen, style="" if one.status is Status.OK else colour)
        table.add_row(Text(mark, style=colour), Text(one.id), seen)
    console.print(table)
    troubled = [one for status in (Status.FAIL, Status.WARN) for one in report.findings if one.status is status]
    for one in troubled:
        console.print()
        _detail(one, console)
    console.print()
    console.print(_verdict(report))


def _detail(one: Finding, console: Console) -> None:
    mark, colour = MARKS[one.status]
    console.print(Text.assemble((f"{mark} {one.id}", f"bold {colour}"), "  ", one.seen))
    for label, text in (("why", one.why), ("do", one.todo)):
        if text:
            line = Table.grid(padding=(0, 1))
            line.add_column(width=4, style="dim")
            line.add_column(overflow="fold")
            line.add_row(label, Text(text))
            console.print(Padding(line, (0, 0, 0, 2)))


def _verdict(report: Report) -> Text:
    fails, warns, fine = (report.count(one) for one in (Status.FAIL, Status.WARN, Status.OK))
    parts = []
    if fails:
        parts.append((f"{fails} {'failure' if fails == 1 else 'failures'}", "bold red"))
    if warns:
        parts.append((f"{warns} {'warning' if warns == 1 else 'warnings'}", "yellow"))
    parts.append((f"{fine} ok", "green"))
    text = Text()
    for number, (words, style) in enumerate(parts):
        text.append(", " if number else "").append(words, style=style)
    return text
