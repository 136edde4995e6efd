"""Commands as values, and the statements that read and write them.

Every function works inside the caller's transaction and commits nothing itself. Nothing here decides whether a change
is allowed: `states.advance` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from control.engine import Action
from control.states import UNDER_WAY, CommandState
from storage.state.control_tables import control_commands, control_outbox


@dataclass(frozen=True)
class Command:
    """One request to act on a target, and what became of it; `detail` says so in words. Instants are in UTC."""

    id: str
    tenant: str
    target_id: str
    target_kind: str
    action: Action
    reason: str
    requested_by: str
    idempotency_key: str
    sequence: int
    state: CommandState
    detail: str
    requested_at: datetime
    state_since: datetime
    sent_at: datetime | None
    finished_at: datetime | None


def insert(connection: Connection, command: Command, body: str) -> None:
    """Writes a new command and its outbox row."""
    values = {**vars(command), "action": command.action.value, "state": command.state.value}
    connection.execute(sa.insert(control_commands).values(**values))
    connection.execute(
        sa.insert(control_outbox).values(command_id=command.id, body=body, attempts=0, due_at=command.requested_at)
    )


def update(connection: Connection, command: Command) -> None:
    """Writes what a transition changed."""
    connection.execute(
        sa.update(control_commands)
        .where(control_commands.c.id == command.id)
        .values(
            state=command.state.value,
            detail=command.detail,
            state_since=command.state_since,
            sent_at=command.sent_at,
            finished_at=command.finished_at,
        )
    )


def by_id(connection: Connection, command_id: str) -> Command | None:
    """The command, of whatever tenant."""
    row = connection.execute(sa.select(control_commands).where(control_commands.c.id == command_id)).one_or_none()
    return _command(row) if row else None


def by_key(connection: Connection, tenant: str, idempotency_key: str) -> Command | None:
    """The command that the tenant asked for under this key."""
    row = connection.execute(
        sa.select(control_commands).where(
            control_commands.c.tenant == tenant, control_commands.c.idempotency_key == idempotency_key
        )
    ).one_or_none()
    return _command(row) if row else None


def under_way(connection: Connection, tenant: str, target_id: str) -> Command | None:
    """The command that the target is busy with."""
    row = connection.execute(
        sa.select(control_commands)
        .where(
            control_commands.c.tenant == tenant,
            control_commands.c.target_id == target_id,
            control_commands.c.state.in_([state.value for state in UNDER_WAY]),
        )
        .limit(1)
    ).one_or_none()
    return _command(row) if row else None


def last_sequence(connection: Connection, tenant: str, target_id: str) -> int:
    """The number of the newest command to the target; 0 when there is none."""
    found = connection.execute(
        sa.select(sa.func.max(control_commands.c.sequence)).where(
            control_commands.c.tenant == tenant, control_commands.c.target_id == target_id
        )
    ).scalar_one()
    return int(found or 0)


def latest(connection: Connection, tenant: str, limit: int) -> list[Command]:
    """The tenant's commands, the newest first."""
    query = (
        sa.select(control_commands)
        .where(control_commands.c.tenant == tenant)
        .order_by(control_commands.c.requested_at.desc(), control_commands.c.sequence.desc())
        .limit(limit)
    )
    return [_command(row) for row in connection.execute(query)]


def due(connection: Connection, now: datetime, limit: int) -> list[str]:
    """The ids of commands that a call is due for, the longest due first."""
    query = (
        sa.select(control_outbox.c.command_id)
        .where(control_outbox.c.due_at <= now)
        .order_by(control_outbox.c.due_at)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def body_of(connection: Connection, command_id: str) -> str:
    """The body that was fixed when the command was recorded."""
    return str(
        connection.execute(
            sa.select(control_outbox.c.body).where(control_outbox.c.command_id == command_id)
        ).scalar_one()
    )


def attempts_of(connection: Connection, command_id: str) -> int:
    """How often the outbox row has been put off; 0 when it is gone."""
    found = connection.execute(
        sa.select(control_outbox.c.attempts).where(control_outbox.c.command_id == command_id)
    ).scalar_one_or_none()
    return int(found or 0)


def put_off(connection: Connection, command_id: str, due_at: datetime, attempts: int) -> None:
    """Says when the next call is due."""
    connection.execute(
        sa.update(control_outbox)
        .where(control_outbox.c.command_id == command_id)
        .values(due_at=due_at, attempts=attempts)
    )


def settle(connection: Connection, command_id: str) -> None:
    """No further call is due."""
    connection.execute(sa.delete(control_outbox).where(control_outbox.c.command_id == command_id))


def _command(row: Row[Any]) -> Command:
    values = dict(row._mapping)
    values["action"] = Action(values["action"])
    values["state"] = CommandState(values["state"])
    return Command(**values)
