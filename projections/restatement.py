"""What changed our knowledge of one date? Earlier, what each recorded event added, later."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString

from psycopg import Cursor

from domain.history import Fact, on, state_at
from domain.ledger import NOTHING, Holdings, difference, holdings
from domain.values import Account, DealId, ManagerId
from projections.ledger import EVERYBODY, SOME, THEIRS, ZERO, Balance, managers_asked, whose
from projections.portfolio import Log
from projections.snapshots import balance_of


@dataclass(frozen=True, slots=True)
class RestatementLine:
    """What the event recorded at `position` changed for one manager in one account."""

    position: int
    manager_id: ManagerId
    account: Account
    amount: int
    event: str
    deal_id: DealId
    recorded_at: datetime
    effective_on: date


@dataclass(frozen=True, slots=True)
class Restatement:
    """earlier + lines = later; non-zero lines in the order of positions."""

    earlier: Balance
    lines: tuple[RestatementLine, ...]

    @property
    def later(self) -> Balance:
        later = self.earlier
        for line in self.lines:
            later = later.with_posting(line.account, line.amount)
        return later


def restatement_of(
    log: Log,
    as_of: date,
    first: int,
    last: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Restatement:
    """The definition: the worth of every deal on `as_of` before and after each event recorded in
    (first, last].
    """
    earlier, lines = ZERO, list[RestatementLine]()
    for line in _changes(log, as_of, last, currency):
        if managers is not None and line.manager_id not in managers:
            continue
        if line.position <= first:
            earlier = earlier.with_posting(line.account, line.amount)
        elif line.amount:
            lines.append(line)
    return Restatement(earlier, _in_order(lines))


def _changes(log: Log, as_of: date, last: int, currency: str) -> Iterator[RestatementLine]:
    """What every event recorded up to `last` changed in the worth of its deal on `as_of`."""
    for deal_id, events in log.items():
        facts = sorted(events, key=lambda fact: fact.position)
        worth = NOTHING
        for fact in facts:
            if fact.position > last:
                break
            deal = state_at(facts, as_of, fact.position)
            before, worth = worth, holdings(deal)
            if deal is not None and deal.currency == currency:
                yield from _lines_of(deal_id, fact, difference(before, worth))


def _lines_of(deal_id: DealId, fact: Fact, change: Holdings) -> Iterator[RestatementLine]:
    for (manager, account), held in change.items():
        yield RestatementLine(
            fact.position,
            manager,
            account,
            held.amount,
            fact.type,
            deal_id,
            fact.recorded_at,
            on(fact),
        )


_LINES: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT line.position, who.manager_id, line.account, line.amount, events.topic,
       events.originator_id, events.recorded_at,
       (convert_from(events.state, 'UTF8')::jsonb ->> 'effective_on')::date
FROM (
    SELECT position, manager, account, sum(amount)
    FROM ledger.postings
    WHERE {THEIRS} AND position > %(first)s AND position <= %(last)s
      AND effective_on <= %(as_of)s AND currency = %(currency)s
    GROUP BY position, manager, account HAVING sum(amount) <> 0
) AS line (position, manager, account, amount)
JOIN books.events ON events.notification_id = line.position
JOIN who USING (manager)
"""
    for who in (EVERYBODY, SOME)
}
"""A position is one deal's."""


def restatement_from_ledger(
    cursor: Cursor[Any],
    as_of: date,
    first: int,
    last: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Restatement:
    """The same: what was held as known at `first`, and the postings learnt since by their event."""
    earlier = balance_of(cursor, as_of, first, currency, managers)
    lines = lines_from_ledger(cursor, as_of, first, last, currency, managers)
    return Restatement(earlier, lines)


def lines_from_ledger(
    cursor: Cursor[Any],
    as_of: date,
    first: int,
    last: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> tuple[RestatementLine, ...]:
    """Its lines alone."""
    asked = {
        "as_of": as_of,
        "first": first,
        "last": last,
        "currency": currency,
        "managers": managers_asked(managers),
    }
    return _in_order(_lines(cursor, _LINES[whose(managers)], asked))


def _lines(
    cursor: Cursor[Any], statement: LiteralString, asked: dict[str, Any]
) -> Iterator[RestatementLine]:
    for position, manager, account, amount, *rest in cursor.execute(statement, asked):
        yield RestatementLine(position, manager, Account(account), amount, *rest)


def _in_order(
    lines: Collection[RestatementLine] | Iterator[RestatementLine],
) -> tuple[RestatementLine, ...]:
    return tuple(sorted(lines, key=lambda line: (line.position, line.manager_id, line.account)))
