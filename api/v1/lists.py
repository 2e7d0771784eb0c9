"""The lists: catalogue, managers, teams, periods, each as known at a point."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from pydantic import Field

from api.answers import Asked, Figure, Moment, Out, Uuid, Values, answer, asked
from api.asking import AskingDep, PageQuestion, PointQuestion, next_link
from api.refusals import PAGED, QUESTION_REFUSALS
from api.routes import v1_router
from domain.access import Sight
from domain.catalogue import ActionType
from domain.events import instant_text
from domain.periods import Month
from domain.values import decimal_text
from projections.directory import PeriodLine, names_of
from projections.point import Point

router = v1_router(responses=QUESTION_REFUSALS)

T = TypeVar("T")
PageDep = Annotated[PageQuestion, Query()]


def _page(
    things: Sequence[T], question: PageQuestion, request: Request, point: Point
) -> tuple[Sequence[T], dict[str, str]]:
    """The part that was asked for; the cursor counts what came before."""
    end = question.cursor + question.limit
    links = next_link(request, end, point) if end < len(things) else {}
    return things[question.cursor : end], links


class DatedWeightOut(Out):
    weight: Figure = Field(examples=["5.00"])
    effective_from: date = Field(examples=["2026-01-01"])


class TitleOut(Out):
    ru: str = Field(examples=["ТКП представлено лицу, принимающему решение"])
    en: str = Field(examples=["Proposal presented to the decision maker"])


class ActionTypeOut(Out):
    """`weight` is the one in force on `as_of`, null when none is."""

    code: str = Field(examples=["proposal-presented"])
    title: TitleOut
    weight: Figure | None = Field(examples=["5.00"])
    weights: list[DatedWeightOut]
    max_per_deal: int | None = None
    evidence_required: bool
    needs_confirmation: bool
    retired_from: date | None = None


class ActionTypesAnswer(Asked):
    action_types: list[ActionTypeOut]


class ManagerOut(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    team_id: Uuid | None = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])


class ManagersAnswer(Asked):
    managers: list[ManagerOut]


class TeamOut(Out):
    team_id: Uuid = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])
    name: str = Field(examples=["Юг"])
    members: list[str] = Field(examples=[["anna-sokolova"]])


class TeamsAnswer(Asked):
    teams: list[TeamOut]


class PeriodTotalOut(Values):
    manager_id: str = Field(examples=["anna-sokolova"])
    currency: str = Field(examples=["RUB"])


class PeriodOut(Out):
    """`status` is closed or reopened; `totals` are those of the last closing."""

    period: str = Field(examples=["2026-06"])
    status: str = Field(examples=["closed"])
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-07-05T09:15:02.123456Z"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    reason: str | None = None
    totals: list[PeriodTotalOut]


class PeriodsAnswer(Asked):
    periods: list[PeriodOut]


class BackdatingOut(Out):
    """`working_days` null: any number."""

    working_days: int | None = Field(examples=[5])


class RulesAnswer(Asked):
    backdating: BackdatingOut


@router.get(
    "/action-types",
    tags=["catalogue"],
    operation_id="listActionTypes",
    response_model=ActionTypesAnswer,
    responses=PAGED,
)
def action_types(question: PageDep, request: Request, asking: AskingDep) -> Response:
    """The catalogue: every action type, with the weight in force on `as_of` and all its weights."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        types = list(at.directory(point).catalogue.types.values())
    page, links = _page(types, question, request, point)
    body = ActionTypesAnswer(**asked(point), action_types=[_type(one, point) for one in page])
    return answer(body, links)


def _type(kind: ActionType, point: Point) -> ActionTypeOut:
    weight = kind.weight_on(point.as_of)
    return ActionTypeOut(
        code=kind.code,
        title=TitleOut(ru=kind.title.ru, en=kind.title.en),
        weight=None if weight is None else decimal_text(weight),
        weights=[
            DatedWeightOut(weight=decimal_text(dated.weight), effective_from=dated.effective_from)
            for dated in kind.weights
        ],
        max_per_deal=kind.max_per_deal,
        evidence_required=kind.evidence_required,
        needs_confirmation=kind.needs_confirmation,
        retired_from=kind.retired_from,
    )


@router.get(
    "/managers",
    tags=["people"],
    operation_id="listManagers",
    response_model=ManagersAnswer,
    responses=PAGED,
)
def managers(question: PageDep, request: Request, asking: AskingDep) -> Response:
    """The managers, and the team of each on `as_of`."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        people = at.directory(point).people
        page, links = _page(list(people.managers), question, request, point)
        called = names_of(at.cursor, page)
    lines = [
        ManagerOut(
            manager_id=manager,
            name=called.get(manager),
            team_id=_text(people.team_of(manager, point.as_of)),
        )
        for manager in page
    ]
    return answer(ManagersAnswer(**asked(point), managers=lines), links)


@router.get(
    "/teams",
    tags=["people"],
    operation_id="listTeams",
    response_model=TeamsAnswer,
    responses=PAGED,
)
def teams(question: PageDep, request: Request, asking: AskingDep) -> Response:
    """The teams, and who is in them on `as_of`."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        people = at.directory(point).people
    page, links = _page(list(people.teams), question, request, point)
    lines = [
        TeamOut(
            team_id=str(team),
            name=people.teams[team],
            members=list(people.members(team, point.as_of)),
        )
        for team in page
    ]
    return answer(TeamsAnswer(**asked(point), teams=lines), links)


@router.get(
    "/periods",
    tags=["periods"],
    operation_id="listPeriods",
    response_model=PeriodsAnswer,
    responses=PAGED,
)
def periods(question: PageDep, request: Request, asking: AskingDep) -> Response:
    """Every month that was ever closed: by whom, when, with which totals."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        lines = at.service.directory.periods(at.cursor, point.position)
        page, links = _page(lines, question, request, point)
        periods = [_period(line, at.sight(Month.parse(line.period).last_day)) for line in page]
    return answer(PeriodsAnswer(**asked(point), periods=periods), links)


def _period(line: PeriodLine, eyes: Sight) -> PeriodOut:
    """The totals of those whom the account may see."""
    return PeriodOut(
        period=line.period,
        status="closed" if line.closed else "reopened",
        position=line.position,
        recorded_at=instant_text(line.recorded_at),
        actor=line.actor,
        reason=line.reason,
        totals=[
            PeriodTotalOut(**total.model_dump())
            for total in line.totals
            if eyes.sees(total.manager_id)
        ],
    )


@router.get("/rules", tags=["rules"], operation_id="getRules", response_model=RulesAnswer)
def rules(question: Annotated[PointQuestion, Query()], asking: AskingDep) -> Response:
    """What the director has set: how far back a manager may date an action."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        days = at.directory(point).backdating_working_days
    return answer(RulesAnswer(**asked(point), backdating=BackdatingOut(working_days=days)))


def _text(id_: Any) -> str | None:  # noqa: ANN401 - any id
    return None if id_ is None else str(id_)
