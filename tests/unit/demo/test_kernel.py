"""The simulator's clock, stations, gates and latches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demo.model.facts import SECOND
from demo.model.kernel import Gate, Kernel, Latch, Process, Station


def test_time_passes_in_order_and_stops_where_asked() -> None:
    kernel, seen = Kernel(100), []
    for when in (300, 200, 200, 50):
        kernel.at(when, lambda when=when: seen.append((when, kernel.now)))  # type: ignore[misc]
    kernel.run_until(250)
    assert seen == [(50, 100), (200, 200), (200, 200)]
    assert kernel.now == 250


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=30),
    st.integers(1, 3),
)
def test_a_station_never_has_more_workers_than_it_may_and_serves_in_order(
    customers: list[tuple[int, int]], workers: int
) -> None:
    kernel = Kernel(0)
    station = Station(kernel, lambda _: workers)
    busy, most, served = 0, 0, []

    def customer(number: int, takes: int) -> Process:
        nonlocal busy, most
        yield station
        busy += 1
        most = max(most, busy)
        served.append(number)
        yield float(takes)
        busy -= 1
        station.leave()

    ordered = sorted(range(len(customers)), key=lambda n: customers[n][0])
    for number in ordered:
        arrives, takes = customers[number]
        kernel.spawn(customer(number, takes), float(arrives))
    kernel.run_until(10_000 * SECOND)
    assert most <= workers
    assert served == ordered
    assert station.depth == 0


def test_a_shift_that_begins_needs_a_pump_and_age_is_that_of_the_first() -> None:
    kernel = Kernel(0)
    station = Station(kernel, lambda at: 1 if at >= 10 * SECOND else 0)
    done = []

    def customer() -> Process:
        yield station
        done.append(kernel.now)
        station.leave()

    kernel.spawn(customer())
    kernel.spawn(customer(), 3.0)
    kernel.run_until(10 * SECOND)
    assert (station.depth, station.oldest_age(), done) == (2, 10.0, [])
    station.pump()
    kernel.run_until(11 * SECOND)
    assert done == [10 * SECOND, 10 * SECOND]
    assert (station.depth, station.oldest_age()) == (0, 0.0)


def test_a_closed_gate_holds_and_an_opened_one_lets_go_in_order() -> None:
    kernel, passed = Kernel(0), []
    gate = Gate(kernel)

    def walker(name: str) -> Process:
        yield gate
        passed.append(name)

    gate.set_closed(True)
    for name in "abc":
        kernel.spawn(walker(name))
    kernel.run_until(5)
    assert (passed, gate.held) == ([], 3)
    gate.set_closed(False)
    kernel.run_until(6)
    assert (passed, gate.held) == (["a", "b", "c"], 0)


def test_a_latch_opens_when_it_has_been_counted_down() -> None:
    kernel, passed = Kernel(0), []
    latch = Latch(kernel, 1)

    def waiter() -> Process:
        yield latch
        passed.append(kernel.now)

    kernel.spawn(waiter())
    latch.more()
    latch.done()
    kernel.run_until(1)
    assert passed == []
    latch.done()
    kernel.run_until(2)
    assert passed == [1]
