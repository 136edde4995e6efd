"""Stories: telemetry goes bad and good again, processes die, receivers are away; what is shown and what is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from alerts import AlertService, AlertState, Reason, store
from core import StoreUnavailable
from tests.unit.alerts.conftest import RULES, SECRET, World, kpi
from tests.unit.control.local_http import Drop, Hang, LocalServer, Received, Reply

EDGE = "order-management->warehouse"
BAD, GOOD, THIN = (0.4, 200), (0.0, 200), (1.0, 3)


def test_pending_firing_resolved(world: World) -> None:
    world.telemetry.rates[EDGE] = BAD
    world.run(45)
    assert world.states() == {EDGE: "pending"}
    assert world.told() == []
    world.run(15)
    assert world.states() == {EDGE: "firing"}
    world.telemetry.rates[EDGE] = GOOD
    world.run(105)
    assert world.states() == {EDGE: "firing"}, "kept firing"
    world.run(30)
    assert world.states() == {}
    world.run(3_600, every=300)
    assert world.told() == [("firing", EDGE), ("resolved", EDGE)]


def test_a_short_breach_is_never_told(world: World) -> None:
    world.telemetry.rates[EDGE] = BAD
    world.run(45)
    world.telemetry.rates[EDGE] = GOOD
    world.run(15)
    world.telemetry.rates[EDGE] = BAD
    world.run(45)
    assert world.states() == {EDGE: "pending"}
    assert world.told() == []


def test_flapping_is_damped(world: World) -> None:
    """One message for an hour of on and off, and one at its end."""
    world.telemetry.rates[EDGE] = BAD
    world.run(60)
    for _ in range(20):
        world.telemetry.rates[EDGE] = GOOD
        world.run(90)
        world.telemetry.rates[EDGE] = BAD
        world.run(30)
    assert world.told() == [("firing", EDGE)]
    world.telemetry.rates[EDGE] = GOOD
    world.run(135)
    assert world.told() == [("firing", EDGE), ("resolved", EDGE)]


def test_a_second_episode_is_told_again(world: World) -> None:
    world.telemetry.depths["pick"] = 500
    world.run(15)
    world.telemetry.depths["pick"] = 5
    world.run(15)
    world.telemetry.depths["pick"] = 500
    world.run(15)
    assert world.told() == [("firing", "pick"), ("resolved", "pick"), ("firing", "pick")]
    assert len({request.headers["webhook-id"] for request in world.server.posts()}) == 3


def test_silence_neither_fires_nor_resolves(world: World) -> None:
    """A series that vanishes, a sample too small, an engine that is away: all the same."""
    world.telemetry.rates = {EDGE: BAD, "a->b": BAD}
    world.run(60)
    world.telemetry.rates["late->edge"] = BAD
    world.run(30)
    world.telemetry.rates = {"a->b": THIN, "new->edge": THIN}
    world.run(300)
    assert world.states() == {EDGE: "firing", "a->b": "firing", "late->edge": "pending"}
    reasons = {view.labels["edge"]: view.reason for view in world.service.active("default")}
    assert reasons == {EDGE: Reason.NO_DATA, "a->b": Reason.SMALL_SAMPLE, "late->edge": Reason.NO_DATA}
    world.telemetry.down = True
    world.run(300)
    assert world.states() == {EDGE: "firing", "a->b": "firing", "late->edge": "pending"}
    view = next(view for view in world.service.active("default") if view.labels["edge"] == EDGE)
    assert view.value == 0.4, "the last value that counted is kept"
    assert view.annotations["summary"] == f"{EDGE} fails 40.0 %"
    thin = next(view for view in world.service.active("default") if view.labels["edge"] == "a->b")
    assert (thin.value, thin.annotations["summary"]) == (0.4, "a->b fails 40.0 %")
    assert world.told() == [("firing", EDGE), ("firing", "a->b")]
    world.telemetry.down, world.telemetry.rates = False, {EDGE: BAD, "late->edge": BAD}
    world.run(0)
    assert world.told()[2:] == [("firing", "late->edge")], "the first breach counted"


def test_a_stale_bucket_is_silence(world: World) -> None:
    """The latest KPI value may be hours old when data has stopped; it must not keep judging."""
    bucket = world.clock.now()
    world.telemetry.latest_values = lambda tenant, grain: [kpi(EDGE, 0.0, 200, bucket)]  # type: ignore[method-assign]
    world.run(0)
    world.telemetry.latest_values = lambda tenant, grain: [kpi(EDGE, 0.4, 200, bucket)]  # type: ignore[method-assign]
    world.run(60)
    assert world.states() == {EDGE: "firing"}
    world.clock.advance(7_200)
    world.telemetry.latest_values = lambda tenant, grain: [kpi(EDGE, 0.0, 200, bucket)]  # type: ignore[method-assign]
    world.run(600)
    (view,) = world.service.active("default")
    assert (view.state, view.reason) == (AlertState.FIRING, Reason.NO_DATA)


def test_the_total_is_not_an_edge(world: World) -> None:
    world.telemetry.rates[""] = BAD
    world.run(120)
    assert world.states() == {}


def test_each_read_model_is_asked_once_a_tick(world: World) -> None:
    world.start(RULES + RULES.replace('\nid = "', '\nid = "other-'))
    world.telemetry.depths["pick"] = 500
    world.run(0)
    assert {view.rule for view in world.service.active("default")} == {"deep", "other-deep"}
    assert world.telemetry.kpi_reads == 1


def test_a_view(world: World) -> None:
    world.telemetry.depths["pick"] = 500
    world.telemetry.consumers = {"pick": "warehouse"}
    world.telemetry.waits("warehouse", 42, "12345.5")
    world.telemetry.rates[EDGE] = BAD
    world.run(0)
    firing, pending = world.service.active("default")
    assert (firing.rule, firing.name, firing.severity, firing.state) == ("deep", "Queue too deep", "warning", "firing")
    assert (firing.value, firing.threshold, firing.since) == (500.0, 100.0, world.clock.now())
    assert firing.labels == {
        "system": "rabbitmq",
        "destination": "pick",
        "alertname": "deep",
        "severity": "warning",
        "tenant": "default",
    }
    assert firing.annotations["summary"] == "pick holds 500"
    assert firing.annotations["impact"] == (
        "42 cases worth 12,345.50 EUR wait at warehouse now, the oldest since 2026-03-02T07:00:00Z"
    )
    assert (pending.rule, pending.state) == ("failing", AlertState.PENDING)


def test_tenants_do_not_see_one_another(world: World) -> None:
    world.tenants = ["default", "north"]
    world.telemetry.depths["pick"] = 500
    world.run(0)
    assert [view.tenant for view in world.service.active("north")] == ["north"]
    assert world.service.active("south") == []
    assert {item.tenant for item in world.service.notifications("north")} == {"north"}
    tenants = [request.json()["alerts"][0]["labels"]["tenant"] for request in world.server.posts()]
    assert sorted(tenants) == ["default", "north"]


def test_the_message_on_the_wire(world: World) -> None:
    """Alertmanager's shape, version 4, signed; the start of a resolved alert is when it fired."""
    world.telemetry.rates[EDGE] = BAD
    world.telemetry.waits("warehouse", 1, "99")
    world.run(60)
    fired_at = world.clock.now()
    request = world.server.posts()[0]
    labels = {
        "kpi_id": "integration_failure_rate",
        "edge": EDGE,
        "alertname": "failing",
        "severity": "critical",
        "tenant": "default",
    }
    annotations = {
        "title": "Integration failing",
        "summary": f"{EDGE} fails 40.0 %",
        "impact": "1 case worth 99.00 EUR waits at warehouse now, the oldest since 2026-03-02T07:00:00Z",
        "impact_system": "warehouse",
        "impact_cases": "1",
        "impact_value": "99.00 EUR",
        "impact_oldest_since": "2026-03-02T07:00:00Z",
    }
    document = request.json()
    assert document == {
        "version": "4",
        "groupKey": (
            f'{{}}:{{alertname="failing", edge="{EDGE}", kpi_id="integration_failure_rate", tenant="default"}}'
        ),
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "webhook",
        "groupLabels": {name: value for name, value in labels.items() if name != "severity"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://opsintel.example",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "2026-03-02T09:01:00.000000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://opsintel.example",
                "fingerprint": document["alerts"][0]["fingerprint"],
            }
        ],
    }
    signature = Webhook(SECRET).sign(request.headers["webhook-id"], fired_at, request.body.decode())
    assert request.headers["webhook-signature"] == signature
    world.telemetry.rates[EDGE] = GOOD
    world.run(120)
    resolved = world.server.posts()[1].json()["alerts"][0]
    assert (resolved["startsAt"], resolved["endsAt"]) == ("2026-03-02T09:01:00.000000Z", "2026-03-02T09:03:00.000000Z")
    assert resolved["fingerprint"] == document["alerts"][0]["fingerprint"]


