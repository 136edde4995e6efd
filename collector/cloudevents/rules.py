"""What the collector asks about business events; the catalogue that answers lives in a room it does not know.

A type is known when the catalogue has it. What is unknown is no mistake here: the rules say whether it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class EventRules(Protocol):
    """Of one catalogue; pure, asked from several threads."""

    def stream_of(self, event_type: str) -> str | None:
        """The value stream of a known type, empty where it may be any; None when the type is not known."""
        ...

    def attribute_of(self, path: str) -> str | None:
        """The attribute that a path in the data means: `order_id`, `orderId` and `order.id` are `retail.order.id`."""
        ...

    def attribute_of_extension(self, name: str) -> str | None:
        """The attribute that an extension means, which has neither dots nor capitals: `retailorderid`."""
        ...

    def fit(self, attribute: str, value: object) -> object:
        """The value as the attribute wants it, where that is beyond doubt: a whole number for a text."""
        ...

    def check(
        self, event_type: str, attributes: Mapping[str, object], *, suggest: bool = True
    ) -> tuple[list[str], list[str]]:
        """Why the event must be refused, and what else should be said about it.

        Without `suggest` it does not look for what was probably meant, which costs more than everything else.
        """
        ...


class AnyEvent:
    """Without a catalogue: every type is foreign, nothing is refused."""

    def stream_of(self, event_type: str) -> str | None:
        """See EventRules."""
        return None

    def attribute_of(self, path: str) -> str | None:
        """See EventRules."""
        return None

    def attribute_of_extension(self, name: str) -> str | None:
        """See EventRules."""
        return None

    def fit(self, attribute: str, value: object) -> object:
        """See EventRules."""
        return value

    def check(
        self, event_type: str, attributes: Mapping[str, object], *, suggest: bool = True
    ) -> tuple[list[str], list[str]]:
        """See EventRules."""
        return [], []
