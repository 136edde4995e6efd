"""Which simple method forecasts daily and hourly series best, on real ones, and whether its bands hold.

    python -m tests.bench.forecasts [--data ../shared/data] [--level 0.8]

Every method is asked at many moments of each series' second half (each day for 14 days ahead, or each day at the same
hour for 48 hours), knows what came before and nothing else, and is scored by its mean absolute error over that of the
seasonal naive forecast (the value a week before). The methods are the rows, families of series the columns; a family's
score is the geometric mean over its series. Bands are the product's own, for the product's method.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, median

import pyarrow.parquet as pq

from kpis.value import forecast as product

Values = list[float | None]
Method = Callable[[Sequence[float | None], int, int], Sequence[float | None]]
HORIZON = {7: 14, 168: 48}
STEP = {7: 1, 168: 24}


def naive(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
    """The last value."""
    return [next((value for value in reversed(values) if value is not None), None)] * horizon


def seasonal_naive(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
    """The last value of the same slot of the week."""
    return [next(iter(product.same_slot(values, period, ahead, 8)), None) for ahead in range(1, horizon + 1)]


def slot_median(weeks: int) -> Method:
    """The median of the slot over so many weeks."""

    def forecast(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
        found = [product.same_slot(values, period, ahead, weeks) for ahead in range(1, horizon + 1)]
        return [median(one) if one else None for one in found]

    return forecast


def slot_smoothed(weight: float, weeks: int = 12) -> Method:
    """Exponential smoothing of each slot over the weeks."""

    def forecast(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
        out: list[float | None] = []
        for ahead in range(1, horizon + 1):
            found = product.same_slot(values, period, ahead, weeks)
            weights = [(1 - weight) ** age for age in range(len(found))]
            out.append(sum(w * v for w, v in zip(weights, found, strict=True)) / sum(weights) if found else None)
        return out

    return forecast


def levelled(base: Method, share: float, damping: float, recent: float = 1.0) -> Method:
    """The base method moved by `share` of its median miss over the last `recent` weeks, damped for each week ahead."""

    def forecast(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
        back = round(period * recent)
        past = base(values[:-back], period, back)
        misses = [v - p for v, p in zip(values[-back:], past, strict=True) if v is not None and p is not None]
        off = share * median(misses) if misses else 0.0
        plain = base(values, period, horizon)
        return [
            None if one is None else one + off * damping ** (ahead / period) for ahead, one in enumerate(plain, start=1)
        ]

    return forecast


def trended(weeks: int, damping: float) -> Method:
    """Slot medians around the level of each week, and the weeks' Theil-Sen slope, damped."""

    def forecast(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
        levels: list[float] = []
        for back in range(weeks):
            end = len(values) - back * period
            known = [value for value in values[max(0, end - period) : end] if value is not None]
            if end < period or not known:
                break
            levels.append(fmean(known))
        if not levels:
            return [None] * horizon
        slopes = [(levels[i] - levels[j]) / (j - i) for i in range(len(levels)) for j in range(i + 1, len(levels))]
        slope = median(slopes) if slopes else 0.0
        middle = median(level - slope * -back for back, level in enumerate(levels))
        out: list[float | None] = []
        for ahead in range(1, horizon + 1):
            place = len(values) + (ahead - 1) % period - period
            off = [
                value - levels[back]
                for back in range(len(levels))
                if (value := values[place - back * period]) is not None and place >= back * period
            ]
            week = (ahead - 1) // period + 1
            grown = slope * sum(damping**step for step in range(1, week + 1))
            out.append(middle + grown + median(off) if off else None)
        return out

    return forecast


def mixed(*methods: Method) -> Method:
    """The mean of several."""

    def forecast(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
        rows = zip(*(method(values, period, horizon) for method in methods), strict=True)
        known = [[one for one in row if one is not None] for row in rows]
        return [fmean(row) if row else None for row in known]

    return forecast


METHODS: dict[str, Method] = {
    "naive": naive,
    "seasonal naive": seasonal_naive,
    "slot median, 4 weeks": slot_median(4),
    "slot median, 8 weeks": slot_median(8),
    "slot smoothed 0.2": slot_smoothed(0.2),
    "slot smoothed 0.3": slot_smoothed(0.3),
    "slot smoothed 0.5": slot_smoothed(0.5),
    "weekly level, Theil-Sen 6, undamped": trended(6, 1.0),
    "weekly level, Theil-Sen 6, damped 0.8": trended(6, 0.8),
    "weekly level, Theil-Sen 8, damped 0.5": trended(8, 0.5),
    "slot median 8, level of 1 week": levelled(slot_median(8), 0.5, 0.7),
    "slot smoothed 0.2, level of 1 week": levelled(slot_smoothed(0.2), 0.5, 0.7),
    "slot smoothed 0.2, level of 3 days": levelled(slot_smoothed(0.2), 0.5, 0.7, 3 / 7),
    "slot median 8, level of 3 days": levelled(slot_median(8), 0.5, 0.7, 3 / 7),
    "slot smoothed 0.2, level of 1 day": levelled(slot_smoothed(0.2), 0.5, 0.5, 1 / 7),
    "mean of smoothed 0.2 and medians 4, 8": mixed(slot_smoothed(0.2), slot_median(4), slot_median(8)),
}


def daily(pairs: Iterable[tuple[datetime, float]], empty: float | None) -> Values:
    """Sums by day, from the first to the last day."""
    sums: dict[object, float] = defaultdict(float)
    for at, value in pairs:
        sums[at.date()] += value
    days = sorted(sums)  # type: ignore[type-var]
    return [sums.get(days[0] + timedelta(n), empty) for n in range((days[-1] - days[0]).days + 1)]  # type: ignore


def hourly(file: Path) -> Values:
    """Means by hour of a NAB series."""
    found: dict[datetime, list[float]] = defaultdict(list)
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found[datetime.fromisoformat(row["timestamp"]).replace(minute=0, second=0)].append(float(row["value"]))
    first, last = min(found), max(found)
    hours = int((last - first).total_seconds() // 3600) + 1
    return [fmean(one) if (one := found.get(first + timedelta(hours=n))) else None for n in range(hours)]


def series(data: Path) -> dict[tuple[str, str], tuple[Values, int]]:
    """(family, name) to values and the period."""
    out: dict[tuple[str, str], tuple[Values, int]] = {}
    table = pq.read_table(next((data / "online_retail").glob("*.parquet"))).to_pylist()
    out["retail, daily", "net value"] = (
        daily(((r["InvoiceDate"], r["Quantity"] * r["UnitPrice"]) for r in table), 0.0),
        7,
    )
    invoices = {r["InvoiceNo"]: r["InvoiceDate"] for r in table}
    out["retail, daily", "invoices"] = daily(((at, 1.0) for at in invoices.values()), 0.0), 7
    out["retail, daily", "cancellations"] = (
        daily(((at, float(no.startswith("C"))) for no, at in invoices.items()), 0.0),
        7,
    )
    for name in ("sales_order", "delivery_to_distributor", "production", "factory_issue"):
        with (data / "supplygraph" / "unit" / f"{name}.csv").open(encoding="utf-8") as lines:
            rows = [(datetime.fromisoformat(row.pop("Date")), row) for row in csv.DictReader(lines)]
        out["supply, daily", name] = daily(((at, sum(map(float, row.values()))) for at, row in rows), 0.0), 7
        if name == "sales_order":
            totals = {product_: sum(float(row[product_]) for _, row in rows) for product_ in rows[0][1]}
            for one in sorted(totals, key=lambda key: -totals[key])[:6]:
                out["supply, daily", one] = daily(((at, float(row[one])) for at, row in rows), 0.0), 7
    nab = data / "nab" / "data"
    with (nab / "realKnownCause" / "nyc_taxi.csv").open(encoding="utf-8") as lines:
        taxi = [(datetime.fromisoformat(r["timestamp"]), float(r["value"])) for r in csv.DictReader(lines)]
    out["taxi, daily", "nyc_taxi"] = daily(taxi, None), 7
    out["taxi, hourly", "nyc_taxi"] = hourly(nab / "realKnownCause" / "nyc_taxi.csv"), 168
    for file in sorted((nab / "realTweets").glob("*.csv")):
        out["tweets, hourly", file.stem] = hourly(file), 168
    for file in sorted((nab / "realAdExchange").glob("*.csv")):
        out["advertising, hourly", file.stem] = hourly(file), 168
    for name in ("machine_temperature_system_failure", "ambient_temperature_system_failure"):
        out["machines, hourly", name] = hourly(nab / "realKnownCause" / f"{name}.csv"), 168
    return out


def errors(values: Values, period: int, method: Method) -> dict[tuple[int, int], float]:
    """Absolute errors by (moment, steps ahead) in the second half."""
    out: dict[tuple[int, int], float] = {}
    for origin in range(max(len(values) // 2, 2 * period), len(values), STEP[period]):
        for ahead, predicted in enumerate(method(values[:origin], period, HORIZON[period])):
            truth = values[origin + ahead] if origin + ahead < len(values) else None
            if truth is not None and predicted is not None:
                out[origin, ahead + 1] = abs(truth - predicted)
    return out


def main() -> None:
    """Prints both tables as markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--level", type=float, default=0.8)
    args = parser.parse_args()
    found = series(args.data)
    families = list(dict.fromkeys(family for family, _ in found))
    methods = METHODS | {"opsintel": product.predict}
    scores: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in methods}
    for (family, _), (values, period) in found.items():
        base = errors(values, period, seasonal_naive)
        for name, method in methods.items():
            own = errors(values, period, method)
            both = own.keys() & base.keys()
            scores[name][family].append(fmean(own[key] for key in both) / fmean(base[key] for key in both))
    print("| method |", " | ".join(families), "| all families |")
    print("|---|" + "---|" * (len(families) + 1))
    for name, by_family in scores.items():
        row = [math.exp(fmean(map(math.log, by_family[family]))) for family in families]
        print(f"| {name} |", " | ".join(f"{one:.3f}" for one in row), f"| {math.exp(fmean(map(math.log, row))):.3f} |")
    print("\n| family | series | forecasts judged | coverage | seconds a forecast |\n|---|---|---|---|---|")
    for family in families:
        judged, inside, count, seconds = 0, 0.0, 0, 0.0
        for (own_family, _), (values, period) in found.items():
            if own_family != family:
                continue
            start = time.perf_counter()
            told = product.bands(values, period, HORIZON[period], args.level)
            seconds += time.perf_counter() - start
            count += 1
            if not isinstance(told, product.NotEnoughHistory):
                judged += told.judged
                inside += (told.coverage or 0.0) * told.judged
        share = f"{inside / judged:.3f}" if judged else "not enough history"
        print(f"| {family} | {count} | {judged} | {share} | {seconds / count:.2f} |")


if __name__ == "__main__":
    main()
