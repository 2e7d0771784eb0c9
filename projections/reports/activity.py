"""Who moves: what each manager did in a span of days, and by what their portfolio changed in it.

`gained` is the movement of the portfolio (projections.movement, account `active`) from the eve of
the span to its last day, so both add up to the same. What became of an action is as it stands at
the point: `actions` dated in the span, which was withdrawn or rejected since, do not count.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor
from pydantic_core import from_json

from domain.history import known, on, state_at, steps
from domain.ledger import holdings
from domain.values import Account, ManagerId, split
from projections.actions import EFFECTIVE_ON
from projections.ledger import EVERYBODY, SOME, THEIRS_BY_DAY, managers_asked, whose
from projections.portfolio import Log
from projections.reports.kept import Kept
from projections.snapshots import standings

DAY = timedelta(days=1)
MOST_FACTS = 50_000
"""Actions that are remembered; each takes some 400 bytes."""


class Gain(StrEnum):
    """By what a portfolio grew or shrank; `effort` is what its manager, or a colleague, did."""

    __hash__ = str.__hash__  # as `Account`'s

    EFFORT = "effort"
    CHECK_REVISIONS = "check_revisions"
    HANDOVERS = "handovers"
    SUSPENSIONS = "suspensions"
    CLOSINGS = "closings"


_EFFORT = Gain.EFFORT  # members take their time to be found
GAINS: Mapping[str, Gain] = {
    "ActionPerformed": Gain.EFFORT,
    "ActionConfirmed": Gain.EFFORT,
    "ActionRejected": Gain.EFFORT,
    "WeightChanged": Gain.EFFORT,
    "ActionWithdrawn": Gain.EFFORT,
    "PotentialCheckRevised": Gain.CHECK_REVISIONS,
    "DealHandedOver": Gain.HANDOVERS,
    "DealSuspended": Gain.SUSPENSIONS,
    "DealResumed": Gain.SUSPENSIONS,
    "DealWon": Gain.CLOSINGS,
    "DealLost": Gain.CLOSINGS,
    "DealReopened": Gain.CLOSINGS,
}
"""By the type of the event at whose step the value changed. The other types change none."""


class Span(NamedTuple):
    """Days from `first` to `last`, both inclusive."""

    first: date
    last: date

    @property
    def eve(self) -> date:
        return self.first - DAY

    @property
    def before(self) -> "Span":
        """The span of as many days that ends on the eve."""
        return Span(self.first - (self.last - self.eve), self.eve)

    def has(self, day: date) -> bool:
        return self.first <= day <= self.last


class Activity(NamedTuple):
    """One manager, or the sum of several, in one currency.

    `actions` are positive, performed by the manager, dated in the span, and live; `weight` is the
    manager's part of their nominal weight as performed and `confirmed` what of it nobody has to
    confirm any more, in basis points. `touched` counts the deals of these actions, `deals` those
    that were the manager's (as `deals` of a portfolio) at the end of the eve or of a day of the
    span. `gained` is in 1/10 000 of a kopeck, `points` in basis points of credit in open deals.
    """

    actions: int = 0
    weight: int = 0
    confirmed: int = 0
    touched: int = 0
    deals: int = 0
    gained: Mapping[Gain, int] = MappingProxyType({})
    points: Mapping[Gain, int] = MappingProxyType({})

    @property
    def effort(self) -> int:
        return self.gained.get(_EFFORT, 0)


IDLE = Activity()
"""Of whoever is left out."""


def summed(lines: Iterable[Activity]) -> Activity:
    """What two managers did or hold together counts for both, and so twice in the sum."""
    all_ = [*lines]
    return Activity(
        sum(one.actions for one in all_),
        sum(one.weight for one in all_),
        sum(one.confirmed for one in all_),
        sum(one.touched for one in all_),
        sum(one.deals for one in all_),
        _added([one.gained for one in all_]),
        _added([one.points for one in all_]),
    )


def _added(gains: Iterable[Mapping[Gain, int]]) -> Mapping[Gain, int]:
    whole = dict.fromkeys(Gain, 0)
    for own in gains:
        for gain, amount in own.items():
            whole[gain] += amount
    return whole


def ranks(values: Mapping[ManagerId, int]) -> dict[ManagerId, int]:
    """1 for the largest; equal ones have the same rank, and the ranks behind them are left out."""
    ordered = sorted(values.values(), reverse=True)
    first = {value: place for place, value in reversed([*enumerate(ordered, 1)])}
    return {who: first[value] for who, value in values.items()}


class Done(NamedTuple):
    """A live positive action: the nominal weight of each who performed it."""

    deal_id: UUID
    claimed: bool
    weights: Mapping[ManagerId, int]


class _Counting:
    """Adds up the activities of one span."""

    def __init__(self, managers: Collection[ManagerId] | None) -> None:
        self._managers = managers
        self.gained: dict[ManagerId, dict[Gain, int]] = defaultdict(lambda: defaultdict(int))
        self.points: dict[ManagerId, dict[Gain, int]] = defaultdict(lambda: defaultdict(int))
        self.deals: dict[ManagerId, int] = defaultdict(int)
        self._done: dict[ManagerId, list[tuple[UUID, int, bool]]] = defaultdict(list)

    def counts(self, manager: ManagerId) -> bool:
        return self._managers is None or manager in self._managers

    def move(self, manager: ManagerId, cause: str, amount: int, points: int) -> None:
        if amount or points:
            self.gained[manager][GAINS[cause]] += amount
            self.points[manager][GAINS[cause]] += points

    def do(self, action: Done) -> None:
        for manager, weight in action.weights.items():
            if self.counts(manager):
                self._done[manager].append((action.deal_id, weight, action.claimed))

    def activities(self) -> dict[ManagerId, Activity]:
        """Whoever has none is left out."""
        everybody = ((who, self._activity(who)) for who in {*self.gained, *self._done, *self.deals})
        return {who: one for who, one in everybody if one != IDLE}

    def _activity(self, who: ManagerId) -> Activity:
        done = self._done.get(who, [])
        return Activity(
            len(done),
            sum(weight for _, weight, _ in done),
            sum(weight for _, weight, claimed in done if not claimed),
            len({deal for deal, _, _ in done}),
            self.deals.get(who, 0),
            {gain: one for gain, one in self.gained.get(who, {}).items() if one},
            {gain: one for gain, one in self.points.get(who, {}).items() if one},
        )


# ---------------------------------------------------------------------------- the definition


def activity_of(
    log: Log,
    span: Span,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> dict[ManagerId, Activity]:
    """The definition, at (as_of, position), `as_of` not before the span's last day: every deal in
    the currency folded. Of everybody or of `managers`; whoever has nothing at all is left out.
    """
    counting = _Counting(managers)
    for deal_id, events in log.items():
        facts = known(events, as_of, position)
        deal = state_at(facts, as_of, position)
        if deal is None or deal.currency != currency:
            continue
        for step in steps(facts):
            if span.has(on(step.recorded)):
                for (manager, account), held in step.change.items():
                    amount = held.amount if account is Account.ACTIVE else 0
                    if counting.counts(manager):
                        counting.move(manager, step.recorded.type, amount, held.progress)
        for action in deal.actions.values():
            if action.live and not action.is_setback and span.has(action.effective_on):
                parts = zip(action.performers, action.entries, strict=True)
                weights = {performer: entry.weight for performer, entry in parts}
                counting.do(Done(deal_id, action.claimed, weights))
        days = [span.eve, *{day for day in map(on, facts) if span.has(day)}]
        theirs = {
            manager
            for day in days
            for (manager, _), held in holdings(state_at(facts, day, position)).items()
            if held.deals and counting.counts(manager)
        }
        for manager in theirs:
            counting.deals[manager] += 1
    return counting.activities()


# ---------------------------------------------------------------------------- from the ledger


class Fact(NamedTuple):
    """An action as it was performed; it never changes."""

    deal_id: UUID
    action_id: str
    claimed: bool
    performers: tuple[ManagerId, ...]
    weights: tuple[int, ...]


Facts = Kept[int, Fact]
"""By the position of the event. They take longer to read than the rest of a question, and are
mostly of the same days.
"""


def facts_at(cursor: Cursor[Any], facts: Facts, places: Sequence[int]) -> list[Fact]:
    """Those at `places`, each the position of an ActionPerformed."""
    known = facts.all(places, partial(_read_facts, cursor))
    return [known[place] for place in places]


def _read_facts(cursor: Cursor[Any], places: Sequence[int]) -> dict[int, Fact]:
    return {place: _fact(deal, state) for place, deal, state in cursor.execute(_FACTS, [places])}


def _fact(deal: UUID, state: bytes) -> Fact:
    data = from_json(state)["data"]
    return Fact(
        deal,
        data["action_id"],
        data["needs_confirmation"],
        tuple(ManagerId(sys.intern(one["manager_id"])) for one in data["credits"]),
        tuple(_basis_points(one["weight"]) for one in data["credits"]),
    )


_IN_THE_SPAN: LiteralString = """
effective_on >= %(first)s AND effective_on <= %(last)s
AND position + 0 <= %(position)s
AND (%(currency)s::text IS NULL OR currency = %(currency)s)
"""
_MOVED: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT manager_id, due_cause, coalesce(sum(amount) FILTER (WHERE account = 'active'), 0),
       sum(progress)
FROM ledger.postings JOIN who USING (manager)
WHERE {THEIRS_BY_DAY[who]} AND {_IN_THE_SPAN}
GROUP BY 1, 2
"""
    for who in (EVERYBODY, SOME)
}
_ENTERED: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT manager_id, count(*) FROM (
    SELECT DISTINCT ON (manager, deal) manager, sum(deals) AS change FROM ledger.postings
    WHERE {THEIRS_BY_DAY[who]} AND {_IN_THE_SPAN} AND deals <> 0
    GROUP BY manager, deal, effective_on HAVING sum(deals) <> 0
    ORDER BY manager, deal, effective_on
) AS first_change JOIN who USING (manager)
WHERE change > 0 GROUP BY 1
"""
    for who in (EVERYBODY, SOME)
}
"""Deals that were not somebody's on the eve of the span, and then were: by their first change."""
_PERFORMED: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT DISTINCT due_position FROM ledger.postings
WHERE {THEIRS_BY_DAY[who]} AND {_IN_THE_SPAN}
  AND due_cause = 'ActionPerformed' AND due_position = position AND actions > 0
