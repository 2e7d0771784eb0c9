"""The ledger's postings and the log's events of deals in columns, and exact sums over their rows.

Amounts fit 64 bits one by one, their sums may not: they are added up in two halves.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor

from domain.values import FIRST_DAY, Account, ActionTypeCode, ManagerId
from projections.actions import ACTION_ID, EFFECTIVE_ON
from projections.reports.columns import DAYS, Column, Dated, Ints, Rows, Table

Bools = NDArray[np.bool_]
MANAGER = 2**31 - 1
"""A manager's number is no larger; above it in a key stands the deal's."""
LAST = 2**14
"""So many positions are looked at in one go, from the last one on."""
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
MONTH_OF: Ints = _EVERY_DAY.astype("M8[M]").astype(np.int64)
"""Of each day, as a number, its month, as a number too."""


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


class Changes(NamedTuple):
    """By which deals became somebody's, or ceased to be."""

    day: Column
    position: Column
    deal: Column
    manager: Column
    deals: Column

    def until(self, day: int, position: int) -> "Changes":
        """Those that hold by the end of the day and are known at the position."""
        known = (self.day <= day) & (self.position <= position)
        return Changes(*(column[known] for column in self))


@dataclass(frozen=True)
class Postings(Dated):
    """Without the currency, which is the deal's. `due` is the due_position."""

    due: Column
    cause: Column
    manager: Column
    account: Column
    amount: Column
    credit: Column
    progress: Column
    actions: Column
    deals: Column

    @cached_property
    def changes(self) -> "Changes":
        rows = np.flatnonzero(self.deals)
        columns = self.day, self.position, self.deal, self.manager, self.deals
        return Changes(*(column[rows] for column in columns))


POSTINGS = Table(
    rows=Postings,
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


@dataclass(frozen=True)
class Events(Dated):
    """What happened; of an action its type (1 for the one that was defined first); which action it
    is about, by the last half of its id, all of which is chance; the new weight or, of an action,
    that of its first manager, which is below 0 for a setback; whether an action must be confirmed.
    """

    kind: Column
    action_type: Column
    action: Column
    weight: Column
    claimed: Column

    def last_learnt(self, day: int, position: int) -> int:
        """Where, up to `position`, something was learnt last that holds by the end of the day; 0:
        nowhere. Mostly it is found among the last ones.
        """
        for behind in range(min(position + 1, len(self._days)), 0, -LAST):
            first = max(behind - LAST, 0)
            learnt = np.flatnonzero(self._days[first:behind] <= day)
            if len(learnt):
                return first + int(learnt[-1])
        return 0

    @cached_property
    def _days(self) -> Column:
        """By position; where the event is of no deal, a day behind all."""
        days = np.full(int(self.position.max(initial=0)) + 1, DAYS - 1, self.day.dtype)
        days[self.position] = self.day
        return days


EVENTS = Table(
    rows=Events,
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


@dataclass(frozen=True)
class Deals(Dated):
    currency: Column

    def currencies(self, deals: Ints) -> Column:
        """Of deals that are among them."""
        found: Column = self.currency[np.searchsorted(self.deal, deals.astype(self.deal.dtype))]
        return found

    def are_in(self, currency: bytes | None) -> Bools:
        """By the deals' numbers; None: in any."""
        if currency is None:
            return numbered(self.deal, self.deal)
        return numbered(self.deal[self.currency == currency], self.deal)


DEALS = Table(
    rows=Deals,
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


@dataclass(frozen=True)
class Managers(Dated):
    """`deal` is the manager's number, the position of the registration."""

    name: Column

    @cached_property
    def ids(self) -> list[ManagerId]:
        return [ManagerId(name.decode().rstrip()) for name in self.name.tolist()]

    @cached_property
    def called(self) -> Mapping[int, ManagerId]:
        return dict(zip(self.deal.tolist(), self.ids, strict=True))

    @cached_property
    def _places(self) -> Column:
        return places_of(self.deal)

    def places(self, numbers: Column) -> Column:
        """Where among the ids those of the numbers are."""
        found: Column = self._places[numbers]
        return found

    def place(self, number: int) -> int:
        return int(self._places[number])

    def are(self, some: Collection[ManagerId]) -> Bools:
        """By their places, who is among `some`."""
        own = frozenset(some)
        return np.fromiter((one in own for one in self.ids), np.bool_, len(self.ids))


MANAGERS = Table(
    rows=Managers,
    select="""
string_agg(int4send(manager), ''), string_agg(int4send(0), ''),
string_agg(int4send(manager), ''), string_agg(convert_to(rpad(manager_id, 64), 'UTF8'), '')
""",
    whole="ledger.managers WHERE manager > %(after)s AND manager <= %(last)s",
    new="ledger.managers WHERE manager > %(after)s AND manager <= %(last)s",
    sent=(">i4", ">i4", ">i4", "S64"),
    held=("i4", "u2", "i4", "S64"),
)


def numbered(some: Column, of_all: Column) -> Bools:
    """By number, which are among `some`."""
    are = np.zeros(int(of_all.max(initial=0)) + 1, np.bool_)
    are[some] = True
    return are


def places_of(numbers: Column) -> Column:
    """By number, its place among them, which ascend. Of any other number it says nothing."""
    places = np.empty(int(numbers.max(initial=0)) + 1, np.intp)
    places[numbers] = np.arange(len(numbers))
    return places


def code(currency: str) -> bytes:
    """As it stands in the column."""
    return currency.ljust(4).encode()


# ---------------------------------------------------------------------------- choosing, adding up


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
    """Sums of rows by two numbers of theirs below `height` and `width`: quicker than groups where
    there are few of these, and rows are in no order.
    """

    def __init__(self, row: Column, column: Column, height: int, width: int) -> None:
        self._cell = row * np.intp(width) + column
        self._shape = height, width

    def sums(self, chosen: Bools, of_each_row: Column) -> list[list[int]]:
        """Exactly, of the chosen rows: a list for each `row`."""
        cells, amounts = self._cell[chosen], of_each_row[chosen]
        if _may_exceed(amounts):
            high, low = (added_at(cells, half, self._size) for half in halves(amounts).T)
            sums, width = whole(np.stack((high, low), axis=1)), self._shape[1]
            return [sums[first : first + width] for first in range(0, len(sums), width)]
        found: list[list[int]] = added_at(cells, amounts, self._size).reshape(self._shape).tolist()
        return found

    @property
    def _size(self) -> int:
        return self._shape[0] * self._shape[1]


def added_at(places: Column, numbers: Column | int, size: int) -> Ints:
    """By place, the sum of the numbers there."""
    sums = np.zeros(size, np.int64)
    np.add.at(
        sums, places, np.asarray(numbers, np.int64)
    )  # of two kinds, it takes ten times as long
    return sums


def _may_exceed(amounts: Column) -> bool:
    """Whether a sum of them may not fit 64 bits."""
    ends = int(amounts.min(initial=0)), int(amounts.max(initial=0))
    return max(map(abs, ends)) * len(amounts) >= 2**63


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
    high, low = halved.T
    if not ((high + 2**30) >> 31).any():  # nearly always they fit 64 bits again
        at_once: list[int] = ((high << HALF) + low).tolist()
        return at_once
    return [
        (above << HALF) + below for above, below in zip(high.tolist(), low.tolist(), strict=True)
    ]


def action_types(cursor: Cursor[Any]) -> list[ActionTypeCode]:
    """In the order of their definitions."""
    return [ActionTypeCode(code) for (code,) in cursor.execute(CODES)]
