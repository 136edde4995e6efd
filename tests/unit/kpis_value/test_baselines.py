"""Frozen baselines in the state database: what is kept, what supersedes what, and how the table comes and goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from operator import attrgetter

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, inspect

from core import ManualClock
from core.errors import InvalidInput, StorageError
from kpis.value.baselines import Baseline, BaselineKey, Baselines, NoBaseline, OtherVersion, compare_with_baseline
from kpis.value.compare import Change, Verdict
from kpis.value.samples import MeanSample, ProportionSample, QuantileSample
from storage import StateDb
from storage.state.baseline_tables import KPI_BASELINES

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = BaselineKey("acme", "fill_rate", 2, "line", "channel", "web", "order-to-cash")
GIVEN = {"start": NOW - 30 * DAY, "end": NOW - 2 * DAY, "data_through": NOW, "by": "ada", "reason": "usual weeks"}


def frozen(store: Baselines, key: BaselineKey = KEY, sample: object = None, **more: object) -> Baseline:
    given = {**GIVEN, **more}
    return store.freeze(key, given.pop("start"), given.pop("end"), sample or ProportionSample(9, 10), **given)  # type: ignore[arg-type]


def test_a_freeze_is_read_back_whole(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))
    made = frozen(store)
    assert store.current(KEY) == made == Baseline(
        made.id, KEY, NOW - 30 * DAY, NOW - 2 * DAY, 0.9, ProportionSample(9, 10), NOW, "ada", NOW, "usual weeks"
    )  # fmt: skip
    assert store.current(replace(KEY, dimension_value="store")) == NoBaseline(replace(KEY, dimension_value="store"))
    assert store.of_tenant("other") == []


def test_a_new_freeze_supersedes_and_keeps_the_old_one(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))
    first, second = frozen(store), frozen(store, sample=ProportionSample(8, 10), reason="again")
    assert store.current(KEY) == second
    assert store.history(KEY) == [second, first]
    assert store.of_tenant("acme", "fill_rate") == [second, first]
    assert store.of_tenant("acme", "other") == []


def test_another_version_is_named_and_not_compared(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))
    old = frozen(store, replace(KEY, version=1))
    found = store.current(KEY)
    assert found == OtherVersion(KEY, old)
    assert compare_with_baseline(found, ProportionSample(5, 10), "up") is found
    frozen(store)
    change = compare_with_baseline(store.current(KEY), ProportionSample(5, 100), "up")
    assert isinstance(change, Change)
    assert change.verdict is Verdict.WORSE


def test_many_values_are_thinned_and_the_value_is_not(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))
    sample = QuantileSample(tuple(float(n * n) for n in range(5_001)))
    made = frozen(store, sample=sample)
    assert made.value == sample.estimate == 2_500**2
    assert isinstance(made.sample, QuantileSample)
    assert (made.sample.n, len(made.sample.values)) == (5_001, 2_000)
    assert store.current(KEY) == made


def test_what_is_written_beside_it_is_written_together_or_not_at_all(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))

    def fail(_connection: Connection, _made: Baseline) -> None:
        raise InvalidInput("the chain is full")

    with pytest.raises(InvalidInput, match="the chain is full"):
        frozen(store, record=fail)
    assert store.history(KEY) == []


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "inverted": ({"start": NOW - 2 * DAY, "end": NOW - 3 * DAY}, "must end after its start"),
    "empty": ({"start": NOW - 2 * DAY}, "must end after its start"),
    "naive": ({"start": datetime(2026, 1, 1)}, "must name their zone"),  # noqa: DTZ001
    "not over": ({"end": NOW + DAY}, "is not over"),
    "not received": ({"data_through": NOW - 3 * DAY}, "is not over: data is complete through 2026-02-26"),
    "nobody": ({"by": "  "}, "needs a name"),
    "no reason": ({"reason": ""}, "needs a reason"),
    "a long reason": ({"reason": "x" * 1_001}, "needs a reason"),
    "no value": ({"sample": MeanSample(0, 0, 0)}, "has no value in this period"),
    "no version": ({"key": replace(KEY, version=0)}, "a version of 1 or more"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_frozen(state: StateDb, name: str) -> None:
    given, said = WRONG[name]
    store = Baselines(state, ManualClock(NOW))
    with pytest.raises(InvalidInput, match=said):
        frozen(store, **given)  # type: ignore[arg-type]
    assert store.of_tenant("acme") == []


def test_a_sample_that_cannot_be_read_is_an_error_of_the_store(state: StateDb) -> None:
    store = Baselines(state, ManualClock(NOW))
    frozen(store)
    with state.begin() as connection:
        connection.execute(KPI_BASELINES.update().values(sample='{"kind": "proportion", "n": 3}'))
    with pytest.raises(StorageError, match="cannot be read"):
        store.current(KEY)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3), st.sampled_from(["", "x"])), max_size=8))
def test_the_newest_of_a_key_is_in_force(state: StateDb, freezes: list[tuple[str, int, str]]) -> None:
    """For any order of freezes of two KPIs in three versions of two parts."""
    with state.begin() as connection:
        connection.execute(KPI_BASELINES.delete())
    store = Baselines(state, ManualClock(NOW))
    newest: dict[BaselineKey, Baseline] = {}
    for kpi, version, stream in freezes:
        key = BaselineKey("acme", kpi, version, stream=stream)
        newest[key] = frozen(store, key)
    for kpi in ("a", "b"):
        for version in (1, 2, 3):
            for stream in ("", "x"):
                key = BaselineKey("acme", kpi, version, stream=stream)
                others = [one for other, one in newest.items() if replace(other, version=version) == key]
                last = max(others, key=attrgetter("id"), default=None)
                lacking = NoBaseline(key) if last is None else OtherVersion(key, last)
                assert store.current(key) == newest.get(key, lacking)


def test_the_table_is_made_by_its_revision_and_goes_with_it(state: StateDb) -> None:
    revision = import_module("storage.state.versions.0010_baselines")
    with state.begin() as connection:
        assert "kpi_baselines" in inspect(connection).get_table_names()
        with Operations.context(MigrationContext.configure(connection)):
            revision.downgrade()
            assert "kpi_baselines" not in inspect(connection).get_table_names()
            revision.upgrade()
            revision.upgrade()
        assert {one.name for one in KPI_BASELINES.columns} == {
            one["name"] for one in inspect(connection).get_columns("kpi_baselines")
        }
