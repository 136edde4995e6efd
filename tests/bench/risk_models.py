"""Which model tells the remaining time and the probability to be late best, on real logs, on time held back.

    python -m tests.bench.risk_models [--data ../shared/data] [--logs helpdesk,…] [--moments 6]
                                      [--settings | --calibration | --speed]

For each log some moments of its second half are taken. At each, every model knows what had happened by then and
nothing else, predicts for every open case, and is compared with what happened later. Gradient boosting is trained anew
for every moment, on the open cases at 40 earlier moments whose end was known by then. With --settings the product's
model alone is compared with itself under other settings; with --calibration the product judges itself at eight moments
of each log, of the simulated retailer and of a generated log, before and after its correction; --speed tells how fast
it is.

Needs lightgbm, which the product does not. In a log that does not say what ends a case its last event does; a case of
the marketplace ends with its delivery, and those that were never delivered stay open.
"""

from __future__ import annotations

import argparse
import ast
import csv
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

from core import SystemClock, load_settings
from demo import DemoSettings, Retailer
from demo.model.facts import DAY as DEMO_DAY
from demo.model.facts import SECOND, LogFact
from demo.telemetry.sdk import Resources, to_log
from kpis.process.calibration import Backtest, ReliabilityBin, backtest, calibration
from kpis.process.cases import CaseJobs
from kpis.process.remaining import HISTORY, History, moment, nanoseconds, question
from kpis.process.risk import cases_at_risk
from kpis.process.streams import parse_streams, value_streams
from storage import ClickHouse, SegmentMeta, Signal, load_sql, migrate_clickhouse, open_clickhouse
from tests.bench.process_log import make_log

TENANT, END, DAY = "t", "case ended", 86_400.0
LOGS = ("bpic2012", "helpdesk", "purchasing_example", "olist")
JUDGED = ("retailer", "helpdesk", "purchasing_example", "olist", "receipt", "ocel_orders", "ocel_items",
          "ocel_packages", "bpic2012", "generated")  # fmt: skip
TRAINED_ON = 40
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "Attributes",
    "ReceivedAt", "SegmentId",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    case: str
    step: str
    start: datetime | None
    end: datetime
    promise: datetime | None = None


