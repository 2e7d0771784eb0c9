"""Managers' deals kept in memory, so that a portfolio at any point is a matter of looking it up.

The ledger answers the first question about a manager. Whoever is asked about again is learnt by
heart, and from then on told what is new. What is kept is bounded: the manager who was asked about
longest ago is forgotten first. All is forgotten when another ledger, or another start of the
server, turns out to be there.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import groupby
from threading import Lock
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar
from uuid import UUID

from psycopg import Cursor

from domain.errors import NotFound
from domain.values import DealId, ManagerId, stream_of
from projections.ledger import Balance, Standing
from projections.point import LAST, POINT, Clock, Knowledge, Point, asked_for, point_from
from projections.portfolio import DealRow, Line
from projections.timeline import Postings, Seen, States, day_of

Shown = TypeVar("Shown")
Told = TypeVar("Told")
Row = tuple[Any, ...]

MOST_BYTES = 128 * 2**20
FAR = 5_000
"""So many events at most are caught up; behind more of them it is quicker to begin anew."""
MANY = 10_000
"""So many managers at most are told from those who were never asked about."""
A_DEAL, A_POSTING, A_STATE = 3_200, 37, 23
"""Bytes in memory; of a deal without its rows, but with two lines and a part of an answer."""


# ---------------------------------------------------------------------------- the first look


class End(NamedTuple):
    """Where the log ends, and what ledger that is: it changes with a rebuild and a restart."""

    ledger: tuple[int, str]
    position: int


class Opening(NamedTuple):
    """What one look tells of a question about a manager."""

    point: Point
    end: End
    name: str | None


_LEDGER: LiteralString = "to_regnamespace('ledger')::oid, pg_postmaster_start_time()::text"
_OPENING: LiteralString = f"""
SELECT {POINT}, {_LEDGER}, person.name, person.name IS NOT NULL OR EXISTS (
    SELECT FROM books.events WHERE originator_id = %(stream)s AND originator_version = 1
)
FROM {LAST} LEFT JOIN books.people AS person ON person.manager_id = %(manager)s
"""


def opening(
    cursor: Cursor[Any], clock: Clock, as_of: date | None, knowledge: Knowledge, manager: ManagerId
) -> Opening:
    """`name` is None where it was erased. Raises InTheFuture, Invalid; NotFound for nobody who ever
    registered.
    """
    who = {"manager": manager, "stream": _stream(manager)}
    row = cursor.execute(_OPENING, asked_for(clock, knowledge) | who).fetchone()
    assert row is not None, "there is one also of an empty log"
    *columns, oid, started, name, registered = row
    point = point_from(columns, clock, as_of, knowledge)
    if not registered:
        raise NotFound("manager", manager)
    return Opening(point, End((oid, started), columns[0] or 0), name)


@lru_cache(MANY)
def _stream(manager: ManagerId) -> UUID:
    """Kept, because hashing costs as much as a third of all the rest."""
    return stream_of("manager", manager)


# ---------------------------------------------------------------------------- one deal


class _About(NamedTuple):
    """What a deal keeps for ever."""

    deal_id: DealId
    title: str
    client: str
    currency: str


class _Deal(Generic[Shown]):
    """One deal as one manager has it, with the last lines that were told of it. Never changes."""

    __slots__ = ("_about", "_first", "_last", "_part", "_postings", "_states", "_whole")

    def __init__(self, about: _About, postings: Postings, states: States) -> None:
        self._about, self._postings, self._states = about, postings, states
        held, stood = postings.order, states.order
        self._first = min(held.days), held.positions[0]
        self._last = (
            max(held.newest[-1], stood.newest[-1]),
            max(held.positions[-1], stood.positions[-1]),
        )
        self._whole: tuple[Line[Shown] | None] | None = None
        self._part: tuple[tuple[Seen, int], Line[Shown] | None] | None = None

    @property
    def size(self) -> int:
        """In bytes, about."""
        rows = len(self._postings.accounts) * A_POSTING + len(self._states.statuses) * A_STATE
        return A_DEAL + rows

    def with_postings(self, rows: Sequence[Row]) -> "_Deal[Shown]":
        return _Deal(self._about, self._postings.plus(Postings.of(rows)), self._states)

    def with_states(self, rows: Sequence[Row]) -> "_Deal[Shown]":
        return _Deal(self._about, self._postings, self._states.plus(States.of(rows)))

    def line(self, day: int, position: int, show: Callable[[DealRow], Shown]) -> Line[Shown] | None:
        """None where the manager has nothing in it. Most deals have not begun or are over."""
        first_day, first_position = self._first
        if day < first_day or position < first_position:
            return None
        last_day, last_position = self._last
        if day >= last_day and position >= last_position:
            if self._whole is None:
                self._whole = (self._told(*self._seen(day, position), show),)
            return self._whole[0]
        return self._within(self._seen(day, position), show)

    def _within(
        self, seen: tuple[Seen, int], show: Callable[[DealRow], Shown]
    ) -> Line[Shown] | None:
        part = self._part
        if part is None or part[0] != seen:
            self._part = part = seen, self._told(*seen, show)
        return part[1]

    def _seen(self, day: int, position: int) -> tuple[Seen, int]:
        """The postings, and the place of the state."""
        state = self._states.last(self._states.order.seen(day, position))
        return self._postings.order.seen(day, position), state

    def _told(self, seen: Seen, state: int, show: Callable[[DealRow], Shown]) -> Line[Shown] | None:
        figures = self._postings.figures(seen)
        if not any(figures):
            return None
        standing = Standing(Balance(*figures[:5]), *figures[5:])
        row = DealRow(*self._about, *self._states.at(state), standing)
        return Line(row.currency, figures, show(row))


# ---------------------------------------------------------------------------- one manager


class _Way(NamedTuple, Generic[Shown, Told]):
    """How to tell: one deal, and all of them."""

    show: Callable[[DealRow], Shown]
    tell: Callable[[list[Line[Shown]]], Told]


class _Book(Generic[Shown, Told]):
    """One manager's deals by id, in the order of opening."""

    def __init__(self, deals: dict[str, _Deal[Shown]]) -> None:
        self.deals = deals
        self.size = sum(deal.size for deal in deals.values())
        self._told: tuple[int, int, Told] | None = None

    def told(self, day: int, position: int, to: "_Way[Shown, Told]") -> Told:
        """What was asked last is often asked again, and whatever is learnt, it stays the same."""
        told = self._told
        if told is None or told[:2] != (day, position):
            lines = [deal.line(day, position, to.show) for deal in self.deals.values()]
            answer = to.tell([line for line in lines if line is not None])
            self._told = told = day, position, answer
        return told[2]

    def learn_postings(self, deal_id: str, rows: Sequence[Row]) -> bool:
        """False when the deal is new to the manager, of which `rows` do not tell enough."""
        deal = self.deals.get(deal_id)
        if deal is not None:
            self._put(deal_id, deal, deal.with_postings(rows))
        return deal is not None

    def learn_states(self, deal_id: str, rows: Sequence[Row]) -> None:
        deal = self.deals.get(deal_id)
        if deal is not None:
            self._put(deal_id, deal, deal.with_states(rows))

    def _put(self, deal_id: str, before: _Deal[Shown], after: _Deal[Shown]) -> None:
        """Whoever reads at the same moment asks about a position that both know alike."""
        self.deals[deal_id] = after
        self.size += after.size - before.size


