"""The page's example is taken, and answered as the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from collector.admission import admit
from collector.cloudevents import CloudEventsDoor
from core import ManualClock
from metrics import CatalogueRules, load_event_catalogue

PAGE = (Path(__file__).parents[3] / "docs" / "cloudevents.md").read_text("utf-8")


def test_the_example(clock: ManualClock) -> None:
    (body, answer) = re.findall(r"-d '(\{.*?\}\})'\n\n(\{.*?\})\n", PAGE, re.DOTALL)[0]
    door = CloudEventsDoor(CatalogueRules(load_event_catalogue()), clock, 1 << 20)
    taken = door.take({"content-type": "application/cloudevents+json"}, body.encode(), admit)
    assert json.loads(taken.answer.body) == json.loads(answer)
