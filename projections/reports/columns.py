"""The ledger in columns, in memory: what reports of the whole company are added up from.

A report at a point that nobody has asked about before goes through all that is known by then. As
rows of the database that takes seconds at a million of them, as columns of numbers milliseconds.
Each table is read whole by the first question that needs it (some seconds at a million), and from
then on only what is new; what is known up to a position never changes, so that any earlier point
is a choice among the rows. All is read anew when another ledger, or another start of the server,
turns out to be there.

What is held is bounded: of a log that is longer than MOST_EVENTS nothing is held, and the database
adds up every question for itself.
"""

from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Any, LiteralString, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor

from projections.reports.kept import ledger_of

MOST_EVENTS = 4_000_000
"""Of a longer log nothing is held. An event takes some 90 bytes."""
FAR = 5_000
"""So many events at most are looked up one by one; of more the whole table is gone through."""
PIECE = 500_000
"""Events of one statement, which has its time like any other."""
DAYS = 2**16
"""More than there are from 2000 to 2100."""

Column = NDArray[Any]


class Table(NamedTuple):
    """How one is read: one row of `select`, each column of it all numbers of one kind, one behind
    the other, which is several times as fast as rows are. `sent` is of which kind each then is, and
    `held` of which in memory. The first three are deal, day and position.
    """

    select: LiteralString
    whole: LiteralString
    """FROM what, and all that is known of it in (after, last]."""
    new: LiteralString
    """The same, of few events."""
    sent: tuple[str, ...]
    held: tuple[str, ...]

    def read(self, cursor: Cursor[Any], after: int, last: int) -> tuple[Column, ...]:
        """What was learnt in (after, last], in the order of deals, days and positions."""
        if last - after <= FAR:
            pieces = [self._piece(cursor, self.new, after, last)]
        else:
            pieces = [
                self._piece(cursor, self.whole, begun, min(begun + PIECE, last))
                for begun in range(after, last, PIECE)
            ]
        columns = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        order = np.lexsort((columns[2], _places(columns)))
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


def _places(columns: Sequence[Column]) -> NDArray[np.int64]:
    """Deals, and days in them."""
    return columns[0].astype(np.int64) * DAYS + columns[1]


def merged(known: Sequence[Column], news: Sequence[Column]) -> tuple[Column, ...]:
    """In the same order; what is new of a day was learnt behind all that is known of it."""
    places = np.searchsorted(_places(known), _places(news), "right")
    return tuple(np.insert(column, places, more) for column, more in zip(known, news, strict=True))


class NotHeld(Exception):
    """The log is too long for memory, or its ledger was replaced meanwhile: ask the database."""


class Held(NamedTuple):
    """All of a table that is known by `position`. It never changes: there may be a newer one."""

    ledger: Hashable
    position: int
    columns: tuple[Column, ...]

    def knows(self, ledger: Hashable, position: int) -> bool:
        return self.ledger == ledger and self.position >= position


class Columns:
    """One for a process; safe for threads. While one of them reads, the others that need it wait:
    by themselves they would take longer.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self.most_events = most_events
        self._reading = Lock()
        self._held: dict[Table, Held] = {}

    def of(self, cursor: Cursor[Any], position: int, *tables: Table) -> list[tuple[Column, ...]]:
        """All of each that is known by `position`, and maybe more. `cursor` is the primary's.
        Raises NotHeld.
        """
        if position > self.most_events:
            raise NotHeld
        ledger = ledger_of(cursor)
        return [self._of(cursor, table, ledger, position).columns for table in tables]

    def _of(self, cursor: Cursor[Any], table: Table, ledger: Hashable, position: int) -> Held:
        held = self._held.get(table)
        if held is not None and held.knows(ledger, position):
            return held
        with self._reading:
            held = self._held.get(table)
            if held is None or not held.knows(ledger, position):
                held = _read(cursor, table, ledger, position, held)
                if ledger_of(cursor) != ledger:
                    raise NotHeld
                self._held[table] = held
            return held


def _read(
    cursor: Cursor[Any], table: Table, ledger: Hashable, position: int, before: Held | None
) -> Held:
    if before is None or before.ledger != ledger:
        return Held(ledger, position, table.read(cursor, 0, position))
    news = table.read(cursor, before.position, position)
    return Held(ledger, position, merged(before.columns, news))
