"""The layout: nothing covers anything, flow runs down, the same input gives the same picture, and it is quick."""

from __future__ import annotations

import random
import re
import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.graph import Box, Drawing, Line, draw

W, H, LW, LH = 176.0, 60.0, 84.0, 36.0


def box(name: str, pull: float = 0.0) -> Box:
    return Box(name, W, H, pull)


def line(source: str, target: str, weight: float = 1.0) -> Line:
    return Line(source, target, weight, LW, LH)


def rectangles(drawing: Drawing) -> list[tuple[float, float, float, float]]:
    boxes = [(spot.x - W / 2, spot.y - H / 2, spot.x + W / 2, spot.y + H / 2) for spot in drawing.boxes.values()]
    labels = [
        (one.label.x - LW / 2, one.label.y - LH / 2, one.label.x + LW / 2, one.label.y + LH / 2)
        for (source, target), one in drawing.lines.items()
        if source != target
    ]
    return boxes + labels


def overlapping(drawing: Drawing) -> int:
    found = rectangles(drawing)
    return sum(
        a[0] < b[2] - 0.01 and b[0] < a[2] - 0.01 and a[1] < b[3] - 0.01 and b[1] < a[3] - 0.01
        for place, a in enumerate(found)
        for b in found[place + 1 :]
    )


def test_a_chain_stands_straight_and_runs_down() -> None:
    found = draw((box("a"), box("b"), box("c")), (line("a", "b", 9), line("b", "c", 9)))
    assert found.boxes["a"].y < found.boxes["b"].y < found.boxes["c"].y
    assert abs(found.boxes["a"].x - found.boxes["c"].x) < 1
    assert found.boxes["a"].y < found.lines["a", "b"].label.y < found.boxes["b"].y


def test_the_frequent_path_is_straighter_than_a_rare_one() -> None:
    names = ("a", "b", "c", "d")
    lines = (line("a", "b", 1000), line("b", "d", 1000), line("a", "c", 5), line("c", "d", 5))
    found = draw(tuple(box(name) for name in names), lines)
    assert abs(found.boxes["a"].x - found.boxes["b"].x) < abs(found.boxes["a"].x - found.boxes["c"].x) / 4


def test_a_line_that_goes_back_up_keeps_its_direction() -> None:
    found = draw((box("a", 10), box("b"), box("c")), (line("a", "b", 9), line("b", "c", 9), line("c", "a", 1)))
    assert found.boxes["a"].y < found.boxes["c"].y
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d", found.lines["c", "a"].path)]
    assert abs(numbers[1] - (found.boxes["c"].y - H / 2)) < 1, "begins at the top of c"
    assert abs(numbers[-1] - (found.boxes["a"].y + H / 2)) < 1, "ends at the bottom of a"


def test_a_step_that_follows_itself_has_its_label_beside_it() -> None:
    found = draw((box("a"), box("b")), (line("a", "a", 3), line("a", "b", 9)))
    loop = found.lines["a", "a"]
    assert loop.label.x - LW / 2 > found.boxes["a"].x + W / 2
    assert loop.label.x + LW / 2 <= found.width


def test_nothing_and_strangers() -> None:
    assert draw((), ()).boxes == {}
    assert set(draw((box("a"),), (line("a", "nowhere"),)).lines) == set()


names = st.sampled_from([f"s{number}" for number in range(9)])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(names, names), st.integers(1, 500), max_size=24))
def test_nothing_covers_anything_and_everything_is_inside(edges: dict[tuple[str, str], int]) -> None:
    boxes = tuple(box(name) for name in sorted({end for pair in edges for end in pair} | {"s0"}))
    found = draw(boxes, tuple(line(source, target, weight) for (source, target), weight in edges.items()))
    assert set(found.boxes) == {one.name for one in boxes}
    assert set(found.lines) == set(edges)
    assert overlapping(found) == 0
    for left, top, right, bottom in rectangles(found):
        assert left >= -0.01
        assert top >= -0.01
        assert right <= found.width + 0.01
        assert bottom <= found.height + 0.01


def many(steps: int, moves: int) -> tuple[tuple[Box, ...], tuple[Line, ...]]:
    """A process with a main path, branches, skips and rework."""
    chance = random.Random(7)
    order = [f"step {number}" for number in range(steps)]
    pairs = dict.fromkeys(pairwise(order), 1000.0)
    while len(pairs) < moves:
        a = chance.randrange(steps)
        b = min(steps - 1, max(0, a + chance.choice((-3, -2, -1, 0, 2, 2, 3, 3, 4, 6))))
        pairs.setdefault((order[a], order[b]), float(chance.randrange(1, 200)))
    boxes = tuple(box(name, 1000.0 if name == order[0] else 0.0) for name in order)
    return boxes, tuple(line(a, b, weight) for (a, b), weight in pairs.items())


def test_twenty_five_steps_and_sixty_moves_stay_readable_and_quick() -> None:
    boxes, lines = many(25, 60)
    started = time.thread_time()
    found = draw.__wrapped__(boxes, lines)
    assert time.thread_time() - started < 1.0
    assert overlapping(found) == 0
    assert found.boxes["step 0"].y == min(spot.y for spot in found.boxes.values())
    assert found.width < 1600
    assert draw.__wrapped__(boxes, lines) == found


def test_the_main_path_of_a_large_process_runs_straight_down() -> None:
    boxes, lines = many(25, 60)
    found = draw(boxes, lines)
    places = [found.boxes[one.name].x for one in boxes]
    assert sum(abs(a - b) for a, b in pairwise(places)) < W
