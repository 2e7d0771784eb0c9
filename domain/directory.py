"""What every decision and every question must know beside a deal: catalogue, people, periods, who
may do what, what is to be reached, and how far back entries may be dated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

from domain.access import Access
from domain.catalogue import Catalogue
from domain.events import (
    AccessEvent,
    BackdatingLimitSet,
    CatalogueEvent,
    DirectoryEvent,
    PeopleEvent,
    PeriodEvent,
    Recorded,
    TargetEvent,
)
from domain.people import People
from domain.periods import Periods
from domain.targets import Targets

CATALOGUE, PEOPLE, PERIODS = get_args(CatalogueEvent), get_args(PeopleEvent), get_args(PeriodEvent)
ACCESS, TARGETS = get_args(AccessEvent), get_args(TargetEvent)
BACKDATING_WORKING_DAYS = 5
"""How far a manager may date back until another limit is set."""


@dataclass(frozen=True, slots=True)
class Directory:
    catalogue: Catalogue = field(default_factory=Catalogue)
    people: People = field(default_factory=People)
    periods: Periods = field(default_factory=Periods)
    access: Access = field(default_factory=Access)
    targets: Targets = field(default_factory=Targets)
    backdating_working_days: int | None = BACKDATING_WORKING_DAYS

    def evolve(self, recorded: Recorded[DirectoryEvent]) -> "Directory":
        event = recorded.event
        if isinstance(event, CATALOGUE):
            return replace(self, catalogue=self.catalogue.evolve(event))
        if isinstance(event, PEOPLE):
            return replace(self, people=self.people.evolve(event, recorded.effective_on))
        if isinstance(event, PERIODS):
            return replace(self, periods=self.periods.evolve(event))
        if isinstance(event, ACCESS):
            return replace(self, access=self.access.evolve(event))
        if isinstance(event, TARGETS):
            return replace(self, targets=self.targets.evolve(event, recorded.position))
        assert isinstance(event, BackdatingLimitSet)
        return replace(self, backdating_working_days=event.working_days)


def directory_of(events: Iterable[Recorded[DirectoryEvent]]) -> Directory:
    """The directory after `events`, in the order of their positions."""
    directory = Directory()
    for recorded in events:
        directory = directory.evolve(recorded)
    return directory
