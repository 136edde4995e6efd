"""The page of one key figure in a real browser: from the list to a case in a few clicks, by address, accessible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.served import Served
from tests.browser.standin_kpi import KpiStandIn
from tests.browser.test_overview import serious

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
Visit = Callable[..., Watched]


@pytest.fixture
def watched(serve: Serve, visit: Visit) -> Iterator[Watched]:
    """At the end nothing may have gone abroad or complained."""
    found = visit(serve(KpiStandIn()))
    yield found
    assert found.foreign == []
    assert found.complaints == []


def opened(watched: Watched, path: str) -> Page:
    watched.page.goto(watched.url + path)
    expect(watched.page.locator("#kpi-title")).to_have_text("Fill rate")
    return watched.page


def test_from_the_list_to_a_case_in_three_clicks(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.url}/kpis")
    expect(page.locator("#kpis-problems")).to_contain_text("orders_placed.toml:2: target")
    page.get_by_role("link", name="Fill rate", exact=True).click()
    expect(page).to_have_title("opsintel · Key figure")
    expect(page.locator("#kpi-lead")).to_contain_text("target missed")
    for name in ("Trend", "How is this computed", "Split", "Cases"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    page.get_by_role("region", name="Split").get_by_role("link", name="store").click()
    expect(page).to_have_url(re.compile(r"by=channel&value=store"))
    cases = page.get_by_role("region", name="Cases")
    expect(cases).to_contain_text("Only channel store.")
    assert (
        cases.get_by_role("link", name="ORD-000").get_attribute("href") == "/process?stream=order-to-cash&case=ORD-000"
    )


def test_buckets_roles_and_pages_of_cases_are_links(watched: Watched) -> None:
    page = opened(watched, "/kpi?id=fill_rate")
    cases = page.get_by_role("region", name="Cases")
    expect(cases.locator(".case-link")).to_have_count(25)
    cases.get_by_role("link", name="More cases").click()
    expect(cases.locator(".case-link").first).to_have_text("ORD-025")
    cases.get_by_role("link", name="left out 3").click()
    expect(cases).to_contain_text("lines that the customer withdrew")
    page.get_by_role("region", name="Trend").get_by_role("link", name="28 Feb").click()
    expect(page.locator("#kpi-lead")).to_contain_text("28 Feb")
    expect(cases).to_contain_text("lines that the customer withdrew")


def test_the_page_has_no_serious_fault_for_assistive_technology(watched: Watched) -> None:
    page = opened(watched, "/kpi?id=fill_rate&by=channel&value=store")
    page.locator("#kpi-cases .case-link").first.wait_for()
    assert serious(page) == []
