"""What the executive report shows, as plain data for the template: every number a text, every chart a geometry.

The template lays out and colours; it decides nothing. What is decided here: whether a change is better, worse, within
chance or not to be told; in which order movements stand; what is left out of a long list, which is always said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from kpis.brand import Brand
from kpis.exports import pdf_charts as charts
from kpis.exports import pdf_formats as formats
from kpis.exports.report import Headline, Point, Report, ReportKpi, ReportSeries, Row

MOVEMENTS = 20
LIST_ROWS = 25
DRIVERS = 3
NAMES = 12
OTHER_STREAM = "Other"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
_BY_DAYS = ("day", "week", "month")
_READABLE = 4.5
"""Contrast with white paper that text needs (WCAG 2.2, 1.4.3)."""


def report_data(report: Report) -> dict[str, Any]:
    """The report as JSON-able data. Reads the points of the first total series of each KPI, once.

    Raises InvalidInput for a colour that is not `#rrggbb`, an unknown time zone or an inverted period.
    """
    zone = _zone(report.timezone)
    if report.start >= report.end:
        raise InvalidInput(
            f"a report's period ends after it starts, got {report.start.isoformat()} to {report.end.isoformat()}",
            hint="swap start and end; the end is not part of the period",
        )
    lines = [_points(kpi) for kpi in report.kpis]
    since = _since(lines, report)
    cards = [_Card(kpi, line, report, since, zone) for kpi, line in zip(report.kpis, lines, strict=True)]
    return {
        "title": report.title,
        "tenant": report.tenant,
        "brand": _brand(report.brand),
        "period": _period(report, zone),
        "grain": report.grain,
        "zone": report.timezone,
        "generated": formats.moment(report.generated_at, zone),
        "through": formats.moment(report.data_through, zone) if report.data_through else "",
        "since": _named(since, report.grain, zone) if since > report.start else "",
        "report_id": report.id,
        "summary": _summary(cards),
        "streams": _streams(cards),
        "movements": _movements(cards),
        "charts": [card.trend() for card in cards if card.geometry is not None],
        "no_values": _names([card.name for card in cards if card.geometry is None]),
        "bottlenecks": _rows(_by_money(report.bottlenecks), zone),
        "incidents": _rows(report.incidents, zone),
        "actions": _rows(report.actions, zone),
        "definitions": [_definition(kpi, zone) for kpi in report.kpis],
        "notes": list(report.notes),
    }


def _total(kpi: ReportKpi) -> ReportSeries | None:
    return next((one for one in kpi.series if not one.dimension), None)


def _points(kpi: ReportKpi) -> list[Point]:
    total = _total(kpi)
    return list(total.points) if total else []


def _period(report: Report, zone: ZoneInfo) -> str:
    """The days of the buckets that begin in the period: it is counted by them, whatever its own time of the day."""
    midnight = report.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    first = midnight if midnight >= report.start else midnight + timedelta(days=1)
    if report.grain not in _BY_DAYS or first >= report.end:
        return formats.period(report.start, report.end, zone)
    last = formats.day(report.end - timedelta(microseconds=1), zone)
    return last if formats.day(first, zone) == last else f"{formats.day(first, zone)} to {last}"


def _since(lines: Sequence[Sequence[Point]], report: Report) -> datetime:
    """Where charts begin: with the first bucket in which any of them has a value, so that a short history fills them.

    One beginning for all: they stand side by side.
    """
    firsts = (next((one.start for one in line if _valued(one)), None) for line in lines)
    return max(min((one for one in firsts if one is not None), default=report.start), report.start)


def _valued(point: Point) -> bool:
    return point.value is not None and math.isfinite(point.value)


def _named(at: datetime, grain: str, zone: ZoneInfo) -> str:
    return formats.moment(at, zone) if grain in ("minute", "hour") else formats.day(at, zone)


class _Card:
    """One KPI with what is said about it."""

    def __init__(
        self, kpi: ReportKpi, points: Sequence[Point], report: Report, since: datetime, zone: ZoneInfo
    ) -> None:
        self.kpi, self.name = kpi, kpi.name.strip() or kpi.id
        self.headline = kpi.headline or Headline(None, 0)
        self.target = self.headline.target if self.headline.target is not None else kpi.target
        series = _total(kpi)
        self.basis = (series.basis_name or series.basis) if series else ""
        line = charts.marks((one for one in points if one.end > since), since, report.end)
        self.geometry = charts.chart(
            line, since, report.end, zone, kpi.unit, kpi.currency,
            target=self.target, baseline=self.headline.baseline,
        )  # fmt: skip
        self.spark = charts.sparkline(line, self.target)
        self.movement = _movement(kpi, self.headline)

    def text(self, value: float | None) -> str:
        return formats.quantity(value, self.kpi.unit, self.kpi.currency)

    def difference(self, value: float | None) -> str:
        known = [abs(one) for one in _interval(self.headline) if one is not None and math.isfinite(one)]
        return formats.change(value, self.kpi.unit, self.kpi.currency, largest=max(known, default=None))

    def interval(self) -> str:
        _, low, high = _interval(self.headline)
        return f"{self.difference(low)} to {self.difference(high)}" if low is not None and high is not None else ""

    def wanted(self) -> str:
        if self.target is None or not math.isfinite(self.target):
            return ""
        return f"{'≤' if self.kpi.direction == 'down' else '≥'}{formats.NBSP}{self.text(self.target)}"

    def shown(self) -> dict[str, Any]:
        """As the template's card."""
        one = self.headline
        return {
            "name": self.name,
            "basis": self.basis,
            "value": self.text(one.value) if one.value is not None else "",
            "sample": formats.count(one.sample_size),
            "open": formats.count(one.open_cases) if one.open_cases else "",
            "excluded": formats.count(one.excluded) if one.excluded else "",
            "movement": self.movement,
            "rising": (one.change or 0) > 0,
            "change": self.difference(one.change),
            "interval": self.interval(),
            "previous": self.text(one.previous) if one.previous is not None else "",
            "target": self.wanted(),
            "met": one.target_met,
            "spark": self.spark,
        }

    def trend(self) -> dict[str, Any]:
        """As the template's chart."""
        return {
            "name": self.name,
            "basis": self.basis,
            "value": self.text(self.headline.value),
            "target": self.wanted(),
            "baseline": self.text(self.headline.baseline) if self.headline.baseline is not None else "",
            "geometry": self.geometry,
        }

    def moved(self) -> dict[str, Any]:
        """As a line of the movements."""
        one = self.headline
        return {
            "name": self.name,
            "movement": self.movement,
            "rising": (one.change or 0) > 0,
            "previous": self.text(one.previous),
            "value": self.text(one.value),
            "change": self.difference(one.change),
            "interval": self.interval(),
            "drivers": [
                [name, formats.change(part, self.kpi.unit, self.kpi.currency)] for name, part in one.drivers[:DRIVERS]
            ],
            "more_drivers": max(len(one.drivers) - DRIVERS, 0),
        }

    def rank(self) -> float:
        """How far the change lies beyond its interval's half width; -1 where there is no interval."""
        moved, low, high = _interval(self.headline)
        if moved is None or low is None or high is None:
            return -1.0
        half = (high - low) / 2
        return abs(moved) / half if half > 0 else math.inf if moved else 0.0


