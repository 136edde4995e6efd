"""Scheduled reports: runs, attempts, what goes wrong, and what remains of it; files in a folder."""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ConfigurationError, Conflict, InvalidInput, NotFound, Settings, StoreUnavailable, load_settings
from core.sending import Delivered, Result
from kpis.deliveries import Sender, State, load_subscriptions
from kpis.deliveries.parcels import Parcel
from kpis.deliveries.states import TRANSITIONS, Input, advance
from kpis.deliveries.subscriptions import Target, target_key
from storage import StateDb, open_state
from tests.unit.kpis_deliveries.world import CONTENT, FOLDER, LEASE_OVER, REPORT, START, World


@dataclass(frozen=True)
class Noting(Sender):
    """Notes what is sent, and does what it is told in between."""

    sent: list[str] = field(default_factory=list)
    meanwhile: Any = None

    def send(self, target: Target, parcel: Parcel, now: datetime) -> Result:
        self.sent.append(parcel.id)
        if self.meanwhile:
            self.meanwhile(target)
        return Delivered()


def noting(world: World, meanwhile: Any = None) -> list[str]:
    """What the world sends from now on, noted."""
    world.sender = Noting({}, meanwhile=meanwhile)
    world.jobs = world.restarted()
    return world.sender.sent


def test_missed_times_are_made_up_once_and_the_older_ones_shown_as_skipped(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.tick()
    assert world.jobs.history() == ()
    for _ in range(3):
        world.tick(timedelta(days=3))
        world.jobs = world.restarted()
    newest, *older = world.jobs.history()
    assert newest.scheduled_at == datetime(2026, 3, 5, 5, tzinfo=UTC)
    assert newest.state is State.RENDERED
    assert [one.state for one in older] == [State.SKIPPED] * 2
    assert world.rendered == 1
    (letter,) = world.jobs.deliveries()
    (file,) = (world.root / "out").iterdir()
    assert (letter.state, letter.target) == (State.SENT, "out")
    assert (file.name, file.read_bytes()) == (f"r-{letter.id}.csv", CONTENT)
    assert world.seen == [("run", "delivered"), ("directory", "delivered")]


def test_a_skipped_run_can_be_made_up_by_hand(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.tick()
    world.tick(timedelta(days=2))
    _, skipped = world.jobs.history()
    assert world.jobs.retry_run(skipped.id) == 1
    world.tick(timedelta(days=2))
    assert [one.state for one in world.jobs.history()] == [State.RENDERED] * 2
    assert world.states() == [State.SENT] * 2


def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before the claim of the process that died has ended; nothing is rendered again."""
    world = World(state, tmp_path, FOLDER)
    sent = noting(world)
    world.jobs.run_now("weekly")
    with monkeypatch.context() as patch:
        patch.setattr(world.jobs, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.tick()
    world.jobs = world.restarted()
    world.tick(LEASE_OVER - timedelta(seconds=1))
    assert (world.states(), len(sent)) == ([State.PENDING], 1)
    world.tick(LEASE_OVER)
    assert world.states() == [State.SENT]
    assert sent == [world.jobs.deliveries()[0].id] * 2
    assert world.rendered == 1


# --- what nobody foresaw ---


def test_an_unforeseen_failure_of_one_target_is_its_own_and_the_others_are_sent(state: StateDb, tmp_path: Path) -> None:
    def trip(target: Target) -> None:
        if "broken" in target.model_dump_json():
            raise ZeroDivisionError("a mistake of ours")

    others = [f'kind = "directory", path = "{name}"' for name in ("a", "broken", "z")]
    world = World(state, tmp_path, *others)
    noting(world, trip)
    world.jobs.run_now("weekly")
    for seconds in (0, 10, 30):
        assert world.tick(seconds).problems == []
    found = {one.target: (one.state, one.attempts, one.detail) for one in world.jobs.deliveries()}
    assert found == {
        "a": (State.SENT, 1, ""),
        "broken": (State.FAILED, 3, "it could not be sent: ZeroDivisionError"),
        "z": (State.SENT, 1, ""),
    }
    assert [one.target for one in world.jobs.failures()] == ["broken"]


def test_a_store_that_fails_while_a_report_is_built_is_seen_and_tried_again(state: StateDb, tmp_path: Path) -> None:
    """What its error names of ours is in the log alone."""
    world = World(state, tmp_path, FOLDER)
    world.problem = StoreUnavailable("host db7 is gone")
    world.jobs.run_now("weekly")
    for seconds in (0, 9, 10, 30):
        world.tick(seconds)
    (run,) = world.jobs.history()
    assert (run.state, run.attempts) == (State.FAILED, 3)
    assert "StoreUnavailable" in run.detail
    assert "db7" not in run.detail
    assert world.spooled() == []
    world.problem = None
    world.jobs.retry_run(run.id)
    world.tick(30)
    assert world.states() == [State.SENT]
    with pytest.raises(Conflict, match="no delivery of the run"):
        world.jobs.retry_run(run.id)


def test_a_mistake_in_a_renderer_is_seen_too(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.problem = ZeroDivisionError("secret")
    world.jobs.run_now("weekly")
    world.tick()
    (run,) = world.jobs.history(troubled=True)
    assert (run.state, run.detail) == (State.RETRY, "it could not be rendered: ZeroDivisionError")


def test_a_question_that_is_wrong_fails_at_once_and_can_be_asked_again(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.problem = InvalidInput("no such dimension")
    run_id = world.jobs.run_now("weekly", "ann")
    world.tick()
    (run,) = world.jobs.history()
    assert (run.id, run.state, run.detail) == (run_id, State.FAILED, "it cannot be rendered: no such dimension")
    assert run.requested_by == "ann"
    world.problem = None
    world.jobs.retry_run(run.id)
    world.tick()
    assert [one.state for one in world.jobs.history()] == [State.RENDERED]
    with pytest.raises(NotFound):
        world.jobs.retry_run("nothing")


def test_a_report_whose_runs_cannot_be_created_says_so_and_the_others_go_on(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(state, tmp_path, FOLDER)
    (world.folder / "b.toml").write_text(REPORT.replace('"weekly"', '"another"').replace("{to}", "{" + FOLDER + "}"))
    world.jobs.reload()
    world.tick()
    store = world.jobs._store
    create = store.create_due

    def failing(subscription: str, *rest: Any) -> int:
        if subscription == "another":
            raise StoreUnavailable("the state database is busy")
        return create(subscription, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(store, "create_due", failing)
        report = world.tick(timedelta(days=1))
    assert (report.created, report.sent) == (1, 1)
    assert [one.partition(":")[0] for one in report.problems] == ["report 'another'"]
    assert "StoreUnavailable" in world.jobs.problem("another")
    assert world.tick(timedelta(days=1)).created == 1
    assert (world.jobs.problem("another"), world.states()) == ("", [State.SENT] * 2)


def test_a_state_database_that_is_gone_ends_no_tick_with_an_error_of_its_own(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Any:
        raise StoreUnavailable("gone")

    world = World(state, tmp_path, FOLDER)
    with monkeypatch.context() as patch:
        patch.setattr(state, "begin", gone)
        patch.setattr(state, "connect", gone)
        assert len(world.tick().problems) == 4
    assert world.tick().problems == []


# --- two at once ---


def test_of_two_processes_that_tick_at_once_one_sends(state: StateDb, settings: Settings, tmp_path: Path) -> None:
    """The second ticks while the first has the letter in its hands: it finds nothing to do."""
    world = World(state, tmp_path, FOLDER)
    other_state = open_state(settings)
    found: list[Any] = []

    def meanwhile(_target: Target) -> None:
        other = world.restarted(other_state)
        found.append(other.tick())
        with pytest.raises(Conflict, match="is being worked on now"):
            other.retry(other.deliveries()[0].id)

    sent = noting(world, meanwhile)
    world.while_rendering = lambda: found.append(world.restarted(other_state).tick())
    world.jobs.run_now("weekly")
    world.tick()
    other_state.close()
    assert [(one.rendered, one.sent, one.failed) for one in found] == [(0, 0, 0)] * 2
    assert (len(sent), world.rendered, world.states()) == (1, 1, [State.SENT])


def test_many_ticks_side_by_side_send_each_letter_once(state: StateDb, settings: Settings, tmp_path: Path) -> None:
    world = World(state, tmp_path, *(f'kind = "directory", path = "{name}"' for name in "abcdefgh"))
    sent = noting(world)
    world.tick()
    world.clock.advance(86_400)
    states = [open_state(settings) for _ in range(3)]
    processes = [world.restarted(one) for one in states]
    gate = threading.Barrier(3)

    def run(jobs: Any) -> None:
        gate.wait()
        for _ in range(3):
            problems.extend(jobs.tick().problems)

    problems: list[str] = []
    threads = [threading.Thread(target=run, args=(jobs,)) for jobs in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in states:
        one.close()
    assert (problems, world.rendered) == ([], 1)
    assert sorted(sent) == sorted(one.id for one in world.jobs.deliveries())
    assert world.states() == [State.SENT] * 8


def test_who_rendered_for_longer_than_its_claim_changes_nothing(state: StateDb, tmp_path: Path) -> None:
    """The other's file is the one that is sent."""
    world = World(state, tmp_path, FOLDER)
    sent = noting(world)

    def slow() -> None:
        world.while_rendering = lambda: None
        world.clock.advance(LEASE_OVER.total_seconds())
        assert world.restarted().tick().sent == 1

    world.while_rendering = slow
    world.jobs.run_now("weekly")
    report = world.jobs.tick()
    assert (report.rendered, report.sent, world.rendered, len(sent)) == (0, 0, 2, 1)
    assert world.spooled() == []


# --- the spool ---


def test_a_file_stays_in_the_spool_until_the_last_target_has_it(state: StateDb, tmp_path: Path) -> None:
    troubles = [OSError("busy")]

    def trip(target: Target) -> None:
        if "late" in target.model_dump_json() and troubles:
            raise troubles.pop()

    world = World(state, tmp_path, FOLDER, 'kind = "directory", path = "late"')
    noting(world, trip)
    world.jobs.run_now("weekly")
    world.tick()
    (name,) = world.spooled()
    assert (world.spool / name).read_bytes() == CONTENT
    assert (world.spool.stat().st_mode & 0o077, sorted(world.states())) == (0, [State.RETRY, State.SENT])
    world.tick(10)
    assert (world.spooled(), world.states()) == ([], [State.SENT] * 2)


@pytest.mark.parametrize("failing", [1, 2], ids=["the file", "the folder"])
def test_a_file_that_did_not_reach_the_disk_is_not_there(
    state: StateDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """While it is written it has another name; only what was synced, folder included, is called rendered."""
    world = World(state, tmp_path, FOLDER)
    seen: list[list[str]] = []
    world.while_rendering = lambda: seen.append(world.spooled())
    calls = itertools.count(1)
    fsync = os.fsync

    def full(handle: int) -> None:
        if next(calls) == failing:
            raise OSError(28, "No space left on device")
        fsync(handle)

    world.jobs.run_now("weekly")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        world.tick()
    assert [one.state for one in world.jobs.history()] == [State.RETRY]
    world.tick(10)
    assert world.states() == [State.SENT]
    assert [name[0] + name[-5:] for names in seen for name in names if name.startswith(".")] == ["..part"] * 2


def test_the_file_of_a_dead_letter_is_kept_for_its_time_and_then_removed(state: StateDb, tmp_path: Path) -> None:
    def trip(_target: Target) -> None:
        raise OSError("never")

    world = World(state, tmp_path, FOLDER)
    noting(world, trip)
    world.jobs.run_now("weekly")
    for seconds in (0, 10, 30):
        world.tick(seconds)
    world.write(FOLDER)
    (run,) = world.jobs.history()
    assert world.states() == [State.FAILED]
    world.tick(timedelta(days=13))
    assert len([one for one in world.spooled() if one.startswith(run.id)]) == 1
    world.tick(timedelta(days=15))
    assert [one for one in world.spooled() if one.startswith(run.id)] == []
    for ask in (lambda: world.jobs.retry_run(run.id), lambda: world.jobs.retry(run.deliveries[0].id)):
        with pytest.raises(Conflict, match="was removed when its time was over"):
            ask()


def test_what_a_crash_left_in_the_spool_is_swept_away(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.spool.mkdir()
    for name, days in ((".x.part", 2), ("orphan", 2), ("young", 0)):
        (world.spool / name).write_text("x")
        at = (START - timedelta(days=days)).timestamp()
        os.utime(world.spool / name, (at, at))
    world.tick()
    assert world.spooled() == ["young"]


def test_a_file_that_changed_in_the_spool_is_not_sent(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)

    def spoil(_target: Target) -> None:
        (world.spool / world.spooled()[0]).write_text("other")
        raise OSError("once")

    sent = noting(world, spoil)
    world.jobs.run_now("weekly")
    world.tick()
    world.tick(10)
    assert (world.states(), len(sent)) == ([State.FAILED], 1)
    assert world.details() == ["the file in the spool is not the one that was rendered"]


def test_runs_that_are_over_are_forgotten_after_their_time(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.jobs.run_now("weekly")
    world.tick()
    world.clock.advance(401 * 86_400)
    world.jobs = world.restarted()
    (world.folder / "a.toml").unlink()
    world.jobs.reload()
    world.jobs.tick()
    assert world.jobs.history() == ()


# --- by hand, and wrong files ---


def test_a_dead_letter_is_sent_when_asked_for_and_another_file_is_not_overwritten(
    state: StateDb, tmp_path: Path
) -> None:
    world = World(state, tmp_path, FOLDER)
    run = world.jobs.run_now("weekly")
    (world.root / "out").mkdir(parents=True)
    key = target_key(load_subscriptions(world.folder)[0].to[0])
    (file := world.root / "out" / f"r-{run}-{key}.csv").write_text("mine")
    world.tick()
    (letter,) = world.jobs.failures()
    assert file.read_text() == "mine"
    file.unlink()
    world.jobs.retry(letter.id)
    world.tick()
    assert world.states() == [State.SENT]
    with pytest.raises(Conflict):
        world.jobs.retry(letter.id)


def test_what_is_no_longer_subscribed_to_fails_with_that_reason(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    run = world.jobs.run_now("weekly")
    world.tick()
    world.clock.advance(1)
    world.jobs.run_now("weekly")
    (world.folder / "a.toml").unlink()
    world.jobs.reload()
    world.jobs.tick()
    newest, oldest = world.jobs.history()
    assert (newest.state, newest.detail, oldest.id) == (State.FAILED, "its subscription is gone", run)


def test_what_goes_to_a_target_that_is_gone_fails_with_that_reason(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    world.jobs.run_now("weekly")

    def busy(_target: Target) -> None:
        raise OSError("busy")

    noting(world, busy)
    world.tick()
    world.write('kind = "directory", path = "new"')
    world.jobs.reload()
    world.tick(10)
    assert (world.states(), world.details()) == ([State.FAILED], ["its target is no longer configured"])


def test_a_folder_of_a_target_that_leads_out_by_a_link_is_refused(state: StateDb, tmp_path: Path) -> None:
    world = World(state, tmp_path, FOLDER)
    (tmp_path / "elsewhere").mkdir()
    world.root.mkdir()
    (world.root / "out").symlink_to(tmp_path / "elsewhere")
    world.jobs.run_now("weekly")
    world.tick()
    assert world.details() == ["'out' leads out of the folder for reports"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


HOOK = 'secret_env = "REPORT_HOOK"'
S3 = 'access_key_env = "REPORT_KEY", secret_key_env = "REPORT_SECRET"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"csv"', '"doc"', "format"),
        ("0 6 * * *", "0 6 * * 1", "weekdays are names"),
        ("0 6 * * *", "0 99 * * *", "schedule"),
        ("0 6 * * *", "0 6 1 * mon", "do not go together"),
        ("0 6 * * *", "0 6 31 2 *", "is never due"),
        ('"out"', '"../out"', "'../out'"),
        ('"day"', '"year"', "grain"),
        ("last_day", "last_0_days", "period"),
        ('path = "out"', 'path = "out", password = "hunter2"', "password"),
        (FOLDER, 'kind = "webhook", url = "https://x.example", secret_env = "PATH"', "PATH"),
        ('"out"', '"a\\nb"', "to.0.directory.path: must be relative"),
        (FOLDER, f'kind = "webhook", url = "https://u:hunter2@x.example", {HOOK}', "must not carry credentials"),
        (FOLDER, f'kind = "webhook", url = "https://x.example/hunter2#a", {HOOK}', "must be an http or https URL"),
        (FOLDER, f'kind = "webhook", url = "https://x.example:99999/hunter2", {HOOK}', "to.0.webhook.url: "),
        (FOLDER, f'kind = "webhook", url = "https://x.exa\\nmple", {HOOK}', "to.0.webhook.url: "),
        (FOLDER, f'kind = "webhook", url = "https://x.exa mple", {HOOK}', "to.0.webhook.url: "),
        (FOLDER, f'kind = "s3", bucket = "abc", prefix = "../x/", {S3}', "to.0.s3.prefix: "),
        ("line_fill_rate", "line_fil_rate", "there is no KPI 'line_fil_rate'; did you mean line_fill_rate?"),
    ],
)
def test_a_wrong_file_is_named_and_leaves_the_set_in_force(
    state: StateDb, tmp_path: Path, old: str, new: str, said: str
) -> None:
    world = World(state, tmp_path, FOLDER)
    text = (world.folder / "a.toml").read_text()
    assert old in text
    (world.folder / "a.toml").write_text(text.replace(old, new))
    world.jobs._known_kpis = lambda: {"line_fill_rate"}
    with pytest.raises(ConfigurationError) as caught:
        world.jobs.reload()
    assert "a.toml: report 'weekly'" in str(caught.value)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    world.jobs.run_now("weekly")
    world.tick()
    assert world.states() == [State.SENT]


def test_a_file_that_is_nested_too_deep_is_wrong_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = " + "[" * 3000 + "]" * 3000)
    with pytest.raises(ConfigurationError, match=r"a\.toml: cannot be read as TOML: it is nested too deep"):
        load_subscriptions(tmp_path)


@pytest.mark.parametrize(("state_", "given_"), list(itertools.product(State, Input)))
def test_only_the_table_changes_a_state(state_: State, given_: Input) -> None:
    if (state_, given_) in TRANSITIONS:
        assert advance(state_, given_) is TRANSITIONS[state_, given_]
    else:
        with pytest.raises(Conflict):
            advance(state_, given_)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(Input)))
def test_what_ended_well_stays_so(inputs: list[Input]) -> None:
    at, ended = State.PENDING, None
    for one in inputs:
        try:
            at = advance(at, one)
        except Conflict:
            continue
        assert ended is None
        ended = at if at in (State.SENT, State.RENDERED) else None


@settings(max_examples=6)
@given(events=st.lists(st.sampled_from(["tick", "crash", "fail", "retry"]), max_size=10))
def test_whatever_happens_the_file_is_there_while_it_is_needed_and_arrives_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, migrated_state: Path, events: list[str]
) -> None:
    path = tmp_path_factory.mktemp("world")
    (path / "state.db").write_bytes(migrated_state.read_bytes())
    database = open_state(load_settings(data_dir=path))
    world, event = World(database, path, FOLDER), ""

    def trip(_target: Target) -> None:
        if event in ("crash", "fail"):
            raise KeyboardInterrupt if event == "crash" else OSError(event)

    noting(world, trip)
    run = world.jobs.run_now("weekly")
    for event in [*events, "retry", "tick"]:
        if event == "retry":
            with suppress(Conflict):
                world.jobs.retry_run(run)
        else:
            world.clock.advance(LEASE_OVER.total_seconds())
            with suppress(KeyboardInterrupt):
                world.jobs.tick()
            assert len(world.spooled()) == (world.states() != [State.SENT])
    assert world.states() == [State.SENT]
    database.close()