_POSTING: LiteralString = """
deal_id::text, position, effective_on - date '2000-01-01',
account, amount, credit, progress, actions, deals
"""
_STATE: LiteralString = """
deal_id::text, position, effective_on - date '2000-01-01', status, potential_check, progress
"""
_POSTINGS_OF: LiteralString = f"""
SELECT {_POSTING} FROM ledger.postings WHERE manager_id = %s AND position <= %s
ORDER BY postings.deal_id, position
"""
_STATES_OF: LiteralString = f"""
SELECT states.* FROM unnest(%s::uuid[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT {_STATE} FROM ledger.deal_states WHERE deal_id = asked.id OFFSET 0  -- by its key
) AS states
WHERE position <= %s ORDER BY asked.id, position
"""
_DEALS_OF: LiteralString = """
SELECT deal_id::text, title, client, currency FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.deals WHERE deal_id = asked.id OFFSET 0  -- by its key
) AS deals
ORDER BY position
"""


def _read(cursor: Cursor[Any], manager: ManagerId, position: int) -> _Book[Any, Any]:
    """What is known of the manager's deals up to `position`."""
    postings = dict(_by_deal(cursor.execute(_POSTINGS_OF, [manager, position]).fetchall()))
    ids = list(postings)
    states = dict(_by_deal(cursor.execute(_STATES_OF, [ids, position]).fetchall()))
    return _Book(
        {
            deal_id: _Deal(
                _About(DealId(UUID(deal_id)), *rest),
                Postings.of(postings[deal_id]),
                States.of(states[deal_id]),
            )
            for deal_id, *rest in cursor.execute(_DEALS_OF, [ids])
        }
    )


