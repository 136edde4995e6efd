"""The key-figures page as components: groups, what is missed, an empty and a broken reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dashboards.pages.kpis import chosen_grain, render
from dashboards.reads import KpiTile
from dashboards.snapshot import Section
from tests.browser.standin import StandIn
from tests.unit.dashboards.test_page import VIEW

TILES = [
    replace(tile, group=group) for tile, group in zip(StandIn().kpis("t"), ("Order to cash", "Elsewhere"), strict=False)
]
NONE: Sequence[KpiTile] = ()


@pytest.mark.parametrize(
    ("search", "grain"), [("?grain=week", "week"), ("?grain=year", "day"), ("", "day"), (None, "day")]
)
def test_the_address_names_the_grain(search: str | None, grain: str) -> None:
    assert chosen_grain(search) == grain


def test_figures_stand_under_their_process() -> None:
    shown = render(Section(TILES), "week", VIEW)
    text = str(shown["all"])
    assert text.index("Order to cash") < text.index("Elsewhere")
    assert all(tile.title in text for tile in TILES)
    assert f"{len(TILES)} figures of the newest settled week" in shown["lead"]


def test_nothing_yet_and_a_broken_reading_say_so() -> None:
    assert "No KPI has been computed yet." in str(render(Section(NONE), "day", VIEW)["all"])
    assert "took longer" in str(render(Section(NONE, "This took longer than 10 s to read."), "day", VIEW)["all"])
