"""What people ask for on a deal. Each command knows its rule and what it comes to.

Whether the event then fits the deal's whole timeline is asked once for all of them, where it is put
in its place (`History.record`).
"""

from datetime import date
from functools import lru_cache
from typing import NamedTuple

from domain.decisions import Books, Decision
from domain.errors import (
    ActionLimitReached,
    CurrencyDiffers,
    EvidenceRequired,
    Invalid,
    NotAllowedNow,
    NotFound,
    Obstacle,
)
from domain.events import (
    ActionConfirmed,
    ActionPerformed,
    ActionRejected,
    ActionWithdrawn,
    Credit,
    DealEvent,
    DealHandedOver,
    DealLost,
    DealOpened,
    DealReopened,
    DealResumed,
    DealSuspended,
    DealWon,
    ExpectedCloseRevised,
    PotentialCheckRevised,
    WeightChanged,
)
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money, decimal_text


class OpenDeal(NamedTuple):
    deal_id: DealId
    title: str
    client: str
    potential_check: Money
    manager_id: ManagerId
    effective_on: date
    expected_close_on: date | None = None

    def decide(self, books: Books) -> Decision:
        books.require_new(self.deal_id)
        books.require_open(self.effective_on)
        books.directory.people.require_manager(self.manager_id)
        event = DealOpened(
            title=self.title,
            client=self.client,
            potential_check=self.potential_check,
            manager_id=self.manager_id,
            expected_close_on=self.expected_close_on,
        )
        ids = {"deal_id": str(self.deal_id)}
        return Decision(self.deal_id, event, ids, self.effective_on, created=True)


class PerformAction(NamedTuple):
    """`credits` None: the whole weight is `manager_id`'s; else they sum to the catalogue's weight.

    A setback is reported by one manager.
    """

    deal_id: DealId
    action_id: ActionId
    action_type: ActionTypeCode
    effective_on: date
    manager_id: ManagerId | None = None
    credits: tuple[Credit, ...] | None = None
    evidence: str | None = None
    comment: str | None = None

    @property
    def performers(self) -> list[ManagerId]:
        """Whoever is named."""
        named = [credit.manager_id for credit in self.credits or ()]
        return named if self.manager_id is None else [*named, self.manager_id]

    def decide(self, books: Books) -> Decision:
        history = books.deal_on(self.deal_id, self.effective_on)
        if self.action_id in history.deal.actions:
            raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=str(self.action_id))
        kind = books.directory.catalogue.type(self.action_type)
        weight = kind.weight_in_force(self.effective_on)
        if kind.evidence_required and self.evidence is None:
            raise EvidenceRequired(self.action_type)
        shares = self._credits(weight)
        for credit in shares:
            books.directory.people.require_manager(credit.manager_id)
        if kind.max_per_deal is not None:
            done = sum(
                action.live and action.action_type == self.action_type
                for action in history.deal.actions.values()
            )
            if done >= kind.max_per_deal:
                raise ActionLimitReached(self.action_type, kind.max_per_deal)
        event = ActionPerformed(
            action_id=self.action_id,
            action_type=self.action_type,
            credits=shares,
            needs_confirmation=kind.needs_confirmation,
            evidence=self.evidence,
            comment=self.comment,
        )
        ids = {"deal_id": str(self.deal_id), "action_id": str(self.action_id)}
        return Decision(self.deal_id, event, ids, self.effective_on, created=True)

    def _credits(self, weight: int) -> tuple[Credit, ...]:
        if self.credits is None:
            assert self.manager_id is not None, "one of the two is given"
            return (_credit(self.manager_id, weight),)
        if len({credit.manager_id for credit in self.credits}) < len(self.credits):
            raise Invalid("credits", "same-manager-twice")
        if weight < 0 and len(self.credits) > 1:
            raise Invalid("credits", "one-reports-a-setback")
        if sum(credit.weight for credit in self.credits) != weight:
            raise Invalid("credits", "sum-differs", weight=decimal_text(weight))
        if any(credit.weight * weight <= 0 for credit in self.credits):
            raise Invalid("credits", "sign-differs", weight=decimal_text(weight))
        return self.credits


class ConfirmAction(NamedTuple):
    """`effective_on` None, here and in the other amendments: the action's own date."""

    deal_id: DealId
    action_id: ActionId
    effective_on: date | None = None

    def decide(self, books: Books) -> Decision:
        event = ActionConfirmed(action_id=self.action_id)
        return _amend(books, self.deal_id, self.effective_on, event)


class RejectAction(NamedTuple):
    deal_id: DealId
    action_id: ActionId
    reason: str
    effective_on: date | None = None

    def decide(self, books: Books) -> Decision:
        event = ActionRejected(action_id=self.action_id, reason=self.reason)
        return _amend(books, self.deal_id, self.effective_on, event)


