"""Conformance: which cases of a stream keep to its declared model, which do not, and what that goes with.

Everything is computed in the engine, one pass over the cases. Definitions and the meaning of *fitness*:
docs/process-conformance.md. An effect says what violating cases have in common with long durations; it does not say
that the one causes the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import InvalidInput
from kpis.process.calendars import Calendar
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter, ask
from kpis.process.rule_sql import RuleSql, State, laid_out
from kpis.process.rules import Rule
from kpis.process.streams import ValueStream
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
STATES, STEPS_AS_DONE = "/*states*/", "/*steps as done*/"
"""Where in a statement the rules belong, and the cases they are asked of (`steps_as_done.sql`)."""
MOST_EXAMPLES = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Effect:
    """Closed cases that violate a rule beside closed cases that fulfil it; durations in seconds, None without a case.

    `money`: the value in all violating cases, open ones too, by currency; `unpriced` of them have none.
    """

    violating: int
    conforming: int
    violating_median_s: float | None
    conforming_median_s: float | None
    violating_mean_s: float | None
    conforming_mean_s: float | None
    money: Mapping[str, Decimal]
    unpriced: int

    @property
    def median_difference_s(self) -> float | None:
        """How much longer violating cases last, by the median."""
        return _difference(self.violating_median_s, self.conforming_median_s)

    @property
    def mean_difference_s(self) -> float | None:
        """How much longer violating cases last, by the mean."""
        return _difference(self.violating_mean_s, self.conforming_mean_s)


@dataclass(frozen=True)
class RuleResult:
    """What one rule says. `checked` cases set it off: conforming + violating + allowed + pending + unknown.

    `allowances`: cases by the reason for which their deviation is accepted. `examples`: ids of violating cases, the
    most valuable first.
    """

    rule: Rule
    checked: int
    conforming: int
    violating: int
    pending: int
    unknown: int
    allowed: int
    allowances: Mapping[str, int]
    effect: Effect
    examples: tuple[str, ...]

    @property
    def fitness(self) -> float | None:
        """The share of decided cases that keep the rule or may deviate from it; None when no case is decided."""
        return _share(self.conforming + self.allowed, self.violating)


@dataclass(frozen=True)
class Conformance:
    """The answer for a model.

    `conforming`, `violating`, `pending` and `unknown` count each of the `cases` once: violating when any rule is
    violated, else unknown when of any rule, else pending, else conforming. `effect` compares whole cases so.
    `data_through`: the moment by which deadlines of open cases are judged; None when the stream has no case.
    """

    stream: str
    cases: int
    conforming: int
    violating: int
    pending: int
    unknown: int
    rules: tuple[RuleResult, ...]
    effect: Effect
    data_through: datetime | None

    @property
    def fitness(self) -> float | None:
        """The share of decided checks, over all rules and cases, that hold; None when there are none."""
        return _share(sum(one.conforming + one.allowed for one in self.rules), sum(one.violating for one in self.rules))

    @property
    def conforming_share(self) -> float | None:
        """The share of the cases in which no rule is violated; None without cases."""
        return 1 - self.violating / self.cases if self.cases else None


def conformance(
    ch: ClickHouse,
    tenant: str,
    model: ValueStream,
    calendars: Mapping[str, Calendar],
    wanted: CaseFilter = ALL,
    *,
    now: datetime | None = None,
    examples: int = 5,
) -> Conformance:
    """Checks the cases of the model's stream that the filter lets through.

    `now` (aware) is when deadlines of open cases are judged; without it, the latest event of the stream. Up to
    `examples` ids a rule, 100 at most. Raises ConfigurationError for an unknown calendar, InvalidInput for a `now`
    without time zone and when the cases span more time than a calendar can be laid out for.
    """
    rules = model.all_rules
    prepared = prepare(ch, tenant, model.name, rules, calendars, wanted, now)
    if prepared is None:
        return Conformance(
            model.name, 0, 0, 0, 0, 0, tuple(_result(rule, _NOTHING) for rule in rules), _effect(_NOTHING), None
        )
    params = {**prepared.params, "examples": min(max(0, examples), MOST_EXAMPLES)}
    found = {row["rule"]: row for row in ch.query(prepared.statement("conformance"), params, LIMITS).dicts()}
    whole = found.get(len(rules) + 1, _NOTHING)
    return Conformance(
        model.name,
        whole["cases"],
        whole["conforming"],
        whole["violating"],
        whole["pending"],
        whole["unknown"],
        tuple(_result(rule, found.get(place, _NOTHING)) for place, rule in enumerate(rules, 1)),
        _effect(whole),
        prepared.now,
    )


# --- shared with the list of deviating cases ---


@dataclass(frozen=True)
class Prepared:
    """The rules as SQL for a selection of cases, with everything that is bound."""

    states: str
    condition: str
    params: Mapping[str, Any]
    now: datetime

    def statement(self, name: str) -> str:
        """A named statement with the cases, the rules and the filter in their places."""
        text = load_sql(_ROOM, name).replace(STEPS_AS_DONE, load_sql(_ROOM, "steps_as_done"))
        return text.replace(STATES, self.states).replace(PLACE, self.condition)


def prepare(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    rules: tuple[Rule, ...],
    calendars: Mapping[str, Calendar],
    wanted: CaseFilter,
    now: datetime | None,
) -> Prepared | None:
    """None when the filter lets no case through."""
    if now is not None and now.tzinfo is None:
        raise InvalidInput(f"now must have a time zone, got {now.isoformat()}")
    span = ask(ch, "conformance_span", tenant, stream, wanted).dicts()[0]
    if not span["cases"]:
        return None
    moment = now or span["data_through"]
    working = laid_out(rules, calendars, span["first"], max(span["last"], moment))
    build = RuleSql((moment - _EPOCH) // _MICROSECOND * 1_000, working)
    states = build.states(rules) if rules else "emptyArrayUInt8()"
    condition, values = wanted.conditions()
    return Prepared(states, condition, {**build.params, **values, "tenant": tenant, "stream": stream}, moment)


_NOTHING: Mapping[str, Any] = {
    "cases": 0, "conforming": 0, "violating": 0, "pending": 0, "unknown": 0, "allowed": 0, "allowances": {},
    "violating_closed": 0, "conforming_closed": 0, "violating_median_s": math.nan, "conforming_median_s": math.nan,
    "violating_mean_s": math.nan, "conforming_mean_s": math.nan, "money": {}, "unpriced": 0, "examples": (),
}  # fmt: skip


def _result(rule: Rule, row: Mapping[str, Any]) -> RuleResult:
    allowances = {rule.allowed[said - State.ALLOWED].reason: count for said, count in row["allowances"].items()}
    return RuleResult(
        rule,
        row["cases"],
        row["conforming"],
        row["violating"],
        row["pending"],
        row["unknown"],
        row["allowed"],
        allowances,
        _effect(row),
        tuple(row["examples"]),
    )


def _effect(row: Mapping[str, Any]) -> Effect:
    return Effect(
        row["violating_closed"],
        row["conforming_closed"],
        _known(row["violating_median_s"]),
        _known(row["conforming_median_s"]),
        _known(row["violating_mean_s"]),
        _known(row["conforming_mean_s"]),
        dict(row["money"]),
        row["unpriced"],
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _share(held: int, broken: int) -> float | None:
    return held / (held + broken) if held + broken else None
