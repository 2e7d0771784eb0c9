"""Managers' deals kept in memory, so that a portfolio at any point is a matter of looking it up.

The ledger answers the first question about a manager. Whoever is asked about again is learnt by
heart, and from then on told what is new. What is kept is bounded: the manager who was asked about
longest ago is forgotten first, and only for one who is asked about more. Answers are kept too,
whoever gave them: what was once known at a position never changes. All is forgotten when another
ledger, or another start of the server, turns out to be there.
"""

from collections import Counter, OrderedDict
from collections.abc import Sized
from datetime import date
from itertools import groupby
from threading import Lock
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

from psycopg import Cursor

from domain.values import ManagerId
from projections.book import (
    POSTING,
    STATE,
    Book,
    Join,
    Row,
    Shown,
    Tell,
    by_deal,
    read_book,
)
from projections.ledger import EVERYBODY, THEIRS
from projections.point import LEDGER, End, Knowledge, Point
from projections.portfolio import Show
from projections.timeline import day_of

MOST_BYTES = 128 * 2**20
MOST_BYTES_OF_ANSWERS = 48 * 2**20
LATEST = 2**16, 2**62
"""A day and a position behind all others."""
FAR = 5_000
"""So many events at most are caught up; behind more of them it is quicker to begin anew."""
MANY = 10_000
"""After so many questions they count half: what was asked about long ago counts little."""


def _is(cursor: Cursor[Any], ledger: tuple[int, str]) -> bool:
    return cursor.execute(f"SELECT {LEDGER}").fetchone() == ledger


# ---------------------------------------------------------------------------- what is new

_NEW_POSTINGS: LiteralString = f"""
WITH who AS MATERIALIZED ({EVERYBODY})
SELECT manager_id, {POSTING} FROM ledger.postings JOIN who USING (manager)
WHERE {THEIRS} AND position > %s AND position <= %s ORDER BY manager_id, deal, position
"""
_NEW_STATES: LiteralString = f"""
SELECT {STATE} FROM (
    SELECT DISTINCT deal AS number
    FROM books.events JOIN ledger.deals ON deal_id = originator_id
    WHERE notification_id > %(after)s AND notification_id <= %(last)s AND NOT of_the_directory
) AS changed
CROSS JOIN LATERAL (
    SELECT * FROM ledger.deal_states WHERE deal = changed.number OFFSET 0  -- by its key
) AS states
WHERE position > %(after)s AND position <= %(last)s ORDER BY deal, position
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

    def tell(self, books: dict[ManagerId, Book[Any, Any]]) -> None:
        """Whoever has a deal more than before is removed from `books`."""
        for manager, rows in groupby(self.postings, key=lambda row: row[0]):
            book = books.get(manager)
            if book is not None:
                told = [
                    book.learn_postings(deal, own)
                    for deal, own in by_deal([row[1:] for row in rows])
                ]
                if not all(told):
                    del books[manager]
        for deal, own in by_deal(self.states):
            for book in books.values():
                book.learn_states(deal, own)


# ---------------------------------------------------------------------------- everybody

Told = TypeVar("Told", bound=Sized)


class _Answers(Generic[Told]):
    """By manager, day and position; those that were wanted longest ago are forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._all: OrderedDict[tuple[ManagerId, int, int], Told] = OrderedDict()
        self._of = Counter[ManagerId]()

    def has_some(self, manager: ManagerId) -> bool:
        return manager in self._of

    def get(self, manager: ManagerId, day: int, position: int) -> Told | None:
        told = self._all.get((manager, day, position))
        if told is not None:
            self._all.move_to_end((manager, day, position))
        return told

    def keep(self, manager: ManagerId, day: int, position: int, told: Told) -> None:
        if (manager, day, position) in self._all:
            return
        self._all[manager, day, position] = told
        self._of[manager] += 1
        self._bytes += len(told)
        while self._bytes > self._most_bytes:
            (oldest, *_), forgotten = self._all.popitem(last=False)
            self._bytes -= len(forgotten)
            self._of[oldest] -= 1
            if not self._of[oldest]:
                del self._of[oldest]


