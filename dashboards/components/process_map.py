"""The process map: steps as boxes, moves between them as arrows with how often and how long. Values in, components out.

Boxes and labels are links in the page's own type, so that they can be read, tabbed to and opened in a new tab; the
arrows behind them are one picture. A colour repeats what the label says in time and sign.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from dashboards import formats
from dashboards.aria import HIDDEN, aria, current, data
from dashboards.components.common import Child, Status, badge, cell, heads, nothing, words
from dashboards.graph import Box, Drawing, Line, draw
from dashboards.process_reads import Bottleneck, ProcessMap, Spread, StepNode, Transition
from dashboards.url_state import Paths, Period, ProcessState
from dashboards.view import View

SMALL = 30
"""Fewer observations than this are marked: their median says little."""
BOX_WIDTH, LINE_HEIGHT, BOX_PADDING = 176.0, 18.0, 14.0
LABEL_WIDTH, LABEL_HEIGHT = 94.0, 36.0
NAME_LETTERS = 20
COLOURS = ("#8a94a6", "#b58a1f", "#d0661f", "#cf3b2e")  # each 3:1 or better on the light and the dark card
SIGNS = ("", "", "△", "▲")
LEVELS = ("shorter half", "longer half", "longest quarter", "longest tenth")
TABLE_ROWS = 60


@dataclass(frozen=True)
class Measure:
    """How long a move takes: its waiting where that is known, else the whole gap, of which some may be work."""

    seconds: float
    known: bool
    sample: int


def measure(move: Transition) -> Measure:
    """The median that stands on the map for a move."""
    if move.waiting is not None:
        return Measure(move.waiting.median_s, True, move.waits)
    return Measure(move.gap.median_s, False, move.count)


def levels(moves: Sequence[Transition]) -> dict[tuple[str, str], int]:
    """For each move 0 to 3: how its median compares with those of the other moves."""
    ordered = sorted(measure(move).seconds for move in moves)
    if not ordered:
        return {}

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    limits = [at(0.5), at(0.75), at(0.9)]
    found = {}
    for move in moves:
        seconds = measure(move).seconds
        found[move.from_step, move.to_step] = sum(seconds >= limit for limit in limits) if seconds > ordered[0] else 0
    return found


def main_moves(shown: ProcessMap, share: float) -> list[Transition]:
    """The most frequent moves that make up `share` of all, and those without which a step could not be reached.

    Every step stays reachable from a first step of some case, and from every step a last step of some case.
    """
    ordered = sorted(shown.transitions, key=lambda move: (-move.count, move.from_step, move.to_step))
    wanted, so_far, kept = share * sum(move.count for move in ordered), 0, set()
    for move in ordered:
        if so_far >= wanted:
            break
        so_far += move.count
        kept.add((move.from_step, move.to_step))
    plain = [(move.from_step, move.to_step) for move in ordered if move.from_step != move.to_step]
    kept |= _bridges(plain, kept, {step.step for step in shown.steps if step.starts})
    turned = {(there, here) for here, there in kept}
    back = _bridges([(there, here) for here, there in plain], turned, {step.step for step in shown.steps if step.ends})
    kept |= {(here, there) for there, here in back}
    return [move for move in ordered if (move.from_step, move.to_step) in kept]


def _bridges(
    ordered: Sequence[tuple[str, str]], kept: Collection[tuple[str, str]], sources: Iterable[str]
) -> set[tuple[str, str]]:
    """The first moves in the given order that lead to what the kept ones do not reach from the sources."""
    out: dict[str, list[str]] = defaultdict(list)
    for here, there in kept:
        out[here].append(there)
    reached: set[str] = set()
    added: set[tuple[str, str]] = set()
    frontier = list(sources)
    while True:
        while frontier:
            step = frontier.pop()
            if step not in reached:
                reached.add(step)
                frontier.extend(out[step])
        move = next((one for one in ordered if one[0] in reached and one[1] not in reached), None)
        if move is None:
            return added
        added.add(move)
        frontier.append(move[1])


def process_map(
    shown: ProcessMap | None,
    bottlenecks: Sequence[Bottleneck],
    state: ProcessState,
    view: View,
    newest: str = "",
) -> Component:
    """The map with its controls, legend, basis and table; `newest` says when the stream's newest event was."""
    if shown is None or not shown.cases:
        return _nothing(state, newest)
    moves = main_moves(shown, state.paths.share)
    hidden = len(shown.transitions) - len(moves)
    waiting = _waiting_at(bottlenecks)
    boxes = tuple(_box(step, shown.cases, step.step in waiting) for step in shown.steps)
    lines = tuple(Line(move.from_step, move.to_step, float(move.count), LABEL_WIDTH, LABEL_HEIGHT) for move in moves)
    drawing = draw(boxes, lines)
    level = levels(shown.transitions)
    nodes = [(drawing.boxes[step.step], _node(step, box, drawing, shown.cases, waiting, state))
             for step, box in zip(shown.steps, boxes, strict=True)]  # fmt: skip
    labels = [
        (drawing.lines[move.from_step, move.to_step].label, _label(move, drawing, level, state)) for move in moves
    ]
    placed = [part for _, part in sorted([*nodes, *labels], key=lambda one: (one[0].y, one[0].x))]
    canvas = html.Div(
        [html.Img(src=_picture(drawing, moves, level, state), alt="", className="pm-lines"), *placed],
        className="pm-canvas",
        style={"width": f"{drawing.width:.0f}px", "height": f"{drawing.height:.0f}px"},
    )
    return html.Div(
        [
            _controls(state, len(shown.transitions), hidden),
            html.Div(canvas, className="pm-scroll", role="group", **aria(label=f"Process map of {shown.stream}")),
            selection(shown, state),
            _legend(shown),
            html.P(_basis(shown, state, view), className="pm-basis"),
            _table(shown, state),
        ],
        className="card pm",
    )


