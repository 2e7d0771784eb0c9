"""Reading the log: the events as stored, and as they are published."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor

from domain.events import DealEvent, Event, Recorded, decode, is_about_a_deal

_STREAM: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = %s AND notification_id <= %s ORDER BY originator_version
"""
_AFTER: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s
"""


def deal_events(cursor: Cursor[Any], deal_id: UUID, position: int) -> list[Recorded[DealEvent]]:
    """What is known of the deal at `position`, in the order of recording; empty when unknown."""
    rows = cursor.execute(_STREAM, [deal_id, position])
    return list(filter(is_about_a_deal, (decode(*row) for row in rows)))


def events_after(
    cursor: Cursor[Any], after: int, position: int, limit: int
) -> list[Recorded[Event]]:
    """At most `limit` events with a position in (after, position], in order."""
    return [decode(*row) for row in cursor.execute(_AFTER, [after, position, limit])]