def read(log: str, data: Path) -> list[Event]:
    """The events of a log, in the order of the file."""
    if log in ("bpic2012", "helpdesk"):
        table = pq.read_table(data / log / f"{log}.parquet")
        names = ("case:concept:name", "concept:name", "time:timestamp")
        columns = [table.column(name).to_pylist() for name in names]
        return _ended([Event(str(c), str(s), None, _utc(t)) for c, s, t in zip(*columns, strict=True)])
    if log == "receipt":
        with (data / log / "receipt.csv").open(encoding="utf-8") as file:
            rows = [
                (r["case:concept:name"], r["concept:name"], _time(r["time:timestamp"])) for r in csv.DictReader(file)
            ]
        return _ended([Event(case, step, None, at) for case, step, at in rows])
    if log.startswith("ocel_"):
        column = "ocel:type:" + log.removeprefix("ocel_")
        with (data / "ocel" / "ocel_order_simulated.csv").open(encoding="utf-8") as file:
            rows = [
                (str(case), r["ocel:activity"], _time(r["ocel:timestamp"]))
                for r in csv.DictReader(file)
                if r[column].strip()
                for case in ast.literal_eval(r[column])
            ]
        return _ended([Event(case, step, None, at) for case, step, at in rows])
    if log == "purchasing_example":
        with (data / log / "PurchasingExample.csv").open(encoding="utf-8") as file:
            return _ended(
                [
                    Event(
                        r["case:concept:name"],
                        r["concept:name"],
                        _time(r["start_timestamp"]),
                        _time(r["time:timestamp"]),
                    )
                    for r in csv.DictReader(file)
                ]
            )
    steps = (
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
    )
    found = []
    with (data / "olist_sample" / "olist_orders_dataset.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            promise = _time(row["order_estimated_delivery_date"])
            found += [
                Event(row["order_id"], END if s == steps[3] else s, None, _time(row[s]), promise)
                for s in steps
                if row[s]
            ]
    return found


def _ended(events: list[Event]) -> list[Event]:
    last: dict[str, datetime] = {}
    for one in events:
        last[one.case] = max(one.end, last.get(one.case, one.end))
    return events + [Event(case, END, None, at) for case, at in last.items()]


def _time(text: str) -> datetime:
    return _utc(datetime.fromisoformat(text))


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def store(ch: ClickHouse, log: str, events: Iterable[Event]) -> Any:
    """Makes the log a stream with its cases; gives its model."""
    rows = [
        (
            TENANT, log, one.case, one.end, place, str(place), one.step, one.step, one.start,
            {"retail.promise.at": one.promise.isoformat()} if one.promise else {}, one.end, 1,
        )
        for place, one in enumerate(events, 1)
    ]  # fmt: skip
    for begin in range(0, len(rows), 50_000):
        ch.insert_rows("process_events", COLUMNS, rows[begin : begin + 50_000])
    streams = parse_streams(f'[{log}]\nowner = "erp"\nterminal = ["{END}"]\n')
    CaseJobs(ch, SystemClock(), lambda: streams).run_once(TENANT, log)
    return streams


# --- gradient boosting ---


@dataclass(frozen=True)
class Snapshot:
    """An open case at a moment; times in seconds since the epoch."""

    case: str
    at: float
    features: tuple[float, ...]


class Past:
    """The log by case, to be asked what was known at a moment."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.cases: dict[str, list[tuple[float, int, float, str]]] = defaultdict(list)
        for place, one in enumerate(events):
            began = (one.start or one.end).timestamp()
            self.cases[one.case].append((one.end.timestamp(), place, began, one.step))
        for own in self.cases.values():
            own.sort()
        self.closed = {case: e[0] for case, own in self.cases.items() for e in own if e[3] == END}
        self.opened = {case: min(e[2] for e in own) for case, own in self.cases.items()}
        self.promise = {one.case: one.promise.timestamp() for one in events if one.promise}
        self.steps = sorted({one.step for one in events} - {END})

    def open_at(self, at: float) -> list[Snapshot]:
        return [
            Snapshot(case, at, self._features(own, at))
            for case, own in self.cases.items()
            if own[0][0] <= at and not self.closed.get(case, np.inf) <= at
        ]

    def _features(self, own: Sequence[tuple[float, int, float, str]], at: float) -> tuple[float, ...]:
        known = [e for e in own if e[0] <= at]
        counts = Counter(e[3] for e in known)
        moment = datetime.fromtimestamp(at, UTC)
        begun, last = min(e[2] for e in known), known[-1]
        before = self.steps.index(known[-2][3]) if len(known) > 1 else len(self.steps)
        return (
            self.steps.index(last[3]), before, len(known), at - last[0], at - begun, last[0] - begun, len(counts),
            moment.hour, moment.weekday(),
            datetime.fromtimestamp(begun, UTC).weekday(), *(counts[step] for step in self.steps),
        )  # fmt: skip


def boosted(past: Past, at: float, usual_s: float | None) -> dict[str, tuple[float, float, float]]:
    """Median, 90th percentile and probability to be late by gradient boosting that knows what had happened by `at`."""
    import lightgbm

    first = min(past.opened.values())
    train = [one for n in range(1, TRAINED_ON + 1) for one in past.open_at(first + (at - first) * n / (TRAINED_ON + 1))]
    timed = [one for one in train if past.closed.get(one.case, np.inf) <= at]
    x, y = np.array([one.features for one in timed]), np.array([past.closed[one.case] - one.at for one in timed])
    subject = past.open_at(at)
    asked = np.array([one.features for one in subject])
    common = {
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 20,
        "num_threads": 1,
        "verbose": -1,
        "seed": 1,
    }

    def fitted(rows: Any, labels: Any, **objective: Any) -> Any:
        told = lightgbm.Dataset(rows, labels, categorical_feature=[0, 1])
        return lightgbm.train(common | objective, told, num_boost_round=150)

    median, most = (
        np.maximum(np.expm1(fitted(x, np.log1p(y), objective="quantile", alpha=alpha).predict(asked)), 0)
        for alpha in (0.5, 0.9)
    )

    def left(one: Snapshot) -> float:
        promise = past.promise.get(one.case) or (past.opened[one.case] + usual_s if usual_s else np.inf)
        return promise - one.at

    rows, late = [], []
    for one in train:
        closed, rest = past.closed.get(one.case, np.inf), left(one)
        if 0 <= rest < np.inf and (closed <= at or one.at + rest < at):
            rows.append((*one.features, rest))
            late.append(closed - one.at > rest)
    chance = np.zeros(len(subject))
    if rows and 0 < sum(late) < len(late):
        model = fitted(np.array(rows), np.array(late, dtype=float), objective="binary")
        chance = model.predict(np.array([(*one.features, min(left(one), 1e12)) for one in subject]))
    elif rows:
        chance = np.full(len(subject), float(late[0]))
    return {
        one.case: (float(m), float(q), float(p)) for one, m, q, p in zip(subject, median, most, chance, strict=True)
    }


# --- comparison ---


class Score:
    """Errors of one model, added up over moments."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        self.within: list[bool] = []
        self.squares: list[float] = []
        self.seconds = 0.0

    def add(self, median: float, most: float | None, chance: float, took: float | None, late: bool | None) -> None:
        if took is not None:
            self.errors.append(abs(median - took))
            if most is not None:
                self.within.append(took <= most)
        if late is not None:
            self.squares.append((chance - late) ** 2)

    def row(self, name: str, moments: int) -> str:
        cover = f"{np.mean(self.within):.1%}" if self.within else "–"
        return (
            f"| {name} | {np.mean(self.errors) / DAY:.3f} | {np.median(self.errors) / DAY:.3f} | "
            f"{np.mean(self.squares):.4f} | {cover} | {self.seconds / moments:.2f} |"
        )


def compare(ch: ClickHouse, log: str, events: Sequence[Event], streams: Any, moments: Sequence[datetime]) -> None:
    past, through = Past(events), max(one.end for one in events).timestamp()
    scores: dict[str, Score] = defaultdict(Score)
    for when in moments:
        at = when.timestamp()
        answers: dict[str, dict[str, Any]] = {}
        for name, censored in (("empirical", True), ("empirical, closed cases only", False)):
            begun = time.perf_counter()
            asked = question(ch, TENANT, streams[log], when, as_known_then=True, censored=censored)
            answers[name] = {row["case_id"]: row for row in ch.query(asked.text, asked.params).dicts()}
            scores[name].seconds += time.perf_counter() - begun
        begun = time.perf_counter()
        other = boosted(past, at, asked.usual.p90.total_seconds() if asked.usual.p90 else None)
        scores["gradient boosting"].seconds += time.perf_counter() - begun
        for case, row in answers["empirical"].items():
            if not row["kind"] or not answers["empirical, closed cases only"][case]["kind"]:
                continue
            closed, promise = past.closed.get(case), row["promise_ns"]
            took = None if closed is None else closed - at
            late = None
            if promise is not None and not row["overdue"] and (closed is not None or promise / 1e9 < through):
                late = closed is None or closed > promise / 1e9
            for name, rows in answers.items():
                one = rows[case]
                scores[name].add(one["remaining_s"], one["remaining_p90_s"], one["p_late"], took, late)
            scores["gradient boosting"].add(*other[case], took, late)
            for name, key in (("mean after the step", "plain_step_s"), ("constant mean", "plain_stream_s")):
                said = row[key] if np.isfinite(row[key]) else 0.0
                scores[name].add(said, None, float(said > ((promise or 0) / 1e9 - at)), took, late)
    timed, judged = len(scores["empirical"].errors), len(scores["empirical"].squares)
    print(f"\n**{log}**: {len(moments)} moments from {moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d}, ", end="")
    print(f"{timed:,} remaining times, {judged:,} promises.\n")
    print("| model | MAE, days | median error, days | Brier | took no longer than the p90 | s a moment |")
    print("|---|---|---|---|---|---|")
    for name, score in scores.items():
        print(score.row(name, len(moments)), flush=True)


GENERATED = """
INSERT INTO process_events (TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, Amount, Currency,
    Attributes, ReceivedAt, SegmentId)
SELECT
    't', 'order-to-cash', toString(Number), fromUnixTimestamp64Nano(toInt64(Began + Ends[Place] * 1e9)), Place,
    toString(Place), Name, Name, 10 + Number % 500, 'EUR',
    map('retail.promise.at', toString(fromUnixTimestamp64Nano(toInt64(Began + 43200e9), 'UTC'))), now64(9), 2
FROM
(
    SELECT
        number AS Number,
        number >= {closed:UInt64} AS Open,
        cityHash64(number) % if(Open, 50000, 86400 * 300) + if(Open, 0, 86400 * 2) AS Ago,
        {now_ns:Int64} - Ago * 1e9 AS Began,
        arrayMap(i -> if(i = 0, 0, -log((cityHash64(number, i) % 100000 + 1) / 100001) * 7200), range(8)) AS Gaps,
        arrayCumSum(Gaps) AS Ends,
        if(Open, 1 + number % 7, 8) AS Many
    FROM numbers({closed:UInt64} + {open:UInt64})
)
ARRAY JOIN
    arraySlice(['a', 'b', 'c', 'd', 'e', 'retail.order.delivered', 'g', 'case ended'], 1, Many) AS Name,
    range(1, Many + 1) AS Place
WHERE NOT Open OR Began + Ends[Place] * 1e9 <= {now_ns:Int64}
"""


def speed(ch: ClickHouse) -> None:
    """How long the list takes with 10,000 open cases beside 100,000 closed ones of eight steps, made in the engine."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    params = {"now_ns": nanoseconds(now), "closed": 100_000, "open": 10_000}
    ch.command(GENERATED, params, {"max_insert_threads": 1})
    stream = "order-to-cash"
    streams = parse_streams(
        f'[{stream}]\nowner = "erp"\nterminal = ["{END}"]\npromise_kept = ["retail.order.delivered"]\n'
    )
    CaseJobs(ch, SystemClock(), lambda: streams).run_once(TENANT, stream)
    ch.command("OPTIMIZE TABLE cases FINAL")
    begun, cpu = time.perf_counter(), time.process_time()
    cases_at_risk(ch, TENANT, now, streams, limit=100)
    print(f"the first time, with what predictions were worth: {time.process_time() - cpu:.2f} s of CPU")
    taken, cpu = [], time.process_time()
    for _ in range(7):
        begun = time.perf_counter()
        found = cases_at_risk(ch, TENANT, now, streams, limit=100)
        taken.append(time.perf_counter() - begun)
    cpu = (time.process_time() - cpu) / len(taken)
    opened = ch.query("SELECT count() FROM cases FINAL WHERE Outcome = ''").scalar()
    print(
        f"the first {len(found)} of {opened:,} open cases, beside 100,000 closed ones: {sorted(taken)[3]:.2f} s ",
        end="",
    )
    print(f"(median of {len(taken)}; least {min(taken):.2f}), {cpu:.2f} s of CPU")
    begun, cpu = time.perf_counter(), time.process_time()
    told = calibration(ch, TENANT, stream, now, streams=streams)
    print(
        f"calibration of {told.moments} moments, {told.n:,} predictions: {time.perf_counter() - begun:.2f} s, "
        f"{time.process_time() - cpu:.2f} s of CPU"
    )


def judged(ch: ClickHouse, tenant: str, stream: str, streams: Any, moments: Sequence[datetime]) -> str:
    """A row of the table: predictions as they are, as shown, and the share of late cases."""

    def tested(corrected: bool) -> Backtest:
        return backtest(ch, tenant, stream, moments, streams=streams, corrected=corrected)

    plain, shown = tested(False), tested(True)
    if shown.brier is None or shown.late_share is None:
        return f"| {tenant} {stream} | {shown.judged} |" + " – |" * 9
    held = "–"
    if shown.brier_tested is not None and plain.brier_tested is not None and shown.brier_share is not None:
        held = f"{plain.brier_tested:.4f} → {shown.brier_tested:.4f} | {shown.brier_share:.4f}"
    return (
        f"| {tenant} {stream} | {shown.judged:,} | {shown.late_share:.1%} | {plain.brier:.4f} → {shown.brier:.4f} | "
        f"{shown.brier_constant:.4f} | {shown.tested:,} | {held} | {error(plain.bins):.3f} → {error(shown.bins):.3f} | "
        f"{(shown.mae_s or 0) / DAY:.3f} ({(shown.mae_step_s or 0) / DAY:.3f}) | {shown.correction.way} |"
    )


def error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of what was predicted and what came, by bin: the expected calibration error."""
    count = sum(one.count for one in bins)
    return sum(one.count * abs((one.predicted or 0) - (one.observed or 0)) for one in bins) / count


def between(ch: ClickHouse, tenant: str, stream: str, streams: Any, count: int) -> list[datetime]:
    """Moments from the second eighth of the stream's time on, as far as the usual duration before its end."""
    row = ch.query(load_sql("kpis.process", "stream_period"), {"tenant": tenant, "stream": stream, "now_ns": 2**63 - 1})
    first, last = (moment(row.dicts()[0][name]) for name in ("first_ns", "last_ns"))
    usual = question(ch, tenant, streams[stream], last).usual.p90 or timedelta(0)
    begin, end = first + (last - first) / 8, max(last - usual, first + (last - first) / 2)
    return [begin + (end - begin) * place / (count - 1) for place in range(count)]


def retailer(ch: ClickHouse, tenant: str, seed: int, days: int) -> None:
    """The simulated retailer's events, as it would send them."""
    end = int(datetime(2026, 3, 17, 14, tzinfo=UTC).timestamp()) * SECOND
    facts = Retailer(DemoSettings(end - days * DEMO_DAY, end, seed)).facts_until(end)
    logs, resources = [fact for fact in facts if isinstance(fact, LogFact)], Resources()
    for segment, begin in enumerate(range(0, len(logs), 4_000), 1):
        told = encode_logs([to_log(fact, resources) for fact in logs[begin : begin + 4_000]])
        ch.insert_otlp(Signal.LOGS, told.SerializeToString(), SegmentMeta(tenant, segment, end))
    CaseJobs(ch, SystemClock()).run_once(tenant)


def self_judgement(ch: ClickHouse, data: Path, logs: Sequence[str], count: int) -> None:
    print(
        "| stream | judged | late | Brier, as predicted → shown | constant, by hindsight | tested | "
        "Brier, as predicted → shown | share known then | calibration error | MAE, days (mean after the step) | way |"
    )
    print("|" + "---|" * 11)
    for log in logs:
        if log == "retailer":
            for tenant, seed, days in (("demo", 20_260_302, 14), ("other-seed", 7, 30)):
                retailer(ch, tenant, seed, days)
                for stream in value_streams():
                    moments = between(ch, tenant, stream, value_streams(), count)
                    print(judged(ch, tenant, stream, value_streams(), moments), flush=True)
            continue
        if log == "generated":
            make_log(ch, TENANT, log, 200_000)
            streams = parse_streams('[generated]\nowner = "erp"\nterminal = ["Payment received", "Order cancelled"]\n')
            CaseJobs(ch, SystemClock(), lambda known=streams: known).run_once(TENANT, log)  # type: ignore[misc]
        else:
            streams = store(ch, log, read(log, data))
        print(judged(ch, TENANT, log, streams, between(ch, TENANT, log, streams, count)), flush=True)


SETTINGS = {
    "as shipped": HISTORY,
    "whatever the age": History(near=1.0),
    "near half": History(near=0.5),
    "near tenth": History(near=0.1),
    "near 25 %, at least 40": History(nearest=40),
    "sample 128": History(sample=128),
    "sample 128, near half": History(sample=128, near=0.5),
    "window 90 d": History(window=timedelta(days=90)),
    "window 180 d": History(window=timedelta(days=180)),
    "window 730 d": History(window=timedelta(days=730)),
    "least alike 20, 20, 5": History(least_alike=(20, 20, 5)),
    "least alike 100, 20, 5": History(least_alike=(100, 20, 5)),
    "least alike 50, 50, 5": History(least_alike=(50, 50, 5)),
    "never by the steps so far": History(least_alike=(127, 20, 5)),
}


def settings(ch: ClickHouse, log: str, streams: Any, moments: Sequence[datetime]) -> None:
    print(f"\n**{log}**\n\n| setting | MAE, days | Brier | p90 covers | without history |\n|---|---|---|---|---|")
    for name, history in SETTINGS.items():
        found = backtest(ch, TENANT, log, moments, streams=streams, history=history)
        print(
            f"| {name} | {(found.mae_s or 0) / DAY:.3f} | {found.brier or 0:.4f} | {found.p90_coverage or 0:.1%} | "
            f"{found.without_history} |",
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--logs", help=f"of {', '.join(JUDGED)}; else those that the way of comparing is for")
    parser.add_argument("--moments", type=int, default=6)
    parser.add_argument("--settings", action="store_true")
    parser.add_argument("--calibration", action="store_true")
    parser.add_argument("--speed", action="store_true")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        ch = open_clickhouse(load_settings(data_dir=Path(folder)))
        migrate_clickhouse(ch)
        logs = given.logs.split(",") if given.logs else JUDGED if given.calibration else LOGS
        if given.calibration:
            self_judgement(ch, given.data, logs, 12)
        for log in () if given.speed or given.calibration else logs:
            events = read(log, given.data)
            streams = store(ch, log, events)
            begun = sorted(one.end for one in events)
            first, last = begun[len(begun) // 2], begun[len(begun) * 17 // 20]
            moments = [first + (last - first) * n / max(1, given.moments - 1) for n in range(given.moments)]
            if given.settings:
                settings(ch, log, streams, moments)
            else:
                compare(ch, log, events, streams, moments)
        if given.speed:
            speed(ch)
        ch.close()


if __name__ == "__main__":
    main()
