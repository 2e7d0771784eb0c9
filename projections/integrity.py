"""Where, when and by whom the books were written unusually: counts and places, and no verdict.

What is looked at was recorded on the days of a window. Business dates may be chosen by whoever
records; when it was recorded may not. Of that, everything counts that holds by `as_of` and is
known at `position`. Each function is one question, and its docstring is the definition, which
tests/test_integrity.py counts anew from the events alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from statistics import median_low
from typing import Any, LiteralString, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Cursor
from pydantic_core import from_json

from domain.events import (
    ActionPerformed,
    ActionRejected,
    ActionWithdrawn,
    DealEvent,
    DealOpened,
    PotentialCheckRevised,
    Recorded,
    WeightChanged,
    decode,
)
from domain.history import known
from domain.periods import Month
from domain.values import ActionId, DealId, ManagerId
from projections.actions import EFFECTIVE_ON
from projections.directory import Reopening
from projections.ledger import managers_asked
from projections.point import Point, last_positions
from projections.portfolio import About, portfolios_from_ledger

Fact = Recorded[DealEvent]
WHOLE = 10_000
"""Shares are in basis points, floored."""


@dataclass(frozen=True)
class Window:
    """What was recorded on the business days from `first` to `last`, both inclusive, up to the
    point; as positions, from `begun` (exclusive) to `ended`.

    `managers`: only deals in which one of them ever had anything, by the ledger at the point, and
    only rows of theirs; None: everything.
    """

    point: Point
    first: date
    last: date
    zone: ZoneInfo
    currency: str
    managers: Collection[ManagerId] | None
    begun: int
    ended: int

    @cached_property
    def asked(self) -> dict[str, Any]:
        return {
            "begun": self.begun,
            "ended": self.ended,
            "position": self.point.position,
            "day": self.point.as_of,
            "as_of": self.point.as_of.isoformat().encode(),
            "zone": self.zone.key,
            "currency": self.currency,
            "managers": managers_asked(self.managers),
        }

    def has(self, manager: ManagerId) -> bool:
        return self.managers is None or manager in self.managers


def window_at(
    cursor: Cursor[Any],
    point: Point,
    first: date,
    last: date,
    zone: ZoneInfo,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Window:
    begun, ended = last_positions(cursor, [first - timedelta(days=1), last], zone, point)
    return Window(point, first, last, zone, currency, managers, begun, ended)


_ACTOR: LiteralString = """
substring({event}.state FROM position('"actor":"'::bytea IN {event}.state) + 9
    FOR position('","effective_on":"'::bytea IN {event}.state)
        - position('"actor":"'::bytea IN {event}.state) - 9)
"""
_RECORDED_ON: LiteralString = "({event}.recorded_at AT TIME ZONE %(zone)s)::date"
_THEIRS: LiteralString = """
(%(managers)s::text[] IS NULL OR originator_id IN (
    SELECT deal_id FROM ledger.deals WHERE deal IN (
        SELECT deal FROM ledger.postings
        WHERE manager = ANY (ARRAY(
            SELECT manager FROM ledger.managers WHERE manager_id = ANY (%(managers)s::text[])))
          AND effective_on <= %(day)s AND position <= %(position)s)))
"""
_COUNTED: LiteralString = f"""
notification_id > %(begun)s AND notification_id <= %(ended)s AND NOT of_the_directory
AND {EFFECTIVE_ON.format(event="events")} <= %(as_of)s AND {_THEIRS}
"""
_POSTED: LiteralString = """
manager = ANY (ARRAY(SELECT manager FROM ledger.managers))
AND position > %(begun)s AND position <= %(ended)s AND due_position = position
AND effective_on <= %(day)s
"""
"""Postings of what was recorded in the window, each at its own step."""


def _told(text: bytes) -> str:
    """A text as the log has it, between its quotation marks."""
    return str(from_json(b'"%b"' % bytes(text)))


# ---------------------------------------------------------------------------- late entries

LAGS = (0, 2, 5, 20)
"""Working days up to which a lag belongs to a group, inclusive; the last group has no end."""


class LateAuthor(NamedTuple):
    """`lags` counts entries by LAGS. `median` (the lower one) and `most` are of the late ones, in
    working days; `position` is the first of those that came latest.
    """

    actor: str
    entries: int
    late: int
    lags: tuple[int, ...]
    median: int
    most: int
    position: int


_LATE: LiteralString = f"""
SELECT {_ACTOR.format(event="events")}, {EFFECTIVE_ON.format(event="events")},
       {_RECORDED_ON.format(event="events")}, count(*), min(notification_id)
