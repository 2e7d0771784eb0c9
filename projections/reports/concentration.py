"""On how few deals a portfolio stands, and what remains without the largest one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from domain.history import state_at
from domain.ledger import holdings
from domain.values import Account, ManagerId
from projections.ledger import EVERYBODY, SOME, THEIRS, managers_asked, whose
from projections.portfolio import Log

TOPS = (1, 3, 5)
"""Of how many largest deals the share is told."""
WHOLE = 10_000
"""Shares are in basis points, and so is the Herfindahl index: 10 000 for a single deal."""

Amounts = Mapping[ManagerId, Mapping[int, int]]
"""By manager and deal (the position of its opening): what is active, above 0, in 1/10 000 of a
kopeck.
"""


@dataclass(frozen=True, slots=True)
class Concentration:
    """`deals` and the `amounts` in them, above 0; the largest first, equal ones by opening. They
    sum to `total`, all in 1/10 000 of a kopeck.
    """

    deals: Sequence[int]
    amounts: Sequence[int]
    total: int

    @classmethod
    def of(cls, amounts: Mapping[int, int]) -> "Concentration":
        deals = sorted(amounts, key=lambda deal: (-amounts[deal], deal))
        return cls(deals, [amounts[deal] for deal in deals], sum(amounts.values()))

    def top(self, number: int) -> int:
        """The share of so many largest deals in basis points, floored; of nothing it is 0."""
        return self.share(sum(self.amounts[:number]))

    def share(self, amount: int) -> int:
        return amount * WHOLE // self.total if self.total else 0

    @property
    def herfindahl(self) -> int:
        """The sum of the squares of all shares (Herfindahl 1950, Hirschman 1945), from 0 to WHOLE,
        floored once at the end. WHOLE divided by it is the number of equal deals that would be as
        concentrated.
        """
        squares = sum([amount * amount for amount in self.amounts])
        return squares * WHOLE // self.total**2 if self.total else 0

    @property
    def without_largest(self) -> int:
        return self.total - (self.amounts[0] if self.amounts else 0)


class Concentrations(NamedTuple):
    """Of all managers together, for whom a deal counts as a whole, whoever holds it; and of each
    who has anything.
    """

    company: Concentration
    managers: Mapping[ManagerId, Concentration]

    @classmethod
    def of(cls, amounts: Amounts) -> "Concentrations":
        deals: dict[int, int] = {}
        for own in amounts.values():
            for deal, amount in own.items():
                deals[deal] = deals.get(deal, 0) + amount
        managers = {manager: Concentration.of(own) for manager, own in amounts.items()}
        return cls(Concentration.of(deals), managers)


def active_as_of(
    log: Log,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Amounts:
    """The definition: the active account of every deal, folded."""
    found: dict[ManagerId, dict[int, int]] = {}
    for events in log.values():
        deal = state_at(events, as_of, position)
        if deal is None or deal.currency != currency:
            continue
        number = min(event.position for event in events)
        for (manager, account), held in holdings(deal).items():
            mine = managers is None or manager in managers
            if account is Account.ACTIVE and held.amount and mine:
                found.setdefault(manager, {})[number] = held.amount
    return found


_ACTIVE: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who}), held AS MATERIALIZED (
    SELECT manager, deal, sum(amount) AS amount FROM ledger.postings
    WHERE {THEIRS} AND account = 'active' AND currency = %(currency)s
      AND effective_on <= %(as_of)s AND position <= %(position)s
    GROUP BY manager, deal HAVING sum(amount) <> 0
)
SELECT manager_id, deal, amount FROM held JOIN who USING (manager)
"""
    for who in (EVERYBODY, SOME)
}


def active_from_ledger(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Amounts:
    """The same as sums of postings."""
    asked = {
        "as_of": as_of,
        "position": position,
        "currency": currency,
        "managers": managers_asked(managers),
    }
    found: dict[ManagerId, dict[int, int]] = {}
    for manager, deal, amount in cursor.execute(_ACTIVE[whose(managers)], asked):
        found.setdefault(manager, {})[deal] = amount
    return found
