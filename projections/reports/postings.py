"""The ledger's postings and the log's events of deals in columns, and exact sums over their rows.

Amounts fit 64 bits one by one, their sums may not: they are added up in two halves.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, LiteralString, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor

from domain.values import Account, ActionTypeCode, ManagerId
from projections.actions import ACTION_ID, EFFECTIVE_ON
from projections.reports.columns import DAYS, Column, Table
from projections.reports.standings import FIRST_DAY, Ints, Rows, number_of

Bools = NDArray[np.bool_]
MANAGER = 2**31 - 1
"""A manager's number is no larger; above it in a key stands the deal's."""
HALF = 32
LOW = 2**HALF - 1
"""The lower half of 64 bits; the upper one keeps the sign."""

ACCOUNTS = tuple(Account)
CAUSES = (
    "DealOpened", "ActionPerformed", "ActionConfirmed", "ActionRejected", "WeightChanged",
    "ActionWithdrawn", "PotentialCheckRevised", "ExpectedCloseRevised", "DealHandedOver",
    "DealSuspended", "DealResumed", "DealWon", "DealLost", "DealReopened",
)  # fmt: skip
"""By their numbers here, as those of the accounts."""
PERFORMED = CAUSES.index("ActionPerformed")
AMENDMENTS = [
    CAUSES.index(name)
    for name in ("ActionConfirmed", "ActionRejected", "WeightChanged", "ActionWithdrawn")
]
TAKEN_BACK = [CAUSES.index("ActionRejected"), CAUSES.index("ActionWithdrawn")]

_EVERY_DAY = np.datetime64(FIRST_DAY) + np.arange(DAYS)
MONTH_OF: Ints = (_EVERY_DAY.astype("M8[M]") - np.datetime64(FIRST_DAY)).astype(np.int64)
"""Of each day, as a number, the first day of its month."""


def _array(names: Sequence[str]) -> LiteralString:
    return "'{" + ",".join(names) + "}'"


_BY_MANAGER: LiteralString = """(
    SELECT postings.* FROM ledger.managers CROSS JOIN LATERAL (
        SELECT * FROM ledger.postings
        WHERE manager = managers.manager AND position > %(after)s AND position <= %(last)s
        OFFSET 0  -- by its index
    ) AS postings
) AS postings
"""
POSTINGS = Table(
    select=f"""
string_agg(int4send(deal), ''), string_agg(int4send(effective_on - date '2000-01-01'), ''),
string_agg(int4send(position), ''), string_agg(int4send(due_position), ''),
string_agg(int4send(array_position({_array(CAUSES)}::books.cause[], due_cause) - 1), ''),
string_agg(int4send(manager), ''),
string_agg(int4send(array_position({_array(ACCOUNTS)}::books.account[], account) - 1), ''),
string_agg(int8send(amount), ''), string_agg(int2send(credit), ''),
string_agg(int2send(progress), ''), string_agg(int2send(actions), ''),
string_agg(int2send(deals), '')
""",
    whole="ledger.postings WHERE position > %(after)s AND position <= %(last)s",
    new=_BY_MANAGER,
    sent=(">i4",) * 7 + (">i8",) + (">i2",) * 4,
    held=("i4", "u2", "i4", "i4", "i1", "i4", "i1", "i8", "i2", "i2", "i2", "i1"),
)
"""Without the currency, which is the deal's."""