def selection(shown: ProcessMap, state: ProcessState) -> Component | None:
    """What is known of the chosen step or move; None when nothing is chosen or it does not occur."""
    if not state.step:
        return None
    close = html.A("Close", href=state.but(step="", to="").href, className="pm-close", **data(key="close-choice"))
    if state.to:
        move = next((one for one in shown.transitions if (one.from_step, one.to_step) == (state.step, state.to)), None)
        if move is None:
            return _absent(f"{words(state.step)} → {words(state.to)}", close)
        facts = [f"{formats.count(move.count)} times in {formats.count(move.cases)} cases"]
        rows = [("waiting", move.waiting, move.waits), ("whole gap", move.gap, move.count)]
        title = f"{words(move.from_step)} → {words(move.to_step)}"
    else:
        step = next((one for one in shown.steps if one.step == state.step), None)
        if step is None:
            return _absent(words(state.step), close)
        facts = [f"{formats.count(step.count)} times in {formats.count(step.cases)} cases"]
        facts += [f"first in {formats.count(step.starts)}"] if step.starts else []
        facts += [f"last so far in {formats.count(step.ends)}"] if step.ends else []
        rows = [("working", step.working, step.timed)]
        title = words(step.step)
    return html.Div(
        [
            html.Div([html.B(title), close], className="pm-chosen-head"),
            html.P(" · ".join(facts), className="muted"),
            _spreads(rows),
        ],
        className="pm-chosen",
        role="status",
    )


def _absent(title: str, close: Component) -> Component:
    return html.Div(
        [html.Div([html.B(title), close], className="pm-chosen-head"), html.P("It does not occur in these cases.")],
        className="pm-chosen",
        role="status",
    )


def _spreads(rows: Sequence[tuple[str, Spread | None, int]]) -> Component:
    body = []
    for name, spread, sample in rows:
        if spread is None:
            said: list[Component] = [html.Td("unknown: no start is known", colSpan=6, className="muted")]
        else:
            values = (spread.median_s, spread.mean_s, spread.p90_s, spread.p95_s, spread.sum_s)
            said = [html.Td(formats.duration(value)) for value in values]
            few = badge("small sample", Status.WARN) if sample < SMALL else None
            said.append(html.Td([formats.count(sample), few]))
        body.append(html.Tr([html.Th(name, scope="row"), *said]))
    head = [html.Th(text, scope="col") for text in ("", "median", "mean", "p90", "p95", "sum", "n")]
    table = html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="mini")
    return html.Div(table, className="pm-spreads", role="group", tabIndex="0", **aria(label="Times of what is chosen"))


# --- parts of the picture ---


def _waiting_at(bottlenecks: Sequence[Bottleneck]) -> Mapping[str, Sequence[Bottleneck]]:
    found: dict[str, list[Bottleneck]] = defaultdict(list)
    for one in bottlenecks:
        found[one.step].append(one)
    return found


def _ends(step: StepNode, cases: int) -> list[str]:
    """The marks of a step that cases begin or end with; fewer than one in two hundred are left to the details."""
    least = cases / 200
    marks = [f"▶ start {formats.count(step.starts)}"] if step.starts > least else []
    return marks + ([f"■ last {formats.count(step.ends)}"] if step.ends > least else [])


