"""From settings and folders to deliveries: mail as the settings say, a tenant's own time, names that lead elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from api.delivering import ReportDeliveries
from api.happenings import Happenings
from control import AuditChain
from core import ConfigurationError, ManualClock, Settings, load_settings
from kpis import load_catalogue
from kpis.definitions import TenantKpis
from kpis.deliveries import State
from kpis.periods import Calendar
from metrics import OwnMetrics
from storage import ClickHouse, StateDb
from tests.unit.kpis_deliveries.certificates import contexts
from tests.unit.kpis_deliveries.mail_server import PASSWORD, USER, Mail, allowed, serving
from tests.unit.kpis_exports.reports import store

REPORT = """[[reports]]
id = "daily"
title = "Daily"
format = "xlsx"
kpis = ["integration_failure_rate"]
period = "last_day"
grain = "day"
schedule = "0 6 * * *"
to = [{to}]
"""
MAIL = '{kind = "email", to = ["cfo@example.com"]}'
FOLDER = '{kind = "directory", path = "."}'
Opened = Callable[..., ReportDeliveries]


@pytest.fixture
def opened(clickhouse: ClickHouse, state: StateDb, clock: ManualClock, tmp_path: Path) -> Opened:
    """Deliveries with settings, of a tenant whose days are those of Tokyo."""
    kpis = TenantKpis(load_catalogue(), Calendar("Asia/Tokyo"))

    def build(**more: Any) -> ReportDeliveries:
        where = {"reports_dir": tmp_path / "reports", "report_files_dir": tmp_path / "files"}
        configured = load_settings(**({"data_dir": tmp_path / "data"} | where | more))
        own = OwnMetrics(clock, version="1", engine_version="1")
        happenings, audit = Happenings(clickhouse, state, dict), AuditChain(state, clock)
        return ReportDeliveries(configured, clickhouse, state, clock, lambda _: kpis, audit, own, happenings, {})

    return build


def subscribe(path: Path, tenant: str, to: str, **changes: str) -> Path:
    """Writes the tenant's one file."""
    file = path / "reports" / tenant / "a.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = REPORT.replace("{to}", to)
    for old, new in changes.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mail, dict[str, Any]]]:
    """A mail server that wants STARTTLS and a log-in, and the settings for it."""
    folder = tmp_path_factory.mktemp("mail")
    server, _ = contexts(folder)
    with serving(tls_context=server, require_starttls=True, auth_required=True, authenticator=allowed) as (mails, port):
        yield mails, {
            "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_sender": "reports@example.com",
            "smtp_user": USER, "smtp_password": PASSWORD, "smtp_ca_file": folder / "cert.pem",
        }  # fmt: skip


def test_a_scheduled_workbook_comes_by_mail_as_the_settings_say(
    opened: Opened, clickhouse: ClickHouse, clock: ManualClock, tenant: str, tmp_path: Path, mail: Any
) -> None:
    """The day is the tenant's: Monday in Tokyo began at 15:00 UTC on Sunday."""
    mails, smtp = mail
    subscribe(tmp_path, tenant, MAIL)
    start = clock.now().replace(hour=15) - timedelta(days=1)
    row = {"KpiId": "integration_failure_rate", "Basis": "", "BucketStart": start, "Value": 0.25}
    store(clickhouse, tenant, [row | {"Numerator": 1.0, "Denominator": 4.0}])
    reports = opened(**smtp)
    reports.tick()
    (listed,) = reports.overview(tenant)["reports"]
    assert listed["next_due"].isoformat() == "2026-03-02T21:00:00+00:00"
    clock.advance(12 * 3_600)
    reports.tick()
    (run,) = reports.jobs(tenant).history()
    assert (run.period_start, run.period_end) == (start, start + timedelta(days=1))
    assert [(one.state, one.detail) for one in run.deliveries] == [(State.SENT, "taken for 1")]
    (message,) = mails.got
    *_, file = message.walk()
    book = openpyxl.load_workbook(io.BytesIO(file.get_payload(decode=True)))
    assert "Integration failure rate" in book.sheetnames
    assert "Integration failure rate: 25.0" in message.get_payload(0).get_payload(0).get_payload(decode=True).decode()


def test_authorities_that_cannot_be_read_stop_the_start(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(ConfigurationError, match="smtp_ca_file"):
        opened(smtp_host="127.0.0.1", smtp_sender="a@example.com", smtp_ca_file=tmp_path / "ca.pem")


def test_one_tenants_wrong_file_keeps_nobody_else_from_the_reports(
    opened: Opened, clock: ManualClock, tenant: str, tmp_path: Path
) -> None:
    subscribe(tmp_path, tenant, FOLDER)
    wrong = subscribe(tmp_path, f"a-{tenant}", FOLDER, xlsx="doc")
    reports = opened()
    reports.tick()
    clock.advance(86_400)
    reports.tick()
    assert [one.state for one in reports.jobs(tenant).deliveries()] == [State.SENT]
    assert "a.toml: report 'daily': format" in reports.overview(f"a-{tenant}")["problem"]
    wrong.write_text("[[")
    assert "cannot be read as TOML" in reports.overview(f"a-{tenant}")["problem"]
    wrong.unlink()
    assert reports.overview(f"a-{tenant}") == {"problem": "", "reports": []}


@pytest.mark.parametrize("tenant", ["..", ".hidden", "a/b", "a\\b", ""])
def test_a_tenant_whose_name_leads_elsewhere_has_no_folder(opened: Opened, tmp_path: Path, tenant: str) -> None:
    subscribe(tmp_path, "a/b", FOLDER)
    (tmp_path / "x.toml").write_text("[[reports]]")
    assert opened().overview(tenant) == {"problem": "", "reports": []}


def test_a_stop_begins_nothing_more(opened: Opened, tenant: str, tmp_path: Path) -> None:
    subscribe(tmp_path, tenant, FOLDER)
    reports = opened()
    reports.run_now(tenant, "daily", "ann")
    reports.stop()
    reports.tick()
    assert [one.state for one in reports.jobs(tenant).history()] == [State.PENDING]


def test_without_a_folder_of_subscriptions_there_is_nothing(opened: Opened, tenant: str) -> None:
    reports = opened(reports_dir=None)
    reports.tick()
    assert reports.overview(tenant) == {"problem": "", "reports": []}


def test_settings_show_no_password(settings: Settings) -> None:
    shown = repr(settings.model_copy(update={"smtp_password": "hunter2"}))
    assert "hunter2" not in shown
