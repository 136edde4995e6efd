"""`opsintel kpi`: a tenant that does not exist is refused in one way, whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import composition
from api.cli import app
from api.cli_tenants import require_tenant
from api.composition import Stores
from api.keys import ApiKeys
from core import InvalidInput, NotFound, Role, Settings, SystemClock, load_settings
from storage import ClickHouse, migrate_state, open_state

COMMANDS = (
    "backfill",
    "export {folder}/x.csv",
    "compare fill_rate",
    "change fill_rate",
    "rollout fill_rate --at 2026-03-01T00:00:00Z",
    "forecast fill_rate",
    "burn-down fill_rate",
    "baseline list",
    "baseline freeze fill_rate --start 2026-03-01T00:00:00Z --end 2026-03-02T00:00:00Z --reason new",
)


@pytest.fixture(scope="module")
def stores(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Of tenants that are known by a key, by folders, and by one stored value."""
    folder = tmp_path_factory.mktemp("tenants")
    for home in ("own/cli-north", "reports/cli-east", "reports/.git"):
        (folder / home).mkdir(parents=True)
    settings = load_settings(data_dir=folder / "data", kpi_overrides_dir=folder / "own", reports_dir=folder / "reports")
    state = open_state(settings)
    migrate_state(state)
    ApiKeys(state, SystemClock()).create("till", [Role.VIEWER], "cli-south")
    clickhouse.command("INSERT INTO kpi_values (TenantId, KpiId) VALUES ('cli-west', 'fill_rate')")
    yield Stores(settings, clickhouse, state)
    state.close()


@pytest.fixture
def opened(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find these stores; opening an engine of its own for each would take a second."""

    @contextmanager
    def found(_settings: Settings) -> Iterator[Stores]:
        yield stores

    monkeypatch.setattr(composition, "opened_stores", found)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("tenant", ["", "cli-nroth"])
def test_a_tenant_that_does_not_exist(command: str, tenant: str, tmp_path: Path) -> None:
    asked = [*command.format(folder=tmp_path).split(), "--tenant", tenant]
    raised = CliRunner().invoke(app, ["kpi", *asked]).exception
    assert isinstance(raised, NotFound)
    assert raised.message == f"there is no tenant {tenant!r}"
    assert raised.hint.startswith("use cli-north, " if tenant else "use ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", ["cli-north", "cli-east", "cli-south", "cli-west", "default"])
def test_a_tenant_is_known_by_a_key_a_folder_or_data(stores: Stores, known: str) -> None:
    require_tenant(stores, known)
    with pytest.raises(NotFound, match="there is no tenant"):
        require_tenant(stores, known + "x")


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "backfill"])
@pytest.mark.parametrize("tenant", ["", "north"])
def test_with_a_url_the_key_says_whose_data_it_is(command: str, tenant: str, tmp_path: Path) -> None:
    asked = [*command.format(folder=tmp_path).split(), "--url", "http://127.0.0.1:1", "--tenant", tenant]
    raised = CliRunner().invoke(app, ["kpi", *asked]).exception
    assert isinstance(raised, InvalidInput)
    assert "--tenant is for a stopped service's data directory" in raised.message
    assert "leave it out" in raised.hint
    assert list(tmp_path.iterdir()) == []
