"""The state database, the API keys and the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy.engine import make_url

from api.doctor.model import Finding, Status, Subject, graded, size_text
from api.keys import ApiKeys
from core.wording import span
from storage import StateDb
from storage.state.database import state_revisions

SOON = timedelta(days=14)
JOBS = {"alerts": "alert_interval_s", "balance": "balance_interval_s", "kpis": "kpi_interval_s",
        "retention": "retention_interval_s"}  # fmt: skip


def integrity(subject: Subject) -> Iterator[Finding]:
    """Whether the database is sound, and how large."""
    state = _state(subject)
    with state.connect() as connection:
        if state.engine.dialect.name != "sqlite":
            connection.exec_driver_sql("SELECT 1")
            yield Finding("state.integrity", Status.OK, f"{state.engine.dialect.name} answers")
            return
        rows = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    sound = rows == ["ok"]
    yield Finding(
        "state.integrity",
        Status.OK if sound else Status.FAIL,
        "SQLite's quick check finds nothing wrong" if sound else "; ".join(rows)[:300],
        "Alerts, keys, commands, the ledger and the audit chain live there.",
        "Stop the service, keep a copy, and restore a backup; `sqlite3 state.db .recover` saves what can be saved.",
        {"result": rows},
    )
    path = Path(str(make_url(subject.settings.state_url).database or ""))
    if not path.is_file():
        return
    log = path.with_name(path.name + "-wal")
    logged = log.stat().st_size if log.exists() else 0
    yield Finding(
        "state.size",
        graded(logged, 256 << 20, 4 << 30),
        f"{size_text(path.stat().st_size)}, and {size_text(logged)} in its own log",
        "SQLite's log grows while a reader holds an old snapshot.",
        "Restart the service; look for another program that has the file open.",
        {"bytes": path.stat().st_size, "log_bytes": logged},
    )


def schema(subject: Subject) -> Iterator[Finding]:
    """Whether its tables are those of this release."""
    current, head = state_revisions(_state(subject))
    yield Finding(
        "state.schema",
        Status.OK if current == head else Status.WARN,
        f"at revision {current}" if current == head else f"at revision {current or 'none'}, this release has {head}",
        "An older one is brought up at the next start; a newer one was made by a newer release.",
        "`opsintel migrate` brings it up; or run the release that made it.",
        {"current": current, "head": head},
    )


def keys(subject: Subject) -> Iterator[Finding]:
    """Keys that end soon, and whether there are any."""
    now = subject.clock.now()
    every = ApiKeys(_state(subject), subject.clock).list()
    valid = [one for one in every if one.valid(now)]
    soon = [one for one in valid if one.expires_at is not None and one.expires_at - now <= SOON]
    if soon:
        yield Finding(
            "keys.expiry",
            Status.WARN,
            "; ".join(
                f"{one.name} ({one.prefix}) ends in {span((one.expires_at - now).total_seconds())}"
                for one in sorted(soon, key=lambda one: one.expires_at or now)[:5]
                if one.expires_at
            ),
            "Whoever uses it is refused from then on, senders of telemetry too.",
            "Make a new one (`opsintel token create`), hand it over, then revoke the old one.",
            {"keys": [one.prefix for one in soon]},
        )
    elif not valid and not subject.settings.admin_token:
        open_here = subject.settings.loopback_only and not every
        yield Finding(
            "keys.expiry",
            Status.WARN,
            "no key was ever made: everybody on this machine may do everything"
            if open_here
            else "no key is in force: nobody can get in",
            "Fine for trying out on one's own machine, and for nothing else." if open_here else "All keys have ended.",
            "`opsintel token create --name … --role admin`",
        )
    else:
        yield Finding("keys.expiry", Status.OK, f"{len(valid):,} in force, none ends within {SOON.days} days")


def jobs(subject: Subject) -> Iterator[Finding]:
    """When each scheduled job succeeded last."""
    running = subject.running
    if running is None:
        return
    if not subject.settings.jobs_enabled:
        yield Finding(
            "jobs.runs",
            Status.WARN,
            "this process runs none",
            "Without jobs there are no new KPI values, alerts, balances and no retention.",
            "Make sure that one process has OPSINTEL_JOBS_ENABLED=true.",
        )
        return
    read, now = running.own.registry.get_sample_value, subject.clock.now().timestamp()
    late, told = [], []
    for job, setting in JOBS.items():
        every = float(getattr(subject.settings, setting))
        at = read("opsintel_job_last_success_timestamp_seconds", {"job": job})
        failed = read("opsintel_job_runs_total", {"job": job, "outcome": "failure"}) or 0
        if at is not None:
            told.append(f"{job} {span(max(0.0, now - at))} ago")
        if (at is not None and now - at > 10 * every + 60) or (at is None and failed):
            late.append(f"{job} has failed {failed:,.0f} times, and succeeded {told[-1] if at else 'never'}")
    yield Finding(
        "jobs.runs",
        Status.FAIL if late else Status.OK,
        "; ".join(late) or ("last: " + ", ".join(told) if told else "none has ended yet"),
        "Numbers, alerts and retention are as old as the job that makes them.",
        "Look at the service's log for 'job failed'.",
    )


def kpi_files(subject: Subject) -> Iterator[Finding]:
    """Files of tenants' own KPIs that are not in force as they stand."""
    running, folder = subject.running, subject.settings.kpi_overrides_dir
    if running is None or folder is None:
        return
    wrong = running.definitions.problems()
    yield Finding(
        "jobs.kpi_files",
        Status.WARN if wrong else Status.OK,
        "; ".join(f"{one} (in force: {one.in_force})" for one in wrong[:5]) or f"all of {folder} are in force",
        "What stands in them does not hold: targets, KPIs and calendars are as they were, or the product's own.",
        "Correct the file; it is read again within a run of the KPI jobs. `opsintel kpi check` tries it before.",
        {"wrong": len(wrong)},
    )


def _state(subject: Subject) -> StateDb:
    assert subject.state is not None  # checks of the state database are run with one
    return subject.state
