"""Working days: the production calendar of a country, with the days that are moved each year."""

from datetime import date, timedelta
from functools import lru_cache

from holidays import country_holidays


class ProductionCalendar:
    """`country` is its ISO 3166 code. Where the calendar of a year is not known yet, weekends and
    the holidays that the law fixes count.
    """

    def __init__(self, country: str) -> None:
        self._days = country_holidays(country)
        self.before = lru_cache(maxsize=64)(self._before)
        self.between = lru_cache(maxsize=10_000)(self._between)

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
