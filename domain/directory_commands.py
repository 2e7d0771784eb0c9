"""What people ask for beside the deals: catalogue, people, periods."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from domain.decisions import Books, Decision, require_known
from domain.errors import InTheFuture, NotAllowedNow, Obstacle
from domain.events import (
    ActionTypeDefined,
    ActionTypeRetired,
    ActionTypeWeightChanged,
    Event,
    ManagerRegistered,
    ManagerTeamChanged,
    PeriodClosed,
    PeriodReopened,
    TeamCreated,
    Titles,
)
from domain.periods import Month
from domain.values import ActionTypeCode, ManagerId, TeamId, stream_of


@dataclass(frozen=True, slots=True)
class DefineActionType:
    """`weight` in basis points, not 0; `effective_from` may lie in the future."""

    code: ActionTypeCode
    title: Titles
    weight: int
    effective_from: date
    max_per_deal: int | None = None
    evidence_required: bool = False
    needs_confirmation: bool = False

    def decide(self, books: Books) -> Decision:
        _require_new(self.code, books.directory.catalogue.types)
        event = ActionTypeDefined(
            code=self.code,
            title=self.title,
            weight=self.weight,
            effective_from=self.effective_from,
            max_per_deal=self.max_per_deal,
            evidence_required=self.evidence_required,
            needs_confirmation=self.needs_confirmation,
        )
        return _on_type(self.code, event, created=True)


@dataclass(frozen=True, slots=True)
class ChangeCatalogueWeight:
    """From `effective_from` (inclusive, the past allowed) actions of the type weigh `weight`."""

    code: ActionTypeCode
    weight: int
    effective_from: date
    reason: str

    def decide(self, books: Books) -> Decision:
        require_known("action type", self.code, books.directory.catalogue.types)
        event = ActionTypeWeightChanged(
            code=self.code,
            weight=self.weight,
            effective_from=self.effective_from,
            reason=self.reason,
        )
        return _on_type(self.code, event)


@dataclass(frozen=True, slots=True)
class RetireActionType:
    code: ActionTypeCode
    effective_from: date

    def decide(self, books: Books) -> Decision:
        require_known("action type", self.code, books.directory.catalogue.types)
        event = ActionTypeRetired(code=self.code, effective_from=self.effective_from)
        return _on_type(self.code, event)


@dataclass(frozen=True, slots=True)
class CreateTeam:
    team_id: TeamId
    name: str

    def decide(self, books: Books) -> Decision:
        _require_new(self.team_id, books.directory.people.teams)
        event = TeamCreated(team_id=self.team_id, name=self.name)
        ids = {"team_id": str(self.team_id)}
        return Decision(UUID(str(self.team_id)), event, ids, created=True)


@dataclass(frozen=True, slots=True)
class RegisterManager:
    """`name` goes to the table of people; the log knows only the id. An account's id is taken: in
    that table the name would stand in the place of the account's.
    """

    manager_id: ManagerId
    name: str
    team_id: TeamId | None = None

    def decide(self, books: Books) -> Decision:
        people, access = books.directory.people, books.directory.access
        if self.team_id is not None:
            people.require_team(self.team_id)
        _require_new(self.manager_id, people.managers)
        _require_new(self.manager_id, {*map(str, (*access.grants, *access.closed))})
        _require_new(self.manager_id, access.forgotten)
        event = ManagerRegistered(manager_id=self.manager_id, team_id=self.team_id)
        ids = {"manager_id": self.manager_id}
        stream = stream_of("manager", self.manager_id)
        return Decision(stream, event, ids, name=self.name, created=True)


@dataclass(frozen=True, slots=True)
class ChangeTeam:
    manager_id: ManagerId
    team_id: TeamId
    effective_on: date

    def decide(self, books: Books) -> Decision:
        people = books.directory.people
        require_known("manager", self.manager_id, people.managers)
        people.require_team(self.team_id)
        books.require_open(self.effective_on)
        event = ManagerTeamChanged(manager_id=self.manager_id, team_id=self.team_id)
        ids = {"manager_id": self.manager_id}
        stream = stream_of("manager", self.manager_id)
        return Decision(stream, event, ids, self.effective_on)


@dataclass(frozen=True, slots=True)
class ClosePeriod:
    """A month that is over; what its managers had at its end is kept with the closing."""

    month: Month

    def decide(self, books: Books) -> Decision:
        over = self.month.last_day + timedelta(days=1)
        if books.today < over:
            raise InTheFuture(over, books.today)
        books.directory.periods.require_closable(self.month)
        event = PeriodClosed(
            period=str(self.month),
            position=books.position,
            totals=books.totals(self.month.last_day),
        )
        return _on_period(self.month, event)


@dataclass(frozen=True, slots=True)
class ReopenPeriod:
    month: Month
    reason: str

    def decide(self, books: Books) -> Decision:
        books.directory.periods.require_reopenable(self.month)
        return _on_period(self.month, PeriodReopened(period=str(self.month), reason=self.reason))


def _on_type(code: ActionTypeCode, event: Event, *, created: bool = False) -> Decision:
    return Decision(stream_of("action-type", code), event, {"code": code}, created=created)


def _on_period(month: Month, event: Event) -> Decision:
    return Decision(stream_of("period", str(month)), event, {"period": str(month)})


def _require_new(name: object, known: Container[object]) -> None:
    if name in known:
        raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=str(name))