FROM books.events
WHERE topic NOT IN ('ActionConfirmed', 'ActionRejected', 'ActionWithdrawn') AND {_COUNTED}
GROUP BY 1, 2, 3
"""


def late_entries(
    cursor: Cursor[Any],
    window: Window,
    working_days: Callable[[date, date], int],
    late_after: int,
) -> list[LateAuthor]:
    """Of each author: how many entries there are, and how many working days behind the day on
    which it holds each was recorded; late ones by more than `late_after`. Who has most comes first,
    who has none is left out. Confirmations, rejections and withdrawals hold from their action's
    date when nobody says otherwise, and are no entries here.
    """
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for actor, effective_on, recorded_on, number, position in cursor.execute(_LATE, window.asked):
        lag = working_days(date.fromisoformat(bytes(effective_on).decode()), recorded_on)
        found[_told(actor)].append((lag, number, position))
    lines = (_late_author(actor, lags, late_after) for actor, lags in found.items())
    return sorted((one for one in lines if one.late), key=lambda one: (-one.late, one.actor))


def _late_author(actor: str, lags: list[tuple[int, int, int]], late_after: int) -> LateAuthor:
    groups, late = Counter[int](), Counter[int]()
    for lag, number, _ in lags:
        groups[sum(lag > end for end in LAGS)] += number
        if lag > late_after:
            late[lag] += number
    most = max(lag for lag, _, _ in lags)
    return LateAuthor(
        actor,
        sum(groups.values()),
        sum(late.values()),
        tuple(groups[group] for group in range(len(LAGS) + 1)),
        median_low([*late.elements()]) if late else 0,
        most,
        min(position for lag, _, position in lags if lag == most),
    )


# ---------------------------------------------------------------------------- before a month's end


class MonthEnd(NamedTuple):
    """Positive actions, and their value in 1/10 000 of a kopeck: all; those dated in the last days
    of a month; those recorded in them.
    """

    manager_id: ManagerId
    actions: int
    actions_dated: int
    actions_recorded: int
    value: int
    value_dated: int
    value_recorded: int


# Behind an odd number of ends a position is inside of one of the parts that they bound.
_MONTH_ENDS: LiteralString = f"""
WITH posted AS (
    SELECT manager, actions::int AS actions, CASE WHEN currency = %(currency)s THEN amount ELSE 0
               END AS value,
           extract(month FROM effective_on + %(days)s) <> extract(month FROM effective_on)
               AS dated,
           width_bucket(position - 1, %(ends)s::bigint[]) %% 2 = 1 AS recorded
    FROM ledger.postings
    WHERE {_POSTED} AND due_cause = 'ActionPerformed' AND (actions > 0 OR amount > 0)
)
SELECT manager_id, sum(actions), coalesce(sum(actions) FILTER (WHERE dated), 0),
       coalesce(sum(actions) FILTER (WHERE recorded), 0),
       sum(value), coalesce(sum(value) FILTER (WHERE dated), 0),
       coalesce(sum(value) FILTER (WHERE recorded), 0)
