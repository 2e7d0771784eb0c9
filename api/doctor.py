"""What database this is, whether it keeps what was promised, and how to mend what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import Cursor

from api import storage
from api.schema import MIGRATIONS, MINIMUM_VERSION
from application.dealfolio import utc_now

MOST_SKEW_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` says what to do; empty where all is well."""

    what: str
    found: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        return not self.mend


_DURABLE: dict[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply", "local"),
}
_ACCOUNT: LiteralString = """
SELECT rolname, rolsuper, rolname = 'dealfolio' AND current_setting('listen_addresses') = '',
       coalesce(pg_has_role(oid, to_regrole('dealfolio_owner'), 'MEMBER'), false)
FROM pg_roles WHERE rolname = session_user
"""
"""The third: in the embedded database, which has one account and no network."""
_SIGN_IN = "let the service sign in as a member of dealfolio_app alone"
_LAG: LiteralString = """
SELECT (SELECT coalesce(max(notification_id), 0) FROM books.events),
       (SELECT count(*) FROM books.events WHERE topic = 'DealOpened'),
       (SELECT count(*) FROM ledger.deals)
"""


def examine(conninfo: str) -> Iterator[Finding]:
    """Every finding, good ones too, in the order in which they matter."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            connection.execute("SET lock_timeout = '5s'; SET statement_timeout = '60s'")
            yield from findings(connection.cursor())
    except psycopg.OperationalError as error:
        yield Finding("connection", str(error).strip(), "check DATABASE_URL, and that it runs")


_STANDBY: LiteralString = """
SELECT pg_is_in_recovery(), coalesce(max(notification_id), 0),
       coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::int
FROM books.events
"""


def examine_standbys(conninfos: Sequence[str]) -> Iterator[Finding]:
    """One finding for each, by its number: what is in a connection string is a secret."""
    for number, conninfo in enumerate(conninfos, 1):
        what = f"standby {number}"
        try:
            with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
                row = connection.execute(_STANDBY).fetchone() or (False, 0, 0)
        except psycopg.Error as error:
            mend = "check DEALFOLIO_READ_DATABASE_URL, and that it runs"
            yield Finding(what, str(error).strip(), mend)
            continue
        is_standby, last, seconds = row
        mend = "" if is_standby else "it is asked nothing: make it a standby again, or leave it out"
        yield Finding(what, f"knows {last} events; the last came {seconds} s ago", mend)


def findings(cursor: Cursor[Any]) -> Iterator[Finding]:
    """What can be found by whoever may read the log and the migrations."""
    yield _version(cursor)
    for setting, good in _DURABLE.items():
        value = str(_one(cursor, "SELECT current_setting(%s)", [setting]))
        mend = "" if value in good else f"set {setting} = on: what was acknowledged can be lost"
        yield Finding(setting, value, mend)
    yield _clock(cursor)
    if _one(cursor, "SELECT to_regclass('books.migrations') IS NULL"):
        yield Finding("tables", "none yet", "start `dealfolio serve` once: it makes them")
        return
    yield _migrations(cursor)
    yield _account(cursor)
    yield from _storage(cursor)
    yield from _log(cursor)


def _version(cursor: Cursor[Any]) -> Finding:
    number = int(_one(cursor, "SHOW server_version_num"))
    mend = "" if number >= MINIMUM_VERSION else "Dealfolio needs PostgreSQL 15 or newer"
    return Finding("PostgreSQL", str(_one(cursor, "SHOW server_version")), mend)


def _clock(cursor: Cursor[Any]) -> Finding:
    theirs: datetime = _one(cursor, "SELECT clock_timestamp()")
    skew = abs((utc_now() - theirs).total_seconds())
    mend = "" if skew < MOST_SKEW_SECONDS else "set both clocks by NTP"
    return Finding("clock", f"{skew:.1f} s from the database's", mend)


def _migrations(cursor: Cursor[Any]) -> Finding:
    done = [name for (name,) in cursor.execute("SELECT name FROM books.migrations")]
    missing = [name for name, _ in MIGRATIONS if name not in done]
    mend = f"start `dealfolio serve` once, for {', '.join(missing)}" if missing else ""
    return Finding("migrations", ", ".join(done), mend)


def _account(cursor: Cursor[Any]) -> Finding:
    name, powerful, alone, owns = cursor.execute(_ACCOUNT).fetchone() or ("?", True, False, True)
    if powerful:
        return Finding(
            "account",
            f"{name}, a superuser (acts as dealfolio_app)",
            "" if alone else f"no setting holds a superuser back: {_SIGN_IN}",
        )
    if owns:
        found = f"{name}, may become dealfolio_owner, who may lift what protects the log"
        return Finding("account", found, f"{_SIGN_IN}, and keep {name} for upgrades and rebuilds")
    return Finding("account", name)


def _storage(cursor: Cursor[Any]) -> Iterator[Finding]:
    """Whether anybody could change what is only ever added to, otherwise than by its owner's or a
    superuser's own hand.
    """
    if not storage.roles_are_there(cursor):
        mend = "start `dealfolio serve` once as an account that may create roles: it makes them"
        yield Finding("roles", "dealfolio_owner and dealfolio_app are missing", mend)
        return
    weak = storage.weak_triggers(cursor)
    mend = (
        "somebody has switched them off, or rows were restored by --disable-triggers: as"
        " dealfolio_owner, ALTER TABLE … ENABLE ALWAYS TRIGGER … for each, and find out who it was;"
        " one that is gone comes back with the table, from a backup"
    )
    yield _listed("triggers of the log", weak, "refuse every change, and cannot be skipped", mend)
    rights = storage.rights_to_change(cursor)
    yield _listed("rights on the log", rights, "append, read", "REVOKE what is named")
    owners = storage.other_owners(cursor)
    mend = "an owner may drop them: ALTER … OWNER TO dealfolio_owner for each"
    yield _listed("owner of the log", owners, "dealfolio_owner", mend)
    added = storage.additions(cursor)
    mend = "it has a say in what the log takes or shows: find out who added it, and drop it"
    yield _listed("added to the log", added, "nothing", mend)
    powers = storage.powers(cursor, "dealfolio_owner", "dealfolio_app", *_session_user(cursor))
    mend = "it goes round the rights on tables: take it away by ALTER ROLE, REVOKE"
    owning = ", ".join(storage.logins_that_may_own(cursor)) or "nobody but superusers"
    yield _listed("powers", powers, f"none; {owning} may become dealfolio_owner", mend)


def _listed(what: str, wrong: Sequence[str], well: str, mend: str) -> Finding:
    return Finding(what, "; ".join(wrong), mend) if wrong else Finding(what, well)


def _session_user(cursor: Cursor[Any]) -> list[str]:
    """Unless it is a superuser, of whom all is said already."""
    rows = cursor.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = session_user AND NOT rolsuper"
    )
    return [name for (name,) in rows]


def _log(cursor: Cursor[Any]) -> Iterator[Finding]:
    last, deals, in_ledger = cursor.execute(_LAG).fetchone() or (0, 0, 0)
    yield Finding("log", f"{last} events")
    mend = "" if in_ledger == deals else "run `dealfolio rebuild`"
    yield Finding("ledger", f"{in_ledger} of {deals} deals; written with the log, no lag", mend)


def _one(cursor: Cursor[Any], statement: LiteralString, values: list[Any] | None = None) -> Any:  # noqa: ANN401 - whatever the one column is
    row = cursor.execute(statement, values).fetchone()
    assert row is not None, "asked for one row"
    return row[0]
