"""Signing in and out: what a browser asks, outside /v1.

Requests are read as the door reads them. Whoever may not sign in is told the same in each case.
"""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import Field, PlainValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect

from api.answers import Out, answer
from api.door import parsed_json, read_as, read_body, read_query
from api.http.forgery import require_no_forgery, require_own_page
from api.inputs import Body, example
from api.problems import Problem
from api.refusals import EVERYWHERE, WITH_COOKIE, problems
from api.service import Service
from api.sessions import Session, session_cookie_of, set_cookie
from api.sign_in.passwords import LEAST, MOST, plain
from api.sign_in.signing_in import headers_of, signing_in
from projections.point import BEYOND

B = TypeVar("B", bound=Body)

router = APIRouter(prefix="/auth", tags=["sign-in"])


def _login(given: object) -> str:
    login = plain(given) if isinstance(given, str) else ""
    if 1 <= len(login) <= 100 and all(sign.isalnum() or sign in "._@+-" for sign in login):
        return login
    raise PydanticCustomError("login", "not a login")


Login = Annotated[
    str,
    PlainValidator(_login),
    WithJsonSchema({"type": "string", "maxLength": 100, "examples": ["a.sokolova@romashka.ru"]}),
]
Password = Annotated[str, Field(strict=True, max_length=MOST)]
NewPassword = Annotated[str, Field(strict=True, min_length=LEAST, max_length=MOST)]


class SignInBody(Body):
    model_config = example(login="a.sokolova@romashka.ru", password="…")  # noqa: S106 - nobody's

    login: Login
    password: Password


class PasswordBody(Body):
    model_config = example(old="…", new="…")

    old: Password
    new: NewPassword


class SetUpBody(Body):
    """`code` is what an administrator handed over."""

    model_config = example(code="…", password="…")  # noqa: S106 - nobody's

    code: Annotated[str, Field(strict=True, max_length=100)]
    password: NewPassword


class SessionAnswer(Out):
    """`csrf_token` goes with whatever changes something, as X-CSRF-Token."""

    account_id: str
    role: str
    manager_id: str | None
    team_id: str | None
    csrf_token: str
    expires_at: datetime


def _read(of: type[B]) -> Any:  # noqa: ANN401 - the framework's mark
    """A body, read as strictly as under /v1, from a page of ours if from any."""
    adapter = TypeAdapter(of)

    async def read(request: Request) -> B:
        headers = headers_of(request)
        require_own_page(headers, signing_in(request).service.settings)
        _require_bare(request)
        try:
            body = await read_body(request.receive, headers)
        except ClientDisconnect as error:
            raise HTTPException(400) from error  # nobody will read it
        given = parsed_json(body, headers, required=True)
        return cast("B", read_as(adapter, given, "body"))

    return Depends(read)


def _takes(of: type[Body], *slugs: str) -> dict[str, Any]:
    """A route's documentation: its body, which the framework does not see, and its refusals."""
    schema = of.model_json_schema()
    media = {"application/json": {"schema": schema}}
    return {
        "status_code": 204,
        "response_class": Response,
        "openapi_extra": {"requestBody": {"required": True, "content": media}},
        "responses": problems([*_READING, *slugs, *EVERYWHERE]),
    }


_READING = (
    *("malformed-json", "payload-too-large", "unsupported-media-type", "validation"),
    *("cross-site", "rate-limited"),
)
_OWN = ("unauthenticated", "validation")
"""Refusals of what is asked in a session, and says nothing behind its address."""


def _with_cookie(documented: dict[str, Any]) -> dict[str, Any]:
    return documented | {"responses": {204: WITH_COOKIE, **documented["responses"]}}


@router.post(
    "/sign-in",
    operation_id="signIn",
    **_with_cookie(_takes(SignInBody, "wrong-password")),
)
async def sign_in(body: Annotated[SignInBody, _read(SignInBody)], request: Request) -> Response:
    """Begin a session; its cookie is in the answer."""
    here = signing_in(request)
    owner = partial(here.passwords.owner, body.login, body.password)
    with here.attempt(request, body.login):
        account_id = await here.hash(owner)
    return signed_in(await here.begin(request, account_id))


@router.post(
    "/setup",
    operation_id="setUpPassword",
    **_with_cookie(_takes(SetUpBody, "setup-code-spent")),
)
async def set_up(body: Annotated[SetUpBody, _read(SetUpBody)], request: Request) -> Response:
    """Choose a password with the code that an administrator gave, and begin a session."""
    here = signing_in(request)
    owner = partial(here.passwords.set_up, body.code, body.password)
    with here.attempt(request):
        account_id = await here.hash(owner)
    return signed_in(await here.begin(request, account_id))


@router.get(
    "/session",
    operation_id="getSession",
    response_model=SessionAnswer,
    responses=problems([*_OWN, *EVERYWHERE]),
)
async def session(request: Request) -> Response:
    """Who is signed in."""
    here = signing_in(request)
    _, found = await _required(request)
    made = answer(await here.do(partial(_shown, here.service, found)))
    made.headers["Cache-Control"] = "no-store"
    return made


@router.post(
    "/sign-out",
    operation_id="signOut",
    status_code=204,
    response_class=Response,
    responses={204: WITH_COOKIE, **problems([*_OWN, "cross-site", *EVERYWHERE])},
)
async def sign_out(request: Request) -> Response:
    """End the session: at once, everywhere."""
    here = signing_in(request)
    cookie, _ = await _required(request)
    await here.do(partial(here.sessions.end, cookie))
    return signed_in(set_cookie("", seconds=0))


@router.post(
    "/password",
    operation_id="changePassword",
    **_takes(PasswordBody, "wrong-password", "unauthenticated"),
)
async def change_password(
    body: Annotated[PasswordBody, _read(PasswordBody)], request: Request
) -> Response:
    """Change one's own password; one's other sessions end."""
    here = signing_in(request)
    cookie, found = await _required(request)
    change = partial(here.passwords.change, found.account_id, body.old, body.new, cookie)
    with here.attempt(request, str(found.account_id)):
        await here.hash(change)
    return Response(status_code=204)


def signed_in(cookie: str) -> Response:
    return Response(status_code=204, headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


def _require_bare(request: Request) -> None:
    """Nothing secret belongs into an address. Raises Problem."""
    for name in read_query(request.scope):
        raise Problem("validation", errors=((name, "extra_forbidden", {}),))


async def _required(request: Request) -> tuple[str, Session]:
    """The session and its cookie. Raises Problem."""
    _require_bare(request)
    here, headers = signing_in(request), headers_of(request)
    cookie = session_cookie_of(headers)
    found = None if cookie is None else await here.do(partial(here.sessions.find, cookie))
    if cookie is None or found is None:
        raise Problem("unauthenticated")
    require_no_forgery(request.scope, headers, found, here.service.settings)
    return cookie, found


def _shown(service: Service, found: Session) -> SessionAnswer:
    """Raises SignedOut for an account whose role was taken away."""
    with service.asking() as cursor:
        grant = service.directory.at(cursor, BEYOND).access.grant_of(found.account_id, None)
    return SessionAnswer(
        account_id=str(found.account_id),
        role=grant.role.value,
        manager_id=grant.manager_id,
        team_id=None if grant.team_id is None else str(grant.team_id),
        csrf_token=found.csrf,
        expires_at=found.expires_at,
    )
