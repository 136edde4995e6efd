"""Stock of the distribution centre: what is there, what the shop believes is there, what is owed and on order.

The shop sells by its own copy of the levels, which follows the real ones through the queue `stock.updates`; when that
stands still the shop oversells. Levels never fall below zero; what cannot be given is owed and served first come,
first served.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from demo.incidents import IncidentKind
from demo.model import purchasing
from demo.model.facts import DAY, HOUR, SECOND, AttributeDict, Ref
from demo.model.kernel import Kernel, Process, Resume
from demo.model.recorder import NOWHERE
from demo.model.world import DISTRIBUTION_CENTRE, WAREHOUSE, WEB_SHOP, Item
from metrics import conventions as c

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

SHOWN_EVERY = 3  # of so many messages to the shop, one is answered with what it shows now


@dataclass(eq=False)
class Owed:
    """Units somebody waits for; a process waits on it until they came or until its patience ends."""

    kernel: Kernel
    sku: str
    units: int
    filled: bool = False
    over: bool = False
    _resume: Resume | None = None

    def park(self, resume: Resume) -> bool:
        if self.over:
            return False
        self._resume = resume
        return True

    def finish(self, *, filled: bool = False) -> None:
        """Ends the wait; the first call decides."""
        if self.over:
            return
        self.over, self.filled = True, filled
        if self._resume is not None:
            self.kernel.at(self.kernel.now, self._resume)


class Stock:
    """Levels by SKU, and the processes that change them."""

    def __init__(self, shop: Retailer) -> None:
        self._shop = shop
        self.real: dict[str, int] = {}
        self.shown: dict[str, int] = {}
        self._on_order: dict[str, int] = {}
        self._owed: dict[str, deque[Owed]] = {}
        self._reorder: dict[str, int] = {}
        self._lot: dict[str, int] = {}
        self._told = 0
        self._by_sku = {item.sku: item for item in shop.items}
        self._weights_for: tuple[object, ...] | None = None
        self._weights: list[float] = []
        for item in shop.items:
            lead = shop.suppliers[item.supplier].lead_days
            self._reorder[item.sku] = max(4, round(item.daily * (lead + 1.4)))
            self._lot[item.sku] = max(6, round(item.daily * 4))
            level = self._reorder[item.sku] + round(self._lot[item.sku] * shop.rng.random())
            self.real[item.sku] = self.shown[item.sku] = level
            self._on_order[item.sku] = 0
            self._owed[item.sku] = deque()

    # --- selling ---

    def choose(self, lines: int) -> list[Item]:
        """Goods a customer wants, by current demand; an item is chosen once."""
        shop = self._shop
        oversell = shop.incident(IncidentKind.OVERSELL, shop.kernel.now)
        key = (oversell is not None, *sorted(shop.promoted))
        if key != self._weights_for:
            hot = set(oversell.skus) if oversell else set()
            factor = oversell.numbers["demand_factor"] if oversell else 1.0
            weights = [
                item.weight * (factor if item.sku in hot else 2.5 if item.sku in shop.promoted else 1.0)
                for item in shop.items
            ]
            self._weights_for, self._weights = key, list(accumulate(weights))
        picked = shop.arrivals.choices(shop.items, cum_weights=self._weights, k=lines)
        return list(dict.fromkeys(picked))

    def expects(self, sku: str) -> bool:
        """Whether a supplier's delivery is on its way."""
        return self._on_order[sku] > 0

    def reserve(self, sku: str, units: int, order_id: str, at: int) -> int:
        """Takes up to `units` from the shelf and returns how many there were."""
        given = min(units, self.real[sku])
        if given:
            self._change(sku, -given)
            where = {c.SKU: sku, c.LOCATION_ID: DISTRIBUTION_CENTRE}
            level = {c.STOCK_LEVEL: self.real[sku]}
            event = self._shop.recorder.loose_event
            event(WAREHOUSE, "retail.stock.reserved", at, {**where, c.QUANTITY: given, c.ORDER_ID: order_id, **level})
            if self.real[sku] == 0:
                event(WAREHOUSE, "retail.stock.depleted", at, {**where, **level})
                self._shop.kpis.depleted(at)
        return given

    def owe(self, sku: str, units: int, patience: float) -> Owed:
        """Queues for units that are not there; the wait ends after `patience` seconds."""
        owed = Owed(self._shop.kernel, sku, units)
        self._owed[sku].append(owed)
        self._shop.kernel.at(self._shop.kernel.now + int(patience * SECOND), owed.finish)
        self.reorder(sku)
        return owed

    def give_back(self, sku: str, units: int) -> None:
        """Puts units on the shelf; those who wait are served first, and only in full."""
        self._change(sku, units)
        line = self._owed[sku]
        while line and (line[0].over or line[0].units <= self.real[sku]):
            owed = line.popleft()
            if not owed.over:
                self._change(sku, -owed.units)
                owed.finish(filled=True)

    def publish(self, skus: Sequence[str], parent: Ref = NOWHERE) -> None:
        """Tells the shop the levels as they are now; it learns them when it has read the message."""
        self._shop.kernel.spawn(self._update({sku: self.real[sku] for sku in skus}, parent))

    # --- buying ---

    def reorder(self, sku: str) -> None:
        """Starts a replenishment when what is there and on its way, less what is owed, is below the reorder point."""
        owed = sum(o.units for o in self._owed[sku] if not o.over)
        position = self.real[sku] + self._on_order[sku] - owed
        if position < self._reorder[sku]:
            lot = self._lot[sku] + max(0, self._reorder[sku] - position)
            self._on_order[sku] += lot
            self._shop.kernel.spawn(purchasing.replenish(self._shop, self._by_sku[sku], lot, self.real[sku]), 30.0)

    def receive(self, sku: str, units: int) -> None:
        """A delivery is on the shelf."""
        self._on_order[sku] -= units
        self.give_back(sku, units)
        self.publish([sku])

    # --- processes ---

    def daily_counts(self) -> Process:
        """Every morning a few items are counted; some levels turn out to be a little off."""
        shop = self._shop
        while True:
            yield (DAY - (shop.kernel.now - 5 * HOUR) % DAY) / SECOND
            for item in shop.rng.sample(shop.items, 6):
                off = shop.rng.choice((0, 0, 0, -1, -2, 1))
                self.count(item.sku, max(0, self.real[item.sku] + off))
                yield shop.rng.uniform(300, 900)

    def planned(self) -> Process:
        """The count that writes the oversold items down just after the shop stopped hearing of it."""
        shop = self._shop
        oversell = shop.planned(IncidentKind.OVERSELL)
        if oversell is None:
            return
        yield (oversell.start + 300 * SECOND - shop.kernel.now) / SECOND
        for sku in oversell.skus:
            self.count(sku, round(self.real[sku] * (1 - oversell.numbers["written_down_share"])))
            yield 60.0

    def count(self, sku: str, found: int) -> None:
        """Sets a level to what was found, and says so."""
        book = self.real[sku]
        difference = found - book
        now = self._shop.kernel.now
        where: AttributeDict = {c.SKU: sku, c.LOCATION_ID: DISTRIBUTION_CENTRE, c.STOCK_LEVEL: found}
        self._shop.recorder.loose_event(WAREHOUSE, "retail.stock.counted", now, {**where, c.STOCK_BOOK: book})
        self._shop.kpis.counted(now, book, found)
        if difference:
            self._change(sku, difference)
            attributes = {**where, c.QUANTITY: difference}
            self._shop.recorder.loose_event(WAREHOUSE, "retail.stock.adjusted", now + 1_000_000, attributes)
            self.publish([sku])
            self.reorder(sku)

    def _update(self, levels: dict[str, int], parent: Ref) -> Process:
        changed = self._shop.kernel.now
        message = yield from self._shop.stock_updates.pass_over(None, parent)
        yield self._shop.rng.uniform(0.1, 0.4)
        self.shown.update(levels)
        self._shop.stock_updates.done(message)
        self._told += 1
        if self._told % SHOWN_EVERY == 0:
            self._say_shown(levels, changed)

    def _say_shown(self, levels: dict[str, int], changed: int) -> None:
        """The shop says which levels it shows now, and since when they were so at the warehouse."""
        shop, now = self._shop, self._shop.kernel.now
        for sku, level in levels.items():
            about: AttributeDict = {
                c.EVENT_ID: f"SYNC-{shop.number('synchronised', 1)}",
                c.SKU: sku,
                c.LOCATION_ID: DISTRIBUTION_CENTRE,
                c.STOCK_LEVEL: level,
                c.SYSTEM: WEB_SHOP,
                c.CHANGED_AT: str(changed),
            }
            shop.recorder.loose_event(WEB_SHOP, "retail.stock.synchronised", now, about)
            shop.kpis.synchronised(now, changed)

    def _change(self, sku: str, units: int) -> None:
        self.real[sku] += units
        if self.real[sku] < 0:
            raise AssertionError(f"stock of {sku} fell to {self.real[sku]}")
