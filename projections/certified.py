"""What a closing certified, against the ledger at its point, and against what is known now.

The closing's event keeps its totals for ever. At its point (the month's last day, and the position
that it knew) the ledger must give the same: otherwise the ledger, or the log, is not what it was.
What the same day comes to now differs by what was learnt since, each line by its event and author.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.events import PeriodTotal
from domain.values import Account, ManagerId, value_text
from projections.directory import Closing
from projections.log import authors
from projections.portfolio import Log, Portfolios, portfolios_as_of, portfolios_from_ledger
from projections.restatement import RestatementLine, lines_from_ledger, restatement_of

Key = tuple[ManagerId, str, Account]
"""Whose, in which currency and account."""


class CertifiedRow(NamedTuple):
    """In 1/10 000 of a kopeck: in the closing's event, at its point now asked, and as known now.
    `certified` None: what the event has there is no amount, so it was altered.
    """

    manager_id: ManagerId
    currency: str
    account: Account
    certified: int | None
    replayed: int
    now: int


class CertifiedLine(NamedTuple):
    """What was learnt since of the month's last day, in which currency, and who recorded it."""

    currency: str
    actor: str
    line: RestatementLine


@dataclass(frozen=True, slots=True)
class Certified:
    """Rows that are not zero throughout, by currency, manager and account. Of each, replayed + its
    lines = now; and certified = replayed, unless something was tampered with or damaged.
    """

    closing: Closing
    rows: tuple[CertifiedRow, ...]
    lines: tuple[CertifiedLine, ...]

    @property
    def holds(self) -> bool:
        return all(row.certified == row.replayed for row in self.rows)


def certified_of(log: Log, closing: Closing, position: int) -> Certified:
    """The definition: from the events of every deal."""
    actors = {fact.position: fact.actor for facts in log.values() for fact in facts}
    return _certified(
        closing,
        portfolios_as_of(log, closing.last_day, closing.knew),
        portfolios_as_of(log, closing.last_day, position),
        lambda currency: (
            restatement_of(log, closing.last_day, closing.knew, position, currency, None).lines
        ),
        lambda positions: {one: actors[one] for one in positions},
    )


def certified_from_ledger(cursor: Cursor[Any], closing: Closing, position: int) -> Certified:
    """The same from the ledger."""
    return _certified(
        closing,
        portfolios_from_ledger(cursor, closing.last_day, closing.knew),
        portfolios_from_ledger(cursor, closing.last_day, position),
        lambda currency: lines_from_ledger(
            cursor, closing.last_day, closing.knew, position, currency, None
        ),
        lambda positions: authors(cursor, positions),
    )


def _certified(
    closing: Closing,
    replayed: Portfolios,
    now: Portfolios,
    learnt: Callable[[str], Iterable[RestatementLine]],
    authors_of: Callable[[set[int]], Mapping[int, str]],
) -> Certified:
    kept, then, today = _totals(closing.totals), _values(replayed), _values(now)
    keys = sorted(
        {*kept, *then, *today}, key=lambda key: (key[1], key[0], [*Account].index(key[2]))
    )
    rows = tuple(
        CertifiedRow(*key, kept.get(key, 0), then.get(key, 0), today.get(key, 0)) for key in keys
    )
    currencies = sorted({currency for _, currency, _ in keys})
    lines = [(currency, line) for currency in currencies for line in learnt(currency)]
    actors = authors_of({line.position for _, line in lines})
    return Certified(
        closing,
        rows,
        tuple(CertifiedLine(currency, actors[line.position], line) for currency, line in lines),
    )


def _totals(totals: Iterable[PeriodTotal]) -> dict[Key, int | None]:
    found = {
        (total.manager_id, total.currency, account): value_of(getattr(total, account.value))
        for total in totals
        for account in Account
    }
    return {key: value for key, value in found.items() if value != 0}


def value_of(text: str) -> int | None:
    """Of what `value_text` wrote, and of nothing else: in 1/10 000 of a kopeck."""
    found = re.fullmatch(r"(-?[0-9]{1,30})\.([0-9]{2,6})", text, re.ASCII)
    value = int(found[1] + found[2].ljust(6, "0")) if found else None
    return None if value is None or value_text(value) != text else value


def _values(portfolios: Portfolios) -> dict[Key, int]:
    found = {
        (manager, currency, account): getattr(held.balance, account.value)
        for currency, managers in portfolios.items()
        for manager, held in managers.items()
        for account in Account
    }
    return {key: value for key, value in found.items() if value}