# --- receivers ---


def outcomes(service: AlertService) -> list[tuple[str, str]]:
    return [(item.status, item.outcome) for item in reversed(service.notifications("default"))]


def test_a_receiver_that_is_down_and_comes_back(world: World) -> None:
    """Nothing is lost, nothing is doubled, and resolved does not overtake firing."""
    world.server.stop()
    world.telemetry.depths["pick"] = 500
    world.run(15)
    world.telemetry.depths["pick"] = 5
    world.run(15)
    assert world.service.undelivered("default") == 2
    world.server.start()
    world.run(60)
    assert [World.gist(request) for request in world.server.posts()] == [("firing", "pick"), ("resolved", "pick")]
    assert outcomes(world.service) == [("firing", "delivered"), ("resolved", "delivered")]
    assert world.service.undelivered("default") == 0


@pytest.mark.parametrize(
    "mishap",
    [Drop(), Hang(), Reply(500), Reply(503), Reply(429), Reply(408)],
    ids=["drop", "hang", "500", "503", "429", "408"],
)
def test_a_lost_answer_leads_to_the_same_message_again(world: World, mishap: Reply | Drop | Hang) -> None:
    answers = iter([mishap])
    world.server.behaviour = lambda _: next(answers, Reply())
    world.telemetry.depths["pick"] = 500
    world.run(15)
    first, second = world.server.posts()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    (entry,) = world.service.notifications("default")
    assert (entry.outcome, entry.attempts) == ("delivered", 2)


