"""Filters and selections of the process page in words, as chips that let each go, and as a panel to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from core.wording import words
from dashboards import formats
from dashboards.aria import HIDDEN, aria, current, data
from dashboards.components.common import Child, nothing
from dashboards.process_reads import AttributeFacet, CaseFacets, ProcessMap
from dashboards.url_state import LENGTH, PATH, Period, ProcessState

VALUES, STEPS, ATTRIBUTES = 8, 60, 40


@dataclass(frozen=True)
class Condition:
    """One condition in words, and the state without it. `made_in`: the part of the page a selection was made in."""

    text: str
    without: ProcessState
    made_in: str = ""


def conditions(state: ProcessState, variant: str = "one variant") -> list[Condition]:
    """Everything that narrows the cases, filters first; `variant` is what the chosen variant is called."""
    found = [
        *(Condition(f"{name_of(name)} = {value}", state.less_one("attributes", (name, value)))
          for name, value in state.attributes),
        *(Condition(f"{name_of(name)} is not {value}", state.less_one("without", (name, value)))
          for name, value in state.without),
        *(Condition(f"with {words(step)}", state.less_one("contains", step)) for step in state.contains),
        *(Condition(f"without {words(step)}", state.less_one("misses", step)) for step in state.misses),
        *(Condition(f"{words(one)} directly before {words(two)}", state.less_one("follows", (one, two)))
          for one, two in state.follows),
    ]  # fmt: skip
    if state.min_duration is not None:
        found.append(Condition(f"take {_long(state.min_duration)} or more", state.but(min_duration=None)))
    if state.max_duration is not None:
        found.append(Condition(f"take {_long(state.max_duration)} or less", state.but(max_duration=None)))
    found += [Condition(ended(outcome), state.less_one("outcomes", outcome)) for outcome in state.outcomes]
    if state.waits:
        found.append(Condition(f"wait after {words(state.waits)}", state.but(waits=""), "bottlenecks"))
    if state.step:
        said = f"go {words(state.step)} → {words(state.to)}" if state.to else f"pass {words(state.step)}"
        found.append(Condition(said, state.but(step="", to=""), "map"))
    if state.variant is not None:
        found.append(Condition(variant, state.but(variant=None), "variants"))
    return found


def narrowed(state: ProcessState, part: str, *, variant: str = "one variant") -> Component | None:
    """The line that says which cases a part is about; a part is not narrowed by what was selected in itself."""
    found = [one.text for one in conditions(state, variant) if one.made_in != part]
    if not found:
        return None
    return html.P(["Only cases: ", html.B("; ".join(found))], className="narrowed")


def chips(state: ProcessState, variant: str) -> list[Component]:
    """Each condition with a way out, and one out of all; the case that is open, too."""
    found = conditions(state, variant)
    parts = [_chip(one.text, one.without.href) for one in found]
    if len(found) > 1:
        parts.append(html.A("Clear all", href=state.cleared().href, className="clear-all", **data(key="clear all")))
    if state.case:
        parts.append(_chip(f"case {state.case}", state.but(case="").href))
    return parts


def periods(state: ProcessState) -> Component:
    """How far back."""
    links = [
        html.A(
            period.value,
            href=state.but(period=period).href,
            className=f"seg{' seg-on' if period is state.period else ''}",
            title=f"cases active {period.words}",
            **current(period is state.period),
            **data(key=f"period {period}"),
        )
        for period in Period
    ]
    return html.Div(links, className="segs", role="group", **aria(label="Period"))


def ended(outcome: str) -> str:
    """An outcome filter in words."""
    return {"open": "still open", "closed": "closed"}.get(outcome, f"ended by {words(outcome)}")


def name_of(attribute: str) -> str:
    """An attribute's name for people: without the prefix that all of ours share."""
    return attribute.removeprefix("retail.")


# --- the panel ---


def panel(found: CaseFacets | None, shown: ProcessMap | None, state: ProcessState) -> Component:
    """What the cases can be filtered by, with counts of the cases that are left now."""
    if found is None or not found.cases:
        return nothing("No case matches, so there is nothing to choose from.")
    listed = [one for one in found.attributes if _listable(one)]
    lists = [_outcomes(found, state), *(_attribute(one, state) for one in listed[:ATTRIBUTES])]
    if shown is not None and shown.steps:
        lists.append(_steps(shown, state))
    many = [name_of(one.name) for one in found.attributes if not _listable(one)]
    more = len(listed) - ATTRIBUTES
    return html.Div(
        [
            html.Div(lists, className="facets"),
            html.P(f"{formats.count(more)} more attributes are not listed.", className="muted") if more > 0 else None,
            html.P(f"Not listed, for nearly every case has another value: {', '.join(many)}.", className="muted")
            if many
            else None,
        ]
    )


