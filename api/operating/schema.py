"""The tables: made and migrated at start, versioned, nothing ever lost.

Two roles that nobody signs in as: `dealfolio_owner` owns the tables, `dealfolio_app` is what the
service becomes (SET ROLE), and may append to the log and read it but neither update, delete nor
truncate it. The account in the connection string needs to be a member of both, or a superuser, or
able to create them.
"""

import logging
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from projections.ledger import create_ledger, create_ledger_indexes
from projections.rebuild import Busy, rebuild
from projections.replaying import Failed

_ROOT = Path(__file__).parents[2]
MIGRATIONS: tuple[tuple[str, Path | None], ...] = (
    ("books", _ROOT / "application" / "books.sql"),
    ("access", _ROOT / "application" / "access.sql"),
    ("positions", _ROOT / "application" / "positions.sql"),
    ("snapshots", _ROOT / "projections" / "ledger_snapshots.sql"),
    ("numbers", None),
    ("claims", _ROOT / "application" / "claims.sql"),
    ("imports", _ROOT / "application" / "imports.sql"),
    ("immutable", _ROOT / "application" / "immutable.sql"),
    ("evidence", _ROOT / "projections" / "evidence" / "evidence.sql"),
    ("marks", None),
    ("digests", _ROOT / "application" / "digests.sql"),
    ("amendments", _ROOT / "application" / "amendments.sql"),
    ("continuity", _ROOT / "application" / "continuity.sql"),
    ("languages", _ROOT / "application" / "languages.sql"),
)
"""In order, each run once in its own transaction; what was released is never edited. None: the
ledger's tables have changed, and it is made anew from the log, once for all such changes.
"""

MIGRATORS_LOCK = 7305815021847160066
MINIMUM_VERSION = 150000
_LOG = logging.getLogger("dealfolio")

_ROLES: LiteralString = """
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dealfolio_owner', 'dealfolio_app'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another process made it meanwhile
        END;
        IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO dealfolio_owner', current_database());
END $$
"""


class SchemaError(Exception):
    """The database cannot be used as it is; the message says what to do."""


def migrate(conninfo: str) -> list[str]:
    """Bring the tables up to this version; the names of the migrations that were run.

    Several processes may do it at once: one does, the others wait. Raises SchemaError for a server
    that is too old, a database that a newer version has migrated, missing rights, or a log that
    cannot be replayed.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        if connection.info.server_version < MINIMUM_VERSION:
            raise SchemaError(
                f"PostgreSQL {connection.info.parameter_status('server_version')} is too old:"
                " Dealfolio needs 15 or newer"
            )
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATORS_LOCK])
        connection.execute("SET lock_timeout = '60s'")  # behind the wait for other migrators
        try:
            return _migrate(connection, conninfo)
        except psycopg.errors.InsufficientPrivilege as error:
            raise SchemaError(
                f"the account {connection.info.user} may not prepare the database: {error}. Run"
                " `dealfolio verify` once as an account that may make tables, or let an"
                " administrator run `CREATE ROLE dealfolio_owner; CREATE ROLE dealfolio_app; GRANT"
                f" dealfolio_owner, dealfolio_app TO {connection.info.user}; GRANT CREATE ON"
                f" DATABASE {connection.info.dbname} TO dealfolio_owner`"
            ) from error


def _migrate(connection: Connection[TupleRow], conninfo: str) -> list[str]:
    done = _done(connection)
    names = [name for name, _ in MIGRATIONS]
    if unknown := [name for name in done if name not in names]:
        raise SchemaError(
            f"a newer version of Dealfolio has migrated this database ({', '.join(unknown)}):"
            " run that version"
        )
    missing = [(name, path) for name, path in MIGRATIONS if name not in done]
    if missing or not _has_rights(connection):
        connection.execute(_ROLES)
    if missing:
        connection.execute("SET ROLE dealfolio_owner")
        is_old = names[0] in done
        for name, path in missing:
            if path is None and is_old:
                _make_the_ledger_anew(conninfo)
                is_old = False
            with connection.transaction():
                _run(connection, name, path)
    return [name for name, _ in missing]


def _make_the_ledger_anew(conninfo: str) -> None:
    """Raises SchemaError."""
    _LOG.warning("the ledger is made anew, which takes a minute for a million events")
    try:
        rebuild(conninfo, lambda _done, _of: None)
    except (Busy, Failed) as error:
        raise SchemaError(
            f"the ledger could not be made anew, and stands as it was: {error}"
        ) from error


def _done(connection: Connection[TupleRow]) -> list[str]:
    row = connection.execute("SELECT to_regclass('books.migrations') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return []
    return [name for (name,) in connection.execute("SELECT name FROM books.migrations")]


def _has_rights(connection: Connection[TupleRow]) -> bool:
    """A copied or restored database has its tables, and not what was granted on the database."""
    row = connection.execute(
        "SELECT has_database_privilege('dealfolio_owner', current_database(), 'CREATE')"
    ).fetchone()
    return row is not None and bool(row[0])


def _run(connection: Connection[TupleRow], name: str, path: Path | None) -> None:
    if name == MIGRATIONS[0][0]:
        connection.execute("CREATE SCHEMA IF NOT EXISTS books")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS books.migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        create_ledger(connection, "ledger")
        create_ledger_indexes(connection, "ledger")
    if path is not None:
        connection.execute("SET LOCAL search_path = ledger")  # scripts serve any ledger's schema
        connection.execute(_script(path))
    connection.execute("INSERT INTO books.migrations (name) VALUES (%s)", [name])


def _script(path: Path) -> LiteralString:
    return path.read_text(encoding="utf-8")
