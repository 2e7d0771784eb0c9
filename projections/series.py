"""How did a portfolio move over time? One point a day, week or month, all at one knowledge."""

from calendar import monthrange
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from psycopg import Cursor

from domain.values import ManagerId
from projections.ledger import (
    COLUMNS,
    EVERYBODY,
    LEVEL,
    NOTHING,
    SOME,
    STANDING,
    THEIRS_BY_DAY,
    Balance,
    Level,
    added_up,
    managers_asked,
    total,
    whose,
)
from projections.portfolio import Log, portfolios_as_of
from projections.snapshots import levels_on, standings


class Step(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


MOST_POINTS = 4_000
"""Ten years of days. More is refused."""

DENSE = 3
"""Days from one point to the next, on average: if they are fewer, all days are added up."""

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


_DAILY: dict[LiteralString, LiteralString] = {
    who: f"""
WITH who AS MATERIALIZED ({who})
SELECT effective_on, manager_id, {LEVEL} FROM (
    SELECT effective_on, manager, {STANDING} FROM ledger.postings
    WHERE {THEIRS_BY_DAY[who]} AND effective_on > %(first)s AND effective_on <= %(last)s
      AND position + 0 <= %(position)s AND currency = %(currency)s
    GROUP BY effective_on, manager
) AS day (effective_on, manager, {COLUMNS})
JOIN who USING (manager) ORDER BY effective_on
"""
    for who in (EVERYBODY, SOME)
}


def series_from_ledger(
    cursor: Cursor[Any], days: Sequence[date], position: int, currency: str, members: Members
) -> list[SeriesPoint]:
    """The same: each day by snapshots, or, where nearly all days are asked about, the first one and
    one pass over the postings behind it.
    """
    ever = _ever(days, members)
    dense = len(days) > 1 and (days[-1] - days[0]).days < DENSE * len(days)
    each = day_by_day if dense else levels_on
    return [
        _point(day, held, members(day))
        for day, held in zip(days, each(cursor, days, position, currency, ever), strict=True)
    ]


def day_by_day(
    cursor: Cursor[Any],
    days: Sequence[date],
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Iterator[dict[ManagerId, Level]]:
    """`levels_on` by adding up as the days go by; what is yielded is changed by going on."""
    running: dict[ManagerId, Level] = {
        who: (*held.balance, held.progress)
        for held_in, who, held in standings(cursor, days[0], position, managers)
        if held_in == currency
    }
    asked = {
        "currency": currency,
        "first": days[0],
        "last": days[-1],
        "position": position,
        "managers": managers_asked(managers),
    }
    rows = iter(cursor.execute(_DAILY[whose(managers)], asked).fetchall())
    row = next(rows, None)
    for day in days:
        while row is not None and row[0] <= day:
            _, manager, *columns = row
            running[manager] = added_up((running.get(manager, NOTHING), tuple(columns)))
            row = next(rows, None)
        yield running


def _ever(days: Sequence[date], members: Members) -> list[ManagerId] | None:
    """Everybody who counts on any of the days; None for everybody."""
    ever: set[ManagerId] = set()
    for day in days:
        who = members(day)
        if who is None:
            return None
        ever.update(who)
    return sorted(ever)


def _point(
    day: date, held: Mapping[ManagerId, Level], who: Collection[ManagerId] | None
) -> SeriesPoint:
    *balance, progress = added_up(
        one for manager, one in held.items() if who is None or manager in who
    )
    return SeriesPoint(day, Balance._make(balance), progress)