class Memory(Generic[Shown, Told]):
    """One for a process; safe for threads, none of which waits for the database behind the lock.

    `show` makes of a deal what is to be told of it, `join` of several what is to be told of them,
    and `tell` of all, in the order of opening, the answer; they must give the same for ever.
    """

    def __init__(
        self,
        show: Show[Shown],
        join: Join[Shown],
        tell: Tell[Shown, Told],
        most_bytes: int = MOST_BYTES,
        most_bytes_of_answers: int = MOST_BYTES_OF_ANSWERS,
    ) -> None:
        self._show, self._join, self._tell = show, join, tell
        self._most_bytes, self._most_bytes_of_answers = most_bytes, most_bytes_of_answers
        self._lock = Lock()
        self._books: OrderedDict[ManagerId, Book[Shown, Told]] = OrderedDict()
        self._asked: Counter[ManagerId] = Counter()
        self._questions = 0
        self._end = End((0, ""), 0)
        self._answers = _Answers[Told](most_bytes_of_answers)

    def told(self, cursor: Cursor[Any], manager: ManagerId, end: End, point: Point) -> Told | None:
        """The manager's deals at the point; None: they are not known here.

        `end` is where the log ended when `point` was found.
        """
        self._catch_up(cursor, end)
        return self.at_hand(manager, end, point)

    def at_hand(self, manager: ManagerId, end: End, point: Point) -> Told | None:
        """The same, if nothing has to be caught up: it waits for nobody."""
        day, position = day_of(point.as_of), point.position
        with self._lock:
            if self._end.ledger != end.ledger:
                return None
            book = self._books.get(manager)
            if book is None or self._end.position < end.position:
                return self._answers.get(manager, day, position)
            self._books.move_to_end(manager)
            self._count(manager)
        return self._from(book, manager, day, position)

    def _from(self, book: Book[Shown, Told], manager: ManagerId, day: int, position: int) -> Told:
        """What is asked is mostly how things stand now, or stood at the end of some month."""
        same = book.same(day, position)
        with self._lock:
            told = self._answers.get(manager, *same)
        if told is None:
            told = book.told(*same)
            with self._lock:
                if self._books.get(manager) is book:  # else of another ledger, maybe
                    self._answers.keep(manager, *same, told)
        return told

    def keep(self, manager: ManagerId, end: End, point: Point, told: Told) -> None:
        """The ledger's answer, found at `point` when the log ended there."""
        with self._lock:
            if self._end.ledger == end.ledger:
                self._answers.keep(manager, day_of(point.as_of), point.position, told)

    def prepare(self, manager: ManagerId, as_of: date, knowledge: Knowledge) -> None:
        """Have ready what `at_hand` will probably be asked for, while the point is looked up: the
        answer by the position that is named, or by all that is known here if none is.
        """
        with self._lock:
            book, end = self._books.get(manager), self._end.position
        if book is not None and knowledge.known_at is None:
            position = end if knowledge.position is None else knowledge.position
            if position <= end:
                self._from(book, manager, day_of(as_of), position)

    def knows(self, manager: ManagerId) -> bool:
        """Anything of the manager's."""
        return manager in self._books or self._answers.has_some(manager)

    def asks_again(self, manager: ManagerId) -> bool:
        """Whether the manager, who is not known here, is worth learning: was asked about before,
        and, where somebody would be forgotten for it, twice as often as they.
        """
        with self._lock:
            self._count(manager)
            often = self._asked[manager]
            if often < 2 or not self._books:
                return often >= 2
            size = sum(book.size for book in self._books.values())
            if size + size // len(self._books) <= self._most_bytes:
                return True
            return often >= 2 * self._asked[next(iter(self._books))]

    def _count(self, manager: ManagerId) -> None:
        self._asked[manager] += 1
        self._questions += 1
        if self._questions >= MANY:
            self._questions = 0
            self._asked = Counter(
                {who: times // 2 for who, times in self._asked.items() if times > 1}
            )

    def learn(self, cursor: Cursor[Any], manager: ManagerId) -> None:
        """Read all of the manager's deals, unless the ledger is replaced meanwhile.

        Whoever has so many that nearly all others would be forgotten is left to the ledger.
        """
        with self._lock:
            end = self._end
        if not _is(cursor, end.ledger):  # also a first statement that is answered soon
            return
        book = read_book(cursor, manager, end.position, self._show, self._join, self._tell)
        book.told(*LATEST)  # most deals are over on most days that are asked about
        if book.size > self._most_bytes // 2 or not _is(cursor, end.ledger):
            return
        own = {manager: book}
        while own and not self._kept(own, end):
            last = self._end.position
            _News.read(cursor, end.position, last).tell(own)
            end = end._replace(position=last)

    def _kept(self, own: dict[ManagerId, Book[Shown, Told]], end: End) -> bool:
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
                if end.ledger != self._end.ledger:
                    self._answers = _Answers(self._most_bytes_of_answers)
                self._end = max(end, self._end) if end.ledger == self._end.ledger else end
                return
        if end.position > after:
            self._learn(_News.read(cursor, after, end.position), end)

    def _learn(self, news: _News, end: End) -> None:
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
