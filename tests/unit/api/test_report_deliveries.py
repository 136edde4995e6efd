"""Reports on a schedule through the whole application: they arrive, can be looked at, asked for and tried again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import openpyxl
import pypdfium2
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.doctor import Finding, Status, examine_running
from api.reads import ServiceReads
from api.schedule import MISFIRE_GRACE_S, JobSchedule
from core import ConfigurationError, Role, load_settings
from storage import ClickHouse
from tests.unit.api.service import NOW, Api, serving
from tests.unit.api.test_routes import refused

PATH = "/api/v1/kpis/reports"
REPORT = """[[reports]]
id = "{id}"
title = "Daily numbers of {mark}"
format = "{format}"
kpis = ["integration_failure_rate"]
dimensions = ["edge"]
period = "last_day"
grain = "day"
schedule = "0 6 * * *"
to = [{{ kind = "directory", path = "daily/{format}" }}]
"""


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Each tenant has its folder of subscriptions; nothing was due yet."""
    path = tmp_path_factory.mktemp("reports")
    with serving(clickhouse, path, reports_dir=path / "reports", report_files_dir=path / "files") as found:
        for shop in (found.shop, found.other):
            folder = path / "reports" / shop.tenant
            folder.mkdir(parents=True)
            for kind in ("xlsx", "pdf"):
                text = REPORT.format(id=f"daily-{kind}", mark=shop.mark, format=kind)
                (folder / f"{kind}.toml").write_text(text)
        (path / "reports" / "..data").mkdir()  # as mounted folders of Kubernetes have them
        found.services.reports.tick()
        yield found


def files(api: Api, tenant: str) -> dict[str, bytes]:
    """What lies in the tenant's folder, by ending."""
    root = api.services.settings.report_files_dir
    assert root
    return {file.suffix: file.read_bytes() for file in (root / tenant).rglob("*") if file.is_file()}


@contextmanager
def full(api: Api) -> Iterator[None]:
    """Nothing can be written to the shop's files. Another moment than that of the last run."""
    root = api.services.settings.report_files_dir
    assert root
    folder, away = root / api.shop.tenant, root / "away"
    folder.rename(away)
    folder.write_text("no folder")
    api.clock.advance(60)
    yield
    folder.unlink()
    away.rename(folder)


def test_a_scheduled_report_arrives_as_a_workbook_and_as_a_pdf(api: Api) -> None:
    """Each tenant's in its own folder, from its own numbers."""
    listed = api.get(PATH).json()
    assert listed["problem"] == ""
    assert {(one["id"], one["next_due"], one["last_run"]) for one in listed["reports"]} == {
        ("daily-pdf", "2026-03-03T06:00:00+00:00", None), ("daily-xlsx", "2026-03-03T06:00:00+00:00", None)
    }  # fmt: skip
    assert files(api, api.shop.tenant) == {}
    api.clock.advance((NOW.replace(hour=6) + timedelta(days=1) - NOW).total_seconds())
    api.services.reports.tick()
    for shop, stranger in ((api.shop, api.other), (api.other, api.shop)):
        found = files(api, shop.tenant)
        assert set(found) == {".xlsx", ".pdf"}
        book = openpyxl.load_workbook(io.BytesIO(found[".xlsx"]))
        cells = [cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row]
        assert f"orders->{shop.mark}" in cells
        assert 0.5 in cells
        document = pypdfium2.PdfDocument(found[".pdf"])
        text = "".join(page.get_textpage().get_text_range() for page in document)
        document.close()
        assert f"Daily numbers of {shop.mark}" in text
        assert stranger.mark not in str(cells) + text


def test_the_history_shows_the_runs_of_the_own_tenant_alone(api: Api) -> None:
    runs = api.get(f"{PATH}/runs").json()["runs"]
    assert sorted(one["subscription"] for one in runs) == ["daily-pdf", "daily-xlsx"]
    assert {(one["state"], one["requested_by"], one["period_end"]) for one in runs} == {
        ("rendered", "", "2026-03-03T00:00:00+00:00")
    }
    assert {letter["state"] for one in runs for letter in one["deliveries"]} == {"sent"}
    assert api.get(f"{PATH}/runs", failed=True).json() == {"runs": []}
    (only,) = api.get(f"{PATH}/runs", report="daily-pdf").json()["runs"]
    for path in (f"runs/{only['id']}/retry", f"deliveries/{only['deliveries'][0]['id']}/retry"):
        with api.client(api.other.keys[Role.ADMIN]) as stranger:
            refused(stranger.post(f"{PATH}/{path}"), 404)


