"""Stalled deals: what is at stake, when something was done last, and what could be done next."""

from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from api.adding_up import added_up
from api.answers import Asked, CheckOut, Figure, Out, Uuid
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import Currency, DaysOfSilence, Id, Limit, TimesTheGap
from api.refusals import QUESTION_REFUSALS
from api.reports.kept import Fields, kept
from api.reports.texts import amount_text, percent_text
from api.routes import told_again, v1_router
from api.v1.portfolios import counted
from domain.catalogue import Catalogue
from domain.events import ActionPerformed, Recorded
from domain.values import ManagerId, decimal_text
from projections.point import Point
from projections.reports.stalled import (
    About,
    Next,
    Pace,
    Stalled,
    Standstill,
    about,
    next_actions,
    stalled_from_log,
)

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

MINIMUM_DAYS, FACTOR = 45, 2
"""Where nobody says otherwise."""


class StalledQuestion(PointQuestion):
    minimum_days: DaysOfSilence = MINIMUM_DAYS
    """A deal that was silent for fewer days is not stalled."""
    factor: TimesTheGap = FACTOR
    """Nor is one that was silent for no more than so many times its own median gap."""
    manager_id: str | None = None
    """Only deals that this manager owns, did something in, or has a claim in."""
    team_id: Id | None = None
    """Likewise of the members of the team on `as_of`."""
    currency: Currency | None = None
    limit: Limit = 100
    """So many deals are told, those with most at stake; the sums are of all."""


class Rule(StrEnum):
    """`own`: the deal's own pace and the least number of days; `minimum`: those days alone, because
    the deal has too few gaps for a pace of its own.
    """

    OWN = "own"
    MINIMUM = "minimum"


