"""Accounts: making them, what they may do, their keys, closing them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from api.accounts import Account, Accounts, Key
from api.answers import Out, Uuid, answer
from api.asking import AskingDep, Question
from api.inputs import Body, Email, Id, Instant, Limit, Line, Slug, example
from api.refusals import PAGED, QUESTION_REFUSALS, REFUSALS, REMOVAL_REFUSALS
from api.routes import v1_router
from domain.access import Grant
from domain.values import AccountId, KeyId, ManagerId, Role, TeamId

router = v1_router(tags=["accounts"])

AccountPath = Annotated[Id, Path(description="The account's id.")]
KeyPath = Annotated[Id, Path(description="The key's id.")]


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


AccountsDep = Annotated[Accounts, Depends(_accounts)]


_PLACES: tuple[JsonValue, ...] = (
    {"properties": {"role": {"enum": ["director", "auditor", "admin"]}}},
    {
        "required": ["manager_id"],
        "properties": {"role": {"const": "manager"}, "manager_id": {"type": "string"}},
    },
    {
        "required": ["team_id"],
        "properties": {"role": {"const": "head"}, "team_id": {"type": "string"}},
    },
)


class RoleBody(Body):
    """A manager's account needs `manager_id`, a head's `team_id`. `manager_id` says which manager
    the account's person is, whatever the role: nobody judges their own actions.
    """

    model_config = example(one_of=_PLACES, role="manager", manager_id="anna-sokolova")

    role: Literal["manager", "head", "director", "auditor", "admin"]
    manager_id: Slug | None = None
    team_id: Id | None = None

    @model_validator(mode="after")
    def _stands_somewhere(self) -> "RoleBody":
        if self.role == "manager" and self.manager_id is None:
            raise PydanticCustomError("role", "needs {needs}", {"needs": "manager_id"})
        if self.role == "head" and self.team_id is None:
            raise PydanticCustomError("role", "needs {needs}", {"needs": "team_id"})
        return self

    @property
    def grant(self) -> Grant:
        return Grant(
            Role(self.role),
            None if self.manager_id is None else ManagerId(self.manager_id),
            None if self.team_id is None else TeamId(self.team_id),
        )


class KeyBody(Body):
    """`expires_at`, where it is left out: never."""

    model_config = example(expires_at="2027-01-01T00:00:00+03:00")

    expires_at: Instant | None = None


class AccountBody(RoleBody):
    """What a role needs, a name, and until when the first key holds. `email`, verified by an issuer
    of identities, may link the person to the account.
    """

    model_config = example(
        one_of=_PLACES, name="Анна Соколова", role="manager", manager_id="anna-sokolova"
    )

    name: Line
    email: Email | None = None
    expires_at: Instant | None = None


class AccountsQuestion(Question):
    limit: Limit = 100
    cursor: Id | None = None


class AccountOut(Out):
    """`name` null: the person was forgotten. `language` of letters null: that of the company."""

    account_id: Uuid = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    name: str | None = Field(examples=["Анна Соколова"])
    email: str | None = Field(examples=["anna@romashka.ru"])
    language: Literal["ru", "en"] | None = Field(examples=["ru"])
    role: str = Field(examples=["manager"])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    team_id: Uuid | None = None


class NewAccount(AccountOut):
    """`token` is shown here once and kept nowhere."""

    token: str = Field(examples=["df_..."])


class KeyOut(Out):
    """`prefix` is how the key begins, `expires_at` null: never, `last_used_at` to ten minutes."""

    key_id: Uuid = Field(examples=["0d7c5c0e-4a3e-4a0b-8c51-9a0d4f6f2b77"])
    prefix: str = Field(examples=["df_Xk2q"])
    issued_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewKey(KeyOut):
    """`token` is shown here once and kept nowhere."""

    token: str = Field(examples=["df_..."])


class KeysAnswer(Out):
    keys: list[KeyOut]


class AccountsAnswer(Out):
    accounts: list[AccountOut]


@router.post(
    "/accounts",
    operation_id="createAccount",
    status_code=201,
    response_model=NewAccount,
    responses=REFUSALS,
)
def create_account(body: AccountBody, accounts: AccountsDep, asking: AskingDep) -> Response:
    """Make an account. Its key is in this answer and nowhere else."""
    account, token = accounts.create(
        asking.admitted(), body.name, body.grant, email=body.email, expires_at=body.expires_at
    )
    return _secret(NewAccount(**_figures(account), token=token))


@router.get(
    "/accounts",
    operation_id="listAccounts",
    response_model=AccountsAnswer,
    responses={**PAGED, **QUESTION_REFUSALS},
)
def list_accounts(
    question: Annotated[AccountsQuestion, Query()],
    request: Request,
    accounts: AccountsDep,
    asking: AskingDep,
) -> Response:
    """The accounts that have a role."""
    asking.admitted()
    page = accounts.page(question.cursor, question.limit)
    links = {}
    if len(page) == question.limit:
        last = page[-1].account_id
        links["next"] = f"{request.url.path}?limit={question.limit}&cursor={last}"
    return answer(AccountsAnswer(accounts=[account_shown(account) for account in page]), links)


@router.post(
    "/accounts/{account_id}/role",
    operation_id="grantRole",
    response_model=AccountOut,
    responses=REFUSALS,
)
def grant_role(
    account_id: AccountPath, body: RoleBody, accounts: AccountsDep, asking: AskingDep
) -> Response:
    """Another role, in place of the one that the account has."""
    account = accounts.change_role(asking.admitted(), AccountId(account_id), body.grant)
    return answer(account_shown(account))


@router.delete(
    "/accounts/{account_id}",
    operation_id="closeAccount",
    status_code=204,
    response_class=Response,
    responses=REMOVAL_REFUSALS,
)
def close_account(account_id: AccountPath, accounts: AccountsDep, asking: AskingDep) -> Response:
    """Close an account: its keys and sessions are worth nothing from now on."""
    accounts.close(asking.admitted(), AccountId(account_id))
    return Response(status_code=204)


@router.post(
    "/accounts/{account_id}/keys",
    operation_id="issueKey",
    status_code=201,
    response_model=NewKey,
    responses=REFUSALS,
)
def issue_key(
    account_id: AccountPath,
    accounts: AccountsDep,
    asking: AskingDep,
    body: KeyBody | None = None,
) -> Response:
    """One more key for an account. It is in this answer and nowhere else."""
    expires_at: datetime | None = body.expires_at if body else None
    key, token = accounts.issue_key(asking.admitted(), AccountId(account_id), expires_at)
    return _secret(NewKey(**_key(key), token=token))


@router.get(
    "/accounts/{account_id}/keys",
    operation_id="listKeys",
    response_model=KeysAnswer,
    responses=QUESTION_REFUSALS,
)
def list_keys(account_id: AccountPath, accounts: AccountsDep, asking: AskingDep) -> Response:
    """The keys of an account that were not taken back, without what is secret of them."""
    asking.admitted()
    keys = accounts.keys(AccountId(account_id))
    return answer(KeysAnswer(keys=[KeyOut(**_key(key)) for key in keys]))


@router.delete(
    "/accounts/{account_id}/keys/{key_id}",
    operation_id="revokeKey",
    status_code=204,
    response_class=Response,
    responses=REMOVAL_REFUSALS,
)
def revoke_key(
    account_id: AccountPath, key_id: KeyPath, accounts: AccountsDep, asking: AskingDep
) -> Response:
    """Take a key back: it is worth nothing from the next request on."""
    accounts.revoke_key(asking.admitted(), AccountId(account_id), KeyId(key_id))
    return Response(status_code=204)


def _secret(body: NewAccount | NewKey) -> Response:
    """An answer that nobody on the way may keep."""
    made = answer(body)
    made.status_code = 201
    made.headers["Cache-Control"] = "no-store"
    return made


def account_shown(account: Account) -> AccountOut:
    return AccountOut(**_figures(account))


def _figures(account: Account) -> dict[str, Any]:
    grant = account.grant
    team: UUID | None = grant.team_id
    return {
        "account_id": str(account.account_id),
        "name": account.name,
        "email": account.email,
        "language": account.language,
        "role": grant.role.value,
        "manager_id": grant.manager_id,
        "team_id": None if team is None else str(team),
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "key_id": str(key.key_id),
        "prefix": key.prefix,
        "issued_at": key.issued_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }
