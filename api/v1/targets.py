"""What is to be reached: targets are set and withdrawn, and told to those whom they concern."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from pydantic import Field, JsonValue, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from api.adding_up import added_up
from api.answers import Asked, CheckOut, Figure, Out, Uuid, answer, asked
from api.asking import AskingDep, Desk, PageQuestion, page_of
from api.inputs import Body, Day, Id, Slug, Text, example
from api.refusals import COMMAND, CREATED, PAGED, QUESTION_REFUSALS
from api.routes import v1_router
from api.v1.deal_commands import Check
from api.v1.new_id import new_id
from domain.access import Reach
from domain.decisions import Command
from domain.errors import Invalid
from domain.events import TargetSet
from domain.target_commands import SetTarget, WithdrawTarget
from domain.targets import Target
from domain.values import (
    ManagerId,
    Measure,
    Money,
    TargetId,
    TeamId,
    decimal_text,
    value_text,
)
from projections.integrity import share
from projections.point import Point
from projections.reports.activity import Span
from projections.reports.attainment import Asked as Wanted
from projections.reports.attainment import Attainment, attainments, figures_from_ledger

router = v1_router(tags=["targets"])

MOST_ACTIONS = 100_000
_WHOM: tuple[JsonValue, ...] = (
    {"required": ["manager_id"], "properties": {"manager_id": {"type": "string"}}},
    {"required": ["team_id"], "properties": {"team_id": {"type": "string"}}},
)


class TargetBody(Body):
    """Of a manager or of a team; `amount` for `portfolio` (at the end of `last_day`) and `gained`
    (by effort), `number` for `actions`. It takes the place of an earlier one of the same whom,
    measure, currency and days.
    """

    model_config = example(
        one_of=_WHOM,
        manager_id="anna-sokolova",
        measure="gained",
        amount={"amount": "50000000.00", "currency": "RUB"},
        first_day="2027-01-01",
        last_day="2027-03-31",
        reason="План квартала",
    )

    manager_id: Slug | None = None
    team_id: Id | None = None
    measure: Literal["portfolio", "gained", "actions"]
    amount: Check | None = None
    number: Annotated[StrictInt, Field(ge=1, le=MOST_ACTIONS)] | None = None
    first_day: Day
    last_day: Day
    reason: Text

    @model_validator(mode="after")
    def _fits(self) -> "TargetBody":
        if (self.manager_id is None) == (self.team_id is None):
            raise PydanticCustomError("manager-or-team", "give either")
        is_counted = self.measure == "actions"
        if (self.number is None) == is_counted or (self.amount is None) != is_counted:
            raise PydanticCustomError("amount-or-number", "give either")
        return self


class TargetWithdrawalBody(Body):
    model_config = example(reason="Менеджер перешёл в другую команду")

    reason: Text


Named = Annotated[Id, Path(alias="target_id", description="The target's id.")]


@router.post("/targets", operation_id="setTarget", **CREATED)
def set_target(body: TargetBody) -> Command:
    """Set what a manager or a team is to reach over some days that are not over yet."""
    if body.first_day > body.last_day:
        raise Invalid("first_day", "from-after-to")
    amount = body.amount
    return SetTarget(
        TargetSet(
            target_id=TargetId(new_id()),
            measure=Measure(body.measure),
            first_day=body.first_day,
            last_day=body.last_day,
            reason=body.reason,
            manager_id=None if body.manager_id is None else ManagerId(body.manager_id),
            team_id=None if body.team_id is None else TeamId(body.team_id),
            amount=None
            if amount is None
            else Money(amount=amount.amount, currency=amount.currency),
            number=body.number,
        )
    )


@router.post("/targets/{target_id}/withdrawal", operation_id="withdrawTarget", **COMMAND)
def withdraw_target(target_id: Named, body: TargetWithdrawalBody) -> Command:
    """Withdraw a target whose days are not over yet. The log keeps that it was set, and why not."""
    return WithdrawTarget(TargetId(target_id), body.reason)


# ------------------------------------------------------------------------------ told


class TargetOut(Out):
    """Of a manager or of a team; `position` is where it was set."""

    target_id: Uuid = Field(examples=["5b1e9c8a-0c6f-4d3a-9a51-2f0f4c7d8e21"])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    team_id: Uuid | None
    measure: Literal["portfolio", "gained", "actions"] = Field(examples=["gained"])
    amount: CheckOut | None
    number: int | None
    first_day: date = Field(examples=["2026-10-01"])
    last_day: date = Field(examples=["2026-12-31"])
    reason: str = Field(examples=["План квартала"])
    position: int = Field(examples=[1204])


class TargetsAnswer(Asked):
    targets: list[TargetOut]


class AttainmentOut(TargetOut):
    """At the end of the span: what was `reached`, and what would be `expected` by then in a
    straight line from the target's first day to its last; an amount, or a number of actions as
    text. `share` is what was reached in percent of the target, `pace` of what was expected (null:
    nothing was).
    """

    reached: str = Field(examples=["20000000.00"])
    expected: str = Field(examples=["16304347.826086"])
    share: Figure = Field(examples=["40.00"])
    pace: Figure | None = Field(examples=["122.66"])


@router.get(
    "/targets",
    operation_id="listTargets",
    response_model=TargetsAnswer,
    responses={**QUESTION_REFUSALS, **PAGED},
)
def targets(
    question: Annotated[PageQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Every target that stands at the point, in the order in which they were set: of a manager to
    whoever may see the manager on `as_of`, of a team to its head and to whoever sees everybody.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        standing = at.directory(point).targets.standing.values()
        seen = [
            one
            for one in standing
            if one.position > question.cursor and _concerns(at, one, point.as_of)
        ]
    page, links = page_of(seen[: question.limit + 1], question, request, point)
    body = TargetsAnswer(**asked(point), targets=[TargetOut(**_target(one)) for one in page])
    return answer(body, links)


def attained(
    at: Desk, point: Point, last: date, shown: Collection[ManagerId], team: TeamId | None
) -> list[AttainmentOut]:
    """The targets that have `last` among their days, of those managers, and of their team or, where
    none is chosen, of every one that whoever asks may see.
    """
    wanted: list[Wanted] = []
    for target in at.directory(point).targets.on(last):
        promise = target.promise
        days = point.as_of, Span(promise.first_day, last).eve, last
        if promise.team_id is None:
            assert promise.manager_id is not None, "it is somebody's"
            if promise.manager_id in shown and at.sees(promise.manager_id, *days):
                wanted.append((target, [promise.manager_id]))
        elif team in (None, promise.team_id) and _concerns(at, target, point.as_of):
            wanted.append((target, at.team(promise.team_id, point, *days)))
    found = _attainments(at, point, wanted, last) if wanted else []
    return [_attainment(one) for one in found]


def _attainments(at: Desk, point: Point, wanted: Sequence[Wanted], last: date) -> list[Attainment]:
    from projections.reports.activity_in_columns import (  # noqa: PLC0415 - with numpy
        figures_from_columns,
    )

    asked, facts = (point.as_of, point.position), at.remembered.facts
    return added_up(
        at,
        point.position,
        lambda tables: attainments(wanted, last, figures_from_columns(tables, *asked)),
        lambda cursor: attainments(wanted, last, figures_from_ledger(cursor, *asked, facts)),
    )


def _concerns(at: Desk, target: Target, day: date) -> bool:
    """Of a team, what was reached tells of all its members."""
    promise = target.promise
    if promise.manager_id is not None:
        return at.sees(promise.manager_id, day)
    return at.reach is Reach.ALL or (at.reach is Reach.TEAM and at.grant.leads(promise.team_id))


def _target(one: Target) -> dict[str, Any]:
    promise, amount = one.promise, one.promise.amount
    return {
        "target_id": str(promise.target_id),
        "manager_id": promise.manager_id,
        "team_id": None if promise.team_id is None else str(promise.team_id),
        "measure": promise.measure.value,
        "amount": None
        if amount is None
        else CheckOut(amount=decimal_text(amount.amount), currency=amount.currency),
        "number": promise.number,
        "first_day": promise.first_day,
        "last_day": promise.last_day,
        "reason": promise.reason,
        "position": one.position,
    }


def _attainment(one: Attainment) -> AttainmentOut:
    said = str if one.target.promise.amount is None else value_text
    return AttainmentOut(
        **_target(one.target),
        reached=said(one.reached),
        expected=said(one.expected),
        share=decimal_text(share(one.reached, one.promised)),
        pace=decimal_text(share(one.reached, one.expected)) if one.expected > 0 else None,
    )
