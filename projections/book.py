"""One manager's deals by heart: a line for each of them at any point, and what is learnt later.

A deal in memory never changes; when more is learnt of it, another takes its place. Deals that are
over at a point are the same at all later ones, and mostly so are their neighbours; so their lines
are kept joined, by runs of deals.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from math import isqrt
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Cursor

from domain.values import ManagerId
from projections.portfolio import About, Figures, Line, Show, ShowDeal, summed
from projections.timeline import Order, Postings, States

Shown = TypeVar("Shown")
Told = TypeVar("Told")
Tell = Callable[[list[Line[Shown]]], Told]
"""How to tell all deals, in the order of opening; a line may be several deals joined."""
Join = Callable[[list[Shown]], Shown]
"""How to show several deals that follow each other as one."""
Row = tuple[Any, ...]

A_DEAL, A_POSTING, A_STATE = 3_400, 39, 25
"""Bytes in memory; of a deal without its rows, but with two lines and what is joined."""


class Deal(Generic[Shown]):
    """One deal as one manager has it, with the last lines that were told of it. Never changes."""

    __slots__ = (
        "_currency", "_held", "_part", "_postings", "_show", "_states", "_stood", "_whole",
        "first", "last",
    )  # fmt: skip

    def __init__(
        self, currency: str, show: ShowDeal[Shown], postings: Postings, states: States
    ) -> None:
        self._currency, self._show = currency, show
        self._postings, self._states = postings, states
        self._held, self._stood = held, stood = postings.order, states.order
        self.first = held.oldest[0], held.positions[0]
        self.last = (
            max(held.newest[-1], stood.newest[-1]),
            max(held.positions[-1], stood.positions[-1]),
        )
        self._whole: tuple[Line[Shown] | None] | None = None
        self._part: tuple[tuple[int, int], Line[Shown] | None] | None = None

    @property
    def orders(self) -> tuple[Order, Order]:
        return self._postings.order, self._states.order

    @property
    def size(self) -> int:
        """In bytes, about."""
        rows = len(self._postings.accounts) * A_POSTING + len(self._states.statuses) * A_STATE
        return A_DEAL + rows

    def with_postings(self, rows: Sequence[Row]) -> "Deal[Shown]":
        postings = self._postings.plus(Postings.of(rows))
        return Deal(self._currency, self._show, postings, self._states)

    def with_states(self, rows: Sequence[Row]) -> "Deal[Shown]":
        states = self._states.plus(States.of(rows))
        return Deal(self._currency, self._show, self._postings, states)

    def line(self, day: int, position: int) -> Line[Shown] | None:
        """None where the manager has nothing in it. Most deals have not begun or are over."""
        first_day, first_position = self.first
        if day < first_day or position < first_position:
            return None
        last_day, last_position = self.last
        if day >= last_day and position >= last_position:
            if self._whole is None:
                self._whole = (self._late(day, position),)
            return self._whole[0]
        held, stood = self._held.prefix(day, position), self._stood.prefix(day, position)
        if held is None or stood is None:
            return self._late(day, position)
        seen, part = (held, stood), self._part
        if part is None or part[0] != seen:
            figures = self._postings.figures(held)
            self._part = part = seen, self._told(figures, self._states.last(stood))
        return part[1]

    def _late(self, day: int, position: int) -> Line[Shown] | None:
        """Where some of what is seen was learnt behind what is not."""
        figures = self._postings.figures(*self._held.seen(day, position))
        return self._told(figures, self._states.last(*self._stood.seen(day, position)))

    def _told(self, figures: Figures, state: int) -> Line[Shown] | None:
        if not any(figures):
            return None
        return Line(self._currency, figures, self._show(self._states.at(state), figures))


class Run(Generic[Shown]):
    """Deals that follow each other. Where all are over, they are told as one. Never changes."""

    __slots__ = ("_deals", "_first", "_join", "_whole", "last")

    def __init__(self, deals: Sequence[Deal[Shown]], join: Join[Shown]) -> None:
        self._deals, self._join = deals, join
        first_days, first_positions = zip(*(deal.first for deal in deals), strict=True)
        last_days, last_positions = zip(*(deal.last for deal in deals), strict=True)
        self._first = min(first_days), min(first_positions)
        self.last = max(last_days), max(last_positions)
        self._whole: list[Line[Shown]] | None = None

    def deal(self, place: int) -> Deal[Shown]:
        return self._deals[place]

    def with_deal(self, place: int, deal: Deal[Shown]) -> "Run[Shown]":
        return Run([*self._deals[:place], deal, *self._deals[place + 1 :]], self._join)

    def lines(self, day: int, position: int) -> Sequence[Line[Shown]]:
        if day < self._first[0] or position < self._first[1]:
            return ()
        if day >= self.last[0] and position >= self.last[1]:
            if self._whole is None:
                self._whole = self._joined(self._lines(day, position))
            return self._whole
        return self._lines(day, position)

    def _lines(self, day: int, position: int) -> list[Line[Shown]]:
        lines = [deal.line(day, position) for deal in self._deals]
        return [line for line in lines if line is not None]

    def _joined(self, lines: list[Line[Shown]]) -> list[Line[Shown]]:
        """One line for all of a currency that follow each other."""
        own = [[*one] for _, one in groupby(lines, key=lambda line: line.currency)]
        return [
            Line(some[0].currency, summed(some), self._join([line.shown for line in some]))
            for some in own
        ]


class Book(Generic[Shown, Told]):
    """One manager's deals by number, in the order of opening."""

    def __init__(
        self, deals: Mapping[int, Deal[Shown]], join: Join[Shown], tell: Tell[Shown, Told]
    ) -> None:
        self._tell = tell
        self._width = width = isqrt(len(deals)) + 1  # few runs, and few deals in those underway
        own = [*deals.values()]
        self._runs = [Run(own[at : at + width], join) for at in range(0, len(own), width)]
        self._places = {number: divmod(place, width) for place, number in enumerate(deals)}
        self.size = sum(deal.size for deal in own)
        self._latest = _latest(pair for deal in own for pair in _learnt(deal))

    def told(self, day: int, position: int) -> Told:
        return self._tell([line for run in self._runs for line in run.lines(day, position)])

    def same(self, day: int, position: int) -> tuple[int, int]:
        """An earlier point at which all is told alike, whatever is learnt. What was learnt of other
        managers, and of later days, makes no difference; nor does a later now.
        """
        days, positions = self._latest
        place = bisect_right(days, day)
        return min(day, days[-1]), min(position, positions[place - 1] if place else 0)

    def learn_postings(self, number: int, rows: Sequence[Row]) -> bool:
        """False when the deal is new to the manager, of which `rows` do not tell enough."""
        return self._learn(number, lambda deal: deal.with_postings(rows))

    def learn_states(self, number: int, rows: Sequence[Row]) -> None:
        self._learn(number, lambda deal: deal.with_states(rows))

    def _learn(self, number: int, learnt: Callable[[Deal[Shown]], Deal[Shown]]) -> bool:
        """Whoever reads at the same moment asks about a position that both know alike."""
        if number not in self._places:
            return False
        run, place = self._places[number]
        before = self._runs[run].deal(place)
        after = learnt(before)
        self._runs[run] = self._runs[run].with_deal(place, after)
        self._latest = _latest(chain(zip(*self._latest, strict=True), _learnt(after)))
        self.size += after.size - before.size
        return True


