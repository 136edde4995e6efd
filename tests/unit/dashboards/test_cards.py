"""Component trees for the states a card can be in: full, empty, stale, small sample, zero reference."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dash import dcc

from dashboards import AlertTile, ControlTile, KpiReading, KpiTile, TargetState, formats
from dashboards.components import sections
from dashboards.components.kpi_card import kpi_card
from dashboards.components.latency import latency_list, latency_rows
from dashboards.view import View
from tests.browser.standin import NOW, Latency, StandIn, Value, Waiting, Webhook, queue, reading
from tests.unit.dashboards.trees import by_class, text, walk

VIEW = View(NOW, ZoneInfo("Europe/Berlin"))


def tile(*readings: KpiReading, **fields: Any) -> KpiTile:
    return KpiTile("fill_rate", "Fill rate", "What it means.", readings, **fields)


def test_a_kpi_stands_with_its_sample_its_change_and_its_target() -> None:
    shown = text(kpi_card(tile(reading("by line", [0.97, 0.964]), target=0.97), VIEW))
    assert "96.4 % by line, 2 Mar" in shown
    assert "−0.6 pts worse vs 1 Mar" in shown
    assert "target missed (≥ 97.0 %)" in shown
    assert "n 1,000 · 12 left out · 31 open · definition v1" in shown
    assert "data through 09:59 CET" in shown


def test_the_other_bases_stand_below_as_chips_with_their_own_sample() -> None:
    card = kpi_card(tile(reading("by line", [0.9]), reading("value", [0.8], sample_size=7)), VIEW)
    (chip,) = by_class(card, "chip")
    assert text(chip) == "value 80.0 %"
    assert "n 7" in chip.title


def test_a_kpi_that_was_never_computed_says_so() -> None:
    card = kpi_card(tile(), VIEW)
    assert "Not computed yet." in text(card)
    assert not [found for found in walk(card) if isinstance(found, dcc.Graph)]


def test_a_kpi_with_no_decided_case_shows_a_dash_and_not_zero() -> None:
    shown = text(kpi_card(tile(reading("by line", [None])), VIEW))
    assert "– by line" in shown
    assert "no decided cases yet" in shown
    assert "no trend yet" in shown
    assert "target" not in shown.replace("target=", "")


@pytest.mark.parametrize(("size", "marked"), [(29, True), (30, False)])
def test_a_small_sample_is_marked(size: int, marked: bool) -> None:
    shown = text(kpi_card(tile(reading("by line", [0.9], sample_size=size)), VIEW))
    assert ("small sample" in shown) is marked


def test_a_value_that_was_computed_long_ago_is_marked() -> None:
    shown = text(kpi_card(tile(reading("by line", [0.9], computed_at=NOW - timedelta(hours=75))), VIEW))
    assert "computed 3 d 3 h ago" in shown


def test_from_zero_there_is_no_percentage() -> None:
    shown = text(kpi_card(tile(reading("median", [0.0, 50.0], unit="seconds", direction="down")), VIEW))
    assert "new worse vs 1 Mar" in shown
    assert "inf" not in shown
    assert "nan" not in shown


def test_the_first_period_has_nothing_to_compare_with() -> None:
    assert "no earlier period" in text(kpi_card(tile(reading("by line", [0.9])), VIEW))


def test_the_previous_period_is_the_bucket_before_even_when_the_series_runs_on() -> None:
    values = reading("by line", [0.1, 0.2, 0.3]).series
    assert KpiReading("by line", values[1], values).previous == values[0]


def test_buckets_that_are_not_settled_are_not_drawn() -> None:
    values = reading("by line", [0.97, 0.96, 0.2]).series
    card = kpi_card(tile(KpiReading("by line", values[1], values)), VIEW)
    (graph,) = [found for found in walk(card) if isinstance(found, dcc.Graph)]
    assert graph.figure["data"][0]["y"] == [0.97, 0.96]
    assert "by line, 1 Mar" in text(card)


def test_a_day_is_named_where_it_began() -> None:
    """Buckets are instants; a day that begins at midnight in Berlin begins the evening before in UTC."""
    start = NOW.replace(hour=23) - timedelta(days=1)
    assert formats.bucket(start, "day", ZoneInfo("Europe/Berlin")) == "2 Mar"


def test_waiting_work_is_ranked_priced_and_compared() -> None:
    table = sections.waiting_table(StandIn().waiting("default"), VIEW)
    shown = text(table)
    assert "1 after order allocated order-to-cash warehouse 214 € 38.4 k 9 h 12 min ago 4 h 8 min 3.5× usual" in shown
    assert "no usual yet" in shown


def test_no_waiting_work_is_good_news() -> None:
    assert "Nothing waits." in text(sections.waiting_table([], VIEW))


def test_waiting_work_without_value_has_a_bar_of_nothing() -> None:
    rows = [Waiting("s", "a", "erp", 3, Decimal(0), "EUR", NOW, 0.0, 0.0)]
    (bar,) = by_class(sections.waiting_table(rows, VIEW), "bar")
    assert bar.style == {"width": "0%"}


def test_alerts_come_by_urgency() -> None:
    def alert(title: str, severity: str, state: str, minutes: int) -> AlertTile:
        return AlertTile("r", title, severity, state, "", "", NOW - timedelta(minutes=minutes))

    items = by_class(
        sections.alert_list(
            [
                alert("d", "critical", "pending", 1),
                alert("c", "notice", "firing", 1),
                alert("b", "warning", "firing", 9),
                alert("a", "critical", "firing", 99),
            ],
            VIEW,
        ),
        "alert",
    )
    assert [text(item).split(" ago ")[1] for item in items] == ["a", "b", "c", "d"]


def test_queues_far_from_usual_come_first_and_say_by_how_much() -> None:
    cards = by_class(
        sections.queue_cards([queue("calm", "x", [5, 5], 5, 1), queue("wild", "x", [5, 50], 5, 60)], VIEW), "queue"
    )
    assert [text(card).split()[0] for card in cards] == ["wild", "calm"]
    assert "10× usual" in text(cards[0])


def test_a_queue_that_went_quiet_says_since_when() -> None:
    old = dataclasses.replace(queue("q", "x", [5, 6], 5, 1), at=NOW - timedelta(minutes=20))
    assert "no reading since 09:40 CET" in text(sections.queue_cards([old], VIEW))


@pytest.mark.parametrize("series", [(), ((NOW, 3.0),), ((NOW, 0.0), (NOW, 0.0))], ids=["none", "one", "all zero"])
def test_a_queue_with_little_history_is_drawn(series: tuple[Any, ...]) -> None:
    odd = dataclasses.replace(queue("q", "x", [0], 0, None), series=series)
    (graph,) = [found for found in walk(sections.queue_cards([odd], VIEW)) if isinstance(found, dcc.Graph)]
    low, high = graph.figure["layout"]["yaxis"]["range"]
    assert math.isfinite(low)
    assert low < high


def test_every_picture_has_words() -> None:
    for found in walk(sections.queue_cards(StandIn().queues("default"), VIEW)):
        if getattr(found, "className", "") == "figure":
            assert "now" in getattr(found, "aria-label")


def test_webhooks_that_fail_come_first_with_their_last_error() -> None:
    hooks = [
        Webhook("good", "a->b", 100, 0, 0.0, None, ""),
        Webhook("bad", "a->b", 100, 50, 0.5, NOW - timedelta(minutes=2), "410 Gone"),
    ]
    shown = text(sections.webhook_table(hooks, VIEW))
    assert shown.index("bad") < shown.index("good")
    assert "50.0 % 50 of 100" in shown
    assert "last 2 min ago: 410 Gone" in shown


@pytest.mark.parametrize(
    ("state", "buttons", "disabled"),
    [
        (TargetState.RUNNING, ["pause"], [False]),
        (TargetState.PAUSED, ["resume"], [False]),
        (TargetState.CHANGING, ["pause"], [True]),
        (TargetState.UNKNOWN, ["pause", "resume"], [False, False]),
    ],
)
def test_a_target_offers_what_its_state_allows(state: TargetState, buttons: list[str], disabled: list[bool]) -> None:
    table = sections.target_table([ControlTile("e1", "a->b", "edge", state)], VIEW)
    found = [part for part in walk(table) if part.__class__.__name__ == "Button"]
    assert buttons == [part.id["action"] for part in found]
    assert disabled == [part.disabled for part in found]
    assert text(table).count(str(state)) == 1


def test_latency_stays_numbers_so_that_sorting_is_by_value() -> None:
    rows = latency_rows([Latency("a", "slow", 1, 0, 0.0, 1, 900, 2), Latency("a", "slower", 1, 0, 0.0, 1, 6210, 2)])
    assert [row["p95"] for row in rows] == [6210, 900]
    assert len({row["key"] for row in rows}) == 2


def test_latency_on_a_narrow_screen_says_the_same() -> None:
    shown = text(latency_list([Latency("warehouse", "POST /x", 812, 66, 0.0813, 1840, 6210, 9120)]))
    assert "POST /x warehouse 812 8.1 % 1.84 s · 6.21 s · 9.12 s" in shown


def test_a_card_does_not_depend_on_what_was_shown_before() -> None:
    """Two renderings of one value are the same tree: components hold no state."""
    made = tile(reading("by line", [0.97, 0.964]), target=0.97)
    assert kpi_card(made, VIEW).to_plotly_json().keys() == kpi_card(made, VIEW).to_plotly_json().keys()
    assert text(kpi_card(made, VIEW)) == text(kpi_card(made, VIEW))
    assert Value() == Value()


@pytest.mark.parametrize(
    ("open_cases", "words"), [(0, "target met ("), (20, "target met ("), (60, "target met so far (")]
)
def test_a_target_is_met_for_good_only_when_open_cases_cannot_undo_it(open_cases: int, words: str) -> None:
    """990 of 1,000 decided: 60 open ones could bring it down to 93.4 %, 20 to 97.1 %."""
    one = reading("by line", [0.99], numerator=990.0, denominator=1000.0, open_cases=open_cases)
    assert words in text(kpi_card(tile(one, target=0.97), VIEW))
