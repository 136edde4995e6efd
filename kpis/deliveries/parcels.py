"""What is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Parcel:
    """A rendered file on its way. headlines: label and text, as the body of an e-mail shows them.

    taken: the recipients that have it from an earlier attempt.
    """

    id: str
    tenant: str
    title: str
    start: datetime
    end: datetime
    name: str
    media_type: str
    file: Path
    data_through: datetime | None = None
    headlines: tuple[tuple[str, str], ...] = ()
    taken: frozenset[str] = frozenset()

    @property
    def unique_name(self) -> str:
        """The file's name with the id in it."""
        path = Path(self.name)
        return f"{path.stem}-{self.id}{path.suffix}"
