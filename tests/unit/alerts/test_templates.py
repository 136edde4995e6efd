"""Templates: what fields look like, and that nothing but fields is possible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.templates import Value, check_template, render
from core import InvalidInput


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{x}", "a->b", "a->b"),
        ("{x}", None, "unknown"),
        ("{x:percent}", None, "unknown"),
        ("{x:percent}", 0.0512, "5.1 %"),
        ("{x:number}", 1234567.0, "1,234,567"),
        ("{x:number}", 1234.5, "1,234"),
        ("{x:number}", 0.05, "0.05"),
        ("{x:number}", 14.53, "14.5"),
        ("{x}", 3.0, "3"),
        ("{x:duration}", 0, "0 s"),
        ("{x:duration}", 59.6, "59.6 s"),
        ("{x:duration}", 93_784, "1 d 2 h"),
        ("{x:duration}", 3_605, "1 h"),
        ("{{x}} {x}", 1, "{x} 1"),
    ],
)
def test_rendering(text: str, value: Value, expected: str) -> None:
    check_template(text, {"x"})
    assert render(text, {"x": value}) == expected


def test_a_value_is_not_a_template() -> None:
    """A queue named like a field stays a name."""
    assert render("{x}", {"x": "{secret}", "secret": "s"}) == "{secret}"


@given(st.text(alphabet="{}x.:![]0a ", max_size=20))
def test_what_is_accepted_renders(text: str) -> None:
    """Whatever passes the check at load time cannot fail when the alert fires."""
    try:
        check_template(text, {"x"})
    except InvalidInput:
        return
    render(text, {"x": 1})
    render(text, {})
