"""What every decision has in common: what it may know, and what it comes to."""

from collections.abc import Callable, Container, Mapping
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.directory import Directory
from domain.errors import BeforeOpening, InTheFuture, NotAllowedNow, NotFound, Obstacle
from domain.events import Event, PeriodTotal
from domain.history import History
from domain.values import DealId


class Books(NamedTuple):
    """The books as one decision sees them: everything recorded up to `position`, and no more.

    `today` is the business date in the company's time zone. `deal` raises NotFound. `totals` gives
    the value of every manager at the end of a date, from what is recorded up to `position`.
    `working_days_before` gives the day that is so many working days before today, today for 0.
    """

    today: date
    position: int
    directory: Directory
    deal: Callable[[DealId], History]
    totals: Callable[[date], tuple[PeriodTotal, ...]]
    working_days_before: Callable[[int], date]

    def require_open(self, day: date) -> None:
        """Raises InTheFuture, PeriodClosed."""
        if day > self.today:
            raise InTheFuture(day, self.today)
        self.directory.periods.require_open(day)

    def require_new(self, deal_id: DealId) -> None:
        """Raises NotAllowedNow when there is such a deal already."""
        try:
            self.deal(deal_id)
        except NotFound:
            return
        raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=str(deal_id))

    def deal_on(self, deal_id: DealId, day: date) -> History:
        """The deal, open for an entry on `day`. Raises also NotFound, BeforeOpening."""
        history = self.deal(deal_id)
        self.require_open(day)
        if day < history.deal.opened_on:
            raise BeforeOpening(day, history.deal.opened_on)
        return history


class Decision(NamedTuple):
    """One fact to record at the end of `stream_id`, and what to answer.

    `ids` are the names under which the answer speaks of what was touched. `name` is what a person
    is called, for the table beside the log; `forgets` are those who are to be erased from it.
    `created` says that something new has come to be.
    """

    stream_id: UUID
    event: Event
    ids: Mapping[str, str]
    effective_on: date | None = None
    name: str | None = None
    forgets: tuple[str, ...] = ()
    created: bool = False


class Command(Protocol):
    """Something to be decided. Refuses by raising a Refusal, and changes nothing itself."""

    def decide(self, books: Books) -> Decision: ...


def require_known(what: str, name: object, known: Container[object]) -> None:
    """Raises NotFound."""
    if name not in known:
        raise NotFound(what, name)
