"""Working days: the production calendar of a country, with the days that are moved each year."""

from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase


class ProductionCalendar:
    """`country` is its ISO 3166 code. Where the calendar of a year is not known yet, weekends and
    the holidays that the law fixes count.
    """

    def __init__(self, country: str) -> None:
        self._country = country
        self.before = lru_cache(maxsize=64)(self._before)
        self.between = lru_cache(maxsize=10_000)(self._between)

    @cached_property
    def _days(self) -> "HolidayBase":
        """To load it takes a quarter of a second, for which most starts need not wait."""
        from holidays import country_holidays  # noqa: PLC0415

        return country_holidays(self._country)

    def _before(self, day: date, working_days: int) -> date:
        """The working day that is so many before `day`; `day` itself for 0."""
        if working_days == 0:
            return day
        return self._days.get_nth_working_day(day, -working_days)

    def _between(self, first: date, last: date) -> int:
        """The working days in (first, last]: 0 from a Friday to the Sunday, 1 to the Monday."""
        if last <= first:
            return 0
        return self._days.get_working_days_count(first + timedelta(days=1), last)
