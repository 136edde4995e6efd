"""Runs the checks: on a running service from within, on a stopped one with its stores opened and nothing migrated.

A check that cannot look says so as a warning and does not keep the others from looking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy.engine import make_url

from api.doctor import engine, ingest, log, machine, reports, state
from api.doctor.model import Check, Finding, Report, Status, Subject
from api.lock import data_directory
from api.services import Services
from api.version import VERSION
from core import Clock, Conflict, OpsintelError, Settings
from storage import open_clickhouse, open_state

EVERYWHERE: tuple[Check, ...] = (
    log.size, log.oldest, log.damage, log.sync, machine.disk, machine.permissions, machine.memory, machine.descriptors,
    machine.ports,
)  # fmt: skip
WITH_STATE: tuple[Check, ...] = (
    state.integrity, state.schema, state.keys, state.jobs, state.kpi_files, reports.deliveries, ingest.ledger,
)  # fmt: skip
WITH_ENGINE: tuple[Check, ...] = (
    engine.version, engine.schema, engine.parts, engine.broken, engine.mutations, engine.deduplication,
    engine.retention, ingest.lag, ingest.clocks, ingest.skew,
)  # fmt: skip
AREAS = ("service", "log", "disk", "ingest", "ledger", "engine", "clock", "state", "keys", "jobs", "machine")


def examine(subject: Subject, before: Sequence[Finding] = ()) -> Report:
    """Every check that the subject allows, in the order of the areas."""
    checks = list(EVERYWHERE)
    if subject.state is not None:
        checks += WITH_STATE
    if subject.ch is not None:
        checks += WITH_ENGINE
    findings = [*before, *(finding for check in checks for finding in _looked(check, subject))]
    findings.sort(key=lambda one: AREAS.index(one.area))
    outside = "a directory that a service has, seen from outside" if subject.in_use else "a stopped service"
    where = "a running service" if subject.running else outside
    name = f"{where}: {subject.settings.data_dir.absolute()}"
    return Report(subject.clock.now(), VERSION, name, tuple(findings))


def examine_running(services: Services) -> Report:
    """From within the service."""
    reasons = services.not_ready()
    ready = Finding(
        "service.ready",
        Status.FAIL if reasons else Status.OK,
        "; ".join(reasons) or "takes data and answers questions",
        "It does not do its work now.",
        "The service's log has the details.",
    )
    return examine(Subject(services.settings, services.clock, services.ch, services.state, services), [ready])


def examine_stopped(settings: Settings, clock: Clock) -> Report:
    """The data directory of a service that is not running; of one that is, what can be seen from outside."""
    with ExitStack() as stack:
        ch = database = None
        findings = []
        exists = settings.data_dir.absolute().is_dir()
        locked = False
        try:
            if exists:
                stack.enter_context(data_directory(settings.data_dir.absolute()))
        except Conflict as error:
            locked = True
            url = f"http://{settings.http_host}:{settings.http_port}"
            findings.append(
                Finding(
                    "service.running",
                    Status.WARN,
                    error.message,
                    "The embedded engine has one owner, so engine, ingest and clocks were not looked at.",
                    f"Ask the service itself: `opsintel doctor --url {url}`",
                )
            )
        except OSError as error:
            findings.append(
                Finding("service.running", Status.FAIL, f"the data directory cannot be opened: {error.strerror}")
            )
            locked = True
        try:
            if _state_exists(settings):
                database = open_state(settings)
                stack.callback(database.close)
        except OpsintelError as error:
            findings.append(_unopened("state", "state database", error))
        try:
            if _engine_exists(settings) and not (locked and settings.embedded):
                ch = open_clickhouse(settings)
                stack.callback(ch.close)
        except OpsintelError as error:
            findings.append(_unopened("engine", "engine", error))
        if not locked:
            findings.append(Finding("service.running", Status.OK, "the service is not running here"))
        return examine(Subject(settings, clock, ch, database, in_use=locked), findings)


def _unopened(area: str, name: str, error: OpsintelError) -> Finding:
    why = f"Without the {name} the service does not start."
    return Finding(f"{area}.open", Status.FAIL, error.message, why, error.hint)


def _looked(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check(subject)
    except (OpsintelError, OSError) as error:
        room = check.__module__.rpartition(".")[2]
        area = {"log": "log", "machine": "machine", "engine": "engine", "ingest": "ingest", "reports": "jobs"}.get(
            room, "state"
        )
        why = error.message if isinstance(error, OpsintelError) else str(error)
        yield Finding(
            f"{area}.{check.__name__}",
            Status.WARN,
            f"could not be looked at: {why}",
            "What this check would have told is not known.",
            error.hint if isinstance(error, OpsintelError) else "",
        )


def _state_exists(settings: Settings) -> bool:
    """Whether there is something to open: opening must not make an empty database."""
    url = make_url(settings.state_url)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file()


def _engine_exists(settings: Settings) -> bool:
    return not settings.embedded or Path(settings.clickhouse_url.removeprefix("chdb://")).is_dir()
