"""Pages that are not dashboards: API documentation with local files, and sign-in."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import fastapi_swagger
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from api.keys import COOKIE
from api.routes.access import services
from core import TooLarge, Unauthenticated

LOGIN_BYTES = 2_000
"""Everybody may send this, so it is not read without end."""
router = APIRouter(include_in_schema=False)
_SWAGGER = Path(fastapi_swagger.__file__).parent / "resources"
_LOGIN = (Path(__file__).parent.parent / "static" / "login.html").read_text("utf-8")


def mount_static(app: FastAPI) -> None:
    """Serves the documentation's script and style from this host."""
    app.mount("/static/swagger", StaticFiles(directory=_SWAGGER), name="swagger")


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Swagger UI on /openapi.json."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} — API",
        swagger_js_url="/static/swagger/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger/swagger-ui.css",
        swagger_favicon_url="/static/swagger/favicon-32x32.png",
        swagger_ui_parameters={"validatorUrl": None},
    )


@router.get("/login")
def login_page() -> HTMLResponse:
    """Asks for a key."""
    return HTMLResponse(_LOGIN.replace("{message}", ""))


@router.post("/login")
async def login(request: Request) -> Response:
    """Keeps a good key in a cookie that scripts cannot read and other sites cannot send."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LOGIN_BYTES:
            raise TooLarge(f"a key has no more than {LOGIN_BYTES} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"))
    key = fields.get("key", [""])[0].strip()
    try:
        services(request).authenticator.token(key)
    except Unauthenticated as error:
        return HTMLResponse(_LOGIN.replace("{message}", f'<p role="alert">{error.message}</p>'), 401)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE, key, max_age=8 * 3600, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


@router.post("/logout")
def logout() -> Response:
    """Forgets the key."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer
