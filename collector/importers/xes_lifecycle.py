"""What `lifecycle:transition` means for the steps of a case.

    all        every event is a step, whatever its transition (what most tools read, and the default)
    complete   only completions (and events that have no transition)
    pairs      a start and the next completion of the same activity in the case become one step with its start time

Pairs are made of the same `concept:instance` where the events have one, else first in, first out. A completion without
a start is a step whose start is unknown; a start that is never completed stays an instant of its own. Aborted,
withdrawn and skipped work ends like completed work: its attribute says how. At most 10,000 starts of a case wait.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from collector.importers.rows import STARTED

Mode = Literal["all", "pairs", "complete"]
TRANSITION, INSTANCE = "lifecycle:transition", "concept:instance"
OPENS = frozenset({"start"})
ENDS = frozenset({"complete", "ate_abort", "pi_abort", "withdraw", "autoskip", "manualskip"})
WAITING = 10_000
Attributes = dict[str, str]


class Told(NamedTuple):
    """A step with its attributes, or None for an event that is left out; a merged start leaves nothing behind."""

    number: int
    line: int
    attributes: Attributes | None


class Lifecycle:
    """Takes the events of one case after the other."""

    def __init__(self, mode: Mode, time_key: str) -> None:
        self._mode, self._time = mode, time_key
        self._open: dict[tuple[str, str], deque[Told]] = {}
        self._waiting = 0
        self._starts = self._completions = 0

    def take(self, number: int, line: int, activity: str, attributes: Attributes) -> list[Told]:
        """What becomes of the event now."""
        transition = attributes.get(TRANSITION, "complete").strip().lower() or "complete"
        event = Told(number, line, attributes)
        if self._mode == "all":
            self._starts += transition in OPENS
            self._completions += transition == "complete"
            return [event]
        if self._mode == "complete":
            return [event] if transition == "complete" else [event._replace(attributes=None)]
        if transition in OPENS:
            self._open.setdefault((activity, attributes.get(INSTANCE, "")), deque()).append(event)
            self._waiting += 1
            return self._oldest() if self._waiting > WAITING else []
        if transition in ENDS:
            started = self._started(activity, attributes.get(INSTANCE, ""))
            return [event._replace(attributes={**attributes, STARTED: started} if started else attributes)]
        return [event._replace(attributes=None)]

    def end_of_trace(self) -> list[Told]:
        """The starts that were never completed, in the order of the file."""
        left = sorted((told for waiting in self._open.values() for told in waiting), key=lambda told: told.number)
        self._open.clear()
        self._waiting = 0
        return left

    def notes(self) -> list[str]:
        """A word on starts and completions that were counted as steps of their own."""
        if not self._starts or not self._completions:
            return []
        return [
            f"{self._starts:,} starts and {self._completions:,} completions are steps of their own;"
            " --lifecycle pairs makes them one step with its duration"
        ]

    def _started(self, activity: str, instance: str) -> str:
        waiting = self._open.get((activity, instance))
        if not waiting:
            return ""
        begun = waiting.popleft()
        self._waiting -= 1
        if not waiting:
            del self._open[(activity, instance)]
        return (begun.attributes or {}).get(self._time, "")

    def _oldest(self) -> list[Told]:
        key = min(self._open, key=lambda one: self._open[one][0].number)
        told = self._open[key].popleft()
        self._waiting -= 1
        if not self._open[key]:
            del self._open[key]
        return [told]
