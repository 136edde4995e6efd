"""API keys and limits, for administrators of a tenant: its own keys, never another tenant's.

A key of another tenant, and a tenant's limits, are made on the command line of the installation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from api.durations import parse_duration
from api.keys import ApiKey
from api.routes.access import administrator, services
from api.routes.known import KNOWN_ONLY
from core import Rates, Role
from storage import Signal

router = APIRouter(prefix="/api/v1", tags=["access"], dependencies=[KNOWN_ONLY])
Prefix = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$", description="the eight characters after `ops_`")]


class WantedKey(BaseModel):
    """A key that somebody asks for."""

    name: str = Field(min_length=1, max_length=100, description="who will hold it")
    roles: list[Role] = Field(min_length=1)
    expires_in: str = Field("", max_length=40, description="such as `90d` or `12h`; never, if empty")
    signals: list[Signal] | None = Field(None, description="what it may push; everything, if not given")
    bytes_per_s: float | None = Field(None, ge=0, description="decompressed bytes a second; no limit, if not given")
    items_per_s: float | None = Field(None, ge=0, description="items a second; no limit, if not given")
    certificate: str = Field("", max_length=300, description="a client certificate's `CN:`, `DNS:`, `URI:` or `EMAIL:`")


class WantedRotation(BaseModel):
    """How long the old key goes on working."""

    overlap: str = Field("24h", max_length=40, description="such as `24h`; none, if empty")


def _shown(key: ApiKey, now: datetime, successors: dict[str, str]) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "name": key.name,
        "tenant": key.tenant,
        "roles": sorted(key.roles),
        "state": key.state(now),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
        "replaces": key.replaces,
        "replaced_by": successors.get(key.prefix, ""),
        "signals": None if key.signals is None else sorted(key.signals),
        "bytes_per_s": key.rates.bytes_per_s,
        "items_per_s": key.rates.items_per_s,
        "certificate": key.certificate,
    }


@router.get("/keys", summary="The tenant's API keys, the newest first")
def keys(request: Request) -> Any:
    """With state, lineage and about when each was last used; never their secrets."""
    who, found = administrator(request), services(request)
    known = found.keys.list(who.tenant)
    successors = {key.replaces: key.prefix for key in reversed(known) if key.replaces}
    now = found.clock.now()
    return {"keys": [_shown(key, now, successors) for key in known]}


@router.post("/keys", summary="Make an API key", status_code=201)
def make(request: Request, wanted: WantedKey) -> Any:
    """For the caller's own tenant. `token` is shown this once; a key for a certificate has none."""
    who, found = administrator(request), services(request)
    token, key = found.keys.create(
        wanted.name,
        wanted.roles,
        who.tenant,
        lifetime=parse_duration(wanted.expires_in) if wanted.expires_in else None,
        signals=None if wanted.signals is None else [one.value for one in wanted.signals],
        rates=Rates(wanted.bytes_per_s, wanted.items_per_s),
        certificate=wanted.certificate,
        by=who.name,
    )
    return {"token": token, "key": _shown(key, found.clock.now(), {})}


@router.post("/keys/{prefix}/rotate", summary="Replace an API key", status_code=201)
def rotate(request: Request, prefix: Prefix, wanted: WantedRotation) -> Any:
    """A new secret with the same rights; the old one works until the overlap ends."""
    who, found = administrator(request), services(request)
    overlap = parse_duration(wanted.overlap) if wanted.overlap else timedelta(0)
    token, key = found.keys.rotate(prefix, overlap, tenant=who.tenant, by=who.name)
    return {"token": token, "key": _shown(key, found.clock.now(), {})}


@router.delete("/keys/{prefix}", summary="Revoke an API key", status_code=204)
def revoke(request: Request, prefix: Prefix) -> None:
    """It stops working within five seconds, on every process."""
    who = administrator(request)
    services(request).keys.revoke(prefix, tenant=who.tenant, by=who.name)


@router.get("/limits", summary="What the tenant may push, and what the receivers hold for it")
def limits(request: Request) -> Any:
    """Rates of 0 are no limit. `memory_bytes`: what its requests may hold in this process now."""
    who, found = administrator(request), services(request)
    rates, ingest = found.collector.limits.book.rates(who.tenant), found.collector.limits
    return {
        "bytes_per_s": rates.bytes_per_s or 0,
        "items_per_s": rates.items_per_s or 0,
        "weight": ingest.book.weight(who.tenant),
        "memory_bytes": ingest.http.pools.reading.share(who.tenant),
        "blocked": blocked.message if (blocked := ingest.pressure()) else "",
    }
