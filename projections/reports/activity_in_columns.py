"""Who moves, as projections.reports.activity has it, from columns in memory."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.values import Account, ManagerId, split
from projections.reports.activity import GAINS, Activity, Facts, Gain, Span, facts_at
from projections.reports.columns import Column, Columns
from projections.reports.postings import (
    ACCOUNTS,
    AMENDMENTS,
    CAUSES,
    DEALS,
    EVENTS,
    MANAGER,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Cells,
    Deals,
    Events,
    Groups,
    Postings,
    at,
    between,
    code,
    firsts_of,
    known,
    manager_ids,
    numbers_of,
)
from projections.reports.standings import Ints, Rows, number_of

CONFIRMED, REWEIGHTED = CAUSES.index("ActionConfirmed"), CAUSES.index("WeightChanged")


def activities_from_columns(
    cursor: Cursor[Any],
    span: Span,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    facts: Facts,
    columns: Columns,
) -> dict[ManagerId, Activity]:
    """The same. Raises NotHeld."""
    tables = columns.of(cursor, position, POSTINGS, EVENTS, DEALS)
    postings, events, deals = Postings(*tables[0]), Events(*tables[1]), Deals(*tables[2])
    called = manager_ids(cursor)

    everybody = between(postings, span.first, span.last, position)
    everybody = everybody[deals.currencies(postings.deal[everybody]) == code(currency)]
    eve = known(postings, np.flatnonzero(postings.deals), number_of(span.eve), position)
    eve = eve[deals.currencies(postings.deal[eve]) == code(currency)]
    told = between(events, span.first, span.last, position)
    amending = np.flatnonzero(np.isin(events.kind, AMENDMENTS))
    amending = known(events, amending, number_of(as_of), position)
    done, rows = _performed(postings, everybody, events, told, amending), everybody
    if managers is not None:
        some = numbers_of(called, managers)
        rows, eve = (part[np.isin(postings.manager[part], some)] for part in (rows, eve))
        done = done.where(np.isin(done.manager, some))
    gained, points = _moved(postings, rows)
    held = Counter(_by_manager(postings.manager[eve], postings.deals[eve]))
    held.update(_by_manager(*_entered(postings, rows)))
    weights = done.weights(cursor, facts, called)
    actions = _by_manager(done.manager, np.ones_like(done.manager))
    weight = _by_manager(done.manager, weights)
    confirmed = _by_manager(done.manager, np.where(done.claimed, 0, weights))
    pairs = np.unique(done.manager << MANAGER.bit_length() | done.deal)
    touched = _by_manager(pairs >> MANAGER.bit_length(), np.ones_like(pairs))
    activities = {
        called[who]: Activity(
            actions.get(who, 0),
            weight.get(who, 0),
            confirmed.get(who, 0),
            touched.get(who, 0),
            held.get(who, 0),
            gained.get(who, {}),
            points.get(who, {}),
        )
        for who in {*gained, *points, *held, *actions}
    }
    return {who: one for who, one in activities.items() if one != Activity()}


Gains = Mapping[int, Mapping[Gain, int]]


def _moved(postings: Postings, rows: Rows) -> tuple[Gains, Gains]:
    """By manager: what the portfolio gained, and the points; nothing that is 0."""
    cells = Cells(postings.manager[rows], postings.cause[rows])
    active = postings.account[rows] == ACCOUNTS.index(Account.ACTIVE)
    return (
        _gains(cells, cells.sums(active, postings.amount[rows])),
        _gains(cells, cells.sums(np.ones_like(active), postings.progress[rows])),
    )


def _gains(cells: Cells, sums: Sequence[int]) -> Gains:
    gains: dict[int, Counter[Gain]] = defaultdict(Counter)
    for (manager, cause), amount in zip(cells.places(), sums, strict=True):
        if amount:
            gains[manager][GAINS[CAUSES[cause]]] += amount
    return {who: {gain: one for gain, one in own.items() if one} for who, own in gains.items()}


def _by_manager(managers: Column, numbers: Column) -> dict[int, int]:
    groups = Groups(managers.astype(np.int64))
    return dict(zip(groups.keys.tolist(), groups.counts(numbers).tolist(), strict=True))


def _entered(postings: Postings, rows: Rows) -> tuple[Column, Column]:
    """By manager: deals that were not theirs on the eve, and then were, by their first change."""
    rows = rows[postings.deals[rows] != 0]
    manager, deal, day = postings.manager, postings.deal, postings.day
    rows = rows[np.lexsort((day[rows], deal[rows], manager[rows]))]
    firsts = firsts_of(manager[rows], deal[rows], day[rows])
    change = np.add.reduceat(postings.deals[rows], firsts)
    rows, change = rows[firsts[change != 0]], change[change != 0]
    firsts = firsts_of(manager[rows], deal[rows])
    return manager[rows[firsts]], (change[firsts] > 0).astype(np.int64)


class _Done(NamedTuple):
    """Live positive actions, each with those who performed it. Where one did so alone, the weight
    is that at the point; `stories` are all new weights, in the order of the book.
    """

    manager: Ints
    deal: Ints
    place: Ints
    weight: Ints
    claimed: Bools
    is_shared: Bools
    action: Column
    stories: Mapping[int, Sequence[int]]

    def where(self, chosen: Bools) -> "_Done":
        return self._replace(
            manager=self.manager[chosen],
            deal=self.deal[chosen],
            place=self.place[chosen],
            weight=self.weight[chosen],
            claimed=self.claimed[chosen],
            is_shared=self.is_shared[chosen],
            action=self.action[chosen],
        )

    def weights(self, cursor: Cursor[Any], facts: Facts, called: Mapping[int, ManagerId]) -> Ints:
        """Of those that several performed each one's part, as every new weight splits it."""
        weights = self.weight.copy()
        places, actions = self.place[self.is_shared], self.action[self.is_shared]
        shared = dict(zip(places.tolist(), actions.tolist(), strict=True))
        parts: dict[tuple[int, ManagerId], int] = {}
        read = facts_at(cursor, facts, [*shared])
        for (place, action), fact in zip(shared.items(), read, strict=True):
            own = [*fact.weights]
            for weight in self.stories.get(action, ()):
                own = split(weight, own)
            parts |= {(place, who): one for who, one in zip(fact.performers, own, strict=True)}
        for row in np.flatnonzero(self.is_shared).tolist():
            weights[row] = parts[int(self.place[row]), called[int(self.manager[row])]]
        return weights


