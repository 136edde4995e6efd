"""The page of one key figure: its address, its parts as components, and what it says when there is nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.kpi_state import GRAINS, ROLES, KpiState, parse
from dashboards.pages.kpi import layout, read, render
from dashboards.pages.kpis import render as render_list
from dashboards.snapshot import Section
from tests.browser.standin_kpi import KpiStandIn, NotSplit
from tests.unit.dashboards.test_kpis_page import TILES
from tests.unit.dashboards.test_page import VIEW
from tests.unit.dashboards.trees import text


def shown(state: KpiState, reads: KpiStandIn | None = None) -> dict[str, Any]:
    found = asyncio.run(read(reads or KpiStandIn(), "default", state))
    return render(*found, state, VIEW)


@given(
    st.builds(
        KpiState,
        kpi_id=st.text(max_size=20),
        basis=st.text(max_size=20),
        grain=st.sampled_from(GRAINS),
        at=st.none() | st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
        by=st.text(st.characters(codec="utf-8"), max_size=20),
        value=st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
        role=st.sampled_from(("", *ROLES)),
        after=st.text(st.characters(codec="ascii"), max_size=20),
    )
)
def test_an_address_says_what_was_chosen(state: KpiState) -> None:
    state = state.but(after=state.after, value=state.value if state.by else None)
    assert parse(state.href.partition("?")[2]) == state


@pytest.mark.parametrize(
    "search", ["", None, "?grain=year&role=x&at=-5", "?at=99999999999", "?value=x", "?" + "&" * 90]
)
def test_what_is_not_understood_is_not_given(search: str | None) -> None:
    assert parse(search) == KpiState()


def test_the_number_stands_with_its_target_and_what_it_is_made_of() -> None:
    said = text(shown(KpiState("fill_rate"))["lead"]).replace("\u00a0", " ")
    assert "93.4 %" in said
    assert "target missed" in said
    assert "n 1,000 · 12 left out · 31 open · definition v1" in said


def test_parts_link_to_their_cases_and_the_rest_does_not() -> None:
    parts = str(shown(KpiState("fill_rate", value="web", by="channel"))["parts"])
    assert "value=store" in parts
    assert "by=channel&value=" in parts
    assert "not told" in parts
    assert "7 other values" in parts
    assert "misses" in parts
    assert parts.count("small sample") == 1


def test_cases_lead_to_the_process_page() -> None:
    cases = str(shown(KpiState("fill_rate", role="excluded"))["cases"])
    assert "/process?stream=order-to-cash&case=ORD-000" in cases
    assert "lines that the customer withdrew" in cases
    first = str(shown(KpiState("fill_rate"))["cases"])
    assert "3: lines that the customer withdrew" in first, "why some are left out is told beside the others too"
    assert "More cases" in first
    assert "Back to the first" not in first
    assert "Back to the first" in str(shown(KpiState("fill_rate", after="50"))["cases"])


def test_a_figure_that_tells_no_cases_says_so() -> None:
    found = shown(KpiState("fill_rate"), NotSplit())
    assert "does not tell its cases" in text(found["cases"])
    assert "not split by anything" in text(found["parts"])
    assert "Nothing was computed for 2 Mar." in text(found["lead"])
    assert "Nothing has been computed yet." in text(found["trend"])


def test_an_unknown_figure_is_told_and_nothing_else() -> None:
    found = shown(KpiState("fil_rate"))
    assert found["title"] == "No such key figure"
    assert "no KPI 'fil_rate'" in text(found["lead"])
    assert found["cases"] is None


def test_a_bucket_of_the_past_may_be_looked_at() -> None:
    before = VIEW.now.replace(hour=0) - timedelta(days=2)
    found = shown(KpiState("fill_rate", at=before))
    assert "28 Feb" in text(found["lead"])
    assert f"at={int(before.timestamp())}" in str(found["cases"])


def test_wrong_files_stand_on_the_page_of_all_figures() -> None:
    problems = KpiStandIn().kpi_problems("default")
    assert "orders_placed.toml:2" in text(render_list(Section(TILES), "day", VIEW, problems)["problems"])
    assert render_list(Section(TILES), "day", VIEW)["problems"] is None


def test_the_page_speaks_of_days_and_of_what_a_case_adds() -> None:
    day = shown(KpiState("fill_rate"))
    assert "Day Value n Left out Open" in text(day["trend"])
    assert text(day["parts"]).count("Channel Value n Left out Open") == 1
    assert "counts" not in text(day["cases"]).replace("all counted", "")
    assert "0 of 1" in text(day["cases"])
    for region in (day[name] for name in ("lead", "choices", "trend", "parts", "cases")):
        assert "bucket" not in text(region).lower()
    assert "bucket" not in text(layout(30)).lower()
