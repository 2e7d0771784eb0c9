"""A fresh ledger from the log alone, beside the live one, then the switch.

Deals are replayed one by one, so memory does not grow with the log; what is recorded meanwhile is
caught up, the last of it under the writers' lock. Interrupted at any time, the live ledger stands
as it was.
"""

import gc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from time import sleep
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from domain.events import DealEvent, Recorded, decode, is_about_a_deal
from domain.history import DealOpening, DealState, Recording, replay
from domain.ledger import Posting
from projections.ledger import create_ledger, create_ledger_indexes

Progress = Callable[[int, int], None]
"""Told how many events of how many are replayed."""

FRESH = "ledger_fresh"
STAGED = "staged"
"""Postings on their way, deal by deal."""
AT_ONCE = 1_000
"""Events read at once."""
CHUNK = 20_000
"""Rows copied at once."""
FEW = 1_000
"""So few new events are caught up while writers wait."""
SWITCHES = 60
"""Attempts at the switch. Each is given up after a second (lock_timeout): behind it everybody waits
who asks or records.
"""
REBUILDERS_LOCK = 7305815021847160067

_STREAMS: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id <= %s AND NOT of_the_directory
ORDER BY originator_id, originator_version
"""
_CHANGED: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id <= %s AND originator_id IN (
    SELECT originator_id FROM books.events WHERE notification_id > %s AND NOT of_the_directory)
ORDER BY originator_id, originator_version
"""
_END: LiteralString = "SELECT coalesce(max(notification_id), 0) FROM books.events"


class Busy(Exception):
    """Another rebuild or verification of this database is under way."""


def rebuild(conninfo: str, progress: Progress) -> int:
    """Replace the ledger; the position up to which it was replayed. Raises Busy.

    Its snapshots are closed again by whoever serves.
    """
    with owner(conninfo) as connection:
        position = fill(conninfo, connection, FRESH, progress)
        while (end := _end(connection)) - position > FEW:
            position = _catch_up(connection, position, end)
        for _ in range(SWITCHES):
            try:
                return _switch(connection, position)
            except psycopg.errors.LockNotAvailable:  # a long question: let others by, and again
                sleep(0.5)
        raise Busy("somebody reads the ledger without end: see pg_stat_activity, and repeat")


def _switch(connection: Connection[TupleRow], position: int) -> int:
    """The last events, and the fresh ledger in the place of the old one."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        connection.execute("SELECT books.lock_for_writing()")
        position = _catch_up(connection, position, _end(connection))
        connection.execute("DROP SCHEMA ledger CASCADE")
        connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO ledger").format(sql.Identifier(FRESH))
        )
    return position


@contextmanager
def owner(conninfo: str) -> Iterator[Connection[TupleRow]]:
    """A connection of the owner of the tables, alone in what it does. Raises Busy.

    On tables in the making it waits for autovacuum, which gives way in a second.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SET ROLE dealfolio_owner; SET lock_timeout = '30s'")
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [REBUILDERS_LOCK]).fetchone()
        if row is None or not row[0]:
            raise Busy("another rebuild or verification of this database is under way")
        try:
            yield connection
        finally:  # a server notices later that somebody has left
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s)", [REBUILDERS_LOCK])


def fill(conninfo: str, connection: Connection[TupleRow], schema: str, progress: Progress) -> int:
    """A new ledger in `schema`, with indexes, up to the log's present end, which it returns."""
    with connection.transaction():
        connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        )
        create_ledger(connection, schema)
        connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} (LIKE {})").format(
                sql.Identifier(schema, STAGED), sql.Identifier(schema, "postings")
            )
        )
    position = _end(connection)
    rows = _Rows(connection, schema, postings=STAGED)
    with _without_collector(), closing(_streams(conninfo, position)) as log:
        done = 0
        for events in _deals(log):
            rows.add(replay(events))
            done += len(events)
            progress(done, position)
    rows.copy()
    with connection.transaction():
        _put_in_order(connection, schema)
        create_ledger_indexes(connection, schema)
    progress(position, position)
    return position


def _put_in_order(connection: Connection[TupleRow], schema: str) -> None:
    """Postings lie in the order of positions, as they do where they are written one by one: what
    was learnt in a stretch of the log is read from few pages.
    """
    staged, postings = sql.Identifier(schema, STAGED), sql.Identifier(schema, "postings")
    connection.execute("SET LOCAL work_mem = '256MB'")
    connection.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {} ORDER BY position").format(postings, staged)
    )
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))


def _streams(conninfo: str, position: int) -> Generator[TupleRow, None, None]:
    """The log up to `position`, stream by stream. The server reads on while events are replayed."""
    with psycopg.connect(conninfo, autocommit=True) as reader:
        yield from reader.cursor().stream(_STREAMS, [position], binary=True, size=AT_ONCE)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A replay makes millions of objects without a cycle among them, and none that stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _catch_up(connection: Connection[TupleRow], position: int, end: int) -> int:
    """Add what was recorded in (position, end]."""
    rows = _Rows(connection, FRESH)
    for events in _deals(connection.execute(_CHANGED, [end, position])):
        rows.add(
            recording
            for recorded, recording in zip(events, replay(events), strict=True)
            if recorded.position > position
        )
    rows.copy()
    return end


def _end(connection: Connection[TupleRow]) -> int:
    row = connection.execute(_END).fetchone()
    assert row is not None, "an aggregate always answers"
    return int(row[0])


def _deals(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Recorded[DealEvent]]]:
    """The events of one deal after the other, each in the order of recording."""
    for _, stream in groupby(rows, key=lambda row: row[0]):
        yield list(filter(is_about_a_deal, (decode(*row) for row in stream)))


class _Rows:
    """Rows of the read model on their way into `schema`, copied as they come to be many."""

    def __init__(
        self, connection: Connection[TupleRow], schema: str, postings: str = "postings"
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._table = postings
        self._postings: list[Posting] = []
        self._states: list[DealState] = []
        self._deals: list[DealOpening] = []

    def add(self, recordings: Iterable[Recording]) -> None:
        for recording in recordings:
            self._postings += recording.postings
            self._states += recording.states
            if (opening := recording.opening) is not None:
                self._deals.append(opening)
        if len(self._postings) >= CHUNK:
            self.copy()

    def copy(self) -> None:
        for table, rows in (
            (self._table, self._postings),
            ("deal_states", self._states),
            ("deals", self._deals),
        ):
            name = sql.Identifier(self._schema, table)
            cursor = self._connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name))
            types = [column.type_code for column in cursor.description or ()]
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)
            with cursor.copy(statement) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
            rows.clear()