def _interval(headline: Headline) -> tuple[float | None, float | None, float | None]:
    return headline.change, headline.change_low, headline.change_high


def _movement(kpi: ReportKpi, headline: Headline) -> str:
    """`none` (nothing to compare with), `small`, `same`, `unsure` (no interval), `chance`, `better` or `worse`."""
    moved, low, high = _interval(headline)
    if headline.value is None:
        return "none"
    if headline.small_sample:
        return "small"
    if moved is None or not math.isfinite(moved):
        return "none"
    if low is None or high is None:
        return "same" if moved == 0 else "unsure"
    if low <= 0 <= high:
        return "chance"
    return "better" if (moved > 0) == (kpi.direction != "down") else "worse"


def _summary(cards: Sequence[_Card]) -> list[dict[str, str]]:
    """How many KPIs meet their target and moved, for the line above the cards."""
    if not cards:
        return []
    judged = [card.headline.target_met for card in cards if card.target is not None]
    moved = [card.movement for card in cards]
    counted = (
        ("KPIs in this report", len(cards), "plain"),
        ("meet their target", judged.count(True), "better"),
        ("miss their target", judged.count(False), "worse"),
        ("moved for the better", moved.count("better"), "better"),
        ("moved for the worse", moved.count("worse"), "worse"),
        ("too few cases to say", moved.count("small"), "plain"),
    )
    return [{"text": text, "count": f"{number}", "tone": tone if number else "plain"} for text, number, tone in counted]


