"""What the sections share: cards, headings, badges, the empty and the broken state.

A badge always carries a word; its colour and sign repeat what the word says.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboards.aria import HIDDEN, aria

Child = Component | str | None


class Status(StrEnum):
    """What a badge says, from good to bad; NEUTRAL judges nothing."""

    GOOD = "good"
    NEUTRAL = "neutral"
    WARN = "warn"
    BAD = "bad"


def badge(text: str, status: Status = Status.NEUTRAL, title: str = "") -> Component:
    """A word with a sign and a colour."""
    extra: dict[str, Any] = {"title": title} if title else {}
    sign = html.Span(className=f"sign sign-{status}", **HIDDEN)
    return html.Span([sign, text], className=f"badge badge-{status}", **extra)


def section(slug: str, title: str, note: Child, children: Any, extra: str = "") -> Component:
    """A titled region of the page."""
    heading = html.Div(
        [html.H2(title, id=f"{slug}-title"), html.Span(note, className="note") if note else None],
        className="section-head",
    )
    return html.Section(
        [heading, html.Div(children, className="section-body")],
        className=f"section {extra}".strip(),
        **aria(labelledby=f"{slug}-title"),
    )


def nothing(text: str, hint: str = "", above: Child = None) -> Component:
    """Nothing to show, and that is a fact and not a fault; `above` says of what."""
    return html.Div([above, html.P(text), html.P(hint, className="hint") if hint else None], className="card nothing")


def broken(text: str) -> Component:
    """A section that could not be read."""
    return html.Div([badge("not read", Status.WARN), html.P(text)], className="card nothing", role="status")


def about(label: str, body: Sequence[Child]) -> Component:
    """An explanation behind a sign; the browser's own disclosure, so it works by mouse, keyboard, touch and voice."""
    return html.Details(
        [
            html.Summary(html.Span(className="icon icon-info", **HIDDEN), title=label, **aria(label=label)),
            html.Div(list(body), className="about"),
        ],
        className="disclosure",
    )


def heads(*columns: tuple[str, str]) -> Component:
    """A table head of (text, class) pairs."""
    return html.Thead(html.Tr([html.Th(text, scope="col", className=name) for text, name in columns]))


def cell(children: Any, label: str, name: str = "", **extra: Any) -> Component:
    """A table cell that carries its column's name, which a narrow screen shows beside it."""
    named: dict[str, Any] = {"data-label": label, **extra}
    return html.Td(html.Div(children), className=name, **named)


def edge_name(edge: str) -> str:
    """`a->b` with an arrow that reads as one."""
    return edge.replace("->", " → ")
