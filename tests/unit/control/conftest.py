"""Fixtures of the control room's tests: an engine, a target on it, and the service between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from control import AuditChain, ControlService, ControlTarget, HttpEngine, OutboundHttp, Signer
from core import ManualClock, Principal, Role
from storage import StateDb
from tests.unit.control.engine_stub import SECRET, EngineStub
from tests.unit.control.local_http import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    running = LocalServer()
    yield running
    running.stop()


@pytest.fixture
def engine() -> Iterator[EngineStub]:
    stub = EngineStub()
    yield stub
    stub.server.stop()


@pytest.fixture
def http() -> Iterator[OutboundHttp]:
    client = OutboundHttp(timeout_s=0.5)
    yield client
    client.close()


@pytest.fixture
def operator() -> Principal:
    return Principal("ops-1", "default", frozenset({Role.OPERATOR}))


@pytest.fixture
def target(engine: EngineStub) -> ControlTarget:
    return ControlTarget(
        id="om-warehouse",
        kind="edge",
        name="order-management->warehouse",
        endpoint_url=f"{engine.server.url}/commands",
        verify_url=f"{engine.server.url}/edges/om-warehouse",
    )


@pytest.fixture
def audit(state: StateDb, clock: ManualClock) -> AuditChain:
    return AuditChain(state, clock)


@pytest.fixture
def start(
    state: StateDb, clock: ManualClock, target: ControlTarget, http: OutboundHttp, audit: AuditChain
) -> Callable[[], ControlService]:
    """Makes a service on the same state, as a new process would."""

    def make() -> ControlService:
        signer = Signer(SECRET, setting="control_secret")
        return ControlService(state, clock, [target], HttpEngine(http, signer, clock), audit)

    return make
