"""One manager's deals by heart: a line for each of them at any point, and what is learnt later.

A deal in memory never changes; when more is learnt of it, another takes its place.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Cursor

from domain.values import ManagerId
from projections.portfolio import About, Line, Show, ShowDeal
from projections.timeline import Postings, Seen, States

Shown = TypeVar("Shown")
Told = TypeVar("Told")
Tell = Callable[[list[Line[Shown]]], Told]
"""How to tell all deals, in the order of opening."""
Row = tuple[Any, ...]

A_DEAL, A_POSTING, A_STATE = 3_200, 39, 25
"""Bytes in memory; of a deal without its rows, but with two lines and a part of an answer."""


class Deal(Generic[Shown]):
    """One deal as one manager has it, with the last lines that were told of it. Never changes."""

    __slots__ = (
        "_currency", "_first", "_held", "_last", "_part", "_postings", "_show", "_states",
        "_stood", "_whole",
    )  # fmt: skip

    def __init__(
        self, currency: str, show: ShowDeal[Shown], postings: Postings, states: States
    ) -> None:
        self._currency, self._show = currency, show
        self._postings, self._states = postings, states
        self._held, self._stood = held, stood = postings.order, states.order
        self._first = held.oldest[0], held.positions[0]
        self._last = (
            max(held.newest[-1], stood.newest[-1]),
            max(held.positions[-1], stood.positions[-1]),
        )
        self._whole: tuple[Line[Shown] | None] | None = None
        self._part: tuple[tuple[int, int], Line[Shown] | None] | None = None

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
        first_day, first_position = self._first
        if day < first_day or position < first_position:
            return None
        last_day, last_position = self._last
        if day >= last_day and position >= last_position:
            if self._whole is None:
                self._whole = (self._told(*self._seen(day, position)),)
            return self._whole[0]
        held, stood = self._held.prefix(day, position), self._stood.prefix(day, position)
        if held is None or stood is None:
            return self._told(*self._seen(day, position))
        seen, part = (held, stood), self._part
        if part is None or part[0] != seen:
            self._part = part = seen, self._told(Seen(held, ()), Seen(stood, ()))
        return part[1]

    def _seen(self, day: int, position: int) -> tuple[Seen, Seen]:
        return self._held.seen(day, position), self._stood.seen(day, position)

    def _told(self, held: Seen, stood: Seen) -> Line[Shown] | None:
        figures = self._postings.figures(held)
        if not any(figures):
            return None
        state = self._states.at(self._states.last(stood))
        return Line(self._currency, figures, self._show(state, figures))


class Book(Generic[Shown, Told]):
    """One manager's deals by number, in the order of opening."""

    def __init__(self, deals: dict[int, Deal[Shown]], tell: Tell[Shown, Told]) -> None:
        self.deals = deals
        self._tell = tell
        self.size = sum(deal.size for deal in deals.values())
        self._told: tuple[int, int, Told] | None = None

    def told(self, day: int, position: int) -> Told:
        """What was asked last is often asked again, and whatever is learnt, it stays the same."""
        told = self._told
        if told is None or told[:2] != (day, position):
            lines = [deal.line(day, position) for deal in self.deals.values()]
            answer = self._tell([line for line in lines if line is not None])
            self._told = told = day, position, answer
        return told[2]

    def learn_postings(self, number: int, rows: Sequence[Row]) -> bool:
        """False when the deal is new to the manager, of which `rows` do not tell enough."""
        deal = self.deals.get(number)
        if deal is not None:
            self._put(number, deal, deal.with_postings(rows))
        return deal is not None

    def learn_states(self, number: int, rows: Sequence[Row]) -> None:
        deal = self.deals.get(number)
        if deal is not None:
            self._put(number, deal, deal.with_states(rows))

    def _put(self, number: int, before: Deal[Shown], after: Deal[Shown]) -> None:
        """Whoever reads at the same moment asks about a position that both know alike."""
        self.deals[number] = after
        self.size += after.size - before.size


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
    return Book(deals, tell)


def by_deal(rows: Sequence[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Rows that begin with the deal's number and are in its order, without it."""
    for number, own in groupby(rows, key=lambda row: row[0]):
        yield number, [row[1:] for row in own]
