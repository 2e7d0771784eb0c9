"""Questions about portfolios, each at a business date and a point of knowledge."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from pydantic_core import to_json
from starlette.background import BackgroundTask

from api.answers import (
    AMOUNT,
    Asked,
    Figure,
    Moment,
    Out,
    RestatementLineOut,
    Values,
    answer,
    asked,
    restatement_line,
    values,
)
from api.asking import (
    Asking,
    AskingDep,
    Desk,
    KnowledgeQuestion,
    Manager,
    PointQuestion,
    Question,
)
from api.http.answered import Ready
from api.inputs import BusinessDate, Currency, Id, KnownAt, Position
from api.portfolio_answers import (
    ManagerPortfolioAnswer,
    PortfoliosAnswer,
    currency_portfolios,
    portfolio_deal,
    portfolio_figures,
    portfolios_answer,
)
from api.refusals import QUESTION_REFUSALS
from api.routes import at_once, v1_router
from domain.errors import Invalid
from domain.values import ManagerId, TeamId, decimal_text, value_text
from projections.ledger import NOBODY
from projections.movement import movement_from_ledger
from projections.point import Knowledge, Point, asked_for, end_of, look, point_from
from projections.portfolio import (
    line_of,
    manager_portfolio_from_ledger,
    portfolios_from_ledger,
)
from projections.restatement import restatement_from_ledger
from projections.series import MOST_POINTS, Members, Step, dates, series_from_ledger

router = v1_router(tags=["portfolios"], responses=QUESTION_REFUSALS)


class PortfoliosQuestion(PointQuestion):
    team_id: Id | None = None
    """Only the members of the team on `as_of`."""


class SeriesQuestion(KnowledgeQuestion):
    from_: Annotated[BusinessDate, Field(alias="from")]
    to: BusinessDate
    step: Step = Step.DAY
    currency: Currency | None = None


class TeamSeriesQuestion(SeriesQuestion):
    team_id: Id | None = None
    """On each date, the members of the team on it."""


class MovementQuestion(KnowledgeQuestion):
    from_: Annotated[BusinessDate, Field(alias="from")]
    to: BusinessDate
    manager_id: str | None = None
    team_id: Id | None = None
    """The members of the team on `to`."""
    currency: Currency | None = None


class RestatementQuestion(Question):
    as_of: BusinessDate | None = None
    from_known_at: KnownAt | None = None
    to_known_at: KnownAt | None = None
    from_position: Position | None = None
    to_position: Position | None = None
    manager_id: str | None = None
    team_id: Id | None = None
    """The members of the team on `as_of`, by the later knowledge."""
    currency: Currency | None = None


class SeriesLine(Values):
    as_of: date = Field(examples=["2026-06-30"])
    progress: Figure = Field(examples=["5.00"])


class SeriesAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    points: list[SeriesLine]


class MovementLine(Out):
    cause: str = Field(examples=["ActionPerformed"])
    account: str = Field(examples=["active"])
    amount: Figure = Field(examples=[AMOUNT])


class MovementAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    opening: Values
    lines: list[MovementLine]
    closing: Values


class RestatementAnswer(Asked):
    """`known_at` and `position` are the later knowledge."""

    currency: str = Field(examples=["RUB"])
    from_known_at: Moment = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    from_position: int = Field(examples=[1180])
    earlier: Values
    lines: list[RestatementLineOut]
    later: Values


@router.get("/portfolios", operation_id="getPortfolios", response_model=PortfoliosAnswer)
def portfolios(question: Annotated[PortfoliosQuestion, Query()], asking: AskingDep) -> Response:
    """Every manager's portfolio, by currency. Whoever stands still is there with zeros."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        held = at.read(
            point.position,
            lambda cursor: portfolios_from_ledger(cursor, point.as_of, point.position),
        )
        shown = _shown(at, question.team_id, point)
        called = at.names()
    company = asking.service.settings.currency
    currencies = []
    for currency in [company, *sorted(set(held) - {company})]:
        own = held.get(currency, {})
        managers = {who: own.get(who, NOBODY) for who in shown if currency == company or who in own}
        if managers or currency == company:
            currencies.append(currency_portfolios(currency, managers, called))
    return Response(portfolios_answer(point, currencies), media_type="application/json")


