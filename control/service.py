"""Pausing and resuming, from the request to the verified effect.

A request is recorded (command, audit entry, outbox row: one transaction) before anything is sent; each later change
is again one transaction with its audit entry. What a killed process leaves behind is taken up by `tick`: a command
that was only recorded is sent if it is fresh, one that may have left is looked at and never sent again. What it does
not promise: that the engine obeys (it is verified instead), or four eyes (approvals are not part of this version).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from control import commands
from control.audit import AuditChain
from control.commands import Command
from control.engine import Action, EngineState, HttpEngine, command_body
from control.http import OutboundHttp
from control.signing import Signer
from control.states import (
    LOOKS,
    CommandEvent,
    CommandState,
    Facts,
    Timings,
    advance,
)
from control.targets import ControlTarget, load_targets
from core.clock import Clock
from core.errors import ConfigurationError, Conflict, Forbidden, InvalidInput, NotFound
from core.logs import get_logger
from core.principals import Principal, Role
from core.settings import Settings
from storage import StateDb

MAX_REASON = 1_000
MAX_KEY = 200
SYSTEM = "opsintel"
"""The actor of changes that nobody asked for at that moment."""

_log = get_logger("control")


@dataclass(frozen=True)
class TargetStatus:
    """What the engine shows of a target now; `state` is None when it cannot be seen, and `detail` says why."""

    target: ControlTarget
    state: EngineState | None
    detail: str
    at: datetime
    under_way: Command | None


class ControlService:
    """See the module. Thread-safe: a change is made by whoever still finds the state it started from."""

    def __init__(
        self,
        state: StateDb,
        clock: Clock,
        targets: Iterable[ControlTarget],
        engine: HttpEngine | None,
        audit: AuditChain,
        *,
        timings: Timings | None = None,
        new_id: Callable[[], str] = lambda: f"cmd_{uuid.uuid4().hex}",
    ) -> None:
        """`engine` may be None only while there are no targets (ConfigurationError)."""
        self._targets = {(target.tenant, target.id): target for target in targets}
        if self._targets and engine is None:
            raise ConfigurationError(
                "control targets are configured and calls to them cannot be signed", hint="set control_secret"
            )
        self._state = state
        self._clock = clock
        self._engine = engine
        self._audit = audit
        self._timings = timings or Timings()
        self._new_id = new_id

    # --- reading ---

    def targets(self, tenant: str) -> list[ControlTarget]:
        """What the tenant may pause and resume, by name."""
        own = [target for target in self._targets.values() if target.tenant == tenant]
        return sorted(own, key=lambda target: (target.kind, target.name))

    def commands(self, tenant: str, limit: int = 50) -> list[Command]:
        """The tenant's commands, the newest first."""
        with self._state.connect() as connection:
            return commands.latest(connection, tenant, limit)

    def command(self, tenant: str, command_id: str) -> Command:
        """One command; NotFound when it is not the tenant's."""
        with self._state.connect() as connection:
            found = commands.by_id(connection, command_id)
        if found is None or found.tenant != tenant:
            raise NotFound(f"there is no command {command_id!r}")
        return found

    def status(self, tenant: str, target_id: str) -> TargetStatus:
        """Asks the engine what state the target is in; takes as long as the engine, up to the time-out."""
        target = self._target(tenant, target_id)
        sight = self._require_engine().look(target)
        with self._state.connect() as connection:
            busy = commands.under_way(connection, tenant, target_id)
        return TargetStatus(target, sight.state, sight.detail, self._clock.now(), busy)

    # --- acting ---

    def request(
        self, principal: Principal, target_id: str, action: Action | str, reason: str, idempotency_key: str
    ) -> Command:
        """Records, sends and looks once; returns the command in the state it has reached.

        The same key with the same intent (target, action, reason, requester) returns the first command, whatever became
        of it. Raises Forbidden without the operator's role (recorded in the audit chain), InvalidInput for an unknown
        action, an empty or overlong reason or key, NotFound for a target that is not the tenant's, and Conflict for a
        key used for another intent or a target that is busy with another command.
        """
        self._require_operator(principal, target_id, str(action))
        wanted, reason, key = _intent(action, reason, idempotency_key)
        target = self._target(principal.tenant, target_id)
        command, fresh = self._record(principal, target, wanted, reason, key)
        if not fresh:
            return command
        command = self._send(command)
        return self._look(command) if command.state is CommandState.SENT else command

    def tick(self, limit: int = 20) -> int:
        """Does what is due for unfinished commands; returns how many it dealt with. Call it every few seconds."""
        with self._state.connect() as connection:
            ids = commands.due(connection, self._clock.now(), limit)
        for command_id in ids:
            with self._state.connect() as connection:
                command = commands.by_id(connection, command_id)
            if command is not None:
                self._continue(command)
        return len(ids)

    def _continue(self, command: Command) -> None:
        if command.state is CommandState.REQUESTED:
            self._send(command)
        elif command.state is CommandState.SENDING:
            self._apply(command, CommandEvent.ORPHANED, "")
        elif command.finished_at is None:
            self._look(command)

    def _record(
        self, principal: Principal, target: ControlTarget, action: Action, reason: str, key: str
    ) -> tuple[Command, bool]:
        with self._state.begin() as connection:
            known = commands.by_key(connection, principal.tenant, key)
            if known is not None:
                asked = (known.target_id, known.action, known.reason, known.requested_by)
                if asked != (target.id, action, reason, principal.name):
                    raise Conflict(
                        f"the idempotency key {key!r} was used for another command ({known.id})",
                        hint="use a new key for a new intent",
                    )
                return known, False
            busy = commands.under_way(connection, target.tenant, target.id)
            if busy is not None:
                raise Conflict(f"{target.id!r} is busy with command {busy.id} ({busy.state.value})")
            now = self._clock.now()
            command = Command(
                id=self._new_id(),
                tenant=target.tenant,
                target_id=target.id,
                target_kind=target.kind,
                action=action,
                reason=reason,
                requested_by=principal.name,
                idempotency_key=key,
                sequence=commands.last_sequence(connection, target.tenant, target.id) + 1,
                state=CommandState.REQUESTED,
                detail="recorded",
                requested_at=now,
                state_since=now,
                sent_at=None,
                finished_at=None,
            )
            body = command_body(
                target,
                command_id=command.id,
                action=action,
                reason=reason,
                by=principal.name,
                sequence=command.sequence,
            )
            commands.insert(connection, command, body)
            self._note(connection, command, principal.name, {"reason": reason, "target_name": target.name})
            return command, True

    def _send(self, command: Command) -> Command:
        target = self._targets.get((command.tenant, command.target_id))
        if target is None:
            return self._apply(command, CommandEvent.REFUSED, "its target is no longer configured")[0]
        command, moved = self._apply(command, CommandEvent.DISPATCH, "")
        if not moved or command.state is not CommandState.SENDING:
            return command
        with self._state.connect() as connection:
            body = commands.body_of(connection, command.id)
        event, detail = self._require_engine().send(target, command.id, body)
        return self._apply(command, event, detail, whatever_state=True)[0]

    def _look(self, command: Command) -> Command:
        target = self._targets.get((command.tenant, command.target_id))
        if target is None:
            return self._apply(command, CommandEvent.NOT_SEEN, "its target is no longer configured")[0]
        sight = self._require_engine().look(target)
        return self._apply(command, sight.event(command.action), sight.detail)[0]

    def _apply(
        self, seen: Command, event: CommandEvent, detail: str, *, whatever_state: bool = False
    ) -> tuple[Command, bool]:
        """Moves a command along its table; False when somebody else has moved it since it was `seen`.

        `whatever_state` is for the answer to a call that only its sender has: it counts even when it comes late.
        """
        with self._state.begin() as connection:
            command = commands.by_id(connection, seen.id)
            if command is None:
                raise NotFound(f"there is no command {seen.id!r}")
            if command.finished_at is not None or (command.state is not seen.state and not whatever_state):
                return command, False
            if (
                event in LOOKS
                and commands.last_sequence(connection, command.tenant, command.target_id) > command.sequence
            ):
                event, detail = CommandEvent.SUPERSEDED, ""
            now = self._clock.now()
            row = advance(command.state, event, Facts(now, command.requested_at, command.sent_at, self._timings))
            changed = row.target is not command.state
            moved = replace(
                command,
                state=row.target,
                detail=f"{row.why}: {detail}" if detail and detail != row.why else row.why,
                state_since=now if changed else command.state_since,
                sent_at=now if row.target is CommandState.SENDING else command.sent_at,
                finished_at=now if row.done else None,
            )
            commands.update(connection, moved)
            self._reschedule(connection, moved, event, row.done, now)
            if changed or row.done:
                self._note(connection, moved, SYSTEM, {"from": command.state.value, "event": event.value})
        _log.info("command moved", command=moved.id, state=moved.state.value, event_name=event.value, detail=detail)
        return moved, True

    def _reschedule(
        self, connection: Connection, command: Command, event: CommandEvent, done: bool, now: datetime
    ) -> None:
        if done:
            commands.settle(connection, command.id)
            return
        attempts, timings = commands.attempts_of(connection, command.id), self._timings
        if command.state is CommandState.SENDING:
            pause = timings.orphan_s
        else:
            pause = min(timings.look_first_s * 2 ** min(attempts, 20), timings.look_most_s)
            attempts += event in LOOKS
        commands.put_off(connection, command.id, now + timedelta(seconds=pause), attempts)

    # --- checks and records ---

    def _require_operator(self, principal: Principal, target_id: str, action: str) -> None:
        try:
            principal.require(Role.OPERATOR)
        except Forbidden:
            with self._state.begin() as connection:
                self._audit.append(
                    connection,
                    tenant=principal.tenant,
                    actor=principal.name,
                    action="control.denied",
                    subject=f"target:{target_id[:100]}",
                    details={"action": action[:100], "missing_role": Role.OPERATOR.value},
                )
            raise

    def _note(self, connection: Connection, command: Command, actor: str, more: dict[str, Any]) -> None:
        self._audit.append(
            connection,
            tenant=command.tenant,
            actor=actor,
            action=f"control.{command.state.value}",
            subject=f"target:{command.target_id}",
            details={
                "command": command.id,
                "action": command.action.value,
                "sequence": command.sequence,
                "detail": command.detail,
                **more,
            },
            at=command.state_since if command.finished_at is None else command.finished_at,
        )

    def _target(self, tenant: str, target_id: str) -> ControlTarget:
        target = self._targets.get((tenant, target_id))
        if target is None:
            raise NotFound(f"there is no control target {target_id[:100]!r}")
        return target

    def _require_engine(self) -> HttpEngine:
        if self._engine is None:
            raise NotFound("no control target is configured", hint="set control_file")
        return self._engine


def _intent(action: Action | str, reason: str, key: str) -> tuple[Action, str, str]:
    try:
        wanted = Action(action)
    except ValueError:
        allowed = ", ".join(item.value for item in Action)
        raise InvalidInput(f"action must be one of {allowed}, got {str(action)[:100]!r}") from None
    reason, key = reason.strip(), key.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise InvalidInput(f"a reason of 1 to {MAX_REASON} characters is required, got {len(reason)}")
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidInput(f"an idempotency key of 1 to {MAX_KEY} characters is required, got {len(key)}")
    return wanted, reason, key


def open_control(
    settings: Settings,
    state: StateDb,
    clock: Clock,
    http: OutboundHttp,
    targets: Iterable[ControlTarget] = (),
) -> ControlService:
    """The service that the settings describe; `targets` are added to those of `control_file`.

    ConfigurationError when the file or the secret cannot be used.
    """
    configured = load_targets(settings.control_file) if settings.control_file else ()
    engine = None
    if settings.control_secret:
        engine = HttpEngine(http, Signer(settings.control_secret, setting="control_secret"), clock)
    return ControlService(state, clock, (*configured, *targets), engine, AuditChain(state, clock))
