"""What deals were won for, and what that was of their potential checks."""

from collections.abc import Iterable
from datetime import date
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from domain.values import WHOLE

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
    """All postings of the account `won` on some days."""

    def __init__(
        self, cursor: Cursor[Any], days: Iterable[date], position: int, currency: str
    ) -> None:
        asked = {"days": [*days], "position": position, "currency": currency}
        self._lines: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for deal, day, at, amount in cursor.execute(_CONTRACTS, asked):
            self._lines.setdefault((deal, day), []).append((at, amount))

    def of(self, deal: int, day: int, position: int) -> int:
        """Of a deal that was won on the day, as known at the position, in minor units."""
        lines = self._lines.get((deal, day), ())
        return sum(amount for at, amount in lines if at <= position) // WHOLE
