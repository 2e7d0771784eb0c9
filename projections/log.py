"""Reading the log: the events as facts, and as they are published."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor

from domain.events import DEAL_EVENTS, DealEvent, Recorded, decode, is_about_a_deal
from projections.point import BEYOND

_STREAM: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = %s AND notification_id <= %s ORDER BY originator_version
"""
_AFTER: LiteralString = """
SELECT originator_id, topic, state, notification_id FROM books.events
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s
"""
_AUTHORS: LiteralString = """
SELECT notification_id, convert_from(state, 'UTF8')::jsonb ->> 'actor' FROM books.events
WHERE notification_id = ANY (%s)
"""


def authors(cursor: Cursor[Any], positions: Collection[int]) -> Mapping[int, str]:
    """Who recorded the events at these positions, by id."""
    return dict(cursor.execute(_AUTHORS, [list(positions)]).fetchall())


def deal_events(cursor: Cursor[Any], deal_id: UUID, position: int) -> list[Recorded[DealEvent]]:
    """What is known of the deal at `position`, in the order of recording; empty when unknown."""
    rows = cursor.execute(_STREAM, [deal_id, position])
    return list(filter(is_about_a_deal, (decode(*row) for row in rows)))


class Published(NamedTuple):
    """An event as it is published: its stored state, between the columns that stand beside it."""

    position: int
    body: bytes


def published_after(
    cursor: Cursor[Any], after: int, limit: int, last: int = BEYOND
) -> list[Published]:
    """At most `limit` events behind the position `after`, in order, up to the `last`, inclusive.

    The bytes are the stored ones: what an auditor reads is what was written.
    """
    return [
        Published(position, as_published(stream, topic, bytes(state)))
        for stream, topic, state, position in cursor.execute(_AFTER, [after, last, limit])
    ]


def as_published(stream: UUID | str, topic: str, state: bytes) -> bytes:
    """One event, from its columns."""
    return heading(stream, topic) + state[1:]


@lru_cache(maxsize=1_000)  # events of one stream mostly come together
def heading(stream: UUID | str, topic: str) -> bytes:
    """The members that stand before those of the stored state."""
    names = f'{{"type":"{topic}","stream_id":"{stream}",'
    if topic in DEAL_EVENTS:
        names += f'"deal_id":"{stream}",'
    return names.encode()
