"""The catalogue's answers to whoever takes events in: what a field means, and whether an event must be refused.

Refused is what would make a number wrong in silence: a type of the catalogue that lacks a required attribute or has one
of the wrong type, and a name in the catalogue's own `retail.` space that the catalogue does not have. Everything else
is said and accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from metrics.conventions import ATTRIBUTES, EVENT_ID, ValueType
from metrics.events._catalogue import ANY_STREAM, EventCatalogue
from metrics.events._validation import ProblemKind, validate_event

_TYPES = {attribute.name: attribute.type for attribute in ATTRIBUTES if attribute.name.startswith("retail.")}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower())


_BY_PATH = {_plain(name.removeprefix("retail.")): name for name in _TYPES if name != EVENT_ID}
_BY_EXTENSION = {re.sub(r"[._]", "", name): name for name in _TYPES}
_FATAL = frozenset({ProblemKind.MISSING_ATTRIBUTE, ProblemKind.WRONG_TYPE})


class CatalogueRules:
    """The rules of one catalogue."""

    def __init__(self, catalogue: EventCatalogue) -> None:
        self._catalogue = catalogue

    def stream_of(self, event_type: str) -> str | None:
        """The stream of a known type, empty where it may be any; None when the catalogue does not have the type."""
        definition = self._catalogue.events.get(event_type)
        if definition is None:
            return None
        return "" if definition.stream == ANY_STREAM or not definition.case else definition.stream

    def attribute_of(self, path: str) -> str | None:
        """`order_id`, `orderId`, `order-id` and `order.id` are `retail.order.id`; None where nothing is meant."""
        return _BY_PATH.get(_plain(path))

    def attribute_of_extension(self, name: str) -> str | None:
        """`retailorderid` is `retail.order.id`."""
        return _BY_EXTENSION.get(name)

    def fit(self, attribute: str, value: object) -> object:
        """A whole number becomes the text that an identifier wants; everything else stays."""
        if isinstance(value, int) and not isinstance(value, bool) and _TYPES.get(attribute) is ValueType.STRING:
            return str(value)
        return value

    def check(
        self, event_type: str, attributes: Mapping[str, object], *, suggest: bool = True
    ) -> tuple[list[str], list[str]]:
        """Why it must be refused, and what else should be said; with `suggest`, what was probably meant."""
        refused, remarks = list[str](), list[str]()
        known = event_type in self._catalogue.events
        for problem in validate_event(event_type, attributes, self._catalogue, suggest=suggest):
            if problem.kind is ProblemKind.UNKNOWN_EVENT:
                if event_type.startswith("retail."):
                    refused.append(problem.message)
            elif known and problem.kind in _FATAL:
                refused.append(problem.message)
            else:
                remarks.append(problem.message)
        return refused, remarks
