"""Accounts: who may come in, as what and by which means; and how the service itself is."""

from asyncio import gather
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter

from api.accounts import Accounts
from api.door import read_as
from api.operating.doctor import findings
from api.pages.forms import Typed, read_own_form, typed
from api.pages.frame import Page, show
from api.pages.periods import local
from api.pages.visit import Visit, VisitDep
from api.sign_in.signing_in import signing_in
from api.v1.admin import AccountBody, KeyBody, RoleBody
from api.v1.credentials import EmailBody, InvitationBody
from application.orders import Caller
from domain.access import Task
from domain.errors import Invalid, NotFound
from domain.values import AccountId, KeyId, Role, SignInMeans

T = TypeVar("T")
router = APIRouter(route_class=Page, include_in_schema=False)

_ROLE = ("role", "manager_id", "team_id")
_NEW = ("name", "email", *_ROLE)
_EMAIL = ("email", "language")
_account_body = TypeAdapter(AccountBody)
_role_body = TypeAdapter(RoleBody)
_key_body = TypeAdapter(KeyBody)
_invitation_body = TypeAdapter(InvitationBody)
_email_body = TypeAdapter(EmailBody)


@dataclass(frozen=True, slots=True)
class Secret:
    """What is shown once. `what` is "key" or "code"; `expires_at` None: never."""

    what: str
    text: str
    expires_at: datetime | None
    login: str = ""


@router.get("/accounts")
async def accounts(visit: VisitDep) -> Response:
    return await _list(visit, Typed())


@router.post("/accounts")
async def created(visit: VisitDep) -> Response:
    """An account with a role and no key yet: its page offers an invitation and a key."""
    form = await read_own_form(visit)
    given = {name: form[name].strip() for name in _NEW if form.get(name, "").strip()}
    try:
        body = read_as(_account_body, given, "body")
        make = partial(_accounts(visit).open, _caller(visit), body.name, body.grant)
        account_id = await _do(visit, partial(make, email=body.email))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _list(visit, typed(visit, "new", form, error, (*_NEW, "body")))
    return _to(visit, f"/accounts/{account_id}")


@router.get("/accounts/system")
async def system(visit: VisitDep) -> Response:
    """What `dealfolio doctor` says, as far as the service itself may look."""
    visit.grant.reach(Task.ADMINISTER)

    def looked() -> Sequence[Any]:
        with visit.service.asking() as cursor:
            return [*findings(cursor, visit.language)]

    return show(visit, "system.html", findings=await _do(visit, looked))


@router.get("/accounts/{account_id}")
async def account(account_id: UUID, visit: VisitDep) -> Response:
    return await _one(visit, account_id, Typed())


