"""Brings the cases of a stream up to date where no service does: for the command line, on a stopped service's data.

In the order of the service's job: steps are found for cases, then the cases are made. When the first fails, the cases
are made of what is known without it, and the log says so.
"""

from __future__ import annotations

from collections.abc import Callable

from core import Clock, OpsintelError, get_logger
from kpis import CaseJobs, ProcessModels
from kpis.process import ResolutionJobs, span_rules
from storage import ClickHouse

log = get_logger("api.jobs")


def refresh_cases(ch: ClickHouse, clock: Clock, models: ProcessModels, tenant: str, stream: str) -> None:
    """Takes in what is new. Raises StorageError and its kin."""
    _quietly(lambda: _resolution(ch, clock, models).run_once(tenant))
    CaseJobs(ch, clock, models.streams).run_once(tenant, stream)


def rebuild_cases(ch: ClickHouse, clock: Clock, models: ProcessModels, tenant: str, stream: str) -> int:
    """Looks at all spans and events, makes all cases of the stream anew: how many. Raises StorageError and its kin."""
    _quietly(lambda: _resolution(ch, clock, models).rebuild(tenant))
    return CaseJobs(ch, clock, models.streams).rebuild(tenant, stream).cases


def _resolution(ch: ClickHouse, clock: Clock, models: ProcessModels) -> ResolutionJobs:
    return ResolutionJobs(ch, clock, lambda: span_rules(models.streams()))


def _quietly(find: Callable[[], object]) -> None:
    try:
        find()
    except OpsintelError as error:
        log.error("job failed", job="resolution", error=str(error))
