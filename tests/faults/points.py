"""A plan of fault points, as the test sees it: written before the product starts, armed when the moment has come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

INJECT = Path(__file__).parent / "inject"


@dataclass(frozen=True)
class Point:
    """A function of the product (`module`, `name`) that fails before or after its work.

    `action`: `kill` (the process, at once), `kill group`, `wait` (until released), `raise` (OSError number `error`),
    `shift` (what the function returns, a time). `role`: `owner`, `receiver` or `any`.
    """

    id: str
    module: str
    name: str
    when: str = "before"
    action: str = "kill"
    role: str = "owner"
    once: bool = True
    error: int = 5


CLOCK = tuple(
    Point("clock", "core.clock", f"SystemClock.{name}", action="shift", role="any") for name in ("now", "time_ns")
)


class Plan:
    """The points of one product; an empty plan changes nothing."""

    def __init__(self, folder: Path, points: Iterable[Point] = ()) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "plan.json"
        self.file.write_text(json.dumps([asdict(point) for point in points]))

    def arm(self, point: str) -> None:
        """From now on it strikes, once or until it is disarmed."""
        (self._folder / f"{point}.hold").touch()
        (self._folder / f"{point}.armed").touch()

    def disarm(self, point: str) -> None:
        """Lets those who wait go on, and strikes no more."""
        for end in ("armed", "hold"):
            (self._folder / f"{point}.{end}").unlink(missing_ok=True)

    def struck(self, point: str) -> int:
        """How often it has struck."""
        note = self._folder / f"{point}.struck"
        return len(note.read_text().splitlines()) if note.exists() else 0

    def shift(self, seconds: float) -> None:
        """Steps the product's clock so far from the machine's."""
        draft = self._folder / "clock.draft"
        draft.write_text(str(seconds))
        draft.rename(self._folder / "clock.seconds")
