"""The web application: routes, refusals and health around one service."""

import signal
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api import reports
from api.accounts import Accounts
from api.audit import books, bundle, evidence, integrity
from api.background import Regularly
from api.digests.delivery import delivering
from api.documentation import document
from api.door import Door
from api.http.compressing import Compressing
from api.http.garbage import SELDOM_SECONDS, collect_all, collect_young
from api.http.guard import Guard
from api.http.limits import RateLimit
from api.http.serving import BOUNDS, Bounds
from api.http.unexpected import unexpected
from api.pages import (
    accounts,
    catalogue,
    certified,
    commands,
    deal,
    home,
    imports,
    journal,
    manager,
    opening,
    periods,
    record,
    rerating,
    sign_in,
    staff,
    why,
)
from api.pages import deals as deals_page
from api.pages import evidence as evidence_page
from api.pages import integrity as integrity_page
from api.pages import reports as reports_pages
from api.pages.frame import show_problem, wants_page
from api.problems import Problem, language_of, problem_of, respond
from api.refusals import EDGE_REFUSALS
from api.service import Service
from api.sessions import Sessions
from api.settings import Settings
from api.sign_in import endpoints as signing
from api.sign_in import oidc
from api.sign_in.oidc import OpenId
from api.sign_in.signing_in import SigningIn
from api.v1 import (
    actions,
    admin,
    batches,
    credentials,
    deal_commands,
    deals,
    directory_commands,
    lists,
    log,
    portfolios,
    previews,
    targets,
)
from api.words import Language
from application.orders import Unavailable
from domain.errors import Refusal

_TOLD = "dealfolio.told"
STATIC = Path(__file__).parent / "static"
VERSION = "0.1.0"
_ROUTERS = tuple(
    module.router
    for module in (
        deal_commands,
        portfolios,
        deals,
        actions,
        log,
        books,
        evidence,
        bundle,
        integrity,
        directory_commands,
        lists,
        admin,
        credentials,
        batches,
        previews,
        targets,
        *reports.ROUTERS,
    )
)


_PAGES = (
    home,
    manager,
    deals_page,
    opening,  # before a deal, whose address is any
    deal,
    record,
    commands,
    why,
    catalogue,
    rerating,
    staff,
    periods,
    certified,
    journal,
    imports,  # before accounts, whose addresses are any
    evidence_page,
    integrity_page,
    *reports_pages.PAGES,
    accounts,
    sign_in,
)


class App(FastAPI):
    """What comes to /v1 goes through the door first; the framework does the rest."""

    door: Door
    declared: list[APIRoute]
    pages: frozenset[str]
    guard: Guard
    language: Language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # of the answer the server sends the head alone
        scope["app"] = self
        if scope["type"] == "http":
            send = self.guard.heading(scope, send)
            if problem := self.guard.refusal(scope):
                await self.told(problem, scope)(scope, receive, send)
                return
        await self.door(scope, receive, send)

    def told(self, problem: Problem, scope: Scope) -> JSONResponse:
        wanted = Headers(scope=scope).get("accept-language", "")
        return respond(problem, language_of(wanted, self.language))

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A fault that was told is not raised again, as the framework does: the server would log it
        twice and hang up on whoever has another request on the way.
        """
        try:
            await super().__call__(scope, receive, send)
        except Exception as error:
            if scope.get(_TOLD) is not error:
                raise


def create_app(service: Service | None = None, more: Iterable[APIRouter] = ()) -> FastAPI:
    """`service` None: one is made from the environment, whose DATABASE_URL is migrated already.

    `more` are routers made by `v1_router` that are served beside our own.
    """
    settings = Settings() if service is None else service.settings
    app = App(
        title="Dealfolio",
        version=VERSION,
        summary="Deal portfolios of managers, as of any date, as known at any time.",
        lifespan=_lifespan(service, settings),
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.demo = settings.demo
    app.guard = Guard(settings)
    app.language = settings.language
    _open_doors(app, settings, [*_ROUTERS, *more])
    _install_refusals(app)
    if settings.docs:
        document(app)
    return app


def _open_doors(app: App, settings: Settings, routers: Sequence[APIRouter]) -> None:
    """`routers` are behind the door; the rest is the framework's."""
    app.declared = []
    for router in (*routers, signing.router, oidc.router, _health):
        app.include_router(router)
        app.declared += [one for one in router.routes if isinstance(one, APIRoute)]
    app.door = Door(Compressing(app.framework), routers, RateLimit(settings.rate, settings.burst))
    for page in _PAGES:
        app.include_router(page.router)
    app.pages = frozenset(
        route.path
        for page in _PAGES
        for route in page.router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    )
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _lifespan(
    service: Service | None, settings: Settings
) -> Callable[[App], AbstractAsyncContextManager[dict[str, Bounds]]]:
    """From the first request to the last, of which the protocol is told its bounds."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, Bounds]]:
        _end_with_supervisor()
        given = service or _from_environment(settings)
        collect_young()
        collecting = Regularly("garbage", SELDOM_SECONDS, collect_all)
        bringing = delivering(given)
        _put_at_hand(app, given)
        try:
            yield {
                BOUNDS: Bounds(
                    settings.request_seconds, settings.connections, app.language, app.guard
                )
            }
        finally:
            collecting.close()
            if bringing is not None:
                bringing.close()
            given.close()

    return lifespan


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would hold the port, and nobody would ever end it."""
    supervisor, loop = parent_process(), get_running_loop()
    if supervisor is None:
        return
    gone = supervisor.sentinel

    def end() -> None:
        loop.remove_reader(gone)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(gone, end)


def _put_at_hand(app: App, service: Service) -> None:
    """What endpoints find at `request.app.state`."""
    app.state.service = service
    app.state.accounts = Accounts(service)
    app.state.sessions = Sessions(service)
    app.state.signing_in = SigningIn(service, app.state.accounts, app.state.sessions)
    app.state.open_id = OpenId(service)


def _from_environment(settings: Settings) -> Service:
    assert settings.database_url is not None, "serve sets DATABASE_URL for its workers"
    return Service(settings.database_url, settings)


_health = APIRouter(prefix="/health", tags=["health"], responses=EDGE_REFUSALS)


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


def _allowed(app: App, path: str) -> str:
    """All methods of an address: the framework names those of its first route only."""
    here = (one for one in app.declared if one.path_regex.match(path))
    methods = {method for route in here for method in route.methods or ()}
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))


def _install_refusals(app: App) -> None:
    """Outside the door, refusals read as they do inside."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_of(error) or unexpected(error, request.scope)
        allowed = _allowed(app, request.scope["path"])
        if problem.slug == "method-not-allowed" and allowed:  # a page's address has its own
            problem.headers["Allow"] = allowed
        request.scope[_TOLD] = error
        if wants_page(request):
            return show_problem(request, problem)
        return app.told(problem, request.scope)

    for kind in (
        Problem,
        Refusal,
        Unavailable,
        RequestValidationError,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, handle)
