"""A report of KPIs from the stored values, read bucket by bucket while a writer asks for them.

Memory holds a page of points and the names of the series, whatever the report's size. What the jobs write while it is
read may be in it; a bucket is never in it twice. Nothing is computed anew but the headline, see `_headline`.
"""

from __future__ import annotations

import difflib
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from core import InvalidInput, TooLarge
from kpis.brand import Brand
from kpis.definitions import Catalogue, KpiDefinition
from kpis.exports.buckets import LENGTHS, bucket_count, last_over, period_before
from kpis.exports.reasons import reasons_of
from kpis.exports.report import Headline, Point, Report, ReportKpi, ReportSeries
from kpis.periods import Calendar, Grain
from kpis.value.headlines import Told, change_intervals
from kpis.value.questions import Period
from kpis.values import FIRST, LAST, STORED, explain
from metrics.read_models import as_utc, sql_second
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

ALL = "*"
BUCKET_LIMIT = 1_000_000
"""Buckets times KPIs that a question may ask for, whether there are values or not."""
POINT_LIMIT = 2_000_000
SERIES_LIMIT = 20_000
PAGE = 20_000
USUAL = Calendar()
RATIO_OF_SUMS = frozenset({"ratio", "per_case"})
"""Units of values that are a numerator by a denominator, so that those of several buckets can be added up."""
USUAL_PERIODS = {
    "minute": timedelta(hours=6),
    "hour": timedelta(days=14),
    "day": timedelta(days=90),
    "week": timedelta(weeks=52),
    "month": timedelta(days=3 * 365),
}
"""What is exported when no start is named."""
_Key = tuple[str, str, str]
"""Basis, dimension and dimension value."""
_Cursor = tuple[str, str, str, int]
"""A key and the second of 1970 at which a bucket begins."""


@dataclass(frozen=True)
class ExportQuestion:
    """What to export: the values of KPIs (all when none is named) whose bucket starts in [start, end).

    The totals always; the values of the named dimensions too (`*`: of all), of the named dimension values when there
    are any. Values without a dimension mean those of every dimension.
    """

    start: datetime
    end: datetime
    grain: str = "day"
    kpis: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    dimension_values: tuple[str, ...] = ()


def usual_start(grain: str, end: datetime) -> datetime:
    """Where a period begins whose start was not named."""
    length = USUAL_PERIODS[require_grain(grain)]
    return end - length if end - FIRST > length else FIRST


def require_grain(grain: str) -> Grain:
    """The grain. Raises InvalidInput for an unknown one."""
    for known in STORED:
        if grain == known:
            return known
    raise InvalidInput(f"there is no grain {grain[:40]!r}", hint=f"a grain is {', '.join(STORED)}")


def build_report(
    ch: ClickHouse,
    tenant: str,
    catalogue: Catalogue,
    question: ExportQuestion,
    *,
    now: datetime,
    calendar: Calendar = USUAL,
    title: str = "Key performance indicators",
    brand: Brand | None = None,
    report_id: str = "",
    page: int = PAGE,
    baselines: Mapping[tuple[str, int, str], float] = MappingProxyType({}),
    currency: str = "",
) -> Report:
    """The report; its points are read when they are asked for, in any order and as often as wanted.

    baselines: the frozen values in force by KPI, version and basis. calendar: by which the jobs count days. page: how
    many points are read at a time. currency: of money, '' where it is not known. Raises NotFound for an unknown KPI,
    InvalidInput for an unknown grain or dimension or an inverted period, TooLarge for more than can be exported.
    """
    definitions = _checked(catalogue, question)
    zone = ZoneInfo(calendar.timezone)
    found = _listing(ch, tenant, definitions, question)
    by_kpi: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        by_kpi[row["KpiId"]].append(row)
    headlines, totals = _headlines(ch, tenant, definitions, question, now, calendar, baselines)
    spans = _Spans(calendar, require_grain(question.grain), question.start, question.start, question.end)
    reasons, notes = reasons_of(ch, tenant, definitions, totals, *spans.bounds(), calendar)
    kpis = []
    for definition in definitions:
        rows = by_kpi[definition.id]
        pages = _Pages(ch, tenant, definition, question, now, calendar, page)
        through = max((as_utc(row["DataThrough"]) for row in rows), default=None)
        kpis.append(
            ReportKpi(
                definition.id,
                definition.version,
                definition.name,
                definition.question or definition.description,
                definition.unit,
                definition.direction,
                definition.stream,
                _definition_lines(definition, through, zone),
                _series(definition, rows, pages),
                headlines.get(definition.id),
                definition.target,
                currency if definition.unit == "money" else "",
                reasons.get(definition.id, ()),
            )
        )
    reached = [as_utc(row["DataThrough"]) for row in found]
    return Report(
        report_id or uuid.uuid4().hex,
        title,
        tenant,
        brand or Brand(tenant),
        question.start,
        question.end,
        question.grain,
        calendar.timezone,
        now,
        min(reached, default=None),
        tuple(kpis),
        notes=notes,
    )


