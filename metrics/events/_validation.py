"""The check of one business event against the catalogue: pure, no input or output, never raises for bad data."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from metrics.conventions import ATTRIBUTES, Attribute, ValueType
from metrics.events._catalogue import EventCatalogue, load_event_catalogue

_BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}
_NANOS = re.compile(r"\d{16,19}")
_EDGE = re.compile(r"[^\s>]+->[^\s>]+")


class ProblemKind(StrEnum):
    """What is wrong with an event."""

    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    MISSING_ATTRIBUTE = "missing_attribute"
    WRONG_TYPE = "wrong_type"
    WRONG_VALUE = "wrong_value"


@dataclass(frozen=True)
class Problem:
    """One finding: its kind, the attribute (empty when it is about the event's name), a sentence, a closest match."""

    kind: ProblemKind
    attribute: str
    message: str
    suggestion: str = ""


def validate_event(
    name: str, attributes: Mapping[str, object], catalogue: EventCatalogue | None = None, *, suggest: bool = True
) -> list[Problem]:
    """Everything that is wrong with an event of this name and these attributes; empty when it conforms.

    Attributes outside `retail.*` are not looked at unless the catalogue requires them. An attribute present with an
    empty value counts as missing. Without `catalogue` the one that ships with the product is used. Without `suggest`
    there are no closest matches, which cost more than everything else together.
    """
    find = _closest if suggest else _no_match
    catalogue = catalogue or load_event_catalogue()
    problems: list[Problem] = []
    definition = catalogue.events.get(name)
    if definition is None:
        close = find(name, catalogue.events)
        problems.append(
            Problem(ProblemKind.UNKNOWN_EVENT, "", f"event {name!r} is not in the catalogue" + _hint(close), close)
        )
    else:
        for required in definition.required:
            if attributes.get(required) in (None, ""):
                close = find(required, (key for key in attributes if key not in _BY_NAME))
                message = f"{name} lacks required attribute {required!r}"
                if close:
                    message += f"; {close!r} looks like it"
                problems.append(Problem(ProblemKind.MISSING_ATTRIBUTE, required, message, close))
    for key, value in attributes.items():
        known = _BY_NAME.get(key)
        if known is None:
            if key.startswith("retail."):
                close = find(key, _BY_NAME)
                message = f"attribute {key!r} is not in the conventions" + _hint(close)
                problems.append(Problem(ProblemKind.UNKNOWN_ATTRIBUTE, key, message, close))
        elif value not in (None, ""):
            problems.extend(_check_value(known, value, find))
    return problems


def _check_value(attribute: Attribute, value: object, find: Callable[[str, object], str]) -> list[Problem]:
    if not _fits(attribute.type, value):
        message = (
            f"{attribute.name} must be {_WANTED[attribute.type]}, got {value!r}; for example {attribute.example!r}"
        )
        return [Problem(ProblemKind.WRONG_TYPE, attribute.name, message)]
    if attribute.values and value not in attribute.values:
        close = find(str(value), attribute.values)
        message = f"{attribute.name} must be one of {', '.join(attribute.values)}, got {value!r}"
        return [Problem(ProblemKind.WRONG_VALUE, attribute.name, message + _hint(close), close)]
    return []


_WANTED = {
    ValueType.STRING: "text",
    ValueType.INT: "a whole number",
    ValueType.DECIMAL: "a number or its decimal text",
    ValueType.TIME: "ISO 8601 with an offset, or nanoseconds since the Unix epoch",
    ValueType.EDGE: "source->target",
}


def _fits(wanted: ValueType, value: object) -> bool:
    if isinstance(value, bool):
        return False
    if wanted is ValueType.STRING:
        return isinstance(value, str)
    if wanted is ValueType.INT:
        return isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value) is not None)
    if wanted is ValueType.DECIMAL:
        return _is_decimal(value)
    if wanted is ValueType.TIME:
        return _is_time(value)
    return isinstance(value, str) and _EDGE.fullmatch(value) is not None


def _is_decimal(value: object) -> bool:
    if not isinstance(value, int | float | str | Decimal):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _is_time(value: object) -> bool:
    text = str(value) if isinstance(value, int) else value
    if not isinstance(text, str):
        return False
    if _NANOS.fullmatch(text):
        return True
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _closest(word: str, candidates: object) -> str:
    close = difflib.get_close_matches(word, list(candidates), 1, 0.75)  # type: ignore[call-overload]
    return str(close[0]) if close else ""


def _no_match(word: str, candidates: object) -> str:
    return ""


def _hint(close: str) -> str:
    return f"; did you mean {close!r}?" if close else ""
