"""What every decision and every question must know beside a deal: catalogue, people, periods."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

from domain.catalogue import Catalogue
from domain.events import (
    CatalogueEvent,
    DirectoryEvent,
    PeopleEvent,
    PeriodEvent,
    Recorded,
)
from domain.people import People
from domain.periods import Periods

CATALOGUE, PEOPLE, PERIODS = get_args(CatalogueEvent), get_args(PeopleEvent), get_args(PeriodEvent)


@dataclass(frozen=True, slots=True)
class Directory:
    catalogue: Catalogue = field(default_factory=Catalogue)
    people: People = field(default_factory=People)
    periods: Periods = field(default_factory=Periods)

    def evolve(self, recorded: Recorded[DirectoryEvent]) -> "Directory":
        event = recorded.event
        if isinstance(event, CATALOGUE):
            return replace(self, catalogue=self.catalogue.evolve(event))
        if isinstance(event, PEOPLE):
            return replace(self, people=self.people.evolve(event, recorded.effective_on))
        assert isinstance(event, PERIODS)
        return replace(self, periods=self.periods.evolve(event))


def directory_of(events: Iterable[Recorded[DirectoryEvent]]) -> Directory:
    """The directory after `events`, in the order of their positions."""
    directory = Directory()
    for recorded in events:
        directory = directory.evolve(recorded)
    return directory
