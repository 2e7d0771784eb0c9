"""Actions across deals: which were done, what has become of each, and what waits to be confirmed.

The definition folds every deal. The fast form reads in the log which actions may be meant, in the
order of recording, and folds their deals alone; what it asks of a stored event is asked of its
bytes, which are the same for ever (domain.events.encode).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, LiteralString, NamedTuple, cast
from uuid import UUID

from psycopg import Cursor
from pydantic_core import to_json

from domain.authority import sees_deal
from domain.deal import Action, Deal, Status
from domain.events import DealEvent, Recorded, decode
from domain.history import state_at
from domain.values import ActionTypeCode, DealId, ManagerId
from projections.portfolio import Log


class State(StrEnum):
    """What has become of an action. `live` is counted or claimed, `all` any."""

    LIVE = "live"
    COUNTED = "counted"
    CLAIMED = "claimed"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    ALL = "all"

    def has(self, action: Action) -> bool:
        match self:
            case State.ALL:
                return True
            case State.LIVE:
                return action.live
            case _:
                return action.state == self


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which actions are asked for; None leaves a condition out. Done from `first` to `last`, both
    inclusive; with a line of one of `managers`; in deals of one of `seen`.
    """

    state: State = State.LIVE
    action_type: ActionTypeCode | None = None
    managers: Collection[ManagerId] | None = None
    first: date | None = None
    last: date | None = None
    deal_status: Status | None = None
    seen: Collection[ManagerId] | None = None

    def has(self, deal: Deal, action: Action) -> bool:
        return (
            self.state.has(action)
            and self.action_type in (None, action.action_type)
            and (self.first is None or self.first <= action.effective_on)
            and (self.last is None or action.effective_on <= self.last)
            and self.deal_status in (None, deal.status)
            and (
                self.managers is None
                or any(entry.manager_id in self.managers for entry in action.entries)
            )
            and (self.seen is None or sees_deal(self.seen.__contains__, deal))
        )


class ActionLine(NamedTuple):
    """An action in a list, and its deal as it is at the point."""

    deal_id: DealId
    deal: Deal
    action: Action
    recorded_at: datetime

    @property
    def position(self) -> int:
        """The order of the list, and the cursor."""
        return self.action.position

    @property
    def amount(self) -> int:
        """What it stands for, at the deal's potential check: its credit or, of a claim, all of its
        weight; in 1/10 000 of a kopeck.
        """
        action = self.action
        return (action.weight if action.state == "claimed" else action.credit) * self.deal.check


def actions_as_of(
    log: Log, as_of: date, position: int, wanted: Wanted | None = None
) -> list[ActionLine]:
    """The definition: every deal folded, and the `wanted` of its actions."""
    lines: list[ActionLine] = []
    for deal_id, events in log.items():
        lines += _lines(deal_id, [*events], as_of, position, wanted or Wanted())
    return sorted(lines, key=lambda line: line.position)


def _lines(
    deal_id: DealId,
    events: Sequence[Recorded[DealEvent]],
    as_of: date,
    position: int,
    wanted: Wanted,
) -> Iterator[ActionLine]:
    deal = state_at(events, as_of, position)
    if deal is None:
        return
    recorded_at = {event.position: event.recorded_at for event in events}
    for action in deal.actions.values():
        if wanted.has(deal, action):
            yield ActionLine(deal_id, deal, action, recorded_at[action.position])


# ---------------------------------------------------------------------------- from the log

