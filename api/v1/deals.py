"""Questions about deals: a list, one whole, and its history."""

from datetime import date, datetime
from typing import Annotated, Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response
from pydantic import Field
from pydantic_core import to_jsonable_python

from api.answers import (
    AMOUNT,
    Asked,
    CheckOut,
    DealSummary,
    Figure,
    Moment,
    Out,
    Uuid,
    answer,
    asked,
    check,
)
from api.asking import AskingDep, Desk, PageQuestion, PointQuestion, page_of
from api.refusals import PAGED, QUESTION_REFUSALS, VERSIONED
from api.routes import v1_router
from api.v1.deal_commands import Deal
from domain.access import Reach
from domain.authority import sees_deal
from domain.deal import Action, Status
from domain.errors import NotFound
from domain.events import instant_text
from domain.history import Step
from domain.values import decimal_text, value_text
from projections.deals import DealAtPoint, deal_at, deals_from_ledger
from projections.point import BEYOND, Point, late_days

router = v1_router(tags=["deals"], responses=QUESTION_REFUSALS)


class DealsQuestion(PageQuestion):
    status: Status | None = None
    manager_id: str | None = None
    """Only the deals that this manager owns at the point."""


class DealsAnswer(Asked):
    deals: list[DealSummary]


class EntryOut(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["5.00"])


