"""The web application: routes, refusals, health and documentation around one service."""

import gc
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api import (
    admin,
    credentials,
    deal_commands,
    deals,
    directory_commands,
    lists,
    log,
    portfolios,
    signin,
    signin_oidc,
)
from api.accounts import Accounts
from api.door import Door
from api.problems import Language, Problem, language_of, problem_of, respond
from api.service import Service
from api.sessions import Sessions
from api.settings import Settings
from api.signin_oidc import OpenId
from api.signing_in import SigningIn
from application.orders import Unavailable
from domain.errors import Refusal

STATIC = Path(__file__).parent / "static"
VERSION = "0.1.0"
_ROUTERS = tuple(
    module.router
    for module in (
        deal_commands,
        portfolios,
        deals,
        log,
        directory_commands,
        lists,
        admin,
        credentials,
    )
)


class App(FastAPI):
    """What comes to /v1 goes through the door first; the framework does the rest."""

    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.door(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


def create_app(service: Service | None = None, more: Iterable[APIRouter] = ()) -> FastAPI:
    """`service` None: one is made from the environment, whose DATABASE_URL is migrated already.

    `more` are routers made by `v1_router` that are served beside our own.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        given = service or from_environment()
        _collect_garbage_seldom()
        _change_threads_seldom()
        app.state.service = given
        app.state.accounts = Accounts(given)
        app.state.sessions = Sessions(given)
        app.state.signing_in = SigningIn(given, app.state.accounts, app.state.sessions)
        app.state.open_id = OpenId(given)
        try:
            yield
        finally:
            given.close()

    app = App(
        title="Dealfolio",
        version=VERSION,
        summary="Deal portfolios of managers, as of any date, as known at any time.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routers = [*_ROUTERS, *more]
    for router in (*routers, signin.router, signin_oidc.router, _health):
        app.include_router(router)
    app.door = Door(app.framework, routers)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _install_refusals(app)
    _document(app)
    return app


def _collect_garbage_seldom() -> None:
    """The cached histories are hundreds of thousands of objects without a cycle among them.

    By default the collector walks them all every few seconds, 150 ms each time, and everybody
    waits: that was the whole difference between a p99 of 200 ms and one of 40.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 200)


def _change_threads_seldom() -> None:
    """The loop and the writer take turns of a batch each rather than of 5 ms: a third more commands
    a second, and the median falls with it.
    """
    sys.setswitchinterval(0.02)


def from_environment() -> Service:
    settings = Settings()
    assert settings.database_url is not None, "serve sets DATABASE_URL for its workers"
    return Service(settings.database_url, settings)


_health = APIRouter(prefix="/health", tags=["health"])


@_health.get("/live", operation_id="live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@_health.get("/ready", operation_id="ready")
def ready(request: Request) -> dict[str, Any]:
    """The process can answer questions: the database is there, and its tables are."""
    service: Service = request.app.state.service
    with service.asking() as cursor:
        row = cursor.execute(
            "SELECT coalesce(max(notification_id), 0) FROM books.events"
        ).fetchone()
    return {"status": "ready", "position": row[0] if row else 0}


def _install_refusals(app: FastAPI) -> None:
    """Outside the door, refusals read as they do inside."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        assert problem is not None, "installed for what is a problem"
        service = getattr(request.app.state, "service", None)
        default: Language = "ru" if service is None else service.settings.language
        return respond(problem, language_of(request.headers.get("accept-language", ""), default))

    for kind in (Problem, Refusal, Unavailable, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def _document(app: FastAPI) -> None:
    """OpenAPI with what the door asks of every request, and its pages from local files."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                openapi_version="3.1.0",
            )
            _describe_door(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way to extend it

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Dealfolio",
            swagger_js_url="/static/swagger-ui-bundle.js",
            swagger_css_url="/static/swagger-ui.css",
            swagger_favicon_url="data:,",
        )


_KEY_PARAMETERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "maxLength": 200},
        "description": "The same key and body are answered as the first time; kept for ever.",
    },
    {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The ETag of the version that the command is meant for.",
        "example": '"7"',
    },
]


def _describe_door(schema: dict[str, Any]) -> None:
    schema["components"].setdefault("securitySchemes", {})["token"] = {
        "type": "http",
        "scheme": "bearer",
    }
    for path, operations in schema["paths"].items():
        if not path.startswith("/v1"):
            continue
        for method, operation in operations.items():
            operation["security"] = [{"token": []}]
            if method == "post" and path != "/v1/accounts":
                operation.setdefault("parameters", []).extend(_KEY_PARAMETERS)
