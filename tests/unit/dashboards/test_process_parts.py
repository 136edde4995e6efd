"""The process page's parts as component trees: full, empty, stale, small samples, unknown, broken."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import ManualClock
from core.errors import Unavailable
from dashboards.components.process_bottlenecks import bottleneck_list
from dashboards.components.process_case import case_view
from dashboards.components.process_filters import panel
from dashboards.components.process_head import waits
from dashboards.components.process_map import move_levels, process_map, selection
from dashboards.components.process_risks import risk_table
from dashboards.components.process_variants import variant_list
from dashboards.map_choice import levels, main_moves, measure, shown_part
from dashboards.pages.process import (
    show_bottlenecks,
    show_case,
    show_facets,
    show_frame,
    show_map,
    show_risks,
    show_variants,
)
from dashboards.process_reads import CaseQuestion, StreamTile
from dashboards.process_snapshot import FRESH_S, KEPT, ProcessReadings
from dashboards.snapshot import Section
from dashboards.url_state import Count, List, Paths, Period, ProcessState, Statistic, Steps, Times, parse
from dashboards.view import Doors, View
from tests.browser.standin import NOW, StandIn
from tests.browser.standin_process import (
    BOTTLENECKS,
    MOVES,
    ORDERS,
    RISKS,
    VARIANTS,
    Bottleneck,
    CaseAtRisk,
    NoStreams,
    ProcessMap,
    ProcessStandIn,
    Variants,
    move,
    node,
    timeline,
)
from tests.unit.dashboards.trees import by_class, text, walk

VIEW = View(NOW, ZoneInfo("Europe/Berlin"), Doors())
STATE = ProcessState(ORDERS)
WATCHED = StreamTile(ORDERS, 10, 3, NOW, True)
UNWATCHED = StreamTile("bpic", 10, 10, NOW, False)


def show(reads: Any, search: str = "") -> dict[str, Any]:
    """Every part of the page at an address, as its callbacks make it."""

    async def read() -> dict[str, Any]:
        readings = ProcessReadings(reads, ManualClock(NOW))
        frame = await readings.frame("default", parse(search))
        waiting, variants = await readings.bottlenecks("default", frame), await readings.variants("default", frame)
        shown, standing = await readings.map("default", frame), await readings.standing("default", frame)
        on_map = await readings.standing("default", frame, for_map=True)
        return {
            **show_frame(frame, variants, VIEW),
            **show_bottlenecks(frame, waiting, VIEW, standing, on_map),
            "risks": show_risks(frame, await readings.risks("default", frame), VIEW),
            "variants": show_variants(frame, variants),
            "map": show_map(
                frame,
                shown,
                waits(waiting.value, on_map.value, frame.state.waits),
                await readings.map_variants("default", frame),
                VIEW,
            ),
            "facets": show_facets(frame, await readings.facets("default", frame), shown),
            "case": show_case(frame, await readings.case("default", frame), VIEW),
        }

    return asyncio.run(read())


def links(node: Any) -> list[str]:
    return [found.href for found in walk(node) if getattr(found, "href", None)]


def plain(shown: str) -> str:
    return shown.replace("\u00a0", " ")


# --- the sentence ---


def test_the_first_line_says_where_work_waits_and_what_it_costs() -> None:
    assert text(show(ProcessStandIn())["headline"]) == (
        "€ 38.4 k in 214 cases waits after order allocated at warehouse: 4 h 8 min, 3.5× usual"
    )


def test_the_second_line_adds_up_each_currency_by_itself() -> None:
    said = plain(show(ProcessStandIn())["lead"])
    assert said.startswith("In all, € 55.6 k and $ 2,941 stands in 421 open cases of order-to-cash, at 3 places")
    assert "171 have waited longer than usual" in said
    assert "3 have no price" in said


def test_a_step_without_a_price_is_told_in_cases() -> None:
    class Unpriced(ProcessStandIn):
        def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
            return [dataclasses.replace(BOTTLENECKS[2], value=Decimal(0), currency="", unpriced=19)]

    shown = show(Unpriced())
    assert text(shown["headline"]) == "19 cases wait after order backordered at erp: 2 d 2 h, no usual yet"
    assert "no known value stands in 19 open cases" in plain(shown["lead"])


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ("?stream=return-to-resolution", "Nothing waits in return-to-resolution"),
        ("?stream=bpic2012", "What waits in bpic2012 is not known: nothing says when its cases end"),
    ],
    ids=["nothing waits", "nobody knows when cases end"],
)
def test_nothing_and_not_known_are_different(search: str, wanted: str) -> None:
    assert text(show(ProcessStandIn(), search)["headline"]) == wanted


# --- the page ---


def test_with_no_stream_the_page_says_where_to_push() -> None:
    shown = show(NoStreams())
    assert text(shown["headline"]) == "No process yet"
    assert shown["sections"] == "hidden"
    assert "opsintel import FILE" in text(shown["first_steps"])


def test_stale_data_are_announced() -> None:
    shown = show(ProcessStandIn(through=NOW - timedelta(hours=2)))
    assert "Nothing has come in since 08:00 CET (2 h ago)" in text(shown["banners"])
    assert "stale" in text(shown["freshness"])


def test_the_first_stream_is_shown_when_none_is_chosen_and_what_else_was_chosen_holds() -> None:
    shown = show(ProcessStandIn(), "?case=ORD-1")
    assert shown["stream"] == shown["shown"] == ORDERS
    assert "ORD-1" in text(shown["case"])


def test_a_stream_without_cases_stays_in_the_selector() -> None:
    shown = show(ProcessStandIn(), "?stream=nowhere")
    assert {"value": "nowhere", "label": "nowhere · no cases"} in shown["options"]
    assert "This stream has no cases." in text(shown["map"])


class NotYet(ProcessStandIn):
    def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
        raise Unavailable("not computed yet")

    def risks(self, tenant: str, stream: str) -> Sequence[CaseAtRisk]:
        raise ZeroDivisionError("a defect with a secret in it")


def test_a_section_that_cannot_be_read_says_so_and_leaves_the_others_alone() -> None:
    shown = show(NotYet())
    assert "This could not be read: not computed yet." in text(shown["bottlenecks"])
    assert text(shown["headline"]) == "What waits in order-to-cash is not known"
    assert "the service's log has the details" in text(shown["risks"])
    assert "secret" not in text(shown["risks"])
    assert by_class(shown["map"], "pm-node")


def test_a_page_whose_reads_know_no_process_still_answers() -> None:
    """The overview's stand-in has none of the process reads: every section says that it cannot be read."""
    shown = show(StandIn(), f"?stream={ORDERS}")
    assert "not read" in text(shown["map"])


