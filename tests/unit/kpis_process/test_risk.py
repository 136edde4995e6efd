"""Cases at risk: ranked by value and probability, priced in their own currency, with reasons that can be checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import SystemClock
from core.errors import InvalidInput
from kpis.process.cases import CaseJobs
from kpis.process.corrections import Corrections
from kpis.process.filters import CaseFilter
from kpis.process.recalibration import AS_IT_IS, Correction, Way
from kpis.process.remaining import History
from kpis.process.risk import CaseAtRisk, cases_at_risk, short
from kpis.process.streams import parse_streams
from storage import ClickHouse

Insert = Callable[..., None]
START = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = parse_streams(
    '[s]\nowner = "erp"\nterminal = ["done"]\nvalue = ["a"]\nrunning = ["goes"]\n'
    '[t]\nowner = "erp"\nterminal = ["done"]\nvalue = ["a"]\n'
)
UNTESTED = "how far such predictions hold is not known yet (0 past predictions judged)"
ANY = History(least_alike=(1, 1, 1))
SEGMENTS = itertools.count(1_000_000)


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), lambda: STREAMS)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def promise(ch: ClickHouse, tenant: str, case: str, begin: float, text: str, stream: str = "s") -> None:
    """A first step "a" that names a promise."""
    columns = ("TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "Attributes", "ReceivedAt", "SegmentId")  # fmt: skip # noqa: E501
    attributes = {"retail.promise.at": text}
    row = (tenant, stream, case, at(begin), 1, f"{case}-1", "a", "a", attributes, at(begin), next(SEGMENTS))
    ch.insert_rows("process_events", columns, [row])


@pytest.fixture
def history(insert: Insert, event: Any) -> None:
    """Four closed cases: 10, 20, 30, 40 s after "a", closed 100, 80, 60, 50 s after it. Usual are 94 s."""
    for place, (gap, rest) in enumerate([(10, 100), (20, 80), (30, 60), (40, 50)]):
        begin = 1000 * place
        insert(
            event(f"past-{place}", step, at) for step, at in (("a", begin), ("b", begin + gap), ("done", begin + rest))
        )


@dataclass(frozen=True)
class Given(Corrections):
    """What predictions turned out to be worth, said beforehand."""

    correction: Correction

    def of(self, *_: Any, **__: Any) -> Correction:
        return self.correction


def listed(ch: ClickHouse, tenant: str, seconds: float, **more: Any) -> list[CaseAtRisk]:
    """As long as nothing else is said nothing is known of past predictions: to find out takes ten times the list."""
    return cases_at_risk(ch, tenant, at(seconds), STREAMS, **({"history": ANY, "corrections": Given(AS_IT_IS)} | more))


@pytest.mark.usefixtures("history")
def test_a_case_says_where_it_stands_what_is_expected_and_why(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("open", "a", 10_000, amount="12.50")])
    jobs.run_once(tenant)
    assert listed(clickhouse, tenant, 10_045, corrections=None) == [
        CaseAtRisk(
            stream="s",
            case_id="open",
            step="a",
            since=at(10_000),
            value=Decimal("12.5"),
            currency="EUR",
            promise_at=at(10_094),
            promise_basis="usual: nine tenths of 4 closed cases took 1 min 34 s or less",
            remaining_s=15,
            remaining_p90_s=55,
            p_late=0.25,
            overdue=False,
            reasons=(
                "has waited 45 s after a, usually 25 s (n=4)",
                "has 49 s left; 25 % of 4 comparable cases needed longer: half 15 s or less, nine tenths 55 s",
                "those are few cases",
                UNTESTED,
            ),
            sample_size=4,
            basis="4 past visits compared by the whole case",
        )
    ]


@pytest.mark.usefixtures("history")
def test_the_promise_of_the_case_goes_before_what_is_usual(clickhouse: ClickHouse, tenant: str, jobs: CaseJobs) -> None:
    """After 25 s, 25 and 35 s are still needed; 30 s are left."""
    promise(clickhouse, tenant, "open", 10_000, at(10_055).isoformat())
    promise(clickhouse, tenant, "broken", 10_000, "tomorrow")
    jobs.run_once(tenant)
    broken, found = sorted(listed(clickhouse, tenant, 10_025), key=lambda one: one.case_id)
    assert (found.promise_at, found.promise_basis) == (at(10_055), "retail.promise.at")
    assert (found.p_late, found.sample_size, found.remaining_s) == (0.5, 2, 25)
    assert found.reasons[1:] == (
        "has 30 s left; 50 % of 2 comparable cases needed longer: half 25 s or less, nine tenths 35 s",
        "those are few cases",
        UNTESTED,
    )
    assert broken.promise_at == at(10_094), "a promise that is no time is none"


@pytest.mark.usefixtures("history")
def test_overdue(clickhouse: ClickHouse, tenant: str, jobs: CaseJobs) -> None:
    promise(clickhouse, tenant, "open", 10_000, "2026-03-01T00:00:00+00:00")
    jobs.run_once(tenant)
    (found,) = listed(clickhouse, tenant, 10_005)
    assert (found.overdue, found.p_late) == (True, 1)
    assert found.reasons == ("its promise passed 2 h 47 min ago", "has waited 5 s after a, usually 25 s (n=4)")
    assert found.remaining_s == 55


def test_a_named_promise_is_about_the_goods_not_the_money(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    """Delivered after 10, 20, 30, 40 s, paid 100 s later; 25 s are left. Once delivered only the usual time counts."""
    stream, delivered = "parcels", "handed over"
    model = parse_streams(f'[{stream}]\nowner = "erp"\nterminal = ["done"]\npromise_kept = ["{delivered}"]\n')
    for place, gap in enumerate((10, 20, 30, 40)):
        begin = 1000 * place
        times = (("a", begin), (delivered, begin + gap), ("done", begin + gap + 100))
        insert((event(f"past-{place}", step, seconds) for step, seconds in times), stream=stream)
    promise(clickhouse, tenant, "open", 10_000, at(10_025).isoformat(), stream)
    insert([event("open", delivered, 10_020, seq=2)], stream=stream)
    CaseJobs(clickhouse, SystemClock(), lambda: model).run_once(tenant)

    def found(seconds: float) -> CaseAtRisk:
        (one,) = cases_at_risk(clickhouse, tenant, at(seconds), model, history=ANY, corrections=Given(AS_IT_IS))
        return one

    before, after = found(10_000), found(10_050)
    assert (before.promise_at, before.promise_basis) == (at(10_025), "retail.promise.at")
    assert (before.p_late, before.remaining_s, before.remaining_p90_s) == (0.5, 120, 140)
    assert before.reasons == (
        "has waited 0 s after a, usually 25 s (n=4)",
        "has 25 s left; 50 % of 4 comparable cases needed longer: half 20 s or less, nine tenths 40 s",
        "those are few cases",
        UNTESTED,
    )
    assert (after.promise_at, after.overdue, after.p_late) == (at(10_137), False, 0), "70 s are needed, 87 s are left"
    assert after.promise_basis.startswith("usual: ")


def test_nothing_to_compare_with(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """No closed case: no usual time, no promise, no prediction, and it says so."""
    insert([event("open", "a", 0, amount="5")])
    jobs.run_once(tenant)
    (found,) = listed(clickhouse, tenant, 50)
    assert (found.promise_at, found.promise_basis, found.p_late, found.overdue) == (None, "", None, False)
    assert (found.remaining_s, found.remaining_p90_s, found.sample_size) == (None, None, 0)
    assert found.basis == "nothing comparable: too few past cases lasted as long"
    assert found.reasons == (
        "has waited 50 s after a, where no other case has been yet",
        "has no promise, and no case has closed that would tell what is usual",
    )


@pytest.mark.usefixtures("history")
def test_ranked_by_value_times_probability(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """At the age of 45 s 5, 15, 35 and 55 s are left, and of one that is open more than 50: late with 2/5, if 49 s are
    left. That one is late for sure. Without an amount last; equal ones by age, then by name."""
    insert(
        [
            event("mid", "a", 10_000, amount="100"), event("sure", "a", 9_950, amount="20"),
            event("low", "a", 10_000, amount="30"), event("low-2", "a", 10_000, amount="30"),
            event("none", "a", 10_000),
        ]
    )  # fmt: skip
    jobs.run_once(tenant)
    by_age = History(least_alike=(2, 2, 1))
    found = listed(clickhouse, tenant, 10_045, history=by_age)
    assert [one.case_id for one in found] == ["mid", "sure", "low", "low-2", "none"]
    assert [one.p_late for one in found] == [0.4, 1, 0.4, 0.4, 0.4]
    assert found[-1].value is None
    assert listed(clickhouse, tenant, 10_045, history=by_age, limit=2) == found[:2]
    assert listed(clickhouse, tenant, 10_045, history=by_age, wanted=CaseFilter(min_value=25)) == [
        found[0],
        *found[2:4],
    ]


@pytest.mark.usefixtures("history")
def test_other_currencies_and_streams(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """5,000 yen of cases of usually 3,000 (1.67 of them) before 10 euro of usually 10, though before 20 euro not."""
    insert(
        [
            event("yen", "a", 10_000, amount="5000", currency="JPY"),
            event("yen-2", "a", 10_000, amount="1000", currency="JPY"),
            event("yen-3", "a", 10_000, amount="3000", currency="JPY"),
            event("10", "a", 10_000, amount="10"), event("20", "a", 10_000, amount="20"),
            event("1", "a", 10_000, amount="1"),
        ]
    )  # fmt: skip
    insert([event("elsewhere", "a", 10_000, amount="500")], stream="t")
    insert([event("unknown", "a", 10_000, amount="500")], stream="u")
    insert([event("foreign", "a", 10_000, amount="999")], tenant=f"{tenant}-other")
    jobs.run_once()
    found = listed(clickhouse, tenant, 10_045)
    assert [one.case_id for one in found if one.stream == "s"] == ["yen", "20", "yen-3", "10", "yen-2", "1"]
    assert [(one.case_id, one.sample_size) for one in found if one.stream != "s"] == [("elsewhere", 0)]
    assert found[0].currency == "JPY"


@pytest.mark.usefixtures("history")
def test_closed_cases_and_those_that_go_on_by_themselves_are_not_listed(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 10_000), event("1", "goes", 10_001), event("2", "a", 10_000), event("2", "done", 10_010)])
    jobs.run_once(tenant)
    assert listed(clickhouse, tenant, 10_045) == []
    assert [one.case_id for one in listed(clickhouse, tenant, 10_005)] == ["2"], "it had not closed by then"
    assert cases_at_risk(clickhouse, f"{tenant}-nobody", at(0), STREAMS) == []


@pytest.mark.parametrize(
    ("correction", "p_late", "said"),
    [
        (Correction(Way.AS_PREDICTED, 1, 0, 800, 0.3), 0.5, []),
        (
            Correction(Way.CORRECTED, 0.4, 0.02, 800, 0.3), 0.22,
            ["800 past predictions turned out otherwise: corrected to 22 %"],
        ),
        (
            Correction(Way.SHARE, 0, 0.3, 800, 0.3), 0.3,
            [
                "such predictions have told no more than the share of late cases, 30 % of 800 past predictions: "
                "that is shown"
            ],
        ),
        (
            Correction(n=1, late_share=1), 0.5,
            ["how far such predictions hold is not known yet (1 past prediction judged)"],
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("history")
def test_what_predictions_were_worth_is_applied_and_said(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs,
    correction: Correction, p_late: float, said: list[str],
) -> None:  # fmt: skip
    """At the age of 45 s, 5, 15, 35 and 55 s are left, and of those still open more than 40 and more than 60: half are
    late. A case that waited longer than any other ranks by the share of late ones, and claims nothing."""
    unheard = event("unheard", "a", 9_960, amount="1000")
    insert([event("open", "a", 10_000, amount="10"), unheard, event("over", "b", 9_940, amount="1")])
    jobs.run_once(tenant)
    strict = History(least_alike=(2, 2, 4))
    found = {
        one.case_id: one for one in listed(clickhouse, tenant, 10_045, history=strict, corrections=Given(correction))
    }
    assert found["open"].p_late == pytest.approx(p_late)
    assert list(found["open"].reasons[3:]) == said
    assert (found["unheard"].p_late, found["unheard"].remaining_s) == (None, None)
    assert found["unheard"].reasons[1] == "too few past cases waited as long to say what comes next"
    assert (found["over"].p_late, found["over"].overdue) == (1, True), "no correction changes what is certain"
    assert next(iter(found)) == "unheard"


def test_corrections_are_kept_for_an_hour(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """New data within the hour change nothing, a moment before or an hour later does; other tenants know nothing."""
    log: list[Any] = []
    for n in range(600):
        log += [event(f"{n}", "a", 10 * n), event(f"{n}", "b", 10 * n + 40)]
        log.append(event(f"{n}", "done", 10 * n + (60, 80, 100, 200)[n * 7 % 4]))
    insert(log)
    jobs.run_once(tenant)
    kept, now = Corrections(), at(6_000)
    first = kept.of(clickhouse, tenant, STREAMS["s"], now, ANY)
    assert first.n > 0
    insert([event(f"more-{n}", step, 10 * n + rest) for n in range(600) for step, rest in (("a", 1), ("done", 500))])
    jobs.run_once(tenant)
    assert kept.of(clickhouse, tenant, STREAMS["s"], now + timedelta(minutes=59), ANY) is first
    assert kept.of(clickhouse, tenant, STREAMS["s"], now + timedelta(minutes=60), ANY) != first
    assert kept.of(clickhouse, f"{tenant}-nobody", STREAMS["s"], now, ANY).n == 0


def test_a_reader_does_not_wait_for_what_a_job_works_out(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Nothing is known until the job was there; it looks again when that is due, sooner while untested."""
    log: list[Any] = []
    for n in range(200):
        log += [event(f"{n}", "a", 10 * n), event(f"{n}", "done", 10 * n + (60, 80, 100, 200)[n * 7 % 4])]
    insert(log[:6])
    jobs.run_once(tenant)
    kept, now, stream = Corrections(by_job=True), at(6_000), STREAMS["s"]
    asked = (clickhouse, tenant, stream)
    assert kept.of(*asked, now, ANY) == AS_IT_IS
    kept.keep(*asked, now, ANY)
    few = kept.of(*asked, now, ANY)
    assert few.way is Way.UNTESTED
    insert(log[6:])
    jobs.run_once(tenant)
    kept.keep(*asked, now + timedelta(minutes=4), ANY)
    assert kept.of(*asked, now + timedelta(minutes=4), ANY) is few
    kept.keep(*asked, now + timedelta(minutes=5), ANY)
    assert kept.of(*asked, now + timedelta(hours=9), ANY).n > few.n


def test_bad_limits_are_refused(clickhouse: ClickHouse, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="limit must be 1 or more, got 0"):
        cases_at_risk(clickhouse, tenant, START, limit=0)


def test_short_names() -> None:
    assert short("retail.order.allocated") == "allocated"
    assert short("Take in charge v1.2") == "Take in charge v1.2"
