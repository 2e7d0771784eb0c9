"""Why did a portfolio change between two dates? Opening, what each kind of event did, closing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import Cursor

from domain.history import known, steps
from domain.values import Account, ManagerId
from projections.ledger import EVERYBODY, SOME, THEIRS_BY_DAY, ZERO, Balance, managers_asked, whose
from projections.portfolio import Log
from projections.snapshots import balance_of

Cause = tuple[str, Account]
"""The type of the event in book order at whose step the value changed, and the account."""


@dataclass(frozen=True, slots=True)
class Movement:
    """`opening` at the end of the first date, `closing` at the end of the second; non-zero `lines`
    in the order of causes. opening + lines = closing.
    """

    opening: Balance
    lines: Mapping[Cause, int]

    @property
    def closing(self) -> Balance:
        closing = self.opening
        for (_, account), amount in self.lines.items():
            closing = closing.with_posting(account, amount)
        return closing


def movement_between(
    log: Log,
    first: date,
    last: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Movement:
    """The definition: every step of every deal known at `position`; those effective in
    (first, last] are the lines.
    """
    opening, lines = ZERO, dict[Cause, int]()
    for events in log.values():
        for step in steps(known(events, last, position)):
            recorded = step.recorded
            assert recorded.effective_on is not None
            for (manager, account), held in step.change.items():
                if step.deal.currency != currency:
                    continue
                if managers is not None and manager not in managers:
                    continue
                if recorded.effective_on <= first:
                    opening = opening.with_posting(account, held.amount)
                else:
                    cause = recorded.type, account
                    lines[cause] = lines.get(cause, 0) + held.amount
    return Movement(opening, _non_zero(lines))


_LINES: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT due_cause, account, sum(amount) FROM ledger.postings
WHERE {THEIRS_BY_DAY[who]} AND effective_on > %(first)s AND effective_on <= %(last)s
  AND position + 0 <= %(position)s AND currency = %(currency)s
GROUP BY due_cause, account
"""
    for who in (EVERYBODY, SOME)
}


def movement_from_ledger(
    cursor: Cursor[Any],
    first: date,
    last: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Movement:
    """The same: what is held at the end of `first`, and the postings behind it by cause."""
    asked = {
        "first": first,
        "last": last,
        "position": position,
        "currency": currency,
        "managers": managers_asked(managers),
    }
    lines = {
        (cause, Account(account)): amount
        for cause, account, amount in cursor.execute(_LINES[whose(managers)], asked).fetchall()
    }
    return Movement(balance_of(cursor, first, position, currency, managers), _non_zero(lines))


def _non_zero(lines: Mapping[Cause, int]) -> dict[Cause, int]:
    return {cause: lines[cause] for cause in sorted(lines) if lines[cause]}