def test_a_case_that_is_not_there_is_named() -> None:
    shown = show(ProcessStandIn(), "?case=nope")
    assert "there is no case 'nope' in the stream 'order-to-cash'" in text(shown["case"])
    assert "/process?stream=order-to-cash" in links(shown["case"])


def asked(search: str) -> dict[str, CaseQuestion]:
    """What each part asks at an address; the map's own cases are asked for their variants, too."""
    reads, found = ProcessStandIn(), {}
    show(reads, search)
    for part, question in reads.asked:
        found.setdefault(part, question)
    return found  # type: ignore[return-value]


def test_filters_hold_for_every_part_and_the_period_for_what_is_not_of_now() -> None:
    found = asked("?period=24h&attribute=retail.channel%3Dweb&without=a%3Db&misses=x&follows=x-%3Ey&min_duration=2h"
                  "&outcome=open")  # fmt: skip
    filters = CaseQuestion(None, None, (("retail.channel", "web"),), (("a", "b"),), (), ("x",), (("x", "y"),), 7200,
                           None, ("open",))  # fmt: skip
    recent = dataclasses.replace(filters, start=NOW - timedelta(days=1))
    assert found == {"map": recent, "variants": recent, "facets": recent, "standing": filters, "risks": filters}


@pytest.mark.parametrize(
    ("search", "wanted", "own"),
    [
        ("step=x", CaseQuestion(contains=("x",)), "map"),
        ("step=x&to=y", CaseQuestion(follows=(("x", "y"),)), "map"),
        ("variant=22", CaseQuestion(variant=22), "variants"),
        ("waits=x", CaseQuestion(waits="x"), "standing"),
    ],
    ids=["a step of the map", "a path of the map", "a variant", "a place of waiting"],
)
def test_a_selection_narrows_every_part_but_its_own(search: str, wanted: CaseQuestion, own: str) -> None:
    found = asked(f"?period=all&{search}")
    others = {part: wanted for part in ("map", "variants", "facets", "risks", "standing") if part != own}
    assert {part: found[part] for part in others} == others
    assert found.get(own, CaseQuestion()) == CaseQuestion()


