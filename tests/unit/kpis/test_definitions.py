"""The catalogue: what loads, what is refused with which words, and that the documentation is what it says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from core import ConfigurationError, NotFound
from kpis import explain, load_catalogue
from kpis.definitions import PACKAGED
from kpis.documentation import render

HERE = Path(__file__).parent
GOOD = sorted((HERE / "catalogue" / "good").iterdir())
BAD = sorted((HERE / "catalogue" / "bad").iterdir())


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: folder.name)
def test_good(folder: Path) -> None:
    (definition,) = load_catalogue(folder)
    assert (definition.id, definition.version) == ("claims_open", 2)
    assert definition.basis_ids in ((("",)), (("all",)))


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_bad(folder: Path) -> None:
    """The message names the file, the key, the value and where possible the way out."""
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(folder)
    assert str(caught.value).startswith((folder / "expected.txt").read_text().rstrip("\n"))


def test_the_packaged_catalogue() -> None:
    catalogue = load_catalogue()
    assert [definition.id for definition in catalogue if definition.source] == [
        "api_latency_objective",
        "integration_failure_rate",
        "integration_recovery_time",
        "integration_stability",
        "peak_hour_capacity",
        "queue_age",
        "queue_age_objective",
        "webhook_failure_rate",
        "webhook_retry_rate",
    ]
    assert [definition.id for definition in catalogue if definition.headline] == [
        "fill_rate",
        "integration_failure_rate",
        "refund_turnaround",
    ]
    assert len(catalogue) > 50
    for definition in catalogue:
        assert definition.question.endswith("?"), definition.id
        assert definition.reference, definition.id
    assert catalogue.get("fill_rate").basis_ids == ("line", "unit", "order", "value")
    assert catalogue.get("integration_failure_rate").dimensions == ("edge",)


def test_a_definition_cannot_be_changed() -> None:
    definition = load_catalogue().get("fill_rate")
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.version = 2  # type: ignore[misc]


def test_an_unknown_kpi_names_the_closest() -> None:
    with pytest.raises(NotFound, match=r"no KPI 'fil_rate'; did you mean fill_rate\?"):
        load_catalogue().get("fil_rate")


@pytest.mark.parametrize("file", sorted(PACKAGED.glob("*.sql")), ids=lambda file: file.name)
def test_every_read_of_a_table_is_bound_to_the_tenant(file: Path) -> None:
    """A forgotten filter would add one tenant's cases to another's numbers."""
    sql = file.read_text()
    reads = re.findall(r"FROM (process_events|otel_\w+)", sql)
    assert len(reads) == sql.count("TenantId = {tenant:String}") > 0


def test_explain_tells_the_basis_and_the_version() -> None:
    definition = load_catalogue().get("fill_rate")
    told = explain(definition, "order")
    assert told["Basis"].startswith("orders: ")
    assert told["Definition"] == "fill_rate, version 2"
    assert told["Unit"] == "ratio, higher is better"
    assert told["Target"] == "97 %"
    assert "Basis" not in explain(load_catalogue().get("integration_failure_rate"))


def test_the_page_is_up_to_date() -> None:
    page = HERE.parents[2] / "docs" / "kpis.md"
    assert page.read_text() == render(load_catalogue()), "run: python -m kpis.documentation > docs/kpis.md"


def test_targets_and_small_samples_are_told_for_people() -> None:
    catalogue = load_catalogue()
    assert explain(catalogue.get("warranty_lead_time"))["Target"] == "14 d (1,209,600 s)"
    assert explain(catalogue.get("warranty_lead_time"))["Small sample"] == "fewer than 10 cases say little"
    assert "Small sample" not in explain(catalogue.get("approval_backlog")), "none is fewer than one"
