"""Generated business events of all value streams in `process_events`, made in the engine: the KPI benchmark's history.

Orders with lines (short, cancelled, failed, back-ordered, with exceptions), returns with refunds, purchases with
invoices and approvals, replenishments, promotions, customers' requests and master data begin evenly over the days and
go their way at exponential distances; what would happen later has not happened yet. Everything follows from the seed
and the number of the case. Case ids are scattered, as they are where several systems give them out. Attributes are what
the conventions ask for, so that a row is as wide as one that was received. Nothing in it is chosen by what is fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage import ClickHouse

SEED = 20_261_129
CASES_AT_ONCE = 50_000
LONGEST = timedelta(days=45)
"""Of a case, nearly always: who looks for the events of one moment looks at cases that began so long before."""


def _chance(salt: object) -> str:
    """A number above 0 and below 1, the same for the same case and salt."""
    return f"((cityHash64({SEED}, Kind, N, {salt}) % 1000000007 + 1) / 1000000009)"


def _wait(hours: float, salt: object) -> str:
    """Nanoseconds, exponential, whole milliseconds, never more than eight times the mean."""
    return f"(toInt64(least(8, -log({_chance(salt)})) * {hours * 3_600_000}) * 1000000)"


def _event(name: str, at: str, *, units: str = "-1", money: str = "-1", actor: str = "'system'", **more: str) -> str:
    """(nanoseconds, name, quantity, amount, actor, attributes); -1 is none."""
    pairs = ", ".join(f"'retail.{key.replace('_', '.')}', {value}" for key, value in more.items())
    told = f"CAST(map({pairs}), 'Map(String, String)')" if pairs else "CAST(map(), 'Map(String, String)')"
    return f"(toInt64({at}), 'retail.{name}', toFloat64({units}), toFloat64({money}), {actor}, {told})"


def _if(chance: float, salt: object, then: str, otherwise: str = "[]") -> str:
    return f"if({_chance(salt)} < {chance}, {then}, {otherwise})"


@dataclass(frozen=True)
class Kind:
    """One kind of case. share: of all cases; columns: what is worked out for a case, in order; events: an array."""

    name: str
    stream: str
    share: float
    columns: tuple[tuple[str, str], ...]
    events: str


def _array(*events: str) -> str:
    return f"[{', '.join(events)}]"


_PROMISE = "toString(fromUnixTimestamp64Nano(toInt64({at}), 'UTC'))"
_SKU = "concat('SKU-', toString(cityHash64(N, {salt}) % 5000))"
_HUMAN = "'human'"


def _orders() -> Kind:
    line = {"order_line_id": "concat('L', toString(l))", "sku": "concat('SKU-', toString(cityHash64(N, l) % 5000))"}
    short = f"cityHash64({SEED}, N, l, 'short') % 25 = 0"
    placed = _event(
        "order.line.placed", "l", units="1 + cityHash64(N, l, 'u') % 4", money="5 + cityHash64(N, l) % 90", **line
    )
    shipped = _event(
        "order.line.shipped", "ShippedAt - l", units=f"if({short}, 1, 1 + cityHash64(N, l, 'u') % 4)", **line
    )
    dropped = _event("order.line.cancelled", "ShippedAt + l", units="-1", cancel_reason="'no-stock'", **line)
    promise = {"promise_at": _PROMISE.format(at="At + 96 * 3600000000000")}
    raised = _event("exception.raised", "AllocatedAt + 60000000000", exception_category="'stock_shortage'")
    resolved = _event(
        "exception.resolved", "ResolvedAt", actor="if(cityHash64(N, 'who') % 3 = 0, 'agent', 'human')",
        exception_category="'stock_shortage'",
    )  # fmt: skip
    goods = f"""arrayConcat(
        {_if(0.06, "'back'", _array(_event("order.backordered", "AllocatedAt + 1000000")))},
        {_if(0.08, "'exception'", _array(raised, resolved))},
        {_array(_event("order.picked", "PickedAt", actor=_HUMAN), _event("order.packed", "PackedAt", actor=_HUMAN))},
        arrayMap(l -> {shipped}, Lines),
        arrayMap(l -> {dropped}, arrayFilter(l -> {short} AND l % 2 = 0, Lines)),
        {
        _array(
            _event("order.shipped", "ShippedAt"),
            _event("order.delivered", "DeliveredAt"),
            _event("order.invoiced", "InvoicedAt", money="Money"),
            _event("order.paid", "PaidAt", money="Money"),
        )
    })"""
    gone = _array(_event("order.cancelled", "AllocatedAt", cancel_reason=_if(0.6, "'why'", "'customer'", "'no-stock'")))
    events = f"""arrayConcat(
        {_array(_event("order.placed", "0", units="length(Lines)", money="Money", **promise))},
        arrayMap(l -> {placed}, Lines),
        if({_chance("'failed'")} < 0.015, {_array(_event("order.failed", "ValidatedAt"))}, arrayConcat(
            {
        _array(
            _event("order.validated", "ValidatedAt"),
            _event("order.fraud_checked", "CheckedAt"),
            _event("order.allocated", "AllocatedAt"),
        )
    },
            if({_chance("'gone'")} < 0.05, {gone}, {goods}))))"""
    columns = (
        ("Lines", "arrayMap(l -> toInt64(l + 1), range(1 + cityHash64(N, 'lines') % 4))"),
        ("Money", "round(5 + 400 * pow(" + _chance("'money'") + ", 2), 2)"),
        ("ValidatedAt", _wait(0.1, 1)), ("CheckedAt", "ValidatedAt + " + _wait(0.2, 2)),
        ("AllocatedAt", "CheckedAt + " + _wait(2, 3)), ("ResolvedAt", "AllocatedAt + 120000000000 + " + _wait(5, 4)),
        ("PickedAt", "AllocatedAt + " + _wait(8, 5)), ("PackedAt", "PickedAt + " + _wait(1, 6)),
        ("ShippedAt", "PackedAt + 100 + " + _wait(4, 7)), ("DeliveredAt", "ShippedAt + " + _wait(40, 8)),
        ("InvoicedAt", "ShippedAt + " + _wait(6, 9)), ("PaidAt", "InvoicedAt + " + _wait(120, 10)),
    )  # fmt: skip
    return Kind("SO", "order-to-cash", 0.46, columns, events)


def _returns() -> Kind:
    reason = "['damaged', 'late', 'wrong_item', 'unwanted'][1 + cityHash64(N, 'r') % 4]"
    columns = (
        ("Money", "round(5 + 200 * pow(" + _chance("'money'") + ", 2), 2)"),
        ("ReceivedAt", "60000000000 + " + _wait(90, 1)), ("InspectedAt", "ReceivedAt + " + _wait(20, 2)),
        ("ApprovedAt", "InspectedAt + " + _wait(8, 3)), ("IssuedAt", "ApprovedAt + " + _wait(5, 4)),
        ("SettledAt", "IssuedAt + " + _wait(30, 5)),
    )  # fmt: skip
    events = _array(
        _event("return.requested", "0", units="1", money="Money", return_reason=reason),
        _event("return.authorised", "30000000000"),
        _event("return.received", "ReceivedAt", units="1", actor=_HUMAN),
        _event("return.inspected", "InspectedAt", actor=_HUMAN),
        _event("return.dispositioned", "InspectedAt + 1000", actor=_HUMAN, return_disposition="'restock'"),
        _event("approval.requested", "InspectedAt + 2000", approval_subject="'refund'"),
        _event("approval.granted", "ApprovedAt", actor=_HUMAN, approval_subject="'refund'"),
        _event("refund.approved", "ApprovedAt + 1000", actor=_HUMAN),
        _event("refund.issued", "IssuedAt", money="Money"),
        _event("refund.settled", "SettledAt", money="Money"),
        _event("return.closed", "SettledAt + 1000"),
    )
    return Kind("RET", "return-to-resolution", 0.05, columns, events)


def _purchases() -> Kind:
    sku = _SKU.format(salt="'sku'")
    supplier = {"supplier_id": "concat('SUP-', toString(cityHash64(N, 's') % 300))", "sku": sku}
    promise = {"promise_at": _PROMISE.format(at="At + 120 * 3600000000000")}
    columns = (
        ("Units", "10 + cityHash64(N, 'u') % 200"),
        ("Money", "round(Units * (1 + 30 * " + _chance("'money'") + "), 2)"),
        ("SaidAt", _wait(8, 1)), ("GoodsAt", "SaidAt + " + _wait(100, 2)), ("BillAt", "GoodsAt + " + _wait(24, 3)),
        ("MatchedAt", "BillAt + 60000000000 + " + _wait(10, 4)), ("PaidAt", "MatchedAt + " + _wait(150, 5)),
    )  # fmt: skip
    mismatch = _array(_event("supplier_invoice.mismatched", "BillAt + 30000000000"))
    steps = _array(
        _event("approval.requested", "0", approval_subject="'purchase'"),
        _event("approval.granted", "1000000000", actor=_HUMAN, approval_subject="'purchase'"),
        _event("purchase_order.sent", "2000000000", units="Units", money="Money", **supplier, **promise),
        _event("purchase_order.acknowledged", "SaidAt + 2000000000", **supplier),
        _event("goods.received", "GoodsAt", units="ceil(Units / 2)", actor=_HUMAN, **supplier),
        _event("goods.received", "GoodsAt + 3600000000000", units="floor(Units / 2)", actor=_HUMAN, **supplier),
        _event("supplier_invoice.received", "BillAt", money="Money", **supplier),
        _event(
            "supplier_invoice.matched",
            "MatchedAt",
            actor="if(cityHash64(N, 'm') % 10 = 0, 'human', 'system')",
            **supplier,
        ),
        _event("supplier_invoice.paid", "PaidAt", money="Money", **supplier),
    )
    return Kind("PO", "procure-to-pay", 0.11, columns, f"arrayConcat({steps}, {_if(0.1, 9, mismatch)})")


def _replenishments() -> Kind:
    about = {"replenishment_id": "Id", "sku": _SKU.format(salt="'sku'"), "supplier_id": "'SUP-7'"}
    events = _array(
        _event("replenishment.triggered", "0", units="50", **about),
        _event("replenishment.ordered", "OrderedAt", units="50", **about),
        _event("replenishment.received", "ReceivedAt", units="50", **about),
    )
    columns = (("OrderedAt", _wait(3, 1)), ("ReceivedAt", "OrderedAt + " + _wait(100, 2)))
    return Kind("RPL", "forecast-to-replenish", 0.11, columns, events)


def _promotions() -> Kind:
    about = {"promotion_id": "Id", "supplier_id": "concat('SUP-', toString(cityHash64(N, 's') % 300))"}
    columns = (
        ("Money", "round(500 * " + _chance("'money'") + ", 2)"), ("StartedAt", _wait(48, 1)),
        ("EndedAt", "StartedAt + " + _wait(120, 2)), ("SettledAt", "EndedAt + 7200000000000 + " + _wait(100, 3)),
    )  # fmt: skip
    paid = _if(0.07, "'short'", "Money * 1.9", "Money * 2")
    events = _array(
        _event("promotion.set_up", "0", actor=_HUMAN, **about),
        _event("promotion.priced", "StartedAt - 1000", **about),
        _event("promotion.started", "StartedAt", **about),
        _event("promotion.ended", "EndedAt", **about),
        _event("promotion.claimed", "EndedAt + 3600000000000", money="Money", actor=_HUMAN, **about),
        _event("promotion.claimed", "EndedAt + 7200000000000", money="Money", actor=_HUMAN, **about),
        _event("promotion.settled", "SettledAt", money=paid, **about),
    )
    return Kind("PRM", "promotion-to-settlement", 0.02, columns, events)


def _request(prefix: str, stream: str, share: float, begins: str, ends: str, hours: float, **more: str) -> Kind:
    events = _array(_event(begins, "0", actor=_HUMAN, **more), _event(ends, "EndsAt", actor=_HUMAN, **more))
    return Kind(prefix, stream, share, (("EndsAt", _wait(hours, 1)),), events)


CUSTOMERS, MASTER = "customer-lifecycle", "master-data"
KINDS = (
    _orders(),
    _returns(),
    _purchases(),
    _replenishments(),
    _promotions(),
    _request("CC", CUSTOMERS, 0.13, "customer_case.opened", "customer_case.resolved", 20, customer_case_id="Id"),
    _request("WAR", CUSTOMERS, 0.04, "warranty.claimed", "warranty.resolved", 90, warranty_id="Id"),
    _request("SUB", CUSTOMERS, 0.05, "subscription.change_requested", "subscription.changed", 6, subscription_id="Id"),
    _request("ACC", CUSTOMERS, 0.01, "account.requested", "account.onboarded", 60, account_id="Id"),
    _request("SUP", MASTER, 0.005, "supplier.requested", "supplier.onboarded", 200, supplier_id="Id"),
    _request("ITM", MASTER, 0.014, "item.requested", "item.set_up", 40, sku="Id"),
    _request("CLS", "record-to-report", 0.001, "period.ended", "period.closed", 100, period_id="Id"),
)
EVENTS_A_CASE = 9.16
"""As counted in 90 days, in which many of the youngest cases have only begun."""


RECORDS = 0.05
"""Events about stock and prices that have no case, for each event of a case."""
_RECORD_EVENTS = f"""
INSERT INTO record_events
(
    TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, System, ActorType, Quantity, Amount, Currency,
    CaseRule, Attributes, ReceivedAt, SegmentId
)
SELECT
    {{tenant:String}}, if(Priced, 'price', 'stock'), concat(Sku, ' @ ', Place), Moment, 0,
    lower(hex(sipHash128(N, 'record'))), Name, Name, 'wms', 'system', if(Priced, NULL, 1.),
    if(Priced, toDecimal64(10, 4), NULL), if(Priced, 'EUR', ''), 'record',
    CAST(map('retail.sku', Sku, if(Priced, 'retail.channel', 'retail.location.id'), Place,
        'retail.stock.level', toString(Level), 'retail.stock.book', toString(Level + (Draw % 17 = 0)),
        'retail.system', 'web-shop', 'retail.price.expected',
        if(Draw % 29 = 0, '9.5', '10'),
        'retail.changed.at', toString(subtractSeconds(Moment, Draw % 90))),
        'Map(String, String)'),
    Moment, {{segment:UInt64}}
