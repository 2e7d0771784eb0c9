"""The point that a question is asked at: a business date, and how much of the log is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, LiteralString, NamedTuple
from zoneinfo import ZoneInfo

from psycopg import Cursor

from domain.errors import InTheFuture, Invalid

LEDGER: LiteralString = "to_regnamespace('ledger')::oid, pg_postmaster_start_time()::text"
"""Columns: which ledger it is. Another one after a rebuild, a restart, and in a standby that took
the primary's place or a backup that was restored, whose log may be another.
"""
LOOK: LiteralString = f"""
SELECT last.notification_id, last.recorded_at,
    (SELECT recorded_at FROM books.events WHERE notification_id = %(position)s),
    (SELECT notification_id FROM books.events WHERE recorded_at <= %(known_at)s
     ORDER BY recorded_at DESC, notification_id DESC LIMIT 1),
    {LEDGER}
FROM (SELECT) AS one LEFT JOIN LATERAL (
    SELECT notification_id, recorded_at FROM books.events ORDER BY notification_id DESC LIMIT 1
) AS last ON true
"""
"""One row, also of an empty log, for `end_of` and `point_from`, whichever way it was asked: what
was not asked for costs nothing.
"""
BEYOND = 2**62
"""A position behind every event."""
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Point:
    """The end of the business day `as_of` (inclusive), as known after the event at `position`.

    `known_at` is the instant that was asked about or, when a position was, that event's.
    """

    as_of: date
    known_at: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """An instant, or a date meaning its end, or a position; all None: everything recorded."""

    known_at: date | datetime | None = None
    position: int | None = None


EVERYTHING = Knowledge()


class End(NamedTuple):
    """Where the log ends, and what LEDGER is of it."""

    ledger: tuple[int, str]
    position: int


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last microsecond of the business day."""
    return datetime.combine(day + timedelta(days=1), time(), zone) - timedelta(microseconds=1)


_BEFORE: LiteralString = """
SELECT coalesce((
    SELECT notification_id FROM books.events WHERE recorded_at <= asked.instant
    ORDER BY recorded_at DESC, notification_id DESC LIMIT 1), 0)
FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS asked (instant, place) ORDER BY place
"""


def last_positions(
    cursor: Cursor[Any], days: Sequence[date], zone: ZoneInfo, point: Point
) -> list[int]:
    """The last position that was recorded by the end of each of the days, and is known at the
    point.
    """
    instants = [end_of_day(day, zone) for day in days]
    rows = cursor.execute(_BEFORE, [instants]).fetchall()
    return [min(position, point.position) for (position,) in rows]


def late_days(recorded_at: datetime, effective_on: date, zone: ZoneInfo) -> int:
    """Calendar days between when it held and when we learnt it; 0 for the same business date."""
    return (recorded_at.astimezone(zone).date() - effective_on).days


@dataclass(frozen=True, slots=True)
class Clock:
    """The instant at which a question is asked, and the company's time zone."""

    now: datetime
    zone: ZoneInfo

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def require_past(self, day: date) -> date:
        """`day`, which may be today. Raises InTheFuture."""
        if day > self.today:
            raise InTheFuture(day, self.today)
        return day


def point_at(
    cursor: Cursor[Any], clock: Clock, as_of: date | None, knowledge: Knowledge = EVERYTHING
) -> Point:
    """Where a question stands. Raises InTheFuture on either axis, Invalid for two knowledges."""
    return point_from(look(cursor, clock, knowledge), clock, as_of, knowledge)


def settled_at(
    cursor: Cursor[Any], clock: Clock, as_of: date | None, knowledge: Knowledge = EVERYTHING
) -> Point:
    """As `point_at`, for what is taken home and must stay true: everything recorded is known at the
    last event.
    """
    return settled_from(look(cursor, clock, knowledge), clock, as_of, knowledge)


def look(cursor: Cursor[Any], clock: Clock, knowledge: Knowledge) -> Sequence[Any]:
    """The row of LOOK. Raises InTheFuture, Invalid."""
    row: Sequence[Any] | None = cursor.execute(LOOK, asked_for(clock, knowledge)).fetchone()
    assert row is not None, "there is one also of an empty log"
    return row


def asked_for(clock: Clock, knowledge: Knowledge) -> dict[str, Any]:
    """The parameters of LOOK. Raises InTheFuture, Invalid."""
    known_at, position = knowledge.known_at, knowledge.position
    if known_at is not None and position is not None:
        raise Invalid("position", "known-at-or-position")
    if known_at is not None and not isinstance(known_at, datetime):
        known_at = end_of_day(clock.require_past(known_at), clock.zone)
    return {"position": position, "known_at": known_at}


def end_of(seen: Sequence[Any]) -> End:
    last, _, _, _, oid, started = seen
    return End((oid, started), last or 0)


def point_from(
    seen: Sequence[Any], clock: Clock, as_of: date | None, knowledge: Knowledge
) -> Point:
    """Raises InTheFuture."""
    last, recorded_at, at_position, known, *_ = seen
    day = clock.today if as_of is None else clock.require_past(as_of)
    if knowledge.position is not None:
        if knowledge.position > (last or 0):
            raise InTheFuture(knowledge.position, last or 0)
        return Point(day, at_position or _BEGINNING, knowledge.position)
    now = max(clock.now, recorded_at or _BEGINNING)
    if knowledge.known_at is None:
        return Point(day, now.astimezone(clock.zone), last or 0)
    known_at = _instant(knowledge.known_at, clock, now)
    return Point(day, known_at.astimezone(clock.zone), known or 0)


def settled_from(
    seen: Sequence[Any], clock: Clock, as_of: date | None, knowledge: Knowledge
) -> Point:
    """As `point_from`, but everything recorded is known at the last event. Raises InTheFuture."""
    point, recorded_at = point_from(seen, clock, as_of, knowledge), seen[1]
    return point if knowledge != EVERYTHING else replace(point, known_at=recorded_at or _BEGINNING)


def _instant(known_at: date | datetime, clock: Clock, now: datetime) -> datetime:
    if isinstance(known_at, datetime):
        if known_at > now:
            raise InTheFuture(known_at.isoformat(), now.isoformat())
        return known_at
    return min(end_of_day(known_at, clock.zone), now)
