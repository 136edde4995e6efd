"""Reports that tests, the bench and the sample picture are made of; invented numbers, the same at every call."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kpis.brand import Brand
from kpis.exports.report import Headline, Point, Report, ReportKpi, ReportSeries, Row

START = datetime(2026, 8, 31, 22, tzinfo=UTC)  # 1 September in Berlin
END = datetime(2026, 9, 30, 22, tzinfo=UTC)
NOW = datetime(2026, 10, 1, 6, 30, tzinfo=UTC)
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="48"><rect width="48" height="48" rx="9" '
    b'fill="#0b6e6e"/><path d="M12 33 L21 20 L28 27 L37 14" stroke="#fff" stroke-width="4" fill="none"/></svg>'
)
DEFINITION = (
    ("Formula", "shipped / (ordered − withdrawn by the customer), over decided lines placed in the bucket"),
    ("Basis", "lines: order lines shipped in full, of all decided order lines"),
    ("Exclusions", "lines that the customer withdrew before anything of them was shipped; orders that were refused"),
    ("Owner", "Order fulfilment"),
    ("Source of the definition", "ours; APICS calls it line fill rate"),
    ("Data through", "1 Oct 2026 06:00 CEST"),
)


def points(
    level: float, spread: float, *, start: datetime = START, end: datetime = END, step: timedelta = timedelta(days=1),
    gaps: tuple[int, ...] = (), unsettled: int = 2, seed: int = 1, most: float = math.inf,
) -> tuple[Point, ...]:  # fmt: skip
    """A line around `level`; the buckets at `gaps` have no value, the last `unsettled` are not complete."""
    chance = random.Random(seed)
    total = int((end - start) / step)
    found = []
    for number in range(total):
        wave = math.sin(number / 4 + seed) * 0.5 + chance.uniform(-1, 1)
        value = None if number in gaps else min(max(level + spread * wave, 0.0), most)
        at = start + step * number
        found.append(Point(at, at + step, value, 0, 0, 0, 0, 0, number < total - unsettled))
    return tuple(found)


def kpi(
    name: str = "Fill rate (final)", unit: str = "ratio", headline: Headline | None = None, *, level: float = 0.97,
    spread: float = 0.01, direction: str = "up", stream: str = "orders", currency: str = "", basis: str = "",
    gaps: tuple[int, ...] = (), seed: int = 1, line: tuple[Point, ...] | None = None, target: float | None = None,
) -> ReportKpi:  # fmt: skip
    """A KPI whose line lies around `level`."""
    if line is None:
        line = points(level, spread, gaps=gaps, seed=seed, most=1.0 if unit == "ratio" else math.inf)
    return ReportKpi(
        name.lower().replace(" ", "_")[:40], 1, name, f"How is it with {name[:1].lower()}{name[1:]}?", unit, direction,
        stream, DEFINITION, (ReportSeries("", basis, line),), headline, target, currency,
    )  # fmt: skip


def rich() -> Report:
    """A month of a dozen KPIs: every unit, better and worse, small samples, gaps, targets, lists."""
    hour, day = 3600.0, 86400.0
    kpis = (
        kpi("Fill rate (final)", headline=Headline(
            0.9731, 12340, 0.9612, 0.0119, 0.0082, 0.0156, 0.965, 0.97, True, excluded=214, open_cases=310,
            drivers=(("region: North", 0.0071), ("carrier: Parcel One", 0.0032), ("channel: shop", 0.0019),
                     ("region: South", -0.0003))), basis="lines"),
        kpi("On time in full", headline=Headline(
            0.8912, 11872, 0.9105, -0.0193, -0.0241, -0.0145, 0.91, 0.93, False,
            drivers=(("carrier: Parcel Two", -0.0151), ("warehouse: Lyon", -0.0062))), level=0.89, spread=0.02, seed=2),
        kpi("Order cycle time", "seconds", Headline(
            2 * day + 4 * hour, 12001, 2 * day + 9 * hour, -5 * hour, -6.5 * hour, -3.5 * hour, 2.5 * day, 2 * day,
            False, drivers=(("stage: picking", -3.2 * hour), ("stage: hand-over to the carrier", -1.1 * hour))),
            level=2.2 * day, spread=0.3 * day, direction="down", seed=3),
        kpi("Perfect order", headline=Headline(0.842, 9120, 0.839, 0.003, -0.004, 0.01, None, None, None), level=0.84,
            spread=0.03, seed=4),
        kpi("Order fallout rate", headline=Headline(0.0004, 12340, 0.0007, -0.0003, -0.0009, 0.0003, None, 0.001, True),
            level=0.0005, spread=0.0003, direction="down", seed=5),
        kpi("Refund turnaround (from receipt)", "seconds", Headline(
            1 * day + 2 * hour, 7, 22 * hour, 4 * hour, None, None, None, 2 * day, True, small_sample=True),
            level=day, spread=0.4 * day, direction="down", stream="returns", gaps=(3, 4, 5, 9, 11, 20, 21), seed=6),
        kpi("Return rate", headline=Headline(0.0631, 10221, 0.0598, 0.0033, 0.0011, 0.0055, 0.06, 0.055, False,
            drivers=(("reason: damaged in transit", 0.0024),)), level=0.062, spread=0.006, direction="down",
            stream="returns", seed=7),
        kpi("Margin-impacting exceptions", "money", Headline(
            12340.4, 87, 15890.1, -3549.7, -5120.0, -1979.4, None, 10000.0, False,
            drivers=(("category: price mismatch", -2910.0), ("category: promotion not settled", -701.5))),
            level=420, spread=200, direction="down", stream="finance", currency="EUR", seed=8),
        kpi("Invoice touchless rate", headline=Headline(None, 0), stream="finance", line=()),
        kpi("Exceptions needing a human", "count", Headline(
            1284, 1284, 1240, 44, -12, 100), level=42, spread=12, direction="down", stream="exceptions", seed=9),
        kpi("Touchpoints per case", "per_case", Headline(1.84, 8021, 1.84, 0.0, None, None), level=1.8, spread=0.2,
            direction="down", stream="exceptions", seed=10),
        kpi("Stockout rate", headline=Headline(0.021, 54210), level=0.02, spread=0.008, direction="down",
            stream="stock", seed=11),
    )  # fmt: skip
    return Report(
        "september-2026", "Operations in September", "north-retail", Brand("North Retail", "#0b6e6e", LOGO, "svg"),
        START, END, "day", "Europe/Berlin", NOW, datetime(2026, 10, 1, 4, tzinfo=UTC), kpis,
        bottlenecks=(
            Row("Waiting for a carrier's pickup", "Lyon, 14:00 to 18:00; 41 % of the time between packed and shipped",
                18250.0, "EUR", None, 1832),
            Row("Approval of refunds over € 100", "one approver; 3 h 12 min in the queue", 6420.5, "EUR", None, 212),
            Row("Price differences in invoices", "three suppliers of 120", 31100.0, "EUR", None, 96),
            Row("Stock counts not booked", "", None, "", None, 14),
        ),
        incidents=(
            Row("Payment service answered with errors", "resolved after 41 min; 312 orders were tried again", 4100.0,
                "EUR", datetime(2026, 9, 12, 12, 4, tzinfo=UTC), 312),
            Row("Stock feed of the warehouse Lyon late", "no update for 3 h 20 min", None, "",
                datetime(2026, 9, 21, 4, 10, tzinfo=UTC), None),
        ),
        actions=(
            Row("Orders of Lyon sent from Metz", "approved by the head of fulfilment; verified", None, "",
                datetime(2026, 9, 21, 5, 2, tzinfo=UTC), 128),
        ),
        notes=("The fill rate's definition has been version 1 throughout the period.",),
    )  # fmt: skip


def empty() -> Report:
    """Nothing at all: no KPI, no list, no data."""
    return Report("nothing", "An empty report", "north-retail", Brand("North Retail"), START, END, "day", "UTC", NOW,
                  None, ())  # fmt: skip


def year(grain: str = "day", total: int = 60) -> Report:
    """Sixty KPIs over a year."""
    step = {"day": timedelta(days=1), "week": timedelta(weeks=1), "hour": timedelta(hours=1)}[grain]
    start, end = datetime(2025, 9, 30, 22, tzinfo=UTC), END
    base = rich().kpis
    kpis = []
    for number in range(total):
        model = base[number % len(base)]
        level = model.headline.value if model.headline and model.headline.value else 1.0
        line = points(level, level * 0.06, start=start, end=end, step=step, seed=number,
                      gaps=tuple(range(number, 365, 91)), most=1.0 if model.unit == "ratio" else math.inf)  # fmt: skip
        series = (ReportSeries("", "", line),)
        kpis.append(replace(model, id=f"{model.id}_{number}", name=f"{model.name} {number + 1}", series=series))
    return replace(rich(), title="The year", start=start, end=end, grain=grain, kpis=tuple(kpis))


def long_names() -> Report:
    """Names, titles and texts that are far too long, with and without places to break; a very light brand."""
    word = "Lieferkettensorgfaltspflichtenerfüllungsquotenabweichung"
    sentence = "The share of orders that arrived in full and on the day that was promised to the customer"
    base = rich()
    kpis = tuple(
        replace(one, name=name, id=name[:60], stream=f"{sentence[:60]}")
        for one, name in zip(
            base.kpis,
            [word * 3, sentence, word, "X", "仓库缺货率", "نسبة الطلبات المكتملة", "🚚 on time"],
            strict=False,
        )
    )
    money = replace(
        kpis[0], unit="money", currency="EUR",
        headline=Headline(123456789012.0, 10**9, 1.0, 123456789011.0, 1e11, 2e11, None, 1e12, False,
                          drivers=((f"{sentence}: {word}", 1e10),)),
        series=(ReportSeries("", sentence, points(1e10, 1e9)),),
    )  # fmt: skip
    return replace(
        base, title=f"{sentence} – {word}", brand=Brand(f"{word} {sentence}", "#ffe600"), kpis=(money, *kpis[1:]),
        bottlenecks=(Row(word * 4, sentence * 3, 1e12, "EUR", NOW, 10**9),) * 30, notes=(sentence * 4,),
    )  # fmt: skip