FROM
(
    SELECT
        number AS N, cityHash64({SEED}, N) AS Draw, Draw % 10 = 0 AS Priced,
        concat('SKU-', toString(cityHash64(N, 'sku') % 5000)) AS Sku,
        if(Priced, ['web', 'store', 'app'][1 + Draw % 3], concat('DC-', toString(cityHash64(N, 'd') % 40))) AS Place,
        if(Draw % 23 = 0, 0, cityHash64(N, 'level') % 50) AS Level,
        multiIf(Priced, 'retail.price.checked', Level = 0, 'retail.stock.depleted', concat('retail.stock.',
            ['counted', 'replenished', 'synchronised', 'reserved', 'reserved'][1 + Draw % 5])) AS Name,
        fromUnixTimestamp64Nano({{begin:Int64}} + toInt64(N * {{apart:Float64}} * 1000) * 1000000, 'UTC') AS Moment
    FROM numbers({{low:UInt64}}, {{count:UInt64}})
)
WHERE Moment >= fromUnixTimestamp64Nano({{since:Int64}}, 'UTC')
    AND Moment < fromUnixTimestamp64Nano({{until:Int64}}, 'UTC')
"""


def _statement(kind: Kind) -> str:
    worked_out = ",\n        ".join(f"{expression} AS {name}" for name, expression in kind.columns)
    return f"""
