"""The adapter to a workflow engine that speaks our small HTTP protocol (docs/control.md).

`send` delivers a command once and says what is known of its effect; `look` reads the state that the engine shows.
Neither raises, neither repeats itself, neither decides anything: that is the table's part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from control.http import Answer, NotReached, OutboundHttp
from control.signing import Signer
from control.states import CommandEvent
from control.targets import ControlTarget
from core.clock import Clock


class Action(StrEnum):
    """What can be asked of a target."""

    PAUSE = "pause"
    RESUME = "resume"


class EngineState(StrEnum):
    """What an engine shows of a target."""

    PAUSED = "paused"
    RUNNING = "running"


WANTED: Mapping[Action, EngineState] = {Action.PAUSE: EngineState.PAUSED, Action.RESUME: EngineState.RUNNING}
"""The effect that verifies an action."""


@dataclass(frozen=True)
class Sight:
    """What a look at a target gave; `state` is None when the engine gave no usable answer, and `detail` says why."""

    state: EngineState | None
    detail: str

    def event(self, action: Action) -> CommandEvent:
        """What the look means for a command with this action."""
        if self.state is None:
            return CommandEvent.NOT_SEEN
        return CommandEvent.SEEN_WANTED if self.state is WANTED[action] else CommandEvent.SEEN_OTHER


def command_body(target: ControlTarget, *, command_id: str, action: Action, reason: str, by: str, sequence: int) -> str:
    """The JSON of the signed call. `sequence` grows with each command to the target; an engine refuses smaller ones."""
    return json.dumps(
        {
            "command_id": command_id,
            "action": action.value,
            "target": {"id": target.id, "kind": target.kind},
            "reason": reason,
            "requested_by": by,
            "sequence": sequence,
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


class HttpEngine:
    """Calls the endpoints of targets."""

    def __init__(self, http: OutboundHttp, signer: Signer, clock: Clock) -> None:
        self._http = http
        self._signer = signer
        self._clock = clock

    def send(self, target: ControlTarget, command_id: str, body: str) -> tuple[CommandEvent, str]:
        """Posts the signed body once; `webhook-id` is the command's id.

        2xx is ACCEPTED. 3xx and 4xx are REFUSED, as is a call that never left. 408, 5xx and silence are LOST: the
        engine may have acted before it broke.
        """
        content = body.encode()
        headers = self._signer.headers(command_id, self._clock.now(), content)
        result = self._http.post(target.endpoint_url, content, headers)
        if isinstance(result, NotReached):
            return CommandEvent.REFUSED, f"not reached: {result.detail}"
        if not isinstance(result, Answer):
            return CommandEvent.LOST, f"no answer: {result.detail}"
        detail = f"the engine answered {result.status}"
        if result.ok:
            return CommandEvent.ACCEPTED, detail
        if result.status == 408 or result.status >= 500:
            return CommandEvent.LOST, detail
        return CommandEvent.REFUSED, detail

    def look(self, target: ControlTarget) -> Sight:
        """Reads the state of a target from its verify URL."""
        result = self._http.get(target.verify_url)
        if not isinstance(result, Answer):
            return Sight(None, f"cannot look: {result.detail}")
        if result.status != 200:
            return Sight(None, f"cannot look: the engine answered {result.status}")
        return _sight(target, result)


def _sight(target: ControlTarget, answer: Answer) -> Sight:
    try:
        document = json.loads(answer.body)
    except ValueError:  # a truncated body ends here, too
        return Sight(None, "cannot look: the answer is not JSON")
    if not isinstance(document, dict):
        return Sight(None, "cannot look: the answer is not an object")
    if document.get("id", target.id) != target.id:
        return Sight(None, f"cannot look: the answer is about {str(document['id'])[:100]!r}")
    try:
        state = EngineState(str(document.get("state")))
    except ValueError:
        return Sight(None, f"cannot look: the state is {str(document.get('state'))[:100]!r}")
    return Sight(state, f"the engine shows {state.value!r}")