def test_every_part_says_what_narrows_it_and_its_own_selection_does_not() -> None:
    shown = show(ProcessStandIn(), "?attribute=retail.channel%3Dweb&variant=22&step=retail.order.allocated")
    assert "Only cases: channel = web; pass order allocated; one variant" in text(shown["risks"])
    assert "Only cases: channel = web; one variant" in text(shown["map"])
    assert "Only cases: channel = web; pass order allocated" in text(shown["variants"])
    assert "pass order allocated; one variant" not in text(shown["variants"])
    said = text(shown["bottlenecks"])
    assert "81 match" in said
    assert "Money and waits are of all open cases at a place" in said
    assert "2 without such cases hidden" in said


def test_a_narrowed_map_tells_how_many_of_its_own_cases_wait_and_no_money() -> None:
    shown = show(ProcessStandIn(), "?attribute=retail.channel%3Dweb")
    assert "81 of 214 wait now" in text(shown["map"])
    assert "188 wait now" not in text(shown["map"])
    assert waits(BOTTLENECKS, None, "retail.order.shipped") == {
        "retail.order.shipped": "188 wait now · €\u00a017.2\u00a0k"
    }


def test_a_filter_that_matches_nothing_says_so_everywhere_and_offers_a_way_out() -> None:
    shown = show(ProcessStandIn(), "?attribute=retail.channel%3Dnowhere")
    for part, wanted in (
        ("map", "No case that matches these filters was active in the last 28 days."),
        ("variants", "No case that matches these filters was active in the last 28 days."),
        ("risks", "No open case that matches these filters is at risk"),
        ("facets", "No case matches"),
    ):
        assert wanted in text(shown[part]), part
    assert "/process?stream=order-to-cash&period=all" in links(shown["map"])


def test_every_filter_is_a_chip_that_lets_it_go() -> None:
    shown = show(
        ProcessStandIn(),
        "?stream=order-to-cash&attribute=retail.channel%3Dweb&without=a%3Db&contains=retail.order.placed&misses=y&follows=x-%3Ey"
        "&min_duration=2h&max_duration=3d&outcome=open&waits=w&step=retail.order.allocated&variant=22&case=ORD-1",
    )
    said = text(shown["chips"])
    for wanted in ("channel = web", "a is not b", "with order placed", "without y", "x directly before y",
                   "take 2 h or more", "take 3 d or less", "still open", "wait after w", "pass order allocated",
                   "variant 2", "case ORD-1"):  # fmt: skip
        assert wanted in said, wanted
    states = [parse(href.removeprefix("/process")) for href in links(shown["chips"])]
    assert len(states) == 13
    cleared = ProcessState(ORDERS, case="ORD-1")
    assert cleared in states
    assert any(one.attributes == () and one.without and one.case for one in states)
    assert any(one.case == "" and one.variant == 22 for one in states)


def test_what_can_be_filtered_by_is_told_with_counts() -> None:
    shown = show(ProcessStandIn(), "?attribute=retail.channel%3Dweb")["facets"]
    said = text(shown)
    for wanted in ("channel in 4,200", "web 2,610", "location.id", "and 6 more values", "still open 421",
                   "ended by order paid 3,140", "Not listed, for nearly every case has another value: order.id",
                   "order fraud checked"):  # fmt: skip
        assert wanted in said, wanted
    (on,) = by_class(shown, "facet-on")
    assert parse(on.href.removeprefix("/process")).attributes == ()
    states = [parse(href.removeprefix("/process")) for href in links(shown)]
    assert any(one.without == (("retail.channel", "store"),) for one in states)
    assert any(one.misses == ("retail.order.picked",) for one in states)
    assert panel(None, None, STATE)


# --- the map ---


def whole() -> ProcessMap:
    return ProcessStandIn().process_map("default", ORDERS, CaseQuestion())


