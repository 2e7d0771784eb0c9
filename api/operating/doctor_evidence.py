"""Whether the log is proven, signed, and told to others."""

from collections.abc import Iterator
from datetime import timedelta
from stat import S_IRWXG, S_IRWXO
from typing import Any

import psycopg
from psycopg import Cursor

from api.operating.findings import Finding, Say, sayer
from api.pushing import pushed
from api.settings import Settings
from api.words import Language
from projections.evidence.checkpoints import Forked, newest, require_no_fork
from projections.evidence.follower import LogBroken, require_same
from projections.evidence.keys import CannotSign, verifier_key_now
from projections.evidence.tiles import size_of

MOST_UNPROVEN = 10_000
"""Events; a tree that follows the log is nearer, but for the first minute after an upgrade."""
MOST_UNPUSHED = 10
"""Checkpoints; more are made in half a minute."""
ON_THE_WAY = timedelta(minutes=10)
"""For which one may be; where little is recorded there are never many."""


def examine_evidence(
    conninfo: str, settings: Settings, language: Language = "en"
) -> Iterator[Finding]:
    """Nothing where there is no database, or none with the tables of this version."""
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.cursor()
            row = cursor.execute("SELECT to_regclass('evidence.tiles') IS NOT NULL").fetchone()
            if row and row[0]:
                yield from _evidence(cursor, settings, sayer(language))
    except psycopg.OperationalError:
        return  # `examine` has told it


def _evidence(cursor: Cursor[Any], settings: Settings, say: Say) -> Iterator[Finding]:
    size = size_of(cursor)
    yield _tree(cursor, size, say)
    yield _checkpoint(cursor, settings, size, say)
    yield _signing(cursor, settings, say)
    if settings.checkpoints_to is not None:
        yield _pushed(cursor, settings.checkpoints_to, say)


def _tree(cursor: Cursor[Any], size: int, say: Say) -> Finding:
    row = cursor.execute("SELECT coalesce(max(notification_id), 0) FROM books.events").fetchone()
    last = row[0] if row else 0
    found = say("of-events", size=size, last=last)
    try:
        require_same(cursor, size)
    except LogBroken as error:
        return Finding(say("tree"), f"{found}; {error}", say("changed"))
    mend = say("follows-while") if last - size > MOST_UNPROVEN else ""
    return Finding(say("tree"), found, mend)


def _checkpoint(cursor: Cursor[Any], settings: Settings, size: int, say: Say) -> Finding:
    found = newest(cursor)
    if found is None:
        return Finding(say("checkpoint"), say("none-yet"))
    try:
        require_no_fork(cursor, settings.signing_key_file, size)
    except Forked as error:
        return Finding(say("checkpoint"), str(error), say("changed"))
    return Finding(say("checkpoint"), say("signed", size=found.size))


def _signing(cursor: Cursor[Any], settings: Settings, say: Say) -> Finding:
    what, file = say("signing-key"), settings.signing_key_file
    try:
        vkey = verifier_key_now(cursor, file)
    except CannotSign as error:
        return Finding(what, str(error), error.mend)
    if file is not None and file.exists() and file.stat().st_mode & (S_IRWXG | S_IRWXO):
        return Finding(what, say("readable", file=file), f"chmod 600 {file}")
    return Finding(what, vkey)


def _pushed(cursor: Cursor[Any], to: str, say: Say) -> Finding:
    behind, arrived, late = pushed(cursor, to, ON_THE_WAY)
    mend = say("see-the-log") if late or behind > MOST_UNPUSHED else ""
    return Finding(say("elsewhere"), say("arrived", arrived=arrived, behind=behind), mend)
