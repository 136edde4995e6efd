"""Whether the expressions of definitions can be computed, told by the engine without reading a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core import OpsintelError
from kpis.definitions import Catalogue, KpiDefinition
from kpis.views import view

if TYPE_CHECKING:
    from storage import ClickHouse

TZ = "UTC"


def wrong_expressions(ch: ClickHouse, catalogue: Catalogue) -> list[str]:
    """A line for each expression that the engine refuses: file, key, expression and reason; none when all is well.

    The database must have the views (be migrated); nothing is read.
    """
    found = []
    for definition in catalogue:
        if not definition.view:
            continue
        table = view(definition.view).table
        for key, expression in _expressions(definition):
            sql = f"SELECT ({expression}) AS Checked FROM {table} LIMIT 0"
            try:
                ch.query(sql, {**definition.parameters, "tz": TZ})
            except OpsintelError as problem:
                found.append(f"{definition.id}.toml: {key}: {expression!r}: {problem.message}")
    return found


def _expressions(definition: KpiDefinition) -> Iterator[tuple[str, str]]:
    for key in ("at", "where", "open", "numerator", "denominator"):
        if text := getattr(definition, key):
            yield key, text
    for number, exclusion in enumerate(definition.excluded):
        yield f"excluded.{number}.when", exclusion.when
    for basis in definition.bases:
        for key in ("at", "where", "open", "numerator", "denominator"):
            if text := getattr(basis, key):
                yield f"bases.{basis.id}.{key}", text
        for number, exclusion in enumerate(basis.excluded or ()):
            yield f"bases.{basis.id}.excluded.{number}.when", exclusion.when
