"""A generated order process in `process_events`, made inside the engine: the log of the process benchmark.

An order is placed, checked, allocated, picked, packed, shipped, delivered, invoiced and paid; branches, loops and
events on the side happen by chance, times are exponential, goods and money run side by side. Case ids are random and
events are stored in the order of their time, so the events of a case are far apart on arrival. About half of the steps
know their start. Everything follows from the seed and the number of the case, so a log is the same wherever and in
whatever pieces it is made. Nothing in it is chosen by what is fast.
"""

from __future__ import annotations

from storage import ClickHouse

SEED = 20_261_128
BEGIN = "2025-01-01 00:00:00"
DAYS = 500
"""Orders are placed evenly over the first of them; what would happen later has not happened yet."""
EVENTS_A_CASE = 11.6
CASES_AT_ONCE = 40_000

STEPS: tuple[tuple[str, float, float], ...] = (  # step; mean wait before it and mean work in hours, 0: start not known
    ("Order placed", 0.0, 0.0),
    ("Validation failed", 0.05, 0.0),
    ("Order corrected", 9.0, 0.3),
    ("Order validated", 0.05, 0.0),
    ("Fraud check", 0.5, 0.2),
    ("Manual review", 14.0, 0.7),
    ("Order cancelled", 12.0, 0.0),
    ("Backordered", 2.0, 0.0),
    ("Replenished", 96.0, 1.5),
    ("Stock allocated", 1.0, 0.0),
    ("Picked", 6.0, 0.4),
    ("Pick corrected", 2.0, 0.3),
    ("Packed", 1.5, 0.2),
    ("Carrier booked", 1.0, 0.0),
    ("Shipped", 4.0, 0.1),
    ("Delivery failed", 30.0, 0.2),
    ("Delivered", 36.0, 0.2),
    ("Return requested", 100.0, 0.0),
    ("Return received", 80.0, 0.3),
    ("Return inspected", 20.0, 0.5),
    ("Refund approved", 9.0, 0.2),
    ("Refund issued", 5.0, 0.0),
    ("Invoice sent", 40.0, 0.0),
    ("Reminder sent", 240.0, 0.0),
    ("Payment received", 170.0, 0.0),
)
SIDE = ("Customer called", "Address changed", "Note added")
"""They may happen at any time of a case."""


def _chance(*salts: object) -> str:
    """A number above 0 and below 1."""
    return f"((cityHash64({SEED}, N, {', '.join(map(str, salts))}) % 1000000007 + 1) / 1000000009)"


def _rounds(salt: int, again: float, most: int = 12) -> str:
    """How often a loop is gone through: each round follows with the same chance."""
    return f"toUInt32(least({most}, floor(log({_chance(salt)}) / log({again}))))"


def _loop(salt: int, again: float, *steps: str) -> str:
    return f"arrayFlatten(arrayWithConstant({_rounds(salt, again)}, {list(steps)}))"


def _maybe(salt: int, chance: float, then: str, otherwise: str = "emptyArrayString()") -> str:
    return f"if({_chance(salt)} < {chance}, {then}, {otherwise})"


def _path() -> str:
    review = _maybe(3, 0.3, "['Fraud check', 'Manual review']", "['Fraud check']")
    packing = _maybe(6, 0.25, "['Carrier booked', 'Packed']", "['Packed', 'Carrier booked']")
    returned = "['Return requested', 'Return received', 'Return inspected', 'Refund approved', 'Refund issued']"
    goods = ", ".join(
        (
            _loop(4, 0.12, "Backordered", "Replenished"), "['Stock allocated', 'Picked']",
            _loop(5, 0.1, "Pick corrected"), packing, "['Shipped']",
            _loop(7, 0.09, "Delivery failed"), "['Delivered']", _maybe(8, 0.12, returned),
        )
    )  # fmt: skip
    rest = _maybe(10, 0.04, "['Order cancelled']", f"arrayConcat({goods})")
    head = _loop(1, 0.08, "Validation failed", "Order corrected")
    return f"arrayConcat(['Order placed'], {head}, ['Order validated'], {_maybe(2, 0.18, review)}, {rest})"


