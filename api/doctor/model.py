"""What a check is and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from api.services import Services
from core import Clock, Settings
from storage import ClickHouse, StateDb


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


_RANK = {Status.OK: 0, Status.WARN: 1, Status.FAIL: 2}


@dataclass(frozen=True)
class Finding:
    """What one check saw.

    `id` is `area.name`; `why` and `todo` are for what is not ok; `facts` are the numbers behind `seen`.
    """

    id: str
    status: Status
    seen: str
    why: str = ""
    todo: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> str:
        """What it is about."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Subject:
    """What is looked at.

    `ch` and `state` are None where they cannot be opened, `running` is None when looked at from outside; then
    `in_use` says that a service has the directory all the same.
    """

    settings: Settings
    clock: Clock
    ch: ClickHouse | None = None
    state: StateDb | None = None
    running: Services | None = None
    in_use: bool = False


Check = Callable[[Subject], Iterable[Finding]]


@dataclass(frozen=True)
class Report:
    """Everything that was found."""

    at: datetime
    version: str
    subject: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """That of the worst finding."""
        return max((one.status for one in self.findings), key=lambda one: _RANK[one], default=Status.OK)

    @property
    def exit_code(self) -> int:
        """0, 1 for warnings, 2 for failures."""
        return _RANK[self.status]

    def count(self, status: Status) -> int:
        """How many findings have it."""
        return sum(one.status is status for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """As the API gives it."""
        return {
            "at": self.at.isoformat(),
            "version": self.version,
            "subject": self.subject,
            "status": self.status.value,
            "checks": [
                {
                    "id": one.id,
                    "status": one.status.value,
                    "seen": one.seen,
                    "why": one.why,
                    "todo": one.todo,
                    "facts": dict(one.facts),
                }
                for one in self.findings
            ],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Report:
        """Back from the API's form."""
        return cls(
            datetime.fromisoformat(found["at"]),
            str(found["version"]),
            str(found["subject"]),
            tuple(
                Finding(one["id"], Status(one["status"]), one["seen"], one["why"], one["todo"], one["facts"])
                for one in found["checks"]
            ),
        )


def graded(value: float, warn: float, fail: float) -> Status:
    """From a value that is worse the larger it is."""
    return Status.FAIL if value >= fail else Status.WARN if value >= warn else Status.OK


def counted(count: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size_text(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
