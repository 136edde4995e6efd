"""Draws a graph in layers from top to bottom: where boxes and labels stand, and the lines between them.

The method is Sugiyama's: break cycles, put boxes on layers, order each layer so that few lines cross, then place them.
Labels are placed like boxes, on layers of their own between those of the boxes, so that nothing covers anything. A line
that goes back up is turned round while the layers are made. Pure: sizes in, positions out, in pixels.

Not promised: the fewest possible crossings; that is a hard problem, and the order found is the best of some sweeps.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

BETWEEN = 18.0
"""Free space between two things on one layer."""
ABOVE = 16.0
"""Free space between a layer of boxes and the labels next to it: here lines turn."""
MARGIN = 10.0
LOOP = 24.0
PORT = 16.0
"""How far apart lines leave a box, at most."""
SWEEPS = 14
PLACINGS = 24


@dataclass(frozen=True)
class Box:
    """Something to place. `pull` above 0 draws it to the top, below 0 to the bottom."""

    name: str
    width: float
    height: float
    pull: float = 0.0


@dataclass(frozen=True)
class Line:
    """From box to box, with a label of the given size; a heavier line is kept straighter."""

    source: str
    target: str
    weight: float
    label_width: float
    label_height: float


@dataclass(frozen=True)
class Spot:
    """The middle of a placed thing."""

    x: float
    y: float


@dataclass(frozen=True)
class Course:
    """A line as an SVG path, and where its label stands."""

    path: str
    label: Spot


@dataclass(frozen=True)
class Drawing:
    """The whole: boxes by name, lines by source and target."""

    width: float
    height: float
    boxes: Mapping[str, Spot]
    lines: Mapping[tuple[str, str], Course]


@dataclass
class _Thing:
    """What stands on a layer: a box, a label, or a bend of a line that passes through."""

    key: object
    rank: int
    left: float
    right: float
    x: float = 0.0


@dataclass
class _Chain:
    """A line's things from its upper to its lower end; `turned` when it runs upwards."""

    line: Line
    things: list[_Thing]
    label: _Thing
    turned: bool


@lru_cache(maxsize=64)
def draw(boxes: tuple[Box, ...], lines: tuple[Line, ...]) -> Drawing:
    """Places every box and every line between two of them; names must be distinct."""
    if not boxes:
        return Drawing(2 * MARGIN, 2 * MARGIN, {}, {})
    by_name = {box.name: box for box in boxes}
    known = [line for line in lines if line.source in by_name and line.target in by_name]
    loops = {line.source: line for line in known if line.source == line.target}
    plain = [line for line in known if line.source != line.target]
    order = _order(boxes, plain)
    layers = _layers(boxes, plain, order)
    things: dict[str, _Thing] = {}
    for box in boxes:
        loop = loops.get(box.name)
        extra = LOOP + loop.label_width if loop else 0.0
        things[box.name] = _Thing(box.name, 2 * layers[box.name], box.width / 2, box.width / 2 + extra)
    chains = [_chain(line, things, layers) for line in plain]
    ranks = _ranks(boxes, things, chains)
    links = _links(chains)
    _reduce_crossings(ranks, links)
    _place(ranks, chains)
    return _finish(by_name, loops, things, chains, ranks)


# --- layers ---


def _order(boxes: Sequence[Box], lines: Iterable[Line]) -> dict[str, int]:
    """A sequence of the boxes that few and light lines run against (after Eades, Lin and Smyth 1993)."""
    out: dict[str, dict[str, float]] = {box.name: {} for box in boxes}
    into: dict[str, dict[str, float]] = {box.name: {} for box in boxes}
    for line in lines:
        out[line.source][line.target] = into[line.target][line.source] = line.weight
    pull = {box.name: box.pull for box in boxes}
    left = [box.name for box in boxes]
    front: list[str] = []
    back: list[str] = []

    def take(name: str, where: list[str]) -> None:
        where.append(name)
        left.remove(name)
        for other in out.pop(name):
            into[other].pop(name, None)
        for other in into.pop(name):
            out[other].pop(name, None)

    while left:
        sink = next((name for name in left if not out[name] and (into[name] or pull[name] < 0)), None)
        if sink is not None:
            take(sink, back)
            continue
        source = next((name for name in left if not into[name]), None)
        if source is None:
            source = max(left, key=lambda name: pull[name] + sum(out[name].values()) - sum(into[name].values()))
        take(source, front)
    return {name: place for place, name in enumerate([*front, *reversed(back)])}