def _learnt(deal: Deal[Any]) -> Iterator[tuple[int, int]]:
    """The day of each row, and the position at which it was learnt."""
    for order in deal.orders:
        yield from zip(order.days, order.positions, strict=True)


def _latest(learnt: Iterable[tuple[int, int]]) -> tuple["array[int]", "array[int]"]:
    """Ascending days, the last of all among them, and for each the last position at which something
    was learnt that is effective by then. Other days that add nothing are left out.
    """
    days, positions = array("H", [0]), array("q", [0])
    last = 0
    for day, position in sorted(learnt):
        if position > positions[-1]:
            days.append(day)
            positions.append(position)
        last = day
    days.append(last)
    positions.append(positions[-1])
    return days, positions


POSTING: LiteralString = """
deal, position, effective_on - date '2000-01-01', account, amount, credit, progress, actions, deals
"""
STATE: LiteralString = """
deal, position, effective_on - date '2000-01-01', status, potential_check, progress
"""
_POSTINGS_OF: LiteralString = f"""
SELECT {POSTING} FROM ledger.postings
WHERE manager = (SELECT manager FROM ledger.managers WHERE manager_id = %s) AND position <= %s
ORDER BY deal, position
"""
_STATES_OF: LiteralString = f"""
SELECT states.* FROM unnest(%s::int[]) AS asked (deal) CROSS JOIN LATERAL (
    SELECT {STATE} FROM ledger.deal_states WHERE deal = asked.deal OFFSET 0  -- by its key
) AS states
WHERE position <= %s ORDER BY asked.deal, position
"""
_DEALS_OF: LiteralString = """
SELECT deal, deal_id, title, client, currency FROM unnest(%s::int[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.deals WHERE deal = asked.id OFFSET 0  -- by its key
) AS deals
ORDER BY deal
"""


def read_book(
    cursor: Cursor[Any],
    manager: ManagerId,
    position: int,
    show: Show[Shown],
    join: Join[Shown],
    tell: Tell[Shown, Told],
) -> Book[Shown, Told]:
    """What is known of the manager's deals up to `position`."""
    postings = dict(by_deal(cursor.execute(_POSTINGS_OF, [manager, position]).fetchall()))
    ids = list(postings)
    states = dict(by_deal(cursor.execute(_STATES_OF, [ids, position]).fetchall()))
    deals = {}
    for deal, *rest in cursor.execute(_DEALS_OF, [ids]):
        about = About(*rest)
        deals[deal] = Deal(
            about.currency, show(about), Postings.of(postings[deal]), States.of(states[deal])
        )
    return Book(deals, join, tell)


def by_deal(rows: Sequence[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Rows that begin with the deal's number and are in its order, without it."""
    for number, own in groupby(rows, key=lambda row: row[0]):
        yield number, [row[1:] for row in own]
