"""How did a portfolio move over time? One point a day, week or month, all at one knowledge."""

from calendar import monthrange
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from psycopg import Cursor

from domain.ledger import Holding
from domain.values import Account, ManagerId
from projections.ledger import NOBODY, Balance, Standing, total
from projections.portfolio import Log, portfolios_as_of


class Step(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


MOST_POINTS = 4_000
"""Ten years of days. More is refused."""

Members = Callable[[date], Collection[ManagerId] | None]
"""Whose portfolios count on a date; None for everybody's."""


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    as_of: date
    balance: Balance
    progress: int


def dates(first: date, last: date, step: Step) -> list[date]:
    """The ends of the steps from `first` to `last`, both inclusive; the last point is `last`.

    Weeks end on Sunday, months on their last day (design, section 6).
    """
    result = []
    day = _step_end(first, step)
    while day < last:
        result.append(day)
        day = _step_end(day + timedelta(days=1), step)
    return [*result, last]


def _step_end(day: date, step: Step) -> date:
    match step:
        case Step.DAY:
            return day
        case Step.WEEK:
            return day + timedelta(days=6 - day.weekday())
        case Step.MONTH:
            return day.replace(day=monthrange(day.year, day.month)[1])


def series_as_of(
    log: Log, days: Sequence[date], position: int, currency: str, members: Members
) -> list[SeriesPoint]:
    """The definition: the portfolio on each of the days, asked one by one."""
    result = []
    for day in days:
        held = portfolios_as_of(log, day, position).get(currency, {})
        who = members(day)
        team = total(one for manager, one in held.items() if who is None or manager in who)
        result.append(SeriesPoint(day, team.balance, team.progress))
    return result


_DAILY: LiteralString = """
SELECT effective_on, manager_id, account, sum(amount), sum(progress)
FROM ledger.postings
WHERE currency = %(currency)s AND effective_on <= %(last)s AND position <= %(position)s
  AND (%(managers)s::text[] IS NULL OR manager_id = ANY(%(managers)s))
GROUP BY effective_on, manager_id, account ORDER BY effective_on
"""


def series_from_ledger(
    cursor: Cursor[Any], days: Sequence[date], position: int, currency: str, members: Members
) -> list[SeriesPoint]:
    """The same: one pass over the postings by date, adding up as the days go by."""
    asked = {
        "currency": currency,
        "last": days[-1],
        "position": position,
        "managers": _ever(days, members),
    }
    rows = iter(cursor.execute(_DAILY, asked).fetchall())
    return list(_points(rows, days, members))


def _ever(days: Sequence[date], members: Members) -> list[str] | None:
    """Everybody who counts on any of the days; None for everybody."""
    ever: set[ManagerId] = set()
    for day in days:
        who = members(day)
        if who is None:
            return None
        ever.update(who)
    return sorted(ever)


def _points(
    rows: Iterator[tuple[date, ManagerId, str, int, int]], days: Sequence[date], members: Members
) -> Iterator[SeriesPoint]:
    running: dict[ManagerId, Standing] = {}
    row = next(rows, None)
    for day in days:
        while row is not None and row[0] <= day:
            _, manager, account, amount, progress = row
            held = Holding(int(amount), progress=int(progress))
            standing = running.get(manager, NOBODY).with_holding(Account(account), held)
            running[manager] = standing
            row = next(rows, None)
        who = members(day)
        team = total(one for manager, one in running.items() if who is None or manager in who)
        yield SeriesPoint(day, team.balance, team.progress)
