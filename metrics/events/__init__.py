"""The catalogue of business events as data (the TOML files beside this one), and the check of one event against it.

A business event is an OTLP log record with an event name, or a CloudEvent whose `type` is that name. The check
advises: it finds what is unknown, missing or of the wrong type and says what was probably meant. It does not decide
whether data is stored.
"""

from metrics.events._catalogue import EventCatalogue, EventDefinition, load_event_catalogue
from metrics.events._rules import CatalogueRules
from metrics.events._validation import Problem, ProblemKind, validate_event

__all__ = [
    "CatalogueRules",
    "EventCatalogue",
    "EventDefinition",
    "Problem",
    "ProblemKind",
    "load_event_catalogue",
    "validate_event",
]
