"""A ledger in the making, and what is known of it: which parts of the log are in it already.

The log is cut into parts, whole streams each, and a part's rows are committed together with the
word that it is done. So whoever is interrupted, in whatever way, leaves a ledger that can be gone
on with. The notes, and the postings as long as they are on their way, are in unlogged tables: a
server that crashes empties all of them, and a ledger without notes is begun anew.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections.ledger import create_ledger, create_ledger_indexes

PART = 5_000
"""Events of a part, or a stream's more."""
_MEMORY: LiteralString = """
SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '256MB'
"""
"""What the server may use for one sort; more is sorted on disk."""

_NOTES: LiteralString = """
CREATE UNLOGGED TABLE staged_postings (
    position int, due_position int, due_cause text, deal_id uuid, manager_id text, account text,
    effective_on date, currency text, amount bigint, credit smallint, progress smallint,
    actions smallint, deals smallint
);
CREATE UNLOGGED TABLE staged_states (
    deal_id uuid, effective_on date, position int, status text, owner text, potential_check bigint,
    progress smallint, expected_close_on date
);
CREATE UNLOGGED TABLE parts (
    first  uuid    PRIMARY KEY,              -- the streams from this one on
    behind uuid,                             -- up to this one, exclusive; null: to the last
    events bigint  NOT NULL,
    done   boolean NOT NULL DEFAULT false
);
CREATE UNLOGGED TABLE made (                 -- one row
    position    bigint NOT NULL,             -- up to which the log is, or will be, in here
    recorded_at timestamptz,                 -- of the event there; null: there is none
    code        bytea  NOT NULL              -- by which the rows are made
);
"""
_MADE: LiteralString = """
INSERT INTO made SELECT coalesce(max(position), 0), max(recorded_at), %s FROM (
    SELECT notification_id AS position, recorded_at
    FROM books.events ORDER BY notification_id DESC LIMIT 1) AS last
"""
_PLAN: LiteralString = """
INSERT INTO parts (first, behind, events)
SELECT CASE WHEN part = 0 THEN '00000000-0000-0000-0000-000000000000' ELSE first END,
       lead(first) OVER (ORDER BY part), events
FROM (
    SELECT part, (array_agg(stream ORDER BY stream))[1] AS first, sum(events) AS events
    FROM (
        SELECT originator_id AS stream, count(*) AS events,
               ((sum(count(*)) OVER (ORDER BY originator_id) - count(*)) / %s)::bigint AS part
        FROM books.events GROUP BY originator_id) AS streams
    GROUP BY part) AS parts
"""
_SETTLE: LiteralString = """
INSERT INTO managers (manager, manager_id)
SELECT notification_id, convert_from(state, 'UTF8')::jsonb #>> '{data,manager_id}'
FROM books.events
WHERE of_the_directory AND topic = 'ManagerRegistered'
  AND notification_id > (SELECT coalesce(max(manager), 0) FROM managers)
  AND notification_id <= (SELECT position FROM made);

INSERT INTO postings
    (position, due_position, due_cause, deal, manager, account, effective_on, currency,
     amount, credit, progress, actions, deals)
SELECT position, due_position, due_cause::books.cause, deal, manager, account::books.account,
       effective_on, staged.currency, amount, credit, progress, actions, staged.deals
FROM staged_postings AS staged LEFT JOIN deals USING (deal_id) LEFT JOIN managers USING (manager_id)
ORDER BY position;

INSERT INTO holders
SELECT DISTINCT manager, staged.currency
FROM staged_postings AS staged LEFT JOIN managers USING (manager_id) ON CONFLICT DO NOTHING;

INSERT INTO deal_states
    (deal, effective_on, position, status, owner, potential_check, progress, expected_close_on)
SELECT deal, effective_on, position, status, manager, potential_check, progress, expected_close_on
FROM staged_states LEFT JOIN deals USING (deal_id) LEFT JOIN managers ON manager_id = owner;

TRUNCATE staged_postings, staged_states
"""
_FITS: LiteralString = """
SELECT position FROM {} WHERE code = %s AND recorded_at IS NOT DISTINCT FROM (
    SELECT recorded_at FROM books.events WHERE notification_id = position)
"""
_MOVED: LiteralString = """
UPDATE {} SET position = %(to)s,
    recorded_at = (SELECT recorded_at FROM books.events WHERE notification_id = %(to)s)
"""


