"""Rows of the ledger for one deal, in the order in which they were learnt, column by column.

What is known up to a position never changes, so rows are only ever added at the end, and everything
that a point sees is found among the first of them. Mostly all those first rows are also effective
by the date; the late ones behind them are looked at one by one. Columns are arrays: a row costs
some 25 bytes, a hundredth of what it would as objects.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate, chain, compress, cycle
from operator import add, sub
from typing import Any, NamedTuple

from domain.deal import Status
from projections.ledger import Balance
from projections.portfolio import Figures, State

EPOCH = date(2000, 1, 1)
"""Day 0 of a timeline; no event is effective before it."""

_ACCOUNTS = {account: number for number, account in enumerate(Balance._fields)}
assert _ACCOUNTS["active"] == 0, "no other is false, and it is the first of figures"
_STATUSES = tuple(Status)
_COUNTS = 4
"""Credit, progress, actions, deals: behind each other, row by row, in one column."""
_NOUGHT = array("i", [0] * _COUNTS)


def day_of(on: date) -> int:
    """Days since EPOCH; below 0 for a date before all that is ever recorded."""
    return (on - EPOCH).days


class Seen(NamedTuple):
    """The rows that a point sees: so many of the first, and these places behind them."""

    first: int
    late: tuple[int, ...]


class Order(NamedTuple):
    """When each row was learnt, and when it is effective; the last day of it and all before it, and
    the first of it and all behind it.
    """

    positions: "array[int]"
    days: "array[int]"
    newest: "array[int]"
    oldest: "array[int]"

    @classmethod
    def of(cls, positions: Sequence[int], days: Sequence[int]) -> "Order":
        """`positions` ascend."""
        newest = array("H", accumulate(days, max))
        oldest = array("H", accumulate(reversed(days), min))
        oldest.reverse()
        return cls(array("q", positions), array("H", days), newest, oldest)

    def plus(self, other: "Order") -> "Order":
        days = self.days + other.days
        return Order.of(self.positions + other.positions, days)

    def prefix(self, day: int, position: int) -> int | None:
        """How many rows `seen` finds, where they are the first ones. None where one behind them is
        effective by then, and so may be among them.
        """
        positions, newest = self.positions, self.newest
        learnt = len(positions)  # mostly all that is effective by then is known
        if position < positions[-1]:
            learnt = bisect_right(positions, position)
        if learnt and newest[learnt - 1] <= day:
            return learnt
        first = bisect_right(newest, day, 0, learnt)
        return first if first == learnt or self.oldest[first] > day else None

    def seen(self, day: int, position: int) -> Seen:
        """Rows learnt up to `position` and effective by `day`, both inclusive."""
        learnt = bisect_right(self.positions, position)
        first = bisect_right(self.newest, day, 0, learnt)
        behind = self.days[first:learnt]
        return Seen(first, tuple(compress(range(first, learnt), map(day.__ge__, behind))))


class Postings(NamedTuple):
    """One manager's postings of one deal. `sums` of amounts and `counts` are up to and with each
    row; the first `active` rows are all in that account: as long as the deal is underway.
    """

    order: Order
    accounts: "array[int]"
    sums: Sequence[int]
    counts: "array[int]"
    active: int

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> "Postings":
        """Rows of position, day, account, amount, and counts; ascending."""
        positions, days, accounts, amounts, *counts = zip(*rows, strict=True)
        totals = zip(*map(accumulate, counts), strict=True)
        numbers = array("B", [_ACCOUNTS[account] for account in accounts])
        return cls(
            Order.of(positions, days),
            numbers,
            _exact([*accumulate(amounts)]),
            array("i", list(chain.from_iterable(totals))),
            _first_active(numbers),
        )

    def plus(self, other: "Postings") -> "Postings":
        before = self.counts[-_COUNTS:]
        counts = array("i", map(add, other.counts, cycle(before)))
        accounts = self.accounts + other.accounts
        last = self.sums[-1]
        return Postings(
            self.order.plus(other.order),
            accounts,
            _exact([*self.sums, *(last + more for more in other.sums)]),
            self.counts + counts,
            _first_active(accounts),
        )

    def figures(self, first: int, late: Sequence[int] = ()) -> Figures:
        """The sum of those rows that are Seen."""
        if 0 < first <= self.active and not late:
            end = first * _COUNTS
            credit, progress, actions, deals = self.counts[end - _COUNTS : end]
            return self.sums[first - 1], 0, 0, 0, 0, credit, progress, actions, deals
        balance = [0] * len(_ACCOUNTS)
        counts: Iterable[int] = self._counts(first)
        for row in chain(range(first), late):
            balance[self.accounts[row]] += self.sums[row] - (self.sums[row - 1] if row else 0)
        for row in late:
            change = map(sub, self._counts(row + 1), self._counts(row))
            counts = [*map(add, counts, change)]
        active, claimed, suspended, lost, won = balance
        credit, progress, actions, deals = counts
        return active, claimed, suspended, lost, won, credit, progress, actions, deals

    def _counts(self, rows: int) -> "array[int]":
        """The sums of the first `rows`."""
        end = rows * _COUNTS
        return self.counts[end - _COUNTS : end] if rows else _NOUGHT


def _exact(sums: list[int]) -> Sequence[int]:
    """An amount fits 64 bits, and a sum of many claims on the largest of deals may not."""
    try:
        return array("q", sums)
    except OverflowError:
        return sums


def _first_active(accounts: "array[int]") -> int:
    return next((row for row, account in enumerate(accounts) if account), len(accounts))


class States(NamedTuple):
    """The states of one deal; the one that counts is the last by date, then by position."""

    order: Order
    checks: "array[int]"
    statuses: "array[int]"
    progress: "array[int]"

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> "States":
        """Rows of position, day, status, check and progress; ascending."""
        positions, days, statuses, checks, progress = zip(*rows, strict=True)
        return cls(
            Order.of(positions, days),
            array("q", checks),
            array("B", [_STATUSES.index(Status(status)) for status in statuses]),
            array("H", progress),
        )

    def plus(self, other: "States") -> "States":
        return States(
            self.order.plus(other.order),
            self.checks + other.checks,
            self.statuses + other.statuses,
            self.progress + other.progress,
        )

    def last(self, first: int, late: Sequence[int] = ()) -> int:
        """The place of the state that holds among those rows that are Seen; there is one."""
        days, newest = self.order.days, self.order.newest
        row = first - 1
        while row > 0 and days[row] < newest[row]:
            row -= 1
        for place in late:
            if row < 0 or days[place] >= days[row]:
                row = place
        return row

    def at(self, row: int) -> State:
        return _STATUSES[self.statuses[row]], self.checks[row], self.progress[row]
