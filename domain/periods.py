"""Months and their closing: a closed month, and everything before it, accepts nothing more."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import NamedTuple

from domain.errors import NotAllowedNow, Obstacle, PeriodClosed
from domain.events import PeriodClosed as Closed
from domain.events import PeriodEvent, PeriodReopened


class Month(NamedTuple):
    year: int
    month: int

    @property
    def last_day(self) -> date:
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Of "2026-06"; raises ValueError for anything else."""
        year, month = text.split("-")
        return cls(int(year), date(int(year), int(month), 1).month)


@dataclass(frozen=True)
class Periods:
    """Every month that was ever closed, and whether it is closed now."""

    closed: Mapping[Month, bool] = field(default_factory=dict)

    @cached_property
    def closed_through(self) -> date | None:
        """The last day (inclusive) on which nothing more is recorded; None: nothing is closed."""
        last = max((month for month, closed in self.closed.items() if closed), default=None)
        return last.last_day if last else None

    def require_open(self, day: date) -> None:
        """Raises PeriodClosed when `day` lies in a closed month or before one."""
        through = self.closed_through
        if through is not None and day <= through:
            raise PeriodClosed(day, through)

    def require_closable(self, month: Month) -> None:
        if self.closed.get(month):
            raise NotAllowedNow(Obstacle.PERIOD_ALREADY_CLOSED, period=str(month))

    def require_reopenable(self, month: Month) -> None:
        """Only the last closed month can be reopened: a later one would keep it shut."""
        if not self.closed.get(month):
            raise NotAllowedNow(Obstacle.PERIOD_NOT_CLOSED, period=str(month))
        last = max(other for other, closed in self.closed.items() if closed)
        if last > month:
            raise NotAllowedNow(Obstacle.LATER_PERIOD_CLOSED, period=str(month), later=str(last))

    def evolve(self, event: PeriodEvent) -> "Periods":
        match event:
            case Closed():
                return Periods({**self.closed, Month.parse(event.period): True})
            case PeriodReopened():
                return Periods({**self.closed, Month.parse(event.period): False})
