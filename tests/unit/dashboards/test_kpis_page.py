"""The key-figures page as components: groups, what is missed, an empty and a broken reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dashboards.kpi_reads import Undelivered
from dashboards.pages.kpis import chosen_grain, render
from dashboards.reads import KpiTile
from dashboards.snapshot import Section
from tests.browser.standin import StandIn
from tests.browser.standin_kpi import UNDELIVERED
from tests.unit.dashboards.test_page import VIEW
from tests.unit.dashboards.trees import text

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


def test_a_report_that_did_not_arrive_is_told_with_its_reason_and_what_comes_next() -> None:
    shown = render(Section(TILES), "day", VIEW, (), UNDELIVERED)["reports"]
    assert text(shown).startswith("2 reports not delivered")
    assert "badge-bad" in str(shown)
    first, second = (text(one) for one in shown.children[1].children)
    assert first == (
        "Weekly numbers of 07:00 CET to email cfo@example.com: the mail server refused it: 550. "
        "Given up after 1 attempt; an operator can send it again. Last delivered 23 Feb 07:00 CET."
    )
    assert second == (
        "Edges of 08:00 CET to webhook https://example.com: no answer: ReadTimeout. "
        "Tried again at 10:42 CET. Never delivered so far."
    )
    waiting = render(Section(TILES), "day", VIEW, (), UNDELIVERED[1:])["reports"]
    assert text(waiting).startswith("1 report not delivered")
    assert "badge-warn" in str(waiting)


def test_a_set_of_reports_that_is_not_in_force_is_told_too() -> None:
    wrong = Undelivered("A newer set of reports is not in force", None, "", "a.toml: wrong", 0, None, None)
    shown = render(Section(TILES), "day", VIEW, (), (wrong,))["reports"]
    assert text(shown) == "1 report in trouble A newer set of reports is not in force: a.toml: wrong."


def test_while_all_reports_arrive_nothing_is_said() -> None:
    assert render(Section(TILES), "day", VIEW)["reports"] is None


def test_processes_and_what_misses_its_target_are_links_above_all_cards() -> None:
    easy = replace(TILES[0], target=0.0 if TILES[0].readings[0].latest.direction == "up" else 1e9)
    shown = render(Section([*TILES, easy]), "day", VIEW)
    ways = shown["ways"]
    missed = [tile for tile in TILES if f"id={tile.kpi_id}" in str(ways)]
    assert f"{len(missed)} of {len(TILES) + 1} with a target miss it" in shown["lead"]
    assert str(ways).count("/kpi?id=") == len(missed) > 0
    said = text(ways)
    assert "Miss their target" in said
    assert all(tile.title in said for tile in missed)
    assert "href='#kpis-order-to-cash'" in str(ways)
    assert "id='kpis-order-to-cash'" in str(shown["all"])


def test_where_nothing_is_missed_nothing_is_listed() -> None:
    free = [replace(tile, target=None) for tile in TILES]
    assert "Miss their target" not in text(render(Section(free), "day", VIEW)["ways"])
    assert render(Section(NONE), "day", VIEW)["ways"] is None
    assert render(Section(free[:1]), "day", VIEW)["ways"] is None, "one group needs no links"
