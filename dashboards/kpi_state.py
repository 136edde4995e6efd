"""What a person has chosen on the page of one key figure, as the page's address.

Reading never fails: a value that is not understood counts as not given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

PATH = "/kpi"
LONGEST = 512
GRAINS = ("hour", "day", "week", "month")
ROLES = ("counted", "numerator", "misses", "open", "excluded")
FIRST, LAST = 0, 4_294_000_000
"""Seconds between which a bucket begins."""


@dataclass(frozen=True)
class KpiState:
    """Empty texts and None: not chosen.

    at: when the chosen bucket begins; the newest settled one without. by: the dimension; value: only its cases with
    this value ('' is one). role: which cases; '' for the most telling ones. after: behind which case the list goes on.
    """

    kpi_id: str = ""
    basis: str = ""
    grain: str = "day"
    at: datetime | None = None
    by: str = ""
    value: str | None = None
    role: str = ""
    after: str = ""

    @property
    def href(self) -> str:
        """The address of the page in this state."""
        given = {
            "id": self.kpi_id,
            "basis": self.basis,
            "grain": "" if self.grain == "day" else self.grain,
            "at": "" if self.at is None else str(int(self.at.timestamp())),
            "by": self.by,
            "role": self.role,
            "after": self.after,
        }
        query = [(name, text) for name, text in given.items() if text]
        if self.by and self.value is not None:
            query.append(("value", self.value))
        return f"{PATH}?{urlencode(query)}"

    def but(self, **changes: object) -> KpiState:
        """The same with some choices changed, at the beginning of the list."""
        return replace(self, **({"after": ""} | changes))  # type: ignore[arg-type]


def parse(search: str | None) -> KpiState:
    """The state that an address's query describes."""
    try:
        query = parse_qs((search or "").removeprefix("?")[:8192], keep_blank_values=True, max_num_fields=50)
    except ValueError:
        query = {}
    given = {name: values[-1][:LONGEST] for name, values in query.items()}
    by = given.get("by", "")
    return KpiState(
        kpi_id=given.get("id", ""),
        basis=given.get("basis", ""),
        grain=given["grain"] if given.get("grain") in GRAINS else "day",
        at=_moment(given.get("at", "")),
        by=by,
        value=given.get("value") if by else None,
        role=given["role"] if given.get("role") in ROLES else "",
        after=given.get("after", ""),
    )


def _moment(text: str) -> datetime | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and FIRST <= int(text) <= LAST):
        return None
    return datetime.fromtimestamp(int(text), UTC)
