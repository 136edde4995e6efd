"""docs/kpis.md, written from the catalogue by `python -m kpis.documentation > docs/kpis.md`.

A test fails when the page is stale.
"""

from __future__ import annotations

import sys

from kpis.definitions import Catalogue, KpiDefinition, load_catalogue
from kpis.values import explain

INTRODUCTION = """# KPIs

Written from `kpis/catalogue/` by `python -m kpis.documentation`; edit the definitions, not this page.

A KPI is a definition (`<id>.toml`), a statement that computes it for given buckets (`<id>.sql`) and one that names the
buckets which newly received data change (`<id>.touched.sql`). A new meaning is a new version: its values are computed
anew, and values of two versions are never shown as one series.

The jobs run every `kpi_interval_s` seconds. They look at what was received since their last run, recompute the hours
and days it touches, and write them to `kpi_values`; late and repeated data thus change the bucket they belong to, and
no other. Once a day everything is computed anew. Hours and days begin in the configured `timezone`.

Every value carries:

| field | meaning |
|---|---|
| `value` | in the unit of the definition; empty when nothing was decided in the bucket |
| `numerator`, `denominator` | what it was made from |
| `sample_size` | the cases behind it |
| `excluded` | cases left out on purpose |
| `open_cases` | cases not decided yet |
| `data_through` | everything received until then is taken into account |
| `version`, `computed_at` | the definition's version; when it was computed |

The latest value of a KPI is that of its newest *settled* bucket: one in which no more than the definition's share of
cases is open. So a morning on which three of four hundred lines were decided does not stand for the fill rate. Where no
bucket is settled it is the newest with a value.
"""


def render(catalogue: Catalogue) -> str:
    """The whole page, ending in a line feed."""
    return "\n".join([INTRODUCTION, *(_section(definition) for definition in catalogue)])


def _section(definition: KpiDefinition) -> str:
    lines = [f"## {definition.name} (`{definition.id}`)", "", f"{definition.description}", ""]
    shown = explain(definition)
    labels = ("Formula", "Bucket", "Still open", "Unit", "Target", "Small sample", "Owner", "Definition")
    lines += [f"- {label}: {shown[label]}" for label in labels if label in shown]
    lines.append(f"- Settled: no more than {definition.settled_open_share:.0%} of a bucket's cases are open")
    lines.append(f"- Buckets: {', '.join(definition.grains)}; read from `{definition.source}`")
    if definition.dimensions:
        lines.append(f"- Also by: {', '.join(definition.dimensions)} (the total has an empty dimension)")
    lines += ["- Left out:", *(f"  - {reason}" for reason in definition.exclusions), ""]
    if definition.bases:
        lines += ["| basis | name | meaning |", "|---|---|---|"]
        lines += [f"| `{basis.id}` | {basis.name} | {basis.description} |" for basis in definition.bases]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render(load_catalogue()))
