"""Empty months: by manager and month, deals closed, progress without a closing, or nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import Query, Response
from pydantic import Field

from api.adding_up import added_up
from api.answers import Asked, Figure, Out
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import Currency, Day, Id
from api.refusals import QUESTION_REFUSALS
from api.reports.kept import Fields, kept
from api.reports.texts import amount_text, percent_text
from api.routes import told_again, v1_router
from api.v1.portfolios import counted
from domain.errors import Invalid
from domain.periods import Month
from domain.values import ManagerId
from projections.point import Point
from projections.reports.months import (
    NOTHING,
    Done,
    Months,
    MonthState,
    months_between,
    months_from_ledger,
)

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

_STATES = {state: state.value for state in MonthState}  # plain texts are sooner written down
UNSAID = 12
"""So many months, the last one that of `as_of`, where nobody says otherwise."""
MOST_DAYS = 3_660
"""Of all months together: ten years."""


class MonthsQuestion(PointQuestion):
    from_: Day | None = Field(default=None, alias="from")
    """The first day; left out: the first of the month eleven months before `to`."""
    to: Day | None = None
    """The last day, `as_of` at the latest; `as_of` when left out."""
    manager_id: str | None = None
    team_id: Id | None = None
    """Only members of the team on `as_of`."""
    currency: Currency | None = None


class MonthOut(Out):
    """`closed`: a deal was won or lost in it, and not reopened before its end; `progress`:
    something was done in it all the same. Closings, `actions` (positive ones dated in it that are
    neither withdrawn nor rejected) and `credit` (percent points by effort) are of all currencies.
    `gained` is what actions, their confirmation and weights added to the portfolio, `won` and
    `lost` are the changes of these accounts: they are lines of the movement.
    """

    month: str = Field(examples=["2026-06"])
    state: MonthState = Field(examples=["progress"])
    deals_won: int = Field(examples=[0])
    deals_lost: int = Field(examples=[0])
    actions: int = Field(examples=[4])
    credit: Figure = Field(examples=["12.00"])
    gained: Figure = Field(examples=["48000000.00"])
    won: Figure = Field(examples=["0.00"])
    lost: Figure = Field(examples=["0.00"])


class ManagerMonths(Out):
    """`months` in order; a head is not told of those in which the manager was in another team. The
    counts are of `months` by their state.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    closed: int = Field(examples=[1])
    progress: int = Field(examples=[10])
    nothing: int = Field(examples=[1])
    months: list[MonthOut]


class MonthsAnswer(Asked):
    """`total` is of all managers, month by month; what several did together is in it for each."""

    first_day: date = Field(examples=["2025-07-01"])
    last_day: date = Field(examples=["2026-06-30"])
    currency: str = Field(examples=["RUB"])
    managers: list[ManagerMonths]
    total: list[MonthOut]


@router.get("/reports/months", operation_id="getMonths", response_model=MonthsAnswer)
@told_again
def months(question: Annotated[MonthsQuestion, Query()], asking: AskingDep) -> Response:
    """Which months were empty: by manager, whether deals were closed in it, there was progress
    without a closing, or nothing at all. Whoever did nothing is there, too.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        days = _days_asked(question, point.as_of)
        who = dict(_who(at, point, question, *days))
        called = at.names()
        told = partial(_answer, at, point, question, days, who, called)
        return kept(at, point, question, called, told)


def _answer(
    at: Desk,
    point: Point,
    question: MonthsQuestion,
    days: tuple[date, date],
    who: Mapping[Month, Collection[ManagerId] | None],
    called: Mapping[ManagerId, str],
) -> Fields:
    """A MonthsAnswer."""
    currency = at.currency(question.currency)
    found = _months(at, point, days, currency, _ever(who))
    known = at.directory(point).people.managers
    shown = [one for one in known if any(some is None or one in some for some in who.values())]
    told = [_Told(str(month), some, found.get(month, {})) for month, some in who.items()]
    return {
        "first_day": days[0],
        "last_day": days[1],
        "currency": currency,
        "managers": [_manager(one, called.get(one), told) for one in shown],
        "total": [_month(one.month, one.total()) for one in told],
    }


class _Told(NamedTuple):
    """A month, who is told of in it, and what everybody did."""

    month: str
    who: Collection[ManagerId] | None
    done: Mapping[ManagerId, Done]

    def has(self, manager: ManagerId) -> bool:
        return self.who is None or manager in self.who

    def total(self) -> Done:
        counted = (done for manager, done in self.done.items() if self.has(manager))
        return Done(*map(sum, zip(NOTHING, *counted, strict=True)))


def _days_asked(question: MonthsQuestion, as_of: date) -> tuple[date, date]:
    """Raises Invalid."""
    last = question.to or as_of
    if last > as_of:
        raise Invalid("to", "after-as-of")
    first = question.from_
    if first is None:
        month = last.year * 12 + last.month - UNSAID
        first = date(month // 12, month % 12 + 1, 1)
    if first > last:
        raise Invalid("from", "from-after-to")
    if (last - first).days >= MOST_DAYS:
        raise Invalid("from", "too-many-days", most=MOST_DAYS)
    return first, last


Who = Mapping[Month, Collection[ManagerId] | None]
"""Who is told of in each month; None: everybody."""


def _who(
    at: Desk, point: Point, question: MonthsQuestion, first: date, last: date
) -> Iterator[tuple[Month, Collection[ManagerId] | None]]:
    """Raises NotFound."""
    counted(at, point, question.manager_id, question.team_id)
    for month in months_between(first, last):
        eve = max(first, month.last_day.replace(day=1)) - timedelta(days=1)
        end = min(last, month.last_day)
        yield month, _counted(at, point, question, eve, end)


def _counted(
    at: Desk, point: Point, question: MonthsQuestion, *days: date
) -> Collection[ManagerId] | None:
    """As `counted`, but nobody where the manager that is asked about was not to be seen."""
    one, eyes = question.manager_id, at.sight(point.as_of, *days)
    if one is not None and not eyes.sees(ManagerId(one)):
        return frozenset()
    return counted(at, point, one, question.team_id, *days)


def _months(
    at: Desk,
    point: Point,
    days: tuple[date, date],
    currency: str,
    who: Collection[ManagerId] | None,
) -> Months:
    from projections.reports.months_in_columns import (  # noqa: PLC0415 - with numpy
        months_from_columns,
    )

    asked = *days, point.as_of, point.position, currency, who
    return added_up(
        at,
        point.position,
        lambda tables: months_from_columns(tables, *asked),
        lambda cursor: months_from_ledger(cursor, *asked),
    )


def _ever(who: Who) -> Collection[ManagerId] | None:
    some = [one for one in who.values() if one is not None]
    return None if len(some) < len(who) else frozenset[ManagerId]().union(*some)


def _manager(manager: ManagerId, name: str | None, told: Sequence[_Told]) -> Fields:
    """A ManagerMonths."""
    lines = [_month(one.month, one.done.get(manager, NOTHING)) for one in told if one.has(manager)]
    states = [line["state"] for line in lines]
    return {
        "manager_id": manager,
        "name": name,
        **{state: states.count(state) for state in _STATES.values()},
        "months": lines,
    }


def _month(month: str, done: Done) -> Fields:
    """A MonthOut."""
    deals_won, deals_lost, actions, credit, gained, won, lost = done
    return {
        "month": month,
        "state": _STATES[done.state],
        "deals_won": deals_won,
        "deals_lost": deals_lost,
        "actions": actions,
        "credit": percent_text(credit),
        "gained": amount_text(gained),
        "won": amount_text(won),
        "lost": amount_text(lost),
    }
