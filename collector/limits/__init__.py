"""Who may push how much: rates, shares of memory, connections, and the state of the log. See docs/limits.md."""

from collector.limits.book import LimitBook, LimitStore, TenantLimits, check_rates
from collector.limits.buckets import TokenBucket
from collector.limits.counts import LimitCounts
from collector.limits.fair import FairBudget, Ticket
from collector.limits.gate import Gate, Pools, Visit
from collector.limits.pace import Pace
from collector.limits.peers import Peers
from collector.limits.pressure import Blocked, Pressure, free_bytes_of
from collector.limits.rates import Charge, Overrun, RateLimits
from collector.limits.setup import IngestLimits, make_limits

__all__ = [
    "Blocked",
    "Charge",
    "FairBudget",
    "Gate",
    "IngestLimits",
    "LimitBook",
    "LimitCounts",
    "LimitStore",
    "Overrun",
    "Pace",
    "Peers",
    "Pools",
    "Pressure",
    "RateLimits",
    "TenantLimits",
    "Ticket",
    "TokenBucket",
    "Visit",
    "check_rates",
    "free_bytes_of",
    "make_limits",
]