INSERT INTO process_events
(
    TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, Resource, System, ActorType, Quantity, Amount,
    Currency, CaseRule, TraceId, Attributes, ReceivedAt, SegmentId
)
SELECT
    {{tenant:String}}, '{kind.stream}', Id, Moment, Seq, Identity, One.2, One.2,
    if(One.5 = 'human', concat('user-', toString(cityHash64(N, Seq) % 240)), ''), 'erp', One.5,
    if(One.3 < 0, NULL, One.3), if(One.4 < 0, NULL, toDecimal64(One.4, 4)), if(One.4 < 0, '', 'EUR'), 'business_key',
    lower(hex(sipHash128(Id))),
    mapUpdate(
        CAST(map('retail.stream', '{kind.stream}', 'retail.case.id', Id, 'retail.seq', toString(Seq),
            'retail.event.id', Identity,
            'retail.actor.type', One.5, 'retail.channel', ['web', 'store', 'app'][1 + cityHash64(N, 'c') % 3],
            'retail.customer.id', concat('C-', toString(cityHash64(N, 'k') % 80000)),
            'retail.location.id', concat('DC-', toString(cityHash64(N, 'd') % 40))), 'Map(String, String)'),
        One.6),
    Moment, {{segment:UInt64}}
FROM
(
    SELECT
        N, Id, Seq, One, lower(hex(sipHash128(Id, Seq))) AS Identity,
        fromUnixTimestamp64Nano(At + One.1, 'UTC') AS Moment
    FROM
    (
        SELECT
            '{kind.name}' AS Kind, number AS N,
            concat('{kind.name}-', lower(hex(cityHash64({SEED}, '{kind.name}', N)))) AS Id,
            {{begin:Int64}} + toInt64((N + {_chance(0)}) * {{apart:Float64}} * 1000) * 1000000 AS At,
            {worked_out},
            {kind.events} AS Events
        FROM numbers({{low:UInt64}}, {{count:UInt64}})
    )
    ARRAY JOIN Events AS One, arrayEnumerate(Events) AS Seq
)
WHERE Moment >= fromUnixTimestamp64Nano({{since:Int64}}, 'UTC')
    AND Moment < fromUnixTimestamp64Nano({{until:Int64}}, 'UTC')
