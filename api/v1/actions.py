"""A question across deals: which actions were done, by whom, and what has become of them."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response
from pydantic import Field

from api.answers import AMOUNT, Asked, Figure, Moment, Out, Uuid, answer, asked
from api.asking import AskingDep, Desk, PageQuestion, page_of
from api.inputs import Day, Id
from api.refusals import PAGED, QUESTION_REFUSALS
from api.routes import v1_router
from api.v1.deals import EntryOut, action_out
from domain.deal import Status
from domain.errors import Invalid, NotFound
from domain.values import ActionTypeCode, ManagerId, value_text
from projections.actions import ActionLine, State, Wanted, actions_from_log
from projections.directory import names_of
from projections.point import Point

router = v1_router(tags=["deals"], responses=QUESTION_REFUSALS)


class ActionsQuestion(PageQuestion):
    state: State = State.LIVE
    """What has become of them; `live` is counted or claimed."""
    action_type: str | None = None
    manager_id: str | None = None
    """Only actions of which this manager has a line."""
    team_id: Id | None = None
    """Likewise of any member on `as_of`."""
    from_: Day | None = Field(default=None, alias="from")
    """Done on this day or later."""
    to: Day | None = None
    """Done on this day or earlier."""
    deal_status: Status | None = None


class NamedEntryOut(EntryOut):
    """`name` null: the person was forgotten."""

    name: str | None = Field(examples=["Анна Соколова"])


class ActionLineOut(Out):
    """An action, its deal as it is at the point, and `position`, at which it was recorded. `amount`
    is what it stands for at the deal's potential check: its credit or, of a claim, all its weight.
    """

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    owner: str = Field(examples=["anna-sokolova"])
    action_id: Uuid = Field(examples=["c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-02-03"])
    recorded_at: Moment = Field(examples=["2026-02-05T09:15:02.123456Z"])
    late_days: int = Field(examples=[2])
    position: int = Field(examples=[1204])
    state: str = Field(examples=["claimed"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["0.00"])
    credits: list[NamedEntryOut]
    amount: Figure = Field(examples=[AMOUNT])
    currency: str = Field(examples=["RUB"])
    evidence: str | None = None
    comment: str | None = None


class ActionsAnswer(Asked):
    actions: list[ActionLineOut]


@router.get("/actions", operation_id="listActions", response_model=ActionsAnswer, responses=PAGED)
def actions(
    question: Annotated[ActionsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """The actions of all deals that are seen, in the order in which they were recorded."""
    with asking.desk() as at:
        point = at.point(question.as_of, question.knowledge)
        wanted = _wanted(at, point, question)
        lines = at.read(
            point.position,
            lambda cursor: actions_from_log(
                cursor,
                point.as_of,
                point.position,
                wanted,
                after=question.cursor,
                limit=question.limit + 1,  # one more tells whether there is a next page
            ),
        )
        lines, links = page_of(lines, question, request, point)
        people = {entry.manager_id for line in lines for entry in line.action.entries}
        called = names_of(at.cursor, people)
    zone = asking.service.settings.zone
    rows = [_line(line, called, zone) for line in lines]
    return answer(ActionsAnswer(**asked(point), actions=rows), links)


def _wanted(at: Desk, point: Point, question: ActionsQuestion) -> Wanted:
    """Raises NotFound for what is not known now, and for whom the account may not see; Invalid for
    days that are out of order.
    """
    first, last, code = question.from_, question.to, question.action_type
    if first is not None and last is not None and first > last:
        raise Invalid("from", "from-after-to")
    kind = None if code is None else ActionTypeCode(code)
    if kind is not None and kind not in at.now.catalogue.types:
        raise NotFound("action type", kind)
    return Wanted(
        question.state,
        kind,
        _managers(at, point, question),
        first,
        last,
        question.deal_status,
        at.sight(point.as_of).managers,
    )


def _managers(at: Desk, point: Point, question: ActionsQuestion) -> frozenset[ManagerId] | None:
    asked_for = question.manager_id
    one = None if asked_for is None else {at.require_manager(asked_for, point.as_of)}
    team = None if question.team_id is None else {*at.team(question.team_id, point)}
    some = [people for people in (one, team) if people is not None]
    return frozenset.intersection(*map(frozenset, some)) if some else None


def _line(line: ActionLine, called: Mapping[str, str], zone: ZoneInfo) -> ActionLineOut:
    deal, shown = line.deal, action_out(line.action, line.recorded_at, zone)
    credits_ = [
        NamedEntryOut(name=called.get(entry.manager_id), **entry.model_dump())
        for entry in shown.credits
    ]
    return ActionLineOut(
        **shown.model_dump(exclude={"credits"}),
        credits=credits_,
        deal_id=str(line.deal_id),
        title=deal.title,
        client=deal.client,
        status=deal.status,
        owner=deal.owner,
        position=line.position,
        amount=value_text(line.amount),
        currency=deal.currency,
    )
