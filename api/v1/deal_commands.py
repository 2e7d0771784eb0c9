"""Commands on deals: parse, decide, answer."""

from typing import Annotated

from fastapi import Path
from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import (
    Amount,
    Body,
    BusinessDate,
    Currency,
    Day,
    Id,
    Line,
    Slug,
    Text,
    Weight,
    example,
)
from api.refusals import COMMAND, CREATED
from api.routes import v1_router
from api.v1.new_id import new_id
from domain.deal_commands import (
    ChangeWeight,
    ConfirmAction,
    HandOver,
    Lose,
    OpenDeal,
    PerformAction,
    RejectAction,
    Reopen,
    Resume,
    ReviseCheck,
    ReviseExpectedClose,
    Suspend,
    Win,
    WithdrawAction,
)
from domain.decisions import Command
from domain.events import Credit
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money

router = v1_router(tags=["deals"])

Deal = Annotated[Id, Path(description="The deal's id.")]
Action = Annotated[Id, Path(description="The action's id.")]


class Check(Body):
    amount: Amount
    currency: Currency


class OpenDealBody(Body):
    model_config = example(
        title="Холодильные витрины для сети «Ромашка»",
        client="Ромашка",
        potential_check={"amount": "400000000.00", "currency": "RUB"},
        manager_id="anna-sokolova",
        effective_on="2026-01-12",
        expected_close_on="2026-12-01",
    )

    title: Line
    client: Line
    potential_check: Check
    manager_id: Slug
    effective_on: BusinessDate
    expected_close_on: Day | None = None


class CreditBody(Body):
    manager_id: Slug
    weight: Weight


class ActionBody(Body):
    """`manager_id`, whose the whole weight is, or `credits`, summing to the catalogue's weight."""

    model_config = example(
        one_of=[
            {
                "required": ["manager_id"],
                "properties": {"manager_id": {"type": "string"}, "credits": {"type": "null"}},
            },
            {
                "required": ["credits"],
                "properties": {"credits": {"type": "array"}, "manager_id": {"type": "null"}},
            },
        ],
        action_type="proposal-presented",
        effective_on="2026-02-03",
        manager_id="anna-sokolova",
        evidence="Протокол встречи 3 февраля",
    )

    action_type: Slug
    effective_on: BusinessDate
    manager_id: Slug | None = None
    credits: Annotated[list[CreditBody], Field(min_length=1, max_length=50)] | None = None
    evidence: Text | None = None
    comment: Text | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "ActionBody":
        if (self.manager_id is None) == (self.credits is None):
            raise PydanticCustomError("manager-or-credits", "give either")
        named = [credit.manager_id for credit in self.credits or ()]
        if len(set(named)) < len(named):
            raise PydanticCustomError("same-manager-twice", "twice")
        return self


class ConfirmationBody(Body):
    """`effective_on`, where it is left out: the action's date."""

    model_config = example(effective_on="2026-02-05")

    effective_on: BusinessDate | None = None


class RejectionBody(Body):
    model_config = example(reason="Встречи не было")

    reason: Text
    effective_on: BusinessDate | None = None


class WithdrawalBody(Body):
    model_config = example(reason="Записано не в ту сделку")

    reason: Text
    effective_on: BusinessDate | None = None


class WeightBody(Body):
    model_config = example(
        weight="4.00", effective_on="2026-03-02", reason="Показано не первому лицу"
    )

    weight: Weight
    effective_on: BusinessDate
    reason: Text


class CheckRevisionBody(Body):
    """`currency`, where it is given, must be the deal's."""

    model_config = example(
        amount="450000000.00", effective_on="2026-04-15", reason="Добавлены два магазина"
    )

    amount: Amount
    effective_on: BusinessDate
    reason: Text
    currency: Currency | None = None


class ExpectedCloseBody(Body):
    model_config = example(expected_close_on="2027-02-01", effective_on="2026-05-20")

    expected_close_on: Day
    effective_on: BusinessDate


class HandoverBody(Body):
    model_config = example(
        to_manager_id="pavel-orlov",
        transfer_credit=False,
        effective_on="2026-06-01",
        reason="Смена территории",
    )

    to_manager_id: Slug
    transfer_credit: StrictBool
    effective_on: BusinessDate
    reason: Text


class SuspensionBody(Body):
    model_config = example(
        effective_on="2026-06-10", reason="Клиент пересматривает бюджет", review_on="2026-09-01"
    )

    effective_on: BusinessDate
    reason: Text
    review_on: Day


class ResumptionBody(Body):
    model_config = example(effective_on="2026-09-03")

    effective_on: BusinessDate


class WinBody(Body):
    """`currency`, where it is given, must be the deal's."""

    model_config = example(contract_amount="437500000.00", effective_on="2026-10-12")

    contract_amount: Amount
    effective_on: BusinessDate
    currency: Currency | None = None


class ReasonedBody(Body):
    model_config = example(reason="Выбран другой поставщик", effective_on="2026-10-12")

    reason: Text
    effective_on: BusinessDate


