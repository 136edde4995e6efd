"""Times as other systems write them: ISO 8601 with an offset, or Unix time in seconds, milli-, micro- or nanoseconds.

The unit of a Unix time is told by its size, which is right for every time between 1980 and 5000. A time without an
offset is not understood: nobody knows which zone it is in.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (3e8, 1.0))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: object) -> datetime | None:
    """The time, aware; None when it is not understood."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    if isinstance(value, str):
        if re.fullmatch(r"\d{9,19}(\.\d+)?", value, re.ASCII):
            return _unix(float(value))
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo is not None else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return _unix(float(value))
        except OverflowError:
            return None
    return None


def _unix(value: float) -> datetime | None:
    if not math.isfinite(value):
        return None
    for least, scale in _SCALES:
        if value >= least:
            try:
                return _EPOCH + timedelta(seconds=value / scale)
            except OverflowError:
                return None
    return None
