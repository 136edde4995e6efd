"""The cases behind a number of the conformance answer: those that violate a rule, wait for it, or may deviate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.errors import InvalidInput, NotFound
from kpis.process.calendars import Calendar
from kpis.process.conformance import prepare
from kpis.process.filters import ALL, LIMITS, CaseFilter
from kpis.process.rule_sql import State
from kpis.process.streams import ValueStream
from storage import ClickHouse


@dataclass(frozen=True)
class DeviatingCase:
    """A case, with its duration in seconds; `outcome` is '' while it is open, `reason` says why it may deviate."""

    case_id: str
    first: datetime
    last: datetime
    duration_s: float
    outcome: str
    value: Decimal | None
    currency: str
    last_step: str
    steps: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class DeviatingCases:
    """The first of them, and how many there are."""

    total: int
    cases: tuple[DeviatingCase, ...]


def deviating_cases(
    ch: ClickHouse,
    tenant: str,
    model: ValueStream,
    calendars: Mapping[str, Calendar],
    rule_id: str,
    wanted: CaseFilter = ALL,
    *,
    state: State = State.VIOLATED,
    now: datetime | None = None,
    limit: int = 100,
) -> DeviatingCases:
    """The cases of which a rule says `state`, the most valuable first.

    Raises NotFound for a rule that the model does not have, InvalidInput for the state OUTSIDE, which is no finding.
    """
    if state is State.OUTSIDE:
        raise InvalidInput("state must be violated, pending, unknown, fulfilled or allowed")
    rules = tuple(rule for rule in model.all_rules if rule.id == rule_id)
    if not rules:
        names = ", ".join(rule.id for rule in model.all_rules) or "none"
        raise NotFound(f"the model of {model.name} has no rule {rule_id!r}; the rules are {names}")
    prepared = prepare(ch, tenant, model.name, rules, calendars, wanted, now)
    if prepared is None:
        return DeviatingCases(0, ())
    params = {**prepared.params, "state": int(state), "limit": limit}
    rows = ch.query(prepared.statement("deviating_cases"), params, LIMITS).dicts()
    return DeviatingCases(
        rows[0]["total"] if rows else 0,
        tuple(
            DeviatingCase(
                row["case_id"], row["first"], row["last"], row["duration_s"], row["outcome"], row["value"],
                row["currency"], row["last_step"], tuple(row["steps"]),
                rules[0].allowed[row["said"] - State.ALLOWED].reason if row["said"] >= State.ALLOWED else "",
            )
            for row in rows
        ),
    )  # fmt: skip
