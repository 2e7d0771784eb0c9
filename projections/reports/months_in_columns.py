"""Which months were empty, as projections.reports.months has it, from columns in memory."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import numpy as np
from psycopg import Cursor

from domain.deal import Status
from domain.periods import Month
from domain.values import Account, ManagerId
from projections.reports.columns import Columns
from projections.reports.months import (
    EFFORT,
    NOTHING,
    OUTCOMES,
    Done,
    Months,
    closed,
    month_of,
    summed,
)
from projections.reports.postings import (
    ACCOUNTS,
    CAUSES,
    DEALS,
    EVENTS,
    MANAGER,
    MONTH_OF,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Cells,
    Deals,
    Events,
    Groups,
    Postings,
    added,
    at,
    between,
    code,
    firsts_of,
    halves,
    manager_ids,
    numbers_of,
    rows_of,
)
from projections.reports.standings import Rows, day_of, number_of

EFFORTS = [CAUSES.index(cause) for cause in EFFORT]
_OUTCOMES = {CAUSES.index(cause): status for cause, status in OUTCOMES.items()}


def months_from_columns(
    cursor: Cursor[Any],
    first: date,
    last: date,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
    columns: Columns,
) -> Months:
    """The same. Raises NotHeld."""
    postings_, deals_ = columns.of(cursor, position, POSTINGS, DEALS)
    postings, deals = Postings(*postings_), Deals(*deals_)
    called = manager_ids(cursor)
    rows = between(postings, first, as_of, position)
    if managers is not None:
        rows = rows[np.isin(postings.manager[rows], numbers_of(called, managers))]
    span = rows[postings.day[rows] <= number_of(last)]
    ours = deals.currencies(postings.deal[span]) == code(currency)
    found = defaultdict[tuple[int, int], Done](Done, _sums(postings, span, ours))
    for manager, day, status in _closings(postings, span):
        place = manager, int(MONTH_OF[day])
        found[place] = closed(found[place], status)
    taken = rows[np.isin(postings.cause[rows], TAKEN_BACK)]
    if len(taken):
        (events_,) = columns.of(cursor, position, EVENTS)
        for manager, day, actions in _taken_back(postings, taken, Events(*events_)):
            if number_of(first) <= day <= number_of(last):
                place = manager, int(MONTH_OF[day])
                found[place] = summed(found[place], Done(actions=actions))
    months = defaultdict[Month, dict[ManagerId, Done]](dict)
    named = {day: month_of(day_of(day)) for day in {day for _, day in found}}
    for (manager, day), done in found.items():
        if done != NOTHING:
            months[named[day]][called[manager]] = done
    return months


def _sums(postings: Postings, span: Rows, ours: Bools) -> Iterator[tuple[tuple[int, int], Done]]:
    """By manager and the first day of the month."""
    cause, account = postings.cause[span], postings.account[span]
    effort = np.isin(cause, EFFORTS)
    cells = Cells(postings.manager[span], MONTH_OF[postings.day[span]])
    sums = (
        cells.sums(chosen, column[span])
        for chosen, column in (
            (cause == PERFORMED, postings.actions),
            (effort, postings.credit),
            (effort & ours & (account == ACCOUNTS.index(Account.ACTIVE)), postings.amount),
            (ours & (account == ACCOUNTS.index(Account.WON)), postings.amount),
            (ours & (account == ACCOUNTS.index(Account.LOST)), postings.amount),
        )
    )
    for place, *of_each in zip(cells.places(), *sums, strict=True):
        yield place, Done(0, 0, *of_each)


def _closings(postings: Postings, span: Rows) -> Iterator[tuple[int, int, Status]]:
    """Manager, day and status, of closings that count."""
    rows = span[np.isin(postings.cause[span], [*_OUTCOMES])]
    manager, due, account = postings.manager, postings.due, postings.account
    rows = rows[np.lexsort((account[rows], due[rows], manager[rows]))]
    firsts = firsts_of(manager[rows], due[rows], account[rows])
    changed = added(halves(postings.amount[rows]), firsts).any(axis=1)
    changed |= np.add.reduceat(postings.deals[rows], firsts) != 0
    rows = rows[firsts[changed]]
    deal, day, month = postings.deal[rows], postings.day[rows], MONTH_OF[postings.day[rows]]
    order = np.lexsort((-due[rows], -day.astype(np.int64), month, deal, manager[rows]))
    rows = rows[order]
    for row in rows[firsts_of(manager[rows], postings.deal[rows], month[order])].tolist():
        status = _OUTCOMES[int(postings.cause[row])]
        if status is not Status.OPEN:
            yield int(manager[row]), int(postings.day[row]), status


def _taken_back(postings: Postings, taken: Rows, events: Events) -> Iterator[tuple[int, int, int]]:
    """Manager, the day of an action, and how many fewer count of it."""
    groups = Groups(
        postings.manager[taken].astype(np.int64) << MANAGER.bit_length() | postings.due[taken]
    )
    told = rows_of(events, np.unique(postings.deal[taken]))
    settling = at(events, told, groups.keys & MANAGER)
    done = told[events.kind[told] == PERFORMED]
    days = dict(zip(events.action[done].tolist(), events.day[done].tolist(), strict=True))
    for key, action, actions in zip(
        groups.keys.tolist(),
        events.action[settling].tolist(),
        groups.sums(postings.actions[taken]),
        strict=True,
    ):
        yield key >> MANAGER.bit_length(), days[action], actions
