"""The parts put together: the write side, and the connections by which questions are asked."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from threading import Lock
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import Connection, Cursor
from psycopg_pool import ConnectionPool, PoolTimeout

from api.settings import Settings
from application.dealfolio import Dealfolio, utc_now
from application.orders import Unavailable
from domain.values import ManagerId
from projections.directory import DirectoryView
from projections.point import Clock
from projections.portfolio import totals_at

Key = TypeVar("Key")

ANSWERED_BYTES = 16 * 2**20
LOCK_TIMEOUT = "3s"
"""Only the switch at the end of a rebuild locks what questions read, and not for so long."""
READERS = 20
"""Most questions asked of the database at once; the threads of the server are as many."""


class Answered(Generic[Key]):
    """What was answered lately, ready to send: at one (as_of, position) it never changes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0

    def get(self, key: Key) -> bytes | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: Key, answer: bytes) -> None:
        with self._lock:
            self._size += len(answer) - len(self._answers.pop(key, b""))
            self._answers[key] = answer
            while self._size > ANSWERED_BYTES:
                self._size -= len(self._answers.popitem(last=False)[1])


class Service:
    """One for a process. `now` is the clock, in UTC."""

    def __init__(
        self, conninfo: str, settings: Settings, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings
        self.dealfolio = Dealfolio(conninfo, totals_at, settings.zone, now)
        self.directory = DirectoryView()
        self.answered: Answered[tuple[ManagerId, date, int]] = Answered()
        self._now = now
        self._pool = ConnectionPool(
            conninfo,
            min_size=0,
            max_size=READERS,
            timeout=1.5,
            reconnect_timeout=1,
            kwargs={"autocommit": True, "connect_timeout": 2, "application_name": "dealfolio"},
            configure=self._become_the_service,
            open=True,
        )

    @property
    def clock(self) -> Clock:
        return Clock(self._now(), self.settings.zone)

    @contextmanager
    def asking(self) -> Iterator[Cursor[Any]]:
        """A cursor for one question. Raises Unavailable when the database does not answer."""
        try:
            with self._pool.connection() as connection:
                yield connection.cursor()
        except PoolTimeout as error:
            raise Unavailable(str(error)) from error
        except psycopg.OperationalError as error:
            self._pool.check()
            raise Unavailable(str(error)) from error

    def _become_the_service(self, connection: Connection[Any]) -> None:
        connection.execute(
            "SELECT set_config('role', 'dealfolio_app', false),"
            " set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', '15s', false)",
            [f"{self.settings.statement_seconds}s", LOCK_TIMEOUT],
        )

    def close(self) -> None:
        self.dealfolio.close()
        self._pool.close()
