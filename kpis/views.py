"""The canonical views: what KPIs are computed from, one row for each subject, and the statements that make the rows.

A view's statement (`sql/view_<name>.sql`) selects all columns of its table for given cases. It reads their events where
`view_batch.sql` has put them: each once, in the wording that was received last, with its attributes in columns. Short
forms keep the statements readable: `/*first X name*/` is the time at which an event was first told, `/*last X name*/`
the last, `/*time key*/` an attribute read as a time, `/*number key*/` as a number, `/*one currency*/` the currency of
all amounts of a case, '' where they have several or one that is not counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from kpis.currencies import CURRENCIES
from storage import load_sql

EVENTS, SOURCE, BATCH = "/*events*/", "/*source*/", "/*batch*/"
_TOLD = re.compile(r"/\*(first|last) (\w+) ([a-z0-9_.]+)\*/")
_TIME = re.compile(r"/\*time ([a-z0-9_.]+)\*/")
_NUMBER = re.compile(r"/\*number ([a-z0-9_.]+)\*/")
ONE_CURRENCY = "/*one currency*/"
_ONE_CURRENCY = (
    "if(countIf(e.Foreign AND e.Amount IS NOT NULL) = 0"
    " AND uniqExactIf(e.Currency, e.Amount IS NOT NULL AND e.Currency != '') <= 1,"
    " max(if(e.Amount IS NULL, '', e.Currency)), '')"
)

Pair = tuple[str, str, tuple[str, ...], tuple[str, ...], str]
"""Kind, event that begins it, events that end it, attributes that say which belong together, attribute of its label."""

Details = Mapping[str, Sequence[str]]
"""By stream, the events that tell about a step of a case and are none of their own (a line of an order)."""

PAIRS: tuple[Pair, ...] = (
    (
        "exception",
        "retail.exception.raised",
        ("retail.exception.resolved",),
        ("retail.exception.id", "retail.exception.category"),
        "retail.exception.category",
    ),
    (
        "approval",
        "retail.approval.requested",
        ("retail.approval.granted", "retail.approval.denied"),
        ("retail.approval.id", "retail.approval.subject"),
        "retail.approval.subject",
    ),
    (
        "customer_case",
        "retail.customer_case.opened",
        ("retail.customer_case.resolved",),
        ("retail.customer_case.id",),
        "retail.channel",
    ),
    ("warranty", "retail.warranty.claimed", ("retail.warranty.resolved",), ("retail.warranty.id",), "retail.sku"),
    (
        "subscription",
        "retail.subscription.change_requested",
        ("retail.subscription.changed",),
        ("retail.subscription.id",),
        "",
    ),
    ("account", "retail.account.requested", ("retail.account.onboarded",), ("retail.account.id",), ""),
    ("supplier", "retail.supplier.requested", ("retail.supplier.onboarded",), ("retail.supplier.id",), ""),
    ("item", "retail.item.requested", ("retail.item.set_up",), ("retail.sku",), "retail.supplier.id"),
    ("period_close", "retail.period.ended", ("retail.period.closed",), ("retail.period.id",), "retail.period.id"),
    (
        "replenishment",
        "retail.replenishment.triggered",
        ("retail.replenishment.received",),
        ("retail.replenishment.id",),
        "retail.supplier.id",
    ),
    (
        "replenishment_order",
        "retail.replenishment.triggered",
        ("retail.replenishment.ordered",),
        ("retail.replenishment.id",),
        "retail.supplier.id",
    ),
)
_STATEMENTS = 1
"""Raised when something beside the texts changes what a view's rows say."""


@dataclass(frozen=True)
class Source:
    """Where events stand, and the notes of what changed there."""

    events: str
    notes: str


CASES, RECORDS = Source("process_events", "case_changes"), Source("record_events", "record_changes")
"""Events of cases, and events about records that are kept (a stock level, a price): there `CaseId` is the record."""
SOURCES = (CASES, RECORDS)


@dataclass(frozen=True)
class View:
    """One canonical view. stream: the one it reads, '' for all; also: further ones; names: its events, none for all."""

    name: str
    title: str
    subject: str
    names: tuple[str, ...]
    stream: str = ""
    pairs: tuple[Pair, ...] = field(default=())
    source: Source = CASES
    also: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """Where its rows are kept."""
        return f"kpi_{self.name}"

    def reads(self, source: Source, stream: str) -> bool:
        """Whether events of the stream make rows of it."""
        return self.source == source and (self.stream in ("", stream) or stream in self.also)

    def statement(self, batch: str = BATCH) -> str:
        """Its SELECT from events in a batch; `/*selection*/` is where a condition on rows of other views belongs."""
        return _expanded(f"view_{self.name}").replace(BATCH, batch)


def _o2c(*verbs: str) -> tuple[str, ...]:
    return tuple(f"retail.order.{verb}" for verb in verbs)


