"""Connections for questions: they do not wait for ever for a database that says nothing.

A backend that hangs keeps its socket open, and keeps no statement_timeout either; only whoever asks
can tell. So the first statement of a question, which is always a short one, has a deadline within
the two seconds we promise; the later ones have what the database allows them, and a little more.
"""

import asyncio
from contextlib import suppress
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection, Connection, Cursor, OperationalError
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from application.orders import Unavailable

Result = TypeVar("Result")

CHECKOUT_SECONDS = 0.9
"""Waiting for a free connection; with the first statement less than two seconds."""
FIRST_SECONDS = 0.9
LOCK_TIMEOUT = "3s"
"""Only the switch at the end of a rebuild locks what questions read, and not for so long."""
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
    set_config('idle_in_transaction_session_timeout', '15s', false)
"""
"""A plan is made once, for any parameters: to make one takes longer than most answers."""


def become_the_service(
    statement_seconds: int, connection: ImpatientConnection, lock_timeout: str = LOCK_TIMEOUT
) -> None:
    """`statement_seconds` is the limit that the database keeps."""
    connection.later_seconds = statement_seconds + SLACK_SECONDS
    connection.execute(_BECOME, [f"{statement_seconds}s", lock_timeout])


class _LoopConnection(AsyncConnection[TupleRow]):
    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's
    ) -> Result:
        seconds = FIRST_SECONDS if timeout is None else timeout
        try:
            return await super().wait(gen, interval, seconds)
        except OperationalError as error:
            if error.sqlstate is None:  # likewise
                await self.close()
            raise


class Glance:
    """One short statement, asked on the loop itself, where memory may know the rest of the answer.

    A thread takes longer to begin and to report back than the database to answer. There is one
    connection, and who comes meanwhile waits behind; as long as there is none, one is made beside,
    and questions are asked in threads.
    """

    def __init__(self, conninfo: str, statement_seconds: int) -> None:
        self._conninfo = conninfo
        self._seconds = statement_seconds
        self._turn = asyncio.Lock()
        self._connection: _LoopConnection | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and not self._connection.closed

    async def row(self, statement: LiteralString, asked: dict[str, Any]) -> TupleRow | None:
        """None without a connection. Raises Unavailable when no answer comes in time, to all who
        wait: after that it is too late to ask in a thread.
        """
        connection = self._connection
        if connection is None or connection.closed:
            self._connect()
            return None
        try:
            async with self._turn:
                return await (await connection.execute(statement, asked)).fetchone()
        except OperationalError as error:
            raise Unavailable(str(error)) from error

    def _connect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connected())

    async def _connected(self) -> None:
        options: dict[str, Any] = CONNECTING
        with suppress(OperationalError):  # threads meet it too, and tell
            connection = await _LoopConnection.connect(self._conninfo, **options)
            await connection.execute(_BECOME, [f"{self._seconds}s", LOCK_TIMEOUT])
            self._connection = connection

    def close(self) -> None:
        """On the loop, if anything was ever asked."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.pgconn.finish()