ORDER BY Moment
"""


@dataclass(frozen=True)
class History:
    """About so many events of the days before `end`; more of the same can follow."""

    tenant: str
    end: datetime
    events: int
    days: int = 90

    def store(self, ch: ClickHouse) -> Iterator[int]:
        """Stores the history in pieces; tells the number of each segment."""
        segment = 0
        for kind in KINDS:
            cases = self._cases(kind)
            for low in range(0, cases, CASES_AT_ONCE):
                segment += 1
                self._insert(ch, kind, segment, low, min(CASES_AT_ONCE, cases - low), self._begin, self.end)
                yield segment
        self._insert_records(ch, segment + 1, self._begin, self.end)
        yield segment + 1

    def store_next(self, ch: ClickHouse, since: datetime, until: datetime, segment: int) -> None:
        """The events that follow at the same rate: of cases under way and of new ones."""
        for place, kind in enumerate(KINDS):
            apart = self._apart(kind)
            low = max(0, int((since - LONGEST - self._begin).total_seconds() / apart))
            high = int((until - self._begin).total_seconds() / apart) + 1
            self._insert(ch, kind, segment * 100 + place, low, high - low, since, until)

        self._insert_records(ch, segment * 100 + len(KINDS), since, until)

    @property
    def _begin(self) -> datetime:
        return self.end - timedelta(days=self.days)

    def _cases(self, kind: Kind) -> int:
        return max(1, round(self.events / EVENTS_A_CASE * kind.share))

    def _apart(self, kind: Kind) -> float:
        """Seconds between the beginnings of two cases."""
        return self.days * 86_400 / self._cases(kind)

    def _insert_records(self, ch: ClickHouse, segment: int, since: datetime, until: datetime) -> None:
        apart = self.days * 86_400 / max(1, round(self.events * RECORDS))
        low, high = ((at - self._begin).total_seconds() / apart for at in (since, until))
        ch.command(
            _RECORD_EVENTS,
            {
                "tenant": self.tenant, "segment": segment, "low": int(low), "count": int(high) - int(low) + 2,
                "apart": apart, "begin": _nanoseconds(self._begin), "since": _nanoseconds(since),
                "until": _nanoseconds(until),
            },
        )  # fmt: skip

    def _insert(
        self, ch: ClickHouse, kind: Kind, segment: int, low: int, count: int, since: datetime, until: datetime
    ) -> None:
        ch.command(
            _statement(kind),
            {
                "tenant": self.tenant, "segment": segment, "low": low, "count": count, "apart": self._apart(kind),
                "begin": _nanoseconds(self._begin), "since": _nanoseconds(since), "until": _nanoseconds(until),
            },
        )  # fmt: skip


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000