class LastAction(Out):
    action_id: Uuid = Field(examples=["5b0e6c1e-3d5f-4a6b-8a57-0d6a54f2b7c1"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-03-17"])


class StakeOut(Out):
    """What a manager has in the deal: credit times the check, and claims times the check."""

    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    active: Figure = Field(examples=["28000000.00"])
    claimed: Figure = Field(examples=["0.00"])


class NextAction(Out):
    """An action type in force whose `max_per_deal` is not reached: its weight, what the cap of
    100 % leaves of it, and what that adds to the portfolio; once confirmed, where that is needed.
    """

    action_type: str = Field(examples=["design-data"])
    weight: Figure = Field(examples=["2.00"])
    credit: Figure = Field(examples=["2.00"])
    amount: Figure = Field(examples=["8000000.00"])
    needs_confirmation: bool = Field(examples=[False])


class StalledDeal(Out):
    """`active` and `claimed` are the sums of `stakes`. `silent_since` is the last day on which
    something was done with the deal: any event but a confirmation, a rejection, a new weight or a
    withdrawal of what was done before. `gaps` are those between days of positive actions that count
    or are claimed, `median_gap` is the lower median of them in days, null for fewer than three.
    """

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети"])
    client: str = Field(examples=["Ромашка"])
    owner: str = Field(examples=["anna-sokolova"])
    potential_check: CheckOut
    progress: Figure = Field(examples=["7.00"])
    expected_close_on: date | None = Field(examples=["2026-12-01"])
    active: Figure = Field(examples=["28000000.00"])
    claimed: Figure = Field(examples=["0.00"])
    stakes: list[StakeOut]
    silent_since: date = Field(examples=["2026-03-17"])
    silent_days: int = Field(examples=[105])
    gaps: int = Field(examples=[4])
    median_gap: int | None = Field(examples=[21])
    rule: Rule = Field(examples=["own"])
    last_action: LastAction | None
    next_actions: list[NextAction]


class StalledSum(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    deals: int = Field(examples=[2])
    active: Figure = Field(examples=["28000000.00"])
    claimed: Figure = Field(examples=["0.00"])


class StalledAnswer(Asked):
    """`number`, `active` and `claimed` are of all stalled deals, `managers` of whoever is asked
    about and has a stake in one or owns it, whoever has most first; of the `deals`, `limit` are
    told at most.
    """

    minimum_days: int = Field(examples=[45])
    factor: int = Field(examples=[2])
    currency: str = Field(examples=["RUB"])
    number: int = Field(examples=[3])
    active: Figure = Field(examples=["28000000.00"])
    claimed: Figure = Field(examples=["0.00"])
    managers: list[StalledSum]
    deals: list[StalledDeal]


@router.get("/reports/stalled", operation_id="getStalled", response_model=StalledAnswer)
@told_again
def stalled(question: Annotated[StalledQuestion, Query()], asking: AskingDep) -> Response:
    """Open deals with which nothing was done for longer than is usual for them: what is at stake,
    and what could be done next, with the roubles that each action would add.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        who = counted(at, point, question.manager_id, question.team_id)
        called = at.names()
        told = partial(_answer, at, point, question, who, called)
        return kept(at, point, question, called, told)


def _answer(
    at: Desk,
    point: Point,
    question: StalledQuestion,
    who: Collection[ManagerId] | None,
    called: Mapping[ManagerId, str],
) -> Fields:
    """A StalledAnswer."""
    pace, currency = Pace(question.minimum_days, question.factor), at.currency(question.currency)
    most = question.limit
    found = standstill(at, point, currency, pace, who, most)
    told, catalogue = about(at.cursor, found.deals), at.directory(point).catalogue
    return {
        "minimum_days": pace.minimum_days,
        "factor": pace.factor,
        "currency": currency,
        "number": found.total.deals,
        "active": amount_text(found.total.active),
        "claimed": amount_text(found.total.claimed),
        "managers": _sums(found, who, called),
        "deals": [
            stalled_deal(one, told[one.position], catalogue, point.as_of, currency, called)
            for one in found.deals
        ],
    }


def standstill(
    at: Desk,
    point: Point,
    currency: str,
    pace: Pace,
    who: Collection[ManagerId] | None,
    most: int,
) -> Standstill:
    """From memory if the ledger is there, or else from the log."""
    from projections.reports.stalled_in_columns import (  # noqa: PLC0415 - with numpy
        standstill_from_columns,
    )

    asked = point.as_of, point.position, currency, pace, who
    return added_up(
        at,
        point.position,
        lambda tables: standstill_from_columns(tables, *asked, most, at.service.overviews),
        lambda cursor: Standstill.of(stalled_from_log(cursor, *asked), most),
    )


def stalled_deal(
    one: Stalled,
    about: About,
    catalogue: Catalogue,
    day: date,
    currency: str,
    called: Mapping[ManagerId, str],
) -> Fields:
    """A StalledDeal."""
    last = about.last_action
    return {
        "deal_id": about.deal_id,
        "title": about.title,
        "client": about.client,
        "owner": one.owner,
        "potential_check": {"amount": decimal_text(one.check), "currency": currency},
        "progress": percent_text(one.progress),
        "expected_close_on": one.expected_close_on,
        "active": amount_text(one.active),
        "claimed": amount_text(one.claimed),
        "stakes": [
            {
                "manager_id": who,
                "name": called.get(who),
                "active": amount_text(stake.active),
                "claimed": amount_text(stake.claimed),
            }
            for who, stake in sorted(one.stakes.items(), key=lambda held: (-sum(held[1]), held[0]))
        ],
        "silent_since": one.silent_since,
        "silent_days": one.silent_days,
        "gaps": one.gaps,
        "median_gap": one.median_gap,
        "rule": Rule.MINIMUM if one.median_gap is None else Rule.OWN,
        "last_action": None if last is None else _last(last),
        "next_actions": [_next(more) for more in next_actions(one, catalogue, day)],
    }


def _last(recorded: Recorded[ActionPerformed]) -> Fields:
    """A LastAction."""
    return {
        "action_id": recorded.event.action_id,
        "action_type": recorded.event.action_type,
        "effective_on": recorded.effective_on,
    }


def _next(more: Next) -> Fields:
    """A NextAction."""
    return {
        "action_type": more.action_type,
        "weight": percent_text(more.weight),
        "credit": percent_text(more.credit),
        "amount": amount_text(more.amount),
        "needs_confirmation": more.needs_confirmation,
    }


def _sums(
    found: Standstill,
    managers: Collection[ManagerId] | None,
    called: Mapping[ManagerId, str],
) -> list[Fields]:
    """StalledSums."""
    return [
        {
            "manager_id": who,
            "name": called.get(who),
            "deals": one.deals,
            "active": amount_text(one.active),
            "claimed": amount_text(one.claimed),
        }
        for who, one in sorted(
            found.managers.items(),
            key=lambda held: (-held[1].active - held[1].claimed, held[0]),
        )
        if managers is None or who in managers
    ]