def test_every_step_and_shown_path_is_a_link_to_itself() -> None:
    shown = process_map(whole(), waits(BOTTLENECKS), STATE.but(paths=Paths.ALL), VIEW)
    assert len(by_class(shown, "pm-node")) == 12
    assert len(by_class(shown, "pm-label")) == len(MOVES)
    states = {parse(one.href.removeprefix("/process")) for one in by_class(shown, "pm-label")}
    assert {(one.step, one.to) for one in states} == {(one.from_step, one.to_step) for one in MOVES}


def test_a_box_says_working_time_and_unknown_where_it_is() -> None:
    shown = process_map(whole(), waits(BOTTLENECKS), STATE, VIEW)
    boxes = {text(box.children[0]): text(box) for box in by_class(shown, "pm-node")}
    assert "working 10 min 40 s" in boxes["order picked"]
    assert "working unknown" in boxes["order placed"]
    assert "▶ start 4,190" in boxes["order placed"]
    assert "■ last 3,140" in boxes["order paid"]
    assert "214 wait now · € 38.4 k" in boxes["order allocated"]
    assert "■" not in boxes["order fraud checked"], "4 of 4,200 are left to the details"


def test_a_path_says_its_wait_or_that_it_is_only_a_gap() -> None:
    shown = process_map(whole(), {}, STATE.but(paths=Paths.ALL), VIEW)
    labels = {str(getattr(one, "aria-label")).split(":")[0]: one for one in by_class(shown, "pm-label")}
    assert text(labels["order allocated → order picked"]) == "4 h 6 min n 3,780"
    assert "gap · n 3,300" in text(labels["order shipped → order delivered"])
    rare = labels["order fraud checked → order cancelled"]
    assert "pm-few" in rare.className
    assert "small sample" in getattr(rare, "aria-label")


def test_a_colour_repeats_a_rank_that_is_told_in_words_too() -> None:
    rank = move_levels(whole(), STATE)
    assert rank["retail.order.backordered", "retail.order.cancelled"] == 3
    assert rank["retail.order.placed", "retail.order.validated"] == 0
    shown = process_map(whole(), {}, STATE.but(paths=Paths.ALL), VIEW)
    worst = next(one for one in by_class(shown, "pm-level-3") if "backordered → order cancelled" in one.title)
    assert "▲" in text(worst)
    assert "longest tenth" in getattr(worst, "aria-label")


def test_paths_that_all_take_the_same_are_not_called_long() -> None:
    assert levels({("a", "b"): 60.0, ("b", "c"): 60.0}) == {("a", "b"): 0, ("b", "c"): 0}
    assert levels({("a", "b"): None, ("b", "c"): 9.0, ("c", "d"): 99.0})["a", "b"] == 0
    assert levels({}) == {}


def test_rare_paths_are_hidden_and_every_step_stays_reachable() -> None:
    for paths in Paths:
        moves = shown_part(whole(), STATE.but(paths=paths)).moves
        reached, frontier = set(), ["retail.order.placed"]
        while frontier:
            step = frontier.pop()
            if step not in reached:
                reached.add(step)
                frontier += [one.to_step for one in moves if one.from_step == step]
        assert reached == {step.step for step in whole().steps}
    drawn = [len(shown_part(whole(), STATE.but(paths=paths)).moves) for paths in Paths]
    assert drawn[0] <= drawn[1] < drawn[2] == len(MOVES)


def test_from_every_step_an_end_stays_reachable() -> None:
    steps = (node("a", 100, None, starts=100), node("b", 100, None), node("c", 100, None, ends=100))
    moves = (move("a", "b", 100, 1), move("b", "a", 99, 1), move("b", "c", 1, 1))
    found = main_moves(steps, moves, 0.5, lambda move: move.count)
    assert ("retail.order.b", "retail.order.c") in {(one.from_step, one.to_step) for one in found}


def test_the_map_has_its_basis() -> None:
    said = text(process_map(whole(), {}, STATE, VIEW))
    assert "n 4,200 cases with 37,163 events, active in the last 28 days" in said
    assert "data through 09:59 CET" in said
    assert "7 paths do not tell when the next step began" in said
    assert "rare paths hidden" in said


