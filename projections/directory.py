"""Catalogue, people and periods at any point: their few events, kept in memory and caught up."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from operator import attrgetter
from threading import Lock
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor

from domain.directory import Directory, directory_of
from domain.events import (
    DirectoryEvent,
    PeriodClosed,
    PeriodReopened,
    PeriodTotal,
    Recorded,
    decode,
    is_about_the_directory,
)
from domain.periods import Month
from domain.values import ManagerId
from projections.point import LEDGER, End

EARLIER = 16
"""So many earlier states are kept; each has as many objects as there are people."""
_POSITION = attrgetter("position")
_EVENTS: LiteralString = f"""
SELECT {LEDGER}, originator_id, originator_version, topic, state
FROM (SELECT) AS one LEFT JOIN books.events ON of_the_directory AND notification_id > %s
ORDER BY notification_id
"""
"""One row at least, to tell which ledger it is."""
_CALLED: LiteralString = "SELECT person_id, name FROM books.people WHERE person_id = ANY(%s)"
_NAMES: LiteralString = """
SELECT person_id, name FROM books.people
WHERE person_id NOT IN (SELECT account_id::text FROM books.accounts)
"""


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """A month that was ever closed, as it is now. Totals are those of the last closing."""

    period: str
    closed: bool
    position: int
    recorded_at: datetime
    actor: str
    reason: str | None
    totals: tuple[PeriodTotal, ...]


class ClosingStatus(StrEnum):
    """What has become of a closing: it holds, the month is open again, or was closed anew."""

    CLOSED = "closed"
    REOPENED = "reopened"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Closing:
    """One closing of a month. `knew` is the last position that its totals know."""

    month: Month
    status: ClosingStatus
    position: int
    recorded_at: datetime
    actor: str
    knew: int
    totals: tuple[PeriodTotal, ...]

    @property
    def last_day(self) -> date:
        return self.month.last_day


class Reopening(NamedTuple):
    """One reopening of a month; `closed_again` is the position of the closing behind it, None: the
    month is open.
    """

    month: Month
    position: int
    recorded_at: datetime
    actor: str
    reason: str
    closed_again: int | None


class DirectoryView:
    """One for a process; safe for threads, none of which waits for the database behind the lock."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ledger: object = None
        self._forget()

    def _forget(self) -> None:
        self._events: tuple[Recorded[DirectoryEvent], ...] = ()
        self._latest = Directory()
        self._told: dict[int, Directory] = {}
        self._names: tuple[object, Mapping[ManagerId, str]] = (self._events, {})
        self._complete = -1  # up to this position, at least, nothing is missing

    def now(self, cursor: Cursor[Any], end: End) -> Directory:
        """Everything known, when the log ends there at least."""
        known = self.at_hand(end)
        if known is None:
            self._caught_up(cursor)
            with self._lock:
                if self._ledger == end.ledger:
                    self._complete = max(self._complete, end.position)
                known = self._latest
        return known

    def at_hand(self, end: End) -> Directory | None:
        """The same; None when it must be looked whether there is something to catch up."""
        with self._lock:
            is_whole = self._ledger == end.ledger and self._complete >= end.position
            return self._latest if is_whole else None

    def at(self, cursor: Cursor[Any], position: int) -> Directory:
        """What was known at `position`."""
        events = self._up_to(cursor, position)
        return self._after(events, bisect_right(events, position, key=_POSITION))

    def last_learnt(self, cursor: Cursor[Any], position: int) -> int:
        """Where, up to `position`, it was changed last; 0: nowhere."""
        places = (one.position for one in reversed(self._up_to(cursor, position)))
        return next((place for place in places if place <= position), 0)

    def _up_to(self, cursor: Cursor[Any], position: int) -> tuple[Recorded[DirectoryEvent], ...]:
        """All events up to `position`, and maybe more."""
        with self._lock:
            if self._complete >= position:
                return self._events
        return self._caught_up(cursor)

    def names(self, cursor: Cursor[Any]) -> Mapping[ManagerId, str]:
        """What managers are called now, read by a cursor that told what is known now. Names live
        outside the log and have no history; but each comes, and goes, with an event that is here.
        """
        events = self._events
        if self._names[0] is not events:
            self._names = events, dict(cursor.execute(_NAMES).fetchall())
        return self._names[1]

    def names_at_hand(self) -> Mapping[ManagerId, str] | None:
        """The same; None when they must be read."""
        events, names = self._names
        return names if events is self._events else None

    def _after(self, events: Sequence[Recorded[DirectoryEvent]], number: int) -> Directory:
        """What the first `number` of them told: mostly all, as long as nobody has learnt more
        meanwhile; few earlier points are asked about again and again.
        """
        with self._lock:
            if number == len(events) and events is self._events:
                return self._latest
            known = self._told.get(number)
        if known is None:
            known = directory_of(events[:number])
            with self._lock:
                if len(self._told) >= EARLIER:
                    self._told.clear()
                self._told[number] = known
        return known

    def periods(self, cursor: Cursor[Any], position: int) -> list[PeriodLine]:
        """Months in order, each as its last closing or reopening up to `position` left it."""
        lines: dict[str, PeriodLine] = {}
        for recorded in self._caught_up(cursor):
            event = recorded.event
            if recorded.position <= position and isinstance(event, PeriodClosed | PeriodReopened):
                closing = event if isinstance(event, PeriodClosed) else None
                lines[event.period] = PeriodLine(
                    event.period,
                    closing is not None,
                    recorded.position,
                    recorded.recorded_at,
                    recorded.actor,
                    None if isinstance(event, PeriodClosed) else event.reason,
                    closing.totals if closing else lines[event.period].totals,
                )
        return [lines[period] for period in sorted(lines)]

    def closings(self, cursor: Cursor[Any], position: int) -> list[Closing]:
        """Every one up to `position`; months in order, those of one month as they were recorded."""
        found: dict[Month, list[Closing]] = {}
        for recorded in self._caught_up(cursor):
            event = recorded.event
            if recorded.position > position:
                break
            if isinstance(event, PeriodClosed):
                closings = found.setdefault(Month.parse(event.period), [])
                _mark_last(closings, ClosingStatus.REPLACED)
                closings.append(_closing(recorded, event))
            elif isinstance(event, PeriodReopened):
                _mark_last(found[Month.parse(event.period)], ClosingStatus.REOPENED)
        return [closing for month in sorted(found) for closing in found[month]]

    def reopenings(self, cursor: Cursor[Any], position: int) -> list[Reopening]:
        """Every one up to `position`, as they were recorded."""
        found: list[Reopening] = []
        for recorded in self._caught_up(cursor):
            event = recorded.event
            if recorded.position > position:
                break
            if isinstance(event, PeriodReopened):
                month, when = Month.parse(event.period), recorded.recorded_at
                found.append(
                    Reopening(month, recorded.position, when, recorded.actor, event.reason, None)
                )
            elif isinstance(event, PeriodClosed):
                month = Month.parse(event.period)
                found = [
                    one._replace(closed_again=recorded.position)
                    if one.month == month and one.closed_again is None
                    else one
                    for one in found
                ]
        return found

    def _caught_up(self, cursor: Cursor[Any]) -> tuple[Recorded[DirectoryEvent], ...]:
        """What was known of another log is forgotten."""
        known = self._events
        ledger, new = _read(cursor, known[-1].position if known else 0)
        with self._lock:
            if ledger == self._ledger or not known:
                return self._learnt(ledger, new)
        ledger, new = _read(cursor, 0)
        with self._lock:
            return self._learnt(ledger, new)

    def _learnt(
        self, ledger: object, new: Sequence[Recorded[DirectoryEvent]]
    ) -> tuple[Recorded[DirectoryEvent], ...]:
        """Behind the lock; of another ledger than the one that is known, `new` are all events."""
        if ledger != self._ledger:
            self._ledger = ledger
            self._forget()
        last = self._events[-1].position if self._events else 0
        for recorded in new:
            if recorded.position > last:
                self._latest = self._latest.evolve(recorded)
                self._events += (recorded,)
        return self._events


