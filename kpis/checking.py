"""Whether the expressions of definitions can be computed, told by the engine without reading a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core import OpsintelError, StoreUnavailable
from kpis.definitions import PACKAGED, Catalogue, DefinitionProblem, KpiDefinition
from kpis.expressions import refusal
from kpis.measures import facts_sql, measures, parameters
from kpis.toml_lines import line_of
from kpis.views import view
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

TZ = "UTC"
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class WrongExpression:
    """An expression that cannot be used: where it stands in its file, its key in words, and why."""

    path: Path_
    key: str
    expression: str
    reason: str

    def in_file(self, file: str, text: str) -> DefinitionProblem:
        """With its line."""
        return DefinitionProblem(file, line_of(text, self.path), f"{self.key}: {self.expression!r}: {self.reason}")


def wrong_expressions(ch: ClickHouse, catalogue: Catalogue, folder: Path = PACKAGED) -> list[str]:
    """A line for each expression that the engine refuses: file, line, key, expression, reason; none when all is well.

    The database must have the views (be migrated); nothing is read. Definitions of another folder than the product's
    own are a tenant's, and are guarded as in `wrong_parts`.
    """
    found = []
    for definition in catalogue:
        file = folder / f"{definition.id}.toml"
        text = file.read_text("utf-8") if file.is_file() else ""
        found += [str(one.in_file(file.name, text)) for one in wrong_parts(ch, definition, guarded=folder != PACKAGED)]
    return found


def wrong_parts(ch: ClickHouse, definition: KpiDefinition, *, guarded: bool = False) -> list[WrongExpression]:
    """The expressions of a definition over a view that cannot be computed, or (`guarded`) may not be used.

    Guarded are the definitions that are not our own: see `kpis.expressions`. Raises StoreUnavailable.
    """
    if not definition.view:
        return []
    table = view(definition.view).table
    columns = [str(name) for (name,) in ch.query(load_sql("kpis", "view_columns"), {"table": table}).rows]
    found = []
    for path, key, expression in _expressions(definition):
        why = refusal(expression, columns, definition.parameters) if guarded else ""
        if not why:
            sql = f"SELECT ({expression}) AS Checked FROM {table} LIMIT 0"
            given = {**definition.parameters, "tz": TZ}
            why = _refused(ch, sql, given) or _of_another_kind(ch, path[-1], expression, table, given)
        if why:
            found.append(WrongExpression(path, key, expression, why))
    if not found:  # together, as the jobs use them: aggregates pass one by one
        chosen = measures([definition])
        sql = f"SELECT CaseId, {facts_sql(chosen)} AS Facts FROM {table} FINAL LIMIT 0"
        if why := _refused(ch, sql, {**parameters(chosen), "tz": TZ}):
            found.append(WrongExpression(("numerator",), "numerator", definition.numerator, why))
    return found


def _refused(ch: ClickHouse, sql: str, given: Mapping[str, object]) -> str:
    try:
        ch.query(sql, given)
    except StoreUnavailable:
        raise
    except OpsintelError as problem:
        return problem.message
    return ""


def _of_another_kind(ch: ClickHouse, key: str | int, expression: str, table: str, given: Mapping[str, object]) -> str:
    """Why what it gives is not what its key is for: text passes where there are no rows, and fails on the first."""
    wanted, kinds = _KINDS.get(str(key), ("", None))
    if kinds is None:
        return ""
    rows = ch.query(f"DESCRIBE (SELECT ({expression}) AS Checked FROM {table})", given).rows
    kind = re.sub(r"^(?:LowCardinality\(|Nullable\()+", "", str(rows[0][1]))
    return "" if kinds.match(kind) else f"it gives {kind.rstrip(')')}, not {wanted}"


_NUMBER = re.compile(r"U?Int|Float|Decimal|Bool|BFloat|Nothing")
_TIME = re.compile(r"Date|Nothing")
_KINDS = {
    "numerator": ("a number", _NUMBER), "denominator": ("a number", _NUMBER), "at": ("a time", _TIME),
    "until": ("a time", _TIME), "where": ("yes or no", _NUMBER), "open": ("yes or no", _NUMBER),
    "when": ("yes or no", _NUMBER),
}  # fmt: skip


def _expressions(definition: KpiDefinition) -> Iterator[tuple[Path_, str, str]]:
    for key in ("at", "until", "where", "open", "numerator", "denominator"):
        if text := getattr(definition, key):
            yield (key,), key, text
    for number, exclusion in enumerate(definition.excluded):
        yield ("excluded", number, "when"), f"excluded.{number}.when", exclusion.when
    for number, basis in enumerate(definition.bases):
        for key in ("at", "where", "open", "numerator", "denominator"):
            if text := getattr(basis, key):
                yield ("bases", number, key), f"bases.{basis.id}.{key}", text
        for place, exclusion in enumerate(basis.excluded or ()):
            where = ("bases", number, "excluded", place, "when")
            yield where, f"bases.{basis.id}.excluded.{place}.when", exclusion.when
    for name, text in definition.breakdowns.items():
        yield ("dimensions", name), f"dimensions.{name}", text
