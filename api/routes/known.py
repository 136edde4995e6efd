"""Query parameters that a route does not know are refused: with a slip in its name a condition is not asked at all, and
the answer is to another question than the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.closest import closest_first
from core import InvalidInput

SHOWN = 40


async def known_parameters(request: Request) -> None:
    """Raises InvalidInput for a query parameter that the route neither declares nor describes in `openapi_extra`."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [*_declared(route.dependant), *_described(route)]
    for name in request.query_params:
        if name not in known:
            raise InvalidInput(f"there is no parameter {name[:SHOWN]!r}", hint=_use(name, known))


KNOWN_ONLY = Depends(known_parameters)
"""For `APIRouter(dependencies=[KNOWN_ONLY])`: every route of the router refuses what it does not know. Not for routes
on which data is pushed, as senders add parameters of their own."""


def _declared(dependant: Dependant) -> Iterable[str]:
    yield from (one.alias for one in dependant.query_params)
    for other in dependant.dependencies:
        yield from _declared(other)


def _described(route: APIRoute) -> Iterable[str]:
    for one in (route.openapi_extra or {}).get("parameters", ()):
        if one["in"] == "query":
            yield one["name"]


def _use(name: str, known: list[str]) -> str:
    """The known ones, the most alike first."""
    if not known:
        return "this address takes no parameters"
    return f"use {', '.join(closest_first(name[:SHOWN].lower(), known))}"