def _streams(cards: Sequence[_Card]) -> list[dict[str, Any]]:
    """The cards by stream, in the order in which streams first appear; those without one last."""
    by_stream: dict[str, list[dict[str, Any]]] = {}
    for card in cards:
        by_stream.setdefault(card.kpi.stream.strip(), []).append(card.shown())
    named = {name: found for name, found in by_stream.items() if name}
    if "" in by_stream:
        named[OTHER_STREAM if named else ""] = by_stream[""]
    return [{"name": name[:1].upper() + name[1:], "cards": found} for name, found in named.items()]


def _movements(cards: Sequence[_Card]) -> dict[str, Any]:
    """The largest changes relative to their interval first; those without one behind, by nothing but their order."""
    moving = [card for card in cards if card.movement in ("better", "worse", "chance", "unsure")]
    ranked = sorted(moving, key=_Card.rank, reverse=True)
    return {
        "rows": [card.moved() for card in ranked[:MOVEMENTS]],
        "clear": any(card.movement in ("better", "worse") for card in ranked),
        "more": max(len(ranked) - MOVEMENTS, 0),
        "small": _names([card.name for card in cards if card.movement == "small"]),
        "none": _names([card.name for card in cards if card.movement == "none"] if ranked else []),
    }


def _names(names: Sequence[str]) -> dict[str, Any]:
    return {"names": list(names[:NAMES]), "more": max(len(names) - NAMES, 0)}


def _by_money(rows: Sequence[Row]) -> list[Row]:
    """The dearest first; those whose money is not known last."""
    return sorted(rows, key=lambda row: math.inf if row.money is None else -row.money)


def _rows(rows: Sequence[Row], zone: ZoneInfo) -> dict[str, Any]:
    shown = rows[:LIST_ROWS]
    largest: dict[str, float] = {}
    for row in shown:
        largest[row.currency] = max(largest.get(row.currency, 0.0), abs(row.money or 0.0))
    return {
        "rows": [
            {
                "title": row.title,
                "detail": row.detail,
                "at": formats.moment(row.at, zone) if row.at else "",
                "cases": formats.count(row.cases) if row.cases is not None else "",
                "money": formats.quantity(row.money, "money", row.currency) if row.money is not None else "",
                "share": round(abs(row.money or 0.0) / (largest[row.currency] or 1.0), 4),
            }
            for row in shown
        ],
        "has_at": any(row.at for row in shown),
        "has_cases": any(row.cases is not None for row in shown),
        "has_money": any(row.money is not None for row in shown),
        "more": max(len(rows) - LIST_ROWS, 0),
    }


def _definition(kpi: ReportKpi, zone: ZoneInfo) -> dict[str, Any]:
    """What stands in its head (question, id, version) is not said again below."""
    return {
        "name": kpi.name.strip() or kpi.id,
        "id": kpi.id,
        "version": f"{kpi.version}",
        "question": kpi.question.strip(),
        "lines": [
            [label, _readable(text.strip(), zone)]
            for label, text in kpi.definition
            if text.strip() and text.strip() != kpi.question.strip() and label != "Definition"
        ],
        "excluded": formats.count(kpi.headline.excluded) if kpi.headline else "",
        "open": formats.count(kpi.headline.open_cases) if kpi.headline else "",
        "left_out": [
            f"{formats.count(one.number)} {one.reason}" + (f" ({one.basis})" if one.basis else "")
            for one in kpi.left_out
        ],
    }


def _readable(text: str, zone: ZoneInfo) -> str:
    """A time that is written for machines, as people read it."""
    try:
        at = datetime.fromisoformat(text) if _ISO_TIME.match(text) else None
    except ValueError:
        return text
    return formats.moment(at, zone) if at and at.tzinfo else text


# --- the brand ---


def _brand(brand: Brand) -> dict[str, Any]:
    """The colour of bands as it is, that of lines and text dark enough to be read on white."""
    if not _COLOUR.fullmatch(brand.colour):
        raise InvalidInput(f"the brand's colour must be #rrggbb, got {brand.colour[:40]!r}", hint="for example #1f4e79")
    rgb = tuple(int(brand.colour[place : place + 2], 16) for place in (1, 3, 5))
    ink = rgb
    while _contrast_with_white(ink) < _READABLE:
        ink = tuple(int(part * 0.92) for part in ink)
    return {"name": brand.name, "colour": brand.colour.lower(), "ink": "#{:02x}{:02x}{:02x}".format(*ink)}


def _contrast_with_white(rgb: Sequence[int]) -> float:
    """WCAG 2.2: (1 + 0.05) / (relative luminance + 0.05)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (one / 255 for one in rgb)
    ]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            f"there is no time zone {name[:80]!r}", hint="use an IANA name such as Europe/Berlin or UTC"
        ) from None