@router.post("/accounts/{account_id}/role")
async def role_granted(account_id: UUID, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    given = {name: form[name].strip() for name in _ROLE if form.get(name, "").strip()}
    try:
        body = read_as(_role_body, given, "body")
        change = _accounts(visit).change_role
        await _do(visit, partial(change, _caller(visit), AccountId(account_id), body.grant))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _one(visit, account_id, typed(visit, "role", form, error, (*_ROLE, "body")))
    return _to(visit, f"/accounts/{account_id}")


@router.post("/accounts/{account_id}/invitation")
async def invited(account_id: UUID, visit: VisitDep) -> Response:
    """Into the log first, as /v1 does."""
    form = await read_own_form(visit)
    who, here = AccountId(account_id), signing_in(visit.request)
    try:
        body = read_as(_invitation_body, {"login": form.get("login", "").strip()}, "body")
        begin = partial(_accounts(visit).set_sign_in, _caller(visit), who, SignInMeans.PASSWORD)
        await _do(visit, begin)
        made = await _do(visit, partial(here.passwords.invite, who, body.login))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _one(visit, account_id, typed(visit, "invite", form, error, ("login",)))
    secret = Secret("code", made.code, made.expires_at, made.login)
    return await _one(visit, account_id, Typed(), secret)


@router.post("/accounts/{account_id}/email")
async def address_given(account_id: UUID, visit: VisitDep) -> Response:
    """Into the log first, as /v1 does."""
    form = await read_own_form(visit)
    who = AccountId(account_id)
    given = {name: form.get(name, "").strip() or None for name in _EMAIL}
    try:
        body = read_as(_email_body, given, "body")
        begin = partial(_accounts(visit).set_sign_in, _caller(visit), who, SignInMeans.EMAIL)
        await _do(visit, begin)
        await _do(visit, partial(_accounts(visit).set_email, who, body.email, body.language))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _one(visit, account_id, typed(visit, "email", form, error, _EMAIL))
    return _to(visit, f"/accounts/{account_id}")


@router.post("/accounts/{account_id}/keys")
async def key_issued(account_id: UUID, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    given = {"expires_at": _end_of(visit, form["expires_at"])} if form.get("expires_at") else {}
    try:
        body = read_as(_key_body, given, "body")
        _require_ahead(visit, body.expires_at)
        issue = partial(_accounts(visit).issue_key, _caller(visit), AccountId(account_id))
        key, token = await _do(visit, partial(issue, body.expires_at))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _one(visit, account_id, typed(visit, "key", form, error, ("expires_at",)))
    return await _one(visit, account_id, Typed(), Secret("key", token, key.expires_at))


@router.post("/accounts/{account_id}/keys/{key_id}/revocation")
async def key_revoked(account_id: UUID, key_id: UUID, visit: VisitDep) -> Response:
    await read_own_form(visit)
    revoke = _accounts(visit).revoke_key
    await _do(visit, partial(revoke, _caller(visit), AccountId(account_id), KeyId(key_id)))
    return _to(visit, f"/accounts/{account_id}")


@router.post("/accounts/{account_id}/closing")
async def closed(account_id: UUID, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    try:
        close = partial(_accounts(visit).close, _caller(visit), AccountId(account_id))
        await _do(visit, close)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _one(visit, account_id, typed(visit, "close", form, error, ()))
    return _to(visit, "/accounts")


def _accounts(visit: Visit) -> Accounts:
    """It decides by the caller's role, as it does for /v1."""
    found: Accounts = visit.request.app.state.accounts
    return found


def _caller(visit: Visit) -> Caller:
    """Raises Forbidden before anything is looked up."""
    visit.grant.reach(Task.ADMINISTER)
    return Caller(visit.session.account_id)


async def _do(visit: Visit, call: Callable[[], T]) -> T:
    return await signing_in(visit.request).do(call)


def _require_ahead(visit: Visit, expires_at: datetime | None) -> None:
    """A program may want a key that is over; a person has mistyped. Raises Invalid."""
    if expires_at is not None and expires_at <= visit.service.clock.now:
        raise Invalid("expires_at", "is-over")


def _end_of(visit: Visit, day: str) -> str:
    """The first instant after it, in the company's zone; what is no date is for the reader."""
    try:
        midnight = datetime.fromisoformat(f"{day}T23:59:59")
    except ValueError:
        return day
    return midnight.replace(tzinfo=visit.service.settings.zone).isoformat()


def _to(visit: Visit, path: str) -> Response:
    return RedirectResponse(visit.link(path), 303)


async def _places(visit: Visit) -> Mapping[str, Any]:
    """What an account may be given: roles, managers, teams."""
    people, teams = await gather(
        visit.ask("/managers", limit=1_000), visit.ask("/teams", limit=1_000)
    )
    return {
        "roles": [role.value for role in Role],
        "managers": people["managers"],
        "teams": teams["teams"],
        "called": {
            one["manager_id"]: one["name"] or one["manager_id"] for one in people["managers"]
        }
        | {one["team_id"]: one["name"] for one in teams["teams"]},
    }


async def _list(visit: Visit, given: Typed) -> Response:
    after = visit.asked.get("cursor") or None
    found, places = await gather(visit.ask("/accounts", limit=100, cursor=after), _places(visit))
    lines = found["accounts"]
    page = show(
        visit,
        "accounts.html",
        lines=lines,
        behind=lines[-1]["account_id"] if len(lines) == 100 else None,
        typed=given,
        **places,
    )
    page.status_code = given.status
    return page


async def _one(
    visit: Visit, account_id: UUID, given: Typed, secret: Secret | None = None
) -> Response:
    """The account is on the list before itself, so to say: /v1 has no question about one alone."""
    keys, places = await gather(visit.ask(f"/accounts/{account_id}/keys"), _places(visit))
    one = await _find(visit, account_id)
    page = show(
        visit,
        "account.html",
        one=one,
        keys=keys["keys"],
        typed=given,
        secret=secret,
        instant=partial(local, visit),
        **places,
    )
    page.status_code = given.status
    page.headers["Cache-Control"] = "no-store"
    return page


async def _find(visit: Visit, account_id: UUID) -> Mapping[str, Any]:
    """Raises NotFound."""
    async for listed in visit.pages("/accounts", limit=1_000):
        for line in listed.answer["accounts"]:
            if line["account_id"] == str(account_id):
                return dict(line)
    raise NotFound("account", account_id)
