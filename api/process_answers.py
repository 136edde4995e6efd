"""Every answer about the cases of a stream, once: for the API, for the command line, for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.jsonable import jsonable
from api.process_query import FILTER, Parameter, Values, a_whole, read_filter, refuse_unknown
from kpis import CaseFilter, process_map, require_cases, variants
from storage import ClickHouse


@dataclass(frozen=True)
class Question:
    """Whose cases, of which stream, which of them, and when it is asked."""

    ch: ClickHouse
    tenant: str
    stream: str
    wanted: CaseFilter
    now: datetime


@dataclass(frozen=True)
class Answer:
    """`rows`: the list in the answer that a terminal shows as a table; `columns`: headings, and dotted names."""

    name: str
    summary: str
    run: Callable[[Question, Mapping[str, Any]], Any]
    options: tuple[Parameter, ...] = ()
    rows: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that may be given."""
        return FILTER + self.options

    def of(self, ch: ClickHouse, tenant: str, stream: str, now: datetime, values: Values) -> Any:
        """The answer as JSON. Raises InvalidInput, NotFound."""
        refuse_unknown(values, self.parameters)
        require_cases(ch, tenant, stream)
        question = Question(ch, tenant, stream, read_filter(values), now)
        return jsonable(self.run(question, {one.name: one.of(values) for one in self.options}))


LIMIT = Parameter("limit", "how many at most", a_whole(1, 10_000), default=100)


def _variants(question: Question, options: Mapping[str, Any]) -> Any:
    found = jsonable(variants(question.ch, question.tenant, question.stream, question.wanted, limit=options["limit"]))
    for one in found["variants"]:
        one["id"] = str(one["id"])  # 64 bits, more than a number of JSON holds in most readers
    return found


ANSWERS: tuple[Answer, ...] = (
    Answer(
        "map",
        "The process map: which step directly follows which, how often, and how long that takes",
        lambda q, _: process_map(q.ch, q.tenant, q.stream, q.wanted),
        rows="transitions",
        columns={
            "from": "from_step",
            "to": "to_step",
            "count": "count",
            "cases": "cases",
            "median": "gap.median_s",
            "95 %": "gap.p95_s",
            "waiting, all": "waiting.sum_s",
        },
    ),
    Answer(
        "variants",
        "Distinct sequences of steps, with their share, durations and outcomes",
        _variants,
        (LIMIT,),
        rows="variants",
        columns={
            "variant": "id",
            "cases": "cases",
            "share": "share",
            "median": "median_s",
            "90 %": "p90_s",
            "steps": "steps",
        },
    ),
)
BY_NAME = {one.name: one for one in ANSWERS}
