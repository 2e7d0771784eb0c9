"""Which months were empty, as projections.reports.months has it, from columns in memory."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date

import numpy as np

from domain.periods import Month
from domain.values import Account, ManagerId
from projections.reports.columns import Column, Rows, Tables, number_of
from projections.reports.months import (
    EFFORT,
    OUTCOMES,
    Done,
    Months,
    months_between,
)
from projections.reports.postings import (
    ACCOUNTS,
    CAUSES,
    DEALS,
    EVENTS,
    MANAGER,
    MANAGERS,
    MONTH_OF,
    PERFORMED,
    POSTINGS,
    TAKEN_BACK,
    Bools,
    Cells,
    Events,
    Groups,
    Managers,
    Postings,
    added,
    at,
    code,
    firsts_of,
    halves,
)


def _are(causes: Iterable[int]) -> Bools:
    """By the numbers of causes."""
    return np.isin(np.arange(len(CAUSES)), [*causes])


_BY_EFFORT, _CLOSE = (_are(map(CAUSES.index, causes)) for causes in (EFFORT, OUTCOMES))
_TAKEN_BACK = _are(TAKEN_BACK)


def months_from_columns(
    tables: Tables,
    first: date,
    last: date,
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Months:
    """The same. Raises NotHeld."""
    postings, people = tables.of(POSTINGS), tables.of(MANAGERS)
    rows = postings.between(number_of(first), number_of(as_of), position)
    if managers is not None:
        rows = rows[people.are(managers)[people.places(postings.manager[rows])]]
    span = rows[postings.day[rows] <= number_of(last)]
    ours = tables.of(DEALS).are_in(code(currency))[postings.deal[span]]
    months = months_between(first, last)
    cells = _Cells(postings, people, months)
    won, lost = cells.closings(span)
    actions, *sums = cells.sums(span, ours)
    taken = rows[_TAKEN_BACK[postings.cause[rows]]]
    if len(taken):
        for manager, day, fewer in _taken_back(postings, taken, tables.of(EVENTS)):
            if number_of(first) <= day <= number_of(last):
                actions[int(cells.month(np.array(day)))][people.place(manager)] += fewer
    found = {}
    for month, *of_month in zip(months, won, lost, actions, *sums, strict=True):
        done = zip(people.ids, map(Done, *of_month), strict=True)
        if own := {who: one for who, one in done if any(one)}:
            found[month] = own
    return found


class _Cells:
    """What is added up by month and manager: lists of months, each with a number by the managers'
    places.
    """

    def __init__(self, postings: Postings, people: Managers, months: Sequence[Month]) -> None:
        self._postings, self._people = postings, people
        self._first = MONTH_OF[number_of(months[0].last_day)]
        self._shape = len(months), len(people.ids)

    def month(self, day: Column) -> Column:
        """By its place among the months."""
        month: Column = MONTH_OF[day] - self._first
        return month

    def _of(self, rows: Rows) -> Cells:
        month = self.month(self._postings.day[rows])
        return Cells(month, self._people.places(self._postings.manager[rows]), *self._shape)

    def sums(self, span: Rows, ours: Bools) -> list[list[list[int]]]:
        """Actions, credit, what was gained, won and lost."""
        postings, cells = self._postings, self._of(span)
        cause, account = postings.cause[span], postings.account[span]
        effort = _BY_EFFORT[cause]
        return [
            cells.sums(chosen, column[span])
            for chosen, column in (
                (cause == PERFORMED, postings.actions),
                (effort, postings.credit),
                (effort & ours & (account == ACCOUNTS.index(Account.ACTIVE)), postings.amount),
                (ours & (account == ACCOUNTS.index(Account.WON)), postings.amount),
                (ours & (account == ACCOUNTS.index(Account.LOST)), postings.amount),
            )
        ]

    def closings(self, span: Rows) -> list[list[list[int]]]:
        """How many won, and lost, that count."""
        rows = _closings(self._postings, span)
        cells, cause = self._of(rows), self._postings.cause[rows]
        one = np.ones(len(rows), np.int8)
        return [
            cells.sums(cause == CAUSES.index(closing), one) for closing in ("DealWon", "DealLost")
        ]


def _closings(postings: Postings, span: Rows) -> Rows:
    """By manager and deal, the last of a month that changed something; a reopening may be."""
    rows = span[_CLOSE[postings.cause[span]]]
    manager, due, account = postings.manager, postings.due, postings.account
    rows = rows[np.lexsort((account[rows], due[rows], manager[rows]))]
    firsts = firsts_of(manager[rows], due[rows], account[rows])
    changed = added(halves(postings.amount[rows]), firsts).any(axis=1)
    changed |= np.add.reduceat(postings.deals[rows], firsts) != 0
    rows = rows[firsts[changed]]
    deal, day, month = postings.deal[rows], postings.day[rows], MONTH_OF[postings.day[rows]]
    order = np.lexsort((-due[rows], -day.astype(np.int64), month, deal, manager[rows]))
    rows = rows[order]
    lasts: Rows = rows[firsts_of(manager[rows], postings.deal[rows], month[order])]
    return lasts


def _taken_back(postings: Postings, taken: Rows, events: Events) -> Iterator[tuple[int, int, int]]:
    """Manager, the day of an action, and how many fewer count of it."""
    groups = Groups(
        postings.manager[taken].astype(np.int64) << MANAGER.bit_length() | postings.due[taken]
    )
    told = events.of_deals(np.unique(postings.deal[taken]))
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
