"""Who moves, as projections.reports.activity has it, from columns in memory."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.values import Account, ManagerId, Measure, split
from projections.reports.activity import GAINS, IDLE, Activity, Facts, Gain, Span, facts_at
from projections.reports.attainment import Figures, FiguresOf, portfolios
from projections.reports.columns import Column, Ints, Rows, Tables, number_of
from projections.reports.postings import (
    ACCOUNTS,
    AMENDMENTS,
    CAUSES,
    DEALS,
    EVENTS,
    MANAGERS,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Cells,
    Events,
    Managers,
    Postings,
    added_at,
    at,
    code,
    firsts_of,
)

CONFIRMED, REWEIGHTED = CAUSES.index("ActionConfirmed"), CAUSES.index("WeightChanged")


def activities_from_columns(
    tables: Tables,
    span: Span,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    facts: Facts,
) -> dict[ManagerId, Activity]:
    """The same. Raises NotHeld."""
    asked = _Asked(tables, span, position, currency, managers)
    moved = asked.moved()
    done = _performed(asked, moved, number_of(as_of))
    rows = asked.theirs(moved)
    if managers is not None:
        done = done.where(asked.counts[done.manager])
    weights = done.weights(tables.cursor, facts, asked.managers.ids)
    pairs = np.unique(done.manager * DEAL + done.deal)
    activities = map(
        Activity,
        asked.counted(done.manager, 1),
        asked.counted(done.manager, weights),
        asked.counted(done.manager, np.where(done.claimed, 0, weights)),
        asked.counted(pairs // DEAL, 1),
        asked.held(rows),
        *asked.gained(rows),
    )
    ids = asked.managers.ids
    return {who: one for who, one in zip(ids, activities, strict=True) if one != IDLE}


def figures_from_columns(tables: Tables, as_of: date, position: int) -> FiguresOf:
    """As `attainment.figures_from_ledger`. Raises NotHeld."""

    def figures(
        measure: Measure, span: Span, currency: str | None, managers: Collection[ManagerId]
    ) -> Figures:
        if measure is Measure.PORTFOLIO:
            return portfolios(tables.cursor, span, position, currency, managers)
        asked = _Asked(tables, span, position, currency, managers)
        rows, ids = asked.moved(), asked.managers.ids
        if measure is Measure.ACTIONS:
            done = _performed(asked, rows, number_of(as_of))
            return {}, dict(zip(ids, asked.counted(done.manager, 1), strict=True))
        gained, _ = asked.gained(rows)
        efforts = (gains.get(Gain.EFFORT, 0) for gains in gained)
        return {}, dict(zip(ids, efforts, strict=True))

    return figures


_GAINS = tuple(Gain)
_GAIN_OF = np.array(
    [_GAINS.index(GAINS[cause]) if cause in GAINS else len(_GAINS) for cause in CAUSES]
)
"""By the numbers of causes; those that change none have one behind them."""
DEAL = 2**31
"""A deal's number is below it; above it in a key stands the manager's place."""


class _Asked:
    """The tables, and what is asked of them; sums are lists by the managers' places."""

    def __init__(
        self,
        tables: Tables,
        span: Span,
        position: int,
        currency: str | None,
        managers: Collection[ManagerId] | None,
    ) -> None:
        """`currency` None: deals in any."""
        self.postings: Postings = tables.of(POSTINGS)
        self.events: Events = tables.of(EVENTS)
        self.managers: Managers = tables.of(MANAGERS)
        self.first, self.last = number_of(span.first), number_of(span.last)
        self.position = position
        deals = tables.of(DEALS)
        self.ours = deals.are_in(None if currency is None else code(currency))
        self.counts = self.managers.are(self.managers.ids if managers is None else managers)

    def moved(self) -> Rows:
        """Postings of the span in the currency, everybody's."""
        rows = self.postings.between(self.first, self.last, self.position)
        ours: Rows = rows[self.ours[self.postings.deal[rows]]]
        return ours

    def theirs(self, rows: Rows) -> Rows:
        """Of those who are asked about."""
        return rows[self.counts[self._places(rows)]]

    def _places(self, rows: Rows) -> Column:
        return self.managers.places(self.postings.manager[rows])

    def counted(self, places: Column, numbers: Column | int) -> list[int]:
        found: list[int] = self._added(places, numbers).tolist()
        return found

    def _added(self, places: Column, numbers: Column | int) -> Ints:
        return added_at(places, numbers, len(self.counts))

    def held(self, rows: Rows) -> list[int]:
        """Deals of the eve, and those entered behind it."""
        eve = self.postings.changes.until(self.first - 1, self.position)
        held = self._added(self.managers.places(eve.manager), self.ours[eve.deal] * eve.deals)
        entered, numbers = _entered(self.postings, rows)
        held += self._added(self._places(entered), numbers)
        return [int(number) for number in np.where(self.counts, held, 0)]

    def gained(self, rows: Rows) -> tuple[list[Mapping[Gain, int]], list[Mapping[Gain, int]]]:
        """What the portfolio gained, and the points; nothing that is 0."""
        postings = self.postings
        gain = _GAIN_OF[postings.cause[rows]]
        cells = Cells(self._places(rows), gain, len(self.counts), len(Gain) + 1)
        active = postings.account[rows] == ACCOUNTS.index(Account.ACTIVE)
        of_all = np.ones_like(active)
        gained = cells.sums(active, postings.amount[rows])
        points = cells.sums(of_all, postings.progress[rows])
        return [*map(_gains, gained)], [*map(_gains, points)]


