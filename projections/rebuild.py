"""A fresh ledger from the log alone, beside the live one, then the switch.

Deals are replayed part by part, on all cores, so memory does not grow with the log; what is
recorded meanwhile is caught up, the last of it under the writers' lock. Interrupted at any time,
the live ledger stands as it was, and the next attempt goes on with what was done.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from time import sleep
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections import unfinished
from projections.replaying import Rows, Work, deals, recordings, replay_all
from projections.snapshots import close_next_cut

Progress = Callable[[int, int], None]
"""Told how many events of how many are replayed."""


class Phase(StrEnum):
    """What is being done, in this order."""

    REPLAYING = "Replaying events"
    ORDER = "Putting postings in order"
    INDEXES = "Making indexes"
    SNAPSHOTS = "Closing snapshots"
    CATCHING_UP = "Catching up"
    SWITCHING = "Switching"
    COMPARING = "Comparing with the live ledger"


Phases = Callable[[Phase], None]

FRESH = "ledger_fresh"
AT_ONCE = 1_000
"""Events read at once."""
FEW = 1_000
"""So few new events are caught up while writers wait."""
SWITCHES = 60
"""Attempts at the switch. Each is given up after a second (lock_timeout): behind it everybody waits
who asks or records.
"""
REBUILDERS_LOCK = 7305815021847160070
OTHERS_LEAVE_WITHIN_S = 5
"""So long their lock is waited for: a server notices late that somebody was killed."""

_PATIENCE: LiteralString = "SELECT set_config('lock_timeout', %s, false)"
_CHANGED: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id <= %s AND originator_id IN (
    SELECT originator_id FROM books.events WHERE notification_id > %s AND NOT of_the_directory)
ORDER BY originator_id, originator_version
"""
_END: LiteralString = "SELECT coalesce(max(notification_id), 0) FROM books.events"


class Busy(Exception):
    """Another rebuild or verification of this database is under way."""


def nobody(_: Phase) -> None:
    """Is told nothing."""


def rebuild(
    conninfo: str, progress: Progress, phases: Phases = nobody, *, afresh: bool = False
) -> int:
    """Replace the ledger; the position up to which it was replayed. `afresh`: what an earlier
    attempt has left is not gone on with.

    Raises Busy, replaying.Failed, psycopg.Error.
    """
    with owner(conninfo) as connection:
        begun = None if afresh else unfinished.begun(connection, FRESH)
        position = unfinished.begin(connection, FRESH) if begun is None else begun
        fill(connection, Work(conninfo, FRESH, position), progress, phases)
        phases(Phase.SNAPSHOTS)
        while close_next_cut(connection, FRESH, position):
            pass
        phases(Phase.CATCHING_UP)
        while (end := _end(connection)) - position > FEW:
            position = _catch_up(connection, position, end)
        phases(Phase.SWITCHING)
        connection.execute("SET synchronous_commit = on")
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
        unfinished.finish(connection, FRESH)
        connection.execute("DROP SCHEMA ledger CASCADE")
        connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO ledger").format(sql.Identifier(FRESH))
        )
    return position


@contextmanager
def owner(conninfo: str) -> Iterator[Connection[TupleRow]]:
    """A connection of the owner of the tables, alone in what it does; what it commits is safe from
    a crash with the switch. Raises Busy.

    On tables in the making it waits for autovacuum, which gives way in a second.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        connection.execute("SET ROLE dealfolio_owner")
        connection.execute(_PATIENCE, [f"{OTHERS_LEAVE_WITHIN_S}s"])
        connection.execute("SET synchronous_commit = off")
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [REBUILDERS_LOCK])
        except psycopg.errors.LockNotAvailable as error:
            said = "another rebuild or verification of this database is under way"
            raise Busy(said) from error
        connection.execute("SET lock_timeout = '30s'")
        try:
            yield connection
        finally:  # likewise of whoever has left
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s)", [REBUILDERS_LOCK])


def fill(connection: Connection[TupleRow], work: Work, progress: Progress, phases: Phases) -> None:
    """The parts of a ledger in the making that it does not have yet, their order and the indexes.

    Raises replaying.Failed, psycopg.Error.
    """
    schema = work.schema
    if unfinished.is_in_order(connection, schema):
        progress(work.position, work.position)
        return
    phases(Phase.REPLAYING)
    done, parts = unfinished.parts(connection, schema)
    total = done + sum(part.events for part in parts)

    def told(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    told(0)
    replay_all(work, parts, told)
    phases(Phase.ORDER)
    with connection.transaction():
        unfinished.put_in_order(connection, schema)
        phases(Phase.INDEXES)
        unfinished.make_indexes(connection, schema)


def _catch_up(connection: Connection[TupleRow], position: int, end: int) -> int:
    """Add what was recorded in (position, end]."""
    with connection.transaction(), connection.cursor("changed") as changed:
        changed.itersize = AT_ONCE
        rows = Rows(connection, FRESH)
        for events in deals(changed.execute(_CHANGED, [end, position])):
            rows.add(
                recording
                for recorded, recording in zip(events, recordings(events), strict=True)
                if recorded.position > position
            )
        rows.copy()
        unfinished.move(connection, FRESH, end)
        unfinished.settle(connection, FRESH)
    return end


def _end(connection: Connection[TupleRow]) -> int:
    row = connection.execute(_END).fetchone()
    assert row is not None, "an aggregate always answers"
    return int(row[0])