def test_nothing_of_sent_reports_stays_in_the_spool(api: Api) -> None:
    assert [one for one in api.services.settings.report_spool.rglob("*") if one.is_file()] == []


def opsintel(api: Api, *arguments: str) -> Any:
    through = ("--url", api.url, "--token", api.shop.keys[Role.ADMIN])
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, ["kpi", "reports", *arguments, *through])


def doctor_on_reports(api: Api) -> Finding:
    (found,) = [one for one in examine_running(api.services).findings if one.id == "jobs.reports"]
    return found


def test_while_all_arrives_the_doctor_is_content(api: Api) -> None:
    told = doctor_on_reports(api)
    assert (told.status, told.seen) == (Status.OK, "4 reports, none in trouble")
    assert ServiceReads(api.services).undelivered(api.shop.tenant) == []


def test_a_failure_is_seen_on_every_face_and_mended_by_hand(api: Api) -> None:
    with full(api):
        run = opsintel(api, "run-now", "daily-xlsx").output.partition(":")[0]
        api.services.reports.tick()
    (found,) = api.get(f"{PATH}/runs", failed=True).json()["runs"]
    assert (found["id"], found["requested_by"]) == (run, f"admin of {api.shop.mark}")
    (letter,) = found["deliveries"]
    assert (letter["state"], letter["attempts"]) == ("retry", 1)
    assert letter["detail"].startswith("the folder cannot be written to: ")
    shown = opsintel(api, "runs", "--failed").output
    assert run in shown
    assert letter["detail"] in shown
    assert " retry " in opsintel(api, "list").output
    text = api.get("/metrics").text
    assert 'opsintel_report_items{kind="directory",state="retry"} 1.0' in text
    assert 'opsintel_report_attempts_total{kind="directory",outcome="retry"} 1.0' in text
    assert f'opsintel_report_undelivered{{report="daily-xlsx",tenant="{api.shop.tenant}"}} 1.0' in text
    assert f'opsintel_report_last_delivery_timestamp_seconds{{report="daily-pdf",tenant="{api.shop.tenant}"}}' in text
    assert f'opsintel_report_undelivered{{report="daily-xlsx",tenant="{api.other.tenant}"}}' not in text
    told = doctor_on_reports(api)
    assert told.status is Status.WARN
    assert told.seen.startswith(
        f"{api.shop.tenant}/daily-xlsx: to directory daily/xlsx is tried again at 06:01 UTC: the folder cannot be "
    )
    assert told.seen.endswith("(last delivered: 2026-03-03 06:00 UTC)")
    (missing,) = ServiceReads(api.services).undelivered(api.shop.tenant)
    assert (missing.title, missing.target) == (f"Daily numbers of {api.shop.mark}", "directory daily/xlsx")
    assert missing.why == letter["detail"]
    assert missing.next_try is not None
    assert ServiceReads(api.services).undelivered(api.other.tenant) == []
    assert opsintel(api, "retry", run).output == f"{run}: 1 due now\n"
    api.services.reports.tick()
    assert api.get(f"{PATH}/runs", failed=True).json() == {"runs": []}
    said = refused(api.post(f"{PATH}/runs/{run}/retry", None), 409)
    assert said == f"no delivery of the run '{run}' has failed"
    actions = [(one.action, one.subject) for one in api.services.audit.entries(api.shop.tenant, 2)]
    assert actions == [("report.retry", run), ("report.run", run)]


