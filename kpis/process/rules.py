"""The rules of a declared model: what the cases of a stream must, may and must not do.

The rules are those of Declare (Pesic and van der Aalst, "A Declarative Approach for Flexible Business Processes
Management", 2006) that people ask for, with times, actors and segregation of duties beside them. Each kind is defined
in docs/process-conformance.md; `rule_sql` says the same in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from kpis.process.located import CLOCK_UNITS, WORKING_UNITS, Entry

START, END = "start", "end"
"""In a limit: the first moment of a case, and the event that closed it."""
ACTOR_TYPES = ("human", "system", "agent")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class Kind(StrEnum):
    """What a rule says of its steps."""

    REQUIRED = "required"  # a occurs
    ORDER = "order"  # a before b, where both occur
    RESPONSE = "response"  # every a is followed by a b
    PRECEDENCE = "precedence"  # no b before the first a
    ABSENCE = "absence"  # a does not occur
    AT_MOST = "at_most"  # a occurs no more than so many times
    LIMIT = "limit"  # from a to b in a given time
    WHO = "who"  # only these do a
    SEPARATE = "separate"  # no two of the steps by the same resource


_STEPS = {
    Kind.REQUIRED: (1, 1), Kind.ORDER: (2, 2), Kind.RESPONSE: (2, 2), Kind.PRECEDENCE: (2, 2), Kind.ABSENCE: (1, 1),
    Kind.AT_MOST: (1, 1), Kind.LIMIT: (2, 2), Kind.WHO: (1, 1), Kind.SEPARATE: (2, 10),
}  # fmt: skip
_COMMON = ("id", "why", "when", "outcomes", "allowed")
_KEYS: Mapping[Kind, tuple[str, ...]] = {
    Kind.RESPONSE: ("within", "calendar"),
    Kind.AT_MOST: ("times",),
    Kind.LIMIT: ("within", "calendar"),
    Kind.WHO: ("actors", "systems", "resources"),
}

Condition = Mapping[str, tuple[str, ...]]
"""Case attribute to the values that it may have; '' is for a case without it. All must hold."""


@dataclass(frozen=True)
class Allowance:
    """A deviation that is accepted in the cases for which the condition holds, and why."""

    where: Condition
    reason: str


@dataclass(frozen=True)
class Rule:
    """One rule; `steps` are names of steps or of events.

    `within_s`: seconds, of working time when there is a `calendar`. `when` and `outcomes` say which cases it is about:
    all, when empty. A rule with outcomes is about cases that ended so; an open case may yet end otherwise.
    """

    id: str
    kind: Kind
    steps: tuple[str, ...]
    within_s: float | None = None
    calendar: str = ""
    times: int = 0
    actors: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    when: Condition = field(default_factory=dict)
    outcomes: tuple[str, ...] = ()
    allowed: tuple[Allowance, ...] = ()
    why: str = ""


def read_rules(entry: Entry) -> tuple[Rule, ...]:
    """The rules of a model: a list, each with its kind as a key. Raises ConfigurationError."""
    found: list[Rule] = []
    for item in entry.items():
        rule = _rule(item)
        if any(rule.id == other.id for other in found):
            item.fail(f"a rule is called {rule.id!r} already; give one of them an id")
        found.append(rule)
    return tuple(found)


def read_condition(entry: Entry) -> Condition:
    """A mapping from attributes to one value or a list of them, the empty text for no value."""
    found = {}
    for name, one in entry.mapping().items():
        found[name] = tuple(item.value() for item in one.items()) if one.is_list else (one.value(),)
    return MappingProxyType(found) if found else entry.fail(f"{entry.what} must name at least one attribute")


def _rule(entry: Entry) -> Rule:
    kinds = [key for key in entry.mapping() if key in set(Kind)]
    if len(kinds) != 1:
        entry.fail(f"a rule has exactly one of {', '.join(Kind)}, got {', '.join(kinds) or 'none'}")
    kind = Kind(kinds[0])
    keys = entry.entries((*_COMMON, *_KEYS.get(kind, ())), (kind,))
    steps = keys[kind].one_or_more()
    least, most = _STEPS[kind]
    if not least <= len(steps) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        keys[kind].fail(f"{kind} takes {wanted} step{'' if wanted == '1' else 's'}, got {len(steps)}")
    if kind is not Kind.LIMIT and len(set(steps)) < len(steps):
        keys[kind].fail(f"{kind} needs different steps, got {steps[0]!r} twice")
    calendar = keys["calendar"].text() if "calendar" in keys else ""
    within = keys["within"].duration_s(WORKING_UNITS if calendar else CLOCK_UNITS) if "within" in keys else None
    if within is None and (kind is Kind.LIMIT or calendar):
        entry.fail(f"{'a limit' if kind is Kind.LIMIT else 'a calendar'} needs 'within'")
    if kind is Kind.LIMIT and (steps[0] in (END, steps[1]) or steps[1] == START):
        keys[kind].fail(f"a limit runs from a step or {START} to another step or {END}, got {list(steps)}")
    rule = Rule(
        id=keys["id"].text() if "id" in keys else " ".join((kind, *steps)),
        kind=kind,
        steps=steps,
        within_s=within,
        calendar=calendar,
        times=keys["times"].whole(1, 1_000_000) if "times" in keys else int(kind is Kind.AT_MOST),
        actors=_words(keys, "actors"),
        systems=_words(keys, "systems"),
        resources=_words(keys, "resources"),
        when=read_condition(keys["when"]) if "when" in keys else MappingProxyType({}),
        outcomes=_words(keys, "outcomes"),
        allowed=tuple(_allowance(one) for one in keys["allowed"].items()) if "allowed" in keys else (),
        why=keys["why"].text() if "why" in keys else "",
    )
    if "id" in keys and not _ID.fullmatch(rule.id):
        keys["id"].fail(f"an id is small letters, digits, dots and dashes, got {rule.id!r}")
    if kind is Kind.WHO and not (rule.actors or rule.systems or rule.resources):
        entry.fail("who needs actors, systems or resources")
    if unknown := sorted(set(rule.actors) - set(ACTOR_TYPES)):
        keys["actors"].fail(f"actors must be of {', '.join(ACTOR_TYPES)}, got {unknown[0]!r}")
    return rule


def _words(keys: Mapping[str, Entry], name: str) -> tuple[str, ...]:
    return keys[name].one_or_more() if name in keys else ()


def _allowance(entry: Entry) -> Allowance:
    keys = entry.entries((), ("where", "reason"))
    return Allowance(read_condition(keys["where"]), keys["reason"].text())
