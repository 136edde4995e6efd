"""What every route starts from: the services and the principal that the middleware found."""

from __future__ import annotations

from typing import cast

from fastapi import Request

from api.services import Services
from core import Principal, Role


def services(request: Request) -> Services:
    """The services of this process."""
    return cast(Services, request.app.state.services)


def principal(request: Request) -> Principal:
    """Who asks."""
    return cast(Principal, request.state.principal)


def viewer(request: Request) -> Principal:
    """Who asks, when he may see; raises Forbidden."""
    found = principal(request)
    found.require(Role.VIEWER)
    return found


def administrator(request: Request) -> Principal:
    """Who asks, when he is an administrator; raises Forbidden."""
    found = principal(request)
    found.require(Role.ADMIN)
    return found