def _layers(boxes: Sequence[Box], lines: Sequence[Line], order: Mapping[str, int]) -> dict[str, int]:
    """The lowest layer that the lines above allow, then drawn towards neighbours where there is room."""
    above: dict[str, list[tuple[str, float]]] = defaultdict(list)
    below: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for line in lines:
        first, second = sorted((line.source, line.target), key=order.__getitem__)
        above[second].append((first, line.weight))
        below[first].append((second, line.weight))
    names = sorted((box.name for box in boxes), key=order.__getitem__)
    layer: dict[str, int] = {}
    for name in names:
        layer[name] = max((layer[other] + 1 for other, _ in above[name]), default=0)
    for _ in range(4):
        for name in reversed(names):
            low = max((layer[other] + 1 for other, _ in above[name]), default=0)
            high = min((layer[other] - 1 for other, _ in below[name]), default=layer[name])
            balance = sum(weight for _, weight in below[name]) - sum(weight for _, weight in above[name])
            if low <= high:
                layer[name] = high if balance > 0 else low
    used = {value: place for place, value in enumerate(sorted(set(layer.values())))}
    return {name: used[value] for name, value in layer.items()}


def _chain(line: Line, things: Mapping[str, _Thing], layers: Mapping[str, int]) -> _Chain:
    turned = layers[line.source] > layers[line.target]
    upper, lower = (line.target, line.source) if turned else (line.source, line.target)
    top, bottom = 2 * layers[upper], 2 * layers[lower]
    middle = (top + bottom) // 2
    labelled = middle if middle % 2 else middle + 1
    passing = []
    for rank in range(top + 1, bottom):
        half = line.label_width / 2 if rank == labelled else 3.0
        passing.append(_Thing((line.source, line.target, rank), rank, half, half))
    return _Chain(line, [things[upper], *passing, things[lower]], passing[labelled - top - 1], turned)


def _ranks(boxes: Sequence[Box], things: Mapping[str, _Thing], chains: Sequence[_Chain]) -> list[list[_Thing]]:
    ranks: list[list[_Thing]] = [[] for _ in range(max(thing.rank for thing in things.values()) + 1)]
    for box in boxes:
        ranks[things[box.name].rank].append(things[box.name])
    for chain in sorted(chains, key=lambda one: -one.line.weight):
        for thing in chain.things[1:-1]:
            ranks[thing.rank].append(thing)
    return ranks


Links = dict[int, list[tuple[_Thing, float]]]


def _links(chains: Sequence[_Chain]) -> tuple[Links, Links]:
    """For each thing (by id) its neighbours on the layer above, and on the layer below."""
    up: Links = defaultdict(list)
    down: Links = defaultdict(list)
    for chain in chains:
        for first, second in pairwise(chain.things):
            down[id(first)].append((second, chain.line.weight))
            up[id(second)].append((first, chain.line.weight))
    return up, down


# --- order within layers ---


def _reduce_crossings(ranks: list[list[_Thing]], links: tuple[Links, Links]) -> None:
    up, down = links
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks, down)
    for sweep in range(SWEEPS):
        going_down = sweep % 2 == 0
        for rank in ranks[1:] if going_down else reversed(ranks[:-1]):
            other = ranks[rank[0].rank + (-1 if going_down else 1)]
            place = {id(thing): float(index) for index, thing in enumerate(other)}
            near = up if going_down else down
            own = {id(thing): float(index) for index, thing in enumerate(rank)}
            spread = len(other) / max(1, len(rank))
            rank.sort(key=lambda thing: _middle(near[id(thing)], place, own[id(thing)] * spread))
        found = _crossings(ranks, down)
        if found < fewest:
            best, fewest = [list(rank) for rank in ranks], found
    for rank, order in zip(ranks, best, strict=True):
        rank[:] = order


def _middle(near: Sequence[tuple[_Thing, float]], place: Mapping[int, float], otherwise: float) -> float:
    if not near:
        return otherwise
    total = sum(1 + weight for _, weight in near)
    return sum(place[id(thing)] * (1 + weight) for thing, weight in near) / total


def _crossings(ranks: Sequence[Sequence[_Thing]], down: Links) -> int:
    total = 0
    for upper, lower in pairwise(ranks):
        place = {id(thing): index for index, thing in enumerate(lower)}
        seen: list[int] = []
        for thing in upper:
            ends = sorted(place[id(other)] for other, _ in down[id(thing)])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


# --- places ---


def _place(ranks: Sequence[Sequence[_Thing]], chains: Sequence[_Chain]) -> None:
    """Moves things towards their neighbours, as far as those beside them allow; bends hold a line straight."""
    heaviest = max((chain.line.weight for chain in chains), default=1.0) or 1.0
    near: dict[int, list[tuple[_Thing, float]]] = defaultdict(list)
    above: dict[int, list[tuple[_Thing, float]]] = defaultdict(list)
    below: dict[int, list[tuple[_Thing, float]]] = defaultdict(list)
    for chain in chains:
        importance = 1 + 2000 * (chain.line.weight / heaviest) ** 3
        for first, second in pairwise(chain.things):
            bends = (isinstance(first.key, tuple)) + (isinstance(second.key, tuple))
            pull = importance * (1, 2, 8)[bends]
            for one, other, side in ((first, second, below), (second, first, above)):
                near[id(one)].append((other, pull))
                side[id(one)].append((other, pull))
    for rank in ranks:
        at = 0.0
        for thing in rank:
            at += thing.left
            thing.x = at
            at += thing.right + BETWEEN
        for thing in rank:
            thing.x -= at / 2
    for turn in range(PLACINGS):
        if turn >= PLACINGS - 4:
            side, sequence = near, ranks if turn % 2 else tuple(reversed(ranks))
        else:
            side, sequence = (above, ranks) if turn % 2 == 0 else (below, tuple(reversed(ranks)))
        for rank in sequence:
            _settle(rank, side)


