"""What deals were won for, and what that was of their potential checks."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, LiteralString, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.values import WHOLE, Account
from projections.reports.postings import ACCOUNTS, Postings

LATEST = 100
"""So many of the deals won last say what contracts are of checks."""


class Ratio(NamedTuple):
    """What the contracts of some deals came to, and their checks, in minor units."""

    deals: int
    contracts: int
    checks: int

    def of(self, check: int) -> int:
        """What a deal of that check is foreseen to bring, floored to minor units."""
        return check * self.contracts // self.checks


AS_IS = Ratio(0, 1, 1)

_CONTRACTS: LiteralString = """
SELECT deal, effective_on - date '2000-01-01', position, amount FROM ledger.postings
WHERE effective_on = ANY (%(days)s) AND account = 'won' AND currency = %(currency)s
  AND position <= %(position)s
"""


class Contracts:
    """Postings of the account `won`: each the deal, the day, the position and the amount."""

    def __init__(self, lines: Iterable[tuple[int, int, int, int]]) -> None:
        self._lines = defaultdict[tuple[int, int], list[tuple[int, int]]](list)
        for deal, day, at, amount in lines:
            self._lines[deal, day].append((at, amount))

    @classmethod
    def from_ledger(
        cls, cursor: Cursor[Any], days: Iterable[date], position: int, currency: str
    ) -> "Contracts":
        """Of some days."""
        asked = {"days": [*days], "position": position, "currency": currency}
        return cls(cursor.execute(_CONTRACTS, asked))

    @classmethod
    def from_columns(cls, postings: Postings) -> "Contracts":
        rows = np.flatnonzero(postings.account == ACCOUNTS.index(Account.WON))
        columns = postings.deal, postings.day, postings.position, postings.amount
        return cls(zip(*(column[rows].tolist() for column in columns), strict=True))

    def of(self, deal: int, day: int, position: int) -> int:
        """Of a deal that was won on the day, as known at the position, in minor units."""
        lines = self._lines.get((deal, day), ())
        return sum(amount for at, amount in lines if at <= position) // WHOLE
