"""The log in PostgreSQL: the library's recorder, written through one locked transaction.

The library's own insert takes a table lock that an append-only role may not take, gives positions
by a sequence (with gaps) and allows nothing to be read under the lock. `Log.writing` instead opens
a transaction, takes an advisory lock that every inserter takes, reads what others have appended,
and appends events and everything that belongs to them at once. Positions are given under the lock
and have no gaps. `Log.appending` leaves the first look out while nobody else writes: a position is
unique, so what was decided on an old end of the log cannot be stored behind a newer one. Nor behind
that of another log: the lock is given for the last event that is known, or refused.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, NamedTuple, NoReturn, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ObjectNotInPrerequisiteState, UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from pydantic import TypeAdapter
from pydantic_core import to_json

from domain.history import DealOpening, DealState
from domain.ledger import Posting
from domain.values import ManagerId

TAIL = 5_000
"""More than this appended by others since the last look, and starting afresh is cheaper."""
BEYOND = 2**62
"""A position behind every event: who asks what came after it wants no tail."""

_SESSION: LiteralString = """
SET ROLE dealfolio_app;
SET lock_timeout = '1500ms';
SET idle_in_transaction_session_timeout = '15s';
SET statement_timeout = '60s';
SET enable_seqscan = off
"""
"""The writer finds everything by a key. What the database plans while a log is short, it keeps
while that grows: to read it through for one event.
"""
_OPTIONS = "-c role=dealfolio_app -c lock_timeout=1500ms -c statement_timeout=60s"
"""The same for the library's connections, which only read."""
_LOCK: LiteralString = "SELECT books.lock_for_writing()"
_GO_ON: LiteralString = "SELECT books.lock_for_writing(%s, %s)"
"""The same, if the log has the event at that position, recorded at that time."""
_COLUMNS: LiteralString = "originator_id, originator_version, topic, state"
_TAIL: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_RECEIPTS: LiteralString = """
SELECT principal, key, request, answer FROM books.receipts
JOIN unnest(%s::text[], %s::text[]) AS asked (principal, key) USING (principal, key)
"""
_STREAMS: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events
WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""
_VERSION: LiteralString = """
SELECT coalesce(max(originator_version), 0) FROM books.events WHERE originator_id = %s
"""
_DIRECTORY: LiteralString = f"""
SELECT {_COLUMNS} FROM books.events WHERE of_the_directory ORDER BY notification_id
"""
_END: LiteralString = """
SELECT notification_id, recorded_at FROM books.events ORDER BY notification_id DESC LIMIT 1
"""
_INSERT_MANAGERS: LiteralString = """
INSERT INTO ledger.managers (manager, manager_id)
SELECT (row ->> 0)::int, row ->> 1 FROM jsonb_array_elements(%s::jsonb) AS row
"""
_INSERT_DEALS: LiteralString = """
INSERT INTO ledger.deals (deal_id, deal, opened_on, title, client, currency)
SELECT (row ->> 0)::uuid, (row ->> 1)::int, (row ->> 2)::date, row ->> 3, row ->> 4, row ->> 5
FROM jsonb_array_elements(%s::jsonb) AS row
"""
_APPEND: LiteralString = """
WITH logged AS (
    INSERT INTO books.events
        (originator_id, originator_version, topic, state, notification_id, recorded_at)
    SELECT (row ->> 0)::uuid, (row ->> 1)::bigint, row ->> 2, convert_to(row ->> 3, 'UTF8'),
           (row ->> 4)::bigint, (row ->> 5)::timestamptz
    FROM jsonb_array_elements(%s::jsonb) AS row
), posted AS (
    INSERT INTO ledger.postings
        (position, due_position, due_cause, deal, manager, account, effective_on, currency,
         amount, credit, progress, actions, deals)
    SELECT (row ->> 0)::int, (row ->> 1)::int, (row ->> 2)::books.cause,
           (SELECT deal FROM ledger.deals WHERE deal_id = (row ->> 3)::uuid),
           (SELECT manager FROM ledger.managers WHERE manager_id = row ->> 4),
           (row ->> 5)::books.account, (row ->> 6)::date, row ->> 7,
           (row ->> 8)::bigint, (row ->> 9)::int, (row ->> 10)::int, (row ->> 11)::int,
           (row ->> 12)::int
    FROM jsonb_array_elements(%s::jsonb) AS row
    RETURNING manager, currency
), holders AS (
    INSERT INTO ledger.holders (manager, currency)
    SELECT DISTINCT manager, currency FROM posted WHERE NOT EXISTS (
        SELECT FROM ledger.holders
        WHERE holders.manager = posted.manager AND holders.currency = posted.currency
    )
), states AS (
    INSERT INTO ledger.deal_states
        (deal, effective_on, position, status, owner, potential_check, progress, expected_close_on)
    SELECT (SELECT deal FROM ledger.deals WHERE deal_id = (row ->> 0)::uuid),
           (row ->> 1)::date, (row ->> 2)::int, row ->> 3,
           (SELECT manager FROM ledger.managers WHERE manager_id = row ->> 4),
           (row ->> 5)::bigint, (row ->> 6)::int, (row ->> 7)::date
    FROM jsonb_array_elements(%s::jsonb) AS row
)
INSERT INTO books.receipts (principal, key, request, answer)
SELECT row ->> 0, row ->> 1, decode(row ->> 2, 'hex'), row -> 3
FROM jsonb_array_elements(%s::jsonb) AS row
"""
"""Nearly all that a command adds, in one statement: what is sent and planned for each is a tenth of
what a command costs. The writers' lock is held by then: nobody waits for a table or a row of
somebody who waits for that.
"""
_INSERT_PEOPLE: LiteralString = """
INSERT INTO books.people (person_id, name)
SELECT row ->> 0, row ->> 1 FROM jsonb_array_elements(%s::jsonb) AS row
ON CONFLICT (person_id) DO UPDATE SET name = excluded.name
"""
_FORGET: LiteralString = """
WITH gone AS (SELECT jsonb_array_elements_text(%s::jsonb) AS id),
    sessions AS (DELETE FROM books.sessions USING gone WHERE account_id::text = id),
    logins AS (DELETE FROM books.passwords USING gone WHERE account_id::text = id),
    subjects AS (DELETE FROM books.identities USING gone WHERE account_id::text = id)
DELETE FROM books.people USING gone WHERE person_id = id
"""
"""A login and an issuer's subject say who somebody is, as a name does. Keys stay: nobody can read
who they were from their hashes, and they open nothing once the account is closed.
"""

