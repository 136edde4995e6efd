"""What the changes of a report are worth, as sentences with every assumption in them.

Of KPIs whose change applies to the whole period: shares, numbers per case and counts. A percentile's change is one of
its newest bucket, which nothing can be multiplied with.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kpis.definitions import Catalogue, KpiDefinition
from kpis.exports.report import Headline, Report
from kpis.value.compare import Change, verdict
from kpis.value.intervals import LEVEL, Interval
from kpis.value.money import Valuation, ValuedKpi, ValueModel, Volume, money

UNITS = ("ratio", "per_case", "count")


def money_notes(report: Report, catalogue: Catalogue, model: ValueModel | None) -> Iterator[str]:
    """A sentence for each change that is shown and can be valued; none without a model."""
    if model is None:
        return
    for kpi in report.kpis:
        definition = catalogue.definitions.get(kpi.id)
        if definition is None or kpi.headline is None or definition.unit not in UNITS or definition.level:
            continue
        found = _valued(definition, kpi.headline, model)
        if found is not None:
            told = "; ".join(f"{one.name} = {one.amount} ({one.source}, {one.date})" for one in found.assumptions)
            yield (
                f"{kpi.name}: the change against the period before is worth {found.amount:,} {found.currency} "
                f"({found.low:,} to {found.high:,} by its 95 % interval): {found.formula}, where {told}; "
                f"{found.volume.amount:,} {found.volume.of}."
            )


def _valued(definition: KpiDefinition, headline: Headline, model: ValueModel) -> Valuation | None:
    low, high, by = headline.change_low, headline.change_high, headline.change
    if not definition.driver or low is None or high is None or by is None or headline.small_sample:
        return None
    change = Change(
        headline.previous, headline.value, 0, headline.sample_size, by, None, low, high, LEVEL,
        verdict(Interval(by, low, high, LEVEL, ""), definition.direction), "", definition.direction,
    )  # fmt: skip
    if definition.statistic == "sum":
        volume = Volume(Decimal(1), "period, as the change is of its total", "")
    else:
        volume = Volume(Decimal(headline.sample_size), "cases of the period", "counted in the report")
    valued = ValuedKpi(definition.id, definition.unit, definition.stream, definition.driver)
    found = money(change, valued, volume, model)
    return found if isinstance(found, Valuation) else None