def test_what_is_hidden_is_said_with_the_share_of_cases_that_are_drawn_whole() -> None:
    said = text(process_map(whole(), {}, STATE.but(steps=Steps.MAIN, paths=Paths.ALL), VIEW, "", VARIANTS))
    assert "2 rare steps and 5 rare paths hidden. Drawn: " in said
    known = sum(one.cases for one in VARIANTS.variants[:3]) + VARIANTS.variants[5].cases
    assert f"at least {known / 42:.1f} % of the cases from their first step to their last" in said
    assert "how many cases are drawn whole is not known" in text(process_map(whole(), {}, STATE, VIEW))
    everything = process_map(whole(), {}, STATE.but(paths=Paths.ALL), VIEW)
    assert "Nothing is hidden" in text(everything)


@pytest.mark.parametrize(
    ("statistic", "wanted"),
    [(Statistic.MEDIAN, 4.1), (Statistic.MEAN, 4.1 * 1.4), (Statistic.P90, 4.1 * 2.6), (Statistic.P95, 4.1 * 3.4),
     (Statistic.SUM, 4.1 * 1.4 * 3780)],
)  # fmt: skip
def test_times_are_told_in_the_chosen_statistic(statistic: Statistic, wanted: float) -> None:
    picked = next(one for one in MOVES if one.from_step.endswith("allocated"))
    assert measure(picked, STATE.but(statistic=statistic)).seconds == pytest.approx(wanted * 3600)
    total = measure(picked, STATE.but(statistic=statistic, times=Times.TOTAL))
    assert total.seconds == pytest.approx(wanted * 3600 * 1.05)
    assert total.known


def test_a_map_of_work_ranks_the_steps_and_tells_no_times_between_them() -> None:
    shown = process_map(whole(), {}, STATE.but(times=Times.WORKING, statistic=Statistic.P95), VIEW)
    boxes = {text(box.children[0]): box for box in by_class(shown, "pm-node")}
    assert "working 36 min 16 s" in text(boxes["order picked"])
    assert "pm-level-3" in boxes["order picked"].className
    assert "longest tenth of the map" in boxes["order picked"].title
    labels = {str(getattr(one, "aria-label")).split(":")[0]: text(one) for one in by_class(shown, "pm-label")}
    assert labels["order allocated → order picked"] == "n 3,780"
    assert "the p95 of work within a step" in text(shown)
    assert "5 of 12 steps have no known start" in text(shown)


def test_frequencies_are_by_event_or_by_case() -> None:
    shown = process_map(whole(), {}, STATE.but(count=Count.CASE), VIEW)
    labels = {str(getattr(one, "aria-label")).split(":")[0]: text(one) for one in by_class(shown, "pm-label")}
    assert labels["order allocated → order picked"].endswith("n 3,686")
    assert "n counts cases" in text(shown)


def test_a_period_without_cases_says_so_and_offers_a_wider_one() -> None:
    none = ProcessMap("bpic", 0, 0, None, (), ())
    shown = process_map(none, {}, ProcessState("bpic"), VIEW, "Its newest event is from 14 Mar 2012.")
    assert "No case was active in the last 28 days." in text(shown)
    assert "14 Mar 2012" in text(shown)
    assert links(shown) == ["/process?stream=bpic&period=all"]
    assert "filters" not in text(shown).split("Show all time")[0]
    ever = process_map(none, {}, ProcessState("bpic", Period.ALL), VIEW)
    assert "No case matches." in text(ever)


def test_one_step_alone_is_a_map() -> None:
    shown = process_map(ProcessMap("s", 1, 1, NOW, (node("only", 1, None, 1, 1),), ()), {}, ProcessState("s"), VIEW)
    assert len(by_class(shown, "pm-node")) == 1


