"""`opsintel process …`: every answer about cases, from a stopped service's data directory or a running service."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli_data import Tenant, Token, Url, ask
from api.process import ANSWERS, Answer, Parameter
from api.process_refresh import rebuild_cases, refresh_cases
from core import DEFAULT_TENANT, SystemClock, load_settings
from core.wording import span
from kpis import ProcessModels

SHOWN, LISTED, WRITTEN = 25, 50, 300
"""Rows of a table, elements of a list in it, characters of a text in it; `--json` has all."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?\+00:00")


def register(process: typer.Typer) -> None:
    """Adds a command for each answer, and one that makes cases anew."""
    for answer in ANSWERS:
        process.command(answer.name, help=f"{answer.summary}.")(_command(answer))
    process.command("rebuild")(rebuild)


def rebuild(stream: Annotated[str, typer.Argument(help="The value stream.")], tenant: Tenant = DEFAULT_TENANT) -> None:
    """Make all cases of a stream anew from its events and spans, on a stopped service's data directory."""
    from api.composition import opened_stores

    settings = load_settings()
    models = ProcessModels(settings.process_models_dir)
    with opened_stores(settings) as stores:
        cases = rebuild_cases(stores.ch, SystemClock(), models, tenant, stream)
    typer.echo(f"{stream}: {cases:,} cases")


def _command(answer: Answer) -> Callable[..., None]:
    """A function whose signature has the stream, the filter and the answer's own options, as Typer wants it."""

    def run(**given: Any) -> None:
        values = {one.name: _texts(given[one.name]) for one in answer.parameters if given[one.name]}
        found = _answered(answer, given["stream"], values, given["url"], given["token"], given["tenant"])
        if given["as_json"]:
            json.dump(found, sys.stdout, ensure_ascii=False)
            sys.stdout.write("\n")
        else:
            _show(answer, found)

    fixed = [
        _parameter("stream", str, typer.Argument(help="The value stream."), inspect.Parameter.empty),
        *(_option(one) for one in answer.parameters),
        _parameter("as_json", bool, typer.Option("--json", help="The whole answer as JSON."), False),
        inspect.Parameter("url", inspect.Parameter.KEYWORD_ONLY, default="", annotation=Url),
        inspect.Parameter("token", inspect.Parameter.KEYWORD_ONLY, default="", annotation=Token),
        inspect.Parameter("tenant", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT_TENANT, annotation=Tenant),
    ]
    run.__signature__ = inspect.Signature(fixed)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in fixed}
    return run


def _parameter(name: str, kind: Any, how: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, how])


def _option(one: Parameter) -> inspect.Parameter:
    kind: Any = list[str] if one.repeated else str
    flag = f"--{one.name.replace('_', '-')}"
    return _parameter(one.name, kind, typer.Option(flag, help=one.help, show_default=False), [] if one.repeated else "")


def _texts(given: Any) -> Sequence[str]:
    return [given] if isinstance(given, str) else list(given)


def _answered(answer: Answer, stream: str, values: dict[str, Sequence[str]], url: str, token: str, tenant: str) -> Any:
    if url:
        return ask(url, token, f"/api/v1/processes/{quote(stream, safe='')}/{answer.name}", values)
    from api.composition import opened_stores

    clock, settings = SystemClock(), load_settings()
    models = ProcessModels(settings.process_models_dir)
    with opened_stores(settings) as stores:
        refresh_cases(stores.ch, clock, models, tenant, stream)
        return answer.of(stores.ch, tenant, stream, clock.now(), models.current, values)


# --- on a terminal ---


def _show(answer: Answer, found: Any) -> None:
    console = Console()
    lengths = {name: len(found[name]) for name in answer.figures if isinstance(found.get(name), list)}
    _show_line(console, "", found | lengths)
    for name in answer.figures:
        if isinstance(value := found.get(name), dict):
            _show_line(console, name, value)
    rows = found.get(answer.rows, [])
    if not rows:
        console.print("no rows" if _matched(found) else "nothing matches")
        return
    table = Table(header_style="bold")
    for heading, path in answer.columns.items():
        number = isinstance(_dig(rows[0], path), int | float)
        table.add_column(heading, justify="right" if number else "left", no_wrap=number)
    for row in rows[:SHOWN]:
        table.add_row(*(_text(path, _dig(row, path)) for path in answer.columns.values()))
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"{len(rows) - SHOWN:,} more with --json")


def _show_line(console: Console, name: str, found: Mapping[str, Any]) -> None:
    """The values of an object side by side. Where its name says a unit, it is that of its values."""
    unit = "_s" if name.endswith("_s") else ""
    single = {one: value for one, value in found.items() if not isinstance(value, list | dict)}
    words = [name.removesuffix("_s").replace("_", " ")] if name else []
    words += [f"{one} [bold]{_text(one + unit, value)}[/]" for one, value in single.items()]
    console.print("  ".join(words), highlight=False)


def _dig(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _text(name: str, value: Any) -> str:
    """For a terminal: with brackets in names shown, and not taken for markup."""
    if value is None:
        return "–"
    if isinstance(value, list):
        more = [f"… {len(value) - LISTED:,} more"] if len(value) > LISTED else []
        return (" → " if name == "steps" else "; ").join([*map(_plain, value[:LISTED]), *more])
    if isinstance(value, str) and (moment := _MOMENT.fullmatch(value)):
        return f"{moment[1]} {moment[2]}Z"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(value)
    if name.endswith("_s"):
        return span(value)
    if name.endswith(("share", "rate", "fitness", "efficiency")) or name.startswith("p_"):
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def _plain(value: Any) -> str:
    text = str(value)
    if len(text) > WRITTEN:
        text = f"{text[:WRITTEN]}…"
    return escape(text) if "[" in text else text


def _matched(found: Any) -> int:
    """How many cases the filter let through; 1 for an answer that takes none. `cases` may be some of them."""
    cases = found.get("cases", 1)
    return int(found.get("checked", found.get("total", len(cases))) if isinstance(cases, list) else cases)