def _performed(postings: Postings, rows: Rows, events: Events, told: Rows, amending: Rows) -> _Done:
    """Of rows of the span, by what is told of its days, and by all that amends."""
    own = (postings.cause[rows] == PERFORMED) & (postings.due[rows] == postings.position[rows])
    rows = rows[own & (postings.actions[rows] > 0)]
    actions = events.action[at(events, told, postings.due[rows])]
    amending = amending[np.isin(events.action[amending], actions)]
    kind, amended = events.kind[amending], events.action[amending]
    stays = ~np.isin(actions, amended[np.isin(kind, TAKEN_BACK)])
    rows, actions = rows[stays], actions[stays]
    place = postings.due[rows].astype(np.int64)
    performed = at(events, told, place)
    _, numbers, performers = np.unique(place, return_inverse=True, return_counts=True)
    is_shared = performers[numbers] > 1
    changes = amending[kind == REWEIGHTED]
    changes = changes[np.lexsort((events.position[changes], events.day[changes]))]
    stories = defaultdict[int, list[int]](list)
    for action, weight in zip(
        events.action[changes].tolist(), events.weight[changes].tolist(), strict=True
    ):
        stories[action].append(weight)
    weights = events.weight[performed].astype(np.int64)
    for row in np.flatnonzero(np.isin(actions, events.action[changes])).tolist():
        weights[row] = stories[int(actions[row])][-1]
    return _Done(
        postings.manager[rows].astype(np.int64),
        postings.deal[rows].astype(np.int64),
        place,
        weights,
        events.claimed[performed] & ~np.isin(actions, amended[kind == CONFIRMED]),
        is_shared,
        actions,
        stories,
    )
