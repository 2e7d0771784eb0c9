"""Concentration: on how few deals the portfolios stand, and what remains without the largest."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field

from api.adding_up import added_up
from api.answers import Asked, Figure, Out, Uuid
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import Currency, Id, Limit
from api.refusals import QUESTION_REFUSALS
from api.reports.kept import Fields, kept
from api.reports.texts import amount_text, percent_text
from api.routes import told_again, v1_router
from api.v1.portfolios import counted
from domain.values import ManagerId
from projections.point import Point
from projections.reports.called import About, called_at
from projections.reports.concentration import (
    TOPS,
    Concentration,
    Concentrations,
    active_from_ledger,
)

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)


class ConcentrationQuestion(PointQuestion):
    manager_id: str | None = None
    team_id: Id | None = None
    """Only members of the team on `as_of`."""
    currency: Currency | None = None
    limit: Limit = 5
    """So many of the largest deals are told of each portfolio."""


class DealShareOut(Out):
    """`share` in percent of the portfolio, floored to two decimals."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети"])
    client: str = Field(examples=["Ромашка"])
    amount: Figure = Field(examples=["28000000.00"])
    share: Figure = Field(examples=["56.00"])


class ConcentrationOut(Out):
    """One active portfolio: the shares of its 1, 3 and 5 largest deals in percent, floored; the
    Herfindahl index from 0 to 10 000, floored: the sum of the squares of all shares, 10 000 for a
    single deal and 10 000 / n for n equal ones; and what remains without the largest deal.
    """

    active: Figure = Field(examples=["50000000.00"])
    deals: int = Field(examples=[4])
    top_1: Figure = Field(examples=["56.00"])
    top_3: Figure = Field(examples=["92.00"])
    top_5: Figure = Field(examples=["100.00"])
    herfindahl: int = Field(examples=[3984])
    without_largest: Figure = Field(examples=["22000000.00"])
    largest: list[DealShareOut]


class ManagerConcentration(ConcentrationOut):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])


class ConcentrationAnswer(Asked):
    """`total` is of all managers together, whose deals count whole; `managers` are those with a
    portfolio, the largest first.
    """

    currency: str = Field(examples=["RUB"])
    total: ConcentrationOut
    managers: list[ManagerConcentration]


@router.get(
    "/reports/concentration",
    operation_id="getConcentration",
    response_model=ConcentrationAnswer,
)
@told_again
def concentration(
    question: Annotated[ConcentrationQuestion, Query()], asking: AskingDep
) -> Response:
    """Which share of the active portfolios stands in their largest deals, by manager and in all,
    and what would remain without the largest one.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        who = counted(at, point, question.manager_id, question.team_id)
        called = at.names()
        told = partial(_answer, at, point, question, who, called)
        return kept(at, point, question, called, told)


def _answer(
    at: Desk,
    point: Point,
    question: ConcentrationQuestion,
    who: Collection[ManagerId] | None,
    called: Mapping[ManagerId, str],
) -> Fields:
    """A ConcentrationAnswer."""
    currency, most = at.currency(question.currency), question.limit
    company, own = _concentrations(at, point, currency, who)
    shown = {deal for one in (company, *own.values()) for deal in one.deals[:most]}
    about = called_at(at.cursor, at.remembered.called, shown)
    managers = sorted(own.items(), key=lambda one: (-one[1].total, one[0]))
    return {
        "currency": currency,
        "total": _told(company, about, most),
        "managers": [
            _told(one, about, most) | {"manager_id": manager, "name": called.get(manager)}
            for manager, one in managers
        ],
    }


def _concentrations(
    at: Desk, point: Point, currency: str, who: Collection[ManagerId] | None
) -> Concentrations:
    from projections.reports.concentration_in_columns import (  # noqa: PLC0415 - with numpy
        concentrations_from_columns,
    )

    asked = point.as_of, point.position, currency, who
    return added_up(
        at,
        point.position,
        lambda tables: concentrations_from_columns(tables, *asked, at.service.overviews),
        lambda cursor: Concentrations.of(active_from_ledger(cursor, *asked)),
    )


def _told(one: Concentration, about: Mapping[int, About], most: int) -> dict[str, Any]:
    """A ConcentrationOut."""
    return {
        "active": amount_text(one.total),
        "deals": len(one.deals),
        **{f"top_{number}": percent_text(one.top(number)) for number in TOPS},
        "herfindahl": one.herfindahl,
        "without_largest": amount_text(one.without_largest),
        "largest": [
            _share(about[deal], amount, one)
            for deal, amount in zip(one.deals[:most], one.amounts, strict=False)
        ],
    }


def _share(about: About, amount: int, of: Concentration) -> Fields:
    """A DealShareOut."""
    return {
        "deal_id": about.deal_id,
        "title": about.title,
        "client": about.client,
        "amount": amount_text(amount),
        "share": percent_text(of.share(amount)),
    }