FROM posted JOIN ledger.managers USING (manager)
GROUP BY manager_id
"""


def month_ends(cursor: Cursor[Any], window: Window, days: int) -> list[MonthEnd]:
    """Of each manager: the positive actions, the value in the currency that each of them added as
    it was recorded (what is claimed, too), and which part of both was dated, which recorded on one
    of the last `days` (up to 28) of a month. The largest part recorded so comes first.
    """
    spans = list(_last_days(window, days))
    ends = last_positions(
        cursor,
        [day for first, last in spans for day in (first - timedelta(days=1), last)],
        window.zone,
        window.point,
    )
    asked = window.asked | {"days": days, "ends": ends}
    rows = cursor.execute(_MONTH_ENDS, asked).fetchall()
    found = (MonthEnd(ManagerId(who), *sums) for who, *sums in rows)
    return sorted(
        filter(lambda one: window.has(one.manager_id), found),
        key=lambda one: (-share(one.actions_recorded, one.actions), one.manager_id),
    )


def even_share(window: Window, days: int) -> int:
    """Of the days of the window, those that are the last `days` of a month."""
    ends = sum((last - first).days + 1 for first, last in _last_days(window, days))
    return share(ends, (window.last - window.first).days + 1)


def share(part: int, whole: int) -> int:
    """In basis points; of nothing it is 0."""
    return part * WHOLE // whole if whole else 0


def _last_days(window: Window, days: int) -> Iterator[tuple[date, date]]:
    """Those parts of the window, each from day to day, both inclusive."""
    month = Month(window.first.year, window.first.month)
    while month.last_day - timedelta(days=days - 1) <= window.last:
        end = month.last_day
        first, last = max(window.first, end - timedelta(days=days - 1)), min(window.last, end)
        if first <= last:
            yield first, last
        following = end + timedelta(days=1)
        month = Month(following.year, following.month)


# ---------------------------------------------------------------------------- raises near weights


class Raise(NamedTuple):
    """A weight (basis points) or a check (kopecks) that was raised, and the heavy action of the
    deal nearest to it: `days` after the raise was recorded, negative: before. `heavy` is how many
    such actions there are.
    """

    position: int
    deal_id: DealId
    type: str
    actor: str
    recorded_at: datetime
    effective_on: date
    before: int
    after: int
    action_id: ActionId
    action_position: int
    action_type: str
    weight: int
    days: int
    heavy: int


_RAISES: LiteralString = f"""
WITH raised AS MATERIALIZED (
    SELECT originator_id, originator_version, topic, state,
           {_RECORDED_ON.format(event="events")} AS day
    FROM books.events
    WHERE topic IN ('WeightChanged', 'PotentialCheckRevised') AND {_COUNTED}
), near AS MATERIALIZED (  -- few, so that few weights have to be read
    SELECT originator_id, raised.originator_version, raised.topic, raised.state,
           heavy.originator_version AS heavy_version, heavy.topic AS performed,
           heavy.state AS heavy, {_RECORDED_ON.format(event="heavy")} - raised.day AS apart
    FROM raised JOIN books.events AS heavy USING (originator_id)
    WHERE heavy.topic = 'ActionPerformed'
      AND heavy.notification_id > %(near_begun)s AND heavy.notification_id <= %(near_ended)s
      AND {EFFECTIVE_ON.format(event="heavy")} <= %(as_of)s
      AND abs({_RECORDED_ON.format(event="heavy")} - raised.day) <= %(days)s
)
SELECT * FROM near WHERE %(weight)s <= (
    SELECT sum((credit ->> 'weight')::numeric) * 100
    FROM jsonb_array_elements(convert_from(heavy, 'UTF8')::jsonb #> '{{data,credits}}') AS credit)
"""


def raises_near_weights(cursor: Cursor[Any], window: Window, days: int, weight: int) -> list[Raise]:
    """Weights and checks that were raised, in book order, on a deal where an action of at least
    `weight` (as it was recorded) was recorded within `days` calendar days before or after: also
    the action whose weight was raised, and also outside the window. The nearest in days, then the
    earlier, is told. In the order of recording.
    """
    margin = timedelta(days=days)
    asked = window.asked | {"days": days, "weight": weight}
    asked["near_begun"], asked["near_ended"] = last_positions(
        cursor, [window.first - margin - timedelta(days=1), window.last + margin],
        window.zone, window.point,
    )  # fmt: skip
    near: dict[int, list[tuple[int, int, Fact, int]]] = defaultdict(list)
    raised: dict[int, Fact] = {}
    for stream, version, topic, state, *action, apart in cursor.execute(_RAISES, asked):
        heavy, fact = _fact(stream, *action), _fact(stream, version, topic, state)
        raised[fact.position] = fact
        near[fact.position].append((abs(apart), heavy.position, heavy, apart))
    earlier = _before(cursor, window, raised.values())
    found = []
    for position in sorted(raised):
        fact, was = raised[position], earlier[position]
        now = _sets(fact)
        assert now is not None
        if now > was:
            _, _, heavy, apart = min(near[position], key=lambda one: one[:2])
            event = heavy.event
            assert isinstance(event, ActionPerformed)
            found.append(
                Raise(
                    position, DealId(fact.originator_id), fact.type, fact.actor, fact.recorded_at,
                    _on(fact), was, now, event.action_id, heavy.position, event.action_type,
                    _nominal(heavy), apart, len(near[position]),
                )
            )  # fmt: skip
    return found


def _nominal(fact: Fact) -> int:
    event = fact.event
    assert isinstance(event, ActionPerformed)
    return sum(credit.weight for credit in event.credits)


def _sets(fact: Fact) -> int | None:
    """The weight, or the check, that stands from the event on; None: it sets neither."""
    match fact.event:
        case ActionPerformed():
            return _nominal(fact)
        case WeightChanged():
            return fact.event.weight
        case DealOpened() | PotentialCheckRevised():
            return fact.event.potential_check.amount
        case _:
            return None


def _before(cursor: Cursor[Any], window: Window, facts: Iterable[Fact]) -> Mapping[int, int]:
    """What each of these WeightChanged, ActionWithdrawn and PotentialCheckRevised found: the weight
    of its action, or the check of its deal, as it stood just before it in book order.
    """
    wanted = list(facts)
    of_actions = _of_actions(cursor, window, [fact for fact in wanted if _action(fact)])
    of_deals = _checks(cursor, window, [fact for fact in wanted if not _action(fact)])
    found = {}
    for fact in wanted:
        action = _action(fact)
        story = of_actions[action] if action else of_deals[fact.originator_id]
        stood = 0
        for one in story:
            if one.position == fact.position:
                break
            sets = _sets(one)
            stood = stood if sets is None else sets
        found[fact.position] = stood
    return found


# ---------------------------------------------------------------------------- who confirms whom


class Pair(NamedTuple):
    """`confirmed` claims of the manager by the author; of all of this author's in the window, and
    of all of this manager's. `position` is the last of them.
    """

    actor: str
    manager_id: ManagerId
    confirmed: int
    of_author: int
    of_manager: int
    position: int


_PAIRS: LiteralString = f"""
WITH confirmed AS MATERIALIZED (
    SELECT manager, position FROM ledger.postings
    WHERE {_POSTED} AND due_cause = 'ActionConfirmed' AND account = 'claimed' AND amount < 0
)
SELECT {_ACTOR.format(event="events")}, manager_id, count(*), max(confirmed.position)
FROM confirmed JOIN ledger.managers USING (manager)
JOIN books.events ON notification_id = confirmed.position
GROUP BY 1, 2
"""


def confirming_pairs(cursor: Cursor[Any], window: Window) -> list[Pair]:
    """Who confirmed whose claims how often: a confirmation counts for every manager whose claimed
    value it took up (a setback claims none, nor does an action on a deal without a check). Shares
    are of all pairs, also those whose managers are not asked about. The most frequent first.
    """
    rows = [
        (_told(actor), ManagerId(manager), number, position)
        for actor, manager, number, position in cursor.execute(_PAIRS, window.asked)
    ]
    authors, managers = Counter[str](), Counter[ManagerId]()
    for actor, manager, number, _ in rows:
        authors[actor] += number
        managers[manager] += number
    found = (
        Pair(actor, manager, number, authors[actor], managers[manager], position)
        for actor, manager, number, position in rows
        if window.has(manager)
    )
    return sorted(found, key=lambda one: (-one.confirmed, one.actor, one.manager_id))


# ---------------------------------------------------------------------------- evidence used twice


class Use(NamedTuple):
    position: int
    deal_id: DealId
    action_type: str
    actor: str
    recorded_at: datetime
    effective_on: date
    managers: tuple[ManagerId, ...]


class Repeated(NamedTuple):
    """`text` as its first use has it; `uses` in the order of recording, two at least."""

    text: str
    uses: tuple[Use, ...]


_EVIDENCE: LiteralString = f"""
SELECT notification_id,
       substring(state FROM position('"evidence":"'::bytea IN state))
FROM books.events
WHERE topic = 'ActionPerformed' AND position('"evidence":"'::bytea IN state) > 0 AND {_COUNTED}
"""
_AT: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE notification_id = ANY (%s)
"""


def normalised(text: str) -> str:
    """Letters and digits, in words, whatever the case, the spaces and the punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def repeated_evidence(cursor: Cursor[Any], window: Window) -> list[Repeated]:
    """Evidence whose text, `normalised`, stands at two or more actions that were recorded in the
    window, of one deal or of several, and were neither withdrawn nor rejected by `as_of`. The most
    used first.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for position, rest in cursor.execute(_EVIDENCE, window.asked):
        text = from_json(b"{" + bytes(rest)[:-1])["evidence"]  # what ends the event is cut off
        if key := normalised(text):
            places[key].append(position)
    twice = {key: found for key, found in places.items() if len(found) > 1}
    facts = {
        fact.position: fact
        for fact in _facts(cursor, _AT, [[one for found in twice.values() for one in found]])
    }
    stories = _of_actions(cursor, window, facts.values())
    found = []
    for places_ in twice.values():
        live = [facts[one] for one in sorted(places_) if _is_live(facts[one], stories)]
        if len(live) > 1:
            found.append(Repeated(_evidence(live[0]), tuple(map(_use, live))))
    return sorted(found, key=lambda one: (-len(one.uses), one.uses[0].position))


def _is_live(fact: Fact, stories: Mapping[ActionId, Sequence[Fact]]) -> bool:
    story = stories[cast("ActionPerformed", fact.event).action_id]
    return not any(isinstance(one.event, ActionRejected | ActionWithdrawn) for one in story)


def _evidence(fact: Fact) -> str:
    return cast("ActionPerformed", fact.event).evidence or ""


def _use(fact: Fact) -> Use:
    event = cast("ActionPerformed", fact.event)
    managers = dict.fromkeys(credit.manager_id for credit in event.credits)
    return Use(
        fact.position, DealId(fact.originator_id), event.action_type, fact.actor,
        fact.recorded_at, _on(fact), tuple(managers),
    )  # fmt: skip


# ---------------------------------------------------------------------------- withdrawals


class Withdrawal(NamedTuple):
    """`weight` is nominal, just before; `days` are calendar days from the recording of the action
    to that of its withdrawal.
    """

    position: int
    deal_id: DealId
    actor: str
    recorded_at: datetime
    effective_on: date
    reason: str
    action_type: str
    action_position: int
    weight: int
    days: int


class WithdrawalAuthor(NamedTuple):
    """`weight` is the sum; `median` (the lower one) and `most` are of the days."""

    actor: str
    withdrawals: int
    weight: int
    median: int
    most: int


_WITHDRAWN: LiteralString = f"""
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'ActionWithdrawn')  -- as the index has it
  AND topic = 'ActionWithdrawn' AND {_COUNTED}
"""


def withdrawals(cursor: Cursor[Any], window: Window) -> list[Withdrawal]:
    """Actions that were withdrawn, by whom, of what weight, and how long after they were recorded.
    In the order of recording.
    """
    facts = list(_facts(cursor, _WITHDRAWN, window.asked))
    weights = _before(cursor, window, facts)
    stories = _of_actions(cursor, window, facts)
    found = []
    for fact in sorted(facts, key=lambda fact: fact.position):
        event = cast("ActionWithdrawn", fact.event)
        action = next(
            one for one in stories[event.action_id] if isinstance(one.event, ActionPerformed)
        )
        found.append(
            Withdrawal(
                fact.position, DealId(fact.originator_id), fact.actor, fact.recorded_at,
                _on(fact), event.reason, cast("ActionPerformed", action.event).action_type,
                action.position, weights[fact.position], _days(action, fact, window.zone),
            )
        )  # fmt: skip
    return found


def by_author(found: Iterable[Withdrawal]) -> list[WithdrawalAuthor]:
    """The most frequent first."""
    authors: dict[str, list[Withdrawal]] = defaultdict(list)
    for one in found:
        authors[one.actor].append(one)
    lines = (
        WithdrawalAuthor(
            actor,
            len(his),
            sum(one.weight for one in his),
            median_low(one.days for one in his),
            max(one.days for one in his),
        )
        for actor, his in authors.items()
    )
    return sorted(lines, key=lambda one: (-one.withdrawals, one.actor))


def _days(earlier: Fact, later: Fact, zone: ZoneInfo) -> int:
    days = [one.recorded_at.astimezone(zone).date() for one in (earlier, later)]
    return (days[1] - days[0]).days


# ---------------------------------------------------------------------------- reopened months


class Reopened(NamedTuple):
    """`entries` were recorded of days of that month until it was closed again or, as long as it is
    open, until the point: by author, the most frequent first. `position` is the first of them,
    None: there are none.
    """

    reopening: Reopening
    entries: tuple[tuple[str, int], ...]
    position: int | None


_MEANWHILE: LiteralString = f"""
SELECT {_ACTOR.format(event="events")}, count(*), min(notification_id) FROM books.events
WHERE {EFFECTIVE_ON.format(event="events")} >= %(of_first)s
  AND {EFFECTIVE_ON.format(event="events")} <= %(of_last)s AND {_COUNTED}
GROUP BY 1
"""


def reopened_months(
    cursor: Cursor[Any], window: Window, reopenings: Iterable[Reopening]
) -> list[Reopened]:
    """Months that were reopened in the window, and what was recorded into them meanwhile, also
    behind the window. In the order of recording.
    """
    found = []
    for one in reopenings:
        if not window.begun < one.position <= window.ended:
            continue
        asked = window.asked | {
            "begun": one.position,
            "ended": one.closed_again or window.point.position,
            "of_first": f"{one.month}-01".encode(),
            "of_last": one.month.last_day.isoformat().encode(),
        }
        rows = cursor.execute(_MEANWHILE, asked).fetchall()
        authors = sorted(
            ((_told(actor), number) for actor, number, _ in rows),
            key=lambda line: (-line[1], line[0]),
        )
        first = min((position for *_, position in rows), default=None)
        found.append(Reopened(one, tuple(authors), first))
    return found


# ---------------------------------------------------------------------------- unconfirmed value


class Unconfirmed(NamedTuple):
    """In 1/10 000 of a kopeck."""

    manager_id: ManagerId
    active: int
    claimed: int


def unconfirmed_value(cursor: Cursor[Any], window: Window) -> list[Unconfirmed]:
    """At the end of `as_of`, whatever the window: the claimed value of each manager beside the
    active one, in the currency. Who has none claimed is left out; the largest share comes first.
    """
    point = window.point
    held = portfolios_from_ledger(cursor, point.as_of, point.position, window.managers)
    found = (
        Unconfirmed(manager, one.balance.active, one.balance.claimed)
        for manager, one in held.get(window.currency, {}).items()
        if one.balance.claimed
    )
    return sorted(
        found,
        key=lambda one: (-share(one.claimed, one.active + one.claimed), one.manager_id),
    )


# ---------------------------------------------------------------------------- from the log

_OF_ACTIONS: LiteralString = """
SELECT originator_id, originator_version, topic, state
FROM unnest(%(deals)s::uuid[], %(actions)s::bytea[]) AS asked (deal, action)
JOIN books.events ON originator_id = asked.deal
WHERE position(asked.action IN state) > 0 AND notification_id <= %(position)s
"""
_CHECKS: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = ANY (%(deals)s) AND topic IN ('DealOpened', 'PotentialCheckRevised')
  AND notification_id <= %(position)s
"""


def _of_actions(
    cursor: Cursor[Any], window: Window, facts: Iterable[Fact]
) -> Mapping[ActionId, Sequence[Fact]]:
    """The whole story of each action that the facts are about, in book order."""
    pairs = {(fact.originator_id, str(_action(fact))) for fact in facts}
    asked = {
        "deals": [deal for deal, _ in pairs],
        "actions": [f'"action_id":"{action}"'.encode() for _, action in pairs],
        "position": window.point.position,
    }
    stories: dict[ActionId, list[Fact]] = defaultdict(list)
    for fact in _facts(cursor, _OF_ACTIONS, asked):
        action = _action(fact)
        assert action is not None
        stories[action].append(fact)
    return {action: _in_book_order(window, story) for action, story in stories.items()}


def _checks(
    cursor: Cursor[Any], window: Window, facts: Iterable[Fact]
) -> Mapping[UUID, Sequence[Fact]]:
    """What set the check of each deal that the facts are about, in book order."""
    asked = {
        "deals": [*{fact.originator_id for fact in facts}],
        "position": window.point.position,
    }
    stories: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in _facts(cursor, _CHECKS, asked):
        stories[fact.originator_id].append(fact)
    return {deal: _in_book_order(window, story) for deal, story in stories.items()}


def _in_book_order(window: Window, facts: Iterable[Fact]) -> Sequence[Fact]:
    return known(facts, window.point.as_of, window.point.position)


def _facts(cursor: Cursor[Any], statement: LiteralString, asked: Any) -> Iterator[Fact]:  # noqa: ANN401 - parameters
    for row in cursor.execute(statement, asked):
        yield _fact(*row)


def _fact(stream: UUID, version: int, topic: str, state: bytes) -> Fact:
    return cast("Fact", decode(stream, version, topic, state))


def _action(fact: Fact) -> ActionId | None:
    return getattr(fact.event, "action_id", None)


def _on(fact: Fact) -> date:
    assert fact.effective_on is not None
    return fact.effective_on


_DEALS: LiteralString = """
SELECT deal_id, title, client, currency FROM ledger.deals WHERE deal_id = ANY (%s)
"""


def deals_called(cursor: Cursor[Any], deals: Collection[UUID]) -> Mapping[UUID, About]:
    rows = cursor.execute(_DEALS, [list(deals)])
    return {about.deal_id: about for about in map(About._make, rows)}
