"""Answers of the service on a shop whose numbers are counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import fmean, median
from types import MappingProxyType

import pytest

from core import Conflict, NotFound, OpsintelError
from core.errors import InvalidInput
from kpis import Catalogue, TenantKpis, load_catalogue
from kpis.periods import Calendar
from kpis.value.answers import Asked
from kpis.value.baselines import KEPT_VALUES
from kpis.value.compare import Verdict
from kpis.value.money import NotValued, Valuation, parse_value_models
from kpis.value.service import ValueService
from kpis.value.targets import Met, Outlook
from storage import StateDb
from tests.unit.kpis_value.conftest import Filled
from tests.unit.kpis_value.shop import DAY, NOW, ROLLOUT, START, orders

MODELS = """
["*"]
currency = "EUR"
margin_per_order = { amount = 12.5, source = "controlling", date = 2026-01-15 }
[other]
currency = "EUR"
["*".cost_of_delay_per_hour."order-to-cash"]
amount = 0.8
source = "study of complaints"
date = 2026-01-15
"""
CATALOGUE = load_catalogue()


def service(filled: Filled, state: StateDb, models: str = MODELS, catalogue: Catalogue = CATALOGUE) -> ValueService:
    kpis = TenantKpis(catalogue, Calendar("UTC"))
    return ValueService(filled.ch, state, filled.clock, lambda _: kpis, parse_value_models(models))


def hours(channel: str, start: datetime, end: datetime) -> list[float]:
    return [
        one.seconds for one in orders()
        if not one.cancelled and one.channel in (channel or one.channel) and start <= one.delivered < end
    ]  # fmt: skip


def test_two_periods(filled: Filled, state: StateDb) -> None:
    """Cycle times by plain counting; faster is better, and worth what the value model says of delay."""
    after = (ROLLOUT + 7 * DAY, ROLLOUT + 21 * DAY)
    asked = Asked("order_cycle_time", "mean")
    found = service(filled, state).compare(filled.tenant, asked, start=after[0], end=after[1], before_end=ROLLOUT)
    then, now = hours("", ROLLOUT - 14 * DAY, ROLLOUT), hours("", *after)
    assert (found.before.start, found.before.end) == (ROLLOUT - 14 * DAY, ROLLOUT)
    assert (found.change.before, found.change.after) == (pytest.approx(fmean(then)), pytest.approx(fmean(now)))
    assert (found.change.n_before, found.change.n_after) == (len(then), len(now))
    assert found.change.verdict is Verdict.BETTER
    assert found.words.startswith("better: ")
    assert not found.small_sample
    worth = found.money
    assert isinstance(worth, Valuation)
    gain = -(fmean(now) - fmean(then)) / 3600 * len(now) * 0.8
    assert float(worth.amount) == pytest.approx(gain, abs=0.01)
    assert worth.low < worth.amount < worth.high
    assert [one.name for one in worth.assumptions] == ["cost_of_delay_per_hour.order-to-cash"]
    assert worth.volume.amount == len(now)


def test_money_is_never_invented(filled: Filled, state: StateDb) -> None:
    after = {"start": ROLLOUT + 7 * DAY, "end": ROLLOUT + 21 * DAY, "before_end": ROLLOUT}
    without = service(filled, state, "").compare(filled.tenant, Asked("order_cycle_time", "mean"), **after).money
    assert isinstance(without, NotValued)
    assert "no value model" in without.reason
    driverless = service(filled, state).compare(filled.tenant, Asked("on_time_delivery"), **after).money
    assert isinstance(driverless, NotValued)
    assert "names no driver" in driverless.reason
    no_stream = service(filled, state).compare(filled.tenant, Asked("approval_waiting_time"), **after).money
    assert isinstance(no_stream, NotValued)
    assert "name a stream" in no_stream.reason


def test_a_small_sample_says_so(filled: Filled, state: StateDb) -> None:
    asked = Asked("order_cycle_time", "median")
    found = service(filled, state).compare(filled.tenant, asked, start=START + 3 * DAY, end=START + 4 * DAY)
    assert found.change.verdict is Verdict.TOO_FEW
    assert "sample too small" in found.words
    assert found.small_sample
    assert isinstance(found.money, NotValued)
    hidden = service(filled, state).compare(
        filled.tenant, Asked("integration_recovery_time"), start=START, end=START + DAY
    )
    assert hidden.words.startswith("cannot be told: its cases are not kept one by one")


def test_the_periods_that_are_meant_when_none_is_named(filled: Filled, state: StateDb) -> None:
    found = service(filled, state).compare(filled.tenant, Asked("orders_placed"))
    midnight = datetime(2026, 3, 5, tzinfo=NOW.tzinfo)
    assert (found.after.start, found.after.end) == (midnight - 28 * DAY, midnight)
    assert (found.before.start, found.before.end) == (midnight - 56 * DAY, midnight - 28 * DAY)


def test_a_baseline_is_frozen_and_kept(filled: Filled, state: StateDb) -> None:
    """The change against it; a second one supersedes it, and both stay in the list."""
    told: list[tuple[object, ...]] = []
    answers = ValueService(
        filled.ch, state, filled.clock, lambda _: TenantKpis(CATALOGUE, Calendar("UTC")), parse_value_models(MODELS),
        record=lambda _, *more: told.append(more),
    )  # fmt: skip
    asked, period = Asked("order_cycle_time", "median"), {"start": ROLLOUT - 14 * DAY, "end": ROLLOUT}
    frozen = answers.freeze(filled.tenant, asked, **period, by="ada", reason="before the new carrier")
    assert frozen.value == pytest.approx(median(hours("", ROLLOUT - 14 * DAY, ROLLOUT)))
    assert (frozen.version, frozen.frozen_by, frozen.current) == (2, "ada", True)
    assert told[0][:4] == (filled.tenant, "ada", "kpi.baseline.freeze", "order_cycle_time")
    found = answers.change(filled.tenant, asked)
    after = found.comparison.after
    assert (after.start, after.end) == (
        datetime(2026, 2, 19, tzinfo=NOW.tzinfo),
        datetime(2026, 3, 5, tzinfo=NOW.tzinfo),
    )
    assert found.comparison.change.before == frozen.value
    assert found.comparison.change.after == pytest.approx(median(hours("", after.start, after.end)))
    second = answers.freeze(
        filled.tenant, asked, start=ROLLOUT - 28 * DAY, end=ROLLOUT - 14 * DAY, by="ada", reason="a calmer time"
    )
    assert [(one.id, one.current) for one in answers.baselines(filled.tenant, asked.kpi_id)] == [
        (second.id, True), (frozen.id, False),
    ]  # fmt: skip
    assert answers.change(filled.tenant, asked).baseline.id == second.id
    assert answers.all_baselines("somebody else") == []
    with pytest.raises(NotFound, match="no baseline"):
        answers.change("somebody else", asked)
    with pytest.raises(NotFound, match="no baseline"):
        answers.change(filled.tenant, Asked("order_cycle_time", "mean"))
    assert KEPT_VALUES >= 1_000


def test_a_baseline_of_another_version_is_not_compared_with(filled: Filled, state: StateDb) -> None:
    asked = Asked("orders_placed")
    service(filled, state).freeze(filled.tenant, asked, start=START, end=ROLLOUT, by="ada", reason="usual")
    newer = {one.id: replace(one, version=one.version + (one.id == asked.kpi_id)) for one in CATALOGUE}
    with pytest.raises(Conflict, match="of version 1, the definition is at 2"):
        service(filled, state, catalogue=Catalogue(MappingProxyType(newer))).change(filled.tenant, asked)


def test_a_rollout_with_a_control_group(filled: Filled, state: StateDb) -> None:
    """The web got ten hours faster, the store did not; the difference in differences by plain counting."""
    asked = Asked("order_cycle_time", "mean", dimension="channel", dimension_value="web")
    found = service(filled, state).rollout(filled.tenant, asked, ROLLOUT, control_value="store", days=21, settle_days=3)
    before, after = (ROLLOUT - 21 * DAY, ROLLOUT), (ROLLOUT + 3 * DAY, ROLLOUT + 24 * DAY)
    own, other = ([fmean(hours(channel, *one)) for one in (before, after)] for channel in ("web", "store"))
    assert found.effect is not None
    expected = (own[1] - own[0]) - (other[1] - other[0])
    assert found.effect.absolute == pytest.approx(expected)
    assert found.effect.low is not None
    assert found.effect.high is not None
    assert found.effect.low < expected < found.effect.high < 0
    assert (found.effect.verdict, found.effect.alike_before) == (Verdict.BETTER, True)
    assert found.control is not None
    assert found.control.change.verdict is Verdict.NO_DIFFERENCE_SHOWN
    assert isinstance(found.money, Valuation)
    assert float(found.money.amount) == pytest.approx(-expected / 3600 * found.treated.after.subjects * 0.8, abs=0.01)
    assert found.words.startswith("effect better, -")


def test_a_rollout_without_one_says_so(filled: Filled, state: StateDb) -> None:
    found = service(filled, state).rollout(filled.tenant, Asked("order_cycle_time", "mean"), ROLLOUT, days=40)
    assert (found.control, found.effect) == (None, None)
    assert found.treated.change.verdict is Verdict.BETTER
    notes = " ".join(found.notes)
    assert "31 of 40 days after the roll-out are over" in notes
    assert "not whole weeks" in notes
    assert "without a control group" in notes


def test_the_next_days(filled: Filled, state: StateDb) -> None:
    """Eight orders a day for eight weeks, then three days without any."""
    found = service(filled, state).forecast(filled.tenant, Asked("orders_placed"), days=5)
    assert [one.day for one in found.days] == [date(2026, 3, 5) + timedelta(days=n) for n in range(5)]
    assert all(one.low <= one.expected <= one.high for one in found.days)
    assert [one.expected for one in found.days] == [8] * 5
    assert found.notes == ()
    assert (found.last_day, found.reason) == (date(2026, 3, 4), "")
    short = service(filled, state).forecast(filled.tenant, Asked("return_cycle_time"))
    assert (short.days, short.reason) == ((), "there is no history")


def test_the_way_to_a_target(filled: Filled, state: StateDb) -> None:
    """Some 35 to 45 hours are well below 96; a target of 20 hours is missed."""
    answers = service(filled, state)
    met = answers.burn_down(filled.tenant, Asked("order_cycle_time", "mean"))
    assert (met.attainment.met, met.burn_down.outlook) == (Met.MET, Outlook.REACHED)
    missed = answers.burn_down(filled.tenant, Asked("order_cycle_time", "mean"), target=20 * 3600)
    assert missed.attainment.met is Met.MISSED
    assert missed.burn_down.outlook in (Outlook.ON_THE_WAY, Outlook.NO_TREND_SHOWN, Outlook.NOT_AT_THIS_RATE)
    assert missed.burn_down.words
    with pytest.raises(InvalidInput, match="has no target"):
        answers.burn_down(filled.tenant, Asked("orders_placed"))


AT = datetime(2026, 2, 2, tzinfo=NOW.tzinfo)
PLACED, WEB = Asked("orders_placed"), Asked("orders_placed", dimension="channel", dimension_value="web")
COLOUR = Asked("order_cycle_time", dimension="colour", dimension_value="red")
WRONG: dict[str, tuple[Callable[[ValueService], object], str]] = {
    "unknown": (lambda s: s.compare("t", Asked("order_cycle_tine")), "no KPI"),
    "basis": (lambda s: s.compare("t", Asked("order_cycle_time", "mode")), "no basis 'mode'"),
    "dimension": (lambda s: s.compare("t", COLOUR), "no dimension 'colour'"),
    "half": (lambda s: s.compare("t", Asked("order_cycle_time", dimension="channel")), "go together"),
    "stream": (lambda s: s.compare("t", Asked("order_cycle_time", stream="x")), "is of order-to-cash"),
    "inverted": (lambda s: s.compare("t", PLACED, start=AT, end=AT - DAY), "ends after it starts"),
    "empty": (lambda s: s.compare("t", PLACED, start=AT, end=AT), "ends after it starts"),
    "naive": (lambda s: s.compare("t", PLACED, start=datetime(2026, 2, 2), end=AT), "time zone"),  # noqa: DTZ001
    "overlap": (lambda s: s.compare("t", PLACED, start=AT, end=AT + 9 * DAY, before_end=AT + DAY), "overlap"),
    "level": (lambda s: s.compare("t", PLACED, level=1.5), "confidence level"),
    "future": (lambda s: s.rollout("t", PLACED, NOW + DAY), "nothing is known yet"),
    "days": (lambda s: s.rollout("t", PLACED, AT, days=1), "days must be 2"),
    "no dimension": (lambda s: s.rollout("t", PLACED, AT, control_value="store"), "another value"),
    "itself": (
        lambda s: s.rollout("t", WEB, AT, control_value="web"),
        "its own control group",
    ),
    "horizon": (lambda s: s.forecast("t", PLACED, days=60), "days must be 1 to 28"),
    "part": (lambda s: s.forecast("t", WEB), "not kept by"),
    "never": (lambda s: s.freeze("t", PLACED, start=AT, end=AT + DAY, by="a", reason="b"), "never computed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_question_says_what_to_do(filled: Filled, state: StateDb, name: str) -> None:
    ask, said = WRONG[name]
    with pytest.raises(OpsintelError, match=said) as raised:
        ask(service(filled, state))
    assert raised.value.hint


@pytest.mark.parametrize(
    ("period", "reason", "said"),
    [
        ((START, NOW + DAY), "why", "is not over"),
        ((START - 90 * DAY, START - 60 * DAY), "why", "has no value"),
        ((START, ROLLOUT), " ", "needs a reason"),
    ],
)
def test_what_cannot_be_frozen(
    filled: Filled, state: StateDb, period: tuple[datetime, datetime], reason: str, said: str
) -> None:
    asked = Asked("order_cycle_time", "mean")
    with pytest.raises(InvalidInput, match=said):
        service(filled, state).freeze(filled.tenant, asked, start=period[0], end=period[1], by="ada", reason=reason)