def _gains(by_gain: Sequence[int]) -> Mapping[Gain, int]:
    *told, nothing = by_gain
    assert not nothing, "the other events change none"
    if not any(told):
        return IDLE.gained
    return {gain: one for gain, one in zip(_GAINS, told, strict=True) if one}


def _entered(postings: Postings, rows: Rows) -> tuple[Rows, Column]:
    """Deals that were not somebody's on the eve, and then were, by their first change: a row of
    each, and whether it is.
    """
    rows = rows[postings.deals[rows] != 0]
    manager, deal, day = postings.manager, postings.deal, postings.day
    rows = rows[np.lexsort((day[rows], deal[rows], manager[rows]))]
    firsts = firsts_of(manager[rows], deal[rows], day[rows])
    change = np.add.reduceat(postings.deals[rows], firsts)
    rows, change = rows[firsts[change != 0]], change[change != 0]
    firsts = firsts_of(manager[rows], deal[rows])
    return rows[firsts], (change[firsts] > 0).astype(np.int64)


class _Done(NamedTuple):
    """Live positive actions, each with those who performed it, by their places. Where one did so
    alone, the weight is that at the point; `stories` are all new weights, in the order of the book.
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

    def weights(self, cursor: Cursor[Any], facts: Facts, ids: Sequence[ManagerId]) -> Ints:
        """Of those that several performed each one's part, as every new weight splits it."""
        if not self.is_shared.any():
            return self.weight
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
            weights[row] = parts[int(self.place[row]), ids[int(self.manager[row])]]
        return weights


def _performed(asked: _Asked, rows: Rows, as_of: int) -> _Done:
    """Of the postings, by the events of the span, and by all that amends until the day."""
    postings, events, position = asked.postings, asked.events, asked.position
    since = events.between(asked.first, as_of, position)
    told = since[events.day[since] <= asked.last]
    amending = since[np.isin(events.kind[since], AMENDMENTS)]
    own = (postings.cause[rows] == PERFORMED) & (postings.due[rows] == postings.position[rows])
    rows = rows[own & (postings.actions[rows] > 0)]
    performed = at(events, told, postings.due[rows])
    actions = events.action[performed]
    amending = amending[np.isin(events.action[amending], actions)]
    kind, amended = events.kind[amending], events.action[amending]
    stays = ~np.isin(actions, amended[np.isin(kind, TAKEN_BACK)])
    rows, performed, actions = rows[stays], performed[stays], actions[stays]
    place = postings.due[rows].astype(np.int64)
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
        asked.managers.places(postings.manager[rows]).astype(np.int64),
        postings.deal[rows].astype(np.int64),
        place,
        weights,
        events.claimed[performed] & ~np.isin(actions, amended[kind == CONFIRMED]),
        is_shared,
        actions,
        stories,
    )
