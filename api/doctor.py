"""What database this is, whether it keeps what was promised, and how to mend what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from stat import S_IRWXG, S_IRWXO
from typing import Any, LiteralString

import psycopg
from psycopg import Cursor

from api.pushing import pushed
from api.schema import MIGRATIONS, MINIMUM_VERSION
from api.settings import Settings
from application.dealfolio import utc_now
from projections.evidence.checkpoints import Forked, newest, require_no_fork
from projections.evidence.follower import LogBroken, require_same
from projections.evidence.keys import CannotSign, verifier_key_now
from projections.evidence.tiles import size_of

MOST_SKEW_SECONDS = 5
MOST_UNPROVEN = 10_000
"""Events; a tree that follows the log is nearer, but for the first minute after an upgrade."""
_CHANGED = "the database was changed behind us, or restored: see `Evidence` in the README first"
MOST_UNPUSHED = 10
"""Checkpoints; more are made in half a minute."""


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
_RIGHTS: LiteralString = """
SELECT has_table_privilege('dealfolio_app', 'books.events', 'UPDATE')
    OR has_table_privilege('dealfolio_app', 'books.events', 'DELETE')
    OR has_table_privilege('dealfolio_app', 'books.events', 'TRUNCATE')
"""
_TRIGGERS: LiteralString = """
SELECT count(*) FROM pg_trigger
WHERE tgrelid = 'books.events'::regclass AND tgenabled = 'O'
  AND tgname IN ('append_only', 'one_writer_at_a_time')
"""
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


def examine_evidence(conninfo: str, settings: Settings) -> Iterator[Finding]:
    """Whether the log is proven, signed, and told to others."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.cursor()
            if not _one(cursor, "SELECT to_regclass('evidence.tiles') IS NULL"):
                yield from _evidence(cursor, settings)
    except psycopg.OperationalError:
        return  # `examine` has told it


def _evidence(cursor: Cursor[Any], settings: Settings) -> Iterator[Finding]:
    size = size_of(cursor)
    yield _tree(cursor, size)
    yield _checkpoint(cursor, settings, size)
    yield _signing(cursor, settings)
    if settings.checkpoints_to is not None:
        yield _pushed(cursor, settings.checkpoints_to)


def _tree(cursor: Cursor[Any], size: int) -> Finding:
    last = int(_one(cursor, "SELECT coalesce(max(notification_id), 0) FROM books.events"))
    found = f"{size} of {last} events"
    try:
        require_same(cursor, size)
    except LogBroken as error:
        return Finding("tree", f"{found}; {error}", _CHANGED)
    mend = "it follows while `dealfolio serve` runs; if that does, see its log"
    return Finding("tree", found, mend if last - size > MOST_UNPROVEN else "")


def _checkpoint(cursor: Cursor[Any], settings: Settings, size: int) -> Finding:
    found = newest(cursor)
    if found is None:
        return Finding("checkpoint", "none yet")
    try:
        require_no_fork(cursor, settings.signing_key_file, size)
    except Forked as error:
        return Finding("checkpoint", str(error), _CHANGED)
    return Finding("checkpoint", f"of {found.size} events, signed")


def _signing(cursor: Cursor[Any], settings: Settings) -> Finding:
    file = settings.signing_key_file
    try:
        vkey = verifier_key_now(cursor, file)
    except CannotSign as error:
        return Finding("signing key", str(error), error.mend)
    if file is not None and file.exists() and file.stat().st_mode & (S_IRWXG | S_IRWXO):
        return Finding("signing key", f"{file} can be read by others", f"chmod 600 {file}")
    return Finding("signing key", vkey)


def _pushed(cursor: Cursor[Any], to: str) -> Finding:
    behind, arrived = pushed(cursor, to)
    mend = "see what hinders it in the service's log" if behind > MOST_UNPUSHED else ""
    return Finding(
        "checkpoints elsewhere", f"up to {arrived} events; {behind} are on the way", mend
    )


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
    yield _superuser(cursor)
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


def _superuser(cursor: Cursor[Any]) -> Finding:
    name, powerful = cursor.execute(
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user"
    ).fetchone() or ("?", True)
    if not powerful:
        return Finding("account", name)
    return Finding(
        "account",
        f"{name}, a superuser (acts as dealfolio_app)",
        "" if name == "dealfolio" else "sign in as a member of dealfolio_app that owns nothing",
    )


def _log(cursor: Cursor[Any]) -> Iterator[Finding]:
    mend = "revoke UPDATE, DELETE, TRUNCATE on books.events from dealfolio_app"
    yield Finding("rights on the log", "append, read", mend if _one(cursor, _RIGHTS) else "")
    triggers = int(_one(cursor, _TRIGGERS))
    mend = "" if triggers == 2 else "enable the triggers append_only and one_writer_at_a_time"
    yield Finding("triggers of the log", f"{triggers} of 2", mend)
    last, deals, in_ledger = cursor.execute(_LAG).fetchone() or (0, 0, 0)
    yield Finding("log", f"{last} events")
    mend = "" if in_ledger == deals else "run `dealfolio rebuild`"
    yield Finding("ledger", f"{in_ledger} of {deals} deals; written with the log, no lag", mend)


def _one(cursor: Cursor[Any], statement: LiteralString, values: list[Any] | None = None) -> Any:  # noqa: ANN401 - whatever the one column is
    row = cursor.execute(statement, values).fetchone()
    assert row is not None, "asked for one row"
    return row[0]