def _records(name: str, title: str, subject: str, kind: str, *verbs: str) -> View:
    return View(name, title, subject, tuple(f"retail.{kind}.{verb}" for verb in verbs), kind, source=RECORDS)


VIEWS: tuple[View, ...] = (
    View(
        "order_lines",
        "Order lines",
        "a line of an order",
        _o2c("placed", "line.placed", "line.shipped", "line.cancelled", "backordered", "cancelled", "failed"),
        "order-to-cash",
    ),
    View(
        "orders",
        "Orders",
        "an order",
        (
            *_o2c("placed", "validated", "fraud_checked", "allocated", "backordered", "picked", "packed", "shipped"),
            *_o2c("delivered", "invoiced", "paid", "cancelled", "failed"),
            "retail.exception.raised",
            "retail.exception.resolved",
        ),
        "order-to-cash",
    ),
    View(
        "returns",
        "Returns",
        "a return",
        (
            *(f"retail.return.{v}" for v in ("requested", "authorised", "received", "inspected", "dispositioned")),
            "retail.return.closed",
            *(f"retail.refund.{verb}" for verb in ("approved", "issued", "settled")),
        ),
        "return-to-resolution",
    ),
    View(
        "movements",
        "Movements",
        "a quantity or an amount that one event tells: ordered, shipped, cancelled or credited",
        (
            *_o2c("line.placed", "line.shipped", "line.cancelled"),
            *("retail.return.requested", "retail.return.received", "retail.refund.issued"),
        ),
        "order-to-cash",
        also=("return-to-resolution",),
    ),
    View("purchases", "Purchase orders", "a purchase order with its invoice", (), "procure-to-pay"),
    View(
        "promotions",
        "Promotions",
        "a promotion",
        tuple(f"retail.promotion.{v}" for v in ("set_up", "priced", "started", "ended", "claimed", "settled")),
        "promotion-to-settlement",
    ),
    View(
        "intervals",
        "Intervals",
        "something that began and ended within a case",
        tuple(sorted({name for pair in PAIRS for name in (pair[1], *pair[2])})),
        pairs=PAIRS,
    ),
    View("work", "Work", "a case, by who did its steps", ()),
    View(
        "reconciliations",
        "Reconciliations",
        "a comparison of two books",
        ("retail.reconciliation.performed",),
        "record-to-report",
    ),
    _records("stock_counts", "Stock counts", "a count of a stock level", "stock", "counted"),
    _records(
        "stock_outs",
        "Stock-outs",
        "a time without stock",
        "stock",
        *("depleted", "replenished", "adjusted", "counted", "reserved"),
    ),
    _records("stock_updates", "Stock updates", "a level shown by another system", "stock", "synchronised"),
    _records("price_checks", "Price checks", "a look at a selling price", "price", "checked"),
)
"""In the order of making: orders read the lines."""


WHOLE = tuple(sorted({name for one in VIEWS if one.name == "intervals" or one.source == RECORDS for name in one.names}))
"""Events of which any attribute may be asked for."""


def batch_statement(source: Source) -> str:
    """Puts events of a selection into `/*batch*/`, those of `/*which*/`; `/*latest*/` says if it is the last word."""
    return _expanded("view_batch").replace(SOURCE, source.events)


def view(name: str) -> View:
    """Raises KeyError."""
    return {one.name: one for one in VIEWS}[name]


def model(details: Details, currency: str = "") -> int:
    """Names what the rows depend on beside the events: another number, and all views are made anew."""
    told = sorted((stream, tuple(sorted(names))) for stream, names in details.items() if names)
    texts = [batch_statement(CASES), *((one.name, one.names, one.statement()) for one in VIEWS)]
    said = (_STATEMENTS, PAIRS, CURRENCIES, currency, told, *texts)
    return int.from_bytes(hashlib.sha256(repr(said).encode()).digest()[:8], "big")


@cache
def _expanded(name: str) -> str:
    text = load_sql("kpis", name).replace(EVENTS, load_sql("kpis", "view_events").rstrip())
    text = _TOLD.sub(_told, text.replace(ONE_CURRENCY, _ONE_CURRENCY))
    return _NUMBER.sub(_number, _TIME.sub(_time, text))


def _told(found: re.Match[str]) -> str:
    which, column, event = found.groups()
    return f"{'min' if which == 'first' else 'max'}OrNullIf(Timestamp, EventName = '{event}') AS {column},"


def _number(found: re.Match[str]) -> str:
    value = f"toFloat64OrNull(Attributes['{found[1]}'])"
    return f"if(isFinite({value}), {value}, NULL)"


def _time(found: re.Match[str]) -> str:
    value = f"Attributes['{found[1]}']"
    return (
        f"if(match({value}, '^[0-9]{{1,19}}$'), fromUnixTimestamp64Nano(toInt64OrNull({value}), 'UTC'), "
        f"parseDateTime64BestEffortOrNull({value}, 9, 'UTC'))"
    )
