"""Named SQL: a statement lives in `<room>/sql/<name>.sql` and takes its values as `{name:Type}` parameters."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from core.errors import NotFound

_NAME = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")


@cache
def load_sql(room: str, name: str) -> str:
    """The text of `<room>/sql/<name>.sql`; the room may be dotted (`kpis.process`). Raises NotFound."""
    if not _NAME.match(room) or not _NAME.match(name):
        raise NotFound(f"no statement is called {name!r} in {room!r}")
    try:
        return resources.files(room).joinpath("sql", f"{name}.sql").read_text("utf-8")
    except (FileNotFoundError, ModuleNotFoundError):
        raise NotFound(f"no statement is called {name!r} in {room!r}") from None
