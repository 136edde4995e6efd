"""Reports on a schedule: whether the newest run of each reached everybody."""

from __future__ import annotations

from collections.abc import Iterator

from api.delivering import tenant_folders
from api.doctor.model import Finding, Status, Subject, counted
from core import ConfigurationError
from kpis.deliveries import Standing, Trouble, load_subscriptions, standings

MOST = 5
"""So many are told."""


def deliveries(subject: Subject) -> Iterator[Finding]:
    """Reports whose newest run failed or waits for another attempt, and subscriptions that are not in force."""
    told: list[tuple[Status, str]] = []
    reports = 0
    for tenant, problem, found in _read(subject):
        reports += len(found)
        if problem:
            told.append((Status.WARN, f"{tenant}: a newer set of subscriptions is not in force: {problem}"))
        told += [
            (Status.FAIL if one.failed else Status.WARN, f"{tenant}/{one.subscription}: {_said(one)}")
            for one in found
            if one.troubled
        ]
    if not (told or reports):
        return
    told.sort(key=lambda one: one[0] is not Status.FAIL)
    seen = "; ".join(text for _, text in told[:MOST])
    if len(told) > MOST:
        seen += f"; and {len(told) - MOST:,} more"
    yield Finding(
        "jobs.reports",
        told[0][0] if told else Status.OK,
        seen or f"{counted(reports, 'report')}, none in trouble",
        "Somebody waits for numbers that do not come.",
        "`opsintel kpi reports runs --failed` has every attempt; set right what it names, then"
        " `opsintel kpi reports retry RUN`. What waits is tried again by itself.",
        {"reports": reports, "in_trouble": len(told)},
    )


def _read(subject: Subject) -> Iterator[tuple[str, str, tuple[Standing, ...]]]:
    """Tenant, why its newest subscriptions are not in force, and how its reports stand."""
    if subject.running is not None:
        for tenant in subject.running.reports.tenants():
            yield tenant, *subject.running.reports.standings(tenant)
        return
    assert subject.state is not None  # checks of the state database are run with one
    for folder in tenant_folders(subject.settings.reports_dir):
        try:
            yield folder.name, "", standings(subject.state, folder.name, load_subscriptions(folder))
        except ConfigurationError as problem:
            yield folder.name, problem.message, ()


def _said(one: Standing) -> str:
    parts = [f"its runs cannot be created: {one.problem}"] if one.problem else []
    parts += [_trouble(trouble) for trouble in one.troubles]
    last = f"{one.last_sent:%Y-%m-%d %H:%M} UTC" if one.last_sent else "never"
    return f"{', '.join(parts)} (last delivered: {last})"


def _trouble(one: Trouble) -> str:
    where = f"to {one.target}" if one.target else "its file"
    after = f"after {counted(one.attempts, 'attempt')}"
    came = f"is tried again at {one.next_try:%H:%M} UTC" if one.next_try else f"failed {after}"
    return f"{where} {came}: {one.detail}"