"""
    for who in (EVERYBODY, SOME)
}
_FACTS: LiteralString = """
SELECT notification_id, originator_id, state FROM unnest(%s::bigint[]) AS asked (place)
CROSS JOIN LATERAL (
    SELECT * FROM books.events WHERE notification_id = place OFFSET 0  -- by its key
) AS events
"""
_AMENDED: LiteralString = f"""
SELECT topic, state FROM books.events
WHERE topic IN ('ActionConfirmed', 'ActionRejected', 'WeightChanged', 'ActionWithdrawn')
  AND originator_id = ANY (%(deals)s) AND notification_id + 0 <= %(position)s
  AND {EFFECTIVE_ON.format(event="events")} >= %(since)s
  AND {EFFECTIVE_ON.format(event="events")} <= %(as_of)s
"""
"""No action is amended before its day. By the deals: the sum keeps another index from offering
itself.
"""


def activities_from_ledger(
    cursor: Cursor[Any],
    span: Span,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    facts: Facts,
) -> dict[ManagerId, Activity]:
    """The same: sums of the ledger, and from the log the span's actions with what amended them."""
    counting = _Counting(managers)
    for manager, cause, amount, points in moved(cursor, span, position, currency, managers):
        counting.move(manager, cause, amount, points)
    asked = _asked(span, position, currency, managers)
    for manager, number in cursor.execute(_ENTERED[whose(managers)], asked):
        counting.deals[ManagerId(manager)] += number
    for held_in, manager, held in standings(cursor, span.eve, position, managers):
        if held_in == currency:
            counting.deals[manager] += held.deals
    for action in performed(cursor, span, as_of, position, currency, managers, facts):
        counting.do(action)
    return counting.activities()