def test_a_chosen_step_and_path_are_told_in_full() -> None:
    step = selection(whole(), STATE.but(step="retail.order.allocated"))
    assert "4,110 times in 4,008 cases" in text(step)
    assert "last so far in 214" in text(step)
    path = selection(whole(), STATE.but(step="retail.order.shipped", to="retail.order.delivered"))
    assert "waiting unknown: no start is known" in text(path)
    assert "3,300" in text(path)
    few = selection(whole(), STATE.but(step="retail.order.fraud_checked", to="retail.order.cancelled"))
    assert "small sample" in text(few)
    kept = [parse(href.removeprefix("/process")) for href in links(path)]
    assert STATE.but(follows=(("retail.order.shipped", "retail.order.delivered"),)) in kept
    kept = [parse(href.removeprefix("/process")) for href in links(step)]
    assert STATE.but(contains=("retail.order.allocated",)) in kept
    assert STATE.but(misses=("retail.order.allocated",)) in kept
    assert "does not occur" in text(selection(whole(), STATE.but(step="gone")))
    assert selection(whole(), STATE) is None


# --- bottlenecks, cases at risk, variants ---


def test_a_bottleneck_says_money_wait_usual_since_cause_owner_and_what_to_do() -> None:
    said = text(bottleneck_list(BOTTLENECKS, WATCHED, STATE, VIEW))
    for wanted in ("1 after order allocated € 38.4 k", "214 cases wait for warehouse", "median 4 h 8 min", "3.5× usual",
                   "usual 1 h 10 min at this hour of the week", "longer than usual since 06:00 CET",
                   "oldest 9 h 12 min ago", "131 longer than usual, € 24.0 k", "€ 158 k·hours",
                   "fulfilment.requests holds 263, usual 14 since 06:00 CET",
                   "Suggested: pause order-management → warehouse", "EUR 38,412.55", "n 4,120"):  # fmt: skip
        assert wanted in said, wanted


def test_a_bottleneck_says_what_is_not_known() -> None:
    unsure = dataclasses.replace(BOTTLENECKS[0], since=None, correlates=())
    said = text(bottleneck_list([unsure], WATCHED, STATE, VIEW))
    assert "since when is not known" in said
    assert "Nothing else is known to have changed with it." in said
    said = text(bottleneck_list(BOTTLENECKS[1:], WATCHED, STATE, VIEW))
    assert "no usual yet" in said
    assert "3 without a price" in said
    assert "small sample" in said
    unpriced = dataclasses.replace(BOTTLENECKS[0], value=Decimal(0), currency="", owner_system="")
    said = text(bottleneck_list([unpriced], WATCHED, STATE, VIEW))
    assert "no value known" in said
    assert "for nobody known" in said


def test_no_bottleneck_and_no_knowledge_are_different() -> None:
    assert "Nothing waits." in text(bottleneck_list((), WATCHED, STATE, VIEW))
    assert "not known which cases are open" in text(bottleneck_list((), UNWATCHED, STATE, VIEW))
    assert "No open case is at risk" in text(risk_table((), WATCHED, STATE, VIEW))
    assert "not known which cases are open" in text(risk_table((), UNWATCHED, STATE, VIEW))


def test_cases_at_risk_say_why_and_how_sure_that_is() -> None:
    shown = risk_table(RISKS, WATCHED, STATE, VIEW)
    said = text(shown)
    for wanted in ("87 % likely", "n 412", "overdue", "SKU is backordered", "8 h 37 min", "n 12, small sample",
                   "none known", "15:00 CET"):  # fmt: skip
        assert wanted in said, wanted
    assert parse(links(shown)[0].removeprefix("/process")).case == RISKS[0].case_id


def test_a_prediction_that_rests_on_nothing_tells_no_numbers() -> None:
    bare = dataclasses.replace(RISKS[0], remaining_s=0.0, remaining_p90_s=0.0, p_late=0.0, sample_size=0)
    said = text(risk_table([bare], WATCHED, STATE, VIEW))
    assert "0 s" not in said
    assert "0 %" not in said
    assert "unknown" in said


def test_a_bottleneck_is_a_way_to_the_cases_that_wait_there_and_back() -> None:
    (first, *_) = links(bottleneck_list(BOTTLENECKS, WATCHED, STATE, VIEW))
    assert parse(first.removeprefix("/process")) == STATE.but(waits="retail.order.allocated")
    (back, *_) = links(bottleneck_list(BOTTLENECKS, WATCHED, STATE.but(waits="retail.order.allocated"), VIEW))
    assert parse(back.removeprefix("/process")) == STATE