# --- what is asked ---


def _checked(catalogue: Catalogue, question: ExportQuestion) -> list[KpiDefinition]:
    grain = require_grain(question.grain)
    definitions = [catalogue.get(one) for one in dict.fromkeys(question.kpis)] or list(catalogue)
    for name, at in (("start", question.start), ("end", question.end)):
        if not FIRST <= at <= LAST:
            raise InvalidInput(f"{name} is out of range, got {at.isoformat()}", hint="a time of the years 1970 to 2105")
    if question.start >= question.end:
        raise InvalidInput(
            f"a period ends after it starts, got {question.start.isoformat()} to {question.end.isoformat()}",
            hint="swap start and end; the end is not part of the period",
        )
    buckets = bucket_count(grain, question.start, question.end)
    if buckets * len(definitions) > BUCKET_LIMIT:
        raise TooLarge(
            f"{buckets:,} buckets by {grain} for {len(definitions)} KPIs are {buckets * len(definitions):,} at least,"
            f" an export has {BUCKET_LIMIT:,} at most",
            hint=f"ask for {_coarser(grain)}a shorter period or fewer KPIs",
        )
    known = {dimension: None for definition in definitions for dimension in definition.dimensions}
    for dimension in question.dimensions:
        if dimension != ALL and dimension not in known:
            close = difflib.get_close_matches(dimension, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
            raise InvalidInput(f"none of the KPIs has a dimension {dimension[:80]!r}", hint=hint)
    return definitions


def _coarser(grain: str) -> str:
    grains = list(LENGTHS)
    coarser = [one for one in grains[grains.index(grain) + 1 :] if one in STORED]
    return f"a coarser grain such as {coarser[0]}, " if coarser else ""


def _bound(tenant: str, question: ExportQuestion) -> dict[str, Any]:
    values, dimensions = list(question.dimension_values), list(question.dimensions)
    return {
        "tenant": tenant,
        "grain": question.grain,
        "start": _second(question.start),
        "end": _second(question.end),
        "dimensions": dimensions,
        "all_dimensions": int(ALL in dimensions or (bool(values) and not dimensions)),
        "dimension_values": values,
    }


def _versions(definitions: Sequence[KpiDefinition]) -> dict[str, Any]:
    return {"ids": [one.id for one in definitions], "versions": [one.version for one in definitions]}


def _second(at: datetime) -> str:
    """As a parameter of the engine, whose `DateTime` knows the years 1970 to 2106; a part of a second is rounded up."""
    whole = at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
    return min(max(sql_second(whole), sql_second(FIRST)), sql_second(LAST))


# --- the series ---


def _listing(
    ch: ClickHouse, tenant: str, definitions: Sequence[KpiDefinition], question: ExportQuestion
) -> list[dict[str, Any]]:
    params = _bound(tenant, question) | _versions(definitions) | {"limit": SERIES_LIMIT + 1}
    found = ch.query(load_sql("kpis", "export_series"), params).dicts()
    if len(found) > SERIES_LIMIT:
        raise TooLarge(
            f"an export has {SERIES_LIMIT:,} series at most, there are more", hint="name dimension values or fewer KPIs"
        )
    points = sum(row["Points"] for row in found)
    if points > POINT_LIMIT:
        raise TooLarge(
            f"an export has {POINT_LIMIT:,} values at most, there are {points:,}",
            hint=f"ask for {_coarser(question.grain)}a shorter period or fewer dimensions",
        )
    return found


def _series(definition: KpiDefinition, rows: Sequence[Mapping[str, Any]], pages: _Pages) -> tuple[ReportSeries, ...]:
    """In the order of the definition's bases, the total of each first."""
    order = {basis: place for place, basis in enumerate(definition.basis_ids)}
    kept = [row for row in rows if row["Basis"] in order]
    found = []
    for row in sorted(kept, key=lambda row: (order[row["Basis"]], row["Dimension"], row["DimensionValue"])):
        key = (row["Basis"], row["Dimension"], row["DimensionValue"])
        basis = definition.basis(row["Basis"])
        found.append(ReportSeries(key[0], basis.name if basis else "", _Points(pages, key), key[1], key[2]))
    return tuple(found)


@dataclass(frozen=True)
class _Points(Iterable[Point]):
    """The points of one series."""

    pages: _Pages
    key: _Key

    def __iter__(self) -> Iterator[Point]:
        return self.pages.points(self.key)


class _Pages:
    """One KPI's points of all series, page by page in the order of the table; the last page read is kept.

    So series read in that order cost a query a page, not a query each.
    """

    def __init__(
        self,
        ch: ClickHouse,
        tenant: str,
        definition: KpiDefinition,
        question: ExportQuestion,
        now: datetime,
        calendar: Calendar,
        page: int,
    ) -> None:
        self._ch, self._grain, self._now, self._calendar = ch, require_grain(question.grain), now, calendar
        self._page = page
        self._share = definition.settled_open_share
        self._bound = _bound(tenant, question) | {"kpi": definition.id, "version": definition.version, "limit": page}
        self._before = int(question.start.timestamp()) - 1
        self._after: _Cursor | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._last_page = False
        self._spans: dict[int, tuple[datetime, datetime]] = {}

    def points(self, key: _Key) -> Iterator[Point]:
        """Those of the series, oldest first."""
        cursor: _Cursor = (*key, self._before)
        while True:
            rows = self._behind(cursor)
            for row in rows:
                if row[:3] != key:
                    return
                yield self._point(row)
            if not rows:
                return
            cursor = _cursor(rows[-1])

    def _behind(self, cursor: _Cursor) -> list[tuple[Any, ...]]:
        """The next rows behind the cursor, none when there are no more."""
        if self._after is not None and self._after <= cursor:
            place = bisect_right(self._rows, cursor, key=_cursor)
            if place < len(self._rows) or self._last_page:
                return self._rows[place:]
        basis, dimension, value, after = cursor
        place_bound = {"basis": basis, "dimension": dimension, "dimension_value": value, "after": after}
        rows = self._ch.query(load_sql("kpis", "export_points"), self._bound | place_bound).rows
        self._after, self._last_page = cursor, len(rows) < self._page
        # Compared once more, so that it ends whatever order of names the engine has.
        self._rows = [row for row in rows if _cursor(row) > cursor]
        return self._rows

    def _point(self, row: tuple[Any, ...]) -> Point:
        if (span := self._spans.get(row[3])) is None:
            if len(self._spans) >= self._page:
                self._spans.clear()
            start = datetime.fromtimestamp(row[3], UTC)
            span = self._spans[row[3]] = (start, self._calendar.end(self._grain, start))
        start, end = span
        value, numerator, denominator, sample, excluded, opens = row[4:]
        settled = opens <= self._share * (opens + sample)
        return Point(start, end, value, numerator, denominator, sample, excluded, opens, end <= self._now and settled)


def _cursor(row: tuple[Any, ...]) -> _Cursor:
    return row[0], row[1], row[2], row[3]


# --- the headline ---


def _headlines(
    ch: ClickHouse,
    tenant: str,
    definitions: Sequence[KpiDefinition],
    question: ExportQuestion,
    now: datetime,
    calendar: Calendar,
    baselines: Mapping[tuple[str, int, str], float],
) -> tuple[dict[str, Headline], list[dict[str, Any]]]:
    """By KPI, of its first basis, none for a KPI without a total in the period; and the totals of every basis."""
    zone = ZoneInfo(calendar.timezone)
    before = period_before(question.start, question.end, zone)
    params = {
        "tenant": tenant,
        "grain": question.grain,
        "before": _second(before),
        "start": _second(question.start),
        "end": _second(question.end),
        "last_over": _second(last_over(question.grain, now, zone)),
        "shares": [one.settled_open_share for one in definitions],
    }
    rows = ch.query(load_sql("kpis", "export_headlines"), params | _versions(definitions)).dicts()
    headlines, told = {}, []
    spans = _Spans(calendar, require_grain(question.grain), before, question.start, question.end)
    for definition in definitions:
        own = [row for row in rows if (row["KpiId"], row["Basis"]) == (definition.id, definition.basis_ids[0])]
        if current := [row for row in own if row["Current"]]:
            earlier = [row for row in own if not row["Current"]]
            one = _headline(definition, current, earlier)
            frozen = baselines.get((definition.id, definition.version, definition.basis_ids[0]))
            headlines[definition.id] = replace(one, baseline=frozen)
            told += _told(definition, one, current, earlier, spans, now)
    intervals = change_intervals(ch, tenant, told, calendar.timezone)
    shown = {
        kpi: replace(one, change_low=intervals[kpi][0], change_high=intervals[kpi][1]) if kpi in intervals else one
        for kpi, one in headlines.items()
    }
    return shown, rows


@dataclass(frozen=True)
class _Spans:
    """The stretches of time that the buckets of both periods fill."""

    calendar: Calendar
    grain: Grain
    before: datetime
    start: datetime
    end: datetime

    def whole(self) -> tuple[Period, Period] | None:
        """Both periods, from their first bucket's beginning to their last one's end; None where one has no bucket."""
        first, middle, last = (self._next(at) for at in (self.before, self.start, self.end))
        return (Period(first, middle), Period(middle, last)) if first < middle < last else None

    def bucket(self, row: Mapping[str, Any]) -> Period:
        """The newest bucket of a row."""
        start = as_utc(row["NewestStart"])
        return Period(start, self.calendar.end(self.grain, start))

    def bounds(self) -> tuple[datetime, datetime]:
        """From the beginning of the period's first bucket to the end of its last."""
        return self._next(self.start), self._next(self.end)

    def _next(self, at: datetime) -> datetime:
        """Where the first bucket begins that does not begin before `at`."""
        begins = self.calendar.start(self.grain, at)
        return begins if begins == at else self.calendar.end(self.grain, begins)


def _told(
    definition: KpiDefinition,
    one: Headline,
    current: Sequence[Mapping[str, Any]],
    earlier: Sequence[Mapping[str, Any]],
    spans: _Spans,
    now: datetime,
) -> list[Told]:
    """The change and the samples behind it; none where there is no change, or a count is not over yet."""
    if one.value is None or one.previous is None:
        return []
    if definition.statistic == "sum" or definition.unit in RATIO_OF_SUMS:
        if (periods := spans.whole()) is None or (definition.statistic == "sum" and periods[1].end > now):
            return []
    else:
        rows = [next(row for row in each if row["Settled"]) for each in (earlier, current)]
        periods = spans.bucket(rows[0]), spans.bucket(rows[1])
        earlier = [{"Samples": rows[0]["NewestSample"]}]
    subjects = one.sample_size + sum(row["Samples"] for row in earlier)
    return [Told(definition, periods[0], periods[1], one.previous, one.value, subjects)]


def _headline(
    definition: KpiDefinition, current: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]
) -> Headline:
    """Of a ratio the whole period: the sum of the numerators by that of the denominators; of a count their sum. Of
    anything else, which does not add up (percentiles), the newest settled bucket; the period before alike."""
    reduced = _counted if definition.statistic == "sum" else _summed if definition.unit in RATIO_OF_SUMS else _newest
    headline, earlier = reduced(current), reduced(before)
    change = None if headline.value is None or earlier.value is None else headline.value - earlier.value
    met = None
    if definition.target is not None and headline.value is not None:
        better = headline.value - definition.target
        met = better >= 0 if definition.direction == "up" else better <= 0
    return replace(
        headline,
        previous=earlier.value,
        change=change,
        target=definition.target,
        target_met=met,
        small_sample=headline.sample_size < definition.small_sample,
    )


