"""Whose case a span belongs to: each rule, their order, what comes late or again; then against a plain oracle."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from core.errors import ConfigurationError, StoreUnavailable
from kpis.process.cases import CaseJobs
from kpis.process.resolution import ResolutionJobs, ResolutionReport
from kpis.process.span_steps import QueueWait, SpanRules, queue_waits
from kpis.process.streams import parse_streams
from kpis.process.stretches import BUCKET_S, stretches
from kpis.process.timeline import case_timeline
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis_process.spans import SEGMENTS, SPAN_COLUMNS, L, S, store, when

STREAMS = parse_streams('[o2c]\nowner = "erp"\nterminal = ["done"]\n')
RULES = SpanRules(
    steps={"o2c": {"POST /pick": "pick", "POST /sell": "shop.sold"}, "r2r": {"POST /pick": "collect"}},
    keys={"o2c": ["retail.order.id"], "r2r": ["retail.return.id"]},
    by_event=frozenset({"shop.sold"}),
    events=frozenset({"checked", "below a span that is missing", "keyed", "carried", "stray", "e0", "e1", "e2"}),
)
TENANTS = itertools.count(1)


@pytest.fixture
def job(clickhouse: ClickHouse) -> ResolutionJobs:
    return ResolutionJobs(clickhouse, SystemClock(), lambda: RULES)


def steps(ch: ClickHouse, tenant: str) -> dict[str, tuple[str, str, str, str]]:
    """By span (or event name): stream, case, rule, step."""
    rows = ch.query(
        "SELECT if(EventName != '', EventName, SpanId), Stream, CaseId, CaseRule, Step"
        " FROM resolved_steps FINAL WHERE TenantId = {t:String}",
        {"t": tenant},
    ).rows
    assert len({row[0] for row in rows}) == len(rows)
    return {name: tuple(rest) for name, *rest in rows}


def cases(ch: ClickHouse, tenant: str) -> dict[str, dict[str, Any]]:
    rows = ch.query("SELECT * FROM cases FINAL WHERE TenantId = {t:String}", {"t": tenant}).dicts()
    return {row["CaseId"]: row for row in rows}


Wanted = tuple[str, str, str, str] | None
RULE_ROWS: dict[str, tuple[list[S | L], Wanted]] = {
    "business_key": ([S("t", "x", stream="o2c", case="7", step="a")], ("o2c", "7", "business_key", "a")),
    "object_id": ([S("t", "x", step="a", attributes={"retail.order.id": "7"})], ("o2c", "7", "business_key", "a")),
    "object_id_of_the_stream_named": (
        [S("t", "x", stream="r2r", step="a", attributes={"retail.order.id": "7", "retail.return.id": "8"})],
        ("r2r", "8", "business_key", "a"),
    ),
    "keys_of_two_streams_tell_nothing": (
        [S("t", "x", step="a", attributes={"retail.order.id": "7", "retail.return.id": "8"})],
        None,
    ),
    "a_list_of_ids_is_no_key": ([S("t", "x", step="a", attributes={"retail.order.id": '["7","8"]'})], None),
    "baggage": (
        [S("t", "x", step="a", attributes={"baggage.retail.stream": "o2c", "baggage.retail.case.id": "7"})],
        ("o2c", "7", "baggage", "a"),
    ),
    "baggage_for_the_stream_named": (
        [S("t", "x", stream="o2c", step="a", attributes={"baggage.retail.case.id": "7"})],
        ("o2c", "7", "baggage", "a"),
    ),
    "baggage_of_another_stream": (
        [
            S(
                "t",
                "x",
                stream="o2c",
                step="a",
                attributes={"baggage.retail.stream": "r2r", "baggage.retail.case.id": "7"},
            )
        ],
        ("o2c", "t", "trace_id", "a"),
    ),
    "link": (
        [S("t", "x", step="a", links=(("u", "y"),)), S("u", "y", stream="o2c", case="7")],
        ("o2c", "7", "link", "a"),
    ),
    "link_to_a_span_below_a_case": (
        [
            S("t", "x", step="a", links=(("u", "z"),)),
            S("u", "y", stream="o2c", case="7"),
            S("u", "z", "y", kind="Producer"),
        ],
        ("o2c", "7", "link", "a"),
    ),
    "first_link_that_has_a_case": (
        [
            S("t", "x", step="a", links=(("gone", "y"), ("u", "y"), ("v", "y"))),
            S("v", "y", stream="o2c", case="8"),
            S("u", "y", stream="o2c", case="7"),
        ],
        ("o2c", "7", "link", "a"),
    ),
    "link_over_two_queues": (
        [
            S("t", "x", step="a", links=(("u", "send"),)),
            S("u", "send", "take", kind="Producer"),
            S("u", "take", links=(("v", "y"),)),
            S("v", "y", stream="o2c", case="7"),
        ],
        ("o2c", "7", "link", "a"),
    ),
    "parent": (
        [S("t", "x", "m", step="a"), S("t", "m", "y"), S("t", "y", stream="o2c", case="7")],
        ("o2c", "7", "parent", "a"),
    ),
    "nearest_ancestor": (
        [
            S("t", "x", "m", step="a"),
            S("t", "m", "y", stream="o2c", case="8"),
            S("t", "y", stream="o2c", case="7"),
        ],
        ("o2c", "8", "parent", "a"),
    ),
    "nearest_ancestor_of_the_stream": (
        [
            S("t", "x", "m", stream="o2c", step="a"),
            S("t", "m", "y", stream="r2r", case="8"),
            S("t", "y", stream="o2c", case="7"),
        ],
        ("o2c", "7", "parent", "a"),
    ),
    "parent_that_has_a_link": (
        [S("t", "x", "m", step="a"), S("t", "m", links=(("u", "y"),)), S("u", "y", stream="o2c", case="7")],
        ("o2c", "7", "parent", "a"),
    ),
    "trace": ([S("t", "x", step="a"), S("t", "y", stream="o2c", case="7")], ("o2c", "7", "trace", "a")),
    "trace_by_an_event": (
        [S("t", "x", step="a"), L("placed", 1, "t", stream="o2c", case="7")],
        ("o2c", "7", "trace", "a"),
    ),
    "trace_of_the_stream": (
        [
            S("t", "x", stream="o2c", step="a"),
            S("t", "y", stream="o2c", case="7"),
            S("t", "z", stream="r2r", case="8"),
        ],
        ("o2c", "7", "trace", "a"),
    ),
    "trace_with_two_cases": (
        [
            S("t", "x", stream="o2c", step="a"),
            S("t", "y", stream="o2c", case="7"),
            S("t", "z", stream="o2c", case="8"),
        ],
        None,
    ),
    "trace_id": ([S("t", "x", stream="o2c", step="a")], ("o2c", "t", "trace_id", "a")),
    "nothing_known": ([S("t", "x", step="a"), S("t", "y")], None),
    "own_key_before_baggage": (
        [
            S(
                "t",
                "x",
                stream="o2c",
                case="7",
                step="a",
                attributes={"baggage.retail.case.id": "9", "retail.order.id": "8"},
            )
        ],
        ("o2c", "7", "business_key", "a"),
    ),
    "object_id_before_baggage": (
        [S("t", "x", stream="o2c", step="a", attributes={"baggage.retail.case.id": "9", "retail.order.id": "8"})],
        ("o2c", "8", "business_key", "a"),
    ),
    "baggage_before_link": (
        [
            S("t", "x", stream="o2c", step="a", links=(("u", "y"),), attributes={"baggage.retail.case.id": "9"}),
            S("u", "y", stream="o2c", case="7"),
        ],
        ("o2c", "9", "baggage", "a"),
    ),
    "link_before_parent": (
        [
            S("t", "x", "p", step="a", links=(("u", "y"),)),
            S("t", "p", stream="o2c", case="8"),
            S("u", "y", stream="o2c", case="7"),
        ],
        ("o2c", "7", "link", "a"),
    ),
    "parent_before_trace": (
        [
            S("t", "x", "p", step="a"),
            S("t", "p", stream="o2c", case="8"),
            S("t", "z", stream="o2c", case="7"),
        ],
        ("o2c", "8", "parent", "a"),
    ),
    "a_circle_of_parents": (
        [S("t", "x", "y", stream="o2c", step="a"), S("t", "y", "z"), S("t", "z", "y")],
        ("o2c", "t", "trace_id", "a"),
    ),
    "its_own_parent": ([S("t", "x", "x", stream="o2c", step="a")], ("o2c", "t", "trace_id", "a")),
    "a_circle_of_links": (
        [S("t", "x", step="a", links=(("u", "y"),), stream="o2c"), S("u", "y", links=(("t", "x"),))],
        ("o2c", "t", "trace_id", "a"),
    ),
    "server_by_name": (
        [S("t", "x", stream="o2c", case="7", kind="Server", name="POST /pick")],
        ("o2c", "7", "business_key", "pick"),
    ),
    "name_as_its_stream_has_it": (
        [S("t", "x", stream="r2r", case="7", kind="Consumer", name="POST /pick")],
        ("r2r", "7", "business_key", "collect"),
    ),
    "mark_before_name": (
        [S("t", "x", stream="o2c", case="7", kind="Server", name="POST /pick", step="b")],
        ("o2c", "7", "business_key", "b"),
    ),
    "server_without_a_name_that_is_known": ([S("t", "x", stream="o2c", case="7", kind="Server")], None),
    "client": ([S("t", "x", stream="o2c", case="7", kind="Client", name="POST /pick")], None),
    "internal": ([S("t", "x", stream="o2c", case="7", kind="Internal", name="POST /pick")], None),
    "producer": ([S("t", "x", stream="o2c", case="7", kind="Producer", name="POST /pick")], None),
    "internal_with_a_mark": (
        [S("t", "x", stream="o2c", case="7", kind="Internal", step="a")],
        ("o2c", "7", "business_key", "a"),
    ),
}


def test_every_rule(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """All at once: traces of one row have names of their own, so it also shows that they do not disturb each other."""
    store(clickhouse, tenant, [renamed(one, row) for row, (own, _) in RULE_ROWS.items() for one in own])
    job.run_once(tenant)
    found = {name.removesuffix("/x"): what for name, what in steps(clickhouse, tenant).items() if name.endswith("/x")}
    wanted = {}
    for row, (_, expected) in RULE_ROWS.items():
        if expected:
            stream, case, rule, step = expected
            wanted[row] = (stream, f"{row}/t" if rule == "trace_id" else case, rule, step)
    assert found == wanted


def renamed(one: S | L, row: str) -> S | L:
    """The same with ids of its own."""

    def named(name: str) -> str:
        return f"{row}/{name}" if name else ""

    if isinstance(one, L):
        return L(**{**vars(one), "trace": named(one.trace), "span": named(one.span)})
    links = tuple((named(trace), named(span)) for trace, span in one.links)
    own = {"trace": named(one.trace), "span": named(one.span), "parent": named(one.parent), "links": links}
    return S(**{**vars(one), **own})


def test_an_event_without_a_key_gets_the_case_of_its_span(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    store(
        clickhouse,
        tenant,
        [
            S("t", "x", stream="o2c", case="7"),
            L("checked", 1, "t", "x"),
            L("below a span that is missing", 1, "t", "gone"),
            L("keyed", 2, attributes={"retail.order.id": "9"}),
            L("carried", 2, attributes={"baggage.retail.stream": "o2c", "baggage.retail.case.id": "9"}),
            L("stray", 3),
            L("with a stream", 3, stream="o2c"),
            L("retail.object.changed", 3, "t", "x"),
        ],
    )
    job.run_once(tenant)
    assert steps(clickhouse, tenant) == {
        "checked": ("o2c", "7", "parent", "checked"),
        "below a span that is missing": ("o2c", "7", "trace", "below a span that is missing"),
        "keyed": ("o2c", "9", "business_key", "keyed"),
        "carried": ("o2c", "9", "baggage", "carried"),
    }


def test_a_process_that_begins_looks_at_nothing_once_more(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """What the run before has looked at stands in its mark."""
    store(clickhouse, tenant, [S("t", "x", stream="o2c", step="a")])
    job.run_once(tenant)
    store(clickhouse, tenant, [S("u", "y", stream="o2c", step="b")])
    assert job.run_once(tenant).traces == 1
    assert ResolutionJobs(clickhouse, SystemClock(), lambda: RULES).run_once(tenant).traces == 0
    store(clickhouse, tenant, [S("v", "z", stream="o2c", step="b")])
    assert ResolutionJobs(clickhouse, SystemClock(), lambda: RULES).run_once(tenant).traces == 1


def test_a_late_parent_moves_its_spans_and_no_others(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """The case that a trace made up for itself vanishes with its last step."""
    made = CaseJobs(clickhouse, SystemClock(), lambda: STREAMS, settled=timedelta(0))
    store(clickhouse, tenant, [S("t", "x", "p", stream="o2c", step="a"), S("u", "y", stream="o2c", step="b")])
    assert job.run_once(tenant).written == 2
    made.run_once(tenant)
    before = cases(clickhouse, tenant)
    assert set(before) == {"t", "u"}
    store(clickhouse, tenant, [S("t", "p", stream="o2c", case="7")])
    report = job.run_once(tenant)
    assert (report.traces, report.written, report.withdrawn) == (1, 1, 1)
    made.run_once(tenant)
    after = cases(clickhouse, tenant)
    assert {case: row["Rules"] for case, row in after.items()} == {"7": ["parent"], "u": ["trace_id"]}
    assert after["u"] == before["u"], "not even its version"


def test_a_late_link_target_is_noticed_from_its_own_trace(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """Over two queues, the far end last."""
    near = [S("t", "x", step="a", stream="o2c", links=(("u", "send"),)), S("w", "other", stream="o2c", step="b")]
    store(clickhouse, tenant, near)
    job.run_once(tenant)
    assert steps(clickhouse, tenant)["x"] == ("o2c", "t", "trace_id", "a")
    store(clickhouse, tenant, [S("u", "send", "take", kind="Producer"), S("u", "take", links=(("v", "y"),))])
    job.run_once(tenant)
    assert steps(clickhouse, tenant)["x"] == ("o2c", "t", "trace_id", "a")
    store(clickhouse, tenant, [S("v", "y", stream="o2c", case="7", start=-200_000, end=-199_000)])
    report = job.run_once(tenant)
    assert steps(clickhouse, tenant)["x"] == ("o2c", "7", "link", "a")
    assert report.traces == 3, "v, u that links to it, t that links to u; not w"


def test_repetition_changes_nothing(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    spans: list[S | L] = [
        S("t", "x", stream="o2c", case="7", step="a"),
        S("t", "y", "x", kind="Server", name="POST /pick"),
        L("checked", 1, "t", "y"),
    ]
    store(clickhouse, tenant, spans)
    assert job.run_once(tenant) == ResolutionReport(1, 1, 1, 3, 0)
    told = clickhouse.query("SELECT * FROM resolved_steps FINAL WHERE TenantId = {t:String}", {"t": tenant}).rows
    assert job.run_once(tenant) == ResolutionReport(1)
    store(clickhouse, tenant, spans)
    assert job.run_once(tenant) == ResolutionReport(1, traces=1)
    assert job.rebuild(tenant) == ResolutionReport(1, 1, 1, 0, 0)
    again = ResolutionJobs(clickhouse, SystemClock(), lambda: RULES)
    assert again.run_once(tenant).written == 0, "a process that starts looks at the last minutes again"
    assert (
        clickhouse.query("SELECT * FROM resolved_steps FINAL WHERE TenantId = {t:String}", {"t": tenant}).rows == told
    )


def test_other_rules_make_everything_anew(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """A step that was mapped and no longer is, is taken back."""
    store(clickhouse, tenant, [S("t", "x", stream="o2c", case="7", kind="Server", name="POST /pick")])
    job.run_once(tenant)
    assert steps(clickhouse, tenant)["x"][3] == "pick"
    report = ResolutionJobs(clickhouse, SystemClock(), lambda: SpanRules()).run_once(tenant)
    assert (report.rebuilt, report.withdrawn) == (1, 1)
    assert steps(clickhouse, tenant) == {}


def test_tenants_are_apart(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """The same ids at two tenants: neither sees the other's case."""
    other = f"{tenant}-other"
    store(clickhouse, tenant, [S("t", "x", "p", stream="o2c", step="a"), S("q", "r", step="b", links=(("t", "p"),))])
    store(clickhouse, other, [S("t", "p", stream="o2c", case="7"), L("placed", 1, "t", stream="o2c", case="7")])
    job.run_once(tenant)
    job.run_once(other)
    assert steps(clickhouse, tenant) == {"x": ("o2c", "t", "trace_id", "a")}
    assert steps(clickhouse, other) == {}


