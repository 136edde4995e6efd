"""The statements speak the language of the conventions: a name that nobody sends would count nothing, in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kpis
import metrics
from metrics import conventions, load_event_catalogue

ROOMS = [Path(kpis.__file__).parent / "catalogue", Path(metrics.__file__).parent / "sql"]
STATEMENTS = [file for room in ROOMS for file in sorted(room.glob("*.sql"))]


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda file: file.name)
def test_every_name_is_known(file: Path) -> None:
    constants = {value for value in vars(conventions).values() if isinstance(value, str)}
    known = constants | set(load_event_catalogue().events) | {str(stream) for stream in conventions.Stream}
    named = set(re.findall(r"'((?:retail|messaging|http)\.[a-z._]+|[a-z]+-to-[a-z]+)'", file.read_text()))
    assert named <= known, named - known
