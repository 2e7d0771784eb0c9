"""All deals at a point: how each stands, how long it has been silent, and who has what in it.

At most points nearly every deal is known whole: what is told of those is kept, and the others alone
are looked at again. So a question of today takes a thousandth of what one of long ago does, and
that goes through everything.
"""

from collections.abc import Hashable
from datetime import date
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.values import Account
from projections.memory import LATEST
from projections.reports.columns import Column, Columns
from projections.reports.kept import ledger_of
from projections.reports.postings import (
    ACCOUNTS,
    AMENDMENTS,
    DEALS,
    EVENTS,
    MANAGER,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Deals,
    Events,
    Groups,
    Postings,
    StatesOfDeals,
    by_deal_and_manager,
    known,
    rows_of,
)
from projections.reports.standings import STATES, Ints, Rows, number_of


class DealColumns(NamedTuple):
    """By deal: how it stands; the last day on which something was done with it; how many gaps there
    are from one day of positive actions to the next and the lower median of them, 0 without any;
    the position of the last of these actions, 0 without any; the last position and day of all that
    is known of it.
    """

    deal: Ints
    currency: Column
    owner: Column
    check: Column
    expected: Column
    progress: Column
    status: Column
    silent_since: Ints
    gaps: Ints
    median_gap: Ints
    last_action: Ints
    newest: Ints
    latest: Ints


class HoldingColumns(NamedTuple):
    """By deal and manager: amounts in halves, and as the counts of a portfolio."""

    deal: Ints
    manager: Ints
    active: Ints
    claimed: Ints
    deals: Ints
    actions: Ints


class Overview(NamedTuple):
    deals: DealColumns
    holdings: HoldingColumns

    def unlike(self, day: int, position: int) -> Ints:
        """The deals of which less is known at that point."""
        deals = self.deals
        found: Ints = deals.deal[(deals.newest > position) | (deals.latest > day)]
        return found

    def patched(self, some: Ints, other: "Overview") -> "Overview":
        """What `other` has of `some` deals, and of all others the same."""
        return Overview(
            DealColumns(*_patched(self.deals, some, other.deals)),
            HoldingColumns(*_patched(self.holdings, some, other.holdings)),
        )


def _patched(
    old: DealColumns | HoldingColumns, some: Ints, new: DealColumns | HoldingColumns
) -> list[Column]:
    stays = ~np.isin(old.deal, some)
    order = np.argsort(np.concatenate((old.deal[stays], new.deal)), kind="stable")
    return [
        np.concatenate((before[stays], after))[order]
        for before, after in zip(old, new, strict=True)
    ]


class _Tables(NamedTuple):
    states: StatesOfDeals
    events: Events
    postings: Postings
    deals: Deals

    @classmethod
    def of(cls, cursor: Cursor[Any], position: int, columns: Columns) -> "_Tables":
        states, events, postings, deals = columns.of(
            cursor, position, STATES, EVENTS, POSTINGS, DEALS
        )
        return cls(StatesOfDeals(*states), Events(*events), Postings(*postings), Deals(*deals))

    def changed(self, after: int, last: int) -> Ints:
        """The deals of which something was learnt in (after, last]."""
        at = self.events.position
        changed: Ints = np.unique(self.events.deal[(at > after) & (at <= last)]).astype(np.int64)
        return changed

    def overview(self, some: Ints, day: int, position: int) -> Overview:
        """Of `some` deals, which ascend, and are left out if they were not yet opened."""
        return Overview(
            self._deals(some, day, position), _holdings(self.postings, some, day, position)
        )

    def _deals(self, some: Ints, day: int, position: int) -> DealColumns:
        states, events = self.states, self.events
        rows = known(states, rows_of(states, some), day, position)
        now = rows[_lasts(states.deal[rows])]
        told = known(events, rows_of(events, some), day, position)
        work = told[~np.isin(events.kind[told], AMENDMENTS)]
        done = live(events, told)
        done = done[events.weight[done] > 0]
        deals, last = states.deal[now].astype(np.int64), _lasts(events.deal[told])
        firsts = np.flatnonzero(np.diff(events.deal[told], prepend=-1))
        gaps, median_gap = _paces(events, done, deals)
        return DealColumns(
            deal=deals,
            currency=self.deals.currencies(deals),
            owner=states.owner[now],
            check=states.check[now],
            expected=states.expected[now],
            progress=states.progress[now],
            status=states.status[now],
            silent_since=events.day[work[_lasts(events.deal[work])]].astype(np.int64),
            gaps=gaps,
            median_gap=median_gap,
            last_action=_last(events, done, deals),
            newest=np.maximum.reduceat(events.position[told].astype(np.int64), firsts),
            latest=events.day[told[last]].astype(np.int64),
        )


