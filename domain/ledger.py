"""What a deal is worth to whom, and the postings by which that changes."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from domain.deal import Deal, Status
from domain.values import Account, DealId, ManagerId, split


class Holding(NamedTuple):
    """What one manager has in one account of one deal.

    `amount` is value in 1/10 000 of a kopeck, `credit` basis points, `progress` the credit while
    the deal is open, `actions` a count, `deals` 1 where the open deal counts as the manager's. All
    but the amount stand beside the account `active`, whatever the status.
    """

    amount: int = 0
    credit: int = 0
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
    credit: int
    progress: int
    actions: int
    deals: int


def holdings(deal: Deal | None) -> Holdings:
    """Value by status; nothing else counts. None, a deal not yet opened, is worth nothing."""
    if deal is None:
        return NOTHING
    credit, counts = credits_of(deal), _performed(deal)
    if deal.status is Status.OPEN:
        return _open_holdings(deal, credit, counts)
    result = {
        (manager, Account.ACTIVE): Holding(
            credit=credit.get(manager, 0), actions=counts.get(manager, 0)
        )
        for manager in {**credit, **counts}
    }
    account, values = _closed_values(deal, credit)
    return result | {(manager, account): Holding(value) for manager, value in values.items()}


def _open_holdings(
    deal: Deal, credit: Mapping[ManagerId, int], counts: Mapping[ManagerId, int]
) -> Holdings:
    claims = _claims(deal)
    result = {
        (manager, Account.CLAIMED): Holding(weight * deal.check)
        for manager, weight in claims.items()
    }
    for manager in {deal.owner: None, **credit, **claims, **counts}:
        held = credit.get(manager, 0)
        mine = held > 0 or manager in claims or manager == deal.owner
        result[manager, Account.ACTIVE] = Holding(
            held * deal.check, held, held, counts.get(manager, 0), int(mine)
        )
    return result


def _closed_values(
    deal: Deal, credit: Mapping[ManagerId, int]
) -> tuple[Account, dict[ManagerId, int]]:
    """Where the value of a deal that is not open stands, and whose it is; non-zero values only."""
    if deal.status is Status.WON:
        shares = contract_shares(deal, credit)
        return Account.WON, {manager: share for manager, share in shares.items() if share}
    account = Account.SUSPENDED if deal.status is Status.SUSPENDED else Account.LOST
    return account, {manager: held * deal.check for manager, held in credit.items()}


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
    nobody holds credit.
    """
    assert deal.contract is not None, "a won deal has a contract"
    credit = credit or {deal.owner: 1}
    shares = split(deal.contract, list(credit.values()))
    return {manager: share * 10_000 for manager, share in zip(credit, shares, strict=True)}


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
        if action.live and not action.is_setback:
            for manager in action.performers:
                counts[manager] += 1
    return counts


def difference(before: Holdings, after: Holdings) -> Holdings:
    """What must be added to `before` to have `after`."""
    result = {
        key: _minus(holding, before[key]) if key in before else holding
        for key, holding in after.items()
        if holding != before.get(key)
    }
    for key, holding in before.items():
        if key not in after:
            result[key] = _minus(Holding(), holding)
    return result


def _minus(one: Holding, other: Holding) -> Holding:
    return Holding(
        one.amount - other.amount,
        one.credit - other.credit,
        one.progress - other.progress,
        one.actions - other.actions,
        one.deals - other.deals,
    )