def _box(step: StepNode, cases: int, waits: bool) -> Box:
    lines = 2 + (len(words(step.step)) > NAME_LETTERS) + bool(_ends(step, cases)) + waits * 1.2
    return Box(step.step, BOX_WIDTH, BOX_PADDING + LINE_HEIGHT * lines, float(step.starts - step.ends))


def _node(
    step: StepNode,
    box: Box,
    drawing: Drawing,
    cases: int,
    waiting: Mapping[str, Sequence[Bottleneck]],
    state: ProcessState,
) -> Component:
    spot = drawing.boxes[step.step]
    working = "working unknown" if step.working is None else f"working {formats.duration(step.working.median_s)}"
    chosen = state.step == step.step and not state.to
    parts: list[Child] = [
        html.Span(words(step.step), className="pm-name"),
        html.Span(f"n {formats.count(step.count)} · {working}", className="pm-meta"),
    ]
    if marks := _ends(step, cases):
        parts.append(html.Span(" · ".join(marks), className="pm-meta"))
    there = waiting.get(step.step, ())
    if there:
        money = " + ".join(formats.money(one.value, one.currency) for one in there if one.value)
        text = f"{formats.count(sum(one.cases for one in there))} wait now"
        parts.append(badge(f"{text} · {money}" if money else text, Status.WARN))
    kind = " pm-start" if step.starts > cases / 200 else ""
    kind += " pm-end" if step.ends > cases / 200 else ""
    return html.A(
        parts,
        href=state.but(step="" if chosen else step.step, to="").href,
        className=f"pm-node{kind}{' pm-on' if chosen else ''}",
        title=f"{step.step}: {formats.count(step.count)} times in {formats.count(step.cases)} cases, {working}",
        style=_style(spot.x, spot.y, box.width, box.height),
        **current(chosen),
        **data(key=f"step {step.step}"),
    )


def _label(move: Transition, drawing: Drawing, level: Mapping[tuple[str, str], int], state: ProcessState) -> Component:
    key = (move.from_step, move.to_step)
    spot, found = drawing.lines[key].label, measure(move)
    rank = level[key]
    chosen = (state.step, state.to) == key
    kind = "waiting" if found.known else "gap, of which some may be work,"
    few = found.sample < SMALL
    said = (
        f"{words(move.from_step)} → {words(move.to_step)}: {formats.count(move.count)} times, median {kind} "
        f"{formats.duration(found.seconds)}, {LEVELS[rank]} of the map" + (", small sample" if few else "")
    )
    names = ["pm-label", f"pm-level-{rank}"] + ["pm-few"] * few + ["pm-on"] * chosen
    sign = f"{SIGNS[rank]} " if SIGNS[rank] else ""
    return html.A(
        [
            html.B(f"{sign}{formats.duration(found.seconds)}"),
            html.Small(f"{'' if found.known else 'gap · '}n {formats.count(move.count)}"),
        ],
        href=state.but(step="" if chosen else move.from_step, to="" if chosen else move.to_step).href,
        className=" ".join(names),
        title=said.replace(formats.NBSP, " "),
        style=_style(spot.x, spot.y, LABEL_WIDTH, LABEL_HEIGHT - 2),
        **aria(label=said.replace(formats.NBSP, " ")),
        **current(chosen),
    )


def _style(x: float, y: float, width: float, height: float) -> dict[str, str]:
    return {
        "left": f"{x - width / 2:.1f}px",
        "top": f"{y - height / 2:.1f}px",
        "width": f"{width:.0f}px",
        "height": f"{height:.0f}px",
    }


def _picture(
    drawing: Drawing, moves: Sequence[Transition], level: Mapping[tuple[str, str], int], state: ProcessState
) -> str:
    """The arrows as an SVG in a data address: thick is frequent, red is long."""
    most = max((move.count for move in moves), default=1)
    heads_of = "".join(
        f'<marker id="a{rank}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="13" markerHeight="13" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        for rank, colour in enumerate(COLOURS)
    )
    paths = []
    for move in reversed(moves):  # the frequent ones on top
        key = (move.from_step, move.to_step)
        rank = level[key]
        dim = "" if _lit(key, state) else ' opacity="0.22"'
        paths.append(
            f'<path d="{drawing.lines[key].path}" fill="none" stroke="{COLOURS[rank]}" '
            f'stroke-width="{1.4 + 4.6 * (move.count / most) ** 0.5:.1f}" marker-end="url(#a{rank})"{dim}/>'
        )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width:.0f}" height="{drawing.height:.0f}">'
        f"<defs>{heads_of}</defs>{''.join(paths)}</svg>"
    )
    return f"data:image/svg+xml,{quote(svg, safe=' =:/()')}"