def _listable(one: AttributeFacet) -> bool:
    """Whether a choice among its values narrows to more than one case."""
    return bool(one.top) and (one.top[0][1] > 1 or one.values <= VALUES)


def _facet(title: str, note: str, items: Sequence[Component], more: str = "") -> Component:
    return html.Div(
        [
            html.H3([title, html.Span(f" {note}", className="muted facet-note") if note else None]),
            html.Ul(list(items)),
            html.P(more, className="muted facet-note") if more else None,
        ],
        className="facet",
    )


def _item(text: str, cases: int, only: ProcessState, never: ProcessState | None, key: str, on: bool) -> Component:
    parts: list[Child] = [
        html.A(
            [
                html.Span(text, className="facet-value"),
                html.Span(formats.count(cases), className="facet-count"),
                html.Span(" cases", className="unseen"),
            ],
            href=only.href,
            title=text,
            className=f"facet-only{' facet-on' if on else ''}",
            **current(on),
            **data(key=f"only {key}"),
        )
    ]
    if never is not None:
        parts.append(
            html.A(
                "not",
                href=never.href,
                className="facet-not",
                **aria(label=f"without {key}"),
                **data(key=f"not {key}"),
            )
        )
    return html.Li(parts)


def _attribute(one: AttributeFacet, state: ProcessState) -> Component:
    items = []
    for value, cases in one.top[:VALUES]:
        pair = (one.name, value)
        on = pair in state.attributes
        only = state.less_one("attributes", pair) if on else state.with_one("attributes", pair)
        never = state.less_one("attributes", pair).with_one("without", pair)
        items.append(_item(value, cases, only, never, f"{name_of(one.name)} = {value}", on))
    more = one.values - len(items)
    note = f"and {formats.count(more)} more {'value' if more == 1 else 'values'}" if more > 0 else ""
    return _facet(name_of(one.name), f"in {formats.count(one.cases)}", items, note)


def _outcomes(found: CaseFacets, state: ProcessState) -> Component:
    counts = {"open": found.outcomes.get("", 0), "closed": found.cases - found.outcomes.get("", 0)}
    counts |= {outcome: cases for outcome, cases in list(found.outcomes.items())[:VALUES] if outcome}
    items = []
    for outcome, cases in counts.items():
        on = outcome in state.outcomes
        only = state.but(outcomes=() if on else (outcome,))
        if cases or on:
            items.append(_item(ended(outcome), cases, only, None, ended(outcome), on))
    return _facet("outcome", "", items)


def _steps(shown: ProcessMap, state: ProcessState) -> Component:
    items = []
    for step in shown.steps[:STEPS]:
        on = step.step in state.contains
        only = state.less_one("contains", step.step) if on else state.with_one("contains", step.step)
        never = state.less_one("contains", step.step).with_one("misses", step.step)
        items.append(_item(words(step.step), step.cases, only, never, words(step.step), on))
    more = len(shown.steps) - STEPS
    return _facet("step", "", items, f"and {formats.count(more)} more" if more > 0 else "")


def forms() -> Component:
    """What is typed; the browser turns it into an address (assets/opsintel.js)."""

    def field(name: str, label: str, **extra: Any) -> Component:
        made = dcc.Input(
            id=f"process-field-{name}", name=name, type="text", maxLength=512, autoComplete="off", className="find",
            **extra,
        )  # fmt: skip
        return html.Label([html.Span(label), made], htmlFor=f"process-field-{name}", className="field")

    lengths = {"pattern": f" *({LENGTH}) *", "placeholder": "2h, 3d, 1d12h"}
    return html.Div(
        [
            _form(
                [field("min_duration", "Takes at least", **lengths), field("max_duration", "at most", **lengths)],
                "Apply",
                merge="min_duration max_duration",
            ),
            _form(
                [field("attribute", "Any attribute", placeholder="name=value", pattern="[^=]+=.+")],
                "Add",
                add="attribute",
            ),
        ],
        className="facet-forms",
    )


def _form(fields: list[Component], button: str, **how: str) -> Component:
    submit = html.Button(button, type="submit", className="seg seg-button")
    return html.Form([*fields, submit], action=PATH, method="GET", className="facet-form", **data(**how))


def _long(seconds: int) -> str:
    return formats.duration(float(seconds))


def _chip(text: str, href: str) -> Component:
    return html.A(
        [html.Span(text, className="chip-text"), html.Span("✕", className="chip-x", **HIDDEN),
         html.Span(" clear", className="unseen")],
        href=href,
        title=text,
        className="chip chip-on",
        **data(key=f"clear {text}"),
    )  # fmt: skip
