"""Connections for questions: they do not wait for ever for a database that says nothing.

A backend that hangs keeps its socket open, and keeps no statement_timeout either; only whoever asks
can tell. So the first statement of a question, which is always a short one, has a deadline within
the two seconds we promise; the later ones have what the database allows them, and a little more.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection, Connection, Cursor, OperationalError
from psycopg import Error as PsycopgError
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow

from application.orders import Unavailable

Result = TypeVar("Result")

CHECKOUT_SECONDS = 0.9
"""Waiting for a free connection; with the first statement less than two seconds."""
FIRST_SECONDS = 0.9
LOCK_TIMEOUT = "3s"
"""Only the switch at the end of a rebuild locks what questions read, and not for so long."""
GLANCE_SECONDS = 3
"""For a connection of the loop's own; nobody waits for it."""
SLACK_SECONDS = 2
"""Behind the database's own limit by statement: then it will not answer any more."""
TCP = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A host that is gone is noticed by connections that nobody asks: seconds, and milliseconds."""
CONNECTING = {
    "autocommit": True,
    "connect_timeout": 2,
    "application_name": "dealfolio",
    "prepare_threshold": 1,
    **TCP,
}


class ImpatientConnection(Connection[TupleRow]):
    """One question at a time, each from `question` on."""

    first_seconds: float = FIRST_SECONDS
    later_seconds: float = 30 + SLACK_SECONDS
    _seconds: float = FIRST_SECONDS
    _only_cursor: Cursor[TupleRow] | None = None

    def question(self) -> Cursor[TupleRow]:
        """A cursor for the next question: always the same one, which knows how to read answers."""
        self._seconds = self.first_seconds
        if self._only_cursor is None:
            self._only_cursor = self.cursor()
        return self._only_cursor

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        """Every statement waits here. Raises OperationalError, too, when it has waited too long."""
        seconds, self._seconds = self._seconds, self.later_seconds
        try:
            return super().wait(gen, interval, seconds if timeout is None else timeout)
        except OperationalError as error:
            if error.sqlstate is None:  # no word of the database's: it was silent, or hung up
                self.close()
            raise


_BECOME: LiteralString = """
SELECT set_config('role', 'dealfolio_app', false), set_config('statement_timeout', %s, false),
    set_config('lock_timeout', %s, false),
    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false),
    set_config('random_page_cost', '1.1', false),
    set_config('idle_in_transaction_session_timeout', '15s', false)
"""
"""A plan is made once, for any parameters: to make one takes longer than most answers. And a page
that an index tells of is as near as the next one: what is asked about mostly is in memory.
"""


def is_of_the_connection(error: PsycopgError) -> bool:
    """Whether the server has gone, or goes; else it is one statement's, which took too long or
    waited too long for a lock.
    """
    state = error.sqlstate
    return state is None or state[:2] == "08" or state[:3] == "57P"


def become_the_service(
    statement_seconds: int, connection: ImpatientConnection, lock_timeout: str = LOCK_TIMEOUT
) -> None:
    """`statement_seconds` is the limit that the database keeps."""
    connection.later_seconds = statement_seconds + SLACK_SECONDS
    connection.execute(_BECOME, [f"{statement_seconds}s", lock_timeout])


class Glance:
    """One short statement, asked on the loop itself, where memory may know the rest of the answer.

    A thread takes longer to begin and to report back than the database to answer, and so does what
    a cursor does for a statement; so it is prepared once and sent by libpq itself, each behind
    those that are on their way. There is one connection; as long as there is none, one is made
    beside, and questions are asked in threads.

    `statement` has parameters by name, and gives one row.
    """

    def __init__(self, conninfo: str, statement_seconds: int, statement: LiteralString) -> None:
        self._conninfo = conninfo
        self._seconds = statement_seconds
        self._numbers = _Numbers()
        self._statement = statement % self._numbers
        self._line: _Line | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        return self._line is not None and self._line.is_open

    def row(self, asked: Mapping[str, object]) -> "asyncio.Future[TupleRow] | None":
        """It is sent when this returns; None without a connection. The future raises Unavailable
        when no answer comes in time, to all who wait: after that it is too late to ask in a thread.
        """
        if self._line is None or not self._line.is_open:
            self._connect()
            return None
        given = (asked[name] for name in self._numbers)
        return self._line.ask([None if one is None else str(one).encode() for one in given])

    def _connect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connected())

    async def _connected(self) -> None:
        options: dict[str, Any] = CONNECTING
        with suppress(PsycopgError, TimeoutError):  # threads meet it too, and tell
            async with asyncio.timeout(GLANCE_SECONDS):
                connection = await AsyncConnection.connect(self._conninfo, **options)
                try:
                    await connection.execute(_BECOME, [f"{self._seconds}s", LOCK_TIMEOUT])
                    await connection.execute(_BY_INDEX)
                    await connection.execute(f"PREPARE {_NAME} AS {self._statement}".encode())
                except BaseException:
                    connection.pgconn.finish()
                    raise
            self._line = _Line(connection)

    def close(self) -> None:
        """On the loop, if anything was ever asked."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._line is not None:
            self._line.give_up("the service ends")