def _by_deal(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows that begin with the deal and are in its order, without it."""
    for deal_id, own in groupby(rows, key=lambda row: row[0]):
        yield deal_id, [row[1:] for row in own]


# ---------------------------------------------------------------------------- what is new

_NEW_POSTINGS: LiteralString = f"""
SELECT manager_id, {_POSTING} FROM ledger.postings WHERE position > %s AND position <= %s
ORDER BY manager_id, postings.deal_id, position
"""
_NEW_STATES: LiteralString = f"""
SELECT {_STATE} FROM (
    SELECT DISTINCT originator_id FROM books.events
    WHERE notification_id > %(after)s AND notification_id <= %(last)s AND NOT of_the_directory
) AS changed
CROSS JOIN LATERAL (
    SELECT * FROM ledger.deal_states WHERE deal_id = changed.originator_id OFFSET 0  -- by its key
) AS states
WHERE position > %(after)s AND position <= %(last)s ORDER BY states.deal_id, position
"""


class _News(NamedTuple):
    """Rows of (after, last], by manager and deal."""

    postings: list[Row]
    states: list[Row]

    @classmethod
    def read(cls, cursor: Cursor[Any], after: int, last: int) -> "_News":
        postings = cursor.execute(_NEW_POSTINGS, [after, last]).fetchall()
        between = {"after": after, "last": last}
        return cls(postings, cursor.execute(_NEW_STATES, between).fetchall())

    def after(self, position: int) -> "_News":
        """Without what is known already."""
        return _News(
            [row for row in self.postings if row[2] > position],
            [row for row in self.states if row[1] > position],
        )

    def tell(self, books: dict[ManagerId, _Book[Any, Any]]) -> None:
        """Whoever has a deal more than before is removed from `books`."""
        for manager, rows in groupby(self.postings, key=lambda row: row[0]):
            book = books.get(manager)
            if book is not None:
                told = [
                    book.learn_postings(deal_id, own)
                    for deal_id, own in _by_deal([row[1:] for row in rows])
                ]
                if not all(told):
                    del books[manager]
        for deal_id, own in _by_deal(self.states):
            for book in books.values():
                book.learn_states(deal_id, own)


# ---------------------------------------------------------------------------- everybody


class Memory(Generic[Shown, Told]):
    """One for a process; safe for threads, none of which waits for the database behind the lock.

    `show` makes of a deal what is to be told of it, and `tell` of all of them, in the order of
    opening, the answer; both must give the same for ever.
    """

    def __init__(
        self,
        show: Callable[[DealRow], Shown],
        tell: Callable[[list[Line[Shown]]], Told],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._to = _Way(show, tell)
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._books: OrderedDict[ManagerId, _Book[Shown, Told]] = OrderedDict()
        self._asked: set[ManagerId] = set()
        self._end = End((0, ""), 0)

    def told(self, cursor: Cursor[Any], manager: ManagerId, end: End, point: Point) -> Told | None:
        """The manager's deals at the point; None: they are not known here.

        `end` is where the log ended when `point` was found.
        """
        self._catch_up(cursor, end)
        with self._lock:
            book = self._books.get(manager)
            if book is None:
                return None
            self._books.move_to_end(manager)
        return book.told(day_of(point.as_of), point.position, self._to)

    def asks_again(self, manager: ManagerId) -> bool:
        """Whether the manager was asked about before: then it is worth learning more."""
        with self._lock:
            if manager in self._asked:
                return True
            if len(self._asked) >= MANY:
                self._asked.clear()
            self._asked.add(manager)
            return False

    def learn(self, cursor: Cursor[Any], manager: ManagerId) -> None:
        """Read all of the manager's deals, unless the ledger is replaced meanwhile."""
        with self._lock:
            end = self._end
        book: _Book[Shown, Told] = _read(cursor, manager, end.position)
        if cursor.execute(f"SELECT {_LEDGER}").fetchone() != end.ledger:
            return
        own = {manager: book}
        while own and not self._kept(own, end):
            last = self._end.position
            _News.read(cursor, end.position, last).tell(own)
            end = end._replace(position=last)

    def _kept(self, own: dict[ManagerId, _Book[Shown, Told]], end: End) -> bool:
        """Whether it is done: kept, or of no use any more. False: there is something new."""
        with self._lock:
            if self._end.ledger != end.ledger:
                return True
            if self._end.position > end.position:
                return False
            self._books.update(own)
            self._forget()
            return True

    def _catch_up(self, cursor: Cursor[Any], end: End) -> None:
        """Learn what is new up to `end`."""
        with self._lock:
            after = self._end.position
            if end.ledger != self._end.ledger or end.position - after > FAR or not self._books:
                self._books.clear()
                self._end = max(end, self._end) if end.ledger == self._end.ledger else end
                return
        if end.position > after:
            self._tell(_News.read(cursor, after, end.position), end)

    def _tell(self, news: _News, end: End) -> None:
        """Another may have told a part of it, or all, or of another ledger meanwhile."""
        with self._lock:
            known = self._end
            if known.ledger == end.ledger and known.position < end.position:
                news.after(known.position).tell(self._books)
                self._end = end
                self._forget()

    def _forget(self) -> None:
        """Whoever was asked about longest ago, until the rest is few bytes enough."""
        size = sum(book.size for book in self._books.values())
        while size > self._most_bytes:
            _, book = self._books.popitem(last=False)
            size -= book.size
