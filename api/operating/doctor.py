"""What database this is, whether it keeps what was promised, and how to mend what is wrong."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import Cursor

from api.operating import storage
from api.operating.findings import Finding, Say, sayer
from api.operating.schema import MIGRATIONS, MINIMUM_VERSION
from api.words import Language
from application.dealfolio import utc_now

MOST_SKEW_SECONDS = 5


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
_LAG: LiteralString = """
SELECT (SELECT coalesce(max(notification_id), 0) FROM books.events),
       (SELECT count(*) FROM books.events WHERE topic = 'DealOpened'),
       (SELECT count(*) FROM ledger.deals)
"""

_DIGEST: LiteralString = """
SELECT week::text, count(*) FILTER (WHERE state = 'sent'), count(*), max(tries) FROM books.digests
WHERE week = (SELECT max(week) FROM books.digests) AND (state <> 'begun' OR next_at < now())
GROUP BY week
"""
"""Of the last week that was to be brought anywhere; without what is under way."""


def examine(conninfo: str, language: Language = "en") -> Iterator[Finding]:
    """Every finding, good ones too, in the order in which they matter."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            connection.execute("SET lock_timeout = '5s'; SET statement_timeout = '60s'")
            yield from findings(connection.cursor(), language)
    except psycopg.OperationalError as error:
        say = sayer(language)
        mend = say("unreachable", variable="DATABASE_URL")
        yield Finding(say("connection"), str(error).strip(), mend)


_STANDBY: LiteralString = """
SELECT pg_is_in_recovery(), coalesce(max(notification_id), 0),
       coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::int
FROM books.events
"""


def examine_standbys(conninfos: Sequence[str], language: Language = "en") -> Iterator[Finding]:
    """One finding for each, by its number: what is in a connection string is a secret."""
    say = sayer(language)
    for number, conninfo in enumerate(conninfos, 1):
        what = say("standby", number=number)
        try:
            with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
                row = connection.execute(_STANDBY).fetchone() or (False, 0, 0)
        except psycopg.Error as error:
            mend = say("unreachable", variable="DEALFOLIO_READ_DATABASE_URL")
            yield Finding(what, str(error).strip(), mend)
            continue
        is_standby, last, seconds = row
        mend = "" if is_standby else say("no-standby")
        yield Finding(what, say("follows", last=last, seconds=seconds), mend)


def findings(cursor: Cursor[Any], language: Language = "en") -> Iterator[Finding]:
    """What can be found by whoever may read the log and the migrations."""
    say = sayer(language)
    yield _version(cursor, say)
    for setting, good in _DURABLE.items():
        value = str(_one(cursor, "SELECT current_setting(%s)", [setting]))
        yield Finding(setting, value, "" if value in good else say("set-on", setting=setting))
    yield _clock(cursor, say)
    if _one(cursor, "SELECT to_regclass('books.migrations') IS NULL"):
        yield Finding(say("tables"), say("none-yet"), say("start-once"))
        return
    yield _migrations(cursor, say)
    yield _account(cursor, say)
    yield from _storage(cursor, say)
    yield from _log(cursor, say)
    yield from _digest(cursor, say)


def _version(cursor: Cursor[Any], say: Say) -> Finding:
    number = int(_one(cursor, "SHOW server_version_num"))
    mend = "" if number >= MINIMUM_VERSION else say("too-old")
    return Finding("PostgreSQL", str(_one(cursor, "SHOW server_version")), mend)


def _clock(cursor: Cursor[Any], say: Say) -> Finding:
    theirs: datetime = _one(cursor, "SELECT clock_timestamp()")
    skew = abs((utc_now() - theirs).total_seconds())
    mend = "" if skew < MOST_SKEW_SECONDS else say("set-clocks")
    return Finding(say("clock"), say("skew", seconds=f"{skew:.1f}"), mend)


def _migrations(cursor: Cursor[Any], say: Say) -> Finding:
    done = [name for (name,) in cursor.execute("SELECT name FROM books.migrations")]
    ours = [name for name, _ in MIGRATIONS]
    missing = [name for name in ours if name not in done]
    mend = say("migrate", names=", ".join(missing)) if missing else ""
    if newer := [name for name in done if name not in ours]:
        mend = say("newer", names=", ".join(newer))
    return Finding(say("migrations"), ", ".join(done), mend)


def _account(cursor: Cursor[Any], say: Say) -> Finding:
    name, powerful, alone, owns = cursor.execute(_ACCOUNT).fetchone() or ("?", True, False, True)
    sign_in = say("sign-in")
    if powerful:
        mend = "" if alone else say("held-back", sign_in=sign_in)
        return Finding(say("account"), say("superuser", name=name), mend)
    if owns:
        mend = say("keep-for-upgrades", sign_in=sign_in, name=name)
        return Finding(say("account"), say("may-own", name=name), mend)
    return Finding(say("account"), name)


def _storage(cursor: Cursor[Any], say: Say) -> Iterator[Finding]:
    """Whether anybody could change what is only ever added to, otherwise than by its owner's or a
    superuser's own hand.
    """
    if not storage.roles_are_there(cursor):
        yield Finding(say("roles"), say("no-roles"), say("make-roles"))
        return
    powers = storage.powers(cursor, "dealfolio_owner", "dealfolio_app", *_session_user(cursor))
    owning = ", ".join(storage.logins_that_may_own(cursor)) or say("nobody")
    for what, wrong, well, mend in (
        ("triggers", storage.weak_triggers(cursor), say("refuse-all"), "switched-off"),
        ("rights", storage.rights_to_change(cursor), say("append-read"), "revoke"),
        ("owner", storage.other_owners(cursor), "dealfolio_owner", "give-back"),
        ("added", storage.additions(cursor), say("nothing"), "drop-it"),
        ("powers", powers, say("no-powers", owning=owning), "take-away"),
    ):
        yield Finding(say(what), "; ".join(wrong) or well, say(mend) if wrong else "")


def _session_user(cursor: Cursor[Any]) -> list[str]:
    """Unless it is a superuser, of whom all is said already."""
    rows = cursor.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = session_user AND NOT rolsuper"
    )
    return [name for (name,) in rows]


def _log(cursor: Cursor[Any], say: Say) -> Iterator[Finding]:
    last, deals, in_ledger = cursor.execute(_LAG).fetchone() or (0, 0, 0)
    yield Finding(say("log"), say("events", number=last))
    mend = "" if in_ledger == deals else say("rebuild")
    yield Finding(say("ledger"), say("deals", there=in_ledger, deals=deals), mend)


def _digest(cursor: Cursor[Any], say: Say) -> Iterator[Finding]:
    """Only where one was ever to be brought."""
    if _one(cursor, "SELECT to_regclass('books.digests') IS NULL"):  # of an earlier version
        return
    for week, arrived, wanted, tries in cursor.execute(_DIGEST):
        found = say("brought", week=week, arrived=arrived, wanted=wanted, tries=tries)
        yield Finding(say("digest"), found, say("see-the-log") if arrived < wanted else "")


def _one(cursor: Cursor[Any], statement: LiteralString, values: list[Any] | None = None) -> Any:  # noqa: ANN401 - whatever the one column is
    row = cursor.execute(statement, values).fetchone()
    assert row is not None, "asked for one row"
    return row[0]
