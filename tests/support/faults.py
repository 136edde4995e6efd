"""What a server shall do wrong, and to which statements; set through its control port.

    {"match": "INSERT INTO traces_in", "action": "cut_after", "times": 1}

A fault strikes statements whose beginning contains `match` (any, when empty), `times` times or until it is cleared.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What happens instead of a proper answer."""

    STATUS = "status"
    """This HTTP status and text, without asking the engine."""
    DELAY = "delay"
    """A pause of so many seconds before the engine is asked."""
    CUT_HEAD = "cut_head"
    """A reset once the headers have been read."""
    CUT_BODY = "cut_body"
    """A reset in the middle of the request's body."""
    CUT_AFTER = "cut_after"
    """The engine has executed the statement; a reset instead of the answer."""
    CUT_ANSWER = "cut_answer"
    """The engine has executed the statement; a reset in the middle of the answer."""
    LOSE_ANSWER = "lose_answer"
    """The engine has executed the statement; no answer for so many seconds, then a reset."""


@dataclass(frozen=True)
class Fault:
    """One rule. `times` 0 means until it is cleared; `code`: the engine's error number that goes with a status."""

    action: Action
    match: str = ""
    times: int = 0
    seconds: float = 0.0
    status: int = 503
    code: int = 0
    text: str = "service unavailable\n"

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Fault:
        """Raises ValueError or TypeError for what is none."""
        return cls(**document | {"action": Action(document["action"])})

    def document(self) -> dict[str, Any]:
        """The form that `parse` reads."""
        return asdict(self) | {"action": self.action.value}


class Faults:
    """Thread-safe; the first rule that fits is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[Fault, list[int]]] = []
        self.struck = 0

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append((fault, [fault.times]))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def strike(self, statement: str) -> Fault | None:
        """The fault that this statement meets, if any; counts it."""
        with self._lock:
            for fault, left in self._rules:
                if fault.match in statement and (fault.times == 0 or left[0] > 0):
                    left[0] -= 1
                    self.struck += 1
                    return fault
        return None