@router.post("/deals", operation_id="openDeal", **CREATED)
def open_deal(body: OpenDealBody) -> Command:
    """Open a deal. Its manager is the owner; its currency is fixed for ever."""
    check = body.potential_check
    return OpenDeal(
        DealId(new_id()),
        body.title,
        body.client,
        Money(amount=check.amount, currency=check.currency),
        ManagerId(body.manager_id),
        body.effective_on,
        body.expected_close_on,
    )


@router.post("/deals/{deal_id}/actions", operation_id="performAction", **CREATED)
def perform_action(deal_id: Deal, body: ActionBody) -> Command:
    """Record an action. Its weight is the catalogue's on its date, and is fixed by this."""
    shared = body.credits and tuple(
        Credit(manager_id=ManagerId(credit.manager_id), weight=credit.weight)
        for credit in body.credits
    )
    return PerformAction(
        DealId(deal_id),
        ActionId(new_id()),
        ActionTypeCode(body.action_type),
        body.effective_on,
        None if body.manager_id is None else ManagerId(body.manager_id),
        shared or None,
        body.evidence,
        body.comment,
    )


_ACTION = "/deals/{deal_id}/actions/{action_id}"


@router.post(f"{_ACTION}/confirmation", operation_id="confirmAction", **COMMAND)
def confirm_action(
    deal_id: Deal, action_id: Action, body: ConfirmationBody | None = None
) -> Command:
    """Confirm a claimed action: from here it counts."""
    day = body.effective_on if body else None
    return ConfirmAction(DealId(deal_id), ActionId(action_id), day)


@router.post(f"{_ACTION}/rejection", operation_id="rejectAction", **COMMAND)
def reject_action(deal_id: Deal, action_id: Action, body: RejectionBody) -> Command:
    """Reject a claimed action: it never counts."""
    return RejectAction(DealId(deal_id), ActionId(action_id), body.reason, body.effective_on)


@router.post(f"{_ACTION}/weight-changes", operation_id="changeWeight", **COMMAND)
def change_weight(deal_id: Deal, action_id: Action, body: WeightBody) -> Command:
    """Change the nominal weight of one action, from a date on."""
    return ChangeWeight(
        DealId(deal_id), ActionId(action_id), body.weight, body.effective_on, body.reason
    )


@router.post(f"{_ACTION}/withdrawal", operation_id="withdrawAction", **COMMAND)
def withdraw_action(deal_id: Deal, action_id: Action, body: WithdrawalBody) -> Command:
    """Withdraw an action; a setback gives back what it took."""
    return WithdrawAction(DealId(deal_id), ActionId(action_id), body.reason, body.effective_on)


@router.post("/deals/{deal_id}/check-revisions", operation_id="reviseCheck", **COMMAND)
def revise_check(deal_id: Deal, body: CheckRevisionBody) -> Command:
    """From a date on, the deal would be worth another sum."""
    return ReviseCheck(DealId(deal_id), body.amount, body.effective_on, body.reason, body.currency)


@router.post(
    "/deals/{deal_id}/expected-close-revisions", operation_id="reviseExpectedClose", **COMMAND
)
def revise_expected_close(deal_id: Deal, body: ExpectedCloseBody) -> Command:
    """The deal is expected to close on another date."""
    return ReviseExpectedClose(DealId(deal_id), body.expected_close_on, body.effective_on)


@router.post("/deals/{deal_id}/handovers", operation_id="handOver", **COMMAND)
def hand_over(deal_id: Deal, body: HandoverBody) -> Command:
    """Another manager owns the deal, with or without what the old one has earned in it."""
    return HandOver(
        DealId(deal_id),
        ManagerId(body.to_manager_id),
        body.transfer_credit,
        body.effective_on,
        body.reason,
    )


@router.post("/deals/{deal_id}/suspension", operation_id="suspendDeal", **COMMAND)
def suspend(deal_id: Deal, body: SuspensionBody) -> Command:
    """Suspend an open deal: its value stands apart until it is resumed."""
    return Suspend(DealId(deal_id), body.effective_on, body.reason, body.review_on)


@router.post("/deals/{deal_id}/resumption", operation_id="resumeDeal", **COMMAND)
def resume(deal_id: Deal, body: ResumptionBody) -> Command:
    """Resume a suspended deal."""
    return Resume(DealId(deal_id), body.effective_on)


@router.post("/deals/{deal_id}/win", operation_id="winDeal", **COMMAND)
def win(deal_id: Deal, body: WinBody) -> Command:
    """The contract is signed: its sum is split over those who hold credit."""
    return Win(DealId(deal_id), body.contract_amount, body.effective_on, body.currency)


@router.post("/deals/{deal_id}/loss", operation_id="loseDeal", **COMMAND)
def lose(deal_id: Deal, body: ReasonedBody) -> Command:
    """The deal is lost: its value goes to that account."""
    return Lose(DealId(deal_id), body.reason, body.effective_on)


@router.post("/deals/{deal_id}/reopening", operation_id="reopenDeal", **COMMAND)
def reopen(deal_id: Deal, body: ReasonedBody) -> Command:
    """A won or lost deal goes on, with the credits it had."""
    return Reopen(DealId(deal_id), body.reason, body.effective_on)
