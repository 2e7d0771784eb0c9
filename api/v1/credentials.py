"""How a person signs in: an administrator says so, and never knows a secret of theirs for long."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import Field

from api.accounts import Accounts
from api.answers import Out, answer
from api.asking import Asking, asking_of
from api.inputs import Body, Email, Line, example
from api.refusals import REFUSALS
from api.routes import v1_router
from api.sign_in.endpoints import Login
from api.sign_in.identities import Identities
from api.sign_in.passwords import Passwords
from api.sign_in.signing_in import signing_in
from api.v1.admin import AccountOut, AccountPath, account_shown
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


class EmailBody(Body):
    """Null: the person has none. `language` is that of letters to it; left out, the company's."""

    model_config = example(email="anna@romashka.ru", language="ru")

    email: Email | None
    language: Literal["ru", "en"] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an administrator says how somebody signs in, and what they say it with."""

    asking: Asking
    accounts: Accounts
    passwords: Passwords
    identities: Identities

    def begin(self, account_id: UUID, means: SignInMeans) -> AccountId:
        """Into the log first, by whoever asks. Raises Refusal."""
        account = AccountId(account_id)
        self.accounts.set_sign_in(self.asking.admitted(), account, means)
        return account


def _desk(request: Request) -> Desk:
    here, accounts = signing_in(request), request.app.state.accounts
    return Desk(asking_of(request), accounts, here.passwords, here.identities)


DeskDep = Annotated[Desk, Depends(_desk)]


@router.post(
    "/accounts/{account_id}/password",
    operation_id="invite",
    status_code=201,
    response_model=InvitationAnswer,
    responses=REFUSALS,
)
def invite(account_id: AccountPath, body: InvitationBody, desk: DeskDep) -> Response:
    """A login, and a code by which its owner chooses a password (POST /auth/setup), within three
    days and once. A password that there was holds no longer, and sessions end.
    """
    account = desk.begin(account_id, SignInMeans.PASSWORD)
    made = desk.passwords.invite(account, body.login)
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
def link_identity(account_id: AccountPath, body: IdentityBody, desk: DeskDep) -> Response:
    """Who is signed in to this account by OpenID Connect, in place of whoever was."""
    account = desk.begin(account_id, SignInMeans.IDENTITY)
    issuer = desk.identities.link(account, body.subject)
    return answer(IdentityAnswer(account_id=str(account), issuer=issuer, subject=body.subject))


@router.post(
    "/accounts/{account_id}/email",
    operation_id="setEmail",
    response_model=AccountOut,
    responses=REFUSALS,
)
def set_email(account_id: AccountPath, body: EmailBody, desk: DeskDep) -> Response:
    """The address of the account's person, in place of the one before. By it the issuer of the
    settings may link them, once, if these allow it; who is linked stays so.
    """
    account = desk.begin(account_id, SignInMeans.EMAIL)
    return answer(account_shown(desk.accounts.set_email(account, body.email, body.language)))
