"""All deals at a point: how each stands, how long it has been silent, and who has what in it.

At most points nearly every deal is known whole: what is told of those is kept, and the others alone
are looked at again. So a question of today takes a thousandth of what one of long ago does, and
that goes through everything; but once: what was told of the last few days is kept too, and at
another knowledge of such a day only what was learnt between the two is looked at.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import date
from threading import Lock
from typing import Any, LiteralString, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.values import Account
from projections.memory import LATEST
from projections.reports.columns import Column, Columns, Ints, NotHeld, Rows, Tables, number_of
from projections.reports.postings import (
    ACCOUNTS,
    AMENDMENTS,
    DEALS,
    EVENTS,
    MANAGER,
    MANAGERS,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Deals,
    Events,
    Groups,
    Postings,
    by_deal_and_manager,
    numbered,
)
from projections.reports.standings import STATES, StatesOfDeals

MOST_DAYS = 4
"""That are kept; each takes some 100 bytes a deal and 50 a holding of which something changed."""


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

    def are_in(self, currency: bytes) -> Bools:
        """By the deals' numbers."""
        return numbered(self.deal[self.currency == currency], self.deal)


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
    def of(cls, tables: Tables) -> "_Tables":
        return cls(tables.of(STATES), tables.of(EVENTS), tables.of(POSTINGS), tables.of(DEALS))

    def changed(self, after: int, last: int, day: int) -> Ints:
        """The deals of which something was learnt in (after, last] that holds by the day."""
        events = self.events
        new = events.known(np.flatnonzero(events.position > after), day, last)
        changed: Ints = np.unique(events.deal[new]).astype(np.int64)
        return changed

    def overview(self, some: Ints, day: int, position: int) -> Overview:
        """Of `some` deals, which ascend, and are left out if they were not yet opened."""
        return Overview(
            self._deals(some, day, position), _holdings(self.postings, some, day, position)
        )

    def _deals(self, some: Ints, day: int, position: int) -> DealColumns:
        states, events = self.states, self.events
        rows = states.known(states.of_deals(some), day, position)
        now = rows[lasts_of(states.deal[rows])]
        told = events.known(events.of_deals(some), day, position)
        work = told[~np.isin(events.kind[told], AMENDMENTS)]
        done = live(events, told)
        done = done[events.weight[done] > 0]
        deals, last = states.deal[now].astype(np.int64), lasts_of(events.deal[told])
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
            silent_since=events.day[work[lasts_of(events.deal[work])]].astype(np.int64),
            gaps=gaps,
            median_gap=median_gap,
            last_action=_last(events, done, deals),
            newest=np.maximum.reduceat(events.position[told].astype(np.int64), firsts),
            latest=events.day[told[last]].astype(np.int64),
        )


def lasts_of(deals: Column) -> Bools:
    """Which are the last rows of their deals, that stand together."""
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
    rows = postings.known(postings.of_deals(some), day, position)
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


_END: LiteralString = "SELECT coalesce(max(notification_id), 0) FROM books.events"


class _Known(NamedTuple):
    """All deals on a day, as it was known at a position."""

    ledger: Hashable
    position: int
    overview: Overview


class Overviews:
    """One for a process, of its columns; safe for threads."""

    def __init__(self, columns: Columns, most_days: int = MOST_DAYS) -> None:
        self.columns = columns
        self._most_days = most_days
        self._lock, self._keeping = Lock(), Lock()
        self._whole: _Known | None = None
        self._days: OrderedDict[int, _Known] = OrderedDict()

    def at(self, tables: Tables, as_of: date) -> Overview:
        """At the tables' position. Raises NotHeld."""
        day, position, whole = number_of(as_of), tables.position, self._known(tables)
        with self._keeping:
            near = self._days.get(day)
        of = _Tables.of(tables)
        if near is not None and near.ledger == tables.ledger:
            between = sorted((near.position, position))
            told, some = near.overview, of.changed(between[0], between[1], day)
        else:
            told, some = whole, whole.unlike(day, position)
        if len(some):
            told = told.patched(some, of.overview(some, day, position))
        with self._keeping:
            self._days[day] = _Known(tables.ledger, position, told)
            self._days.move_to_end(day)
            while len(self._days) > self._most_days:
                self._days.popitem(last=False)
        return told

    def _known(self, tables: Tables) -> Overview:
        """All that is known by the position, or by a later one."""
        known = self._whole
        if known is None or known.ledger != tables.ledger:
            self.columns.at_once(tables.position)
        return self._caught_up(tables)

    def _caught_up(self, tables: Tables) -> Overview:
        ledger, position = tables.ledger, tables.position
        with self._lock:
            known = self._whole
            if known is not None and known.ledger == ledger and known.position >= position:
                return known.overview
            of = _Tables.of(tables)
            if known is None or known.ledger != ledger:
                everything = of.deals.deal.astype(np.int64)
                told = of.overview(everything, LATEST[0], position)
            else:
                some = of.changed(known.position, position, LATEST[0])
                told = known.overview.patched(some, of.overview(some, LATEST[0], position))
            self._whole = _Known(ledger, position, told)
            return told

    def read(self, cursor: Cursor[Any], go_on: Callable[[], bool]) -> None:
        """All that is known, behind the questions and however long it takes; or until it is not to
        go on.
        """
        (end,) = cursor.execute(_END).fetchone() or (0,)
        with suppress(NotHeld):
            tables = self.columns.at(cursor, end)
            self.columns.read(tables, go_on, DEALS, MANAGERS, EVENTS, POSTINGS, STATES)
            self._caught_up(tables)
