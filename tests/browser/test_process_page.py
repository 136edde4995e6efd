"""The process page in a real browser: choosing, drilling down, reloading, by mouse and keyboard, on desk and phone."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.served import Served
from tests.browser.standin_process import ORDERS, Bottleneck, NoStreams, ProcessStandIn
from tests.browser.test_overview import serious

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
Visit = Callable[..., Watched]
CASE = "ORD-20260302-000417"


def opened(watched: Watched, path: str = "/process") -> Page:
    """Loads the page and waits for its first data."""
    watched.page.goto(watched.url + path)
    expect(watched.page.locator("#process-title")).not_to_have_text("Reading…")
    expect(watched.page.locator("#process-title")).not_to_be_empty()
    return watched.page


@pytest.fixture
def watched(serve: Serve, visit: Visit) -> Iterator[Watched]:
    """The page's browser; at the end nothing may have gone abroad or complained."""
    found = visit(serve(ProcessStandIn()))
    yield found
    assert found.foreign == []
    assert found.complaints == []


def test_the_page_shows_every_section(watched: Watched) -> None:
    page = opened(watched)
    expect(page).to_have_title("opsintel · Process")
    expect(page.locator("#process-title")).to_contain_text("in 214 cases waits after order allocated at warehouse")
    expect(page.locator(".pm-node", has_text="order allocated")).to_contain_text("214 wait now")
    for name in ("Bottlenecks", "Cases at risk", "Variants", "Process map"):
        expect(page.get_by_role("region", name=name)).to_be_visible()
    expect(page.locator(".pm-node")).to_have_count(12)
    expect(page.locator("#process-freshness")).to_contain_text("data through 09:59\u00a0CET")
    expect(page.locator("#process-page-age")).to_contain_text("ago")


def test_from_the_headline_to_a_stuck_order_and_its_trace_in_four_clicks(watched: Watched) -> None:
    page = watched.open("/")
    clicks = 0
    expect(page.get_by_role("region", name="Where work waits now")).to_contain_text("after order allocated")
    page.get_by_role("link", name="after order allocated in order-to-cash").click()
    clicks += 1
    expect(page).to_have_url(re.compile(r"/process\?stream=order-to-cash&waits=retail.order.allocated$"))
    risks = page.get_by_role("region", name="Cases at risk")
    expect(risks).to_contain_text("Only cases: wait after order allocated")
    expect(risks.locator(".case-link")).to_have_count(3)
    risks.get_by_role("link", name=CASE).click()
    clicks += 1
    case = page.get_by_role("region", name=f"Case {CASE}")
    expect(case).to_contain_text("stands after order allocated for 9\u00a0h")
    expect(case.locator(".tl-error")).to_have_count(2)
    with page.expect_response("**/api/v1/traces/*") as answer:
        case.get_by_role("link", name="trace 00f067aa0ba902b700f067aa0ba902b7 on the API").click()
    clicks += 1
    assert answer.value.status == 404, "the stand-in has no API; the address is right"
    assert clicks <= 4
    watched.complaints.clear()


def test_a_stream_is_chosen_and_what_was_chosen_in_the_old_one_is_let_go(watched: Watched) -> None:
    page = opened(watched, f"/process?stream={ORDERS}&variant=22&period=7d")
    expect(page.get_by_label("Stream").first).to_have_value("order-to-cash · 4,200 cases, 421 open")
    page.get_by_label("Stream").first.click()
    page.get_by_role("option", name="bpic2012").click()
    expect(page).to_have_url(re.compile(r"/process\?stream=bpic2012&period=7d$"))
    expect(page.locator("#process-title")).to_contain_text("nothing says when its cases end")
    expect(page.get_by_role("region", name="Process map")).to_contain_text("Its newest event is from 14 Mar 2012")
    page.get_by_role("link", name="Show all time, without filters").click()
    expect(page.get_by_role("region", name="Process map")).to_contain_text("No case matches.")
    page.go_back()
    page.go_back()
    expect(page.locator("#process-title")).to_contain_text("after order allocated")
    expect(page.get_by_label("Stream").first).to_have_value("order-to-cash · 4,200 cases, 421 open")


