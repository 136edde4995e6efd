"""Commands from request to verified effect, against a real HTTP server that plays the engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from control import Action, AuditChain, Command, CommandState, ControlService, ControlTarget, EngineState
from core import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidInput,
    ManualClock,
    NotFound,
    Principal,
    Role,
)
from storage import StateDb
from storage.state.control_tables import control_outbox
from tests.unit.control.engine_stub import EngineStub
from tests.unit.control.local_http import Drop, Hang, Reply

Start = Callable[[], ControlService]
S = CommandState


@pytest.fixture
def service(start: Start) -> ControlService:
    return start()


def pause(service: ControlService, who: Principal, key: str = "k1", reason: str = "backlog") -> Command:
    return service.request(who, "om-warehouse", Action.PAUSE, reason, key)


def trail(audit: AuditChain, tenant: str = "default") -> list[str]:
    assert audit.verify().ok
    return [entry.action.removeprefix("control.") for entry in reversed(audit.entries(tenant))]


def outbox(state: StateDb) -> int:
    with state.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(control_outbox)).scalar_one()


def test_pause_and_resume(
    service: ControlService, engine: EngineStub, operator: Principal, audit: AuditChain, state: StateDb
) -> None:
    paused = pause(service, operator)
    assert (paused.state, paused.sequence, paused.requested_by) == (S.VERIFIED, 1, "ops-1")
    assert service.status("default", "om-warehouse").state is EngineState.PAUSED
    resumed = service.request(operator, "om-warehouse", "resume", "caught up", "k2")
    assert (resumed.state, resumed.sequence) == (S.VERIFIED, 2)
    assert engine.states == {"om-warehouse": "running"}
    assert trail(audit) == ["requested", "sending", "sent", "verified"] * 2
    assert outbox(state) == 0
    assert service.commands("default") == [resumed, paused]


def test_the_call_on_the_wire(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock
) -> None:
    """The format of docs/control.md; the engine has already checked the signature."""
    command = pause(service, operator, reason="Rückstau im Lager")
    call = engine.server.posts()[0]
    assert call.path == "/commands"
    assert call.json() == {
        "command_id": command.id,
        "action": "pause",
        "target": {"id": "om-warehouse", "kind": "edge"},
        "reason": "Rückstau im Lager",
        "requested_by": "ops-1",
        "sequence": 1,
    }
    assert call.headers["webhook-id"] == command.id
    assert call.headers["webhook-timestamp"] == str(int(clock.now().timestamp()))


def test_the_same_key_is_the_same_command(service: ControlService, engine: EngineStub, operator: Principal) -> None:
    first = pause(service, operator)
    assert pause(service, operator) == first
    assert pause(service, operator, reason="  backlog ") == first
    assert len(engine.seen) == 1


def test_many_at_once_with_one_key_are_one_command(
    service: ControlService, engine: EngineStub, operator: Principal
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: pause(service, operator), range(8)))
    assert len({command.id for command in found}) == 1
    assert len(engine.seen) == 1


@pytest.mark.parametrize(
    ("who", "action", "reason"),
    [
        pytest.param("ops-1", "resume", "backlog", id="another_action"),
        pytest.param("ops-1", "pause", "other", id="another_reason"),
        pytest.param("ops-2", "pause", "backlog", id="another_requester"),
    ],
)
def test_the_same_key_for_another_intent(
    service: ControlService, engine: EngineStub, operator: Principal, who: str, action: str, reason: str
) -> None:
    pause(service, operator)
    principal = Principal(who, "default", frozenset({Role.OPERATOR}))
    with pytest.raises(Conflict, match="was used for another command"):
        service.request(principal, "om-warehouse", action, reason, "k1")
    assert len(engine.seen) == 1


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.OPERATOR, Role.ADMIN}))
def test_only_operators_and_refusals_are_recorded(
    service: ControlService, engine: EngineStub, audit: AuditChain, role: Role
) -> None:
    with pytest.raises(Forbidden, match="does not hold the role 'operator'"):
        pause(service, Principal("eve-key", "default", frozenset({role})))
    assert engine.server.requests == []
    assert trail(audit) == ["denied"]
    assert audit.entries("default")[0].actor == "eve-key"


def test_another_tenant_sees_and_moves_nothing(
    service: ControlService, engine: EngineStub, operator: Principal
) -> None:
    command = pause(service, operator)
    stranger = Principal("ops-9", "north", frozenset({Role.ADMIN}))
    with pytest.raises(NotFound):
        pause(service, stranger)
    with pytest.raises(NotFound):
        service.command("north", command.id)
    with pytest.raises(NotFound):
        service.status("north", "om-warehouse")
    assert (service.targets("north"), service.commands("north")) == ([], [])
    assert len(engine.seen) == 1


@pytest.mark.parametrize(
    ("action", "reason", "key", "message"),
    [
        ("stop", "r", "k", "action must be one of pause, resume, got 'stop'"),
        ("pause", "  ", "k", "a reason of 1 to 1000 characters is required, got 0"),
        ("pause", "r" * 1001, "k", "a reason of 1 to 1000 characters is required, got 1001"),
        ("pause", "r", "", "an idempotency key of 1 to 200 characters is required, got 0"),
        ("pause", "r", "k" * 201, "an idempotency key of 1 to 200 characters is required, got 201"),
    ],
)
def test_unusable_requests(
    service: ControlService, operator: Principal, action: str, reason: str, key: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        service.request(operator, "om-warehouse", action, reason, key)
    assert caught.value.message == message
    assert service.commands("default") == []


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 429])
def test_a_refusal_is_a_failure(
    service: ControlService, engine: EngineStub, operator: Principal, audit: AuditChain, status: int
) -> None:
    engine.script = {1: Reply(status)}
    command = pause(service, operator)
    assert command.state is S.FAILED
    assert f"the engine answered {status}" in command.detail
    assert trail(audit) == ["requested", "sending", "failed"]


def test_an_engine_that_is_not_there(service: ControlService, engine: EngineStub, operator: Principal) -> None:
    """Nothing left this machine, so nothing happened there."""
    engine.server.stop()
    assert pause(service, operator).state is S.FAILED
    engine.server.start()


LOST = [
    pytest.param(Hang(), id="timeout"),
    pytest.param(Drop(), id="dropped"),
    pytest.param(Reply(500), id="500"),
    pytest.param(Reply(503), id="503"),
    pytest.param(Reply(408), id="408"),
]


@pytest.mark.parametrize("mishap", LOST)
def test_a_lost_answer_is_unknown_then_verified(
    service: ControlService,
    engine: EngineStub,
    operator: Principal,
    clock: ManualClock,
    audit: AuditChain,
    mishap: Reply | Drop | Hang,
) -> None:
    """The engine acted and its answer got lost: found by looking, without a second call."""
    engine.script, engine.act_before_script = {1: mishap}, True
    command = pause(service, operator)
    assert command.state is S.UNKNOWN
    clock.advance(1)
    service.tick()
    assert service.command("default", command.id).state is S.VERIFIED
    assert len(engine.server.posts()) == 1
    assert trail(audit) == ["requested", "sending", "unknown", "verified"]


@pytest.mark.parametrize("mishap", LOST)
def test_a_lost_call_is_unknown_then_failed(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock, mishap: Reply | Drop | Hang
) -> None:
    """It never took effect; that is only concluded after the time in which it still might."""
    engine.script = {1: mishap}
    command = pause(service, operator)
    clock.advance(1)
    service.tick()
    assert service.command("default", command.id).state is S.UNKNOWN
    clock.advance(60)
    service.tick()
    assert service.command("default", command.id).state is S.FAILED
    assert len(engine.server.posts()) == 1


def test_an_engine_that_needs_a_moment(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock
) -> None:
    engine.obey = False
    command = pause(service, operator)
    assert command.state is S.SENT
    engine.states["om-warehouse"] = "paused"
    assert service.tick() == 0, "the next look is not due yet"
    clock.advance(1)
    assert service.tick() == 1
    assert service.command("default", command.id).state is S.VERIFIED
    assert service.tick() == 0


def test_an_engine_that_accepts_and_does_nothing(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock
) -> None:
    engine.obey = False
    command = pause(service, operator)
    for _ in range(10):
        clock.advance(5)
        service.tick()
    found = service.command("default", command.id)
    assert found.state is S.FAILED
    assert found.detail == "accepted, and without the wanted effect: the engine shows 'running'"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Reply(404), id="404"),
        pytest.param(Reply(200, b"<html>"), id="not_json"),
        pytest.param(Reply(200, b"[]"), id="not_an_object"),
        pytest.param(Reply(200, b'{"state":"asleep"}'), id="unknown_state"),
        pytest.param(Reply(200, b'{"id":"another","state":"paused"}'), id="another_target"),
        pytest.param(Reply(200, b'{"state":"paused","x":"' + b"x" * 70_000 + b'"}'), id="too_large"),
        pytest.param(Drop(), id="dropped"),
    ],
)
def test_an_effect_that_cannot_be_seen(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock, answer: Reply | Drop
) -> None:
    """Accepted and invisible is unknown, not verified and not failed; sight restored, it is verified."""
    engine.script = dict.fromkeys(range(2, 50), answer)
    command = pause(service, operator)
    assert command.state is S.SENT
    assert service.status("default", "om-warehouse").state is None
    for _ in range(10):
        clock.advance(5)
        service.tick()
    assert service.command("default", command.id).state is S.UNKNOWN
    engine.script = {}
    clock.advance(60)
    service.tick()
    assert service.command("default", command.id).state is S.VERIFIED


def test_a_busy_target_takes_no_other_command(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock
) -> None:
    engine.obey = False
    first = pause(service, operator)
    with pytest.raises(Conflict, match=rf"'om-warehouse' is busy with command {first.id} \(sent\)"):
        pause(service, operator, key="k2")
    status = service.status("default", "om-warehouse")
    assert status.under_way is not None
    assert status.under_way.id == first.id


def test_an_unknown_command_does_not_block_and_is_overtaken(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock, state: StateDb
) -> None:
    """After the newer one, what the engine shows says nothing about the older."""
    engine.script = {1: Drop()}
    older = pause(service, operator)
    newer = service.request(operator, "om-warehouse", "resume", "undo", "k2")
    assert (older.state, newer.state, newer.sequence) == (S.UNKNOWN, S.VERIFIED, 2)
    clock.advance(60)
    service.tick()
    found = service.command("default", older.id)
    assert (found.state, found.finished_at) == (S.UNKNOWN, clock.now())
    assert outbox(state) == 0


def test_an_outcome_nobody_can_find_is_left_to_people(
    service: ControlService, engine: EngineStub, operator: Principal, clock: ManualClock, state: StateDb
) -> None:
    engine.script = {number: Drop() for number in range(1, 10)}
    command = pause(service, operator)
    clock.advance(90_000)
    service.tick()
    found = service.command("default", command.id)
    assert (found.state, found.finished_at) == (S.UNKNOWN, clock.now())
    assert outbox(state) == 0


class Killed(BaseException):
    """Stands for the process being killed: nothing in the product catches it."""


def test_killed_at_every_statement(
    start: Start, state: StateDb, engine: EngineStub, operator: Principal, clock: ManualClock, audit: AuditChain
) -> None:
    """Die before the n-th statement, for every n; restart; the command ends and the engine was called at most once."""
    outcomes = set()
    n, more = 0, True
    while more:
        n += 1
        calls, countdown = len(engine.server.posts()), [n]

        def die(*_: object, countdown: list[int] = countdown) -> None:
            countdown[0] -= 1
            if countdown[0] == 0:
                raise Killed

        sa.event.listen(state.engine, "before_cursor_execute", die)
        try:
            start().request(operator, "om-warehouse", Action.PAUSE, "drill", f"key-{n}")
            more = False
        except Killed:
            pass
        finally:
            sa.event.remove(state.engine, "before_cursor_execute", die)
        restarted = start()
        for _ in range(4):
            clock.advance(40)
            restarted.tick()
        found = [item for item in restarted.commands("default", 1000) if item.idempotency_key == f"key-{n}"]
        sent = len(engine.server.posts()) - calls
        assert sent <= 1
        if found:
            assert found[0].finished_at is not None
            assert (sent == 1) <= (found[0].state is S.VERIFIED)
            outcomes.add((found[0].state, sent))
            engine.states["om-warehouse"] = "running"
        else:
            assert sent == 0, "nothing may leave that is not recorded"
        assert outbox(state) == 0
        assert audit.verify().ok
    assert n > 15
    assert outcomes == {(S.VERIFIED, 1), (S.FAILED, 0)}


def test_an_engine_that_dies_at_the_nth_call(
    start: Start, engine: EngineStub, operator: Principal, clock: ManualClock, audit: AuditChain
) -> None:
    """Whichever call it dies at, before or after acting, the truth is found and no call is repeated."""
    for act_first in (False, True):
        for n in range(1, 4):
            key = f"{act_first}-{n}"
            posts = len(engine.server.posts())
            base = engine._calls
            engine.states["om-warehouse"] = "running"
            engine.script, engine.act_before_script = {base + n: Drop()}, act_first
            service = start()
            command = service.request(operator, "om-warehouse", "pause", "drill", key)
            for _ in range(4):
                clock.advance(20)
                service.tick()
            found = service.command("default", command.id)
            acted = engine.states["om-warehouse"] == "paused"
            assert found.state is (S.VERIFIED if acted else S.FAILED), key
            assert len(engine.server.posts()) == posts + 1
    assert audit.verify().ok


def killed_before_sending(start: Start, state: StateDb, operator: Principal) -> None:
    """Leaves a command that is recorded and was never taken up."""

    def die(*args: object) -> None:
        if "UPDATE control_commands" in str(args[2]):
            raise Killed

    sa.event.listen(state.engine, "before_cursor_execute", die)
    with pytest.raises(Killed):
        pause(start(), operator)
    sa.event.remove(state.engine, "before_cursor_execute", die)


def test_many_that_take_up_one_command_send_it_once(
    start: Start, state: StateDb, engine: EngineStub, operator: Principal
) -> None:
    """Several processes may find the same row due in the same instant."""
    killed_before_sending(start, state, operator)
    services = [start() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda service: service.tick(), services))
    assert len(engine.server.posts()) == 1
    assert services[0].commands("default")[0].state in (S.SENT, S.VERIFIED)


def test_a_stale_request_is_not_sent_after_a_restart(
    start: Start, state: StateDb, engine: EngineStub, operator: Principal, clock: ManualClock
) -> None:
    """Pausing an edge hours after somebody asked would be a surprise, not an action."""
    killed_before_sending(start, state, operator)
    clock.advance(301)
    service = start()
    service.tick()
    (found,) = service.commands("default")
    assert (found.state, found.detail) == (S.FAILED, "expired before it was sent")
    assert engine.server.requests == []


def test_a_target_taken_out_of_the_file(
    start: Start, state: StateDb, clock: ManualClock, audit: AuditChain, engine: EngineStub, operator: Principal
) -> None:
    engine.obey = False
    command = pause(start(), operator)
    without = ControlService(state, clock, [], None, audit)
    clock.advance(40)
    without.tick()
    assert without.command("default", command.id).state is S.UNKNOWN


def test_targets_without_a_secret_do_not_start(
    state: StateDb, clock: ManualClock, audit: AuditChain, target: ControlTarget
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be signed; set control_secret"):
        ControlService(state, clock, [target], None, audit)