def _timed(path: str, begin: str, salt: int) -> str:
    """(step, end, working time) of the steps of a path, nanoseconds after the start of the case, whole milliseconds."""

    def length(hours: str, salt: int) -> str:
        mean = f"transform(s, StepNames, {hours}, 0.)"
        return f"toInt64(round(-log({_chance('i', salt)}) * {mean} * 3600000)) * 1000000"

    place = f"{path}, arrayEnumerate({path})"
    work = f"arrayMap((s, i) -> {length('WorkHours', salt)}, {place})"
    wait = f"arrayMap((s, i) -> {length('WaitHours', salt + 1)}, {place})"
    ends = f"arrayCumSum(arrayMap((a, b) -> a + b, {work}, {wait}))"
    return f"arrayMap((s, e, w) -> (s, {begin} + e, w), {path}, {ends}, {work})"


def _statement() -> str:
    names, waits, works = ([step[place] for step in STEPS] for place in range(3))
    money = f"arrayConcat(['Invoice sent'], {_loop(9, 0.22, 'Reminder sent')}, ['Payment received'])"
    side = (
        f"arrayMap(i -> ({list(SIDE)}[1 + cityHash64(N, i, 5) % 3], toInt64(round({_chance('i', 6)} * "
        f"tupleElement(Goods[-1], 2) / 1e6)) * 1000000, toInt64(0)), range({_rounds(31, 0.2)}))"
    )
    return f"""
INSERT INTO process_events
(
    TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType, Amount,
    Currency, CaseRule, TraceId, Attributes, ReceivedAt, SegmentId
)
WITH {names} AS StepNames, {waits} AS WaitHours, {works} AS WorkHours
SELECT
    {{tenant:String}}, {{stream:String}}, Id, At, Seq, lower(hex(sipHash128(N, Seq))) AS Event, Doing, Doing,
    if(Work > 0, At - toIntervalNanosecond(Work), NULL), if(Work > 0, concat('user-', toString(Who)), ''),
    if(Work > 0, 'wms', 'erp'), if(Work > 0, 'human', 'system'), Amount, 'EUR', 'business_key',
    lower(hex(sipHash128(N))),
    map('retail.stream', {{stream:String}}, 'retail.case.id', Id, 'retail.step', Doing, 'retail.seq', toString(Seq),
        'retail.event.id', Event, 'retail.channel', ['web', 'store', 'app', 'phone'][1 + cityHash64(N, 9) % 4],
        'retail.location.id', concat('DC-', toString(cityHash64(N, 8) % 40)), 'retail.amount', toString(Amount),
        'retail.currency', 'EUR', 'retail.order.id', Id),
    At, {{segment:UInt64}}
FROM
(
    SELECT
        N, concat('SO-', lower(hex(cityHash64({SEED}, N)))) AS Id,
        toDecimal64(round(5 + 900 * pow({_chance(30)}, 3), 2), 4) AS Amount, Seq, One.1 AS Doing, One.3 AS Work,
        cityHash64(N, Seq, 7) % 240 AS Who, fromUnixTimestamp64Nano(Placed + One.2) AS At
    FROM
    (
        SELECT
            N,
            toUnixTimestamp64Nano(toDateTime64('{BEGIN}', 9, 'UTC'))
                + toInt64((N + {_chance(40)}) / {{of:UInt64}} * {DAYS} * 86400000) * 1000000 AS Placed,
            {_timed("Path", "toInt64(0)", 100)} AS Goods,
            arrayFirst(one -> one.1 = 'Shipped', Goods) AS Shipped,
            if(Shipped.2 = 0, [], {_timed("Money", "Shipped.2", 200)}) AS Bills,
            arraySort(one -> one.2, arrayConcat(Goods, Bills, {side})) AS Events
        FROM (SELECT number AS N, {_path()} AS Path, {money} AS Money FROM numbers({{low:UInt64}}, {{count:UInt64}}))
    )
    ARRAY JOIN Events AS One, arrayEnumerate(Events) AS Seq
)
WHERE At < toDateTime64('{BEGIN}', 9, 'UTC') + toIntervalDay({DAYS})
ORDER BY At
"""


def make_log(ch: ClickHouse, tenant: str, stream: str, events: int) -> int:
    """Stores about as many events and tells how many they are."""
    cases = round(events / EVENTS_A_CASE)
    for segment, low in enumerate(range(0, cases, CASES_AT_ONCE), 1):
        count = min(CASES_AT_ONCE, cases - low)
        params = {"tenant": tenant, "stream": stream, "segment": segment, "low": low, "count": count, "of": cases}
        ch.command(_statement(), params)
    return int(
        ch.query(
            "SELECT count() FROM process_events WHERE TenantId = {t:String} AND Stream = {s:String}",
            {"t": tenant, "s": stream},
        ).scalar()
    )
