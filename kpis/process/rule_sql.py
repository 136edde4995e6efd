"""Rules as SQL over a case: one expression a rule, whose value is the state of the case.

A step happens at its timestamp, which is its end: the arrays `Done…` hold the steps in that order (steps_as_done.sql),
ties as in the case. Every expression is linear in the length of a case: an array that is named inside of a lambda over
another one would be copied for each element of it.

Every name, number and attribute of a rule is bound as a parameter; only places and operators are text. The definitions
are those of docs/process-conformance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from core.errors import ConfigurationError
from kpis.process.calendars import Calendar, WorkingTime, working_time
from kpis.process.rules import END, START, Condition, Rule

STEPS, NAMES, ENDS = "DoneSteps", "DoneNames", "DoneEnds"
WHO = "DoneActors, DoneSystems, DoneResources"
NEVER = "-9223372036854775807"
"""A time before all others."""
CLOSED = "(Outcome != '')"
_FIRST = "toUnixTimestamp64Nano(First)"
_CLOSING = "toUnixTimestamp64Nano(assumeNotNull(ClosedAt))"


class State(IntEnum):
    """What a rule says of a case. From `ALLOWED` on: violated, and accepted by that allowance, counted from 0."""

    OUTSIDE = 0  # the rule is not about this case, or nothing in it set the rule off
    FULFILLED = 1
    PENDING = 2  # open: not violated, and not fulfilled yet
    VIOLATED = 3
    UNKNOWN = 4  # who did it is not known
    ALLOWED = 10


_O, _F, _P, _V, _U = (int(state) for state in tuple(State)[:5])


@dataclass
class RuleSql:
    """The rules of a statement: their expressions, and the values bound for them (names that begin with `r_`)."""

    now_ns: int
    working: Mapping[str, WorkingTime]
    params: dict[str, Any] = field(default_factory=dict)

    def states(self, rules: Sequence[Rule]) -> str:
        """An array of UInt8 with the state of each rule."""
        self.params["r_now"] = self.now_ns
        for calendar in self.working.values():
            self.params |= calendar.params()
        return f"[{', '.join(f'toUInt8({self.state(rule)})' for rule in rules)}]"

    def state(self, rule: Rule) -> str:
        """The state of one rule, with its conditions and allowances."""
        build: Callable[[Rule], str] = getattr(self, f"_{rule.kind}")
        found = build(rule)
        if rule.outcomes:
            # An open case may yet end in another way: nothing is held against it before that.
            among = f"has({self._bound(list(rule.outcomes), 'Array(String)')}, Outcome)"
            found = f"multiIf({among}, {found}, {CLOSED}, {_O}, {_P})"
        if rule.when:
            found = f"if({self._where(rule.when)}, {found}, {_O})"
        if not rule.allowed:
            return found
        accepted = ", ".join(
            f"{self._where(one.where)}, {int(State.ALLOWED) + place}" for place, one in enumerate(rule.allowed)
        )
        return f"arrayMap(s -> if(s = {_V}, multiIf({accepted}, {_V}), s), [{found}])[1]"

    # --- the kinds ---

    def _required(self, rule: Rule) -> str:
        return f"multiIf({self._occurs(rule.steps[0])}, {_F}, {CLOSED}, {_V}, {_P})"

    def _absence(self, rule: Rule) -> str:
        return f"multiIf({self._occurs(rule.steps[0])}, {_V}, {CLOSED}, {_F}, {_P})"

    def _order(self, rule: Rule) -> str:
        first, second = (self._place(step) for step in rule.steps)
        return f"multiIf({second} = 0, {_O}, {first} = 0, if({CLOSED}, {_O}, {_P}), {first} < {second}, {_F}, {_V})"

    def _precedence(self, rule: Rule) -> str:
        first, second = (self._place(step) for step in rule.steps)
        return f"multiIf({second} = 0, {_O}, {first} > 0 AND {first} < {second}, {_F}, {_V})"

    def _response(self, rule: Rule) -> str:
        """Each occurrence is answered by the next one of the other step; the worst of them decides."""
        asks, answers = (self._matches(step) for step in rule.steps)
        ends = f"arrayMap((s, n, e) -> if({answers}, e, {NEVER}), {STEPS}, {NAMES}, {ENDS})"
        later = f"arrayPushBack(arrayPopFront(arrayReverseFill(b -> b != {NEVER}, {ends})), {NEVER})"
        late, overdue = "0", "0"
        if rule.within_s is not None:
            within = self._bound(rule.within_s, "Float64")
            late = f"{self._took(rule, 'e', 'b')} > {within}"
            overdue = f"{self._took(rule, 'e', '{r_now:Int64}')} > {within}"
        one = f"multiIf(b != {NEVER}, if({late}, {_V}, {_F}), {CLOSED} OR {overdue}, {_V}, {_P})"
        return self._worst(f"arrayMap((s, n, e, b) -> if({asks}, {one}, {_O}), {STEPS}, {NAMES}, {ENDS}, {later})")

    def _at_most(self, rule: Rule) -> str:
        count = f"arrayCount({self._is(rule.steps[0])}, {STEPS}, {NAMES})"
        return f"multiIf({count} > {self._bound(rule.times, 'UInt32')}, {_V}, {CLOSED}, {_F}, {_P})"

    def _limit(self, rule: Rule) -> str:
        """From the first of one step to the first of the other that comes after it."""
        begins, ends = rule.steps
        within = self._bound(rule.within_s, "Float64")
        place, occurs, start = "0", "true", _FIRST
        if begins != START:
            place = self._place(begins)
            occurs, start = f"{place} > 0", f"{ENDS}[{place}]"
        reached, until = CLOSED, _CLOSING
        if ends != END:
            rest = ", ".join(f"arraySlice({array}, {place} + 1)" for array in (STEPS, NAMES))
            number = f"arrayFirstIndex({self._is(ends)}, {rest})"
            reached, until = f"{number} > 0", f"{ENDS}[{place} + {number}]"
        late = f"{self._took(rule, start, until)} > {within}"
        overdue = f"{self._took(rule, start, '{r_now:Int64}')} > {within}"
        return (
            f"multiIf(NOT ({occurs}), {_O}, {reached}, if({late}, {_V}, {_F}), {CLOSED}, {_O}, {overdue}, {_V}, {_P})"
        )

    def _who(self, rule: Rule) -> str:
        """Each occurrence; one known to be wrong violates, else one of whom something is not known is unknown."""
        checks = [
            f"multiIf({value} = '', {_U}, has({self._bound(list(allowed), 'Array(String)')}, {value}), {_F}, {_V})"
            for value, allowed in (("a", rule.actors), ("y", rule.systems), ("r", rule.resources))
            if allowed
        ]
        one = f"arrayFirst(v -> has([{', '.join(checks)}], v), [{_V}, {_U}, {_F}])"
        asks = self._matches(rule.steps[0])
        return self._worst(f"arrayMap((s, n, a, y, r) -> if({asks}, {one}, {_O}), {STEPS}, {NAMES}, {WHO})")

    def _separate(self, rule: Rule) -> str:
        """Pairs of step and resource, each once: with fewer resources than pairs one of them did two steps."""
        names = self._bound(list(rule.steps), "Array(String)")
        done = (
            f"arrayDistinct(arrayFilter(p -> p.1 > 0, arrayMap((s, n, r) -> "
            f"(if(has({names}, s), indexOf({names}, s), indexOf({names}, n)), toString(r)), "
            f"{STEPS}, {NAMES}, DoneResources)))"
        )
        known = "arrayFilter(p -> p.2 != '', d)"
        steps = "length(arrayDistinct(arrayMap(p -> p.1, d)))"
        resources = f"length(arrayDistinct(arrayMap(p -> p.2, {known})))"
        one = (
            f"multiIf({resources} < length({known}), {_V}, {steps} = 0, {_O}, "
            f"{steps} = 1, if({CLOSED}, {_O}, {_P}), length({known}) < length(d), {_U}, {_F})"
        )
        return f"arrayMap(d -> {one}, [{done}])[1]"

    # --- parts ---

    def _bound(self, value: Any, kind: str) -> str:
        name = f"r_{len(self.params)}"
        self.params[name] = value
        return f"{{{name}:{kind}}}"

    def _matches(self, step: str) -> str:
        name = self._bound(step, "String")
        return f"(s = {name} OR n = {name})"

    def _is(self, step: str) -> str:
        return f"(s, n) -> {self._matches(step)}"

    def _occurs(self, step: str) -> str:
        return f"arrayExists({self._is(step)}, {STEPS}, {NAMES})"

    def _place(self, step: str) -> str:
        """Of the first occurrence, 0 when there is none."""
        return f"arrayFirstIndex({self._is(step)}, {STEPS}, {NAMES})"

    def _where(self, condition: Condition) -> str:
        parts = (
            f"has({self._bound(list(values), 'Array(String)')}, Attributes[{self._bound(name, 'String')}])"
            for name, values in condition.items()
        )
        return f"({' AND '.join(parts)})"

    def _took(self, rule: Rule, start: str, end: str) -> str:
        """Seconds from one instant to another, on the rule's calendar."""
        return self.working[rule.calendar].seconds(start, end) if rule.calendar else f"({end} - {start}) / 1e9"

    @staticmethod
    def _worst(each: str) -> str:
        worst = f"arrayFirst(v -> has(e, v), [{_V}, {_U}, {_P}, {_F}, {_O}])"
        return f"arrayMap(e -> {worst}, [{each}])[1]"


def laid_out(
    rules: Sequence[Rule], calendars: Mapping[str, Calendar], first: datetime, last: datetime
) -> dict[str, WorkingTime]:
    """The calendars that the rules need, over a period. Raises ConfigurationError when one is not known."""
    names = sorted({rule.calendar for rule in rules if rule.calendar})
    for name in names:
        if name not in calendars:
            raise ConfigurationError(
                f"there is no calendar {name!r}; there are {', '.join(sorted(calendars)) or 'none'}"
            )
    return {name: working_time(calendars[name], first, last, f"c{place}") for place, name in enumerate(names)}