def _lit(key: tuple[str, str], state: ProcessState) -> bool:
    if not state.step:
        return True
    return key == (state.step, state.to) if state.to else state.step in key


# --- around the picture ---


def _controls(state: ProcessState, moves: int, hidden: int) -> Component:
    texts = {Paths.MAIN: "main", Paths.MOST: "most", Paths.ALL: f"all {formats.count(moves)}"}
    links = [
        html.A(
            text,
            href=state.but(paths=paths).href,
            className=f"seg{' seg-on' if paths is state.paths else ''}",
            title=f"paths that make up {formats.percent(paths.share)} of all moves, every step stays reachable",
            **current(paths is state.paths),
            **data(key=f"paths {paths}"),
        )
        for paths, text in texts.items()
    ]
    note = f"{formats.count(hidden)} rare paths hidden" if hidden else "nothing hidden"
    return html.Div(
        [
            html.Span("Paths", className="muted", id="pm-paths"),
            html.Div(links, className="segs", role="group", **aria(labelledby="pm-paths")),
            html.Span(note, className="muted"),
        ],
        className="pm-controls",
    )


def _legend(shown: ProcessMap) -> Component:
    keys = [
        html.Span([html.Span(className="pm-swatch", style={"background": COLOURS[rank]}, **HIDDEN),
                   f"{SIGNS[rank]} {LEVELS[rank]}".strip()], className="pm-key")
        for rank in range(4)
    ]  # fmt: skip
    unknown = sum(move.waiting is None for move in shown.transitions)
    notes = ["Times are medians of waiting between two steps; thicker is more frequent."]
    if unknown:
        part = "No path" if unknown == len(shown.transitions) else f"{formats.count(unknown)} paths do not"
        verb = " tells" if part == "No path" else " tell"
        notes.append(f"{part}{verb} when the next step began: “gap” is all the time between, which may be work.")
    notes.append(f"Dotted: fewer than {SMALL} times.")
    return html.Div([html.Div(keys, className="pm-keys"), html.P(" ".join(notes))], className="pm-legend")


def _basis(shown: ProcessMap, state: ProcessState, view: View) -> str:
    parts = [f"n {formats.count(shown.cases)} cases with {formats.count(shown.events)} events, active "
             f"{state.period.words}, open ones with what they have so far"]  # fmt: skip
    if state.variant is not None:
        parts.append("one variant only")
    if shown.data_through is not None:
        parts.append(f"data through {view.time(shown.data_through)}")
    return " · ".join(parts)


def _table(shown: ProcessMap, state: ProcessState) -> Component:
    rows = [
        html.Tr(
            [
                html.Th(
                    html.A(
                        f"{words(move.from_step)} → {words(move.to_step)}",
                        href=state.but(step=move.from_step, to=move.to_step).href,
                    ),
                    scope="row",
                ),
                cell(formats.count(move.count), "n", "num"),
                cell(formats.count(move.cases), "cases", "num"),
                cell("unknown" if move.waiting is None else formats.duration(move.waiting.median_s), "waiting", "num"),
                cell(formats.duration(move.gap.median_s), "gap", "num"),
                cell(formats.duration(move.gap.p90_s), "gap p90", "num"),
            ]
        )
        for move in shown.transitions[:TABLE_ROWS]
    ]
    head = heads(("Path", ""), ("n", "num"), ("Cases", "num"), ("Waiting", "num"), ("Gap", "num"), ("Gap p90", "num"))
    more = len(shown.transitions) - TABLE_ROWS
    return html.Details(
        [
            html.Summary("The same as a table"),
            html.Table([head, html.Tbody(rows)], className="grid stack"),
            html.P(f"and {formats.count(more)} more", className="muted more") if more > 0 else None,
        ],
        className="pm-table",
        **data(keep="map-table"),
    )


def _nothing(state: ProcessState, newest: str) -> Component:
    if state.period is Period.ALL and state.variant is None:
        return nothing("No case matches.", newest)
    what = "No case of this variant" if state.variant is not None else "No case"
    wider = html.P(
        html.A("Show all time, all variants", href=state.but(period=Period.ALL, variant=None).href), className="hint"
    )
    return html.Div(
        [html.P(f"{what} was active {state.period.words}."), html.P(newest, className="hint"), wider],
        className="card nothing",
    )