def _lasts(deals: Column) -> Bools:
    """Which are the last rows of their deals."""
    found: Bools = np.diff(deals, append=-1) != 0
    return found


def live(events: Events, told: Rows) -> Rows:
    """The actions that are neither rejected nor withdrawn, setbacks too."""
    kind = events.kind[told]
    gone = events.action[told[np.isin(kind, TAKEN_BACK)]]
    actions = told[kind == PERFORMED]
    found: Rows = actions[~np.isin(events.action[actions], gone)]
    return found


def _paces(events: Events, done: Rows, deals: Ints) -> tuple[Ints, Ints]:
    """Gaps, and the lower median of them."""
    deal, day = events.deal[done], events.day[done].astype(np.int64)
    new = (np.diff(deal, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0)
    deal, day = deal[new], day[new]
    inside = np.flatnonzero(np.diff(deal) == 0)
    of, gap = deal[inside], np.diff(day)[inside]
    gap = gap[np.lexsort((gap, of))]
    first, behind = (np.searchsorted(of, deals, side) for side in ("left", "right"))
    medians = np.zeros_like(deals)
    some = behind > first
    medians[some] = gap[(first + behind - 1)[some] // 2]
    return behind - first, medians


def _last(events: Events, done: Rows, deals: Ints) -> Ints:
    """The position of each deal's last action."""
    first, behind = (np.searchsorted(events.deal[done], deals, side) for side in ("left", "right"))
    last = np.zeros_like(deals)
    some = behind > first
    last[some] = events.position[done[behind[some] - 1]]
    return last


def _holdings(postings: Postings, some: Ints, day: int, position: int) -> HoldingColumns:
    rows = known(postings, rows_of(postings, some), day, position)
    groups = Groups(by_deal_and_manager(postings, rows))
    account, amount = postings.account[rows], postings.amount[rows]
    active, claimed = (
        groups.halves(np.where(account == ACCOUNTS.index(one), amount, 0))
        for one in (Account.ACTIVE, Account.CLAIMED)
    )
    return HoldingColumns(
        groups.keys >> MANAGER.bit_length(),
        groups.keys & MANAGER,
        active,
        claimed,
        groups.counts(postings.deals[rows]),
        groups.counts(postings.actions[rows]),
    )


class Overviews:
    """One for a process, of its columns; safe for threads."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._lock = Lock()
        self._ledger: Hashable = None
        self._position = 0
        self._whole: Overview | None = None

    def at(self, cursor: Cursor[Any], as_of: date, position: int) -> Overview:
        """Raises NotHeld."""
        day, told = number_of(as_of), self._known(cursor, position)
        some = told.unlike(day, position)
        if not len(some):
            return told
        tables = _Tables.of(cursor, position, self.columns)
        return told.patched(some, tables.overview(some, day, position))

    def _known(self, cursor: Cursor[Any], position: int) -> Overview:
        """All that is known by `position`, or by a later one."""
        ledger = ledger_of(cursor)
        with self._lock:
            told = self._whole if self._ledger == ledger else None
            if told is None or self._position < position:
                tables = _Tables.of(cursor, position, self.columns)
                if told is None:
                    everything = tables.deals.deal.astype(np.int64)
                    told = tables.overview(everything, LATEST[0], position)
                else:
                    some = tables.changed(self._position, position)
                    told = told.patched(some, tables.overview(some, LATEST[0], position))
                self._ledger, self._position, self._whole = ledger, position, told
            return told