EFFECTIVE_ON: LiteralString = """
substring({event}.state FROM position('"effective_on":"'::bytea IN {event}.state) + 16 FOR 10)
"""
ACTION_ID: LiteralString = """
substring({event}.state FROM position('"action_id":"'::bytea IN {event}.state) + 13 FOR 36)
"""
_KNOWN: LiteralString = f"""
notification_id <= %(position)s AND {EFFECTIVE_ON.format(event="events")} <= %(as_of)s
"""
_WAITING: LiteralString = f"""
WITH named AS MATERIALIZED (
    SELECT min(place) AS place FROM (
        SELECT originator_id, {ACTION_ID.format(event="events")} AS action_id,
               notification_id AS place, true AS waits
        FROM books.events
        WHERE topic = 'ActionPerformed'
          AND position('"needs_confirmation":true'::bytea IN state) > 0 AND {_KNOWN}
        UNION ALL
        SELECT originator_id, {ACTION_ID.format(event="events")}, notification_id, false
        FROM books.events
        WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'ActionWithdrawn') AND {_KNOWN}
    ) AS told
    GROUP BY originator_id, action_id HAVING bool_and(waits)
)
"""
"""Claims that nothing has settled. All are gone through once: a join, whose size nobody can tell
beforehand, may go through the ones for each of the others.
"""
_SETTLED: LiteralString = f"""
WITH settled AS MATERIALIZED (
    SELECT originator_id, {ACTION_ID.format(event="events")} AS action_id
    FROM books.events
    WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'ActionWithdrawn')
      AND topic = %(settled_by)s AND {_KNOWN}
), named AS MATERIALIZED (
    SELECT events.notification_id AS place FROM settled JOIN books.events USING (originator_id)
    WHERE topic = 'ActionPerformed' AND {ACTION_ID.format(event="events")} = settled.action_id
)
"""
_SETTLED_BY = {State.WITHDRAWN: "ActionWithdrawn", State.REJECTED: "ActionRejected"}
_DONE_SINCE: LiteralString = f"""
{EFFECTIVE_ON.format(event="events")} >= %(first)s AND notification_id >= coalesce((
    SELECT notification_id FROM books.events WHERE recorded_at >= %(since)s
    ORDER BY recorded_at, notification_id LIMIT 1), %(position)s + 1)
"""
"""Nothing is recorded before the day on which it holds."""
_OF_MANAGERS: LiteralString = """
(EXISTS (SELECT FROM unnest(%(lines)s::bytea[]) AS line WHERE position(line IN events.state) > 0)
 OR originator_id IN (
    SELECT originator_id FROM books.events AS handing
    WHERE topic = 'DealHandedOver' AND EXISTS (
        SELECT FROM unnest(%(handed_to)s::bytea[]) AS line
        WHERE position(line IN handing.state) > 0)))
"""
_SEEN: LiteralString = """
(owner = ANY (ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))
 OR deals.deal IN (
    SELECT deal FROM ledger.postings
    WHERE manager = ANY (
        ARRAY(SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(seen)s)))))
"""
_ALL: LiteralString = "SELECT notification_id, originator_id FROM books.events"
_NAMED: LiteralString = """
SELECT notification_id, originator_id FROM named CROSS JOIN LATERAL (
    SELECT * FROM books.events WHERE notification_id = place OFFSET 0  -- by its key
) AS events
"""
_CANDIDATES: LiteralString = f"""
JOIN ledger.deals ON deal_id = originator_id
CROSS JOIN LATERAL (
    SELECT status, owner FROM ledger.deal_states
    WHERE deal = deals.deal AND effective_on <= %(day)s AND position <= %(position)s
    ORDER BY effective_on DESC, position DESC LIMIT 1
) AS state_of_deal
WHERE topic = 'ActionPerformed'
  AND notification_id > %(after)s AND notification_id <= %(position)s
  AND {EFFECTIVE_ON.format(event="events")} <= %(last)s
"""
_STREAMS: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = ANY (%s) AND notification_id <= %s
"""


def actions_from_log(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    wanted: Wanted,
    *,
    after: int = 0,
    limit: int = 100,
) -> list[ActionLine]:
    """The same: at most `limit` of them that were recorded behind the position `after`."""
    question, asked = _question(as_of, position, wanted)
    lines: list[ActionLine] = []
    while len(lines) < limit:
        most = limit - len(lines)
        rows = cursor.execute(question, {**asked, "after": after, "most": most}).fetchall()
        places = {place for place, _ in rows}
        for deal_id, events in _histories(cursor, {deal for _, deal in rows}, position).items():
            found = _lines(deal_id, events, as_of, position, wanted)
            lines += [line for line in found if line.position in places]
        if len(rows) < most:
            break
        after = rows[-1][0]
    return sorted(lines, key=lambda line: line.position)


def _question(as_of: date, position: int, wanted: Wanted) -> tuple[LiteralString, dict[str, Any]]:
    """Everything that is wanted is among what it finds, and mostly little else."""
    last = as_of if wanted.last is None else min(as_of, wanted.last)
    asked: dict[str, Any] = {
        "position": position, "day": as_of, "as_of": _day(as_of), "last": _day(last),
    }  # fmt: skip
    question = _ALL + _CANDIDATES
    if wanted.state is State.CLAIMED:
        question = _WAITING + _NAMED + _CANDIDATES
    elif wanted.state in _SETTLED_BY:
        question = _SETTLED + _NAMED + _CANDIDATES
        asked["settled_by"] = _SETTLED_BY[wanted.state]
    if wanted.action_type is not None:
        asked["kind"] = _member("action_type", wanted.action_type)
        question += "  AND position(%(kind)s IN events.state) > 0\n"
    if wanted.first is not None:
        midnight = datetime.combine(wanted.first, time(), UTC)
        asked |= {"first": _day(wanted.first), "since": midnight - timedelta(days=1)}  # any zone's
        question += f"  AND {_DONE_SINCE}"
    if wanted.deal_status is not None:
        asked["status"] = wanted.deal_status
        question += "  AND status = %(status)s\n"
    if wanted.managers is not None:
        asked["lines"] = [_member("manager_id", one) for one in wanted.managers]
        asked["handed_to"] = [_member("to_manager_id", one) for one in wanted.managers]
        question += f"  AND {_OF_MANAGERS}"
    if wanted.seen is not None:
        asked["seen"] = list(wanted.seen)
        question += f"  AND {_SEEN}"
    return question + "ORDER BY notification_id LIMIT %(most)s", asked


def _day(day: date) -> bytes:
    """Stored days are in the order of their bytes."""
    return day.isoformat().encode()


def _member(name: str, text: str) -> bytes:
    """As it is stored. No text holds it: a quotation mark in one has a backslash before it."""
    return b'"%b":%b' % (name.encode(), to_json(text))


def _histories(
    cursor: Cursor[Any], deals: Collection[UUID], position: int
) -> dict[DealId, list[Recorded[DealEvent]]]:
    histories: dict[DealId, list[Recorded[DealEvent]]] = {}
    for stream, version, topic, state in cursor.execute(_STREAMS, [list(deals), position]):
        event = cast("Recorded[DealEvent]", decode(stream, version, topic, state))
        histories.setdefault(DealId(stream), []).append(event)
    return histories