Receipts = dict[tuple[str, str], tuple[bytes, dict[str, Any]]]
"""By principal and key: the hash of the request, and the answer it was given."""


StoredRow = tuple[UUID, int, str, bytes, int, datetime]
"""Stream, version, type, state, position, time."""
_EVENTS, _POSTINGS, _STATES = (
    TypeAdapter(list[StoredRow]), TypeAdapter(list[Posting]), TypeAdapter(list[DealState]),
)  # fmt: skip
"""Many rows are written by what their types are known to be, four times as fast."""


@dataclass(slots=True)
class Rows:
    """What one transaction adds, table by table, in the order of the columns."""

    events: list[StoredRow] = field(default_factory=list)
    managers: list[tuple[int, ManagerId]] = field(default_factory=list)
    deals: list[DealOpening] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    states: list[DealState] = field(default_factory=list)
    receipts: list[tuple[str, str, str, Mapping[str, Any]]] = field(default_factory=list)
    """Who, key, hash of the request in hexadecimal digits, answer."""
    people: list[tuple[str, str]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)


class Last(NamedTuple):
    """The last event that is known; position 0: none. By its time, too, it is no other's: a log
    that was cut goes on later than it had.
    """

    position: int
    recorded_at: datetime


class NotDurable(psycopg.OperationalError):
    """The server warned while it committed: the commit may not be on the standby it waits for."""


class Stale(Exception):
    """Others have appended meanwhile, or a key was used before: the next position or the receipt
    was there already; or the log is another. Nothing was stored. Look, and decide again.
    """