def _summed(rows: Sequence[Mapping[str, Any]]) -> Headline:
    numerator, denominator = (sum(row[name] for row in rows) for name in ("Numerators", "Denominators"))
    return Headline(
        numerator / denominator if denominator else None,
        sum(row["Samples"] for row in rows),
        excluded=sum(row["Exclusions"] for row in rows),
        open_cases=sum(row["Opens"] for row in rows),
    )


def _counted(rows: Sequence[Mapping[str, Any]]) -> Headline:
    counted = float(sum(row["Numerators"] for row in rows)) if rows else None
    return replace(_summed(rows), value=counted)


def _newest(rows: Sequence[Mapping[str, Any]]) -> Headline:
    for row in rows:
        if row["Settled"]:
            return Headline(
                row["NewestValue"], row["NewestSample"], excluded=row["NewestExcluded"], open_cases=row["NewestOpen"]
            )
    return Headline(None, 0)


# --- the definition ---


def _definition_lines(
    definition: KpiDefinition, through: datetime | None, zone: ZoneInfo
) -> tuple[tuple[str, str], ...]:
    lines: list[tuple[str, str]] = []
    for label, text in explain(definition).items():
        bases = definition.bases if label == "Basis" else ()
        lines += [(label, f"{basis.name}: {basis.description}") for basis in bases] or [(label, text)]
    lines.append(("Headline", _headline_words(definition)))
    reached = through.astimezone(zone).isoformat(timespec="seconds") if through else ""
    lines.append(("Data through", reached or "nothing was computed for this period"))
    return tuple(lines)


def _headline_words(definition: KpiDefinition) -> str:
    basis = definition.basis(definition.basis_ids[0])
    named = f" Basis: {basis.name}." if basis else ""
    if definition.statistic == "sum":
        return f"the sum over the whole period.{named}"
    if definition.unit in RATIO_OF_SUMS:
        return f"the sum of the numerators by the sum of the denominators over the whole period.{named}"
    return (
        "the newest settled bucket of the period, as its buckets cannot be added up; the period before likewise."
        f"{named}"
    )