class ChangeWeight(NamedTuple):
    """`weight` in basis points, the new nominal weight of the whole action."""

    deal_id: DealId
    action_id: ActionId
    weight: int
    effective_on: date
    reason: str

    def decide(self, books: Books) -> Decision:
        event = WeightChanged(action_id=self.action_id, weight=self.weight, reason=self.reason)
        return _amend(books, self.deal_id, self.effective_on, event)


class WithdrawAction(NamedTuple):
    deal_id: DealId
    action_id: ActionId
    reason: str
    effective_on: date | None = None

    def decide(self, books: Books) -> Decision:
        event = ActionWithdrawn(action_id=self.action_id, reason=self.reason)
        return _amend(books, self.deal_id, self.effective_on, event)


class ReviseCheck(NamedTuple):
    """`amount` in kopecks; `currency`, when given, must be the deal's: it never changes."""

    deal_id: DealId
    amount: int
    effective_on: date
    reason: str
    currency: str | None = None

    def decide(self, books: Books) -> Decision:
        money = _in_currency(books, self.deal_id, self.amount, self.currency)
        event = PotentialCheckRevised(potential_check=money, reason=self.reason)
        return _on_deal(books, self.deal_id, self.effective_on, event)


class ReviseExpectedClose(NamedTuple):
    deal_id: DealId
    expected_close_on: date
    effective_on: date

    def decide(self, books: Books) -> Decision:
        event = ExpectedCloseRevised(expected_close_on=self.expected_close_on)
        return _on_deal(books, self.deal_id, self.effective_on, event)


class HandOver(NamedTuple):
    deal_id: DealId
    to_manager_id: ManagerId
    transfer_credit: bool
    effective_on: date
    reason: str

    def decide(self, books: Books) -> Decision:
        event = DealHandedOver(
            to_manager_id=self.to_manager_id,
            transfer_credit=self.transfer_credit,
            reason=self.reason,
        )
        decision = _on_deal(books, self.deal_id, self.effective_on, event)
        books.directory.people.require_manager(self.to_manager_id)
        return decision


class Suspend(NamedTuple):
    deal_id: DealId
    effective_on: date
    reason: str
    review_on: date

    def decide(self, books: Books) -> Decision:
        event = DealSuspended(reason=self.reason, review_on=self.review_on)
        return _on_deal(books, self.deal_id, self.effective_on, event)


class Resume(NamedTuple):
    deal_id: DealId
    effective_on: date

    def decide(self, books: Books) -> Decision:
        return _on_deal(books, self.deal_id, self.effective_on, DealResumed())


class Win(NamedTuple):
    """`contract_amount` in kopecks; `currency`, when given, must be the deal's."""

    deal_id: DealId
    contract_amount: int
    effective_on: date
    currency: str | None = None

    def decide(self, books: Books) -> Decision:
        money = _in_currency(books, self.deal_id, self.contract_amount, self.currency)
        return _on_deal(books, self.deal_id, self.effective_on, DealWon(contract=money))


class Lose(NamedTuple):
    deal_id: DealId
    reason: str
    effective_on: date

    def decide(self, books: Books) -> Decision:
        return _on_deal(books, self.deal_id, self.effective_on, DealLost(reason=self.reason))


class Reopen(NamedTuple):
    deal_id: DealId
    reason: str
    effective_on: date

    def decide(self, books: Books) -> Decision:
        return _on_deal(books, self.deal_id, self.effective_on, DealReopened(reason=self.reason))


@lru_cache(maxsize=10_000)  # as many as managers and weights of the catalogue, used all the time
def _credit(manager_id: ManagerId, weight: int) -> Credit:
    return Credit(manager_id=manager_id, weight=weight)


def _on_deal(books: Books, deal_id: DealId, day: date, event: DealEvent) -> Decision:
    books.deal_on(deal_id, day)
    return Decision(deal_id, event, {"deal_id": str(deal_id)}, day)


def _amend(
    books: Books,
    deal_id: DealId,
    day: date | None,
    event: ActionConfirmed | ActionRejected | WeightChanged | ActionWithdrawn,
) -> Decision:
    action = books.deal(deal_id).deal.actions.get(event.action_id)
    if action is None:
        raise NotFound("action", event.action_id)
    day = day or action.effective_on
    books.deal_on(deal_id, day)
    ids = {"deal_id": str(deal_id), "action_id": str(event.action_id)}
    return Decision(deal_id, event, ids, day)


def _in_currency(books: Books, deal_id: DealId, amount: int, given: str | None) -> Money:
    currency = books.deal(deal_id).deal.currency
    if given is not None and given != currency:
        raise CurrencyDiffers(given, currency)
    return Money(amount=amount, currency=currency)