_NAME = "glance"
_BY_INDEX = "SET enable_seqscan = off"
"""One row is looked for in each table: all rows of a small one would take twice the time."""


class _Numbers(dict[str, str]):
    """What the database calls parameters, by our names for them, in the order of their mention."""

    def __missing__(self, name: str) -> str:
        self[name] = f"${len(self) + 1}"
        return self[name]


class _Line:
    """A connection on which the prepared statement is asked, and those who wait, in order."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection  # whose end is that of its libpq connection
        self._libpq = connection.pgconn
        self._reader = Transformer(connection)
        self._waiting: deque[tuple[asyncio.Future[TupleRow], float]] = deque()
        self._watched = False
        self.is_open = True
        self._socket = self._libpq.socket
        self._libpq.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._arrived)

    def ask(self, given: list[bytes | None]) -> "asyncio.Future[TupleRow]":
        answer: asyncio.Future[TupleRow] = self._loop.create_future()
        now = self._loop.time()
        self._waiting.append((answer, now))
        if not self._watched:
            self._watch(now)
        try:
            self._libpq.send_query_prepared(_NAME.encode(), given)
            self._libpq.pipeline_sync()
            self._libpq.flush()  # what it does not take yet, it takes when it has answered more
        except PsycopgError as error:
            self.give_up(str(error))
        return answer

    def _arrived(self) -> None:
        """Something can be read: answers, a part of one, or that the connection is over."""
        libpq = self._libpq
        try:
            libpq.consume_input()
            libpq.flush()
            while self._waiting and not libpq.is_busy():
                result = libpq.get_result()
                if result is not None and result.status == ExecStatus.TUPLES_OK:
                    self._reader.set_pgresult(result)
                    answer, _ = self._waiting.popleft()
                    if not answer.done():
                        answer.set_result(self._reader.load_row(0, tuple))
                elif result is not None and result.status != ExecStatus.PIPELINE_SYNC:
                    self.give_up(result.error_message.decode(errors="replace"))
        except PsycopgError as error:
            self.give_up(str(error))

    def _watch(self, now: float) -> None:
        """One timer for all: whoever waits is looked at when the first of them would be late."""
        self._watched = bool(self._waiting)
        if self._watched:
            due = self._waiting[0][1] + FIRST_SECONDS
            if due <= now:
                self.give_up("the database says nothing")
            else:
                self._loop.call_at(due, lambda: self._watch(max(due, self._loop.time())))

    def give_up(self, why: str) -> None:
        """A statement that failed may fail for ever as it was prepared; so nothing is kept."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket)
            self._libpq.finish()
        while self._waiting:
            answer, _ = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(Unavailable(why))