_TEXT: LiteralString = """
split_part(encode(substring({event}.state FROM position('"{name}":"'::bytea IN {event}.state)
                                               + {length} FOR 64), 'escape'), '"', 1)
"""
CODES: LiteralString = f"""
SELECT {_TEXT.format(event="defined", name="code", length=8)}
FROM books.events AS defined WHERE of_the_directory AND topic = 'ActionTypeDefined'
ORDER BY notification_id
"""
"""Codes need no escape, and stand before any text that somebody wrote."""
_OF_DEALS: LiteralString = """
books.events JOIN ledger.deals ON deal_id = originator_id
WHERE notification_id > %(after)s AND notification_id <= %(last)s
"""
EVENTS = Table(
    select=f"""
string_agg(int4send(deal), ''),
string_agg(int4send(convert_from({EFFECTIVE_ON.format(event="events")}, 'UTF8')::date
                    - date '2000-01-01'), ''),
string_agg(int4send(notification_id::int), ''),
string_agg(int4send(array_position({_array(CAUSES)}::text[], topic) - 1), ''),
string_agg(int4send(CASE WHEN topic = 'ActionPerformed' THEN coalesce(array_position(
    ARRAY({CODES}), {_TEXT.format(event="events", name="action_type", length=15)}
    ), 0) ELSE 0 END), ''),
string_agg(CASE
    WHEN topic IN ('ActionPerformed', 'ActionConfirmed', 'ActionRejected', 'WeightChanged',
                   'ActionWithdrawn')
    THEN substring(uuid_send(convert_from({ACTION_ID.format(event="events")}, 'UTF8')::uuid) FROM 9)
    ELSE '\\x0000000000000000'::bytea END, ''),
string_agg(int4send(CASE WHEN topic IN ('ActionPerformed', 'WeightChanged') THEN replace(
    {_TEXT.format(event="events", name="weight", length=10)}, '.', '')::int ELSE 0 END), ''),
string_agg(int4send(CASE WHEN topic = 'ActionPerformed' THEN
    (position('"needs_confirmation":true'::bytea IN events.state) > 0)::int ELSE 0 END), '')
""",
    whole=_OF_DEALS,
    new=_OF_DEALS,
    sent=(*(">i4",) * 5, ">u8", ">i4", ">i4"),
    held=("i4", "u2", "i4", "i1", "i2", "u8", "i2", "?"),
)
"""What happened; of an action its type (1 for the one that was defined first); which action it is
about, by the last half of its id, all of which is chance; the new weight or, of an action, that of
its first manager, which is below 0 for a setback; whether an action must be confirmed.
"""

DEALS = Table(
    select="""
string_agg(int4send(deal), ''), string_agg(int4send(opened_on - date '2000-01-01'), ''),
string_agg(int4send(deal), ''), string_agg(convert_to(rpad(currency, 4), 'UTF8'), '')
""",
    whole="ledger.deals WHERE deal > %(after)s AND deal <= %(last)s",
    new="ledger.deals WHERE deal > %(after)s AND deal <= %(last)s",
    sent=(">i4", ">i4", ">i4", "S4"),
    held=("i4", "u2", "i4", "S4"),
)
"""The position of a deal's opening is its number."""


class Deals(NamedTuple):
    deal: Column
    day: Column
    position: Column
    currency: Column

    def currencies(self, deals: Column) -> Column:
        """Of deals that are among them."""
        found: Column = self.currency[np.searchsorted(self.deal, deals.astype(self.deal.dtype))]
        return found


def code(currency: str) -> bytes:
    """As it stands in the column."""
    return currency.ljust(4).encode()


class Postings(NamedTuple):
    """The columns of POSTINGS, `due` being the due_position."""

    deal: Column
    day: Column
    position: Column
    due: Column
    cause: Column
    manager: Column
    account: Column
    amount: Column
    credit: Column
    progress: Column
    actions: Column
    deals: Column


class Events(NamedTuple):
    deal: Column
    day: Column
    position: Column
    kind: Column
    action_type: Column
    action: Column
    weight: Column
    claimed: Column


class StatesOfDeals(NamedTuple):
    """The columns of STATES."""

    deal: Column
    day: Column
    position: Column
    owner: Column
    check: Column
    expected: Column
    progress: Column
    status: Column


# ---------------------------------------------------------------------------- choosing, adding up


Dated = StatesOfDeals | Postings | Events


def rows_of(table: Dated, deals: Ints) -> Rows:
    """All rows of the deals, which ascend, in the order of the table."""
    wanted = deals.astype(table.deal.dtype)  # of another kind, the whole column would be turned
    first, behind = (np.searchsorted(table.deal, wanted, side) for side in ("left", "right"))
    numbers = behind - first
    shifts = first - (np.cumsum(numbers) - numbers)
    rows: Rows = np.repeat(shifts, numbers) + np.arange(numbers.sum())
    return rows


def known(table: Dated, rows: Rows, day: int, position: int) -> Rows:
    """Those of the rows that hold by the day and are known at the position."""
    seen = (table.day[rows] <= day) & (table.position[rows] <= position)
    found: Rows = rows[seen]
    return found