def moved(
    cursor: Cursor[Any],
    span: Span,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> list[tuple[ManagerId, str, int, int]]:
    """By manager and type of event: what the portfolio and the points gained in the span."""
    asked = _asked(span, position, currency, managers)
    return [
        (ManagerId(manager), cause, amount, points)
        for manager, cause, amount, points in cursor.execute(_MOVED[whose(managers)], asked)
    ]


def performed(
    cursor: Cursor[Any],
    span: Span,
    as_of: date,
    position: int,
    currency: str | None,
    managers: Collection[ManagerId] | None,
    facts: Facts,
) -> list[Done]:
    """The positive actions dated in the span that are live at the point, by their own events and
    what amended them; with a part of one of `managers`. `currency` None: of deals in any.
    """
    asked = _asked(span, position, currency, managers)
    places = [place for (place,) in cursor.execute(_PERFORMED[whose(managers)], asked)]
    performed_ = facts_at(cursor, facts, places)
    amended = _amendments(cursor, {one.deal_id for one in performed_}, as_of, asked)
    found = []
    for fact in performed_:
        weights, claimed, live = [*fact.weights], fact.claimed, True
        for topic, weight in amended.get(fact.action_id, ()):
            match topic:
                case "ActionConfirmed":
                    claimed = False
                case "WeightChanged":
                    weights = split(_basis_points(weight), weights)
                case _:
                    live = False
        if live:
            by_performer = dict(zip(fact.performers, weights, strict=True))
            found.append(Done(fact.deal_id, claimed, by_performer))
    return found


def _asked(
    span: Span, position: int, currency: str | None, managers: Collection[ManagerId] | None
) -> dict[str, Any]:
    return {
        "first": span.first, "last": span.last, "position": position, "currency": currency,
        "managers": managers_asked(managers),
    }  # fmt: skip


def _amendments(
    cursor: Cursor[Any], deals: Collection[UUID], as_of: date, asked: Mapping[str, Any]
) -> Mapping[str, Sequence[tuple[str, str]]]:
    """By action, in book order: the type, and the new weight where there is one."""
    days = {"since": asked["first"].isoformat().encode(), "as_of": as_of.isoformat().encode()}
    found: dict[str, list[tuple[str, int, str, str]]] = defaultdict(list)
    for topic, state in cursor.execute(_AMENDED, {**asked, **days, "deals": [*deals]}):
        told = from_json(state)
        data = told["data"]
        found[data["action_id"]].append(
            (told["effective_on"], told["position"], topic, data.get("weight", ""))
        )
    return {action: [one[2:] for one in sorted(story)] for action, story in found.items()}


def _basis_points(text: str) -> int:
    """As the log has a weight, with two decimals always."""
    return int(text.replace(".", ""))
