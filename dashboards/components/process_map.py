"""The process map: steps as boxes, moves between them as arrows with how often and how long. Values in, components out.

Boxes and labels are links in the page's own type, so that they can be read, tabbed to and opened in a new tab; the
arrows behind them are one picture. A colour repeats what the label says in time and sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import aria, current, data
from dashboards.components.common import Child, Status, badge, nothing
from dashboards.components.map_controls import COLOURS, SIGNS, basis, controls, legend, table, which_time
from dashboards.components.process_filters import narrowed
from dashboards.graph import Box, Drawing, Line, draw
from dashboards.map_choice import LEVELS, SMALL, Key, frequency, levels, measure, shown_part, working
from dashboards.process_reads import ProcessMap, Spread, StepNode, Transition, Variants
from dashboards.url_state import Count, Period, ProcessState, Times
from dashboards.view import View

Waits = Mapping[str, str]
"""By step, what waits after it now, in words."""
BOX_WIDTH, LINE_HEIGHT, BOX_PADDING = 204.0, 18.0, 14.0
LABEL_WIDTH, LABEL_HEIGHT = 94.0, 36.0
NAME_LETTERS = 24


def process_map(
    whole: ProcessMap | None,
    waits: Waits,
    state: ProcessState,
    view: View,
    newest: str = "",
    variants: Variants | None = None,
) -> Component:
    """The map with its controls, legend, basis and table; `newest` says when the stream's newest event was.

    `variants` are those of the very same cases, where they are known: they tell how many cases are drawn whole.
    """
    if whole is None or not whole.cases:
        return _nothing(state, newest)
    shown = shown_part(whole, state, variants)
    boxes = tuple(_box(step, whole.cases, step.step in waits) for step in shown.steps)
    lines = tuple(
        Line(move.from_step, move.to_step, float(frequency(move, state)), LABEL_WIDTH, LABEL_HEIGHT)
        for move in shown.moves
    )
    drawing = draw(boxes, lines)
    level = move_levels(whole, state)
    heavy = step_levels(whole, state)
    nodes = [
        (drawing.boxes[step.step], _node(step, box, drawing, whole.cases, waits, heavy, state))
        for step, box in zip(shown.steps, boxes, strict=True)
    ]
    labels = [
        (drawing.lines[move.from_step, move.to_step].label, _label(move, drawing, level, state)) for move in shown.moves
    ]
    placed = [part for _, part in sorted([*nodes, *labels], key=lambda one: (one[0].y, one[0].x))]
    canvas = html.Div(
        [html.Img(src=_picture(drawing, shown.moves, level, state), alt="", className="pm-lines"), *placed],
        className="pm-canvas",
        style={"width": f"{drawing.width:.0f}px", "height": f"{drawing.height:.0f}px"},
        **data(width=f"{drawing.width:.0f}"),
    )
    return html.Div(
        [
            narrowed(state, "map"),
            controls(state, whole, shown),
            html.Div(
                canvas,
                className="pm-scroll",
                role="group",
                tabIndex="0",
                **aria(label=f"Process map of {whole.stream}"),
            ),
            selection(whole, state),
            legend(whole, state),
            html.P(basis(whole, state, view), className="pm-basis"),
            table(whole, state),
        ],
        className="card pm",
    )


def move_levels(whole: ProcessMap, state: ProcessState) -> dict[Key, int]:
    """How the time of each path compares with those of all of them."""
    return levels({(move.from_step, move.to_step): measure(move, state).seconds for move in whole.transitions})


def step_levels(whole: ProcessMap, state: ProcessState) -> dict[Key, int]:
    """The same for the work in steps, while the map is about that."""
    if state.times is not Times.WORKING:
        return {}
    return levels({(step.step, ""): working(step, state) for step in whole.steps})


def selection(shown: ProcessMap, state: ProcessState) -> Component | None:
    """What is known of the chosen step or move; None when nothing is chosen or it does not occur."""
    if not state.step:
        return None
    actions: list[Child] = []
    close = html.A("Close", href=state.but(step="", to="").href, className="pm-close", **data(key="close-choice"))
    if state.to:
        move = next((one for one in shown.transitions if (one.from_step, one.to_step) == (state.step, state.to)), None)
        if move is None:
            return _absent(f"{words(state.step)} → {words(state.to)}", close)
        facts = [f"{formats.count(move.count)} times in {formats.count(move.cases)} cases"]
        rows = [("waiting", move.waiting, move.waits), ("whole gap", move.gap, move.count)]
        title = f"{words(move.from_step)} → {words(move.to_step)}"
        keep = state.but(step="", to="").with_one("follows", (move.from_step, move.to_step))
        actions = [_keep("Keep as filter: only cases that go so", keep)]
    else:
        step = next((one for one in shown.steps if one.step == state.step), None)
        if step is None:
            return _absent(words(state.step), close)
        facts = [f"{formats.count(step.count)} times in {formats.count(step.cases)} cases"]
        facts += [f"first in {formats.count(step.starts)}"] if step.starts else []
        facts += [f"last so far in {formats.count(step.ends)}"] if step.ends else []
        rows = [("working", step.working, step.timed)]
        title = words(step.step)
        free = state.but(step="", to="")
        actions = [
            _keep("Keep as filter: only cases with it", free.with_one("contains", step.step)),
            _keep("only cases without it", free.with_one("misses", step.step)),
        ]
    return html.Div(
        [
            html.Div([html.B(title), close], className="pm-chosen-head"),
            html.P(" · ".join(facts), className="muted"),
            _spreads(rows),
            html.P(actions, className="pm-actions"),
        ],
        className="pm-chosen",
        role="status",
    )


def _keep(text: str, state: ProcessState) -> Component:
    return html.A(text, href=state.href, **data(key=text))


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
    times = html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="mini")
    return html.Div(times, className="pm-spreads", role="group", tabIndex="0", **aria(label="Times of what is chosen"))


# --- parts of the picture ---


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
    waits: Waits,
    heavy: Mapping[Key, int],
    state: ProcessState,
) -> Component:
    spot, time = drawing.boxes[step.step], working(step, state)
    said = "working unknown" if time is None else f"working {formats.duration(time)}"
    rank = heavy.get((step.step, ""), 0)
    chosen = state.step == step.step and not state.to
    parts: list[Child] = [
        html.Span(words(step.step), className="pm-name"),
        html.Span([f"n {formats.count(frequency(step, state))} · ", html.Span(f"{SIGNS[rank]} {said}".strip())],
                  className="pm-meta"),
    ]  # fmt: skip
    if marks := _ends(step, cases):
        parts.append(html.Span(" · ".join(marks), className="pm-meta"))
    if step.step in waits:
        parts.append(badge(waits[step.step], Status.WARN))
    kind = " pm-start" if step.starts > cases / 200 else ""
    kind += " pm-end" if step.ends > cases / 200 else ""
    kind += f" pm-level-{rank}" if rank else ""
    kind += " pm-dim" if state.step and not chosen and step.step not in (state.step, state.to) else ""
    kind += " pm-here" if step.step == state.waits else ""
    told = f"{step.step}: {formats.count(step.count)} times in {formats.count(step.cases)} cases, "
    told += f"{which_time(state)} {said}"
    return html.A(
        parts,
        href=state.but(step="" if chosen else step.step, to="").href,
        className=f"pm-node{kind}{' pm-on' if chosen else ''}",
        title=told + (f", {LEVELS[rank]} of the map" if rank else ""),
        style=_style(spot.x, spot.y, box.width, box.height),
        **current(chosen),
        **data(key=f"step {step.step}"),
    )


def _label(move: Transition, drawing: Drawing, level: Mapping[Key, int], state: ProcessState) -> Component:
    key = (move.from_step, move.to_step)
    spot, found = drawing.lines[key].label, measure(move, state)
    rank, often = level[key], frequency(move, state)
    chosen = (state.step, state.to) == key
    few = found.sample < SMALL
    kind = {Times.WAITING: "waiting", Times.TOTAL: "whole gap"}.get(state.times, "")
    kind = kind if found.known else "gap, of which some may be work,"
    said = f"{words(move.from_step)} → {words(move.to_step)}: {formats.count(often)} {_units(state)}"
    if found.seconds is not None:
        said += f", {which_time(state)} {kind} {formats.duration(found.seconds)}, {LEVELS[rank]} of the map"
    said += ", small sample" if few else ""
    names = ["pm-label", f"pm-level-{rank}"] + ["pm-few"] * few + ["pm-on"] * chosen
    names += ["pm-dim"] * (not _lit(key, state))
    sign = f"{SIGNS[rank]} " if SIGNS[rank] else ""
    number = f"n {formats.count(often)}"
    return html.A(
        [html.B(number)]
        if found.seconds is None
        else [
            html.B(f"{sign}{formats.duration(found.seconds)}"),
            html.Small(f"{'' if found.known else 'gap · '}{number}"),
        ],
        href=state.but(step="" if chosen else move.from_step, to="" if chosen else move.to_step).href,
        className=" ".join(names),
        title=said.replace(formats.NBSP, " "),
        style=_style(spot.x, spot.y, LABEL_WIDTH, LABEL_HEIGHT - 2),
        **aria(label=said.replace(formats.NBSP, " ")),
        **current(chosen),
    )


def _units(state: ProcessState) -> str:
    return "cases" if state.count is Count.CASE else "times"


def _style(x: float, y: float, width: float, height: float) -> dict[str, str]:
    return {
        "left": f"{x - width / 2:.1f}px",
        "top": f"{y - height / 2:.1f}px",
        "width": f"{width:.0f}px",
        "height": f"{height:.0f}px",
    }


def _picture(drawing: Drawing, moves: Sequence[Transition], level: Mapping[Key, int], state: ProcessState) -> str:
    """The arrows as an SVG in a data address: thick is frequent, red is long."""
    most = max((frequency(move, state) for move in moves), default=1) or 1
    heads_of = "".join(
        f'<marker id="a{rank}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="13" markerHeight="13" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        for rank, colour in enumerate(COLOURS)
    )
    paths = []
    for move in reversed(moves):  # the frequent ones on top
        key = (move.from_step, move.to_step)
        rank = level[key]
        dim = "" if _lit(key, state) else ' opacity="0.4"'
        paths.append(
            f'<path d="{drawing.lines[key].path}" fill="none" stroke="{COLOURS[rank]}" '
            f'stroke-width="{1.4 + 4.6 * (frequency(move, state) / most) ** 0.5:.1f}" marker-end="url(#a{rank})"{dim}/>'
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


def _nothing(state: ProcessState, newest: str) -> Component:
    wider = state.cleared().but(period=Period.ALL)
    if state.period is Period.ALL and not state.filtered:
        return nothing("No case matches.", newest)
    what = "No case that matches these filters" if state.filtered else "No case"
    return html.Div(
        [
            narrowed(state, "map"),
            html.P(f"{what} was active {state.period.words}."),
            html.P(newest, className="hint"),
            html.P(html.A("Show all time, without filters", href=wider.href), className="hint"),
        ],
        className="card nothing",
    )
