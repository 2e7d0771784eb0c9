"""How a person signs in: an administrator says so, and never knows a secret of theirs for long."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import Field

from api.admin import AccountPath, AccountsDep
from api.answers import REFUSALS, Out, answer
from api.asking import AskingDep
from api.door import v1_router
from api.identities import Identities
from api.inputs import Body, Line, example
from api.passwords import Passwords
from api.signin import Login
from domain.values import AccountId, SignInMeans

router = v1_router(tags=["accounts"])


class InvitationBody(Body):
    model_config = example(login="a.sokolova@romashka.ru")

    login: Login


class InvitationAnswer(Out):
    """`code` is shown here once and kept nowhere."""

    login: str = Field(examples=["a.sokolova@romashka.ru"])
    code: str
    expires_at: datetime


class IdentityAnswer(Out):
    account_id: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    issuer: str = Field(examples=["https://sso.example.ru"])
    subject: str


class IdentityBody(Body):
    """`subject` is how the issuer of the settings knows the person."""

    model_config = example(subject="248289761001")

    subject: Line


def _passwords(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.signing_in.passwords
    return passwords


def _identities(request: Request) -> Identities:
    identities: Identities = request.app.state.signing_in.identities
    return identities


@router.post(
    "/accounts/{account_id}/password",
    operation_id="invite",
    status_code=201,
    response_model=InvitationAnswer,
    responses=REFUSALS,
)
def invite(
    account_id: AccountPath,
    body: InvitationBody,
    passwords: Annotated[Passwords, Depends(_passwords)],
    accounts: AccountsDep,
    asking: AskingDep,
) -> Response:
    """A login, and a code by which its owner chooses a password (POST /auth/setup), within three
    days and once. A password that there was holds no longer, and sessions end.
    """
    account = AccountId(account_id)
    accounts.set_sign_in(asking.admitted(), account, SignInMeans.PASSWORD)
    made = passwords.invite(account, body.login)
    shown = answer(InvitationAnswer(login=made.login, code=made.code, expires_at=made.expires_at))
    shown.status_code = 201
    shown.headers["Cache-Control"] = "no-store"
    return shown


@router.post(
    "/accounts/{account_id}/identity",
    operation_id="linkIdentity",
    response_model=IdentityAnswer,
    responses=REFUSALS,
)
def link_identity(
    account_id: AccountPath,
    body: IdentityBody,
    identities: Annotated[Identities, Depends(_identities)],
    accounts: AccountsDep,
    asking: AskingDep,
) -> Response:
    """Who is signed in to this account by OpenID Connect, in place of whoever was."""
    account = AccountId(account_id)
    accounts.set_sign_in(asking.admitted(), account, SignInMeans.IDENTITY)
    issuer = identities.link(account, body.subject)
    return answer(IdentityAnswer(account_id=str(account), issuer=issuer, subject=body.subject))
