"""What an answer about cases is: one description for the API, the command line and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.jsonable import jsonable
from api.process.query import FILTER, Parameter, Values, a_whole, read_filter, refuse_unknown
from core import NotFound
from kpis import CaseFilter
from kpis.process import Corrections, ModelSet, ValueStream, case_count, require_cases
from storage import ClickHouse


@dataclass(frozen=True)
class Question:
    """Whose cases, of which stream, which of them, and when it is asked."""

    ch: ClickHouse
    tenant: str
    stream: str
    wanted: CaseFilter
    now: datetime
    models: ModelSet
    corrections: Corrections | None = None

    @property
    def model(self) -> ValueStream:
        """The stream's model. Raises NotFound when there is none, so that nobody knows when a case is over."""
        known = self.models.streams
        if self.stream not in known:
            raise NotFound(f"the stream {self.stream!r} has no model", hint=f"there are models of {', '.join(known)}")
        return known[self.stream]


@dataclass(frozen=True)
class Answer:
    """`filtered`: whether it takes the filter of cases.

    `rows`: the list in the answer that a terminal shows as a table; `columns`: headings, and dotted names. `figures`:
    objects of which it shows the numbers, and lists of which it shows the length.
    """

    name: str
    summary: str
    run: Callable[[Question, Mapping[str, Any]], Any]
    options: tuple[Parameter, ...] = ()
    filtered: bool = True
    figures: tuple[str, ...] = ()
    rows: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that may be given."""
        return (FILTER if self.filtered else ()) + self.options

    def of(
        self,
        ch: ClickHouse,
        tenant: str,
        stream: str,
        now: datetime,
        models: ModelSet,
        values: Values,
        corrections: Corrections | None = None,
    ) -> Any:
        """The answer as JSON, with the number of cases where it takes the filter. Raises InvalidInput, NotFound."""
        refuse_unknown(values, self.parameters)
        require_cases(ch, tenant, stream)
        wanted = read_filter(values) if self.filtered else CaseFilter()
        question = Question(ch, tenant, stream, wanted, now, models, corrections)
        found = jsonable(self.run(question, {one.name: one.of(values) for one in self.options}))
        if self.filtered and "cases" not in found:
            found["cases"] = case_count(ch, tenant, stream, question.wanted)
        return found


LIMIT = Parameter("limit", "how many at most", a_whole(1, 1_000), default=100)


def told(found: Any, *more: str) -> Any:
    """An answer as JSON, with these of its properties; ids of variants as text.

    An id has 64 bits, which is more than a number of JSON holds in most readers.
    """
    out = jsonable(found) | {name: jsonable(getattr(found, name)) for name in more}
    for one in out.get("variants", ()):
        one["id"] = str(one["id"])
    for one in out["cases"] if isinstance(out.get("cases"), list) else ():
        one["variant"] = str(one["variant"])
    return out