class Log(PostgresApplicationRecorder):
    """The library's application recorder on `books.events`; `conninfo` is libpq's, any form."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection[TupleRow] | None = None
        super().__init__(_datastore(conninfo), events_table_name="events")

    def insert_events(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - the library's
        raise TypeError("events are appended by the transactor, under the writers' lock")

    @property
    def is_connected(self) -> bool:
        """Whether the writer's connection seems alive. Nothing may have come in on it: a server
        that stops or is killed says farewell, or hangs up, and both can be read.
        """
        if self._connection is None:
            return False
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    @contextmanager
    def writing(self, last: Last | None, keys: Sequence[tuple[str, str]]) -> Iterator["Writing"]:
        """One transaction under the writers' lock; leaving it without `commit` stores nothing.

        It knows what was appended behind the `last` event that is known (TAIL events at most), and
        the receipts for `keys` (principal, key); or that the log is another, and then, as for None,
        nothing of it. A connection that turns out dead is replaced by a new one, since nothing was
        sent on it yet. Only one thread may write: the transactor's.
        """
        with self._leaving(self._begin(last, keys)) as writing:
            yield writing

    @contextmanager
    def appending(self, last: Last) -> Iterator["Writing"]:
        """The same on the guess that nothing was appended behind `last`, and that no key of the
        orders was used before: nothing is read, and the lock is taken on the way to the insert.
        `commit` raises Stale when the guess was wrong. Only while it `is_connected`.
        """
        assert self._connection is not None, "connected"
        with self._leaving(Writing(self._connection, last)) as writing:
            yield writing

    @contextmanager
    def _leaving(self, writing: "Writing") -> Iterator["Writing"]:
        try:
            yield writing
        finally:
            writing.close()
            if writing.broken:
                self._connection = None

    def _begin(self, last: Last | None, keys: Sequence[tuple[str, str]]) -> "Writing":
        used = self._connection
        if used is not None:
            try:
                return Writing(used, last).lock(keys)
            except psycopg.Error:
                was_dead = used.broken
                self._drop()
                if not was_dead:
                    raise
        self._connection = self._connect()
        try:
            return Writing(self._connection, last).lock(keys)
        except psycopg.Error:
            self._drop()
            raise

    def _drop(self) -> None:
        """A transaction that did not begin well is not to be gone on with."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._drop()
        self.datastore.close()

    def _connect(self) -> Connection[TupleRow]:
        connection = psycopg.connect(
            self._conninfo, autocommit=True, connect_timeout=2, application_name="dealfolio writer"
        )
        connection.execute(_SESSION)
        return connection


