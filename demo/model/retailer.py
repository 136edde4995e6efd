"""The retailer as a whole: it owns the clock, the stock, the queues and the random streams, and hands out facts.

`Retailer(settings).facts_until(t)` is all a client needs. The same settings give the same facts, to the byte; the one
input from outside is `pause`, which closes an edge from now on. No wall clock is read. Not thread-safe.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from demo.incidents import (
    BROKEN_VERSION,
    FIXED_VERSION,
    Impact,
    Incident,
    IncidentKind,
    plan_incidents,
    truth,
)
from demo.kpi_truth import KpiTruth
from demo.model import back_office, lifecycle, orders, promotions
from demo.model.facts import DAY, MINUTE, SECOND, Fact
from demo.model.http import Http
from demo.model.kernel import Gate, Kernel, Process
from demo.model.queues import HumanQueue, Queue
from demo.model.recorder import Recorder
from demo.model.stock import Stock
from demo.model.world import (
    ERP,
    ORDERS,
    PROMOTIONS,
    RETURNS,
    VERSIONS,
    WAREHOUSE,
    WEB_SHOP,
    build_items,
    build_suppliers,
    during,
)
from metrics.conventions import edge

GAUGE_EVERY = 5 * MINUTE


@dataclass(frozen=True)
class DemoSettings:
    """What is simulated: the window in nanoseconds, the seed, the volume, and whether incidents are planted.

    `warm_up` days are simulated before the window and left out of the facts, so that queues and stock are in their
    usual state when it opens. `peak_day` is a weekday-like index of days after the start (0 is the first) with a sale
    that multiplies demand by `peak_factor`.
    """

    start: int
    end: int
    seed: int = 20_260_302
    orders_per_day: float = 360.0
    incidents: bool = True
    warm_up: float = 7.0
    peak_day: int | None = None
    peak_factor: float = 2.5


class Retailer:
    """See the top of this file."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings = settings
        begin = settings.start - int(settings.warm_up * DAY)
        self.kernel = Kernel(begin)
        fixed = self._stream("world")
        self.suppliers = {supplier.id: supplier for supplier in build_suppliers(fixed)}
        self.items = build_items(fixed, tuple(self.suppliers.values()), settings.orders_per_day * 1.75 * 1.35)
        planned = plan_incidents(settings.start, settings.end, self.items, settings.orders_per_day)
        self.incidents: tuple[Incident, ...] = planned if settings.incidents else ()
        self._by_kind = {incident.kind: incident for incident in self.incidents}
        self.impacts = {incident.id: Impact() for incident in self.incidents}
        self.rng = self._stream("business")
        self.arrivals = self._stream("arrivals")
        self.troubled, self.complaints = self.side("exceptions"), self.side("complaints")
        self.kpis = KpiTruth(settings.start, settings.end)
        self.recorder = Recorder(self._stream("ids"), settings.start, self.version, self.kpis.touched)
        self.http = Http(self.recorder, self._stream("calls"), self.slowness, self.version)
        self.gates: dict[str, Gate] = {}
        self.fulfilment = self._queue(
            "rabbitmq", "fulfilment.requests", ORDERS, ORDERS, lambda _: 1, edge(ORDERS, WAREHOUSE)
        )
        self.stock_updates = self._queue("kafka", "stock.updates", WAREHOUSE, WEB_SHOP, self._stock_consumers)
        self.invoices = self._queue("rabbitmq", "invoice.postings", ORDERS, ERP, lambda _: 2)
        self.prices = self._queue("kafka", "price.updates", PROMOTIONS, WEB_SHOP, lambda _: 1)
        self.pick_tasks = self._desk("pick.tasks", WAREHOUSE, during(6, 23, 4, 2))
        self.refund_desk = _RefundDesk(self)
        self.refund_approvals = self._desk("refund.approvals", RETURNS, self.refund_desk)
        self.purchase_approvals = self._desk("purchase.approvals", ERP, during(7, 19, 1, 0))
        self.queues = (
            self.fulfilment,
            self.stock_updates,
            self.invoices,
            self.prices,
            self.pick_tasks,
            self.refund_approvals,
            self.purchase_approvals,
        )
        self._numbers: dict[str, int] = {}
        self.promoted: dict[str, str] = {}  # SKU -> running promotion
        self.reserved_skus: set[str] = set()  # of promotions planned or running
        self.sold: dict[tuple[str, str], int] = {}  # (promotion, SKU) -> units
        self.stock = Stock(self)
        self.kernel.spawn(orders.customers(self))
        self.kernel.spawn(orders.visitors(self))
        self.kernel.spawn(promotions.calendar(self))
        self.kernel.spawn(self.stock.daily_counts())
        for process in promotions.planned(self), self.stock.planned(), self._deployments():
            self.kernel.spawn(process)
        for beside in (
            lifecycle.warranties,
            lifecycle.subscriptions,
            lifecycle.accounts,
            back_office.onboarding,
            back_office.new_items,
            back_office.price_checks,
            back_office.closing,
        ):
            self.kernel.spawn(beside(self))
        self.kernel.at((begin // GAUGE_EVERY + 1) * GAUGE_EVERY, self._measure)

    # --- for clients ---

    def facts_until(self, at: int) -> Iterator[Fact]:
        """Lets time pass until `at` (nanoseconds) and gives every fact complete by then, once, in time order."""
        hour = 3_600 * SECOND
        while self.kernel.now < at:
            self.kernel.run_until(min(self.kernel.now + hour, at))
            yield from self.recorder.until(self.kernel.now)

    def pause(self, edge_id: str, paused: bool) -> None:
        """Holds work back before an edge, or lets it go; an edge nothing travels over is remembered all the same."""
        self.gate(edge_id).set_closed(paused)

    def depths(self) -> list[tuple[str, str, str, int, float]]:
        """Messaging system, name, owning service, depth and age of the oldest (s) of every queue, now."""
        return [(q.system, q.name, q.consumer, q.station.depth, q.station.oldest_age()) for q in self.queues]

    def truth(self) -> dict[str, object]:
        """What was planted, what it did so far, and the KPIs of the window; see `demo.incidents.truth`."""
        start, end, seed = self.settings.start, self.settings.end, self.settings.seed
        return truth(self.incidents, self.impacts, start, end, seed, self.kpis.report())

    # --- for processes ---

    def gate(self, edge_id: str) -> Gate:
        """The gate before an edge."""
        if edge_id not in self.gates:
            self.gates[edge_id] = Gate(self.kernel)
        return self.gates[edge_id]

    def number(self, what: str, first: int) -> int:
        """The next number of a series."""
        self._numbers[what] = self._numbers.get(what, first - 1) + 1
        return self._numbers[what]

    def approval_id(self) -> str:
        """The id of a new approval."""
        return f"APR-{self.number('approval', 11_001)}"

    def side(self, name: str) -> random.Random:
        """A random stream of its own, so that what is drawn from it moves nothing else."""
        return self._stream(f"beside/{name}")

    def incident(self, kind: IncidentKind, at: int) -> Incident | None:
        """The incident of that kind if its cause is at work then."""
        incident = self._by_kind.get(kind)
        return incident if incident is not None and incident.covers(at) else None

    def planned(self, kind: IncidentKind) -> Incident | None:
        """The incident of that kind if one is planted."""
        return self._by_kind.get(kind)

    def hurt(self, kind: IncidentKind, case_id: str, value: Decimal, *, kept: bool) -> None:
        """Counts a case as hurt by the incident; cases that leave no facts are not counted."""
        incident = self._by_kind.get(kind)
        if incident is not None and kept:
            self.impacts[incident.id].add(case_id, value)

    def slowness(self, service: str, at: int) -> float:
        """How many times slower than usual a system answers."""
        if service == WAREHOUSE and (slow := self.incident(IncidentKind.SLOW_API, at)):
            return slow.numbers["slow_factor"]
        return 1.0

    def version(self, service: str, at: int) -> str:
        """Which version of a system runs at that time."""
        webhook = self._by_kind.get(IncidentKind.FAILING_WEBHOOK)
        if service == ORDERS and webhook is not None and at >= webhook.start:
            return BROKEN_VERSION if at < webhook.end else FIXED_VERSION
        return VERSIONS[service]

    def is_peak_day(self, at: int) -> bool:
        """Whether the sale of `peak_day` runs."""
        return self.settings.peak_day is not None and (at - self.settings.start) // DAY == self.settings.peak_day

    # --- inside ---

    def _stream(self, name: str) -> random.Random:
        return random.Random(f"{self.settings.seed}/{name}")

    def _queue(
        self, system: str, name: str, producer: str, consumer: str, workers: Callable[[int], int], gate: str = ""
    ) -> Queue:
        edge_id = gate or edge(producer, consumer)
        return Queue(self.kernel, self.recorder, system, name, producer, consumer, workers, self.gate(edge_id))

    def _desk(self, name: str, owner: str, workers: Callable[[int], int]) -> HumanQueue:
        gate = Gate(self.kernel)
        return HumanQueue(self.kernel, self.recorder, "workflow", name, owner, owner, workers, gate)

    def _stock_consumers(self, at: int) -> int:
        return 0 if self.incident(IncidentKind.OVERSELL, at) else 1

    def _measure(self) -> None:
        for queue in self.queues:
            queue.measure()
        self.kernel.at(self.kernel.now + GAUGE_EVERY, self._measure)

    def _deployments(self) -> Process:
        webhook = self._by_kind.get(IncidentKind.FAILING_WEBHOOK)
        if webhook is None:
            return
        for at, version in ((webhook.start, BROKEN_VERSION), (webhook.end, FIXED_VERSION)):
            yield (at - self.kernel.now) / SECOND
            self.recorder.line(ORDERS, f"deployed version {version}", self.kernel.now, {"service.version": version})


class _RefundDesk:
    """Who approves refunds when: one worker from 8 to 20 o'clock, from 9 to 10 during the backlog."""

    def __init__(self, retailer: Retailer) -> None:
        self._retailer = retailer

    def __call__(self, at: int) -> int:
        backlog = self._retailer.incident(IncidentKind.REFUND_BACKLOG, at)
        return during(9, 10, 1, 0)(at) if backlog else during(8, 20, 1, 0)(at)