def test_pauses_grow_and_end(world: World) -> None:
    """At 0, 5, 15, 35 and 75 s; then the message is a dead letter."""
    times: list[float] = []
    began = world.clock.now()

    def refuse(_: Received) -> Reply:
        times.append((world.clock.now() - began) / timedelta(seconds=1))
        return Reply(500)

    world.server.behaviour = refuse
    world.telemetry.depths["pick"] = 500
    world.run(90, every=1)
    assert times == [0, 5, 15, 35, 75]
    (entry,) = world.service.notifications("default")
    assert (entry.outcome, entry.attempts) == ("dead", 5)
    assert entry.detail == "out of retries: the receiver answered 500"
    assert world.service.undelivered("default") == 0


def test_the_receivers_wish_is_honoured(world: World) -> None:
    answers = iter([Reply(429, headers={"retry-after": "120"})])
    world.server.behaviour = lambda _: next(answers, Reply())
    world.telemetry.depths["pick"] = 500
    world.run(119, every=7)
    assert len(world.server.posts()) == 1
    world.run(7)
    assert len(world.server.posts()) == 2


def test_resolved_does_not_overtake_firing(world: World) -> None:
    """Firing waits for the receiver's two minutes; resolved is due at once and still comes after it."""
    answers = iter([Reply(503, headers={"retry-after": "120"})])
    world.server.behaviour = lambda _: next(answers, Reply())
    world.telemetry.depths = {"pick": 500}
    world.run(0)
    world.telemetry.depths = {"pick": 5, "pack": 500}
    world.run(60)
    assert [World.gist(request) for request in world.server.posts()[1:]] == [("firing", "pack")]
    world.run(60)
    assert [World.gist(request) for request in world.server.posts()[2:]] == [("firing", "pick"), ("resolved", "pick")]


def test_the_same_message_is_not_decided_twice(world: World) -> None:
    """Not while it waits, and not after it was sent: the log is what decisions are deduplicated against."""
    world.telemetry.depths["pick"] = 500
    world.run(0)
    (sent,) = world.service.notifications("default")
    with world.state.begin() as connection:
        (stored,) = store.load(connection, "default").values()

        def again(message_id: str) -> bool:
            return store.enqueue(
                connection,
                message_id=message_id,
                tenant="default",
                stored=stored,
                status="firing",
                payload="{}",
                now=world.clock.now(),
            )

        assert [again(sent.message_id), again("msg_new"), again("msg_new")] == [False, True, False]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
def test_a_refusal_is_final_and_does_not_hold_up_the_next(world: World, status: int) -> None:
    answers = iter([Reply(status, headers={"location": world.server.url + "/elsewhere"})])
    world.server.behaviour = lambda _: next(answers, Reply())
    world.telemetry.depths["pick"] = 500
    world.run(0)
    world.telemetry.depths["pick"] = 5
    world.run(0)
    assert outcomes(world.service) == [("firing", "rejected"), ("resolved", "delivered")]
    assert {request.path for request in world.server.posts()} == {"/hook"}


