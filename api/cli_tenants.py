"""Whose data a command is about, on a stopped service's data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.closest import closest_first
from api.composition import Stores
from api.delivering import tenant_folders
from api.keys import ApiKeys
from core import DEFAULT_TENANT, InvalidInput, NotFound, SystemClock, load_settings
from storage import load_sql

MOST_NAMED = 20


@contextmanager
def stores_of(tenant: str) -> Iterator[Stores]:
    """The stores of the data directory; raises as `require_tenant` does."""
    from api.composition import opened_stores

    with opened_stores(load_settings()) as stores:
        require_tenant(stores, tenant)
        yield stores


def require_tenant(stores: Stores, tenant: str) -> None:
    """Raises NotFound, with the closest names first, for a tenant without data, keys and folders of its own.

    A slip would otherwise be answered with empty numbers, as if nothing had happened. The tenant of services without
    keys is always known.
    """
    if tenant == DEFAULT_TENANT:
        return
    settings = stores.settings
    known = {DEFAULT_TENANT, *(one.tenant for one in ApiKeys(stores.state, SystemClock()).list())}
    for folder in (settings.kpi_overrides_dir, settings.reports_dir):
        known.update(one.name for one in tenant_folders(folder))
    if tenant in known:
        return
    known.update(name for (name,) in stores.ch.query(load_sql("api", "tenants")).rows)
    if tenant not in known:
        names = closest_first(tenant[:64], sorted(known))
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        raise NotFound(f"there is no tenant {tenant[:64]!r}", hint=f"use {', '.join(names[:MOST_NAMED])}{more}")


def refuse_tenant_of_url(url: str, tenant: str) -> None:
    """Raises InvalidInput where a running service is asked, which answers for the tenant of the key alone."""
    if url and tenant != DEFAULT_TENANT:
        raise InvalidInput(
            f"--tenant is for a stopped service's data directory, got {tenant[:64]!r} with --url",
            hint="leave it out: the key says whose data is asked for",
        )
