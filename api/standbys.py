"""Reading scaled out: PostgreSQL's own copies of the database, asked as far as they have come.

Where a question stands, and who may ask it, the primary tells, in a short look: so whoever asks
next sees what was answered before. What is added up for it stands at a position, and whatever is
known up to a position never changes; a standby that has replayed so far gives the same answer.
One that lags, hangs, is gone or is a standby no more costs a moment, and then rests.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from threading import Event
from time import monotonic
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import Cursor
from psycopg_pool import ConnectionPool, PoolTimeout

from api.connection import CONNECTING, ImpatientConnection, become_the_service

T = TypeVar("T")
_LOG = logging.getLogger("dealfolio")

CHECKOUT_SECONDS = 0.2
BEHIND_SECONDS = 0.1
"""So long a question waits for what is on its way to a standby."""
LOOK_AGAIN_SECONDS = 0.01
REST_SECONDS = 5.0
"""So long a standby that failed is not asked again."""
_STATE: LiteralString = """
SELECT pg_is_in_recovery(), coalesce(max(notification_id), 0) FROM books.events
"""


class Standbys:
    """All that there are, maybe none; safe for threads. `conninfos` are libpq's."""

    def __init__(self, conninfos: Sequence[str], readers: int, statement_seconds: int) -> None:
        self._all = [_Standby(one, readers, statement_seconds) for one in conninfos]
        self._turns = count()

    def read(self, primary: Cursor[Any], position: int, question: Callable[[Cursor[Any]], T]) -> T:
        """What `question` gives, asked of a standby that knows all up to `position`; if that cannot
        be had soon, of the `primary`. It must give the same for ever, and may be asked twice.
        """
        standby = self._next()
        if standby is not None:
            try:
                with standby.pool.connection() as connection:
                    cursor = connection.question()
                    if _has_come_to(cursor, position):
                        return question(cursor)
            except psycopg.errors.QueryCanceled:  # it takes too long, and would so anywhere
                raise
            except (psycopg.Error, PoolTimeout) as error:
                _LOG.warning("a standby is not asked for a while: %s", error)
                standby.rests_until = monotonic() + REST_SECONDS
                standby.pool.drain()
        return question(primary)

    def _next(self) -> "_Standby | None":
        """Of those that do not rest, each in its turn. One at most for a question: it must be
        answered in time.
        """
        now = monotonic()
        ready = [standby for standby in self._all if standby.rests_until <= now]
        return ready[next(self._turns) % len(ready)] if ready else None

    def close(self) -> None:
        for standby in self._all:
            standby.pool.close()


class _Standby:
    def __init__(self, conninfo: str, readers: int, statement_seconds: int) -> None:
        self.rests_until = 0.0
        self.pool = ConnectionPool(
            conninfo,
            min_size=0,
            max_size=readers,
            timeout=CHECKOUT_SECONDS,
            reconnect_timeout=1,
            connection_class=ImpatientConnection,
            kwargs=CONNECTING,
            configure=partial(become_the_service, statement_seconds),
            open=True,
        )


def _has_come_to(cursor: Cursor[Any], position: int) -> bool:
    """Raises psycopg.Error, also where it is no standby any more: what that knows may be wrong."""
    until = monotonic() + BEHIND_SECONDS
    while True:
        row = cursor.execute(_STATE).fetchone()
        assert row is not None, "an aggregate always answers"
        is_standby, end = row
        if not is_standby:
            raise psycopg.OperationalError("no standby")
        if end >= position:
            return True
        if monotonic() >= until:
            return False
        Event().wait(LOOK_AGAIN_SECONDS)
