"""Standbys of PostgreSQL's own replication: the primary says what there is to be known, and a
standby that knows it adds it up.

A question finds its position on the primary, behind everything that was recorded before it. A
standby may answer if it has the very event at that position: positions are in commit order, and
the ledger commits with the log, so it has all that the answer is made of. Whatever keeps it from
answering, the primary answers instead, and the standby is left alone for a while.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import Event
from time import monotonic, sleep
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import Cursor
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.waiting import Ready
from psycopg_pool import ConnectionPool

from api.background import Regularly
from api.connection import CONNECTING, ImpatientConnection, become_the_service

Result = TypeVar("Result")

LOOKS_EVERY_SECONDS = 0.5
CHECKOUT_SECONDS = 0.2
FIRST_SECONDS = 0.4
"""Until its first answer; with the time between two looks, and that which the primary takes, less
than two seconds.
"""
WAITS_SECONDS = 0.1
"""For a standby that is a little behind."""
WAITS_AGAIN_SECONDS = 0.005
REST_SECONDS = 5.0
LOCK_TIMEOUT = "500ms"
"""The replay of a rebuild's switch waits behind a long question, and who asks then behind both."""

EVENT_AT: LiteralString = """
SELECT notification_id, originator_id, originator_version, recorded_at FROM books.events
WHERE notification_id <= %s ORDER BY notification_id DESC LIMIT 1
"""
"""The event at a position. A standby that is behind has an earlier one there or, when it followed a
primary that is none any more, another one.
"""
_EVENT_AT_A_STANDBY: LiteralString = f"""
SELECT * FROM ({EVENT_AT}) AS event WHERE pg_is_in_recovery()
"""

_LOGGER = logging.getLogger("dealfolio.standbys")


class CannotSay(Exception):
    """The standby does not know the position asked about, or is no standby."""


class Standbys:
    """All of them, in turn; there may be none."""

    def __init__(self, conninfos: Sequence[str], readers: int, statement_seconds: int) -> None:
        self._all = [Standby(conninfo, readers, statement_seconds) for conninfo in conninfos]
        self._turns = count()

    def read(
        self, primary: Cursor[Any], position: int, question: Callable[[Cursor[Any]], Result]
    ) -> Result:
        """What `question` gives, which must read nothing but the log and the ledger, of what was
        recorded up to `position`, and may be asked twice. Raises QueryCanceled, and what it raises
        on the primary.
        """
        well = [standby for standby in self._all if standby.is_well]
        event = primary.execute(EVENT_AT, [position]).fetchone() if well else None
        if event is None:
            return question(primary)
        standby = well[next(self._turns) % len(well)]
        try:
            with standby.knowing(event, position) as cursor:
                return question(cursor)
        except psycopg.errors.QueryCanceled:  # it took as long as a question may
            raise
        except (CannotSay, psycopg.Error) as error:
            standby.rest(error)
        return question(primary)

    def close(self) -> None:
        for standby in self._all:
            standby.close()


class _WatchedConnection(ImpatientConnection):
    """Gives up when the standby turns out to be gone, however long the question may take."""

    first_seconds = FIRST_SECONDS
    _gone: Event | None = None

    @contextmanager
    def while_not(self, gone: Event) -> Iterator[Cursor[TupleRow]]:
        self._gone = gone
        try:
            yield self.question()
        finally:
            self._gone = None

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[Result]) -> PQGen[Result]:
        """The same, with a look at it whenever nothing came for an `interval`."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE and self._gone is not None and self._gone.is_set():
                    raise psycopg.OperationalError("the standby does not answer any more")
                wanted = gen.send(ready)
        except StopIteration as ended:
            result: Result = ended.value
            return result


class Standby:
    """One of them, looked at all the time, so that no question has to find out by waiting."""

    def __init__(self, conninfo: str, readers: int, statement_seconds: int) -> None:
        self._name = name_of(conninfo)
        self._gone = Event()
        self._gone.set()  # until it was looked at
        self._rests_until = 0.0
        self._is_told = False
        self._pool = ConnectionPool(
            conninfo,
            min_size=0,
            max_size=readers + 1,
            timeout=CHECKOUT_SECONDS,
            reconnect_timeout=1,
            connection_class=_WatchedConnection,
            kwargs=CONNECTING,
            configure=lambda one: become_the_service(statement_seconds, one, LOCK_TIMEOUT),
            open=True,
        )
        self._looking = Regularly("standby", LOOKS_EVERY_SECONDS, self._look)

    @property
    def is_well(self) -> bool:
        return not self._gone.is_set() and monotonic() >= self._rests_until

    @contextmanager
    def knowing(self, event: TupleRow, position: int) -> Iterator[Cursor[Any]]:
        """A cursor that sees everything up to `position`, where `event` stands. Raises CannotSay,
        psycopg.Error.
        """
        until = monotonic() + WAITS_SECONDS
        with self._pool.connection() as connection, connection.while_not(self._gone) as cursor:
            while cursor.execute(_EVENT_AT_A_STANDBY, [position]).fetchone() != event:
                if monotonic() > until:
                    raise CannotSay(f"it does not know position {position}")
                sleep(WAITS_AGAIN_SECONDS)
            yield cursor
        self._is_told = False

    def rest(self, error: Exception) -> None:
        """Ask nothing of it for a while."""
        self._rests_until = monotonic() + REST_SECONDS
        if not self._is_told:
            self._is_told = True
            _LOGGER.warning("the primary answers instead of %s: %s", self._name, error)

    def _look(self) -> None:
        """Whether it answers, as a standby; while it is gone, less often."""
        if self._gone.is_set() and monotonic() < self._rests_until:
            return
        try:
            with self._pool.connection() as connection:
                _require_standby(connection)
        except (CannotSay, psycopg.Error) as error:
            self._gone.set()
            self._pool.drain()  # the other connections are as likely to be dead
            self.rest(error)
        else:
            self._gone.clear()

    def close(self) -> None:
        self._looking.close()
        self._pool.close()


def _require_standby(connection: ImpatientConnection) -> None:
    """Raises CannotSay."""
    if connection.question().execute("SELECT pg_is_in_recovery()").fetchone() != (True,):
        raise CannotSay("it is no standby")


def name_of(conninfo: str) -> str:
    """Where it is, without anything secret."""
    given = conninfo_to_dict(conninfo)
    return f"{given.get('host') or 'localhost'}:{given.get('port') or 5432}"
