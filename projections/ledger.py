"""The ledger's tables, and what a sum of postings is."""

from collections.abc import Collection, Iterable, Sequence
from operator import add
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.types.numeric import IntLoader

from domain.ledger import Holding
from domain.values import Account, ManagerId

_HERE = Path(__file__).parent


class Balance(NamedTuple):
    """Value by account, in 1/10 000 of a kopeck."""

    active: int = 0
    claimed: int = 0
    suspended: int = 0
    lost: int = 0
    won: int = 0

    def plus(self, other: "Balance") -> "Balance":
        return Balance._make(map(add, self, other))

    def with_posting(self, account: Account, amount: int) -> "Balance":
        return self._replace(**{account.value: getattr(self, account.value) + amount})


ZERO = Balance()


class Standing(NamedTuple):
    """What somebody has: value by account, basis points of credit, and counts."""

    balance: Balance = ZERO
    credit: int = 0
    progress: int = 0
    actions: int = 0
    deals: int = 0

    def plus(self, other: "Standing") -> "Standing":
        return Standing(self.balance.plus(other.balance), *map(add, self[1:], other[1:]))

    def with_holding(self, account: Account, held: Holding) -> "Standing":
        more = Standing(
            ZERO.with_posting(account, held.amount),
            held.credit,
            held.progress,
            held.actions,
            held.deals,
        )
        return self.plus(more)


NOBODY = Standing()

COLUMNS: LiteralString = "active, claimed, suspended, lost, won, credit, progress, actions, deals"
"""Of a Standing."""
STANDING: LiteralString = """
coalesce(sum(amount) FILTER (WHERE account = 'active'), 0),
coalesce(sum(amount) FILTER (WHERE account = 'claimed'), 0),
coalesce(sum(amount) FILTER (WHERE account = 'suspended'), 0),
coalesce(sum(amount) FILTER (WHERE account = 'lost'), 0),
coalesce(sum(amount) FILTER (WHERE account = 'won'), 0),
sum(credit), sum(progress), sum(actions), sum(deals)
"""
"""The same over a group of postings. One posting fits 64 bits, a sum may not: it is `numeric`."""
psycopg.adapters.register_loader("numeric", IntLoader)
"""All that is `numeric` here is a sum of integers, and becomes an int, which has no bounds."""


Level = tuple[int, ...]
"""Of a series: the value by account, as in a Balance, then the progress."""
LEVEL: LiteralString = "active, claimed, suspended, lost, won, progress"
"""Its columns."""
NOTHING: Level = (0, 0, 0, 0, 0, 0)


def added_up(levels: Iterable[Level]) -> Level:
    return tuple(map(sum, zip(NOTHING, *levels, strict=True)))


EVERYBODY: LiteralString = "SELECT manager, manager_id FROM ledger.managers"
SOME: LiteralString = f"{EVERYBODY} WHERE manager_id = ANY (%(managers)s)"
THEIRS: LiteralString = "manager = ANY (ARRAY(SELECT manager FROM who))"
"""Postings of those `who` are asked about, of one after the other, from some position on."""
THEIRS_BY_DAY: dict[LiteralString, LiteralString] = {EVERYBODY: "true", SOME: THEIRS}
"""The same from some day on: those of a day lie together, everybody's."""


def whose(managers: Collection[ManagerId] | None) -> LiteralString:
    """Who is asked about: `managers`; None: everybody."""
    return EVERYBODY if managers is None else SOME


def managers_asked(managers: Collection[ManagerId] | None) -> str | None:
    """The parameter of SOME: an array as the database writes it. A list would be written one by
    one, which for a single manager takes a tenth of the time of the answer.
    """
    if managers is None:
        return None
    quoted = ",".join(f'"{manager}"' for manager in managers)
    return f"{{{quoted}}}"


def standing(columns: Sequence[int]) -> Standing:
    """From COLUMNS."""
    return Standing._make((Balance._make(columns[:5]), *columns[5:]))


def total(standings: Iterable[Standing]) -> Standing:
    held = list(standings)
    return Standing(
        Balance(*map(sum, zip(*(one.balance for one in held), strict=True))) if held else ZERO,
        sum(one.credit for one in held),
        sum(one.progress for one in held),
        sum(one.actions for one in held),
        sum(one.deals for one in held),
    )


def create_ledger(connection: Connection[TupleRow], schema: str) -> None:
    """An empty ledger without indexes in a new schema, readable and appendable by the service."""
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
    connection.execute(_script("ledger.sql"))
    connection.execute(_script("ledger_snapshots.sql"))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO dealfolio_app").format(name))
    connection.execute(
        sql.SQL("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {} TO dealfolio_app").format(name)
    )


def create_ledger_indexes(connection: Connection[TupleRow], schema: str) -> None:
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    connection.execute(_script("ledger_indexes.sql"))


def _script(name: str) -> LiteralString:
    return (_HERE / name).read_text(encoding="utf-8")
