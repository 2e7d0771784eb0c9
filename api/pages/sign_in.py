"""The way in and out: a form for people with a password, and roles to choose from in the demo."""

import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter

from api.demo.loading import grant_in_the_demo
from api.door import read_as
from api.pages.forms import read_form, read_own_form
from api.pages.frame import Page, show_stranger
from api.pages.visit import VisitDep, language_of
from api.problems import Problem, describe, problem_of
from api.service import Service
from api.sessions import session_cookie_of, set_cookie
from api.sign_in.endpoints import SetUpBody
from api.sign_in.passwords import LEAST
from api.sign_in.signing_in import headers_of, signing_in
from api.words import Language
from domain.errors import Refusal
from domain.values import AccountId, Role
from projections.directory import names_of
from projections.point import BEYOND

router = APIRouter(route_class=Page, include_in_schema=False)
_set_up_body = TypeAdapter(SetUpBody)


@router.get("/sign-in")
async def sign_in(request: Request) -> Response:
    return _form(request, dict(request.query_params))


@router.post("/sign-in")
async def signed_in(request: Request) -> Response:
    here, form = signing_in(request), await read_form(request)
    login, password = form.get("login", ""), form.get("password", "")
    try:
        with here.attempt(request, login):
            account = await here.hash(partial(here.passwords.owner, login, password))
    except (Problem, Refusal) as error:
        return _form(request, form, error)
    return await _let_in(request, form, account)


@router.get("/sign-in/code")
async def code(request: Request) -> Response:
    return _code_form(request, {"lang": request.query_params.get("lang", "")})


@router.post("/sign-in/code")
async def password_chosen(request: Request) -> Response:
    """With the code that an administrator gave; whoever has it is in."""
    here, form = signing_in(request), await read_form(request)
    given = {"code": form.get("code", "").strip(), "password": form.get("password", "")}
    try:
        body = read_as(_set_up_body, given, "body")
        with here.attempt(request):
            account = await here.hash(partial(here.passwords.set_up, body.code, body.password))
    except (Problem, Refusal, RequestValidationError) as error:
        return _code_form(request, form, error)
    return await _let_in(request, form, account)


def _code_form(
    request: Request, given: Mapping[str, str], error: Exception | None = None
) -> Response:
    """The code is typed again by nobody: it is long."""
    language = language_of(request, given)
    found = None if error is None else problem_of(error)
    problem = None if found is None else describe(found, language)
    status = problem["status"] if problem else 200
    typed = given.get("code", "")
    return show_stranger(
        request, "code.html", language, status, problem=problem, code=typed, least=LEAST
    )


@router.post("/sign-in/demo")
async def signed_in_to_the_demo(request: Request) -> Response:
    """Whoever reaches the demo may be anybody in it."""
    here, form = signing_in(request), await read_form(request)
    if not here.service.settings.demo or form.get("role") not in set(Role):
        raise Problem("not-found")
    account = await here.do(partial(_of_the_demo, here.service, Role(form["role"])))
    return await _let_in(request, form, account)


@router.post("/sign-out")
async def sign_out(visit: VisitDep) -> Response:
    await read_own_form(visit)
    here = signing_in(visit.request)
    cookie = session_cookie_of(headers_of(visit.request))
    if cookie is not None:
        await here.do(partial(here.sessions.end, cookie))
    return RedirectResponse("/sign-in", 303, {"Set-Cookie": set_cookie("", seconds=0)})


async def _let_in(request: Request, form: Mapping[str, str], account: AccountId) -> Response:
    cookie = await signing_in(request).begin(request, account)
    came_for = _in_language(request, ours(form.get("next", "/")), form)
    return RedirectResponse(came_for, 303, {"Set-Cookie": cookie, "Cache-Control": "no-store"})


def _in_language(request: Request, address: str, form: Mapping[str, str]) -> str:
    """Of the page by which somebody came in; an address that names one has its own."""
    language, parts = language_of(request, form), urlsplit(address)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "lang" in asked or language == language_of(request, {}):
        return address
    return urlunsplit(parts._replace(query=urlencode(asked | {"lang": language})))


def ours(address: str) -> str:
    """Of a page here; for any other the first: a link to our sign-in must lead nowhere else."""
    is_here = re.fullmatch(r"/(?![/\\])[!-~]*", address)
    return address if is_here else "/"


def _form(
    request: Request, given: Mapping[str, str], error: Problem | Refusal | None = None
) -> Response:
    settings = signing_in(request).service.settings
    language = language_of(request, given)
    problem = None
    if error is not None:
        problem = describe(
            error if isinstance(error, Problem) else Problem("wrong-password"), language
        )
    return show_stranger(
        request,
        "sign_in.html",
        language,
        problem["status"] if problem else 200,
        problem=problem,
        login=given.get("login", ""),
        came_for=given.get("next", "/"),
        lost=given.get("lost") == "1",
        issuer=settings.oidc_issuer,
        other_language=_in_other(language, given.get("next", "/")),
        demo_roles=[role.value for role in Role] if settings.demo else [],
    )


def _in_other(language: Language, came_for: str) -> str:
    other = "en" if language == "ru" else "ru"
    return f"/sign-in?{urlencode({'lang': other, 'next': came_for})}"


def _of_the_demo(service: Service, role: Role) -> AccountId:
    """The demo's account in that role. Raises Problem."""
    with service.asking() as cursor:
        grants = service.directory.at(cursor, BEYOND).access.grants
        names = names_of(cursor, [*map(str, grants)])
    wanted = grant_in_the_demo(service, role)
    for account, grant in grants.items():
        if grant == wanted and names.get(str(account)) == f"demo {role}":
            return account
    raise Problem("not-found")
