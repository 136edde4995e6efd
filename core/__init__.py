"""What every room stands on: settings, time, errors, principals and logging. It knows no other room."""

from core.clock import Clock, ManualClock, SystemClock
from core.errors import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OpsintelError,
    QueryRejected,
    RateLimited,
    Retryable,
    StorageError,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from core.logs import configure_logging, get_logger
from core.principals import DEFAULT_TENANT, LOCAL_ADMIN, Principal, Rates, Role
from core.settings import Settings, load_settings

__all__ = [
    "DEFAULT_TENANT",
    "LOCAL_ADMIN",
    "Clock",
    "ConfigurationError",
    "Conflict",
    "Forbidden",
    "InvalidInput",
    "LimitExceeded",
    "ManualClock",
    "NotFound",
    "OpsintelError",
    "Principal",
    "QueryRejected",
    "RateLimited",
    "Rates",
    "Retryable",
    "Role",
    "Settings",
    "StorageError",
    "StoreUnavailable",
    "SystemClock",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMedia",
    "configure_logging",
    "get_logger",
    "load_settings",
]
