"""What a deal is worth to whom, and the postings by which that changes (design, sections 4 and 5)."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from domain.deal import Deal, Status
from domain.values import Account, DealId, ManagerId, split


class Holding(NamedTuple):
    """What one manager has in one account of one deal.

    `amount` is value in 1/10 000 of a kopeck, `progress` basis points of credit in an open deal,
    `actions` a count, `deals` 1 where the open deal counts as the manager's. The last three stand
    beside the account `active`, whatever the status.
    """

    amount: int = 0
    progress: int = 0
    actions: int = 0
    deals: int = 0


Holdings = Mapping[tuple[ManagerId, Account], Holding]
"""Non-zero holdings only."""

NOTHING: Holdings = {}


class Posting(NamedTuple):
    """One additive line of the ledger: by how much, at which step, learnt from which event.

    `position` is the event that we learnt; `due_position` and `due_cause` (its type) the event in
    book order at whose step the value changes, `effective_on` that step's date.
    """

    position: int
    due_position: int
    due_cause: str
    deal_id: DealId
    manager_id: ManagerId
    account: Account
    effective_on: date
    currency: str
    amount: int
    progress: int
    actions: int
    deals: int


def holdings(deal: Deal | None) -> Holdings:
    """Value by status; nothing else counts. None, a deal not yet opened, is worth nothing."""
    if deal is None:
        return NOTHING
    counts = _performed(deal)
    credit = credits_of(deal)
    result: dict[tuple[ManagerId, Account], Holding] = {}
    match deal.status:
        case Status.OPEN:
            claims = _claims(deal)
            for manager, weight in claims.items():
                result[manager, Account.CLAIMED] = Holding(weight * deal.check)
            concerned = {deal.owner: None, **credit, **claims, **counts}
            for manager in concerned:
                held = credit.get(manager, 0)
                mine = 1 if held or manager in claims or manager == deal.owner else 0
                result[manager, Account.ACTIVE] = Holding(
                    held * deal.check, held, counts.get(manager, 0), mine
                )
            return result
        case Status.SUSPENDED:
            values = {manager: held * deal.check for manager, held in credit.items()}
            account = Account.SUSPENDED
        case Status.LOST:
            values = {manager: held * deal.check for manager, held in credit.items()}
            account = Account.LOST
        case Status.WON:
            values = contract_shares(deal, credit)
            account = Account.WON
    for manager, value in values.items():
        if value:
            result[manager, account] = Holding(value)
    for manager, count in counts.items():
        result[manager, Account.ACTIVE] = Holding(actions=count)
    return result


def credits_of(deal: Deal) -> dict[ManagerId, int]:
    """Credit by manager, above 0, in the order of the earliest action that still holds some."""
    held: dict[ManagerId, int] = {}
    for action in deal.actions.values():
        for manager, _, credit in action.entries:
            if credit:
                held[manager] = held.get(manager, 0) + credit
    return held


def contract_shares(deal: Deal, credit: Mapping[ManagerId, int]) -> dict[ManagerId, int]:
    """The contract of a won deal by manager, in whole kopecks, as values; all to the owner if
    nobody holds credit."""
    assert deal.contract is not None, "a won deal has a contract"
    credit = credit or {deal.owner: 1}
    shares = split(deal.contract, list(credit.values()))
    return {
        manager: share * 10_000
        for manager, share in zip(credit, shares, strict=True)
    }


def _claims(deal: Deal) -> dict[ManagerId, int]:
    """Nominal weight of live positive claims by manager, above 0."""
    claims: dict[ManagerId, int] = defaultdict(int)
    for action in deal.actions.values():
        if action.claimed and action.live:
            for manager, weight, _ in action.entries:
                if weight > 0:
                    claims[manager] += weight
    return claims


def _performed(deal: Deal) -> dict[ManagerId, int]:
    """Positive actions that each manager performed and that are neither withdrawn nor rejected."""
    counts: dict[ManagerId, int] = defaultdict(int)
    for action in deal.actions.values():
        if action.live and action.weight > 0:
            for manager in action.performers:
                counts[manager] += 1
    return counts


def difference(before: Holdings, after: Holdings) -> Holdings:
    """What must be added to `before` to have `after`."""
    result = {
        key: Holding(*(new - old for new, old in zip(holding, before[key], strict=True)))
        if key in before
        else holding
        for key, holding in after.items()
        if holding != before.get(key)
    }
    for key, holding in before.items():
        if key not in after:
            result[key] = Holding(*(-part for part in holding))
    return result
