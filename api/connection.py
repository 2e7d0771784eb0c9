"""A connection for questions: it does not wait for ever for a database that says nothing.

A backend that hangs keeps its socket open, and keeps no statement_timeout either; only whoever asks
can tell. So the first statement of a question, which is always a short one, has a deadline within
the two seconds we promise; the later ones have what the database allows them, and a little more.
"""

from typing import TypeVar

from psycopg import Connection, Cursor, OperationalError
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

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


class ImpatientConnection(Connection[TupleRow]):
    """One question at a time, each from `question` on."""

    later_seconds: float = 30 + SLACK_SECONDS
    _seconds: float = FIRST_SECONDS
    _only_cursor: Cursor[TupleRow] | None = None

    def question(self) -> Cursor[TupleRow]:
        """A cursor for the next question: always the same one, which knows how to read answers."""
        self._seconds = FIRST_SECONDS
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


def become_the_service(statement_seconds: int, connection: ImpatientConnection) -> None:
    """`statement_seconds` is the limit that the database keeps."""
    connection.later_seconds = statement_seconds + SLACK_SECONDS
    connection.execute(
        "SELECT set_config('role', 'dealfolio_app', false),"
        " set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),"
        " set_config('idle_in_transaction_session_timeout', '15s', false)",
        [f"{statement_seconds}s", LOCK_TIMEOUT],
    )
