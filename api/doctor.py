"""What database this is, whether it keeps what was promised, and how to mend what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import Cursor

from api.schema import MIGRATIONS, MINIMUM_VERSION
from api.words import Language
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


_WORDS: dict[str, tuple[str, str]] = {
    "connection": ("connection", "соединение"),
    "unreachable": (
        "check {variable}, and that it runs",
        "проверьте {variable} и работает ли сервер",
    ),
    "standby": ("standby {number}", "реплика {number}"),
    "follows": (
        "knows {last} events; the last came {seconds} s ago",
        "знает событий: {last}; последнее пришло {seconds} с назад",
    ),
    "no-standby": (
        "it is asked nothing: make it a standby again, or leave it out",
        "её ни о чём не спрашивают: снова сделайте её репликой или уберите",
    ),
    "set-on": (
        "set {setting} = on: what was acknowledged can be lost",
        "задайте {setting} = on: подтверждённое может потеряться",
    ),
    "tables": ("tables", "таблицы"),
    "none-yet": ("none yet", "ещё нет"),
    "start-once": (
        "start `dealfolio serve` once: it makes them",
        "запустите `dealfolio serve` один раз: он их создаст",
    ),
    "too-old": (
        "Dealfolio needs PostgreSQL 15 or newer",
        "Dealfolio нужен PostgreSQL 15 или новее",
    ),
    "clock": ("clock", "часы"),
    "skew": ("{seconds} s from the database's", "расходятся с часами базы на {seconds} с"),
    "set-clocks": ("set both clocks by NTP", "сверьте и те, и другие часы по NTP"),
    "migrations": ("migrations", "миграции"),
    "migrate": (
        "start `dealfolio serve` once, for {names}",
        "запустите `dealfolio serve` один раз ради {names}",
    ),
    "account": ("account", "учётная запись"),
    "superuser": (
        "{name}, a superuser (acts as dealfolio_app)",
        "{name}, суперпользователь (действует как dealfolio_app)",
    ),
    "own-nothing": (
        "sign in as a member of dealfolio_app that owns nothing",
        "входите членом dealfolio_app, которому ничего не принадлежит",
    ),
    "rights": ("rights on the log", "права на журнал"),
    "append-read": ("append, read", "добавлять, читать"),
    "revoke": (
        "revoke UPDATE, DELETE, TRUNCATE on books.events from dealfolio_app",
        "отзовите у dealfolio_app права UPDATE, DELETE, TRUNCATE на books.events",
    ),
    "triggers": ("triggers of the log", "триггеры журнала"),
    "of-two": ("{number} of 2", "{number} из 2"),
    "enable": (
        "enable the triggers append_only and one_writer_at_a_time",
        "включите триггеры append_only и one_writer_at_a_time",
    ),
    "log": ("log", "журнал"),
    "events": ("{number} events", "событий: {number}"),
    "ledger": ("ledger", "проводки"),
    "deals": (
        "{there} of {deals} deals; written with the log, no lag",
        "сделок {there} из {deals}; пишутся вместе с журналом, без отставания",
    ),
    "rebuild": ("run `dealfolio rebuild`", "выполните `dealfolio rebuild`"),
}
"""In English and in Russian. Settings have one name, and the database says what it says."""


Say = Callable[..., str]


def _sayer(language: Language) -> Say:
    """Says a word of the table, with its facts."""
    place = 1 if language == "ru" else 0
    return lambda word, **facts: _WORDS[word][place].format(**facts)


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


def examine(conninfo: str, language: Language = "en") -> Iterator[Finding]:
    """Every finding, good ones too, in the order in which they matter."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            connection.execute("SET lock_timeout = '5s'; SET statement_timeout = '60s'")
            yield from findings(connection.cursor(), language)
    except psycopg.OperationalError as error:
        say = _sayer(language)
        mend = say("unreachable", variable="DATABASE_URL")
        yield Finding(say("connection"), str(error).strip(), mend)


_STANDBY: LiteralString = """
SELECT pg_is_in_recovery(), coalesce(max(notification_id), 0),
       coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::int
FROM books.events
"""


def examine_standbys(conninfos: Sequence[str], language: Language = "en") -> Iterator[Finding]:
    """One finding for each, by its number: what is in a connection string is a secret."""
    say = _sayer(language)
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
    say = _sayer(language)
    yield _version(cursor, say)
    for setting, good in _DURABLE.items():
        value = str(_one(cursor, "SELECT current_setting(%s)", [setting]))
        yield Finding(setting, value, "" if value in good else say("set-on", setting=setting))
    yield _clock(cursor, say)
    if _one(cursor, "SELECT to_regclass('books.migrations') IS NULL"):
        yield Finding(say("tables"), say("none-yet"), say("start-once"))
        return
    yield _migrations(cursor, say)
    yield _superuser(cursor, say)
    yield from _log(cursor, say)


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
    missing = [name for name, _ in MIGRATIONS if name not in done]
    mend = say("migrate", names=", ".join(missing)) if missing else ""
    return Finding(say("migrations"), ", ".join(done), mend)


def _superuser(cursor: Cursor[Any], say: Say) -> Finding:
    name, powerful = cursor.execute(
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user"
    ).fetchone() or ("?", True)
    if not powerful:
        return Finding(say("account"), name)
    mend = "" if name == "dealfolio" else say("own-nothing")
    return Finding(say("account"), say("superuser", name=name), mend)


def _log(cursor: Cursor[Any], say: Say) -> Iterator[Finding]:
    mend = say("revoke") if _one(cursor, _RIGHTS) else ""
    yield Finding(say("rights"), say("append-read"), mend)
    triggers = int(_one(cursor, _TRIGGERS))
    yield Finding(
        say("triggers"), say("of-two", number=triggers), "" if triggers == 2 else say("enable")
    )
    last, deals, in_ledger = cursor.execute(_LAG).fetchone() or (0, 0, 0)
    yield Finding(say("log"), say("events", number=last))
    mend = "" if in_ledger == deals else say("rebuild")
    yield Finding(say("ledger"), say("deals", there=in_ledger, deals=deals), mend)


def _one(cursor: Cursor[Any], statement: LiteralString, values: list[Any] | None = None) -> Any:  # noqa: ANN401 - whatever the one column is
    row = cursor.execute(statement, values).fetchone()
    assert row is not None, "asked for one row"
    return row[0]
