"""Customer lifecycle: cases at the service desk, warranties, subscriptions, accounts of business customers.

Every case is short: it is asked for and, some time later, done. All chance comes from random streams of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from demo.model.facts import AttributeDict
from demo.model.kernel import Process
from demo.model.recorder import Case
from demo.model.world import CHANNELS, ORDERS, RETURNS, WEB_SHOP
from metrics import conventions as c
from metrics.conventions import ActorType, Stream

if TYPE_CHECKING:
    from demo.model.orders import Order
    from demo.model.retailer import Retailer

LATE_COMPLAINS, DAMAGED = 0.35, 0.012
WARRANTIES_A_DAY, SUBSCRIPTIONS_A_DAY, ACCOUNTS_A_DAY = 3.0, 4.0, 1.2


def after_delivery(shop: Retailer, this: Order, *, late: bool) -> None:
    """Some customers write: because it came late, or because it came damaged."""
    rng = shop.complaints
    complains = rng.random() < (LATE_COMPLAINS if late else DAMAGED)
    wait, works = rng.uniform(0.2, 30), rng.lognormvariate(1.6, 0.9)
    actor = rng.choices((ActorType.HUMAN, ActorType.AGENT), (0.7, 0.3))[0]
    if complains and this.case.kept:
        shop.kernel.spawn(_customer_case(shop, this.id, min(works, 90.0), actor), wait * 3_600)


def _customer_case(shop: Retailer, order_id: str, hours: float, actor: ActorType) -> Process:
    ident = f"CC-{shop.number('customer case', 9_001)}"
    now = shop.kernel.now
    ids = {c.CUSTOMER_CASE_ID: ident, c.ORDER_ID: order_id}
    case = shop.recorder.case(Stream.CUSTOMER_LIFECYCLE, ident, now, ids)
    shop.recorder.event(case, RETURNS, "retail.customer_case.opened", now, {c.CHANNEL: "web"})
    shop.kpis.began("customer case", ident, now, case)
    yield hours * (0.15 if actor is ActorType.AGENT else 1.0) * 3_600
    who = {c.ACTOR_TYPE: actor, c.RESOURCE: "service-desk"}
    shop.recorder.event(case, RETURNS, "retail.customer_case.resolved", shop.kernel.now, who)
    shop.kpis.ended("customer case", ident, shop.kernel.now)


def warranties(shop: Retailer) -> Process:
    """Claims on warranties, a few a day."""
    rng = shop.side("warranties")
    while True:
        yield rng.expovariate(WARRANTIES_A_DAY / 86_400)
        ident = f"WAR-{shop.number('warranty', 1_201)}"
        about: AttributeDict = {c.SKU: rng.choice(shop.items).sku, c.CUSTOMER_ID: _customer(rng)}
        case = _begin(shop, ident, c.WARRANTY_ID)
        names = ("retail.warranty.claimed", "retail.warranty.resolved")
        shop.kernel.spawn(_two_steps(shop, case, "warranty", RETURNS, names, about, rng.uniform(0.6, 6) * 86_400))


def subscriptions(shop: Retailer) -> Process:
    """Changes of subscriptions; a system does most of them at once."""
    rng = shop.side("subscriptions")
    while True:
        yield rng.expovariate(SUBSCRIPTIONS_A_DAY / 86_400)
        ident = f"SUB-{shop.number('subscription', 3_301)}"
        about: AttributeDict = {c.CUSTOMER_ID: _customer(rng), c.CHANNEL: rng.choice(CHANNELS)[0]}
        case = _begin(shop, ident, c.SUBSCRIPTION_ID)
        names = ("retail.subscription.change_requested", "retail.subscription.changed")
        by_system = rng.random() < 0.7
        seconds = rng.uniform(1, 120) if by_system else rng.uniform(0.5, 40) * 3_600
        actor = ActorType.SYSTEM if by_system else ActorType.HUMAN
        shop.kernel.spawn(_two_steps(shop, case, "subscription", WEB_SHOP, names, about, seconds, actor))


def accounts(shop: Retailer) -> Process:
    """Business customers ask for an account."""
    rng = shop.side("accounts")
    while True:
        yield rng.expovariate(ACCOUNTS_A_DAY / 86_400)
        ident = f"ACC-{shop.number('account', 5_101)}"
        case = _begin(shop, ident, c.ACCOUNT_ID)
        names = ("retail.account.requested", "retail.account.onboarded")
        about: AttributeDict = {c.CHANNEL: "b2b"}
        shop.kernel.spawn(_two_steps(shop, case, "account", ORDERS, names, about, rng.uniform(0.8, 5) * 86_400))


def _begin(shop: Retailer, ident: str, key: str) -> Case:
    return shop.recorder.case(Stream.CUSTOMER_LIFECYCLE, ident, shop.kernel.now, {key: ident})


def _two_steps(
    shop: Retailer,
    case: Case,
    kind: str,
    service: str,
    names: tuple[str, str],
    about: AttributeDict,
    seconds: float,
    actor: ActorType = ActorType.HUMAN,
) -> Process:
    shop.recorder.event(case, service, names[0], shop.kernel.now, about)
    shop.kpis.began(kind, case.id, shop.kernel.now, case)
    yield seconds
    who: AttributeDict = {c.ACTOR_TYPE: actor}
    if actor is ActorType.HUMAN:
        who[c.RESOURCE] = f"{kind}-desk"
    shop.recorder.event(case, service, names[1], shop.kernel.now, who)
    shop.kpis.ended(kind, case.id, shop.kernel.now)


def _customer(rng: random.Random) -> str:
    return f"CUST-{rng.randrange(10_000, 60_000)}"
