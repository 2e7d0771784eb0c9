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
from domain.history import known
from domain.ledger import difference, holdings
from domain.values import WHOLE, ActionId, ActionTypeCode, DealId, ManagerId, split
from projections.ledger import NOBODY, Standing
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


def refolded(events: Sequence[Fact], alternative: Alternative) -> Deal | None:
    """The deal after `events`, in book order, under the alternative; None if there are none."""
    if not events:
        return None
    opening, *rest = altered(events, alternative)
    deal = evolve(None, opening)._replace(cap=alternative.cap)
    for recorded in rest:
        deal = evolve(deal, recorded)
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


class Stood(NamedTuple):
    """The past day, and the knowledge of it, at which a deal's progress is asked for, too."""

    day: date
    known: int


class Plan(NamedTuple):
    """What is to be folded: the deals that the alternative may touch, and how many `events` they
    have. What is untouched stands as in the books.
    """

    alternative: Alternative
    as_of: date
    position: int
    deals: list[UUID]
    stood: Mapping[UUID, Stood]
    events: int


class Changes(NamedTuple):
    """What must be added to the books' standings, by currency and manager; and the progress, in
    basis points, of deals as they `stood`.
    """

    standings: dict[tuple[str, ManagerId], Standing]
    progress: dict[UUID, int]

    def add(self, other: "Changes") -> None:
        for key, more in other.standings.items():
            self.standings[key] = self.standings.get(key, NOBODY).plus(more)
        self.progress.update(other.progress)


def nothing_changed() -> Changes:
    return Changes({}, {})


_TOUCHED: LiteralString = """
SELECT originator_id, count(*) FROM books.events
WHERE notification_id <= %(position)s AND NOT of_the_directory
  AND (%(all)s OR originator_id IN (
    SELECT originator_id FROM books.events
    WHERE topic = 'ActionPerformed' AND notification_id <= %(position)s AND EXISTS (
        SELECT FROM unnest(%(members)s::bytea[]) AS member WHERE position(member IN state) > 0)))
GROUP BY originator_id ORDER BY originator_id
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
    return Plan(alternative, as_of, position, touched, own, sum(count for _, count in rows))


def changes_by_part(cursor: Cursor[Any], plan: Plan) -> Iterator[tuple[int, Changes]]:
    """So many deals at a time: how many events they had, and what is different. Raises
    replaying.Failed, psycopg.Error.
    """
    for first in range(0, len(plan.deals), AT_ONCE):
        rows = cursor.execute(
            _EVENTS, [plan.deals[first : first + AT_ONCE], plan.position], binary=True
        ).fetchall()
        changes = nothing_changed()
        for events in deals(rows):
            changes.add(_changes(events, plan))
        yield len(rows), changes


def _changes(events: Sequence[Fact], plan: Plan) -> Changes:
    """Of one deal."""
    deal_id = DealId(events[0].originator_id)
    facts = known(events, plan.as_of, plan.position)
    books, other = refolded(facts, Alternative()), refolded(facts, plan.alternative)
    changes = nothing_changed()
    for (manager, account), held in difference(holdings(books), holdings(other)).items():
        assert other is not None, "what is not open is worth nothing"
        key = other.currency, manager
        changes.standings[key] = changes.standings.get(key, NOBODY).with_holding(account, held)
    if (stood := plan.stood.get(deal_id)) is not None:
        then = refolded(known(events, stood.day, stood.known), plan.alternative)
        assert then is not None, "only deals that were there are asked about"
        changes.progress[deal_id] = then.progress
    return changes
