"""Managers and teams. Membership has dates; people are ids, and their names are elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from domain.errors import NotFound, UnknownManager
from domain.events import (
    ManagerRegistered,
    ManagerTeamChanged,
    PeopleEvent,
    TeamCreated,
)
from domain.values import ManagerId, TeamId


@dataclass(frozen=True, slots=True)
class Membership:
    """In `team_id` from `effective_on` (inclusive) until the next membership."""

    effective_on: date
    team_id: TeamId | None


@dataclass(frozen=True, slots=True)
class People:
    """Memberships by ascending date, on one date the one recorded last behind the others."""

    teams: Mapping[TeamId, str] = field(default_factory=dict)
    managers: Mapping[ManagerId, tuple[Membership, ...]] = field(default_factory=dict)

    def require_manager(self, manager_id: ManagerId) -> None:
        """Raises UnknownManager."""
        if manager_id not in self.managers:
            raise UnknownManager(manager_id)

    def require_team(self, team_id: TeamId) -> None:
        """Raises NotFound."""
        if team_id not in self.teams:
            raise NotFound("team", team_id)

    def team_of(self, manager_id: ManagerId, day: date) -> TeamId | None:
        """Where the manager stood at the end of `day`; None for no team."""
        team = None
        for membership in self.managers[manager_id]:
            if membership.effective_on <= day:
                team = membership.team_id
        return team

    def members(self, team_id: TeamId, day: date) -> list[ManagerId]:
        """Who stood in the team at the end of `day`, in the order of registration."""
        return [manager for manager in self.managers if self.team_of(manager, day) == team_id]

    def evolve(self, event: PeopleEvent, effective_on: date | None) -> "People":
        match event:
            case TeamCreated():
                return People({**self.teams, event.team_id: event.name}, self.managers)
            case ManagerRegistered():
                since = (Membership(date.min, event.team_id),)
                return People(self.teams, {**self.managers, event.manager_id: since})
            case ManagerTeamChanged():
                assert effective_on is not None
                changed = Membership(effective_on, event.team_id)
                memberships = sorted(
                    (*self.managers[event.manager_id], changed),
                    key=lambda membership: membership.effective_on,
                )
                return People(self.teams, {**self.managers, event.manager_id: tuple(memberships)})