class ActionOut(Out):
    """`state` is claimed, counted, withdrawn or rejected; `credit` is what counts of `weight`."""

    action_id: Uuid = Field(examples=["c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-02-03"])
    recorded_at: Moment = Field(examples=["2026-02-05T09:15:02.123456Z"])
    late_days: int = Field(examples=[2])
    state: str = Field(examples=["counted"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["5.00"])
    credits: list[EntryOut]
    evidence: str | None = None
    comment: str | None = None


class DealAnswer(Asked, DealSummary):
    version: int = Field(examples=[7])
    contract: CheckOut | None = None
    actions: list[ActionOut]


class Change(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    amount: Figure = Field(examples=[AMOUNT])
    credit: Figure = Field(examples=["5.00"])


class DealEventOut(Out):
    position: int = Field(examples=[1204])
    version: int = Field(examples=[7])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    type: str = Field(examples=["ActionPerformed"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]
    added: list[Change]


class DealEventsAnswer(Asked):
    """In book order; `added` is what the step of each event changed, and for whom."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    events: list[DealEventOut]


@router.get("/deals", operation_id="listDeals", response_model=DealsAnswer, responses=PAGED)
def deals(
    question: Annotated[DealsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """The deals opened by `as_of`, in the order in which they were recorded."""
    with asking.desk() as at:
        point = at.point(question.as_of, question.knowledge)
        asked_for = question.manager_id
        owner = None if asked_for is None else at.require_manager(asked_for, point.as_of)
        seen = at.sight(point.as_of).managers
        lines = at.read(
            point.position,
            lambda cursor: deals_from_ledger(
                cursor,
                point.as_of,
                point.position,
                after=question.cursor,
                limit=question.limit + 1,  # one more tells whether there is a next page
                status=question.status,
                owner=owner,
                seen=seen,
            ),
        )
    lines, links = page_of(lines, question, request, point)
    summaries = [
        DealSummary(
            deal_id=str(line.deal_id),
            title=line.title,
            client=line.client,
            status=line.status,
            owner=line.owner,
            potential_check=check(line.potential_check, line.currency),
            progress=decimal_text(line.progress),
            opened_on=line.opened_on,
            expected_close_on=line.expected_close_on,
        )
        for line in lines
    ]
    return answer(DealsAnswer(**asked(point), deals=summaries), links)


@router.get(
    "/deals/{deal_id}",
    operation_id="getDeal",
    response_model=DealAnswer,
    responses={200: VERSIONED},
)
def deal(deal_id: Deal, question: Annotated[PointQuestion, Query()], asking: AskingDep) -> Response:
    """One deal at a point: who holds what of it, action by action."""
    with asking.desk() as at:
        point, found = _found(at, deal_id, question)
    state = found.deal
    recorded_at = {step.recorded.position: step.recorded.recorded_at for step in found.history}
    body = DealAnswer(
        **asked(point),
        deal_id=str(deal_id),
        title=state.title,
        client=state.client,
        status=state.status,
        owner=state.owner,
        potential_check=check(state.check, state.currency),
        progress=decimal_text(state.progress),
        opened_on=state.opened_on,
        expected_close_on=state.expected_close_on,
        version=found.version,
        contract=None if state.contract is None else check(state.contract, state.currency),
        actions=[
            action_out(action, recorded_at[action.position], asking.service.settings.zone)
            for action in state.actions.values()
        ],
    )
    return answer(body, ETag=f'"{found.version}"')


def _found(at: Desk, deal_id: UUID, question: PointQuestion) -> tuple[Point, DealAtPoint]:
    """A deal that the account may see, at the point or today. Raises NotFound."""
    point = at.point(question.as_of, question.knowledge)
    found = at.read(
        point.position, lambda cursor: deal_at(cursor, deal_id, point.as_of, point.position)
    )
    if found is None or not _is_seen(at, point, found):
        raise NotFound("deal", deal_id)
    return point, found


def _is_seen(at: Desk, point: Point, found: DealAtPoint) -> bool:
    if at.reach is Reach.ALL or sees_deal(at.sight(point.as_of).sees, found.deal):
        return True
    today = at.service.clock.today
    now = deal_at(at.cursor, found.deal_id, today, BEYOND)
    return now is not None and sees_deal(at.sight(today).sees, now.deal)


def action_out(action: Action, recorded_at: datetime, zone: ZoneInfo) -> ActionOut:
    """As it is told."""
    return ActionOut(
        action_id=str(action.action_id),
        action_type=action.action_type,
        effective_on=action.effective_on,
        recorded_at=instant_text(recorded_at),
        late_days=late_days(recorded_at, action.effective_on, zone),
        state=action.state,
        weight=decimal_text(action.weight),
        credit=decimal_text(action.credit),
        credits=[
            EntryOut(
                manager_id=entry.manager_id,
                weight=decimal_text(entry.weight),
                credit=decimal_text(entry.credit),
            )
            for entry in action.entries
        ],
        evidence=action.evidence,
        comment=action.comment,
    )


@router.get(
    "/deals/{deal_id}/events", operation_id="getDealEvents", response_model=DealEventsAnswer
)
def deal_events(
    deal_id: Deal, question: Annotated[PointQuestion, Query()], asking: AskingDep
) -> Response:
    """The deal's history in book order: both times, who recorded it, what it added to whom."""
    with asking.desk() as at:
        point, found = _found(at, deal_id, question)
    zone = asking.service.settings.zone
    events = [_event(step, zone) for step in found.history]
    return answer(DealEventsAnswer(**asked(point), deal_id=str(deal_id), events=events))


def _event(step: Step, zone: ZoneInfo) -> DealEventOut:
    recorded = step.recorded
    assert recorded.effective_on is not None, "a deal's event has a date"
    return DealEventOut(
        position=recorded.position,
        version=recorded.originator_version,
        recorded_at=instant_text(recorded.recorded_at),
        effective_on=recorded.effective_on,
        late_days=late_days(recorded.recorded_at, recorded.effective_on, zone),
        type=recorded.type,
        actor=recorded.actor,
        data=cast("dict[str, object]", to_jsonable_python(recorded.event, exclude_none=True)),
        added=[
            Change(
                manager_id=manager,
                account=account,
                amount=value_text(held.amount),
                credit=decimal_text(held.credit),
            )
            for (manager, account), held in step.change.items()
            if held.amount or held.credit
        ],
    )