def between(table: Dated, first: date, last: date, position: int) -> Rows:
    """Rows of days from `first` to `last`, both inclusive, that are known at the position."""
    rows = np.flatnonzero((table.day >= number_of(first)) & (table.day <= number_of(last)))
    known_: Rows = rows[table.position[rows] <= position]
    return known_


def at(events: Events, rows: Rows, positions: Column) -> Rows:
    """Those of the rows that are the events at the positions, in the order of these."""
    ordered = rows[np.argsort(events.position[rows])]
    found: Rows = ordered[np.searchsorted(events.position[ordered], positions)]
    return found


def by_deal_and_manager(postings: Postings, rows: Rows) -> Ints:
    """Keys of groups."""
    keys: Ints = postings.deal[rows].astype(np.int64) << MANAGER.bit_length()
    return keys | postings.manager[rows]


class Groups:
    """Rows that have the same `keys`, from 0 on, and their sums; in the order of keys."""

    def __init__(self, keys: Ints) -> None:
        self._order = np.argsort(keys, kind="stable")  # quick, where they nearly ascend
        ordered = keys[self._order]
        self._firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.keys: Ints = ordered[self._firsts]

    def counts(self, of_each_row: Column) -> Ints:
        """Sums of small numbers, by group."""
        numbers = of_each_row[self._order].astype(np.int64)
        sums: Ints = np.add.reduceat(numbers, self._firsts)
        return sums

    def halves(self, of_each_row: Column) -> Ints:
        """Exact sums of amounts, or of halves of them, by group: two columns of halves."""
        halved = of_each_row if of_each_row.ndim > 1 else halves(of_each_row)
        return added(halved[self._order], self._firsts)

    def sums(self, amounts: Column) -> list[int]:
        return whole(self.halves(amounts))


class Cells:
    """Every pair of one of the first numbers and one of the others that the rows have, and sums of
    the rows of each: quicker than groups where pairs are few and rows in no order.
    """

    def __init__(self, first: Column, second: Column) -> None:
        self._first, row = np.unique(first, return_inverse=True)
        self._second, column = np.unique(second, return_inverse=True)
        self._cell = row * len(self._second) + column

    def places(self) -> list[tuple[int, int]]:
        return [(one, other) for one in self._first.tolist() for other in self._second.tolist()]

    def sums(self, chosen: Bools, of_each_row: Column) -> list[int]:
        """Exactly, of the chosen rows."""
        size = len(self._first) * len(self._second)
        cells, halved = self._cell[chosen], halves(of_each_row[chosen])
        high, low = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.add.at(high, cells, halved[:, 0])
        np.add.at(low, cells, halved[:, 1])
        return whole(np.stack((high, low), axis=1))


def firsts_of(*columns: Column) -> Rows:
    """The first of the rows that have the same in each column, and stand together."""
    new = np.zeros(len(columns[0]), np.bool_)
    for column in columns:
        new |= np.diff(column, prepend=-1) != 0
    firsts: Rows = np.flatnonzero(new)
    return firsts


def added(halved: Ints, firsts: Rows) -> Ints:
    """The sums of rows from each first one to the next, in halves, of which the lower is no more
    than a half.
    """
    sums: Ints = np.add.reduceat(halved, firsts)
    sums[:, 0] += sums[:, 1] >> HALF
    sums[:, 1] &= LOW
    return sums


def halves(amounts: Column) -> Ints:
    wide = amounts.astype(np.int64)
    return np.stack((wide >> HALF, wide & LOW), axis=1)


def whole(halved: Ints) -> list[int]:
    high, low = halved.T.tolist() if len(halved) else ((), ())
    return [(above << HALF) + below for above, below in zip(high, low, strict=True)]


_MANAGERS: LiteralString = "SELECT manager, manager_id FROM ledger.managers"


def manager_ids(cursor: Cursor[Any]) -> dict[int, ManagerId]:
    return {number: ManagerId(name) for number, name in cursor.execute(_MANAGERS)}


def numbers_of(called: Mapping[int, ManagerId], managers: Collection[ManagerId]) -> list[int]:
    return [number for number, manager in called.items() if manager in managers]


def action_types(cursor: Cursor[Any]) -> list[ActionTypeCode]:
    """In the order of their definitions."""
    return [ActionTypeCode(code) for (code,) in cursor.execute(CODES)]
