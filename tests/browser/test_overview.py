"""The overview in a real browser: what it loads, what it shows, what it lets a person do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.served import NOTICE, Served
from tests.browser.standin import NOW, Empty, StandIn

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
Visit = Callable[..., Watched]


@pytest.fixture
def watched(serve: Serve, visit: Visit) -> Iterator[Watched]:
    """The overview, open; at the end nothing may have gone abroad or complained."""
    page = visit(serve())
    page.open()
    yield page
    assert page.foreign == []
    assert page.complaints == []


def test_the_page_shows_every_section_with_its_figures(watched: Watched) -> None:
    page = watched.page
    expect(page.locator("#headline")).to_have_text(re.compile("90.9.k stands in 604 open cases; 2 alerts are firing"))
    expect(page.get_by_text(NOTICE)).to_be_visible()
    for name in ("Key figures", "Where work waits now", "Active alerts", "Queue depth", "API latency",
                 "Webhook failures", "Integration edges"):  # fmt: skip
        expect(page.get_by_role("region", name=name)).to_be_visible()
    expect(page.locator(".kpi")).to_have_count(3)
    expect(page.locator(".queue .js-plotly-plot .scatterlayer")).to_have_count(5)
    expect(page.locator(".ag-row")).to_have_count(7)
    expect(page.locator("#freshness")).to_contain_text("data through 09:59\u00a0CET")


def test_nothing_offers_to_send_a_chart_elsewhere(watched: Watched) -> None:
    page = watched.page
    page.locator(".queue .js-plotly-plot .scatterlayer").first.wait_for()
    page.locator(".queue .js-plotly-plot").first.hover()
    assert page.locator(".modebar-btn, [data-title*='hare'], .modebar--hover").count() == 0


def test_latency_is_sorted_by_value_and_stays_sorted_through_a_refresh(watched: Watched) -> None:
    page = watched.page

    def calls() -> list[str]:
        page.locator(".ag-row").first.wait_for()
        cells = page.locator(".ag-row [col-id=calls]").all()
        return [cell.inner_text() for cell in sorted(cells, key=lambda cell: cell.bounding_box()["y"])]  # type: ignore[index]

    page.locator(".ag-header-cell[col-id=calls]").click()
    page.wait_for_function("document.querySelector('.ag-header-cell[col-id=calls]').ariaSort === 'descending'")
    wanted = ["4,120", "812", "655", "640", "402", "41", "12"]
    assert wanted == calls()
    refresh(page)
    assert wanted == calls()


def test_an_explanation_stays_open_through_a_refresh_and_closes_by_keyboard(serve: Serve, visit: Visit) -> None:
    served = serve(refresh_s=1)
    page = visit(served).open()
    page.get_by_label("About Fill rate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("owned by Order management")).to_be_visible()
    served.standin.through = NOW - timedelta(hours=3)
    served.clock.advance(5)
    expect(page.get_by_text("Nothing has come in since")).to_be_visible()
    expect(page.get_by_text("owned by Order management")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("owned by Order management")).to_be_hidden()
    expect(page.get_by_label("About Fill rate")).to_be_focused()


def test_an_explanation_drawn_anew_before_the_browser_tells_that_it_was_opened_stays_open(
    serve: Serve, visit: Visit
) -> None:
    served = serve(refresh_s=1)
    watched = visit(served)
    watched.page.add_init_script("addEventListener('toggle', event => event.stopImmediatePropagation(), true)")
    page = watched.open()
    page.get_by_label("About Fill rate").focus()
    page.keyboard.press("Enter")
    served.standin.through = NOW - timedelta(hours=3)
    served.clock.advance(5)
    expect(page.get_by_text("Nothing has come in since")).to_be_visible()
    expect(page.get_by_text("owned by Order management")).to_be_visible()
    page.keyboard.press("Escape")
    served.standin.through = NOW
    served.clock.advance(5)
    expect(page.get_by_text("Nothing has come in since")).to_be_hidden()
    expect(page.get_by_text("owned by Order management")).to_be_hidden()


REPLACED = """() => {
    const old = document.activeElement;
    window.replaced = new Promise(done => new MutationObserver((_, watching) => {
        if (!old.isConnected) { watching.disconnect(); done(); }
    }).observe(document.body, {childList: true, subtree: true}));
}"""


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_button_replaced_while_it_is_held_down_is_still_pressed(serve: Serve, visit: Visit, by: str) -> None:
    page = visit(serve()).open()
    drawn(page)
    button = page.get_by_label("Resume carrier → order-management")
    button.focus()
    button.hover()
    page.evaluate(REPLACED)
    (page.mouse.down if by == "mouse" else lambda: page.keyboard.down("Space"))()
    page.get_by_label("Refresh now").dispatch_event("click")
    page.evaluate("window.replaced")
    (page.mouse.up if by == "mouse" else lambda: page.keyboard.up("Space"))()
    expect(page.get_by_role("dialog", name="Resume carrier → order-management?")).to_be_visible()


def test_the_keyboard_keeps_its_place_through_a_refresh(serve: Serve, visit: Visit) -> None:
    served = serve(refresh_s=1)
    page = visit(served).open()
    drawn(page)
    page.get_by_label("Resume carrier → order-management").focus()
    served.standin.through = NOW - timedelta(hours=3)
    served.clock.advance(5)
    expect(page.get_by_text("Nothing has come in since")).to_be_visible()
    expect(page.get_by_label("Resume carrier → order-management")).to_be_focused()


def test_pausing_asks_for_a_reason_waits_and_shows_the_outcome(serve: Serve, visit: Visit) -> None:
    standin = StandIn()
    watched = visit(serve(standin))
    page = watched.open()
    page.get_by_label("Pause order-management → warehouse").click()
    dialog = page.get_by_role("dialog", name="Pause order-management → warehouse?")
    confirm = dialog.get_by_role("button", name="Pause")
    confirm.click()
    expect(dialog.get_by_text("Give a reason")).to_be_visible()
    assert standin.calls == []

    standin.gate.clear()
    dialog.get_by_label("Reason").fill("  stock count in hall 3 ")
    confirm.click()
    expect(dialog.get_by_label("Reason")).to_be_disabled()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    standin.gate.set()

    expect(dialog.get_by_text("done and verified")).to_be_visible()
    expect(confirm).to_be_hidden()
    (call,) = standin.calls
    assert call[:4] == ("pause", "local", "order-management->warehouse", "stock count in hall 3")
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Resume order-management → warehouse")).to_be_visible()
    assert watched.complaints == []


def test_one_opening_of_the_dialog_is_one_intent(serve: Serve, visit: Visit) -> None:
    standin = StandIn()
    page = visit(serve(standin)).open()
    for action in ("Pause", "Resume"):
        page.get_by_label(f"{action} order-management → warehouse").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill("exercise")
        dialog.get_by_role("button", name=action).click()
        dialog.get_by_text("done and verified").wait_for()
        dialog.get_by_role("button", name="Close").last.click()
        expect(dialog).to_be_hidden()
    assert [call[0] for call in standin.calls] == ["pause", "resume"]
    assert len({call[4] for call in standin.calls}) == 2


def test_two_browsers_do_not_share_a_dialog(serve: Serve, visit: Visit) -> None:
    served = serve()
    first, second = visit(served).open(), visit(served).open()
    first.get_by_label("Pause order-management → warehouse").click()
    first.get_by_role("dialog").get_by_label("Reason").fill("mine alone")
    second.get_by_label("Resume carrier → order-management").click()
    expect(second.get_by_role("dialog", name="Resume carrier → order-management?")).to_be_visible()
    expect(second.get_by_role("dialog").get_by_label("Reason")).to_have_value("")
    expect(first.get_by_role("dialog").get_by_label("Reason")).to_have_value("mine alone")
    assert served.standin.calls == []


def test_with_no_data_the_page_tells_where_to_push(serve: Serve, visit: Visit) -> None:
    watched = visit(serve(Empty()))
    page = watched.open()
    expect(page.locator("#headline")).to_have_text("No data yet")
    expect(page.get_by_text("http://127.0.0.1:4318")).to_be_visible()
    expect(page.get_by_role("region", name="Key figures")).to_be_hidden()
    assert watched.complaints == []
    assert serious(page) == []


def test_stale_data_are_announced(serve: Serve, visit: Visit) -> None:
    page = visit(serve(StandIn(through=NOW - timedelta(hours=3)))).open()
    expect(page.get_by_text("Nothing has come in since")).to_be_visible()


def test_the_page_refreshes_by_itself_and_can_be_told_not_to(serve: Serve, visit: Visit) -> None:
    served = serve(refresh_s=1)
    page = visit(served).open()
    served.standin.through = NOW - timedelta(hours=3)
    served.clock.advance(5)
    expect(page.get_by_text("Nothing has come in since")).to_be_visible()
    page.get_by_label("Auto-refresh").focus()
    page.keyboard.press("Space")
    expect(page.locator("#page-age")).to_contain_text("paused")


def test_a_page_that_lost_its_server_says_so(serve: Serve, visit: Visit) -> None:
    watched = visit(serve(refresh_s=1))
    page = watched.open()
    drawn(page)
    page.context.set_offline(True)
    expect(page.locator("#page-age")).to_contain_text("not updating for")
    expect(page.locator("#headline")).to_contain_text("604 open cases")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["desk", "phone"])
def test_the_page_is_accessible_and_fits(serve: Serve, visit: Visit, dark: bool, width: int, height: int) -> None:
    watched = visit(serve(), width=width, height=height, dark=dark)
    page = watched.open()
    drawn(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == ("dark" if dark else "light")
    assert watched.complaints == []


def test_the_dialog_is_accessible(serve: Serve, visit: Visit) -> None:
    page = visit(serve()).open()
    page.get_by_label("Pause order-management → warehouse").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    page.get_by_text("Give a reason").wait_for()
    assert serious(page) == []


def test_the_theme_can_be_switched_and_is_kept(watched: Watched) -> None:
    page = watched.page
    page.get_by_label("Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    watched.open()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_an_unknown_path_is_not_found(serve: Serve, visit: Visit) -> None:
    watched = visit(serve())
    answer = watched.page.goto(watched.url + "/nope")
    assert answer is not None
    assert answer.status == 404


def drawn(page: Page) -> None:
    """Waits until the parts that load late (grid, charts) are there."""
    page.locator(".ag-row").first.wait_for(state="attached")
    page.locator(".queue .js-plotly-plot .scatterlayer").first.wait_for(state="attached")


def refresh(page: Page) -> dict[str, Any]:
    """Presses Refresh and returns the timing of the one answer."""
    with page.expect_response("**/_dash-update-component*") as waited:
        page.get_by_label("Refresh now").click()
    waited.value.finished()
    return dict(waited.value.request.timing)


def serious(page: Page) -> list[str]:
    """axe's serious and critical findings."""
    results = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in results
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