class Writing:
    """What one transaction reads and appends; made by `Log`.

    Under the lock, `tail` is what others have appended behind the `last` event that is known, or
    None where the log has not that event, and `known` the receipts that were asked for. Without it
    (`Log.appending`) both are guessed to be empty.
    """

    def __init__(self, connection: Connection[TupleRow], last: Last | None) -> None:
        self._connection = connection
        self._last = last
        self._warnings: list[str] = []
        self.locked = False
        self.known: Receipts = {}
        self.tail: list[StoredEvent] | None = []

    def lock(self, keys: Sequence[tuple[str, str]]) -> "Writing":
        """Begin the transaction, in one round trip; in two where the log is another."""
        try:
            self._lock(keys)
        except ObjectNotInPrerequisiteState:
            self.close()
            self._last = None
            self._lock(keys)
        if self._last is None:
            self.tail = None
        self.locked = True
        return self

    def _lock(self, keys: Sequence[tuple[str, str]]) -> None:
        connection, after = self._connection, self._last.position if self._last else BEYOND
        with connection.pipeline():
            self._take_the_lock()
            tail = connection.execute(_TAIL, [after, TAIL])
            self.known = self.receipts(keys)
            self.tail = _stored(tail)

    def _take_the_lock(self) -> None:
        self._connection.execute("BEGIN")
        if self._last is None:
            self._connection.execute(_LOCK)
        else:
            self._connection.execute(_GO_ON, self._last)

    @property
    def broken(self) -> bool:
        return self._connection.closed or self._connection.broken

    def close(self) -> None:
        """Let go of the lock; what was not committed is gone."""
        if self._connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return
        with suppress(psycopg.Error):
            self._connection.rollback()

    def receipts(self, keys: Sequence[tuple[str, str]]) -> Receipts:
        if not keys:
            return {}
        asked = [[who for who, _ in keys], [key for _, key in keys]]
        found = self._connection.execute(_RECEIPTS, asked).fetchall()
        return {(who, key): (request, answer) for who, key, request, answer in found}

    def end(self) -> tuple[int, datetime | None]:
        """Position and time of the last event; 0 and None for an empty log."""
        row = self._connection.execute(_END).fetchone()
        return (row[0], row[1]) if row else (0, None)

    def directory(self) -> list[StoredEvent]:
        return _stored(self._connection.execute(_DIRECTORY))

    def streams(self, ids: Sequence[UUID]) -> list[StoredEvent]:
        return _stored(self._connection.execute(_STREAMS, [list(ids)]))

    def version(self, stream_id: UUID) -> int:
        """How many events the stream has."""
        row = self._connection.execute(_VERSION, [stream_id]).fetchone()
        assert row is not None, "an aggregate always answers"
        return int(row[0])

    def cursor(self) -> Cursor[TupleRow]:
        """For questions that must be asked under the lock."""
        return self._connection.cursor()

    def append(self, rows: Rows) -> None:
        """Insert; nobody sees it before `commit`."""
        self._insert(rows)

    def sending(self) -> AbstractContextManager[object]:
        """What is appended inside is sent and not waited for: the database inserts it while the
        next orders are decided. What fails is raised by the next reading, or the commit.
        """
        return self._connection.pipeline()

    def commit(self, rows: Rows) -> None:
        """Insert and commit in one round trip. Raises psycopg.Error when it is not certain that
        everything is stored; Stale when it is certain that nothing is, and why.
        """
        connection = self._connection
        connection.add_notice_handler(self._noticed)
        try:
            with connection.pipeline():
                if not self.locked:  # before the tables: whoever switches ledgers locks them second
                    self._take_the_lock()
                self._insert(rows)
                committed = connection.execute("COMMIT")
            if committed.statusmessage != "COMMIT" or self._warnings:
                raise NotDurable(f"{committed.statusmessage} {self._warnings}")
        except (UniqueViolation, ObjectNotInPrerequisiteState) as error:
            if self.locked:
                raise
            raise Stale from error
        finally:
            connection.remove_notice_handler(self._noticed)

    def _noticed(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warnings.append(diagnostic.message_primary or "")

    def _insert(self, rows: Rows) -> None:
        """Every table's rows as one JSON array: one parameter, and no type to be found out."""
        self._each(_INSERT_MANAGERS, rows.managers)
        self._each(_INSERT_DEALS, rows.deals)
        if rows.events:
            self._append(rows)
        self._each(_INSERT_PEOPLE, rows.people)
        self._each(_FORGET, rows.forgotten)

    def _each(self, statement: LiteralString, values: Sequence[object]) -> None:
        if values:
            self._connection.execute(statement, [to_json(values).decode()])

    def _append(self, rows: Rows) -> None:
        written = (
            _EVENTS.dump_json(rows.events),
            _POSTINGS.dump_json(rows.postings),
            _STATES.dump_json(rows.states),
            to_json(rows.receipts),
        )
        self._connection.execute(_APPEND, [one.decode() for one in written])


def _stored(cursor: Cursor[TupleRow]) -> list[StoredEvent]:
    return [StoredEvent(*row) for row in cursor.fetchall()]


def _datastore(conninfo: str) -> PostgresDatastore:
    """The library's pool on any libpq connection string; it knows only five parameters itself."""
    given = conninfo_to_dict(conninfo)
    datastore = PostgresDatastore(
        dbname="", host="", port="", user="", password="", schema="books",
        connect_timeout=2, pool_size=0, max_overflow=4,
    )  # fmt: skip
    kwargs = cast("dict[str, Any]", datastore.pool.kwargs)
    for name in ("dbname", "host", "port", "user", "password"):
        del kwargs[name]
    kwargs |= given | {"options": _OPTIONS}
    return datastore
