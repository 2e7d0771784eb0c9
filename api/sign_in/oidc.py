"""Signing in by OpenID Connect: to the issuer, and back."""

from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response

from api.door import read_query
from api.problems import Problem
from api.refusals import EVERYWHERE, WITH_COOKIE, problems
from api.service import Service
from api.sessions import cookie_of, set_cookie
from api.sign_in.signing_in import headers_of, signing_in
from api.sign_in.under_way import MOST_OF_PATH, Attempt, is_path_here
from domain.errors import NotFound

if TYPE_CHECKING:
    from api.sign_in.issuer import Issuer

COOKIE = "__Host-dealfolio-oidc"
UNDER_WAY_SECONDS = 600
T = TypeVar("T")

router = APIRouter(prefix="/auth/oidc", tags=["sign-in"])


def _asked(name: str, description: str, example: str, **schema: object) -> dict[str, Any]:
    """The documentation of a parameter, which the framework does not see."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "string", "examples": [example], **schema},
    }


_NEXT = _asked(
    "next",
    "Where to go then: a path here.",
    "/deals",
    pattern=r"^/(?!/|auth/)[!-\[\]-~]*$",
    maxLength=MOST_OF_PATH,
)
_ONWARDS: dict[str, Any] = {
    "headers": {
        **WITH_COOKIE["headers"],
        "Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}},
    }
}


class OpenId:
    """The issuer of the settings, if they name one. It may be slow: it has threads of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(4, "issuer")
        self._issuer: Issuer | None = None
        self._making = Lock()

    async def ask(self, question: Callable[["Issuer"], T]) -> T:
        """Raises NotFound where the settings name none."""
        if self._service.settings.oidc_issuer is None:
            raise NotFound("issuer", "")
        loop = get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: question(self._made()))

    def _made(self) -> "Issuer":
        """Its libraries take a third of a second to load, and few installations need them."""
        from api.sign_in.issuer import Issuer  # noqa: PLC0415 - see above

        with self._making:
            if self._issuer is None:
                self._issuer = Issuer(self._service.settings, lambda: self._service.clock.now)
            return self._issuer


@router.get(
    "/start",
    operation_id="startSignIn",
    status_code=303,
    response_class=Response,
    responses={
        303: _ONWARDS,
        **problems(
            ["not-found", "validation", "issuer-unavailable", "not-vouched-for", *EVERYWHERE]
        ),
    },
    openapi_extra={"parameters": [_NEXT]},
)
async def start(request: Request) -> Response:
    """To the issuer; afterwards the browser goes to the path `next`."""
    asked = read_query(request.scope)
    path = asked.pop("next", "/")
    for name in asked:
        raise Problem("validation", errors=((name, "extra_forbidden", {}),))
    if not is_path_here(path):
        raise Problem("validation", errors=(("next", "path", {}),))
    attempt = Attempt.begin(path)
    address = await _open_id(request).ask(lambda issuer: issuer.address(attempt))
    return _onwards(address, set_cookie(attempt.cookie, COOKIE, UNDER_WAY_SECONDS))


@router.get(
    "/callback",
    operation_id="finishSignIn",
    status_code=303,
    response_class=Response,
    responses={
        303: _ONWARDS,
        **problems(
            [
                *("sign-in-broken-off", "not-vouched-for", "no-account", "not-found"),
                *("validation", "rate-limited", "issuer-unavailable", *EVERYWHERE),
            ]
        ),
    },
    openapi_extra={
        "parameters": [
            _asked("code", "Of the issuer: whom it vouches for.", "…"),
            _asked("state", "As it was sent to the issuer.", "…"),
            _asked("iss", "The issuer's name.", "https://sso.example.ru"),
            _asked("error", "Of the issuer: why it vouches for nobody.", "access_denied"),
        ]
    },
)
async def callback(request: Request) -> Response:
    """Back from the issuer: a session begins for whom it vouches for."""
    here = signing_in(request)
    told = read_query(request.scope)
    with here.attempt(request):
        attempt = _under_way(request)
        claims = await _open_id(request).ask(lambda issuer: issuer.finish(attempt, told))
        account_id = await here.do(partial(here.identities.account_of, claims))
    cookies = [await here.begin(request, account_id), set_cookie("", COOKIE, 0)]
    return _onwards(attempt.next, *cookies)


def _open_id(request: Request) -> OpenId:
    open_id: OpenId = request.app.state.open_id
    return open_id


def _under_way(request: Request) -> Attempt:
    """Raises Problem."""
    try:
        return Attempt.from_cookie(cookie_of(headers_of(request), COOKIE) or "")
    except ValueError as error:
        raise Problem("sign-in-broken-off") from error


def _onwards(address: str, *cookies: str) -> Response:
    response = Response(status_code=303, headers={"Location": address, "Cache-Control": "no-store"})
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response
