"""Exceptions that stand in the way of an order: raised, and resolved by a system, by a person, or not at all.

They are told beside what the order goes through anyway and change none of its times. What is decided by chance here
comes from a random stream of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.model.facts import SECOND, Attributes
from demo.model.kernel import Process
from demo.model.world import ORDERS, money
from metrics import conventions as c
from metrics.conventions import ActorType, ExceptionCategory

if TYPE_CHECKING:
    from demo.model.orders import Order
    from demo.model.recorder import Case
    from demo.model.retailer import Retailer

SOFT_DECLINED, BAD_ADDRESS, WRONG_PRICE = 0.012, 0.012, 0.006
LATE_NOTICED, NEVER_RESOLVED, BY_SYSTEM = 0.3, 0.12, 0.6


def raise_in(
    shop: Retailer, case: Case, service: str, at: int, category: ExceptionCategory, about: Attributes | None = None
) -> str:
    """An exception of any case; returns its id."""
    ident = f"EXC-{shop.number('exception', 12_001)}"
    facts = {c.EXCEPTION_ID: ident, c.EXCEPTION_CATEGORY: category, **(about or {})}
    shop.recorder.event(case, service, "retail.exception.raised", at, facts)
    shop.kpis.raised(case, at, ident, category)
    return ident


def resolve_in(
    shop: Retailer,
    case: Case,
    service: str,
    at: int,
    ident: str,
    category: ExceptionCategory,
    actor: ActorType,
    desk: str,
) -> None:
    """Its end; the desk is told when a person sat at it."""
    who = {c.ACTOR_TYPE: actor} | ({c.RESOURCE: desk} if actor is ActorType.HUMAN else {})
    facts = {c.EXCEPTION_ID: ident, c.EXCEPTION_CATEGORY: category, **who}
    shop.recorder.event(case, service, "retail.exception.resolved", at, facts)
    shop.kpis.resolved(at, ident, actor)


def trouble(shop: Retailer, this: Order, category: ExceptionCategory, at: int, *, money_in_it: bool = False) -> str:
    """An exception of an order that is still under way."""
    about = {c.AMOUNT: money(this.value), c.CURRENCY: "EUR"} if money_in_it else None
    ident = raise_in(shop, this.case, ORDERS, at, category, about)
    this.troubles[ident] = category
    return ident


def overcome(shop: Retailer, this: Order, ident: str, at: int, actor: ActorType) -> None:
    """Resolves an exception of an order unless that was done before, or the order is over."""
    category = this.troubles.pop(ident, None)
    if category is not None and not this.over:
        resolve_in(shop, this.case, ORDERS, at, ident, category, actor, "order-desk")


def overcome_all(shop: Retailer, this: Order, at: int, actor: ActorType) -> int:
    """Resolves whatever is open, a millisecond apart; returns the time of what comes next."""
    for ident in list(this.troubles):
        overcome(shop, this, ident, at, actor)
        at += 1_000_000
    return at


def at_acceptance(shop: Retailer, this: Order) -> None:
    """A few accepted orders have an address or a price that somebody must look at; it holds up none of them."""
    rng, draw = shop.troubled, shop.troubled.random()
    if draw < BAD_ADDRESS:
        _passing(shop, this, ExceptionCategory.ADDRESS_INVALID, rng.uniform(20, 90), rng.uniform(90, 240))
    elif draw < BAD_ADDRESS + WRONG_PRICE:
        _passing(shop, this, ExceptionCategory.PRICE_MISMATCH, rng.uniform(5, 30), rng.uniform(120, 280))


def at_late_delivery(shop: Retailer, this: Order) -> None:
    """Some late deliveries are noticed before the customer writes."""
    if shop.troubled.random() < LATE_NOTICED:
        rng = shop.troubled
        _passing(shop, this, ExceptionCategory.LATE_DELIVERY, rng.uniform(60, 600), rng.uniform(0.4, 4.4) * 3_600)


def _passing(shop: Retailer, this: Order, category: ExceptionCategory, quick: float, slow: float) -> None:
    rng = shop.troubled
    ident = trouble(shop, this, category, shop.kernel.now)
    draw = rng.random()
    if draw < NEVER_RESOLVED:
        return
    by_system = draw < NEVER_RESOLVED + (1 - NEVER_RESOLVED) * BY_SYSTEM
    actor = ActorType.SYSTEM if by_system else ActorType.HUMAN
    shop.kernel.spawn(_later(shop, this, ident, actor, quick if by_system else slow))


def _later(shop: Retailer, this: Order, ident: str, actor: ActorType, seconds: float) -> Process:
    yield int(seconds * SECOND) / SECOND
    overcome(shop, this, ident, shop.kernel.now, actor)
