"""The event catalogue holds what the design promises, refuses bad data, and its check finds what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics.events as public
from core.errors import ConfigurationError
from metrics.conventions import ATTRIBUTES
from metrics.events import ProblemKind, load_event_catalogue, validate_event
from metrics.events._catalogue import build_catalogue, parse_events

DESIGN = """
order.placed order.validated order.fraud_checked order.allocated order.backordered order.picked order.packed
order.shipped order.delivered order.invoiced order.paid order.cancelled order.failed order.line.placed
order.line.shipped order.line.cancelled stock.adjusted stock.counted stock.reserved stock.depleted stock.replenished
replenishment.triggered replenishment.ordered replenishment.received purchase_order.sent purchase_order.acknowledged
purchase_order.changed goods.received supplier_invoice.received supplier_invoice.matched supplier_invoice.mismatched
supplier_invoice.paid return.requested return.authorised return.received return.inspected return.dispositioned
return.closed refund.approved refund.issued refund.settled promotion.set_up promotion.priced promotion.started
promotion.ended promotion.claimed promotion.settled price.changed approval.requested approval.granted approval.denied
exception.raised exception.resolved item.set_up supplier.onboarded customer_case.opened customer_case.resolved
warranty.claimed warranty.resolved subscription.change_requested subscription.changed account.requested
account.onboarded supplier.requested item.requested period.ended period.closed reconciliation.performed
stock.synchronised price.checked
"""

PLACED: dict[str, object] = {
    "retail.stream": "order-to-cash",
    "retail.case.id": "ORD-1",
    "retail.order.id": "ORD-1",
    "retail.quantity": 2,
    "retail.amount": "10.50",
    "retail.currency": "EUR",
}


def test_public_names() -> None:
    assert sorted(public.__all__) == public.__all__
    assert all(hasattr(public, name) for name in public.__all__)


def test_the_catalogue_holds_exactly_the_events_of_the_design() -> None:
    assert set(load_event_catalogue().events) == {f"retail.{name}" for name in DESIGN.split()}


def test_a_conforming_event_has_no_problems() -> None:
    assert validate_event("retail.order.placed", PLACED) == []


@pytest.mark.parametrize(
    ("change", "kind", "attribute", "suggestion"),
    [
        pytest.param({"retail.amount": None}, ProblemKind.MISSING_ATTRIBUTE, "retail.amount", "", id="absent"),
        pytest.param({"retail.currency": ""}, ProblemKind.MISSING_ATTRIBUTE, "retail.currency", "", id="empty"),
        pytest.param({"retail.amount": "1,50"}, ProblemKind.WRONG_TYPE, "retail.amount", "", id="decimal comma"),
        pytest.param({"retail.amount": "NaN"}, ProblemKind.WRONG_TYPE, "retail.amount", "", id="not a number"),
        pytest.param({"retail.quantity": True}, ProblemKind.WRONG_TYPE, "retail.quantity", "", id="bool is no number"),
        pytest.param({"retail.order.id": 7}, ProblemKind.WRONG_TYPE, "retail.order.id", "", id="number for text"),
        pytest.param({"retail.seq": 1.5}, ProblemKind.WRONG_TYPE, "retail.seq", "", id="fraction for whole"),
        pytest.param({"retail.seq": "²"}, ProblemKind.WRONG_TYPE, "retail.seq", "", id="digit that is no number"),
        pytest.param(
            {"retail.promise.at": "2026-03-02T08:00:00"},
            ProblemKind.WRONG_TYPE,
            "retail.promise.at",
            "",
            id="naive time",
        ),
        pytest.param({"retail.edge": "a to b"}, ProblemKind.WRONG_TYPE, "retail.edge", "", id="edge without arrow"),
        pytest.param(
            {"retail.actor.type": "humn"}, ProblemKind.WRONG_VALUE, "retail.actor.type", "human", id="value with a typo"
        ),
        pytest.param(
            {"retail.chanel": "web"},
            ProblemKind.UNKNOWN_ATTRIBUTE,
            "retail.chanel",
            "retail.channel",
            id="typo in a name",
        ),
    ],
)
def test_one_problem_is_found(change: dict[str, object], kind: ProblemKind, attribute: str, suggestion: str) -> None:
    [problem] = validate_event("retail.order.placed", PLACED | change)
    assert (problem.kind, problem.attribute, problem.suggestion) == (kind, attribute, suggestion)
    assert attribute in problem.message


def test_an_unknown_event_gets_the_closest_name() -> None:
    [problem] = validate_event("retail.order.plced", {})
    assert problem.kind is ProblemKind.UNKNOWN_EVENT
    assert problem.suggestion == "retail.order.placed"


def test_a_missing_attribute_points_at_the_misspelt_one() -> None:
    attributes = {**PLACED, "retail.amont": "10.50"}
    del attributes["retail.amount"]
    missing = validate_event("retail.order.placed", attributes)[0]
    assert (missing.attribute, missing.suggestion) == ("retail.amount", "retail.amont")


def test_attributes_of_others_are_left_alone() -> None:
    assert validate_event("retail.order.placed", {**PLACED, "acme.colour": object()}) == []


@pytest.mark.parametrize(
    "value", ["2026-03-02T08:00:00Z", "2026-03-02 09:00:00+01:00", "1772438400000000000", 1772438400000000000]
)
def test_times_are_iso_or_nanoseconds(value: object) -> None:
    assert validate_event("retail.order.placed", {**PLACED, "retail.promise.at": value}) == []


@given(
    st.sampled_from([*load_event_catalogue().events, "x", ""]),
    st.dictionaries(
        st.sampled_from([a.name for a in ATTRIBUTES]) | st.text(max_size=12),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4),
        max_size=6,
    ),
)
def test_the_check_never_raises_and_names_every_required_attribute(name: str, attributes: dict[str, object]) -> None:
    problems = validate_event(name, attributes)
    definition = load_event_catalogue().events.get(name)
    required = definition.required if definition else ()
    missing = {p.attribute for p in problems if p.kind is ProblemKind.MISSING_ATTRIBUTE}
    assert missing == {a for a in required if attributes.get(a) in (None, "")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("stream = ", "is not valid TOML", id="broken TOML"),
        pytest.param('stream = "order-to-cahs"', "stream must be 'any' or one of", id="unknown stream"),
        pytest.param(
            'stream="any"\n[[event]]\nname="order.placed"', "must be named retail.<object>.<verb>", id="wrong prefix"
        ),
        pytest.param(
            'stream="any"\n[[event]]\nname="retail.a.b"\nobject="a"\ndescription="d"\nneeds=[]',
            "has unknown key 'needs'",
            id="unknown key",
        ),
        pytest.param(
            'stream="any"\n[[event]]\nname="retail.a.b"\nobject="a"', "lacks 'description'", id="no description"
        ),
        pytest.param(
            'stream="any"\n[[event]]\nname="retail.a.b"\nobject="a"\ndescription="d"\nrequired=["retail.x"]',
            "names attribute 'retail.x', which the conventions do not define",
            id="undefined attribute",
        ),
        pytest.param(
            'stream="any"\n[[event]]\nname="retail.a.b"\nobject="a"\ndescription="d"\nrequired=["retail.stream"]',
            "lists attribute 'retail.stream' twice",
            id="attribute given twice",
        ),
    ],
)
def test_bad_catalogue_data_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_events(text, "bad.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("bad.toml")


def test_a_name_given_twice_is_refused() -> None:
    event = parse_events('stream="any"\n[[event]]\nname="retail.a.b"\nobject="a"\ndescription="d"', "a.toml")
    with pytest.raises(ConfigurationError, match=r"'retail\.a\.b' is defined twice"):
        build_catalogue([*event, *event])
