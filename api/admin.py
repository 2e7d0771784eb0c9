"""Accounts: making them, listing them, closing them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from api.accounts import Account, Accounts, Role
from api.answers import (
    QUESTION_REFUSALS,
    REFUSALS,
    AccountOut,
    AccountsAnswer,
    NewAccount,
    answer,
)
from api.asking import Question, ServiceDep, desk
from api.door import v1_router
from api.inputs import Body, Id, Limit, Line, Slug, example
from domain.values import TeamId

router = v1_router(tags=["accounts"])


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


AccountsDep = Annotated[Accounts, Depends(_accounts)]


class AccountBody(Body):
    """A manager's account needs `manager_id`, a head's `team_id`."""

    model_config = example(name="Анна Соколова", role="manager", manager_id="anna-sokolova")

    name: Line
    role: Literal["manager", "head", "director", "auditor", "admin"]
    manager_id: Slug | None = None
    team_id: Id | None = None

    @model_validator(mode="after")
    def _stands_somewhere(self) -> "AccountBody":
        if self.role == "manager" and self.manager_id is None:
            raise PydanticCustomError("role", "needs {needs}", {"needs": "manager_id"})
        if self.role == "head" and self.team_id is None:
            raise PydanticCustomError("role", "needs {needs}", {"needs": "team_id"})
        return self


class AccountsQuestion(Question):
    limit: Limit = 100
    cursor: Id | None = None


@router.post(
    "/accounts",
    operation_id="createAccount",
    status_code=201,
    response_model=NewAccount,
    responses=REFUSALS,
)
def create_account(body: AccountBody, accounts: AccountsDep, service: ServiceDep) -> Response:
    """Make an account. Its token is in this answer and nowhere else."""
    with desk(service) as at:
        if body.manager_id is not None:
            at.require_manager(body.manager_id)
        if body.team_id is not None:
            at.now().people.require_team(TeamId(body.team_id))
    account, token = accounts.create(body.name, Role(body.role), body.manager_id, body.team_id)
    created = answer(NewAccount(**_figures(account), token=token))
    created.status_code = 201
    created.headers["Cache-Control"] = "no-store"
    return created


@router.get(
    "/accounts",
    operation_id="listAccounts",
    response_model=AccountsAnswer,
    responses=QUESTION_REFUSALS,
)
def list_accounts(
    question: Annotated[AccountsQuestion, Query()], request: Request, accounts: AccountsDep
) -> Response:
    """The accounts that are open."""
    page = accounts.page(question.cursor, question.limit)
    links = {}
    if len(page) == question.limit:
        last = page[-1].account_id
        links["next"] = f"{request.url.path}?limit={question.limit}&cursor={last}"
    return answer(
        AccountsAnswer(accounts=[AccountOut(**_figures(account)) for account in page]), links
    )


@router.delete(
    "/accounts/{account_id}",
    operation_id="closeAccount",
    status_code=204,
    responses=QUESTION_REFUSALS,
)
def close_account(
    account_id: Annotated[Id, Path(description="The account's id.")], accounts: AccountsDep
) -> Response:
    """Close an account: its token is worth nothing from now on."""
    accounts.close(account_id)
    return Response(status_code=204)


def _figures(account: Account) -> dict[str, Any]:
    team: UUID | None = account.team_id
    return {
        "account_id": str(account.account_id),
        "name": account.name,
        "role": account.role.value,
        "manager_id": account.manager_id,
        "team_id": None if team is None else str(team),
    }