def test_lists_can_be_shown_whole() -> None:
    many = [dataclasses.replace(RISKS[0], case_id=f"ORD-{number}") for number in range(100)]
    shown = risk_table(many, WATCHED, STATE, VIEW)
    assert "6 of 100: show all 100" in text(shown)
    whole_list = risk_table(many, WATCHED, STATE.but(whole=List.RISKS), VIEW)
    assert "ORD-99" in text(whole_list)
    assert "The 100 dearest are listed; there may be more." in text(whole_list)
    assert parse(links(whole_list)[-1].removeprefix("/process")) == STATE
    places = [dataclasses.replace(BOTTLENECKS[0], step=f"s{number}") for number in range(5)]
    assert "4 of 5: show all 5" in text(bottleneck_list(places, WATCHED, STATE, VIEW))
    assert "after s4" in text(bottleneck_list(places, WATCHED, STATE.but(whole=List.BOTTLENECKS), VIEW))
    unread: Section[Any] = Section(None, "It took too long.")
    assert "is not known: It took too long." in text(bottleneck_list(places, WATCHED, STATE, VIEW, unread))


def test_variants_say_share_duration_and_outcome() -> None:
    shown = variant_list(VARIANTS, STATE)
    said = text(shown)
    for wanted in ("Variant 1 66.9 % · n 2,810", "median 3 d 2 h", "order paid", "still open", "94.4 % order paid",
                   "rework", "6 of 63 variants", "of 4,200 cases active in the last 28 days"):  # fmt: skip
        assert wanted in said, wanted
    first = next(one for one in links(shown))
    assert parse(first.removeprefix("/process")).variant == 2**63 + 17


def test_a_chosen_variant_is_shown_however_rare_and_can_be_let_go() -> None:
    shown = variant_list(VARIANTS, STATE.but(variant=27))
    (chosen,) = by_class(shown, "variant-on")
    assert "small sample" in text(chosen)
    assert parse(chosen.href.removeprefix("/process")).variant is None


def test_no_variants() -> None:
    assert "No case was active in the last 24 hours." in text(
        variant_list(Variants(0, 0, ()), STATE.but(period=Period.DAY))
    )


# --- one case ---


def test_an_open_case_says_where_it_stands_and_for_how_long() -> None:
    shown = case_view(timeline(), STATE, VIEW, watched=True)
    said = text(shown)
    for wanted in ("open", "stands after order allocated for 9 h", "EUR 1,240.50", "waiting 39 min", "working 31 min",
                   "unknown 50 min", "waiting now 9 h", "50 min unknown", "2 failed",
                   "retail.channel web"):  # fmt: skip
        assert wanted in said, wanted
    assert "/api/v1/traces/00f067aa0ba902b700f067aa0ba902b7" in links(shown)


def test_the_time_line_holds_steps_waits_and_spans_by_system() -> None:
    shown = case_view(timeline(), STATE, VIEW, watched=True)
    assert len(by_class(shown, "tl-work")) == 2
    assert len(by_class(shown, "tl-instant")) == 4
    assert len(by_class(shown, "tl-wait")) == 3
    assert len(by_class(shown, "tl-unknown")) == 1
    assert len(by_class(shown, "tl-span")) == 7
    assert len(by_class(shown, "tl-error")) == 2
    assert [text(one) for one in by_class(shown, "lane-name")] == [
        "steps", "waiting 9 h 39 min", "working 31 min", "unknown 50 min", "web-shop", "order-management 2 failed",
        "payment", "warehouse",
    ]  # fmt: skip
    (now,) = by_class(shown, "tl-now")
    assert now.style == {"left": "18.182%", "width": "81.818%"}


def test_a_closed_case_ends_where_it_ended() -> None:
    closed = dataclasses.replace(timeline(), outcome="retail.order.paid", closed_at=NOW - timedelta(hours=9))
    shown = case_view(closed, STATE, VIEW, watched=True)
    assert "closed" in text(shown)
    assert by_class(shown, "tl-now") == []


def test_a_case_of_a_stream_without_ends_does_not_wait() -> None:
    shown = case_view(timeline(), STATE, VIEW, watched=False)
    assert "no end known" in text(shown)
    assert by_class(shown, "tl-now") == []


def test_what_was_cut_and_what_is_missing_is_said() -> None:
    cut = dataclasses.replace(timeline(), total_steps=1_000_000, total_spans=9_000, total_traces=300)
    said = text(case_view(cut, STATE, VIEW, watched=True))
    assert "the newest 4 of 1,000,000 steps" in said
    assert "7 of 9,000 spans, the failed and the longest" in said
    assert "and 298 more" in said
    bare = dataclasses.replace(timeline(), spans=(), total_spans=0, total_traces=0, attributes={}, value=None)
    said = text(case_view(bare, STATE, VIEW, watched=True))
    assert "No spans of this case's traces are stored." in said
    assert "value unknown" in said
    assert "None was given." in said


def test_a_case_of_one_moment_is_a_time_line() -> None:
    one = dataclasses.replace(
        timeline(), steps=timeline().steps[:1], spans=(), last=timeline().first, outcome="x", total_steps=1
    )
    assert len(by_class(case_view(one, STATE, VIEW, watched=True), "tl-instant")) == 1


# --- readings ---


def test_browsers_that_want_the_same_share_a_reading() -> None:
    reads, clock = ProcessStandIn(), ManualClock(NOW)

    async def run() -> None:
        readings = ProcessReadings(reads, clock)
        frame = await readings.frame("a", parse("?case=ORD-1"))
        other = await readings.frame("a", parse("?case=ORD-1&variant=22"))
        await asyncio.gather(*(readings.map("a", frame) for _ in range(5)), readings.map("a", other))
        assert len(reads.asked) == 2
        await readings.map("a", await readings.frame("a", parse("?case=ORD-2")))
        assert len(reads.asked) == 2, "another case has the same map"
        clock.advance(3)
        await readings.map("a", frame)
        await readings.map("b", frame)
        assert len(reads.asked) == 4

    asyncio.run(run())


def test_who_wants_it_fresh_gets_what_was_begun_just_now_at_most() -> None:
    reads, clock = ProcessStandIn(), ManualClock(NOW)

    async def run() -> None:
        readings = ProcessReadings(reads, clock)
        frame = await readings.frame("a", STATE)
        await readings.map("a", frame)
        await readings.map("a", frame, fresh=True)
        assert len(reads.asked) == 1
        clock.advance(FRESH_S + 0.1)
        await readings.map("a", frame)
        await readings.map("a", frame, fresh=True)
        assert len(reads.asked) == 2

    asyncio.run(run())


def test_a_slow_reading_is_reused_the_longer() -> None:
    clock = ManualClock(NOW)

    class Slow(ProcessStandIn):
        def process_map(self, tenant: str, stream: str, question: CaseQuestion) -> ProcessMap:
            clock.advance(10)
            return super().process_map(tenant, stream, question)

    reads = Slow()

    async def run() -> None:
        readings = ProcessReadings(reads, clock)
        frame = await readings.frame("a", STATE.but(period=Period.ALL))
        for later, wanted in ((0, 1), (29, 1), (12, 2)):
            clock.advance(later)
            await readings.map("a", frame)
            await asyncio.sleep(0)
            assert len(reads.asked) == wanted

    asyncio.run(run())


def test_a_slow_part_holds_up_no_other() -> None:
    begun, let_go = threading.Event(), threading.Event()

    class Stuck(ProcessStandIn):
        def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
            begun.set()
            let_go.wait(10)
            return super().bottlenecks(tenant, stream)

    async def run() -> None:
        readings = ProcessReadings(Stuck(), ManualClock(NOW), grace_s=0.01)
        frame = await readings.frame("a", STATE)
        waiting = asyncio.create_task(readings.bottlenecks("a", frame))
        try:
            assert (await readings.map("a", frame)).value
            assert await readings.soon(waiting) is None
            assert begun.is_set()
        finally:
            let_go.set()
        assert (await waiting).value == BOTTLENECKS

    asyncio.run(run())


def test_few_readings_are_kept() -> None:
    async def run() -> None:
        readings = ProcessReadings(ProcessStandIn(), ManualClock(NOW))
        for number in range(KEPT + 5):
            await readings.case("a", await readings.frame("a", ProcessState(ORDERS, case=f"ORD-{number}")))
        assert len(readings._kept) == KEPT

    asyncio.run(run())