def _shown(at: Desk, team_id: UUID | None, point: Point) -> list[ManagerId]:
    """Everybody, or the team, as far as the account may see them."""
    if team_id is not None:
        return at.team(team_id, point)
    eyes = at.sight(point.as_of)
    return [who for who in at.directory(point).people.managers if eyes.sees(who)]


@router.get(
    "/managers/{manager_id}/portfolio",
    operation_id="getManagerPortfolio",
    response_model=ManagerPortfolioAnswer,
)
def manager_portfolio(
    manager_id: Manager, question: Annotated[PointQuestion, Query()], asking: AskingDep
) -> Response:
    """One manager's portfolio, deal by deal. The rows sum to the totals exactly."""
    manager = ManagerId(manager_id)
    learning, service, clock = None, asking.service, asking.service.clock
    with service.asking() as cursor:
        seen = look(cursor, clock, question.knowledge)
        point, end = point_from(seen, clock, question.as_of, question.knowledge), end_of(seen)
        at = asking.at(cursor, service.directory.now(cursor, end))
        at.require_manager(manager, point.as_of)
        figures = service.memory.told(cursor, manager, end, point)
        if figures is None:
            as_of, position = point.as_of, point.position
            rows = at.read(
                position,
                lambda cursor: manager_portfolio_from_ledger(cursor, manager, as_of, position),
            )
            lines = [line_of(row, portfolio_deal) for row in rows]
            figures = portfolio_figures(lines, service.settings.currency)
            service.memory.keep(manager, end, point, figures)
            if service.memory.asks_again(manager):
                learning = BackgroundTask(service.learn, manager)
        name = at.names().get(manager)
    body = _manager_portfolio(manager, name, point, figures)
    return Response(body, media_type="application/json", background=learning)


@at_once(manager_portfolio)
async def manager_portfolio_at_once(
    manager_id: Manager, question: PointQuestion, asking: Asking
) -> Ready | None:
    """The same, if it is in memory with everything recorded so far; otherwise None."""
    manager, service, clock = ManagerId(manager_id), asking.service, asking.service.clock
    if not service.memory.knows(manager):
        return None
    looking = service.glance.row(asked_for(clock, question.knowledge))
    if looking is None:
        return None
    service.memory.prepare(manager, question.as_of or clock.today, question.knowledge)
    seen = await looking
    point, end = point_from(seen, clock, question.as_of, question.knowledge), end_of(seen)
    now, called = service.directory.at_hand(end), service.directory.names_at_hand()
    if now is None or called is None:
        return None
    asking.viewer(now).require_manager(manager, point.as_of)
    figures = service.memory.at_hand(manager, end, point)
    if figures is None:
        return None
    return Ready(_manager_portfolio(manager, called.get(manager), point, figures))


def _manager_portfolio(manager: ManagerId, name: str | None, point: Point, figures: bytes) -> bytes:
    head = to_json({**asked(point), "manager_id": manager, "name": name})
    return b"".join((head[:-1], figures))


@router.get(
    "/managers/{manager_id}/portfolio/series",
    operation_id="getManagerSeries",
    response_model=SeriesAnswer,
)
def manager_series(
    manager_id: Manager, question: Annotated[SeriesQuestion, Query()], asking: AskingDep
) -> Response:
    """One manager's portfolio over time. A head is told of the days when the manager was in the
    team.
    """
    with asking.desk() as at:
        point = at.between(question.from_, question.to, question.knowledge)
        manager = at.require_manager(manager_id, point.as_of)
        days = [day for day in _days(question) if at.sees(manager, day)]
        return _series(at, point, question, days, lambda _: {manager})


@router.get("/portfolios/series", operation_id="getSeries", response_model=SeriesAnswer)
def series(question: Annotated[TeamSeriesQuestion, Query()], asking: AskingDep) -> Response:
    """Everybody's portfolio over time, or a team's."""
    with asking.desk() as at:
        point = at.between(question.from_, question.to, question.knowledge)
        members = _members(at, point, question.team_id)
        return _series(at, point, question, _days(question), members)


