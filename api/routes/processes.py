"""What the cases of a stream do: one route for each answer, all with the same filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from api.process import ANSWERS, Answer, Parameter
from api.routes.access import services, viewer

router = APIRouter(prefix="/api/v1", tags=["processes"])


def _handler(answer: Answer) -> Callable[[Request, str], Any]:
    def handle(request: Request, stream: str) -> Any:
        found, who = services(request), viewer(request)
        found.cases.refresh(who.tenant, stream)
        given = request.query_params
        values = {name: given.getlist(name) for name in given}
        return answer.of(found.ch, who.tenant, stream, found.clock.now(), values)

    handle.__name__ = f"process_{answer.name.replace('-', '_')}"
    return handle


def _documented(parameter: Parameter) -> dict[str, Any]:
    """In terms of OpenAPI. Everything is text: lengths may be written as 2h, and ids have 64 bits."""
    one: dict[str, Any] = {"type": "string"}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.help,
        "schema": {"type": "array", "items": one} if parameter.repeated else one,
    }


for _answer in ANSWERS:
    router.add_api_route(
        f"/processes/{{stream}}/{_answer.name}",
        _handler(_answer),
        methods=["GET"],
        summary=_answer.summary,
        openapi_extra={"parameters": [_documented(one) for one in _answer.parameters]},
    )
