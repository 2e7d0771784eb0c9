"""How every deal stood on any day, as it was known at any position, from the ledger's states in
columns: hundreds of past days are looked at without asking the database again.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from domain.deal import Status
from projections.reports.columns import (
    DAYS,
    Column,
    Dated,
    Ints,
    Rows,
    Table,
    day_of,
    number_of,
)

NO_DAY = -1
STATUSES = (Status.OPEN, Status.SUSPENDED, Status.WON, Status.LOST)
"""By their numbers here."""
OPEN, SUSPENDED, WON, LOST = range(4)


@dataclass(frozen=True)
class StatesOfDeals(Dated):
    """How a deal stood at the end of a day, as learnt at a position."""

    owner: Column
    check: Column
    expected: Column
    progress: Column
    status: Column

    def ends_of_days(self, day: int, position: int) -> Rows:
        """Of each deal and each day until `day`, the last one that is known at the position."""
        seen = np.flatnonzero((self.day <= day) & (self.position <= position))
        deals, days = self.deal[seen], self.day[seen]
        newest = np.append((np.diff(deals) != 0) | (np.diff(days) != 0), [True])[: len(seen)]
        rows: Rows = seen[newest]
        return rows


STATES = Table(
    rows=StatesOfDeals,
    select="""
string_agg(int4send(deal), ''), string_agg(int4send(effective_on - date '2000-01-01'), ''),
string_agg(int4send(position), ''), string_agg(int4send(owner), ''),
string_agg(int8send(potential_check), ''),
string_agg(int4send(coalesce(expected_close_on - date '2000-01-01', -1)), ''),
string_agg(int4send(progress), ''),
string_agg(int4send(array_position(ARRAY['open', 'suspended', 'won', 'lost'], status) - 1), '')
""",
    whole="ledger.deal_states WHERE position > %(after)s AND position <= %(last)s",
    new="""(
    SELECT DISTINCT deal AS number
    FROM books.events JOIN ledger.deals ON deal_id = originator_id
    WHERE notification_id > %(after)s AND notification_id <= %(last)s AND NOT of_the_directory
) AS changed
CROSS JOIN LATERAL (
    SELECT * FROM ledger.deal_states WHERE deal = changed.number OFFSET 0  -- by its key
) AS states
WHERE position > %(after)s AND position <= %(last)s
""",
    sent=(">i4", ">i4", ">i4", ">i4", ">i8", ">i4", ">i4", ">i4"),
    held=("i4", "u2", "i4", "i4", "i8", "i4", "i2", "i1"),
)


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
        return self.deal * DAYS + self.day

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

    def on(self, day: int) -> Rows:
        """The rows that tell how the deals stood at the end of the day that were there by then."""
        deals = self.deal[self.firsts]
        places: Rows = np.searchsorted(self._key, deals * DAYS + day, "right") - 1
        found: Rows = places[(places >= 0) & (self.deal[places] == deals)]
        return found


class States:
    """All that is known of states up to a position. Each earlier knowledge is a part of it."""

    def __init__(self, columns: StatesOfDeals) -> None:
        self._columns = columns

    def known(self, as_of: date, position: int) -> Standings:
        """As it was known at `position`, which is not above that of all rows."""
        all_, last = self._columns, number_of(as_of)
        rows = all_.ends_of_days(last, position)
        deal, day, at, owner, check, expected, progress, status = (
            column[rows].astype(np.int64) for column in all_.columns()
        )
        return Standings(deal, day, at, owner, check, expected, progress, status, last)

    def days_of(self, status: int) -> list[date]:
        """On which any deal was ever known to be so at their end."""
        days = self._columns.day[self._columns.status == status]
        return [day_of(int(one)) for one in np.unique(days)]
