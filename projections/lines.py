"""The events behind a movement: which one, recorded when and by whom, changed how much of whose."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, cast

from psycopg import Cursor

from domain.events import AMENDMENTS, ActionPerformed, DealEvent, Recorded, decode
from domain.history import known, steps
from domain.values import Account, ActionId, ManagerId
from projections.actions import ACTION_ID
from projections.ledger import EVERYBODY, SOME, THEIRS_BY_DAY, managers_asked, whose
from projections.portfolio import Log


@dataclass(frozen=True, slots=True)
class Line:
    """What the step of the event at `position` changed in the portfolio, and in what is claimed.
    `managers`: whose, the largest change first. Amounts in 1/10 000 of a kopeck.
    """

    cause: str
    position: int
    effective_on: date
    active: int
    claimed: int
    managers: tuple[ManagerId, ...]


def lines_between(
    log: Log,
    first: date,
    last: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> list[Line]:
    """The definition: one for every step effective in (first, last] that changed the portfolio; the
    largest change first.
    """
    lines = []
    for events in log.values():
        for step in steps(known(events, last, position)):
            on = step.recorded.effective_on
            assert on is not None
            if step.deal.currency != currency or on <= first:
                continue
            active, claimed = dict[ManagerId, int](), dict[ManagerId, int]()
            for (manager, account), held in step.change.items():
                if managers is None or manager in managers:
                    if account is Account.ACTIVE and held.amount:
                        active[manager] = held.amount
                    elif account is Account.CLAIMED and held.amount:
                        claimed[manager] = held.amount
            sums = sum(active.values()), sum(claimed.values())
            who = sorted({*active, *claimed}, key=lambda one: (-abs(active.get(one, 0)), one))
            recorded = step.recorded
            if sums[0]:
                lines.append(Line(recorded.type, recorded.position, on, *sums, tuple(who)))
    return sorted(lines, key=lambda line: (-abs(line.active), line.position))


_CHANGED: dict[LiteralString, LiteralString] = {
    who: f"""
changed AS (
    SELECT due_cause, due_position, effective_on, manager_id,
           coalesce(sum(amount) FILTER (WHERE account = 'active'), 0) AS active,
           coalesce(sum(amount) FILTER (WHERE account = 'claimed'), 0) AS claimed
    FROM ledger.postings JOIN who USING (manager)
    WHERE {THEIRS_BY_DAY[who]} AND effective_on > %(first)s AND effective_on <= %(last)s
      AND position + 0 <= %(position)s AND currency = %(currency)s
    GROUP BY due_cause, due_position, effective_on, manager_id
),
line AS (
    SELECT due_cause, due_position, effective_on, sum(active) AS active, sum(claimed) AS claimed,
           coalesce(
               array_agg(manager_id ORDER BY abs(active) DESC, manager_id)
                   FILTER (WHERE active <> 0 OR claimed <> 0), '{{}}') AS managers
    FROM changed GROUP BY due_cause, due_position, effective_on
)
"""
    for who in (EVERYBODY, SOME)
}
_LARGEST: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who}), {_CHANGED[who]}
SELECT due_cause, due_position, effective_on, active, claimed, managers, number FROM (
    SELECT *, row_number() OVER (PARTITION BY due_cause ORDER BY abs(active) DESC, due_position)
                  AS place,
           count(*) OVER (PARTITION BY due_cause) AS number
    FROM line WHERE active <> 0
) AS ranked
WHERE place <= %(most)s ORDER BY abs(active) DESC, due_position
"""
    for who in (EVERYBODY, SOME)
}
_LATEST: LiteralString = f"""
WITH who AS MATERIALIZED ({SOME}), {_CHANGED[SOME]}
SELECT due_cause, due_position, effective_on, active, claimed, managers
FROM line WHERE active <> 0 OR claimed <> 0
ORDER BY effective_on DESC, due_position DESC LIMIT %(most)s
"""


def lines_from_ledger(
    cursor: Cursor[Any],
    first: date,
    last: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    most: int,
) -> tuple[list[Line], Mapping[str, int]]:
    """The same, at most so many of each cause; and how many there are of each."""
    asked = {
        "first": first,
        "last": last,
        "position": position,
        "currency": currency,
        "managers": managers_asked(managers),
        "most": most,
    }
    lines, numbers = [], dict[str, int]()
    for *line, number in cursor.execute(_LARGEST[whose(managers)], asked):
        lines.append(_line(line))
        numbers[line[0]] = number
    return lines, numbers


def latest_from_ledger(
    cursor: Cursor[Any],
    first: date,
    last: date,
    position: int,
    currency: str,
    manager: ManagerId,
    most: int,
) -> list[Line]:
    """One manager's, also those that only changed what is claimed; the latest first."""
    asked = {
        "first": first,
        "last": last,
        "position": position,
        "currency": currency,
        "managers": [manager],
        "most": most,
    }
    return [_line(row) for row in cursor.execute(_LATEST, asked)]


def _line(row: Sequence[Any]) -> Line:
    cause, position, effective_on, active, claimed, managers = row
    return Line(cause, position, effective_on, int(active), int(claimed), tuple(managers))


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a deal with what is said beside it: the deal's title and client, the author's
    name, and the action that it is about; None where there is none.
    """

    recorded: Recorded[DealEvent]
    title: str
    client: str
    currency: str
    author: str
    action: ActionPerformed | None


_TOLD: LiteralString = """
SELECT originator_id, originator_version, topic, state, title, client, currency, people.name
FROM books.events
JOIN ledger.deals ON deal_id = originator_id
LEFT JOIN books.people ON person_id = convert_from(state, 'UTF8')::jsonb ->> 'actor'
WHERE notification_id = ANY (%s)
"""
_ACTIONS: LiteralString = f"""
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = ANY (%s) AND topic = 'ActionPerformed'
  AND {ACTION_ID.format(event="events")} = ANY (%s)
"""


def told(cursor: Cursor[Any], positions: Iterable[int]) -> Mapping[int, Told]:
    """The deals' events at these positions."""
    rows = cursor.execute(_TOLD, [list(positions)]).fetchall()
    events = [
        cast("Recorded[DealEvent]", decode(stream, version, topic, bytes(state)))
        for stream, version, topic, state, *_ in rows
    ]
    actions = _actions(cursor, events)
    return {
        recorded.position: Told(
            recorded,
            title,
            client,
            currency,
            author or recorded.actor,
            actions.get(getattr(recorded.event, "action_id", None)),
        )
        for recorded, (*_, title, client, currency, author) in zip(events, rows, strict=True)
    }


def _actions(
    cursor: Cursor[Any], events: Collection[Recorded[DealEvent]]
) -> Mapping[ActionId | None, ActionPerformed]:
    """What the events are, or amend."""
    actions: dict[ActionId | None, ActionPerformed] = {
        one.event.action_id: one.event for one in events if isinstance(one.event, ActionPerformed)
    }
    amended = {
        one.event.action_id: one.originator_id
        for one in events
        if isinstance(one.event, AMENDMENTS) and one.event.action_id not in actions
    }
    if amended:
        ids = [str(action_id).encode() for action_id in amended]
        for row in cursor.execute(_ACTIONS, [[*amended.values()], ids]):
            performed = cast("ActionPerformed", decode(*row).event)
            actions[performed.action_id] = performed
    return actions
