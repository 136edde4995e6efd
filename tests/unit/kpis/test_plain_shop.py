"""Numbers of random shops are those that a plain reading of the definitions' words gives, however the events came."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from kpis import load_catalogue
from kpis.periods import Calendar
from storage import ClickHouse
from tests.support.examples import DEEP
from tests.unit.kpis.events import Event, load_events
from tests.unit.kpis.plain_shop import COMPUTED, LEVELS, Author, buckets, shop
from tests.unit.kpis.test_recompute import figures
from tests.unit.kpis.test_view_kpis import RECORDS, Shop

ZONE = "Europe/Berlin"
CATALOGUE = load_catalogue()
SEEDS = range(24 if DEEP else 1)
pytestmark = pytest.mark.hypothesis  # `make properties` looks for it


def corrected(random: Random, event: Event) -> Event:
    """The same event, told again: at another time, or with another number."""
    if random.random() < 0.5:
        return event.moved(Author(random).time(event.case) + timedelta(milliseconds=random.randrange(1, 1000)))
    return replace(event, quantity=random.choice([1, 2, None]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_shop(clickhouse: ClickHouse, tenant: str, seed: int) -> None:
    """Two tenants with cases of the same names; late, repeated and corrected events, of one in a few deliveries."""
    random = Random(seed)
    shops = [Shop(clickhouse, f"{tenant}-{name}", ZONE, COMPUTED) for name in "ab"]
    last: dict[str, dict[tuple[str, str], Event]] = {one.tenant: {} for one in shops}
    plans = {}
    for one in shops:
        events = shop(random)
        random.shuffle(events)
        again = [corrected(random, event) for event in random.sample(events, len(events) // 8)]
        events += random.sample(events, len(events) // 10)
        cuts = sorted(random.sample(range(len(events)), 2))
        some = [events] if one is shops[0] else [events[: cuts[0]], events[cuts[0] : cuts[1]], events[cuts[1] :]]
        plans[one.tenant] = [*some, again]
    for one in shops:
        for number, some in enumerate(plans[one.tenant]):
            last[one.tenant] |= {(event.case, event.event_id): event for event in some}
            deliver(one, some, number)
    for one in shops:
        said, standing = buckets(last[one.tenant].values(), ZONE, one.clock.now())
        stored = figures(clickhouse, one.tenant)
        told = {
            (kpi, basis, grain, start): row
            for (kpi, basis, _, grain, start), row in stored.items()
            if kpi not in LEVELS and grain != "minute" and (kpi, basis) in {key[:2] for key in said}
        }
        wrong = {
            key: (told.get(key), said.get(key))
            for key in told.keys() | said.keys()
            if key[2] in CATALOGUE.get(key[0]).grains and not same(told.get(key), said.get(key))
        }
        assert not wrong, f"{len(wrong)} differ, such as {list(wrong.items())[:5]}"
        calendar = Calendar(ZONE)
        for (kpi, basis, _, grain, start), row in stored.items():
            if kpi in LEVELS and basis in ("all", "over_1_day", "over_3_days"):
                assert row[0] == standing(kpi, basis, calendar.end(grain, start)), (kpi, basis, grain, start)


def deliver(one: Shop, some: list[Event], number: int) -> None:
    one.clock.advance(60)
    for table in ("record_events", "process_events"):
        fitting = [event for event in some if (event.stream in RECORDS) == (table == "record_events")]
        load_events(one.ch, one.tenant, fitting, one.clock.now(), segment=number + 1, table=table)
    assert not one.jobs.run_once().failures


def same(told: Any, said: Any) -> bool:
    if told is None or said is None:
        return told is said
    if told[3:] != said[3:] or (told[0] is None) != (said[0] is None):
        return False
    pairs = zip(told[:3], said[:3], strict=True)
    return all(a is None or abs(float(a) - float(b)) <= 2e-6 * max(1.0, abs(float(b))) for a, b in pairs)
