"""Questions: the point at which they are asked, and whom they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Path, Request
from psycopg import Cursor
from pydantic import BaseModel, ConfigDict

from api.inputs import Day, KnownAt, Limit, Position, Slug
from api.service import Service
from domain.directory import Directory
from domain.errors import Invalid, NotFound
from domain.values import ManagerId, TeamId
from projections.point import BEYOND, Knowledge, Point, point_at


class Question(BaseModel):
    """Parameters that are not known are refused: a misspelt `as_of` must not mean today."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KnowledgeQuestion(Question):
    known_at: KnownAt | None = None
    """Only what was recorded by then: an RFC 3339 instant, or a date meaning its end."""
    position: Position | None = None
    """Only what was recorded up to this position of the log, inclusive."""

    @property
    def knowledge(self) -> Knowledge:
        return Knowledge(self.known_at, self.position)


class PointQuestion(KnowledgeQuestion):
    as_of: Day | None = None
    """The business date, inclusive; today when left out."""


class PageQuestion(PointQuestion):
    limit: Limit = 100
    cursor: Position = 0
    """From the `next` link of the page before."""


Manager = Annotated[Slug, Path(description="The manager's id.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one question is answered: a cursor, and the parts of the service that it needs."""

    service: Service
    cursor: Cursor[Any]

    def point(self, as_of: date | None, knowledge: Knowledge) -> Point:
        """Raises InTheFuture, Invalid."""
        return point_at(self.cursor, self.service.clock, as_of, knowledge)

    def between(self, first: date, last: date, knowledge: Knowledge) -> Point:
        """The point at the end of `last`. Raises Invalid, too, when `first` is after it."""
        if first > last:
            raise Invalid("from", "from-after-to")
        return self.point(last, knowledge)

    def directory(self, point: Point) -> Directory:
        return self.service.directory.at(self.cursor, point.position)

    def currency(self, given: str | None) -> str:
        return given or self.service.settings.currency

    def team(self, team_id: UUID, point: Point) -> list[ManagerId]:
        """The members at the point. Raises NotFound."""
        people = self.directory(point).people
        people.require_team(TeamId(team_id))
        return people.members(TeamId(team_id), point.as_of)

    def require_manager(self, manager_id: str) -> ManagerId:
        """A manager who is known now, whatever was known at the point asked about."""
        manager = ManagerId(manager_id)
        if manager not in self.now().people.managers:
            raise NotFound("manager", manager_id)
        return manager

    def now(self) -> Directory:
        """Everything known."""
        return self.service.directory.at(self.cursor, BEYOND)


def service_of(request: Request) -> Service:
    return cast("Service", request.app.state.service)


@contextmanager
def desk(service: Service) -> Iterator[Desk]:
    with service.asking() as cursor:
        yield Desk(service, cursor)


ServiceDep = Annotated[Service, Depends(service_of)]


def next_link(request: Request, cursor: int, point: Point | None = None) -> dict[str, str]:
    """The next page of the same question, at the same point however much is recorded meanwhile."""
    asked = dict(request.query_params) | {"cursor": str(cursor)}
    if point is not None:
        asked.pop("known_at", None)
        asked |= {"as_of": str(point.as_of), "position": str(point.position)}
    return {"next": f"{request.url.path}?{urlencode(asked)}"}