def test_a_variant_filters_the_map_and_is_let_go_again(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_role("link", name="Variant 5").click()
    expect(page.locator(".pm-node")).to_have_count(3)
    expect(page.get_by_role("region", name="Process map")).to_contain_text("one variant only")
    page.get_by_role("link", name="variant 5 clear").click()
    expect(page.locator(".pm-node")).to_have_count(12)


def test_rare_paths_can_be_shown(watched: Watched) -> None:
    page = opened(watched)
    few = page.locator(".pm-label").count()
    page.get_by_role("group", name="Paths").get_by_role("link", name="all 19").click()
    expect(page.locator(".pm-label")).to_have_count(19)
    assert few < 19


def test_a_step_and_a_path_tell_their_times(watched: Watched) -> None:
    page = opened(watched)
    page.locator(".pm-node", has_text="order picked").click()
    expect(page.locator(".pm-chosen")).to_contain_text("3,790 times in 3,696 cases")
    page.locator(".pm-label[title^='order allocated → order picked']").click()
    expect(page.locator(".pm-chosen")).to_contain_text("whole gap")
    page.locator(".pm-chosen").get_by_role("link", name="Close").click()
    expect(page.locator(".pm-chosen")).to_have_count(0)


def test_a_reload_shows_the_same(watched: Watched) -> None:
    page = opened(watched, "/process?paths=all")
    page.get_by_role("group", name="Period").get_by_role("link", name="7d").click()
    expect(page.locator(".pm-basis")).to_contain_text("in the last 7 days")
    page.get_by_role("link", name="Variant 1").click()
    expect(page.locator(".pm-node")).to_have_count(10)
    page.get_by_role("group", name="Statistic").get_by_role("link", name="p90").click()
    expect(page.locator(".pm-legend")).to_contain_text("the p90 of waiting")
    page.locator(".pm-node", has_text="order allocated").click()
    expect(page.locator(".pm-chosen")).to_be_visible()
    expect(page.locator("#process-variants")).to_contain_text("pass order allocated")
    page.get_by_role("region", name="Cases at risk").get_by_role("link", name=CASE).click()
    expect(page.get_by_role("region", name=f"Case {CASE}")).to_be_visible()
    before, address = shown(page), page.url
    page.reload()
    expect(page.get_by_role("region", name=f"Case {CASE}")).to_be_visible()
    assert page.url == address
    assert shown(page) == before


def shown(page: Page) -> list[str]:
    """What a person sees of every region."""
    expect(page.locator(".process-split .mantine-Skeleton-root")).to_have_count(0)
    expect(page.locator(".pm-node", has_text="wait now").first).to_be_visible()
    names = ("title", "lead", "choices", "chips", "case", "bottlenecks", "risks", "variants", "map")
    return [page.locator(f"#process-{name}").inner_text() for name in names]


def test_a_click_on_the_first_line_leads_to_who_waits_there(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_role("heading", level=1).get_by_role("link", name="after order allocated").click()
    for part in ("risks", "variants", "map"):
        expect(page.locator(f"#process-{part}")).to_contain_text("Only cases: wait after order allocated")
    expect(page.locator(".bn-on")).to_contain_text("after order allocated")
    expect(page.locator(".pm-here")).to_contain_text("order allocated")
    page.get_by_role("link", name="wait after order allocated clear").click()
    expect(page.locator(".narrowed")).to_have_count(0)
    expect(page.locator(".bn-on")).to_have_count(0)


def test_an_attribute_is_filtered_by_combined_and_let_go(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_text("Filter by outcome, attribute").click()
    facets = page.locator("#process-facets")
    expect(facets).to_contain_text("2,610")
    facets.get_by_role("link", name="web 2,610 cases").click()
    expect(page.locator("#process-chips")).to_have_text(re.compile("channel = web"))
    expect(facets.locator(".facet-on")).to_have_count(1)
    facets.get_by_role("link", name="without order backordered").click()
    page.get_by_label("Takes at least").fill("2h")
    page.keyboard.press("Enter")
    wanted = "Only cases: channel = web; without order backordered; take 2\u00a0h or more"
    for part in ("bottlenecks", "risks", "variants", "map"):
        expect(page.locator(f"#process-{part}")).to_contain_text(wanted)
    address = r"attribute=retail.channel%3Dweb&misses=retail.order.backordered&min_duration=2h$"
    expect(page).to_have_url(re.compile(address))
    expect(facets.locator(".facet-on")).to_have_count(1)
    page.get_by_role("link", name="channel = web clear").click()
    expect(page.locator("#process-map")).to_contain_text("Only cases: without order backordered; take")
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("#process-chips")).to_be_empty()
    expect(page).to_have_url(re.compile(r"/process\?stream=order-to-cash$"))


def test_a_filter_that_matches_nothing_says_so_in_every_part(watched: Watched) -> None:
    page = opened(watched, "/process?attribute=retail.channel%3Dnowhere")
    for part in ("risks", "variants", "map"):
        expect(page.locator(f"#process-{part}")).to_contain_text("that matches these filters")
    page.get_by_text("Filter by outcome, attribute").click()
    expect(page.locator("#process-facets")).to_contain_text("No case matches")
    page.get_by_label("Any attribute").fill("retail.channel=web")
    page.keyboard.press("Enter")
    expect(page.locator("#process-map")).to_contain_text("channel = nowhere; channel = web")
    page.get_by_role("link", name="Show all time, without filters").click()
    expect(page.locator(".pm-node")).to_have_count(12)


def test_the_map_is_switched_and_says_what_it_hides(watched: Watched) -> None:
    page = opened(watched)
    shown = page.locator(".pm-label[title^='order allocated → order picked']")
    expect(shown).to_contain_text("4\u00a0h 6\u00a0min")
    page.get_by_role("group", name="Times", exact=True).get_by_role("link", name="total").click()
    expect(shown).to_contain_text("4\u00a0h 18\u00a0min")
    page.get_by_role("group", name="Count").get_by_role("link", name="by case").click()
    expect(shown).to_contain_text("n 3,686")
    page.get_by_role("group", name="Steps").get_by_role("link", name="main").click()
    expect(page.locator(".pm-node")).to_have_count(10)
    expect(page.locator(".pm-hidden")).to_contain_text(re.compile("2 rare steps and .* hidden.*of the cases from"))
    page.get_by_role("group", name="Times", exact=True).get_by_role("link", name="working").click()
    expect(page.locator(".pm-node.pm-level-3")).to_have_count(1)


def test_a_list_is_shown_whole(watched: Watched) -> None:
    page = opened(watched)
    expect(page.locator(".variant")).to_have_count(6)
    page.get_by_role("link", name="show all 7 variants").click()
    expect(page.locator(".variant")).to_have_count(7)
    page.get_by_role("link", name="show fewer variants").click()
    expect(page.locator(".variant")).to_have_count(6)


def test_a_slow_part_is_marked_and_holds_up_no_other(serve: Serve, visit: Visit) -> None:
    let_go = threading.Event()

    class Stuck(ProcessStandIn):
        def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
            let_go.wait(60)
            return super().bottlenecks(tenant, stream)

    watched = visit(serve(Stuck()))
    page = watched.page
    try:
        page.goto(watched.url + "/process")
        expect(page.locator(".pm-node")).to_have_count(12)
        expect(page.locator(".case-link")).to_have_count(4)
        expect(page.locator(".variant")).to_have_count(6)
        expect(page.locator("#process-bottlenecks")).to_have_class("part loading")
        expect(page.locator(".pm-node", has_text="wait now")).to_have_count(0)
    finally:
        let_go.set()
    expect(page.locator("#process-title")).to_contain_text("in 214 cases")
    expect(page.locator(".pm-node", has_text="order allocated")).to_contain_text("214 wait now")
    expect(page.locator("#process-bottlenecks")).to_have_class("part")


def test_a_case_is_opened_by_its_id(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_label("Case", exact=True).fill("nope")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("region", name="Case nope")).to_contain_text("there is no case 'nope'")
    page.get_by_label("Case", exact=True).fill(f" {CASE} ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=f"Case {CASE}")).to_contain_text("EUR\u00a01,240.50")
    expect(page).to_have_url(re.compile(f"case={CASE}"))
    page.get_by_role("link", name="Close").first.click()
    expect(page.locator("#process-case")).to_be_empty()


def test_everything_is_reached_and_kept_by_keyboard(serve: Serve, visit: Visit) -> None:
    served = serve(ProcessStandIn(), refresh_s=1)
    page = opened(visit(served))
    page.locator("[data-key='variant 22']").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pm-node")).to_have_count(4)
    expect(page.locator("[data-key='variant 22']")).to_be_focused()
    with page.expect_response("**/_dash-update-component*"):
        served.clock.advance(60)
    expect(page.locator("#process-variants")).to_contain_text("shown")
    expect(page.locator("[data-key='variant 22']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".pm-node")).to_have_count(12)


# Watches what is drawn, after the page's own watcher: a key may be pressed right after both.
IN_FOCUS_ONCE_REPLACED = """() => {
    const old = document.activeElement;
    window.inFocus = new Promise(tell => new MutationObserver((_, watching) => {
        if (!old.isConnected) { watching.disconnect(); tell(document.activeElement.dataset.key ?? "nothing"); }
    }).observe(document.body, {childList: true, subtree: true}));
}"""


def test_no_key_can_be_pressed_between_what_was_in_focus_and_what_replaces_it(watched: Watched) -> None:
    page = opened(watched)
    page.locator("[data-key='variant 22']").focus()
    page.evaluate(IN_FOCUS_ONCE_REPLACED)
    page.get_by_label("Refresh now").dispatch_event("click")
    assert page.evaluate("window.inFocus") == "variant 22"


def test_space_scrolls_on_a_link_even_if_it_is_replaced_meanwhile(watched: Watched) -> None:
    page = opened(watched)
    page.locator("[data-key='variant 22']").focus()
    page.evaluate(IN_FOCUS_ONCE_REPLACED)
    page.keyboard.down("Space")
    page.get_by_label("Refresh now").dispatch_event("click")
    assert page.evaluate("window.inFocus") == "variant 22"
    page.keyboard.up("Space")
    expect(page).to_have_url(re.compile(r"/process$"))


def test_the_table_stays_open_through_a_refresh(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_text("The same as a table").click()
    expect(page.locator(".pm-table table")).to_be_visible()
    with page.expect_response("**/_dash-update-component*"):
        page.get_by_label("Refresh now").click()
    expect(page.locator(".pm-table table")).to_be_visible()


def test_with_no_process_the_page_tells_where_to_push(serve: Serve, visit: Visit) -> None:
    watched = visit(serve(NoStreams()))
    page = opened(watched)
    expect(page.locator("#process-title")).to_have_text("No process yet")
    expect(page.get_by_text("opsintel import FILE")).to_be_visible()
    expect(page.get_by_role("region", name="Process map")).to_be_hidden()
    assert serious(page) == []


def test_pages_link_to_one_another(watched: Watched) -> None:
    page = opened(watched)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    expect(page.locator("#headline")).to_contain_text("604 open cases")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Process").click()
    expect(page.locator("#process-title")).to_contain_text("after order allocated")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["desk", "phone"])
def test_the_page_is_accessible_and_fits(serve: Serve, visit: Visit, dark: bool, width: int, height: int) -> None:
    watched = visit(serve(ProcessStandIn()), width=width, height=height, dark=dark)
    page = opened(
        watched, f"/process?paths=all&step=retail.order.allocated&case={CASE}&variant=24&contains=retail.order.placed"
    )
    expect(page.locator(".pm-chosen")).to_be_visible()
    page.get_by_text("The same as a table").click()
    page.get_by_text("Filter by outcome, attribute").click()
    expect(page.locator("#process-facets")).to_contain_text("2,610")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.complaints == []
    assert watched.foreign == []
