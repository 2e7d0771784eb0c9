"""What a deal is worth to whom, and the postings by which that changes."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from domain.deal import NO_STAKE, Deal, Status
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
    if deal.status is Status.OPEN:
        return _open_holdings(deal)
    result = {
        (manager, Account.ACTIVE): Holding(credit=stake.credit, actions=stake.actions)
        for manager, stake in deal.stakes.items()
        if stake.credit or stake.actions
    }
    account, values = _closed_values(deal)
    return result | {(manager, account): Holding(value) for manager, value in values.items()}


def _open_holdings(deal: Deal) -> Holdings:
    result = {}
    owner = deal.owner
    for manager, stake in deal.stakes.items():
        if claimed := stake.claim * deal.check:
            result[manager, Account.CLAIMED] = Holding(claimed)
        mine = stake.in_the_deal or manager == owner
        result[manager, Account.ACTIVE] = Holding(
            stake.credit * deal.check, stake.credit, stake.credit, stake.actions, int(mine)
        )
    if owner not in deal.stakes:
        result[owner, Account.ACTIVE] = Holding(deals=1)
    return result


def _closed_values(deal: Deal) -> tuple[Account, dict[ManagerId, int]]:
    """Where the value of a deal that is not open stands, and whose it is; non-zero values only."""
    if deal.status is Status.WON:
        return Account.WON, contract_shares(deal)
    account = Account.SUSPENDED if deal.status is Status.SUSPENDED else Account.LOST
    values = {manager: stake.credit * deal.check for manager, stake in deal.stakes.items()}
    return account, {manager: value for manager, value in values.items() if value}


def credits_of(deal: Deal) -> dict[ManagerId, int]:
    """Credit by manager, above 0, in the order of the earliest action that still holds some."""
    held: dict[ManagerId, int] = {}
    for action in deal.actions.values():
        for manager, _, credit in action.entries:
            if credit:
                held[manager] = held.get(manager, 0) + credit
    return held


def contract_shares(deal: Deal) -> dict[ManagerId, int]:
    """The contract of a won deal by manager, in whole kopecks, as values; all to the owner if
    nobody holds credit. Shares of nothing are left out.
    """
    assert deal.contract is not None, "a won deal has a contract"
    credit = credits_of(deal) or {deal.owner: 1}
    shares = split(deal.contract, list(credit.values()))
    return {manager: share * 10_000 for manager, share in zip(credit, shares, strict=True) if share}


def changed(before: Deal | None, after: Deal) -> Holdings:
    """`difference` of the holdings before and after one event.

    In a deal that stays open with its check and owner it is what has become of the stakes.
    """
    if before is None or not before.has_terms_of(after):
        return difference(holdings(before), holdings(after))
    result = {}
    check, owner, old, new = after.check, after.owner, before.stakes, after.stakes
    for manager in {**old, **new}:
        was, now = old.get(manager, NO_STAKE), new.get(manager, NO_STAKE)
        if was == now:
            continue
        credit, claimed = now.credit - was.credit, (now.claim - was.claim) * check
        if claimed:
            result[manager, Account.CLAIMED] = Holding(claimed)
        deals = 0 if manager == owner else now.in_the_deal - was.in_the_deal
        active = Holding(credit * check, credit, credit, now.actions - was.actions, deals)
        if any(active):
            result[manager, Account.ACTIVE] = active
    return result


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
