"""What if the regulations had been others? History folded once more under other weights, another
cap, without a type of action or a manager: beside the books, and never in them.

The fold is the domain's own. It is given altered events, and a deal whose cap is another; what
happened to the deal (its checks, handovers, outcome) stays as it was, so the deals that are won and
lost are the same, and only what of them was credited to whom differs.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor

from domain.deal import Deal, evolve
from domain.events import (
    AMENDMENTS,
    ActionPerformed,
    Amendment,
    Credit,
    DealEvent,
    Recorded,
    WeightChanged,
)
from domain.history import known, on
from domain.ledger import holdings
from domain.values import WHOLE, ActionId, ActionTypeCode, DealId, ManagerId, split
from projections.ledger import NOBODY, STANDING, Balance, Standing, standing
from projections.portfolio import Log, Portfolios
from projections.replaying import deals

Fact = Recorded[DealEvent]
AT_ONCE = 100
"""Deals whose events are read at once."""


class Alternative(NamedTuple):
    """Other regulations; left as it is, each field changes nothing.

    `weights` by type, each once, basis points: what an action of the type weighs whenever it was
    done, split over its managers in the proportions of what was recorded. Later changes of that
    action's weight are left out. An action of the other sign keeps its own: a setback does not
    become a success. `cap` is what all credit of a deal may reach, instead of WHOLE.

    `without_type`: its actions were never done. `without_manager`: what that manager did was not,
    and what others did together with them counts as it did; credit that was handed over to them
    stays theirs.
    """

    weights: tuple[tuple[ActionTypeCode, int], ...] = ()
    cap: int = WHOLE
    without_type: ActionTypeCode | None = None
    without_manager: ManagerId | None = None


class Nominal(NamedTuple):
    """What an action weighs by its managers, whether or not their lines are `kept`."""

    weights: list[int]
    kept: list[int]
    is_set: bool

    @property
    def weight(self) -> int:
        return sum(self.weights[place] for place in self.kept)


def altered(events: Iterable[Fact], alternative: Alternative) -> Iterator[Fact]:
    """`events` of one deal, in book order, as they would have been; in book order, too."""
    nominals: dict[ActionId, Nominal | None] = {}
    weights = dict(alternative.weights)
    for recorded in events:
        event: DealEvent | None = recorded.event
        if isinstance(event, ActionPerformed):
            nominal = nominals[event.action_id] = _nominal(event, alternative, weights)
            event = None if nominal is None else _performed(event, nominal)
        elif isinstance(event, AMENDMENTS):
            event = _amended(event, nominals)
        if event is recorded.event:
            yield recorded
        elif event is not None:
            yield recorded._replace(event=event)


def _nominal(
    event: ActionPerformed, alternative: Alternative, weights: Mapping[ActionTypeCode, int]
) -> Nominal | None:
    """None: it was not done."""
    if event.action_type == alternative.without_type:
        return None
    own = [credit.weight for credit in event.credits]
    weight = weights.get(event.action_type, 0)
    is_set = weight * sum(own) > 0
    if is_set:
        sign = 1 if weight > 0 else -1
        own = [sign * part for part in split(abs(weight), [abs(one) for one in own])]
    kept = [
        place
        for place, credit in enumerate(event.credits)
        if credit.manager_id != alternative.without_manager
    ]
    nominal = Nominal(own, kept, is_set)
    return nominal if nominal.weight else None


def _performed(event: ActionPerformed, nominal: Nominal) -> ActionPerformed:
    credits_ = tuple(
        Credit(manager_id=event.credits[place].manager_id, weight=nominal.weights[place])
        for place in nominal.kept
    )
    return event if credits_ == event.credits else event.model_copy(update={"credits": credits_})


def _amended(event: Amendment, nominals: dict[ActionId, Nominal | None]) -> Amendment | None:
    nominal = nominals[event.action_id]
    if nominal is None:
        return None
    if not isinstance(event, WeightChanged):
        return event
    if nominal.is_set:
        return None
    nominal = nominal._replace(weights=split(event.weight, nominal.weights))
    nominals[event.action_id] = nominal
    weight = max(1, nominal.weight)  # an action that stays in the books weighs something
    return event if weight == event.weight else event.model_copy(update={"weight": weight})


def refolding(events: Iterable[Fact], alternative: Alternative) -> Iterator[tuple[Fact, Deal]]:
    """Every event of a deal, given in book order, that still happened, and the deal after it."""
    deal: Deal | None = None
    for recorded in altered(events, alternative):
        if deal is None:
            deal = evolve(None, recorded)._replace(cap=alternative.cap)
        else:
            deal = evolve(deal, recorded)
        yield recorded, deal


def refolded(events: Iterable[Fact], alternative: Alternative) -> Deal | None:
    """The deal after all of them; None if there are none."""
    deal: Deal | None = None
    for _, state in refolding(events, alternative):
        deal = state
    return deal


# ---------------------------------------------------------------------------- the definition


def portfolios_under(log: Log, alternative: Alternative, as_of: date, position: int) -> Portfolios:
    """The definition: every deal folded anew, and added up as in the books."""
    result: dict[str, dict[ManagerId, Standing]] = defaultdict(lambda: defaultdict(Standing))
    for events in log.values():
        deal = refolded(known(events, as_of, position), alternative)
        for (manager, account), held in holdings(deal).items():
            assert deal is not None, "what is not open is worth nothing"
            managers = result[deal.currency]
            managers[manager] = managers[manager].with_holding(account, held)
    return result


# ---------------------------------------------------------------------------- what differs


Holder = tuple[str, ManagerId]
"""Of value in a currency."""


class Stood(NamedTuple):
    """The past day, and the knowledge of it, at which a deal's progress is asked for, too."""

    day: date
    known: int


