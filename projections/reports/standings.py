"""How every deal stood on any day, as it was known at any position: the ledger's rows of states as
columns, so that hundreds of past days are looked at without asking the database again.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor

from domain.deal import Status

Ints = NDArray[np.int64]
Rows = NDArray[np.intp]

FIRST_DAY = date(2000, 1, 1)
"""Days are counted from it; domain.values knows none before."""
NO_DAY = -1
STATUSES = (Status.OPEN, Status.SUSPENDED, Status.WON, Status.LOST)
"""By their numbers here."""
OPEN, SUSPENDED, WON, LOST = range(4)
_DAYS = 2**16
"""More than there are from 2000 to 2100."""

_STATES: LiteralString = """
SELECT string_agg(int4send(deal), ''), string_agg(int4send(effective_on - date '2000-01-01'), ''),
       string_agg(int4send(position), ''), string_agg(int4send(owner), ''),
       string_agg(int8send(potential_check), ''),
       string_agg(int4send(coalesce(expected_close_on - date '2000-01-01', -1)), ''),
       string_agg(int4send(progress), ''),
       string_agg(int4send(
           array_position(ARRAY['open', 'suspended', 'won', 'lost'], status) - 1), '')
FROM ledger.deal_states WHERE effective_on <= %(as_of)s AND position <= %(position)s
"""
"""One row, each column of it all numbers of one kind, one behind the other: several times as
fast to read as rows are.
"""
_KINDS = (">i4", ">i4", ">i4", ">i4", ">i8", ">i4", ">i4", ">i4")


def number_of(day: date) -> int:
    return (day - FIRST_DAY).days


def day_of(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


@dataclass(frozen=True)
class Standings:
    """Everything that is known up to a position and holds by a day: for each deal and each day on
    which an event of it holds, how the deal stood at its end. In the order of deals, then days.
    `last_day` is the day asked about.
    """

    deal: Ints
    day: Ints
    position: Ints
    owner: Ints
    check: Ints
    expected: Ints
    progress: Ints
    status: Ints
    last_day: int

    @cached_property
    def _key(self) -> Ints:
        return self.deal * _DAYS + self.day

    @cached_property
    def firsts(self) -> Rows:
        """The first row of each deal."""
        firsts: Rows = np.flatnonzero(np.diff(self.deal, prepend=-1))
        return firsts

    @cached_property
    def lasts(self) -> Rows:
        """The last row of each deal."""
        behind: Rows = np.append(self.firsts[1:], len(self.deal))
        return behind[: len(self.firsts)] - 1

    @cached_property
    def next_day(self) -> Ints:
        """The next day on which the same deal has an event; behind the last one, the day after all
        that is known.
        """
        following: Ints = np.append(self.day[1:], self.last_day + 1)[: len(self.day)]
        following[self.lasts] = self.last_day + 1
        return following

    def on(self, day: int, some: Rows | None = None) -> Rows:
        """The rows that tell how the deals stood at the end of the day that were there by then; of
        `some`, by their place among the deals.
        """
        deals = self.deal[self.firsts if some is None else self.firsts[some]]
        places: Rows = np.searchsorted(self._key, deals * _DAYS + day, "right") - 1
        found: Rows = places[(places >= 0) & (self.deal[places] == deals)]
        return found


class States:
    """All rows of states up to a point. Each earlier knowledge is a part of them."""

    def __init__(self, cursor: Cursor[Any], as_of: date, position: int) -> None:
        asked = {"as_of": as_of, "position": position}
        row = cursor.execute(_STATES, asked, binary=True).fetchone()
        assert row is not None, "there is one also of nothing"
        columns = [
            np.frombuffer(column or b"", kind).astype(np.int64)
            for column, kind in zip(row, _KINDS, strict=True)
        ]
        order = np.lexsort((columns[2], columns[0] * _DAYS + columns[1]))
        self._columns = [column[order] for column in columns]

    def known(self, as_of: date, position: int) -> Standings:
        """As it was known at `position`, which is not above that of all rows; nor is the day."""
        deal, day, at, *_ = self._columns
        last = number_of(as_of)
        seen = np.flatnonzero((day <= last) & (at <= position))
        newest = np.append(np.diff(deal[seen] * _DAYS + day[seen]) != 0, [True])[: len(seen)]
        rows = seen[newest]
        deal, day, at, owner, check, expected, progress, status = (
            column[rows] for column in self._columns
        )
        return Standings(deal, day, at, owner, check, expected, progress, status, last)

    def days_of(self, status: int) -> list[date]:
        """On which any deal was ever known to be so at their end."""
        _, day, *_, statuses = self._columns
        return [day_of(int(one)) for one in np.unique(day[statuses == status])]