def test_a_deep_chain_and_a_great_circle_end(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    deep: list[S | L] = [S("t", "0", stream="o2c", case="7")]
    deep += [S("t", str(i), str(i - 1), step="a" if i == 5_000 else "") for i in range(1, 5_001)]
    circle = [S("u", str(i), str((i + 1) % 3_000), stream="o2c", step="b" if i == 0 else "") for i in range(3_000)]
    store(clickhouse, tenant, [*deep, *circle])
    job.run_once(tenant)
    assert steps(clickhouse, tenant) == {
        "5000": ("o2c", "7", "parent", "a"),
        "0": ("o2c", "u", "trace_id", "b"),
    }


def test_small_portions_give_the_same(clickhouse: ClickHouse, tenant: str) -> None:
    """Far more than fits at once: cut by time, by trace and, when a portion proves too large, again."""
    items = [
        S(f"t{i}", f"{i}.{j}", f"{i}.{j - 1}" if j else "", "o2c" if j == 0 else "", str(i) if j == 0 else "",
          "a" if j == 3 else "", start=i * 2_000, end=i * 2_000 + 1)
        for i in range(12)
        for j in range(4)
    ]  # fmt: skip
    store(clickhouse, tenant, items)
    job = ResolutionJobs(clickhouse, SystemClock(), lambda: RULES, items_at_once=20, spans_at_once=10)
    assert job.run_once(tenant).traces == 12
    assert steps(clickhouse, tenant) == {f"{i}.3": ("o2c", str(i), "parent", "a") for i in range(12)}


def test_a_trace_that_too_many_link_to_does_not_hold_the_job_up(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """It is looked at without them."""
    store(clickhouse, tenant, [S(f"t{i}", "x", step="a", links=(("hub", "y"),)) for i in range(20)])
    job.run_once(tenant)
    store(clickhouse, tenant, [S("hub", "y", stream="o2c", case="7", step="b")])
    small = ResolutionJobs(clickhouse, SystemClock(), lambda: RULES, spans_at_once=10, overlap=timedelta(0))
    assert small.run_once(tenant).traces >= 1
    assert steps(clickhouse, tenant)["y"] == ("o2c", "7", "business_key", "b")


def test_stretches_join_what_is_near_and_little() -> None:
    told = [((one.low, one.high), items) for one, items in stretches([(10, 5), (11, 4), (12, 3), (40, 1)], 10)]
    assert told == [((3_000, 3_600), 9), ((3_600, 3_900), 3), ((12_000, 12_300), 1)]


def test_years_with_an_event_now_and_then_are_few_stretches() -> None:
    """Left out are the widest gaps; whoever imports a decade does not wait for a statement for each event."""
    sparse = [(60 * n + 10_000 * (n // 500), 1) for n in range(3_000)]
    told = stretches(sparse, 100_000)
    assert [items for _, items in told] == [500] * 6
    even = stretches([(60 * n, 1) for n in range(3_000)], 100_000)
    assert [(one.low, one.high, items) for one, items in even] == [(-300, 2_999 * 60 * 300 + 300, 3_000)]
    assert len(stretches([(n * n * n, 1) for n in range(20, 400)], 100_000)) == 9


@pytest.mark.parametrize(
    ("steps_of", "keys", "message"),
    [
        ({"o2c": {"POST /pick": ""}}, {}, "must be mapped to a step"),
        ({}, {"o2c": "retail.order.id"}, "must be a list"),
        ({}, {"o2c": ["retail.case.id"]}, "cannot be the key"),
    ],
)
def test_rules_that_make_no_sense_are_refused(steps_of: Any, keys: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SpanRules(steps_of, keys)


# --- spans and events as one occurrence ---


def occurrences(ch: ClickHouse, tenant: str, job: ResolutionJobs) -> list[tuple[str, str, float, float, int]]:
    """Of case 7: step, event name, start and end in seconds, and whether the start is known."""
    job.run_once(tenant)
    CaseJobs(ch, SystemClock(), lambda: STREAMS).run_once(tenant)
    row, zero = cases(ch, tenant)["7"], when(0).timestamp()
    times = ([round(value / 1e9 - zero, 3) for value in row[name]] for name in ("Starts", "Ends"))
    return list(zip(row["Steps"], row["EventNames"], *times, row["Started"], strict=True))


def test_a_span_is_a_step_with_a_start_and_an_end(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """Working is the union of the spans' times, waiting the gap between."""
    store(
        clickhouse,
        tenant,
        [
            S("t", "x", stream="o2c", case="7", step="a", start=0, end=10, attributes={"retail.resource": "desk"}),
            S("t", "y", "x", step="b", start=4, end=6),
            S("u", "z", stream="o2c", case="7", step="c", start=15, end=18),
            L("done", 20, stream="o2c", case="7"),
        ],
    )
    assert occurrences(clickhouse, tenant, job) == [
        ("a", "", 0, 10, 1), ("b", "", 4, 6, 1), ("c", "", 15, 18, 1), ("done", "done", 20, 20, 0),
    ]  # fmt: skip
    row = cases(clickhouse, tenant)["7"]
    assert [row[name] / 1e9 for name in ("Working", "Waiting", "Unknown", "Touch")] == [13, 5, 2, 15]
    assert (row["Resources"][0], row["Systems"][0], row["Actors"][0], row["Outcome"]) == (
        "desk",
        "wms",
        "system",
        "done",
    )
    assert row["Rules"] == ["business_key", "parent", "business_key", "business_key"]


def test_an_event_inside_a_span_of_the_same_step_is_one_occurrence(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """It is done when the case goes on within the span. The event of another step or span is another occurrence."""
    store(
        clickhouse,
        tenant,
        [
            S("t", "x", stream="o2c", case="7", step="pick", start=0, end=10),
            L("picked", 8, "t", "x", stream="o2c", case="7", step="pick", attributes={"retail.amount": "9.50"}),
            L("weighed", 9, "t", "x", stream="o2c", case="7"),
            L("picked", 12, "t", "else", stream="o2c", case="7", step="pick"),
        ],
    )
    assert occurrences(clickhouse, tenant, job) == [
        ("pick", "picked", 0, 8, 1), ("weighed", "weighed", 9, 9, 0), ("pick", "picked", 12, 12, 0),
    ]  # fmt: skip
    assert str(cases(clickhouse, tenant)["7"]["Value"]) == "9.5000"


def test_several_events_in_one_span_stay_several(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """They share the span's time: each begins where the one before ended."""
    store(clickhouse, tenant, [S("t", "x", stream="o2c", case="7", step="pick", start=0, end=10)])
    store(
        clickhouse,
        tenant,
        [L("pick", at, "t", "x", event_id=f"e{at}", stream="o2c", case="7") for at in (7, 3, 9)],
    )
    assert occurrences(clickhouse, tenant, job) == [
        ("pick", "pick", 0, 3, 1), ("pick", "pick", 3, 7, 1), ("pick", "pick", 7, 10, 1),
    ]  # fmt: skip
    row = cases(clickhouse, tenant)["7"]
    assert row["Working"] == row["Touch"] == row["Duration"] == 10 * 10**9


@pytest.mark.parametrize("event_first", [True, False])
def test_the_other_half_of_an_occurrence_may_come_late_and_again(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs, event_first: bool
) -> None:
    span: S | L = S("t", "x", stream="o2c", case="7", step="pick", start=0, end=10)
    event: S | L = L("picked", 8, "t", "x", stream="o2c", case="7", step="pick", event_id="e")
    first, second = (event, span) if event_first else (span, event)
    store(clickhouse, tenant, [first])
    alone = occurrences(clickhouse, tenant, job)
    assert alone == ([("pick", "picked", 8, 8, 0)] if event_first else [("pick", "", 0, 10, 1)])
    for late in ([second], [second], [first, second]):
        store(clickhouse, tenant, late)
        assert occurrences(clickhouse, tenant, job) == [("pick", "picked", 0, 10, 1)]


OCCURRENCE_ROWS: dict[str, tuple[list[S | L], list[tuple[str, str, float, float, int]]]] = {
    "the server of a call, not its client": (
        [
            S("t", "c", stream="o2c", case="7", step="pick", kind="Client", start=0, end=10),
            S("t", "s", "c", stream="o2c", case="7", step="pick", kind="Server", start=1, end=9),
        ],
        [("pick", "", 1, 9, 1)],
    ),
    "a client whose server is not heard of": (
        [S("t", "c", stream="o2c", case="7", step="pick", kind="Client", start=0, end=10)],
        [("pick", "", 0, 10, 1)],
    ),
    "the consumer of a message, not its producer": (
        [
            S("t", "p", stream="o2c", case="7", step="pick", kind="Producer", start=0, end=1),
            S("t", "c", "p", stream="o2c", case="7", step="pick", kind="Consumer", start=60, end=70),
        ],
        [("pick", "", 60, 70, 1)],
    ),
    "the outermost of those inside one another, whatever lies between": (
        [
            S("t", "o", stream="o2c", case="7", step="pick", start=0, end=10),
            S("t", "c", "o", stream="o2c", case="7", step="pick", kind="Client", start=1, end=9),
            S("t", "s", "c", stream="o2c", case="7", step="pick", kind="Server", start=2, end=8),
            S("t", "m", "s", start=3, end=7),
            S("t", "i", "m", step="pick", start=4, end=6),
        ],
        [("pick", "", 0, 10, 1)],
    ),
    "each of two calls": (
        [
            S("t", "1", "x", stream="o2c", case="7", step="pick", kind="Server", start=0, end=1),
            S("t", "2", "x", stream="o2c", case="7", step="pick", kind="Server", start=5, end=6),
        ],
        [("pick", "", 0, 1, 1), ("pick", "", 5, 6, 1)],
    ),
    "two steps inside one another": (
        [
            S("t", "o", stream="o2c", case="7", step="fill", start=0, end=10),
            S("t", "i", "o", step="pick", start=4, end=6),
        ],
        [("fill", "", 0, 10, 1), ("pick", "", 4, 6, 1)],
    ),
    "one of a circle": (
        [
            S("t", "a", "b", stream="o2c", case="7", step="pick", start=0, end=2),
            S("t", "b", "a", stream="o2c", case="7", step="pick", start=1, end=3),
        ],
        [("pick", "", 0, 2, 1)],
    ),
    "the event elsewhere in the trace, since the span that was under way": (
        [
            S("t", "call", stream="o2c", case="7", kind="Server", start=0, end=10),
            S("t", "s1", "call", step="check", kind="Server", start=1, end=2),
            S("t", "s2", "call", step="check", start=3, end=5),
            L("checked", 5, "t", "call", stream="o2c", case="7", step="check"),
        ],
        [("check", "checked", 3, 5, 1)],
    ),
    "the event alone when no span was under way": (
        [
            S("t", "s", stream="o2c", case="7", step="pick", kind="Consumer", start=0, end=1),
            L("picked", 3_600, "t", "x", stream="o2c", case="7", step="pick"),
        ],
        [("pick", "picked", 3_600, 3_600, 0)],
    ),
    "an event that tells its start": (
        [
            S("t", "s", stream="o2c", case="7", step="pick", start=0, end=10),
            L(
                "picked",
                8,
                "t",
                "x",
                stream="o2c",
                case="7",
                step="pick",
                attributes={"retail.step.start": str(when(6))},
            ),
        ],
        [("pick", "picked", 6, 8, 1)],
    ),
    "two events while one span was under way": (
        [
            S("t", "s", stream="o2c", case="7", step="pick", start=0, end=10),
            L("picked", 4, "t", "x", stream="o2c", case="7", step="pick", event_id="a"),
            L("picked", 8, "t", "y", stream="o2c", case="7", step="pick", event_id="b"),
        ],
        [("pick", "picked", 0, 4, 1), ("pick", "picked", 4, 8, 1)],
    ),
    "no business event, no step, however it is marked": (
        [
            S("t", "s", stream="o2c", case="7", step="shop.sold", kind="Server", start=0, end=10),
            S("t", "o", stream="o2c", case="7", step="fill", start=20, end=21),
        ],
        [("fill", "", 20, 21, 1)],
    ),
    "a business event by the model": (
        [S("t", "s", stream="o2c", case="7", kind="Server", name="POST /sell", start=0, end=10)],
        [("shop.sold", "", 0, 10, 1)],
    ),
    "an exception is no step": (
        [
            S("t", "s", stream="o2c", case="7", step="pick", start=0, end=10),
            L("exception", 5, "t", "s"),
            L("exception", 6, attributes={"retail.order.id": "7"}),
        ],
        [("pick", "", 0, 10, 1)],
    ),
}


@pytest.mark.parametrize("row", OCCURRENCE_ROWS)
def test_one_occurrence_is(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs, row: str) -> None:
    items, wanted = OCCURRENCE_ROWS[row]
    store(clickhouse, tenant, items)
    assert occurrences(clickhouse, tenant, job) == wanted


def test_what_is_no_occurrence_keeps_its_queue_wait(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """Under the step that it works on, whether another span or an event is the occurrence."""
    queue = {"messaging.destination.name": "q"}
    store(
        clickhouse,
        tenant,
        [
            S("t", "p", stream="o2c", case="7", step="shop.sold", kind="Producer", start=0, end=1, attributes=queue),
            S("t", "c", "p", step="shop.sold", kind="Consumer", start=5, end=6, stream="o2c", case="7"),
            L("done", 20, stream="o2c", case="7"),
        ],
    )
    assert occurrences(clickhouse, tenant, job) == [("done", "done", 20, 20, 0)]
    (found,) = queue_waits(clickhouse, tenant, "o2c")
    assert (found.destination, found.step, found.n, found.wait.sum_s if found.wait else 0) == ("q", "shop.sold", 1, 4)


def test_a_trace_that_was_found_for_a_case_is_in_its_timeline(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """With those of its spans that are no steps; when the step moves to another case, the trace moves too."""
    store(clickhouse, tenant, [S("t", "x", stream="o2c", case="7", step="a"), S("u", "r", links=(("t", "x"),))])
    store(
        clickhouse, tenant, [S("u", "y", "r", step="b", start=2, end=3), S("v", "z", stream="o2c", case="8", step="c")]
    )
    occurrences(clickhouse, tenant, job)
    found = case_timeline(clickhouse, tenant, "o2c", "7")
    assert {(one.trace_id, one.span_id) for one in found.spans} == {("t", "x"), ("u", "r"), ("u", "y")}
    store(clickhouse, tenant, [S("u", "r", links=(("v", "z"),))])
    occurrences(clickhouse, tenant, job)
    assert {one.trace_id for one in case_timeline(clickhouse, tenant, "o2c", "7").spans} == {"t"}
    assert {one.trace_id for one in case_timeline(clickhouse, tenant, "o2c", "8").spans} == {"u", "v"}


# --- what is noted, and what is to be read ---


def noted_before(ch: ClickHouse, tenant: str, item: S) -> int:
    """A note of an arrival without what it speaks of: its segment."""
    segment = next(SEGMENTS)
    columns = ("TenantId", "Signal", "SegmentId", "Bucket", "Items", "InsertedAt")
    bucket = int(when(item.start).timestamp()) // BUCKET_S
    ch.insert_rows("trace_arrivals", columns, [(tenant, "traces", segment, bucket, 1, datetime.now(UTC))])
    return segment


def made_visible(ch: ClickHouse, tenant: str, item: S, segment: int) -> None:
    """What the note speaks of, and no second note."""
    (before,) = ch.query("SELECT max(InsertedAt) FROM trace_arrivals WHERE TenantId = {t:String}", {"t": tenant}).rows
    ch.insert_rows("otel_traces", SPAN_COLUMNS, [item.row(tenant, segment)])
    ch.command(
        "DELETE FROM trace_arrivals WHERE TenantId = {t:String} AND InsertedAt > {b:DateTime64(3, 'UTC')}",
        {"t": tenant, "b": before[0]},
    )


@pytest.mark.parametrize("others_between", [False, True])
def test_a_note_that_is_there_before_its_spans(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs, others_between: bool
) -> None:
    """Nothing is missed for good, also when later segments were looked at in between, and nothing is done twice."""
    late = S("t", "x", stream="o2c", case="7", step="a")
    segment = noted_before(clickhouse, tenant, late)
    assert job.run_once(tenant).traces == 0
    if others_between:
        store(clickhouse, tenant, [S("u", "y", stream="o2c", case="8", step="b", start=400, end=401)])
        assert job.run_once(tenant).traces == 1
    made_visible(clickhouse, tenant, late, segment)
    assert job.run_once(tenant).written == 1
    assert steps(clickhouse, tenant)["x"] == ("o2c", "7", "business_key", "a")
    assert job.run_once(tenant) == ResolutionReport(1)


def test_the_mark_waits_for_what_is_noted_and_not_there(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    """So that another process looks for it, too."""
    late = S("t", "x", stream="o2c", case="7", step="a")
    segment = noted_before(clickhouse, tenant, late)
    job.run_once(tenant)
    again = ResolutionJobs(clickhouse, SystemClock(), lambda: RULES, overlap=timedelta(0))
    store(clickhouse, tenant, [S("u", "y", stream="o2c", case="8", step="b", start=400, end=401)])
    again.run_once(tenant)
    made_visible(clickhouse, tenant, late, segment)
    ResolutionJobs(clickhouse, SystemClock(), lambda: RULES, overlap=timedelta(0)).run_once(tenant)
    assert steps(clickhouse, tenant)["x"] == ("o2c", "7", "business_key", "a")


def test_spans_are_found_before_the_traces_table_knows_them(
    clickhouse: ClickHouse, tenant: str, job: ResolutionJobs
) -> None:
    store(clickhouse, tenant, [S("t", "x", "p", step="a"), S("t", "p", stream="o2c", case="7")])
    clickhouse.command("DELETE FROM otel_traces_trace_id_ts WHERE TenantId = {t:String}", {"t": tenant})
    job.run_once(tenant)
    assert steps(clickhouse, tenant) == {"x": ("o2c", "7", "parent", "a")}


class Ticking(SystemClock):
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def monotonic(self) -> float:
        return next(self._ticks)


def test_a_long_run_goes_on_where_it_was_stopped(clickhouse: ClickHouse, tenant: str) -> None:
    """And is noted when all of it is done."""
    store(
        clickhouse,
        tenant,
        [
            S(f"t{i}", f"x{i}", stream="o2c", case=str(i), step="a", start=i * 9_000, end=i * 9_000 + 1)
            for i in range(5)
        ],
    )
    job = ResolutionJobs(clickhouse, Ticking(), lambda: RULES, items_at_once=1)
    found = [job.run_once(tenant, at_most_s=4) for _ in range(4)]
    assert [one.traces for one in found] == [2, 2, 1, 0]
    assert [one.rebuilt for one in found] == [0, 0, 1, 0]
    assert len(steps(clickhouse, tenant)) == 5


def test_a_failed_portion_is_done_by_the_next_run(clickhouse: ClickHouse, tenant: str) -> None:
    """The others are not done again."""
    store(
        clickhouse,
        tenant,
        [
            S(f"t{i}", f"x{i}", stream="o2c", case=str(i), step="a", start=i * 9_000, end=i * 9_000 + 1)
            for i in range(3)
        ],
    )
    failing = [True]

    def rules() -> SpanRules:
        if failing and mine._count("spans"):
            failing.clear()
            raise StoreUnavailable("the engine is gone")
        return RULES

    mine = ResolutionJobs(clickhouse, SystemClock(), rules, items_at_once=1)
    with pytest.raises(StoreUnavailable):
        mine.run_once(tenant)
    assert mine.run_once(tenant).traces == 3
    assert len(steps(clickhouse, tenant)) == 3


# --- queues ---


def test_queue_waits(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    """By link 2 s and 4 s, by parent 9 s; a batch of two; one negative; a consumer that is no step."""
    queue = {"messaging.destination.name": "q"}
    items: list[S | L] = [
        S("p1", "a", stream="o2c", case="1", kind="Producer", start=0, end=1, attributes=queue),
        S("p2", "a", stream="o2c", case="2", kind="Producer", start=0, end=2, attributes=queue),
        S("c1", "b", kind="Consumer", step="take", start=3, end=4, links=(("p1", "a"),)),
        S("c2", "b", kind="Consumer", step="take", start=6, end=7, links=(("p2", "a"),), attributes=queue),
        S("p3", "a", stream="o2c", case="3", kind="Producer", start=0, end=1, attributes=queue),
        S("p3", "b", "a", kind="Consumer", step="take", start=10, end=11),
        S("c4", "b", kind="Consumer", step="early", start=0, end=1, links=(("p1", "a"),)),
        S("c5", "b", kind="Consumer", start=11, end=12, links=(("p1", "a"), ("p2", "a"))),
        S("c6", "b", stream="o2c", case="1", kind="Consumer", step="take", start=30, end=31),
    ]
    store(clickhouse, tenant, items)
    job.run_once(tenant)
    CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).run_once(tenant)
    found = {(one.destination, one.step): one for one in queue_waits(clickhouse, tenant, "o2c")}
    assert set(found) == {("q", "take"), ("q", "early"), ("q", "")}
    taken = found["q", "take"]
    assert (taken.n, taken.skewed) == (3, 0)
    assert taken.wait is not None
    assert (taken.wait.mean_s, taken.wait.median_s, taken.wait.sum_s) == (5, 4, 15)
    assert taken.wait.p90_s == pytest.approx(8)
    assert found["q", "early"] == QueueWait("q", "early", 0, 1, None)
    assert (found["q", ""].n, found["q", ""].wait.sum_s if found["q", ""].wait else 0) == (2, 19)
    assert queue_waits(clickhouse, tenant, "nothing") == ()


def test_a_late_producer_is_taken_into_account(clickhouse: ClickHouse, tenant: str, job: ResolutionJobs) -> None:
    store(
        clickhouse, tenant,
        [S("c", "b", kind="Consumer", step="take", stream="o2c", case="1", start=300_000, end=300_001,
           links=(("p", "a"),))],
    )  # fmt: skip
    job.run_once(tenant)
    CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).run_once(tenant)
    assert queue_waits(clickhouse, tenant, "o2c") == ()
    store(clickhouse, tenant, [S("p", "a", kind="Producer", start=0, end=1)])
    job.run_once(tenant)
    (found,) = queue_waits(clickhouse, tenant, "o2c")
    assert (found.n, found.wait.sum_s if found.wait else 0) == (1, 299_999)


# --- against a plain oracle ---

TRACES, SPANS = "tuv", "abcd"
PLACES = [(trace, span) for trace in TRACES for span in SPANS]


@st.composite
def histories(draw: st.DrawFn) -> list[S | L]:
    items: list[S | L] = []
    for trace, span in draw(st.lists(st.sampled_from(PLACES), unique=True, min_size=1, max_size=10)):
        case = draw(st.sampled_from(["", "", "", "1", "2"]))
        items.append(
            S(
                trace, span, draw(st.sampled_from(["", *SPANS])),
                draw(st.sampled_from(["o2c", "r2r"])) if case else draw(st.sampled_from(["", "", "o2c", "r2r"])),
                case, step=draw(st.sampled_from(["", span])),
                links=tuple(draw(st.lists(st.sampled_from(PLACES), max_size=2))),
            )
        )  # fmt: skip
    for number, (trace, span) in enumerate(draw(st.lists(st.sampled_from(PLACES), max_size=3))):
        stream, case = draw(st.sampled_from([("", ""), ("o2c", ""), ("o2c", "1"), ("r2r", "2")]))
        items.append(L(f"e{number}", 1, trace, span, stream, case))
    return items


@given(st.lists(histories(), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cases_found_piece_by_piece_equal_the_oracle(
    clickhouse: ClickHouse, job: ResolutionJobs, worlds: list[list[S | L]], chance: random.Random
) -> None:
    """Random parents (circles too), links and keys, some worlds at once; shuffled, cut in pieces, one sent twice, a
    run after each."""
    tenant = f"resolution-oracle-{next(TENANTS)}"
    items = [renamed(one, str(number)) for number, world in enumerate(worlds) for one in world]
    shuffled = chance.sample(items, len(items))
    cut = chance.randint(0, len(shuffled))
    for piece in (shuffled[:cut], shuffled[cut:], shuffled[: cut // 2 + 1]):
        store(clickhouse, tenant, piece)
        job.run_once(tenant)
    rows = clickhouse.query(
        "SELECT TraceId, if(EventName != '', EventName, SpanId), Stream, CaseId, CaseRule"
        " FROM resolved_steps FINAL WHERE TenantId = {t:String}",
        {"t": tenant},
    ).rows
    assert {(trace, name): (stream, case, rule) for trace, name, stream, case, rule in rows} == oracle(items)


Case = tuple[str, str]


def oracle(items: list[S | L]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """The definitions of docs/process-cases.md, one by one."""
    spans = {(one.trace, one.span): one for one in items if isinstance(one, S)}
    direct: dict[tuple[str, str], Case] = {key: (one.stream, one.case) for key, one in spans.items() if one.case}
    linked: dict[tuple[str, str], Case] = {}

    def above(key: tuple[str, str], stream: str) -> Case | None:
        """The nearest case of the stream, from the span itself upwards."""
        seen = set()
        while key in spans and key not in seen:
            seen.add(key)
            own = direct.get(key) or linked.get(key)
            if own and stream in ("", own[0]):
                return own
            key = (key[0], spans[key].parent)
        return None

    for _ in range(8):
        found = {}
        for key, one in spans.items():
            if key not in direct:
                hits = [hit for link in one.links if (hit := above(link, one.stream))]
                if hits:
                    found[key] = hits[0]
        if found == linked:
            break
        linked = found
    known: dict[str, set[Case]] = defaultdict(set)
    for (trace, _), case in [*linked.items(), *direct.items()]:
        known[trace].add(case)
    events = [one for one in items if isinstance(one, L)]
    for event in events:
        if event.case:
            known[event.trace].add((event.stream, event.case))

    def rule(trace: str, span: str, stream: str, own: Case | None, link: Case | None) -> tuple[str, str, str] | None:
        if own:
            return *own, "business_key"
        if link:
            return *link, "link"
        if hit := above((trace, span), stream):
            return *hit, "parent"
        there = {case for case in known[trace] if stream in ("", case[0])}
        if len(there) == 1:
            return *next(iter(there)), "trace"
        return (stream, trace, "trace_id") if stream and not there else None

    told = {}
    for key, one in spans.items():
        found_by = rule(*key, one.stream, direct.get(key), linked.get(key))
        if one.step and found_by:
            told[key] = found_by
    for event in events:
        found_by = rule(event.trace, event.span, event.stream, None, None)
        if not event.case and found_by:
            told[event.trace, event.name] = found_by
    return told
