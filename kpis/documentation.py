"""docs/kpis.md, written from the catalogue by `python -m kpis.documentation > docs/kpis.md`.

A test fails when the page is stale.
"""

from __future__ import annotations

import sys

from kpis.definitions import Catalogue, KpiDefinition, load_catalogue
from kpis.values import explain
from kpis.views import VIEWS

INTRODUCTION = """# KPIs

Written from `kpis/catalogue/` by `python -m kpis.documentation`; edit the definitions, not this page.

A KPI is a definition (`<id>.toml`): expressions over a canonical view (see below), or a statement that computes it for
given buckets (`<id>.sql`) and one that names the buckets which newly received data change (`<id>.touched.sql`). A new
meaning is a new version: its values are computed anew, and values of two versions are never shown as one series.

The jobs run every `kpi_interval_s` seconds. They look at what was received since their last run, recompute the buckets
it touches, and write them to `kpi_values`; late and repeated data thus change the bucket they belong to, and
no other. Once a day everything is computed anew. Hours, days, weeks (from Monday) and months begin in the configured
`timezone`.

## Canonical views

A canonical view has one row for each subject, made anew as a whole whenever an event of its case arrives. Each event
counts once, in the wording that was received last. Fewer things can be wrong in a KPI that reads them: its definition
only says which time decides on the bucket (`at`), which rows are meant (`where`), what is left out and why
(`[[excluded]]`), what is not decided yet (`open`), and what is added up (`numerator`, `denominator`; for a median, p90
or mean the numerator is what is measured). A bucket is computed anew exactly when the sums of such contributions of the
touched cases differ from before. Sums are of whole millionths, so that they do not depend on the order of adding.

| view | a row is |
|---|---|
{views}

## Values

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
bucket is settled it is the newest with a value. Of a KPI that only counts, a bucket that is not over does not stand
either.
"""


def render(catalogue: Catalogue) -> str:
    """The whole page, ending in a line feed."""
    views = "\n".join(f"| `{view.name}` | {view.subject} |" for view in VIEWS)
    return "\n".join([INTRODUCTION.replace("{views}", views), *(_section(definition) for definition in catalogue)])


def _section(definition: KpiDefinition) -> str:
    lines = [f"## {definition.name} (`{definition.id}`)", "", f"{definition.description}", ""]
    shown = explain(definition)
    labels = (
        "Question", "Formula", "Bucket", "Still open", "Unit", "Target", "Small sample", "Caveats", "Parameters",
        "Owner", "Source", "Definition",
    )  # fmt: skip
    lines += [f"- {label}: {shown[label]}" for label in labels if label in shown]
    lines.append(f"- Settled: no more than {definition.settled_open_share:.0%} of a bucket's cases are open")
    lines.append(f"- Buckets: {', '.join(definition.grains)}; read from `{definition.source or definition.view}`")
    if definition.dimensions:
        lines.append(f"- Also by: {', '.join(definition.dimensions)} (the total has an empty dimension)")
    if definition.breakdowns:
        lines.append(f"- Split by: {', '.join(definition.breakdowns)}")
    left_out = definition.left_out or ("nothing",)
    lines += ["- Left out:", *(f"  - {reason}" for reason in left_out), ""]
    if definition.bases:
        lines += ["| basis | name | meaning |", "|---|---|---|"]
        lines += [f"| `{basis.id}` | {basis.name} | {basis.description} |" for basis in definition.bases]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render(load_catalogue()))
