"""Months and quarters, one after the other."""

from datetime import date, timedelta
from enum import StrEnum

from domain.periods import Month


class By(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"


Span = tuple[date, date]
"""From day to day, both inclusive."""


def spans(by: By, as_of: date, number: int) -> list[Span]:
    """What is left of the period behind `as_of`, and the periods after it; `number` in all."""
    found: list[Span] = []
    first = as_of + timedelta(days=1)
    while len(found) < number:
        month = Month(first.year, first.month)
        last = end_of_quarter(first) if by is By.QUARTER else month.last_day
        found.append((first, last))
        first = last + timedelta(days=1)
    return found


def quarters_before(as_of: date, number: int) -> list[Span]:
    """The last quarters that were over by the end of `as_of`, the earliest first."""
    found: list[Span] = []
    last = as_of if end_of_quarter(as_of) == as_of else day_before(begin_of_quarter(as_of))
    while len(found) < number:
        first = begin_of_quarter(last)
        found.append((first, last))
        last = day_before(first)
    return found[::-1]


def month_ends(first: date, behind: date) -> list[date]:
    """The last days of months from `first` (inclusive) to `behind` (exclusive)."""
    found: list[date] = []
    last = Month(first.year, first.month).last_day
    while last < behind:
        found.append(last)
        following = last + timedelta(days=1)
        last = Month(following.year, following.month).last_day
    return found


def end_of_quarter(day: date) -> date:
    return Month(day.year, (day.month - 1) // 3 * 3 + 3).last_day


def begin_of_quarter(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def day_before(day: date) -> date:
    return day - timedelta(days=1)
