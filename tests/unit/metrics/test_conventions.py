"""The conventions are consistent with themselves and with the page that is generated from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics import conventions
from metrics.conventions import ATTRIBUTES, METRICS
from metrics.docs_gen import render_conventions, render_events, write
from metrics.events import load_event_catalogue, validate_event

REPO = Path(__file__).parents[3]


def constants() -> set[str]:
    """Every name constant of the module."""
    return {
        value
        for key, value in vars(conventions).items()
        if key.isupper() and not key.startswith("_") and type(value) is str
    }


def test_every_constant_is_described_and_every_description_has_a_constant() -> None:
    described = [a.name for a in ATTRIBUTES] + [m.name for m in METRICS]
    assert len(described) == len(set(described))
    assert constants() == set(described)


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.name)
def test_the_example_of_an_attribute_has_its_type_and_is_one_of_its_values(attribute: conventions.Attribute) -> None:
    problems = validate_event("retail.any.thing", {attribute.name: attribute.example})
    assert [p.kind for p in problems] == ["unknown_event"]


def test_metric_points_carry_known_attributes() -> None:
    names = {a.name for a in ATTRIBUTES}
    assert {a for m in METRICS for a in m.attributes} <= names


def test_the_generated_pages_are_not_stale() -> None:
    hint = "run `python -m metrics.docs_gen`"
    assert (REPO / "docs/conventions.md").read_text("utf-8") == render_conventions(), hint
    assert (REPO / "docs/events.md").read_text("utf-8") == render_events(load_event_catalogue()), hint


def test_pages_are_written_where_asked(tmp_path: Path) -> None:
    assert [path.name for path in write(tmp_path)] == ["conventions.md", "events.md"]
    assert "retail.case.id" in (tmp_path / "conventions.md").read_text("utf-8")
