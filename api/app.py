"""The web application: routes, refusals, health and documentation around one service."""

import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
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

from api import (
    admin,
    deal_commands,
    deals,
    directory_commands,
    lists,
    log,
    portfolios,
)
from api.accounts import Accounts
from api.problems import KINDS, Language, Problem, language_of, respond, to_problem
from api.service import Service
from api.settings import Settings
from application.orders import Unavailable
from domain.errors import Refusal

STATIC = Path(__file__).parent / "static"
VERSION = "0.1.0"
_ROUTERS = (deal_commands, portfolios, deals, log, directory_commands, lists, admin)


def create_app(service: Service | None = None) -> FastAPI:
    """`service` None: one is made from the environment, whose DATABASE_URL is migrated already."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        given = service or from_environment()
        _collect_garbage_seldom()
        _change_threads_seldom()
        app.state.service = given
        app.state.accounts = Accounts(given.asking)
        try:
            yield
        finally:
            given.close()

    app = FastAPI(
        title="Dealfolio",
        version=VERSION,
        summary="Deal portfolios of managers, as of any date, as known at any time.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    app.include_router(_health)
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
    def handler(
        to: Callable[[Any], Problem],
    ) -> Callable[[Request, Any], Awaitable[JSONResponse]]:
        async def handle(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401 - any of them
            return respond(to(error), _language(request))

        return handle

    app.add_exception_handler(Problem, handler(lambda problem: problem))
    app.add_exception_handler(Refusal, handler(to_problem))
    app.add_exception_handler(Unavailable, handler(lambda _: Problem("unavailable")))
    app.add_exception_handler(RequestValidationError, handler(_invalid))
    app.add_exception_handler(HTTPException, handler(_http))


def _language(request: Request) -> Language:
    default: Language = "ru"
    service = getattr(request.app.state, "service", None)
    if service is not None:
        default = service.settings.language
    return language_of(request.headers.get("accept-language", ""), default)


def _invalid(error: RequestValidationError) -> Problem:
    """What the framework found wrong. An address that cannot exist is simply not found."""
    found = error.errors()
    for one in found:
        if one["loc"][0] == "path" and one["loc"][1] != "period":
            return Problem("not-found", what=one["loc"][1])
    return Problem(
        "validation",
        errors=tuple(
            (".".join(map(str, one["loc"][1:])) or "body", one["type"], one.get("ctx") or {})
            for one in found
        ),
    )


def _http(error: HTTPException) -> Problem:
    """Refusals of the framework itself: no such address, no such method."""
    slugs = {kind.status: slug for slug, kind in KINDS.items()}
    slugs |= {400: "malformed-json", 404: "not-found", 422: "validation"}
    return Problem(slugs.get(error.status_code, "not-found"), headers=error.headers)


def _document(app: FastAPI) -> None:
    """OpenAPI with what the guard asks of every request, and its pages from local files."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                openapi_version="3.1.0",
            )
            _describe_guard(schema)
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


def _describe_guard(schema: dict[str, Any]) -> None:
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