class Plan(NamedTuple):
    """What is to be folded: the deals that the alternative may touch, how many `events` they have,
    and what the `books` have of them. What is untouched stands as in the books.
    """

    alternative: Alternative
    as_of: date
    position: int
    deals: list[UUID]
    stood: Mapping[UUID, Stood]
    events: int
    books: Mapping[Holder, Standing]


class Changes(NamedTuple):
    """What must be added to the books' standings; and the progress, in basis points, of deals as
    they `stood`.
    """

    standings: dict[Holder, Standing]
    progress: dict[UUID, int]

    def add(self, other: "Changes") -> None:
        for key, more in other.standings.items():
            self.standings[key] = self.standings.get(key, NOBODY).plus(more)
        self.progress.update(other.progress)


def begun(plan: Plan) -> Changes:
    """Before anything is folded: what the books have of the deals is taken away."""
    return Changes({key: _less(held) for key, held in plan.books.items()}, {})


def _less(held: Standing) -> Standing:
    return Standing(Balance._make(-value for value in held.balance), *(-one for one in held[1:]))


_TOUCHED: LiteralString = """
SELECT originator_id, count(*) FROM books.events
WHERE notification_id <= %(position)s AND NOT of_the_directory
  AND (%(all)s OR originator_id IN (
    SELECT originator_id FROM books.events
    WHERE topic = 'ActionPerformed' AND notification_id <= %(position)s AND EXISTS (
        SELECT FROM unnest(%(members)s::bytea[]) AS member WHERE position(member IN state) > 0)))
GROUP BY originator_id ORDER BY originator_id
"""
_BOOKS: LiteralString = f"""
SELECT currency, manager_id, {STANDING} FROM ledger.postings JOIN ledger.managers USING (manager)
WHERE deal IN (SELECT deal FROM ledger.deals WHERE deal_id = ANY (%(deals)s))
  AND effective_on <= %(as_of)s AND position <= %(position)s
GROUP BY currency, manager_id
"""
_EVENTS: LiteralString = """
SELECT originator_id, originator_version, topic, state FROM books.events
WHERE originator_id = ANY (%s) AND notification_id <= %s
ORDER BY originator_id, originator_version
"""


def plan_of(
    cursor: Cursor[Any],
    alternative: Alternative,
    as_of: date,
    position: int,
    stood: Mapping[UUID, Stood],
) -> Plan:
    kinds = [code for code, _ in alternative.weights]
    kinds += [] if alternative.without_type is None else [alternative.without_type]
    members = [b'"action_type":"%b"' % code.encode() for code in kinds]
    if alternative.without_manager is not None:
        members.append(b'"manager_id":"%b"' % alternative.without_manager.encode())
    asked = {"position": position, "all": alternative.cap != WHOLE, "members": members}
    rows = cursor.execute(_TOUCHED, asked).fetchall()
    touched = [deal for deal, _ in rows]
    own = {deal: stood[deal] for deal in touched if deal in stood}
    asked = {"deals": touched, "as_of": as_of, "position": position}
    books = {
        (currency, ManagerId(manager)): standing(columns)
        for currency, manager, *columns in cursor.execute(_BOOKS, asked).fetchall()
    }
    events = sum(count for _, count in rows)
    return Plan(alternative, as_of, position, touched, own, events, books)


def folded_by_part(cursor: Cursor[Any], plan: Plan) -> Iterator[tuple[int, Changes]]:
    """So many deals at a time: how many events they had, and what they come to. Raises
    replaying.Failed, psycopg.Error.
    """
    for first in range(0, len(plan.deals), AT_ONCE):
        rows = cursor.execute(
            _EVENTS, [plan.deals[first : first + AT_ONCE], plan.position], binary=True
        ).fetchall()
        changes = Changes({}, {})
        for events in deals(rows):
            _fold(events, plan, changes)
        yield len(rows), changes


def _fold(events: Sequence[Fact], plan: Plan, changes: Changes) -> None:
    """One deal: at the point and, if that is asked for, as it stood."""
    deal_id = DealId(events[0].originator_id)
    facts = known(events, plan.as_of, plan.position)
    stood = plan.stood.get(deal_id)
    deal, then = None, None
    for recorded, deal in refolding(facts, plan.alternative):
        if stood is not None and on(recorded) <= stood.day:
            then = deal
    for (manager, account), held in holdings(deal).items():
        assert deal is not None, "what is not open is worth nothing"
        key = deal.currency, manager
        changes.standings[key] = changes.standings.get(key, NOBODY).with_holding(account, held)
    if stood is not None:
        if _came_late(facts, stood):
            then = refolded(known(events, stood.day, stood.known), plan.alternative)
        assert then is not None, "only deals that were there are asked about"
        changes.progress[deal_id] = then.progress


def _came_late(facts: Iterable[Fact], stood: Stood) -> bool:
    """Whether anything held by that day that was not known of it: else it stood on the way."""
    return any(fact.position > stood.known and on(fact) <= stood.day for fact in facts)
