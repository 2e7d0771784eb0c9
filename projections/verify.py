"""Is the live ledger what the log says, and is the log whole, and as its tree has it? Every
difference by name.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections import unfinished
from projections.evidence import checkpoints, tiles
from projections.evidence.follower import changed_between
from projections.evidence.merkle import root
from projections.rebuild import Phase, Phases, Progress, fill, nobody, owner
from projections.replaying import Work
from projections.snapshots import close_cuts_of

CHECK = "ledger_check"
AT_ONCE = 5_000
"""Events that are compared with their leaves at once."""
MOST = 1_000
"""Differences of one kind that are named; the rest is counted."""

_TABLES: dict[str, LiteralString] = {
    "managers": "manager",
    "postings": "position",
    "deals": "deal",
    "deal_states": "position",
    "cuts": "position",
    "snapshots": "cut",
}
"""With the position from which on a row is there."""
_HOLDERS: LiteralString = """
SELECT manager, currency FROM ledger.postings
EXCEPT SELECT manager, currency FROM ledger.holders
"""
_LOG: dict[str, LiteralString] = {
    "a position is missing before this one": """
        SELECT notification_id FROM (
            SELECT notification_id, lag(notification_id, 1, 0::bigint) OVER (
                ORDER BY notification_id) AS before
            FROM books.events) AS log
        WHERE notification_id <> before + 1""",
    "a version of the stream is missing before this event": """
        SELECT notification_id FROM (
            SELECT notification_id, originator_version, lag(originator_version, 1, 0::bigint) OVER (
                PARTITION BY originator_id ORDER BY notification_id) AS before
            FROM books.events) AS log
        WHERE originator_version <> before + 1""",
    "recorded before the event in front of it": """
        SELECT notification_id FROM (
            SELECT notification_id, recorded_at, lag(recorded_at) OVER (
                ORDER BY notification_id) AS before
            FROM books.events) AS log
        WHERE recorded_at <= before""",
    "the columns contradict the stored event": """
        SELECT notification_id FROM (
            SELECT notification_id, recorded_at, convert_from(state, 'UTF8')::jsonb AS stored
            FROM books.events) AS log
        WHERE (stored ->> 'position')::bigint <> notification_id
           OR (stored ->> 'recorded_at')::timestamptz <> recorded_at""",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is wrong, at which `position`; `row` is the ledger's line where there is one."""

    what: str
    position: int
    row: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """`differences` up to MOST of each kind; `count` is all of them."""

    position: int
    count: int
    differences: tuple[Difference, ...]


def verify(conninfo: str, progress: Progress, phases: Phases = nobody) -> Verification:
    """Refold the log beside the live ledger and compare row by row. Changes nothing.

    Raises rebuild.Busy, replaying.Failed for an event that cannot be understood, psycopg.Error.
    """
    with owner(conninfo) as connection:
        try:
            position = unfinished.begin(connection, CHECK)
            fill(connection, Work(conninfo, CHECK, position), progress, phases)
            phases(Phase.SNAPSHOTS)
            close_cuts_of(connection, "ledger", CHECK, position)
            phases(Phase.COMPARING)
            found = [*_log(connection), *_ledger(connection, position), *_evidence(connection)]
        finally:
            with suppress(psycopg.OperationalError):  # without a connection it stays, and is
                unfinished.drop(connection, CHECK)  # dropped by the next one
    kinds: dict[str, int] = {}
    named = []
    for difference in found:
        kinds[difference.what] = kinds.get(difference.what, 0) + 1
        if kinds[difference.what] <= MOST:
            named.append(difference)
    return Verification(position, len(found), tuple(named))


def _log(connection: Connection[TupleRow]) -> Iterator[Difference]:
    for what, statement in _LOG.items():
        for (position,) in connection.execute(statement):
            yield Difference(what, position)


def _evidence(connection: Connection[TupleRow]) -> Iterator[Difference]:
    """Events that are not what the tree over the log has of them, and what was signed of it."""
    cursor = connection.cursor()
    size, newest = tiles.size_of(cursor), checkpoints.newest(cursor)
    for after in range(0, size, AT_ONCE):
        for position in changed_between(cursor, after, min(after + AT_ONCE, size)):
            yield Difference("the event is not what its leaf in the tree says", position)
    if newest and (newest.size > size or root(tiles.reader(cursor), newest.size) != newest.root):
        yield Difference("the tree is not the one that was signed", newest.size)


def _ledger(connection: Connection[TupleRow], position: int) -> Iterator[Difference]:
    """What only one of the two ledgers has, among what is known at `position`."""
    for table, learnt in _TABLES.items():
        live, check = sql.Identifier("ledger", table), sql.Identifier(CHECK, table)
        for what, one, other in (
            (f"{table}: in the ledger and not in the log", live, check),
            (f"{table}: follows from the log and is not in the ledger", check, live),
        ):
            statement = sql.SQL(
                "SELECT {at}, row.* FROM (SELECT * FROM {one} WHERE {at} <= %(to)s"
                " EXCEPT ALL SELECT * FROM {other} WHERE {at} <= %(to)s) AS row"
                " ORDER BY row.{at}"
            ).format(one=one, other=other, at=sql.Identifier(learnt))
            for at, *row in connection.execute(statement, {"to": position}):
                yield Difference(what, at, tuple(row))
    for missing in connection.execute(_HOLDERS):
        yield Difference("holders: without somebody who has postings", 0, missing)
