"""Calls between systems: pairs of CLIENT and SERVER spans with HTTP attributes, realistic times and rare failures.

A call is opened, its inner work is attached to its `server` span, then it is closed with a time and an outcome. `leaf`
does it all for a call without inner work and repeats a failed attempt once, as a client would. Nothing is sent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from demo.model.facts import SECOND, AttributeDict, Attributes, Kind, Ref
from demo.model.recorder import NOWHERE, Case, Recorder
from demo.model.world import LATENCIES
from metrics import conventions as c

BASE_ERROR_RATE = 0.005
# What a failed call looks like: status (0: no answer came), class of the failure, share.
_FAILURES = ((503, "503", 0.4), (500, "500", 0.25), (504, "504", 0.2), (0, "timeout", 0.15))
TIMEOUT = 30.0

SlowFactor = Callable[[str, int], float]


@dataclass(frozen=True, slots=True)
class Call:
    """An open call. `start` is when the client sent it, `received` when the server had it."""

    case: Case | None
    source: str
    target: str
    method: str
    route: str
    step: str
    start: int
    received: int
    client: Ref
    server: Ref
    parent: Ref
    extra: Attributes


class Http:
    """Opens and closes calls; `slow(service, at)` is how many times slower than usual a server is."""

    def __init__(
        self, recorder: Recorder, rng: random.Random, slow: SlowFactor, version_of: Callable[[str, int], str]
    ) -> None:
        self._recorder = recorder
        self._rng = rng
        self._slow = slow
        self._version_of = version_of

    def seconds(self, target: str, route: str, at: int) -> float:
        """A service time for the operation at that time."""
        median, sigma = LATENCIES[target, route]
        return float(min(median * self._rng.lognormvariate(0.0, sigma) * self._slow(target, at), TIMEOUT - 1))

    def fails(self) -> bool:
        """Whether a call fails for no special reason."""
        return self._rng.random() < BASE_ERROR_RATE

    def failure(self) -> tuple[int, str]:
        """Status and class of an ordinary failure."""
        kinds = [(status, kind) for status, kind, _ in _FAILURES]
        return self._rng.choices(kinds, [share for _, _, share in _FAILURES])[0]

    def open(
        self,
        case: Case | None,
        parent: Ref,
        source: str,
        target: str,
        method: str,
        route: str,
        start: int,
        step: str = "",
        extra: Attributes | None = None,
    ) -> Call:
        """A call that is sent at `start`; without a parent it begins a trace."""
        client = self._recorder.ref(parent)
        server = self._recorder.ref(client)
        received = start + int(self._rng.uniform(0.001, 0.006) * SECOND)
        return Call(case, source, target, method, route, step, start, received, client, server, parent, extra or {})

    def close(self, call: Call, end: int, status: int = 200, error: str = "", resend: int = 0) -> int:
        """Ends the call: the server is done at `end`. Status 0 means that the client gave up before an answer.

        Returns when the client knows.
        """
        name = f"{call.method} {call.route}"
        done = end + int(self._rng.uniform(0.001, 0.006) * SECOND)
        version = self._version_of(call.target, call.start)
        server: AttributeDict = {
            c.HTTP_METHOD: call.method,
            c.HTTP_ROUTE: call.route,
            c.HTTP_STATUS: status or 499,
            c.DEPLOYMENT_VERSION: version,
        }
        client: AttributeDict = {
            c.HTTP_METHOD: call.method,
            c.URL_TEMPLATE: call.route,
            c.SERVER_ADDRESS: f"{call.target}.retail.example",
            c.PEER_SERVICE: call.target,
            c.EDGE: c.edge(call.source, call.target),
            **call.extra,
        }
        if status:
            client[c.HTTP_STATUS] = status
        if resend:
            client[c.HTTP_RESEND_COUNT] = resend
        server_error = ""
        if error:
            client[c.ERROR_TYPE] = error
            if status >= 500:
                server[c.ERROR_TYPE] = error
                server_error = f"answered {status}"
        message = (f"answered {status}" if status else f"no answer within {TIMEOUT:.0f} s") if error else ""
        record = self._recorder.span
        record(
            call.case,
            call.target,
            name,
            Kind.SERVER,
            call.received,
            end,
            ref=call.server,
            parent=call.client,
            step=call.step,
            attributes=server,
            error=server_error,
        )
        record(
            call.case,
            call.source,
            name,
            Kind.CLIENT,
            call.start,
            done,
            ref=call.client,
            parent=call.parent,
            step=call.step,
            attributes=client,
            error=message,
        )
        if error:
            body = f"{name} at {call.target} failed: {message}"
            about = {c.EDGE: c.edge(call.source, call.target), c.ERROR_TYPE: error}
            self._recorder.line(call.source, body, done, about, case=call.case, ref=call.client, severe=True)
        return done

    def leaf(
        self,
        case: Case | None,
        parent: Ref,
        source: str,
        target: str,
        method: str,
        route: str,
        start: int,
        step: str = "",
        extra: Attributes | None = None,
    ) -> int:
        """A call without inner work, sent again once when it fails; returns when the client has its answer."""
        resend = 0
        if self.fails():
            call = self.open(case, parent, source, target, method, route, start, step, extra)
            status, kind = self.failure()
            took = TIMEOUT if not status else self.seconds(target, route, start) * (4 if status == 504 else 1)
            failed = self.close(call, call.received + int(took * SECOND), status, kind)
            start = failed + int(self._rng.uniform(0.5, 2.0) * SECOND)
            resend = 1
        call = self.open(case, parent, source, target, method, route, start, step, extra)
        took = self.seconds(target, route, start)
        return self.close(call, call.received + int(took * SECOND), 201 if method == "POST" else 200, resend=resend)

    def serve(
        self,
        case: Case | None,
        service: str,
        method: str,
        route: str,
        start: int,
        end: int,
        ref: Ref,
        status: int = 200,
    ) -> Ref:
        """A SERVER span whose caller is outside the retailer: a browser, an app."""
        attributes: AttributeDict = {c.HTTP_METHOD: method, c.HTTP_ROUTE: route, c.HTTP_STATUS: status}
        return self._recorder.span(
            case,
            service,
            f"{method} {route}",
            Kind.SERVER,
            start,
            end,
            ref=ref,
            parent=NOWHERE,
            attributes=attributes,
            error=f"answered {status}" if status >= 500 else "",
        )
