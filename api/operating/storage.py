"""Who could change what is only ever added to, as the database's own catalogue has it.

Against the owner of the tables and a superuser no setting helps, since they may lift any: so nobody
should sign in as one of them, and whoever does is named.
"""

from typing import Any, LiteralString

from psycopg import Cursor

TABLES = (
    "books.events", "books.receipts", "books.reads", "books.migrations",
    "evidence.log", "evidence.closings", "evidence.checkpoints", "evidence.rotations",
    "evidence.cosignatures",
)  # fmt: skip
"""Nothing in them is ever changed or removed."""
_TRIGGERS = [
    *((table, name) for table in TABLES for name in ("append_only", "append_only_rows")),
    ("books.events", "one_writer_at_a_time"),
]

_WEAK: LiteralString = r"""
WITH wanted AS (
    SELECT * FROM unnest(%(tables)s::text[], %(triggers)s::text[]) AS wanted (relation, name)
    UNION
    SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgfoid = 'books.refuse'::regproc
)
SELECT wanted.name || ' of ' || relation FROM wanted
LEFT JOIN pg_trigger ON tgrelid = to_regclass(relation) AND tgname = wanted.name
LEFT JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgenabled IS DISTINCT FROM 'A' OR tgqual IS NOT NULL
   OR prosrc !~ '^\s*BEGIN\s+(RAISE EXCEPTION|PERFORM books\.lock_for_writing)'
ORDER BY relation, wanted.name
"""
_RIGHTS: LiteralString = """
SELECT rolname || ': ' || string_agg(may || ' on ' || relation, ', ' ORDER BY relation, may)
FROM pg_roles
CROSS JOIN unnest(%(tables)s::text[]) AS relation
CROSS JOIN unnest('{UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS may
WHERE NOT rolsuper AND rolname !~ '^pg_' AND NOT pg_has_role(oid, 'dealfolio_owner', 'MEMBER')
  AND (has_table_privilege(oid, relation, may)
       OR may = 'UPDATE' AND has_any_column_privilege(oid, relation, 'UPDATE'))
GROUP BY rolname ORDER BY rolname
"""
_OWNERS: LiteralString = """
SELECT name || ': ' || owner::regrole FROM (
    SELECT oid::regclass::text, relowner FROM pg_class
    WHERE oid = ANY (%(tables)s::regclass[])
    UNION ALL SELECT 'schema books', nspowner FROM pg_namespace WHERE nspname = 'books'
    UNION ALL SELECT oid::regprocedure::text, proowner FROM pg_proc
    WHERE pronamespace = 'books'::regnamespace
) AS owned (name, owner)
WHERE owner <> 'dealfolio_owner'::regrole ORDER BY name
"""
_ADDED: LiteralString = """
SELECT what || ' on ' || relation::text FROM (
    SELECT 'trigger ' || tgname, tgrelid::regclass FROM pg_trigger
    WHERE NOT tgisinternal AND tgfoid NOT IN (
        'books.refuse'::regproc, 'books.take_the_lock'::regproc)
    UNION ALL SELECT 'rule ' || rulename, ev_class::regclass FROM pg_rewrite
    UNION ALL SELECT 'inheritance from ' || inhparent::regclass, inhrelid::regclass FROM pg_inherits
    UNION ALL SELECT 'inheritance by ' || inhrelid::regclass, inhparent::regclass FROM pg_inherits
    UNION ALL SELECT 'row security', oid::regclass FROM pg_class WHERE relrowsecurity
) AS added (what, relation)
WHERE relation = ANY (%(tables)s::regclass[]) ORDER BY 1
"""
_POWERS: LiteralString = """
SELECT rolname || ': ' || power FROM pg_roles CROSS JOIN LATERAL (VALUES
    ('superuser', rolsuper), ('CREATEROLE', rolcreaterole), ('BYPASSRLS', rolbypassrls),
    ('REPLICATION', rolreplication), ('LOGIN', rolcanlogin AND rolname <> session_user),
    ('SET session_replication_role',
     has_parameter_privilege(oid, 'session_replication_role', 'SET')),
    ('pg_write_all_data', pg_has_role(oid, 'pg_write_all_data', 'MEMBER')),
    ('pg_write_server_files', pg_has_role(oid, 'pg_write_server_files', 'MEMBER')),
    ('pg_execute_server_program', pg_has_role(oid, 'pg_execute_server_program', 'MEMBER'))
) AS has (power, there)
WHERE there AND rolname = ANY (%(roles)s) ORDER BY rolname, power
"""
_ROLES: LiteralString = """
SELECT rolname FROM pg_roles WHERE rolname IN ('dealfolio_owner', 'dealfolio_app')
"""
_OWNS: LiteralString = """
SELECT rolname FROM pg_roles
WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, 'dealfolio_owner', 'MEMBER')
ORDER BY rolname
"""


def roles_are_there(cursor: Cursor[Any]) -> bool:
    names = cursor.execute(_ROLES).fetchall()
    return len(names) == 2


def weak_triggers(cursor: Cursor[Any]) -> list[str]:
    """Those that are missing, do not refuse, or can be skipped by session_replication_role."""
    tables, triggers = zip(*_TRIGGERS, strict=True)
    return _all(cursor, _WEAK, tables=[*tables], triggers=[*triggers])


def rights_to_change(cursor: Cursor[Any]) -> list[str]:
    """What somebody has been granted beside the owner."""
    return _all(cursor, _RIGHTS, tables=[*TABLES])


def other_owners(cursor: Cursor[Any]) -> list[str]:
    """Of the tables, of their schema and of what its triggers call; an owner may drop them."""
    return _all(cursor, _OWNERS, tables=[*TABLES])


def additions(cursor: Cursor[Any]) -> list[str]:
    """What is no part of Dealfolio and has a say in what these tables take or show."""
    return _all(cursor, _ADDED, tables=[*TABLES])


def powers(cursor: Cursor[Any], *roles: str) -> list[str]:
    """By which these roles could go round the rights on tables."""
    return _all(cursor, _POWERS, roles=[*roles])


def logins_that_may_own(cursor: Cursor[Any]) -> list[str]:
    """Who may become dealfolio_owner, superusers aside."""
    return _all(cursor, _OWNS)


def _all(cursor: Cursor[Any], statement: LiteralString, **asked: list[str]) -> list[str]:
    return [text for (text,) in cursor.execute(statement, asked)]