def test_a_dead_receiver_costs_one_attempt_a_tick(world: World) -> None:
    world.server.behaviour = lambda _: Reply(500)
    world.telemetry.depths = {f"queue-{number}": 500 for number in range(50)}
    assert world.service.evaluate().attempted == 1
    assert world.service.undelivered("default") == 50


def test_without_a_receiver_notifications_are_recorded(world: World) -> None:
    world.service = AlertService(
        world.state, world.clock, world.service.rules, world.sources(), lambda: ["default"], None
    )
    world.telemetry.depths["pick"] = 500
    world.run(0)
    (entry,) = world.service.notifications("default")
    assert (entry.outcome, entry.attempts, entry.receiver) == ("unsent", 0, "")


# --- restarts ---


def test_a_restart_in_the_middle(world: World) -> None:
    """The duration goes on counting across processes; nothing is told twice."""
    world.telemetry.rates[EDGE] = BAD
    world.run(45)
    world.start()
    world.run(15)
    assert world.states() == {EDGE: "firing"}
    world.start()
    world.run(60)
    world.telemetry.rates[EDGE] = GOOD
    world.run(60)
    world.start()
    world.run(75)
    assert world.told() == [("firing", EDGE), ("resolved", EDGE)]
    assert len(world.server.posts()) == 2


def test_a_rule_taken_out_of_the_file(world: World) -> None:
    """Its firing alerts end, and that is told; its pending ones just go."""
    world.telemetry.depths["pick"] = 500
    world.telemetry.rates[EDGE] = BAD
    world.run(0)
    world.start("")
    world.run(0)
    assert world.states() == {}
    assert world.told() == [("firing", "pick"), ("resolved", "pick")]


class Killed(BaseException):
    """Stands for the process being killed: nothing in the product catches it."""


def test_killed_at_every_statement(world: World) -> None:
    """Die before the n-th statement of a tick, for every n, in firing and in resolving; then go on in a new process."""
    n, deaths = 0, 1
    while deaths:
        n += 1
        deaths = 0
        queue = f"queue-{n}"
        for depth in (500, 5):
            world.telemetry.depths = {queue: depth}
            countdown = [n]

            def die(*_: object, countdown: list[int] = countdown) -> None:
                countdown[0] -= 1
                if countdown[0] == 0:
                    raise Killed

            sa.event.listen(world.state.engine, "before_cursor_execute", die)
            try:
                world.service.evaluate()
            except Killed:
                deaths += 1
            finally:
                sa.event.remove(world.state.engine, "before_cursor_execute", die)
            world.start()
            world.run(30)
        assert [gist for gist in world.told() if gist[1] == queue] == [("firing", queue), ("resolved", queue)], n
    assert n > 10


def test_killed_between_delivery_and_its_record(world: World, server: LocalServer) -> None:
    """The one double that is possible comes under the same id."""
    world.telemetry.depths["pick"] = 500

    def die(*args: object) -> None:
        if "DELETE FROM alert_outbox" in str(args[2]):
            raise Killed

    sa.event.listen(world.state.engine, "before_cursor_execute", die)
    with pytest.raises(Killed):
        world.service.evaluate()
    sa.event.remove(world.state.engine, "before_cursor_execute", die)
    world.start()
    world.run(0)
    assert len(server.posts()) == 2
    assert len({request.headers["webhook-id"] for request in server.posts()}) == 1
    assert outcomes(world.service) == [("firing", "delivered")]


def test_one_tenant_in_trouble_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.tenants = ["broken", "default"]
    world.telemetry.depths["pick"] = 500
    evaluate = world.service._evaluate

    def sometimes(tenant: str, *args: object) -> object:
        if tenant == "broken":
            raise StoreUnavailable("locked")
        return evaluate(tenant, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(world.service, "_evaluate", sometimes)
    tick = world.service.evaluate()
    assert (tick.failed_tenants, tick.judged, tick.decided, tick.attempted) == (("broken",), 1, 1, 1)


def test_a_quiet_tick_writes_nothing(world: World) -> None:
    """Every 15 s for every tenant: the common case must not take the write lock."""
    world.telemetry.rates[EDGE] = GOOD
    statements: list[str] = []
    listener = lambda *args: statements.append(str(args[2]))  # noqa: E731
    sa.event.listen(world.state.engine, "before_cursor_execute", listener)
    world.service.evaluate()
    sa.event.remove(world.state.engine, "before_cursor_execute", listener)
    assert [text for text in statements if not text.startswith(("SELECT", "BEGIN"))] == []
    assert "BEGIN IMMEDIATE" not in statements
