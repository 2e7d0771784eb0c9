"""Questions: the point at which they are asked, and whom they are about."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Path, Request
from psycopg import Cursor
from pydantic import BaseModel, ConfigDict

from api.inputs import BusinessDate, KnownAt, Limit, Position, Slug
from api.service import Remembered, Service
from application.orders import Caller
from domain.access import MATRIX, Grant, Reach, Sight, Task, may_see, sight
from domain.directory import Directory
from domain.errors import Forbidden, Invalid, NotFound, Restriction
from domain.values import ManagerId, TeamId
from projections.point import (
    BEYOND,
    Knowledge,
    Point,
    end_of,
    look,
    point_at,
    point_from,
    settled_from,
)
from projections.reports.kept import ledger_of

if TYPE_CHECKING:  # numpy comes with the first report, and not with the service
    from projections.reports.columns import Tables

T = TypeVar("T")


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
    as_of: BusinessDate | None = None
    """The business date, inclusive; today when left out."""

    @property
    def beside_the_point(self) -> Self:
        """All else that is asked."""
        return self.model_copy(update={"as_of": None, "known_at": None, "position": None})


class PageQuestion(PointQuestion):
    limit: Limit = 100
    cursor: Position = 0
    """From the `next` link of the page before."""


Manager = Annotated[Slug, Path(description="The manager's id.")]


@dataclass(frozen=True, slots=True)
class Asking:
    """One request's question, before anything is read: who asks, which task of the matrix it
    belongs to, and which thing of the address it is about.
    """

    service: Service
    caller: Caller
    task: Task | None
    about: Mapping[str, str]

    @contextmanager
    def desk(self) -> Iterator["Desk"]:
        """Raises SignedOut, Forbidden; NotFound comes later, for what this account may not see."""
        with self.service.asking() as cursor:
            yield self.at(cursor, self.service.directory.at(cursor, BEYOND))

    @contextmanager
    def desk_at(
        self, as_of: date | None, knowledge: Knowledge, *, settled: bool = False
    ) -> Iterator[tuple["Desk", Point]]:
        """The same, and the point of the question, `settled` for what is taken home: one look tells
        it, and where the log ends. Raises InTheFuture, Invalid, too.
        """
        clock = self.service.clock
        with self.service.asking() as cursor:
            seen = look(cursor, clock, knowledge)
            end = end_of(seen)
            at = self.at(cursor, self.service.directory.now(cursor, end), end.ledger)
            point = settled_from if settled else point_from
            yield at, point(seen, clock, as_of, knowledge)

    def admitted(self) -> Caller:
        """Whoever asks, if their role has a part in the task. Raises SignedOut, Forbidden."""
        with self.desk():
            return self.caller

    def at(self, cursor: Cursor[Any], now: Directory, ledger: Hashable = None) -> "Desk":
        """The same with everything known, `now`, at hand; and which ledger there is, if that was
        looked at.
        """
        viewer = self.viewer(now)
        return Desk(self.service, now, viewer.grant, viewer.reach, cursor, ledger)

    def viewer(self, now: Directory) -> "Viewer":
        """The same where nothing more is to be read."""
        grant = now.access.grant_of(self.caller.account_id, self.caller.key_id)
        if self.task is None:
            raise Forbidden(Restriction.ROLE, role=grant.role.value)
        if self.task is Task.SEE and self.about and grant.role not in MATRIX[Task.SEE]:
            raise NotFound(*next(iter(self.about.items())))
        return Viewer(self.service, now, grant, grant.reach(self.task))


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the account that asks was given, and so whom it may see."""

    service: Service
    now: Directory
    grant: Grant
    reach: Reach

    def sight(self, *days: date) -> Sight:
        """Whom the account may see in a question about `days`: a head sees who was in the team on
        each of them, and is today.
        """
        return sight(self.grant, self.now.people, *days, self.service.clock.today)

    def sees(self, manager: ManagerId, *days: date) -> bool:
        """The same of one manager, who must be known now."""
        return may_see(self.grant, self.now.people, manager, *days, self.service.clock.today)

    def require_manager(self, manager_id: str, *days: date) -> ManagerId:
        """A manager who is known now, whatever was known at the point asked about, and whom the
        account may see. Raises NotFound.
        """
        manager = ManagerId(manager_id)
        if manager not in self.now.people.managers or not self.sees(manager, *days):
            raise NotFound("manager", manager_id)
        return manager


@dataclass(frozen=True, slots=True)
class Desk(Viewer):
    """Where one question is answered: what the viewer may see, and a cursor to read it by."""

    cursor: Cursor[Any]
    looked_at: Hashable = None
    """Which ledger there was when the point was looked up."""

    @property
    def ledger(self) -> Hashable:
        """The primary's."""
        return ledger_of(self.cursor) if self.looked_at is None else self.looked_at

    def read(self, position: int, question: Callable[[Cursor[Any]], T]) -> T:
        """What is to be added up, at a position that the primary has named: maybe by a standby."""
        return self.service.standbys.read(self.cursor, position, question)

    @property
    def remembered(self) -> Remembered:
        return self.service.remembered(self.ledger)

    def tables(self, position: int) -> "Tables":
        """All that is known by the position, in columns. Raises NotHeld."""
        return self.service.columns.at(self.cursor, position, self.ledger)

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

    def names(self) -> Mapping[ManagerId, str]:
        """What managers are called now."""
        return self.service.directory.names(self.cursor)

    def currency(self, given: str | None) -> str:
        return given or self.service.settings.currency

    def team(self, team_id: UUID, point: Point, *days: date) -> list[ManagerId]:
        """Those of the members at the point whom the account may see, also on `days`. Raises
        NotFound.
        """
        team = TeamId(team_id)
        people = self.directory(point).people
        people.require_team(team)
        if self.reach is not Reach.ALL and team != self.grant.team_id:
            raise NotFound("team", team_id)
        members = people.members(team, point.as_of)
        return [manager for manager in members if self.sees(manager, point.as_of, *days)]


def asking_of(request: Request) -> Asking:
    service = cast("Service", request.app.state.service)
    scope = request.scope
    return Asking(service, scope["caller"], scope["task"], request.path_params)


AskingDep = Annotated[Asking, Depends(asking_of)]


class Placed(Protocol):
    @property
    def position(self) -> int: ...


Row = TypeVar("Row", bound=Placed)


def page_of(
    found: list[Row], question: PageQuestion, request: Request, point: Point
) -> tuple[list[Row], dict[str, str]]:
    """The page of rows that stand by their position, and its links; `found` is one row more than
    was asked for, unless these are all.
    """
    page = found[: question.limit]
    links = next_link(request, page[-1].position, point) if len(found) > len(page) else {}
    return page, links


def next_link(request: Request, cursor: int, point: Point | None = None) -> dict[str, str]:
    """The next page of the same question, at the same point however much is recorded meanwhile."""
    asked = dict(request.query_params) | {"cursor": str(cursor)}
    if point is not None:
        asked.pop("known_at", None)
        asked |= {"as_of": str(point.as_of), "position": str(point.position)}
    return {"next": f"{request.url.path}?{urlencode(asked)}"}
