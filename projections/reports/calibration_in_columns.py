"""How closed deals stood, as projections.reports.calibration has it, from columns in memory."""

from itertools import compress
from typing import NamedTuple

import numpy as np

from domain.values import ActionTypeCode
from projections.point import Point
from projections.reports.calibration import DayEnds, Horizon, Outcome, known_by, months_before
from projections.reports.columns import Column, Dated, Ints, Rows, Tables, day_of, number_of
from projections.reports.overviews import lasts_of, live
from projections.reports.postings import EVENTS, MANAGERS, Bools, action_types, places_of
from projections.reports.standings import LOST, STATES, WON, StatesOfDeals

NOWHERE = -1
"""The progress of a deal that was not yet known, or not under way."""


def outcomes_from_columns(
    tables: Tables, point: Point, horizon: Horizon, ends: DayEnds
) -> list[Outcome]:
    """The same. Raises NotHeld."""
    states, called = tables.of(STATES), tables.of(MANAGERS).called
    closed = _closed(states, number_of(point.as_of), point.position)
    days, place = np.unique(closed.day, return_inverse=True)
    closed_on = [*map(day_of, days.tolist())]
    stood_on = [months_before(day, horizon.months) for day in closed_on]
    last = known_by(tables.cursor, stood_on, horizon, point, ends)
    known = [last[day] for day in stood_on]
    then = _Then(
        closed.deal,
        np.array([*map(number_of, stood_on)], np.int64)[place],
        np.array([min(one, point.position) for one in known], np.int64)[place],
    )
    owner, progress = closed.owner, np.full_like(closed.owner, NOWHERE)
    stood, row = then.under_way(states)
    owner[stood], progress[stood] = states.owner[row], states.progress[row]
    kinds = [frozenset[ActionTypeCode]()] * len(place)
    for one, done in zip(stood.tolist(), then.of(stood).kinds(tables), strict=True):
        kinds[one] = done
    return [
        Outcome(
            position, won, closed_on[day], stood_on[day], known[day], called[who],
            None if own == NOWHERE else own, done,
        )
        for position, won, day, who, own, done in zip(
            closed.deal.tolist(), closed.won.tolist(), place.tolist(), owner.tolist(),
            progress.tolist(), kinds, strict=True,
        )
    ]  # fmt: skip


class _Closed(NamedTuple):
    """Deals that are won or lost at the point, their owners, and the first of the days at whose
    ends they have been closed ever since.
    """

    deal: Ints
    won: Bools
    owner: Ints
    day: Ints


def _closed(states: StatesOfDeals, day: int, position: int) -> _Closed:
    rows = states.ends_of_days(day, position)
    is_closed, is_last = _are_closed(states, rows), lasts_of(states.deal[rows])
    goes_on = np.append(False, (is_closed & ~is_last)[:-1])  # from the row before
    begun, lasts = np.flatnonzero(is_closed & ~goes_on), np.flatnonzero(is_closed & is_last)
    since = rows[begun[np.searchsorted(begun, lasts, "right") - 1]]
    now = rows[lasts]
    return _Closed(
        states.deal[now].astype(np.int64),
        states.status[now] == WON,
        states.owner[now].astype(np.int64),
        states.day[since].astype(np.int64),
    )


def _are_closed(states: StatesOfDeals, rows: Rows) -> Bools:
    return np.isin(states.status[rows], (WON, LOST))


class _Then(NamedTuple):
    """Deals, which ascend, each with the day it is looked at, and the last position that counts."""

    deal: Ints
    day: Ints
    position: Ints

    def of(self, places: Rows) -> "_Then":
        return _Then(*(column[places] for column in self))

    def under_way(self, states: StatesOfDeals) -> tuple[Rows, Rows]:
        """Which of them were, and the rows that tell how they stood."""
        places, rows = self._known(states)
        lasts = lasts_of(places) & ~_are_closed(states, rows)
        return places[lasts], rows[lasts]

    def kinds(self, tables: Tables) -> list[frozenset[ActionTypeCode]]:
        """Types of the actions that had been done, and stood."""
        events, codes = tables.of(EVENTS), action_types(tables.cursor)
        _, told = self._known(events)
        done = live(events, told)
        were_done = np.zeros((len(self.deal), len(codes) + 1), np.bool_)
        were_done[places_of(self.deal)[events.deal[done]], events.action_type[done]] = True
        return [frozenset(compress(codes, row)) for row in were_done[:, 1:].tolist()]

    def _known(self, table: Dated) -> tuple[Rows, Rows]:
        """The rows that count, and which of them each is of. Most deals are among them, so that all
        rows are looked at: of other deals nothing is known by position 0.
        """
        day, position = self._by_number(table, self.day), self._by_number(table, self.position)
        rows = np.flatnonzero((table.day <= day) & (table.position <= position))
        places: Rows = places_of(self.deal)[table.deal[rows]]
        return places, rows

    def _by_number(self, table: Dated, numbers: Ints) -> Column:
        """Of each row that of its deal; of other deals 0."""
        of_all = np.zeros(int(table.deal.max(initial=0)) + 1, np.int32)
        of_all[self.deal] = numbers
        found: Column = of_all[table.deal]
        return found
