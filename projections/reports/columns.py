"""The ledger in columns, in memory: what reports of the whole company are added up from.

A report at a point that nobody has asked about before goes through all that is known by then. As
rows of the database that takes seconds at a million of them, as columns of numbers milliseconds.
Each table is read whole when the first question needs it, and from then on only what is new; what
is known up to a position never changes, so that any earlier point is a choice among the rows. All
is read anew when another ledger, or another start of the server, turns out to be there.

Of a long log that reading takes seconds, and no question waits for it: it is done behind them, and
meanwhile the database adds up for itself. So whoever never asks for a report pays nothing for them.

What is held is bounded: of a log that is longer than MOST_EVENTS nothing is held.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import chain
from threading import Lock
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor

from domain.values import FIRST_DAY
from projections.reports.kept import ledger_of

MOST_EVENTS = 4_000_000
"""Of a longer log nothing is held. An event takes some 100 bytes."""
MOST_AT_ONCE = 20_000
"""New events that a question reads by itself, in some tenths of a second."""
FAR = 5_000
"""So many events at most are looked up one by one; of more the whole table is gone through."""
FEW = 100
"""New rows that are put between pieces of a column in less time than numpy has put them there."""
PIECE = 250_000
"""Events of one statement, which has its time like any other; behind it the reading may end."""
DAYS = 2**16
"""More than there are from 2000 to 2100."""

Column = NDArray[Any]
Ints = NDArray[np.int64]
Rows = NDArray[np.intp]


def number_of(day: date) -> int:
    """Days are counted from the first that there may be."""
    return (day - FIRST_DAY).days


def day_of(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


@dataclass(frozen=True)
class Dated:
    """The rows of a table, in the order of deals, days and positions. What is worked out of them is
    kept with them.
    """

    deal: Column
    day: Column
    position: Column

    def columns(self) -> tuple[Column, ...]:
        return tuple(getattr(self, one.name) for one in fields(self))

    def between(self, first: int, last: int, position: int) -> Rows:
        """Rows of days from `first` to `last`, both inclusive, that are known at the position, in
        the order of the table. To look at every day takes a millisecond of a million; an index of
        them would be made anew whenever something is learnt, and take twenty.
        """
        rows = np.flatnonzero((self.day >= first) & (self.day <= last))
        found: Rows = rows[self.position[rows] <= position]
        return found

    def of_deals(self, deals: Ints) -> Rows:
        """All rows of the deals, which ascend, in the order of the table."""
        wanted = deals.astype(self.deal.dtype)  # of another kind, the whole column would be turned
        first, behind = (np.searchsorted(self.deal, wanted, side) for side in ("left", "right"))
        numbers = behind - first
        shifts = first - (np.cumsum(numbers) - numbers)
        rows: Rows = np.repeat(shifts, numbers) + np.arange(numbers.sum())
        return rows

    def known(self, rows: Rows, day: int, position: int) -> Rows:
        """Those of the rows that hold by the day and are known at the position."""
        seen = (self.day[rows] <= day) & (self.position[rows] <= position)
        found: Rows = rows[seen]
        return found


R = TypeVar("R", bound=Dated)


class Table(NamedTuple, Generic[R]):
    """How one is read: one row of `select`, each column of it all numbers of one kind, one behind
    the other, which is several times as fast as rows are. `sent` is of which kind each then is, and
    `held` of which in memory, where `rows` has them.
    """

    rows: type[R]
    select: LiteralString
    whole: LiteralString
    """FROM what, and all that is known of it in (after, last]."""
    new: LiteralString
    """The same, of few events."""
    sent: tuple[str, ...]
    held: tuple[str, ...]

    def read(
        self,
        cursor: Cursor[Any],
        after: int,
        last: int,
        go_on: Callable[[], bool] = lambda: True,
    ) -> tuple[Column, ...]:
        """What was learnt in (after, last], in the order of deals, days and positions. Raises
        NotHeld where it is not to go on.
        """
        if last - after <= FAR:
            pieces = [self._piece(cursor, self.new, after, last)]
        else:
            pieces = []
            for begun in range(after, last, PIECE):
                if not go_on():
                    raise NotHeld
                pieces.append(self._piece(cursor, self.whole, begun, min(begun + PIECE, last)))
        columns = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        deal, day, position, *_ = columns
        order = np.lexsort((position, deal.astype(np.int64) * DAYS + day))
        return tuple(column[order] for column in columns)

    def _piece(
        self, cursor: Cursor[Any], rows: LiteralString, after: int, last: int
    ) -> list[Column]:
        asked = {"after": after, "last": last}
        row = cursor.execute(f"SELECT {self.select} FROM {rows}", asked, binary=True).fetchone()
        assert row is not None, "there is one also of nothing"
        return [
            np.frombuffer(column or b"", sent).astype(held)
            for column, sent, held in zip(row, self.sent, self.held, strict=True)
        ]


def merged(known: Sequence[Column], news: Sequence[Column]) -> tuple[Column, ...]:
    """In the same order; what is new of a day was learnt behind all that is known of it."""
    deal, day, *_ = known
    ends = (np.searchsorted(deal, news[0], side) for side in ("left", "right"))
    places = [
        first + int(np.searchsorted(day[first:behind], new, "right"))
        for first, behind, new in zip(*(end.tolist() for end in ends), news[1], strict=True)
    ]
    return tuple(_inserted(column, places, more) for column, more in zip(known, news, strict=True))


def _inserted(known: Column, places: Sequence[int], news: Column) -> Column:
    """As numpy has it, who looks at every row; but a few commands are a few rows."""
    if len(places) > FEW:
        return np.insert(known, places, news)
    *pieces, last = np.split(known, places)
    rows = np.split(news, range(1, len(news)))
    return np.concatenate([*chain.from_iterable(zip(pieces, rows, strict=True)), last])


class NotHeld(Exception):
    """The log is too long for memory, is being read, or its ledger was replaced meanwhile: ask the
    database.
    """


class Held(NamedTuple, Generic[R]):
    """All of a table that is known by `position`. It never changes: there may be a newer one."""

    ledger: Hashable
    position: int
    rows: R

    def knows(self, ledger: Hashable, position: int) -> bool:
        return self.ledger == ledger and self.position >= position


class Columns:
    """One for a process; safe for threads. While one of them reads a table, the others that need it
    wait: by themselves they would take longer.
    """

    def __init__(
        self, most_events: int = MOST_EVENTS, wanted: Callable[[], None] | None = None
    ) -> None:
        """`wanted` has somebody call `read` behind the questions; None: each question reads all
        that it needs.
        """
        self.most_events = most_events
        self._wanted = wanted
        self._reading = defaultdict[object, Lock](Lock)
        self._held: dict[object, Held[Any]] = {}

    def at(self, cursor: Cursor[Any], position: int, ledger: Hashable = None) -> "Tables":
        """All that is known by `position`. `cursor` is the primary's, `ledger` the one that it was
        seen to have. Raises NotHeld.
        """
        if position > self.most_events:
            raise NotHeld
        known = ledger_of(cursor) if ledger is None else ledger
        return Tables(self, cursor, known, position)

    def read(self, at: "Tables", go_on: Callable[[], bool], *tables: Table[Any]) -> None:
        """However many events are new. Raises NotHeld, also where it is not to go on."""
        for table in tables:
            self._caught_up(at, table, go_on)

    def of(self, at: "Tables", table: Table[R]) -> R:
        """For Tables."""
        held = self._held.get(table)
        if held is not None and held.knows(at.ledger, at.position):
            return cast("R", held.rows)
        self.at_once(at.position - (held.position if held and held.ledger == at.ledger else 0))
        return self._caught_up(at, table, lambda: True)

    def at_once(self, events: int) -> None:
        """Raises NotHeld where so many new ones are better read behind the questions, and has that
        done.
        """
        if self._wanted is not None and events > MOST_AT_ONCE:
            self._wanted()
            raise NotHeld

    def _caught_up(self, at: "Tables", table: Table[R], go_on: Callable[[], bool]) -> R:
        with self._reading[table]:
            held = self._held.get(table)
            if held is None or not held.knows(at.ledger, at.position):
                held = _read(at, table, held, go_on)
                if ledger_of(at.cursor) != at.ledger:
                    raise NotHeld
                self._held[table] = held
            return cast("R", held.rows)


def _read(
    at: "Tables", table: Table[R], before: Held[R] | None, go_on: Callable[[], bool]
) -> Held[R]:
    if before is None or before.ledger != at.ledger:
        rows = table.rows(*table.read(at.cursor, 0, at.position, go_on))
    else:
        rows = before.rows
        news = table.read(at.cursor, before.position, at.position, go_on)
        if len(news[0]):
            rows = table.rows(*merged(rows.columns(), news))
    return Held(at.ledger, at.position, rows)


class Tables(NamedTuple):
    """What is held of one ledger, by one position at least; a question's."""

    columns: Columns
    cursor: Cursor[Any]
    ledger: Hashable
    position: int

    def of(self, table: Table[R]) -> R:
        """All that is known of it by the position, and maybe more. Raises NotHeld."""
        return self.columns.of(self, table)
