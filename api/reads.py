"""Who looked at what, as of when: noted behind the answers, in batches, for those who audit."""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor
from pydantic_core import to_json

from api.background import Regularly
from domain.values import AccountId

EVERY_SECONDS = 1.0
MOST_WAITING = 100_000
"""Of them the earliest are lost when the database is away for so long."""

_INSERT: LiteralString = """
INSERT INTO books.reads (read_at, account_id, question, status, manager_id, deal_id, asked)
SELECT (row ->> 0)::timestamptz, (row ->> 1)::uuid, row ->> 2, (row ->> 3)::int, row ->> 4,
       row ->> 5, row -> 6
FROM jsonb_array_elements(%s::jsonb) AS row
"""
_PAGE: LiteralString = """
SELECT read_id, read_at, account_id, question, status, manager_id, deal_id, asked FROM books.reads
WHERE read_id > %(after)s
  AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s)
  AND (%(manager_id)s::text IS NULL OR manager_id = %(manager_id)s)
  AND (%(deal_id)s::text IS NULL OR deal_id = %(deal_id)s)
  AND (%(first)s::timestamptz IS NULL OR read_at >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR read_at < %(last)s)
ORDER BY read_id LIMIT %(limit)s
"""


class Read(NamedTuple):
    """`asked` are the parameters as they were given; `status` that of the answer (HTTP)."""

    read_at: datetime
    account_id: AccountId
    question: str
    status: int
    manager_id: str | None
    deal_id: str | None
    asked: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReadsWanted:
    """`first` is inclusive, `last` exclusive; None: whatever."""

    account_id: UUID | None = None
    manager_id: str | None = None
    deal_id: str | None = None
    first: date | datetime | None = None
    last: date | datetime | None = None


class ReadLog:
    """One for a process. `asking` gives a cursor, or raises Unavailable."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Cursor[Any]]]) -> None:
        self._asking = asking
        self._waiting: deque[Read] = deque(maxlen=MOST_WAITING)
        self._lock = Lock()
        self._writing = Regularly("reads", EVERY_SECONDS, self.write)

    def note(self, read: Read) -> None:
        """Costs the reader nothing: it is written within EVERY_SECONDS."""
        self._waiting.append(read)

    def page(self, wanted: ReadsWanted, after: int, limit: int) -> list[tuple[int, Read]]:
        """With their ids, in the order in which they were written, behind the id `after`."""
        self.write()
        asked = {
            "after": after,
            "limit": limit,
            "account_id": wanted.account_id,
            "manager_id": wanted.manager_id,
            "deal_id": wanted.deal_id,
            "first": wanted.first,
            "last": wanted.last,
        }
        with self._asking() as cursor:
            return [(row[0], Read(*row[1:])) for row in cursor.execute(_PAGE, asked)]

    def write(self) -> None:
        """Everything noted so far, when this returns. Raises Unavailable, and then it is kept."""
        with self._lock:
            batch: list[Read] = []
            while self._waiting:
                batch.append(self._waiting.popleft())
            if not batch:
                return
            try:
                with self._asking() as cursor:
                    cursor.execute(_INSERT, [to_json([_storable(read) for read in batch]).decode()])
            except BaseException:
                room = MOST_WAITING - len(self._waiting)  # what came meanwhile is later
                self._waiting.extendleft(reversed(batch[max(len(batch) - room, 0) :]))
                raise

    def close(self) -> None:
        self._writing.close()
        self._writing.once()


def _storable(read: Read) -> Read:
    """PostgreSQL has no place for NUL, and one line that cannot be written would keep all others
    from being written with it.
    """
    return read._replace(
        manager_id=read.manager_id and _without_nul(read.manager_id),
        deal_id=read.deal_id and _without_nul(read.deal_id),
        asked={_without_nul(name): _without_nul(value) for name, value in read.asked.items()},
    )


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
