"""Monday's digest, brought to where it is wanted: posted to an address, mailed, or both.

What is set for the company is told of everybody, each head of their team. Each target gets each
week's digest once. Of several processes one is at it at a time; that it was begun is written down
before, and that it arrived behind it. What surely has not arrived is tried again, later and later.
What may have arrived is posted again under the same webhook-id, by which a receiver knows it
(Standard Webhooks, "Webhook ID"); a letter has no such thing, and is not sent a second time.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any, LiteralString

from psycopg import Cursor
from pydantic_core import to_jsonable_python

from api.asking import Desk
from api.background import Regularly
from api.digests.targets import NotBrought, Parcel, Target, heads_of, targets_of
from api.reports.digest import digest_for
from api.service import Service
from api.settings import Settings
from domain.access import Task
from projections.point import BEYOND
from projections.reports.digest import Week

EVERY_SECONDS = 30.0
MORNING = time(8)
"""On Monday, where the company is."""
WAITS = (1, 5, 30, 120, 300, 600)
"""Minutes until it is tried again, each time longer; then always the last. With the next Monday its
digest takes the place.
"""
BRINGERS_LOCK = 7305815021847160069

_ALONE: LiteralString = "SELECT pg_try_advisory_lock(%s)"
_NO_LONGER: LiteralString = "SELECT pg_advisory_unlock(%s)"
_KNOWN: LiteralString = """
INSERT INTO books.digests (week, target, position, state, next_at)
SELECT %(week)s, %(target)s, coalesce(max(notification_id), 0), 'waiting', %(now)s FROM books.events
ON CONFLICT DO NOTHING
"""
_DUE: LiteralString = """
SELECT position, state, tries FROM books.digests
WHERE week = %(week)s AND target = %(target)s AND state <> 'sent' AND next_at <= %(now)s
"""
_BEGUN: LiteralString = """
UPDATE books.digests SET state = 'begun', tries = tries + 1, next_at = %(next_at)s
WHERE week = %(week)s AND target = %(target)s
"""
_ENDED: LiteralString = """
UPDATE books.digests SET state = %(state)s WHERE week = %(week)s AND target = %(target)s
"""
_LOGGER = logging.getLogger("dealfolio.digest")


class Delivering:
    """One for a process."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service, self._settings = service, settings
        self.targets: Sequence[Target] = targets_of(settings)
        self._regularly = Regularly("digest", EVERY_SECONDS, self.step)

    def step(self) -> None:
        """Brings what is due. Raises Unavailable."""
        clock, zone = self._service.clock, self._service.settings.zone
        this = Week.of(clock.today)
        due = datetime.combine(this.first, MORNING, zone)
        if clock.now < due:
            return
        week = Week.of(this.eve)
        with self._service.asking() as cursor, _alone(cursor) as is_alone:
            if not is_alone:
                return
            now = self._service.directory.at(cursor, BEYOND)
            for target in (*self.targets, *heads_of(self._settings, cursor, now)):
                reach = target.grant.reach(Task.SEE)
                at = Desk(self._service, now, target.grant, reach, cursor)
                try:
                    self._bring(at, target, week, due)
                except Exception:
                    if cursor.connection.closed:
                        raise
                    _LOGGER.exception("%s: is not made, and is tried again", _name(week, target))

    def _bring(self, at: Desk, target: Target, week: Week, due: datetime) -> None:
        cursor, now = at.cursor, self._service.clock.now
        asked: dict[str, Any] = {"week": week.first, "target": target.key, "now": now}
        cursor.execute(_KNOWN, asked)
        row = cursor.execute(_DUE, asked).fetchone()
        if row is None:
            return
        position, state, tries = row
        if state == "begun" and not target.repeatable:
            return  # by a process that did not live to tell whether it arrived
        name = _name(week, target)
        answer = digest_for(at, week, position)
        parcel = Parcel(week, name, due, to_jsonable_python(answer))
        wait = timedelta(minutes=WAITS[min(tries, len(WAITS) - 1)])
        cursor.execute(_BEGUN, asked | {"next_at": now + wait})
        try:
            target.bring(parcel, now)
        except NotBrought as error:
            _LOGGER.warning("%s: has not arrived, and is tried again: %s", name, error)
            cursor.execute(_ENDED, asked | {"state": "waiting"})
        except Exception:
            _LOGGER.exception("%s: nobody knows whether it has arrived", name)
        else:
            cursor.execute(_ENDED, asked | {"state": "sent"})

    def close(self) -> None:
        self._regularly.close()


def _name(week: Week, target: Target) -> str:
    return f"digest_{week.first}_{target.key.hex()[:16]}"


def delivering(service: Service) -> Delivering | None:
    """None where nobody wants it."""
    settings = service.settings
    is_wanted = settings.digest_webhook is not None or settings.digest_smtp is not None
    return Delivering(service, settings) if is_wanted else None


@contextmanager
def _alone(cursor: Cursor[Any]) -> Iterator[bool]:
    """Whether no other process is at it. A lock of the session: each step is committed at once."""
    row = cursor.execute(_ALONE, [BRINGERS_LOCK]).fetchone()
    is_alone = row is not None and bool(row[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            cursor.execute(_NO_LONGER, [BRINGERS_LOCK])
