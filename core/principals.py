"""Who asks: a principal with a tenant and roles.

The tenant always comes from here (from the credentials), never from a payload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import Forbidden

DEFAULT_TENANT = "default"


class Role(StrEnum):
    """What a principal may do; a principal may hold several."""

    INGEST = "ingest"  # push telemetry and business events
    VIEWER = "viewer"  # see dashboards, KPIs, cases and alerts
    OPERATOR = "operator"  # acknowledge, silence, ask for control actions
    APPROVER = "approver"  # approve what others asked for
    AUDITOR = "auditor"  # read the audit chain
    ADMIN = "admin"  # everything, the query API included


@dataclass(frozen=True, slots=True)
class Rates:
    """How much may be pushed in a second: decompressed bytes, and items (spans, log records, metric points).

    None means that nothing is said here and a default applies; 0 means without a limit.
    """

    bytes_per_s: float | None = None
    items_per_s: float | None = None


@dataclass(frozen=True)
class Principal:
    """Somebody or something that was authenticated.

    `key` is the prefix of the key, "" if there was none. `rates` are the key's own, beside those of its tenant.
    `signals` are the names of the signals it may push, None for all.
    """

    name: str
    tenant: str = DEFAULT_TENANT
    roles: frozenset[Role] = field(default_factory=frozenset)
    key: str = ""
    rates: Rates = field(default_factory=Rates)
    signals: frozenset[str] | None = None

    def has(self, role: Role) -> bool:
        """Whether it holds the role; an administrator holds them all."""
        return role in self.roles or Role.ADMIN in self.roles

    def require(self, role: Role) -> None:
        """Raises Forbidden unless it holds the role."""
        if not self.has(role):
            raise Forbidden(f"{self.name} does not hold the role {role.value!r}")

    def require_signal(self, signal: str) -> None:
        """Raises Forbidden unless it may push this signal."""
        if self.signals is not None and signal not in self.signals:
            allowed = ", ".join(sorted(self.signals)) or "nothing"
            raise Forbidden(f"{self.name} may push {allowed}, not {signal}")


LOCAL_ADMIN = Principal("local", DEFAULT_TENANT, frozenset({Role.ADMIN}))
"""Who everybody is while the service is bound to loopback with no credentials configured."""
