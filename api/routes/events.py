"""CloudEvents on the API's port: the collector's own door, described beside the other routes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

router = APIRouter(prefix="/api/v1", tags=["telemetry"])
_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in the JSON format; extensions are further members.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1},
        "type": {"type": "string", "minLength": 1, "examples": ["retail.order.placed"]},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "dataschema": {"type": "string", "format": "uri"},
        "data": {},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
}
_TOLD: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"index": {"type": "integer"}, "id": {"type": "string"}, "reason": {"type": "string"}},
    },
}
_BODY = {
    "required": True,
    "content": {
        "application/cloudevents+json": {"schema": _EVENT},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT}},
        "*/*": {"schema": {"description": "binary mode: the data; the attributes travel as ce- headers"}},
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All or some events are durable; the others are named with their reasons",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"accepted": {"type": "integer"}, "rejected": _TOLD, "warnings": _TOLD},
                }
            }
        },
    },
    400: {
        "description": "No event can be used; `rejected` has the reasons",
        "content": {"application/problem+json": {}},
    },
    415: {"description": "Not a CloudEvent", "content": {"application/problem+json": {}}},
    503: {
        "description": "Nothing was stored; come again after Retry-After",
        "content": {"application/problem+json": {}},
    },
}


class _AtTheDoor(Response):
    """Hands the request to the collector's receiver, which reads, limits and answers it as on its own port."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._application = request.app.state.receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


@router.post(
    "/events",
    summary="Business events as CloudEvents 1.0",
    openapi_extra={"requestBody": _BODY},
    responses=_ANSWERS,
)
async def events(request: Request) -> Response:
    """One event (structured or binary) or a batch; types of the catalogue are checked, each event for itself."""
    return _AtTheDoor(request)


@router.options("/events", summary="May a webhook sender deliver here?")
async def handshake(request: Request) -> Response:
    """The handshake of the CloudEvents webhook specification (`WebHook-Request-Origin`)."""
    return _AtTheDoor(request)