def _members(at: Desk, point: Point, team_id: UUID | None) -> Members:
    """On each date whom the account may see of the team, or of everybody."""
    if team_id is None:
        return lambda day: at.sight(day).managers
    at.team(team_id, point)
    people = at.directory(point).people

    def members(day: date) -> set[ManagerId]:
        eyes = at.sight(day)
        return {who for who in people.members(TeamId(team_id), day) if eyes.sees(who)}

    return members


def _days(question: SeriesQuestion) -> list[date]:
    """Raises Invalid."""
    if (question.to - question.from_) > timedelta(days=MOST_POINTS):
        raise Invalid("from", "too-many-points", most=MOST_POINTS)
    return dates(question.from_, question.to, question.step)


def _series(
    at: Desk, point: Point, question: SeriesQuestion, days: Sequence[date], members: Members
) -> Response:
    currency = at.currency(question.currency)
    points = at.read(
        point.position,
        lambda cursor: series_from_ledger(cursor, days, point.position, currency, members),
    )
    return answer(
        SeriesAnswer(
            **asked(point),
            currency=currency,
            points=[
                SeriesLine(
                    as_of=one.as_of, progress=decimal_text(one.progress), **values(one.balance)
                )
                for one in points
            ],
        )
    )


@router.get("/portfolios/movement", operation_id="getMovement", response_model=MovementAnswer)
def movement(question: Annotated[MovementQuestion, Query()], asking: AskingDep) -> Response:
    """Why it changed between two dates: opening + lines = closing. A head is told of those who were
    in the team on both, and are today.
    """
    with asking.desk() as at:
        point = at.between(question.from_, question.to, question.knowledge)
        currency = at.currency(question.currency)
        who = counted(at, point, question.manager_id, question.team_id, question.from_)
        moved = at.read(
            point.position,
            lambda cursor: movement_from_ledger(
                cursor, question.from_, question.to, point.position, currency, who
            ),
        )
    return answer(
        MovementAnswer(
            **asked(point),
            currency=currency,
            opening=Values(**values(moved.opening)),
            lines=[
                MovementLine(cause=cause, account=account, amount=value_text(amount))
                for (cause, account), amount in moved.lines.items()
            ],
            closing=Values(**values(moved.closing)),
        )
    )


def counted(
    at: Desk, point: Point, manager_id: str | None, team_id: UUID | None, *days: date
) -> Collection[ManagerId] | None:
    """Whose postings count, of those whom the account may see at the point, and on `days`; None for
    everybody's.
    """
    if manager_id is not None:
        one = {at.require_manager(manager_id, point.as_of, *days)}
        return one if team_id is None else one & set(at.team(team_id, point, *days))
    if team_id is not None:
        return at.team(team_id, point, *days)
    return at.sight(point.as_of, *days).managers


@router.get(
    "/portfolios/restatement", operation_id="getRestatement", response_model=RestatementAnswer
)
def restatement(question: Annotated[RestatementQuestion, Query()], asking: AskingDep) -> Response:
    """What changed our knowledge of one date: earlier + lines = later."""
    with asking.desk() as at:
        earlier = at.point(
            question.as_of, _knowledge(question.from_known_at, question.from_position)
        )
        later = at.point(question.as_of, Knowledge(question.to_known_at, question.to_position))
        if earlier.position > later.position:
            raise Invalid("from_position", "from-after-to")
        currency = at.currency(question.currency)
        who = counted(at, later, question.manager_id, question.team_id)
        restated = at.read(
            later.position,
            lambda cursor: restatement_from_ledger(
                cursor, later.as_of, earlier.position, later.position, currency, who
            ),
        )
    return answer(
        RestatementAnswer(
            **asked(later),
            currency=currency,
            from_known_at=earlier.known_at.isoformat(timespec="microseconds"),
            from_position=earlier.position,
            earlier=Values(**values(restated.earlier)),
            lines=[restatement_line(line, at.service.settings.zone) for line in restated.lines],
            later=Values(**values(restated.later)),
        )
    )


def _knowledge(known_at: date | datetime | None, position: int | None) -> Knowledge:
    """Where a restatement begins; it must be said."""
    if known_at is None and position is None:
        raise Invalid("from_known_at", "missing")
    return Knowledge(known_at, position)