def _read(cursor: Cursor[Any], after: int) -> tuple[object, list[Recorded[DirectoryEvent]]]:
    """Which ledger it is, and the events behind the position."""
    rows = cursor.execute(_EVENTS, [after]).fetchall()
    told = (decode(*row[2:]) for row in rows if row[2] is not None)
    return rows[0][:2], [*filter(is_about_the_directory, told)]


def _mark_last(closings: list[Closing], status: ClosingStatus) -> None:
    closings[-1:] = [replace(one, status=status) for one in closings[-1:]]


def _closing(recorded: Recorded[DirectoryEvent], event: PeriodClosed) -> Closing:
    return Closing(
        Month.parse(event.period),
        ClosingStatus.CLOSED,
        recorded.position,
        recorded.recorded_at,
        recorded.actor,
        event.position,
        event.totals,
    )


def names_of(cursor: Cursor[Any], people: Collection[str]) -> Mapping[str, str]:
    """What those managers and accounts are called; of whoever was forgotten there is nothing."""
    rows = cursor.execute(_CALLED, [list(people)]).fetchall()
    return {who: name for who, name in rows if name}


def names(cursor: Cursor[Any]) -> Mapping[ManagerId, str]:
    """What managers are called now; names live outside the log and have no history."""
    return dict(cursor.execute(_NAMES).fetchall())
