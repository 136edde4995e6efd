"""How a report stands: by its newest run that is over or in trouble, whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from core import InvalidInput
from core.sending import Delivered, Rejected, Result, RetryAfter
from kpis.deliveries import Sender, Standing, State, standings
from kpis.deliveries.gauges import render_gauges
from kpis.deliveries.parcels import Parcel
from kpis.deliveries.subscriptions import DirectoryTarget, Target
from storage import StateDb
from tests.unit.kpis_deliveries.world import FOLDER, START, World

HOOK = 'kind = "webhook", url = "https://hooks.example.com/secret-path", secret_env = "REPORT_HOOK"'
DUE = timedelta(hours=21)
"""From the start to the first due time."""


@dataclass(frozen=True)
class Answering(Sender):
    """Folders take everything; of webhooks comes what it is told."""

    answer: Result = Delivered()  # noqa: RUF009 it is frozen

    def send(self, target: Target, parcel: Parcel, now: object) -> Result:
        return Delivered() if isinstance(target, DirectoryTarget) else self.answer


@pytest.fixture
def world(state: StateDb, tmp_path: Path) -> World:
    found = World(state, tmp_path, FOLDER, HOOK)
    found.tick()
    return found


def answer(world: World, result: Result) -> None:
    world.sender = Answering({}, answer=result)
    world.jobs = world.restarted()


def only(world: World) -> Standing:
    (found,) = world.jobs.standings()
    return found


def test_before_its_first_run_a_report_stands_nowhere(world: World) -> None:
    found = only(world)
    assert (found.state, found.run, found.last_sent, found.troubled) == (None, None, None, False)
    text = render_gauges("acme", (found,)).decode()
    assert 'opsintel_report_undelivered{report="weekly",tenant="acme"} 0.0' in text
    assert "opsintel_report_last_delivery_timestamp_seconds{" not in text


def test_what_failed_is_told_until_a_newer_run_reaches_everybody(world: World) -> None:
    answer(world, Rejected("the receiver answered 410"))
    world.tick(DUE)
    found = only(world)
    assert (found.state, found.last_sent, found.failed) == (State.FAILED, None, True)
    (trouble,) = found.troubles
    assert (trouble.target, trouble.detail) == ("webhook https://hooks.example.com", "the receiver answered 410")
    assert (trouble.attempts, trouble.next_try) == (1, None)
    assert 'opsintel_report_undelivered{report="weekly",tenant="acme"} 1.0' in render_gauges("acme", (found,)).decode()

    answer(world, Delivered())
    at = START + DUE + timedelta(days=1)
    world.tick(at - START)
    found = only(world)
    assert (found.state, found.last_sent, found.troubled) == (State.SENT, at, False)
    text = render_gauges("acme", (found,)).decode()
    assert 'opsintel_report_undelivered{report="weekly",tenant="acme"} 0.0' in text
    assert 'opsintel_report_last_delivery_timestamp_seconds{report="weekly",tenant="acme"} 1.772604e+09' in text


def test_what_is_under_way_does_not_hide_what_failed_before(world: World) -> None:
    """A run that was just asked for tells nothing yet; nor does a delivery that a person has made due again."""
    answer(world, Delivered())
    world.tick(DUE)
    first = only(world).last_sent
    answer(world, RetryAfter("no answer", 120.0))
    world.tick(DUE + timedelta(days=1))
    found = only(world)
    assert (found.state, found.last_sent, found.failed) == (State.RETRY, first, False)
    assert found.troubles[0].next_try == START + DUE + timedelta(days=1, seconds=120)
    world.clock.advance(1)
    world.jobs.run_now("weekly")
    assert only(world) == found
    assert found.run
    world.jobs.retry_run(found.run.id)
    assert (only(world).state, only(world).last_sent) == (State.SENT, first)


def test_a_report_that_cannot_be_rendered_names_no_target(world: World) -> None:
    world.problem = InvalidInput("no such grain")
    world.tick(DUE)
    found = only(world)
    assert found.state is State.FAILED
    assert [(one.target, one.detail) for one in found.troubles] == [("", "it cannot be rendered: no such grain")]


def test_missed_times_change_nothing_and_of_what_was_taken_out_nothing_is_told(world: World) -> None:
    answer(world, Rejected("the receiver answered 410"))
    world.tick(DUE)
    world.tick(DUE + timedelta(days=3))
    found = only(world)
    assert found.run
    assert found.run.scheduled_at == START.replace(hour=5) + timedelta(days=4)
    (world.folder / "a.toml").unlink()
    world.jobs.reload()
    assert world.jobs.standings() == ()


def test_another_tenants_runs_are_not_seen(world: World, state: StateDb) -> None:
    answer(world, Rejected("the receiver answered 410"))
    world.tick(DUE)
    (found,) = standings(state, "other", world.jobs.subscriptions)
    assert found.run is None