def _settle(rank: Sequence[_Thing], side: Mapping[int, Sequence[tuple[_Thing, float]]]) -> None:
    """The nearest places to the wanted ones that keep order and distance: isotonic regression by pooling."""
    offset = 0.0
    offsets: list[float] = []
    groups: list[list[float]] = []
    previous: _Thing | None = None
    for thing in rank:
        if previous is not None:
            offset += previous.right + BETWEEN + thing.left
        previous = thing
        offsets.append(offset)
        around = side.get(id(thing), ())
        weight = sum(pull for _, pull in around)
        wanted = sum(other.x * pull for other, pull in around) / weight if weight else thing.x
        groups.append([wanted - offset, weight or 0.05, 1])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            last = groups.pop()
            total = groups[-1][1] + last[1]
            groups[-1][0] = (groups[-1][0] * groups[-1][1] + last[0] * last[1]) / total
            groups[-1][1] = total
            groups[-1][2] += last[2]
    index = 0
    for level, _, size in groups:
        for _ in range(int(size)):
            rank[index].x = level + offsets[index]
            index += 1


def _finish(
    boxes: Mapping[str, Box],
    loops: Mapping[str, Line],
    things: Mapping[str, _Thing],
    chains: Sequence[_Chain],
    ranks: Sequence[Sequence[_Thing]],
) -> Drawing:
    shift = MARGIN - min(thing.x - thing.left for rank in ranks for thing in rank)
    for rank in ranks:
        for thing in rank:
            thing.x += shift
    width = max(thing.x + thing.right for rank in ranks for thing in rank) + MARGIN
    heights = [0.0] * len(ranks)
    for name, thing in things.items():
        heights[thing.rank] = max(heights[thing.rank], boxes[name].height)
    for chain in chains:
        heights[chain.label.rank] = max(heights[chain.label.rank], chain.line.label_height)
    tops, at = [], MARGIN
    for height in heights:
        tops.append(at)
        at += height + ABOVE
    middles = [top + height / 2 for top, height in zip(tops, heights, strict=True)]
    spots = {name: Spot(thing.x, middles[thing.rank]) for name, thing in things.items()}
    ports = _ports(chains, boxes)
    lines = {}
    for number, chain in enumerate(chains):
        upper, lower = chain.things[0], chain.things[-1]
        points = [(upper.x + ports[number, 0], middles[upper.rank] + boxes[str(upper.key)].height / 2)]
        for thing in chain.things[1:-1]:
            points += [(thing.x, tops[thing.rank]), (thing.x, tops[thing.rank] + heights[thing.rank])]
        points.append((lower.x + ports[number, 1], middles[lower.rank] - boxes[str(lower.key)].height / 2))
        if chain.turned:
            points.reverse()
        label = Spot(chain.label.x, middles[chain.label.rank])
        lines[chain.line.source, chain.line.target] = Course(_curve(points), label)
    for name, line in loops.items():
        spot, half = spots[name], boxes[name].width / 2
        side, out = spot.x + half, spot.x + half + LOOP
        above, below = spot.y - 9, spot.y + 9
        path = f"M{side:.1f} {above:.1f}C{out:.1f} {above - 7:.1f} {out:.1f} {below + 7:.1f} {side:.1f} {below:.1f}"
        lines[name, name] = Course(path, Spot(out + line.label_width / 2 - 12, spot.y))
    return Drawing(width, at - ABOVE + MARGIN, spots, lines)


def _ports(chains: Sequence[_Chain], boxes: Mapping[str, Box]) -> dict[tuple[int, int], float]:
    """How far from the middle of its box each end of a line is, so that lines do not run into one point."""
    ends: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for number, chain in enumerate(chains):
        ends[str(chain.things[0].key), 0].append((chain.things[1].x, number))
        ends[str(chain.things[-1].key), 1].append((chain.things[-2].x, number))
    found = {}
    for (name, end), there in ends.items():
        there.sort()
        apart = min(PORT, boxes[name].width * 0.8 / len(there))
        for place, (_, number) in enumerate(there):
            found[number, end] = (place - (len(there) - 1) / 2) * apart
    return found


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Through the points, upright at each."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5:
            path += f"L{x1:.1f} {y1:.1f}"
        else:
            middle = (y0 + y1) / 2
            path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return path