def test_one_delivery_is_tried_again(api: Api) -> None:
    with full(api):
        assert api.post(f"{PATH}/daily-pdf/run", None, Role.OPERATOR).status_code == 202
        api.services.reports.tick()
    (run,) = api.get(f"{PATH}/runs", failed=True).json()["runs"]
    path = f"{PATH}/deliveries/{run['deliveries'][0]['id']}/retry"
    assert api.post(path, None, Role.OPERATOR).json() == {"tried": 1}
    api.services.reports.tick()
    assert "does not take" in refused(api.post(path, None, Role.OPERATOR), 409)


@pytest.mark.parametrize("path", ["daily-pdf/run", "runs/x/retry", "deliveries/x/retry"])
def test_who_may_only_look_has_nothing_sent(api: Api, path: str) -> None:
    assert "'operator'" in refused(api.post(f"{PATH}/{path}", None, Role.VIEWER), 403)


@pytest.mark.parametrize("path", ["", "/runs"])
def test_who_may_only_push_does_not_look(api: Api, path: str) -> None:
    refused(api.get(f"{PATH}{path}", Role.INGEST), 403)


@pytest.mark.parametrize("path", ["nothing/run", "runs/nothing/retry", "deliveries/nothing/retry"])
def test_what_is_not_there_is_not_found(api: Api, path: str) -> None:
    assert "'nothing'" in refused(api.post(f"{PATH}/{path}", None), 404)


def test_a_limit_out_of_range_is_the_callers_mistake(api: Api) -> None:
    refused(api.get(f"{PATH}/runs", limit=0), 400)


def listed(api: Api) -> Any:
    return api.get(PATH).json()


def test_a_wrong_file_is_told_and_leaves_the_set_in_force(api: Api) -> None:
    """Until it is mended; the other tenant does not notice."""
    file = api.services.settings.reports_dir / api.shop.tenant / "wrong.toml"  # type: ignore[operator]
    file.write_text(REPORT.format(id="wrong", mark="x", format="doc"))
    found = listed(api)
    assert found["problem"].startswith("wrong.toml: report 'wrong': format: ")
    assert [one["id"] for one in found["reports"]] == ["daily-pdf", "daily-xlsx"]
    assert "not in force: wrong.toml" in opsintel(api, "list").output
    assert "opsintel_report_wrong_folders 1.0" in api.get("/metrics").text
    told = doctor_on_reports(api)
    assert (told.status, "not in force: wrong.toml: report 'wrong': format" in told.seen) == (Status.WARN, True)
    (missing,) = ServiceReads(api.services).undelivered(api.shop.tenant)
    assert (missing.title, missing.why) == ("A newer set of reports is not in force", found["problem"])
    api.services.reports.tick()
    file.unlink()
    assert listed(api)["problem"] == ""


def test_subscriptions_are_checked_without_a_service(api: Api) -> None:
    folder = api.services.settings.reports_dir / api.shop.tenant  # type: ignore[operator]
    found = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["kpi", "reports", "check", str(folder)])
    assert (found.exit_code, "daily-xlsx" in found.output) == (0, True)
    (folder / "b.toml").write_text(REPORT.format(id="b", mark="x", format="pdf").replace("_rate", "_rat"))
    found = CliRunner().invoke(app, ["kpi", "reports", "check", str(folder)])
    (folder / "b.toml").unlink()
    assert "there is no KPI 'integration_failure_rat'" in str(found.exception)


def test_the_job_looks_every_minute_and_makes_up_what_it_missed(api: Api) -> None:
    job = JobSchedule(api.services)._scheduler._pending_jobs  # not started: jobs wait there
    (found,) = [one for one, *_ in job if one.id == "reports"]
    assert found.trigger.interval == timedelta(minutes=1)
    assert MISFIRE_GRACE_S == 3_600


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"smtp_host": "mail.example.com"}, "smtp_sender"),
        ({"smtp_host": "mail.example.com", "smtp_sender": "Shop <a@example.com>"}, "smtp_sender"),
        ({"smtp_host": "mail.example.com", "smtp_sender": "a@example.com", "smtp_security": "plain"}, "this machine"),
        ({"smtp_user": "ops"}, "belong together"),
        ({"smtp_user": "ops", "smtp_password": "hunter2 ä"}, "smtp_password"),
    ],
)
def test_wrong_settings_of_the_mail_server(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_settings(**settings)
    assert "hunter2" not in str(caught.value)
