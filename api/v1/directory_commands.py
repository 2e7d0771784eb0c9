"""Commands beside the deals: teams and managers, the catalogue, periods."""

from typing import Annotated

from fastapi import Path
from pydantic import Field, StrictBool, StrictInt

from api.inputs import Body, BusinessDate, Day, Id, Line, MonthName, Slug, Text, Weight, example
from api.refusals import COMMAND, CREATED
from api.routes import v1_router
from api.v1.new_id import new_id
from domain.access_commands import SetBackdatingLimit
from domain.decisions import Command
from domain.directory_commands import (
    ChangeCatalogueWeight,
    ChangeTeam,
    ClosePeriod,
    CreateTeam,
    DefineActionType,
    RegisterManager,
    ReopenPeriod,
    RetireActionType,
)
from domain.events import Titles
from domain.periods import Month
from domain.values import ActionTypeCode, ManagerId, TeamId

router = v1_router()

Code = Annotated[str, Path(description="The action type's code.")]
Period = Annotated[MonthName, Path(description="The month, YYYY-MM.")]


class TeamBody(Body):
    model_config = example(name="Юг")

    name: Line


class ManagerBody(Body):
    """`manager_id` for people who have one already; else the server makes it. `team_id` is where
    the manager stands before any dated change.
    """

    model_config = example(name="Анна Соколова", manager_id="anna-sokolova")

    name: Line
    team_id: Id | None = None
    manager_id: Slug | None = None


class TeamChangeBody(Body):
    model_config = example(
        team_id="7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11", effective_on="2026-03-01"
    )

    team_id: Id
    effective_on: BusinessDate


class TitleBody(Body):
    ru: Line
    en: Line


class ActionTypeBody(Body):
    """`effective_from` may lie in the past or the future; `max_per_deal` left out: any number."""

    model_config = example(
        code="proposal-presented",
        title={
            "ru": "ТКП представлено лицу, принимающему решение",
            "en": "Proposal presented to the decision maker",
        },
        weight="5.00",
        effective_from="2026-01-01",
        max_per_deal=1,
        evidence_required=True,
    )

    code: Slug
    title: TitleBody
    weight: Weight
    effective_from: Day
    max_per_deal: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    evidence_required: StrictBool = False
    needs_confirmation: StrictBool = False


class CatalogueWeightBody(Body):
    model_config = example(weight="4.00", effective_from="2027-01-01", reason="Новый регламент")

    weight: Weight
    effective_from: Day
    reason: Text


class RetirementBody(Body):
    model_config = example(effective_from="2027-01-01")

    effective_from: Day


class ReopeningBody(Body):
    model_config = example(reason="Пропущен договор с «Ромашкой»")

    reason: Text


class BackdatingBody(Body):
    """`working_days` from 0 (today only) to 366; null: any number."""

    model_config = example(working_days=5, reason="Приказ о порядке учёта")

    working_days: Annotated[StrictInt, Field(ge=0, le=366)] | None
    reason: Text


class NothingBody(Body):
    """An empty object, or no body at all."""


@router.post("/teams", tags=["people"], operation_id="createTeam", **CREATED)
def create_team(body: TeamBody) -> Command:
    """Create a team."""
    return CreateTeam(TeamId(new_id()), body.name)


@router.post("/managers", tags=["people"], operation_id="registerManager", **CREATED)
def register_manager(body: ManagerBody) -> Command:
    """Register a manager. The name stays outside the log."""
    manager_id = ManagerId(body.manager_id or str(new_id()))
    return RegisterManager(
        manager_id, body.name, None if body.team_id is None else TeamId(body.team_id)
    )


@router.post(
    "/managers/{manager_id}/team-changes", tags=["people"], operation_id="changeTeam", **COMMAND
)
def change_team(manager_id: str, body: TeamChangeBody) -> Command:
    """From a date on the manager is in another team."""
    return ChangeTeam(ManagerId(manager_id), TeamId(body.team_id), body.effective_on)


@router.post("/action-types", tags=["catalogue"], operation_id="defineActionType", **CREATED)
def define_action_type(body: ActionTypeBody) -> Command:
    """Put an action type into the catalogue."""
    return DefineActionType(
        ActionTypeCode(body.code),
        Titles(ru=body.title.ru, en=body.title.en),
        body.weight,
        body.effective_from,
        body.max_per_deal,
        body.evidence_required,
        body.needs_confirmation,
    )


@router.post(
    "/action-types/{code}/weights",
    tags=["catalogue"],
    operation_id="changeCatalogueWeight",
    **COMMAND,
)
def change_catalogue_weight(code: Code, body: CatalogueWeightBody) -> Command:
    """From a date on actions of the type weigh differently. Recorded actions keep their weight."""
    return ChangeCatalogueWeight(
        ActionTypeCode(code), body.weight, body.effective_from, body.reason
    )


@router.post(
    "/action-types/{code}/retirement",
    tags=["catalogue"],
    operation_id="retireActionType",
    **COMMAND,
)
def retire_action_type(code: Code, body: RetirementBody) -> Command:
    """From a date on the action type cannot be recorded."""
    return RetireActionType(ActionTypeCode(code), body.effective_from)


@router.post("/rules/backdating", tags=["rules"], operation_id="setBackdatingLimit", **COMMAND)
def set_backdating_limit(body: BackdatingBody) -> Command:
    """How many working days back a manager may date an action; further back needs the head."""
    return SetBackdatingLimit(body.working_days, body.reason)


@router.post("/periods/{period}/closing", tags=["periods"], operation_id="closePeriod", **COMMAND)
def close_period(
    period: Period,
    body: NothingBody | None = None,  # noqa: ARG001 - so that anything in it is refused
) -> Command:
    """Close a month that is over: nothing effective in it or before it is recorded any more."""
    return ClosePeriod(Month.parse(period))


@router.post(
    "/periods/{period}/reopening", tags=["periods"], operation_id="reopenPeriod", **COMMAND
)
def reopen_period(period: Period, body: ReopeningBody) -> Command:
    """Reopen the last closed month. The log keeps that it was closed, and why it was reopened."""
    return ReopenPeriod(Month.parse(period), body.reason)