class Part(NamedTuple):
    """The streams from `first` up to `behind`, exclusive; None: to the last."""

    first: UUID
    behind: UUID | None
    events: int


def begin(connection: Connection[TupleRow], schema: str) -> int:
    """An empty ledger in `schema`, and the plan to fill it up to the log's end, which it returns.
    What is in `schema` is dropped.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        drop(connection, schema)
        create_ledger(connection, schema)
        connection.execute(_NOTES)
        connection.execute(_MADE, [_code()])
        connection.execute(_PLAN, [PART])
        row = connection.execute("SELECT position FROM made").fetchone()
        assert row is not None, "it was written just now"
        return int(row[0])


def drop(connection: Connection[TupleRow], schema: str) -> None:
    """Waits a little: somebody who was killed in here may not have been missed yet."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        )


def begun(connection: Connection[TupleRow], schema: str) -> int | None:
    """Up to which position the ledger in `schema` is to be filled; None: there is none to go on
    with, or other code has made its rows, or from another log.
    """
    if not _exists(connection, schema, "made"):
        return None
    fits = sql.SQL(_FITS).format(sql.Identifier(schema, "made"))
    row = connection.execute(fits, [_code()]).fetchone()
    return None if row is None else int(row[0])


def parts(connection: Connection[TupleRow], schema: str) -> tuple[int, list[Part]]:
    """How many events are replayed already, and the parts that are not."""
    if is_in_order(connection, schema):
        return 0, []
    rows = connection.execute(
        sql.SQL("SELECT first, behind, events, done FROM {} ORDER BY first").format(
            sql.Identifier(schema, "parts")
        )
    ).fetchall()
    done = sum(events for _, _, events, is_done in rows if is_done)
    return done, [Part(*part) for *part, is_done in rows if not is_done]


def claim(connection: Connection[TupleRow], schema: str, part: Part) -> bool:
    """In the transaction that will write the part's rows. False: somebody else has written them;
    whoever is about to is waited for.
    """
    claimed = sql.SQL("UPDATE {} SET done = true WHERE first = %s AND NOT done")
    table = sql.Identifier(schema, "parts")
    return connection.execute(claimed.format(table), [part.first]).rowcount == 1


def is_in_order(connection: Connection[TupleRow], schema: str) -> bool:
    return not _exists(connection, schema, "parts")


def put_in_order(connection: Connection[TupleRow], schema: str) -> None:
    """What the parts have staged becomes the ledger's."""
    connection.execute(_MEMORY)
    settle(connection, schema)
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, "parts")))


def settle(connection: Connection[TupleRow], schema: str) -> None:
    """In a transaction: what is staged is numbered and settles in the ledger.

    Postings lie in the order of positions, as they do where they are written one by one: what was
    learnt in a stretch of the log is read from few pages.
    """
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    connection.execute(_SETTLE)


def make_indexes(connection: Connection[TupleRow], schema: str) -> None:
    create_ledger_indexes(connection, schema)
    for table in ("postings", "deals", "deal_states"):  # nobody has counted rows for the planner
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))


def move(connection: Connection[TupleRow], schema: str, position: int) -> None:
    """In the transaction that has added what was recorded up to `position`."""
    moved = sql.SQL(_MOVED).format(sql.Identifier(schema, "made"))
    connection.execute(moved, {"to": position})


def finish(connection: Connection[TupleRow], schema: str) -> None:
    """No note is left: what remains is a ledger."""
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    connection.execute("DROP TABLE made, staged_postings, staged_states")


def _exists(connection: Connection[TupleRow], schema: str, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{schema}.{table}"]).fetchone()
    return row is not None and bool(row[0])


@cache
def _code() -> bytes:
    """Whatever decides which rows an event makes is in these two packages."""
    here = Path(__file__).parent
    files = sorted(
        file
        for folder in (here, here.parent / "domain")
        for file in folder.iterdir()
        if file.suffix in {".py", ".sql"}
    )
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).digest()
