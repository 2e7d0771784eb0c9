"""Who moves: what was done and gained in a span of days, beside the span before it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import partial
from statistics import median_low
from typing import Annotated

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
from api.v1.targets import AttainmentOut, attained
from domain.errors import Invalid
from domain.values import ZERO_TEXT, ManagerId, TeamId
from projections.integrity import share
from projections.point import Point
from projections.reports.activity import (
    IDLE,
    Activity,
    Gain,
    Span,
    activities_from_ledger,
    ranks,
    summed,
)

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

MOST_DAYS = 366
"""Of a span: a year."""
_GAINS = (*(gain.value for gain in Gain), "total")
_NO_GAINS: Fields = dict.fromkeys(_GAINS, ZERO_TEXT)


class ActivityQuestion(PointQuestion):
    from_: Day | None = Field(default=None, alias="from")
    """The span's first day; left out: the first of the month of `to`."""
    to: Day | None = None
    """The span's last day; `as_of` when left out."""
    team_id: Id | None = None
    """Of the members of this team on `as_of` alone."""
    currency: Currency | None = None


class Gains(Out):
    """By cause, and in all: what the movement of `active` over the span comes to."""

    effort: Figure = Field(examples=["20000000.00"])
    check_revisions: Figure = Field(examples=["0.00"])
    handovers: Figure = Field(examples=["0.00"])
    suspensions: Figure = Field(examples=["0.00"])
    closings: Figure = Field(examples=["0.00"])
    total: Figure = Field(examples=["20000000.00"])


class ActivityOut(Out):
    """Positive actions dated in the span that are neither withdrawn nor rejected by `as_of`, their
    nominal weight, and which share of it, in percent, waits for no confirmation (null: there is
    none); in how many deals they were done, and how many deals were the manager's on some day of
    the span; what the portfolio gained, and the percent points of open deals that it gained.
    """

    actions: int = Field(examples=[4])
    weight: Figure = Field(examples=["14.00"])
    confirmed_share: Figure | None = Field(examples=["85.71"])
    deals_touched: int = Field(examples=[3])
    deals: int = Field(examples=[7])
    gained: Gains
    points: Gains


class ActivityLine(Out):
    """`rank` is by the effort gained, equal ones have the same; `change` is by how much it is more
    than in the span before, `change_share` in percent of that where there was some. Of a time in
    which whoever asks may not see the manager there is nothing before.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    rank: int = Field(examples=[1])
    rank_before: int | None = Field(examples=[3])
    now: ActivityOut
    before: ActivityOut | None
    change: Figure | None = Field(examples=["5000000.00"])
    change_share: Figure | None = Field(examples=["33.33"])


class ActivitySum(Out):
    now: ActivityOut
    before: ActivityOut


class ActivityMedian(Out):
    """Half of the managers have as much or more; of two in the middle, the lower."""

    actions: int = Field(examples=[3])
    effort: Figure = Field(examples=["12000000.00"])
    effort_before: Figure | None = Field(examples=["9000000.00"])


class ActivityAnswer(Asked):
    """The span and the one of as many days before it, all days inclusive. `total` is the sum of the
    lines: what two did together counts for both. `targets` are those that have the last day among
    theirs.
    """

    first_day: date = Field(examples=["2026-06-01"])
    last_day: date = Field(examples=["2026-06-30"])
    before_first_day: date = Field(examples=["2026-05-02"])
    before_last_day: date = Field(examples=["2026-05-31"])
    currency: str = Field(examples=["RUB"])
    managers: list[ActivityLine]
    total: ActivitySum
    median: ActivityMedian | None
    targets: list[AttainmentOut]


@router.get("/reports/activity", operation_id="getActivity", response_model=ActivityAnswer)
@told_again
def activity(question: Annotated[ActivityQuestion, Query()], asking: AskingDep) -> Response:
    """Who moves, though nothing closes: actions and what they gained by manager, most first.
    Whoever stands still is there with zeros. A head is told of those who were in the team on the
    eve of the span and on its last day, and are today.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        span = _span(question, point.as_of)
        who = counted(at, point, None, question.team_id, span.eve, span.last)
        called = at.names()
        told = partial(_answer, at, point, question, span, who, called)
        return kept(at, point, question, called, told)


def _activities(
    at: Desk, span: Span, point: Point, currency: str, who: Collection[ManagerId] | None
) -> list[Mapping[ManagerId, Activity]]:
    """Of the span, and of the one before it."""
    from projections.reports.activity_in_columns import (  # noqa: PLC0415 - with numpy
        activities_from_columns,
    )

    asked = [
        (one, point.as_of, point.position, currency, who, at.remembered.facts)
        for one in (span, span.before)
    ]
    return added_up(
        at,
        point.position,
        lambda tables: [activities_from_columns(tables, *one) for one in asked],
        lambda cursor: [activities_from_ledger(cursor, *one) for one in asked],
    )


def _answer(
    at: Desk,
    point: Point,
    question: ActivityQuestion,
    span: Span,
    who: Collection[ManagerId] | None,
    called: Mapping[ManagerId, str],
) -> Fields:
    """An ActivityAnswer."""
    currency = at.currency(question.currency)
    known = at.directory(point).people.managers
    shown = [one for one in known if who is None or one in who]
    then = at.sight(span.before.eve)
    earlier = {one for one in shown if then.sees(one)}
    now, before = _activities(at, span, point, currency, who)
    team = None if question.team_id is None else TeamId(question.team_id)
    return {
        "first_day": span.first,
        "last_day": span.last,
        "before_first_day": span.before.first,
        "before_last_day": span.before.last,
        "currency": currency,
        "managers": _lines(shown, earlier, now, before, called),
        "total": {
            "now": _activity(summed(now.get(one, IDLE) for one in shown)),
            "before": _activity(summed(before.get(one, IDLE) for one in earlier)),
        },
        "median": _median([now.get(one, IDLE) for one in shown], earlier, before),
        "targets": attained(at, point, span.last, {*shown}, team),
    }


def _span(question: ActivityQuestion, as_of: date) -> Span:
    """Raises Invalid."""
    last = as_of if question.to is None else question.to
    first = last.replace(day=1) if question.from_ is None else question.from_
    if first > last:
        raise Invalid("from", "from-after-to")
    if last > as_of:
        raise Invalid("to", "after-as-of")
    if (last - first).days >= MOST_DAYS:
        raise Invalid("from", "too-many-days", most=MOST_DAYS)
    return Span(first, last)


def _lines(
    shown: Sequence[ManagerId],
    earlier: set[ManagerId],
    now: Mapping[ManagerId, Activity],
    before: Mapping[ManagerId, Activity],
    called: Mapping[ManagerId, str],
) -> Sequence[Fields]:
    """ActivityLines."""
    rank = ranks({one: now.get(one, IDLE).effort for one in shown})
    rank_before = ranks({one: before.get(one, IDLE).effort for one in earlier})
    lines = []
    for one in sorted(shown, key=rank.__getitem__):
        own, was = now.get(one, IDLE), before.get(one, IDLE)
        is_told, effort_before = one in earlier, was.effort
        change = own.effort - effort_before
        is_more = is_told and effort_before > 0
        lines.append(
            {
                "manager_id": one,
                "name": called.get(one),
                "rank": rank[one],
                "rank_before": rank_before.get(one),
                "now": _activity(own),
                "before": _activity(was) if is_told else None,
                "change": amount_text(change) if is_told else None,
                "change_share": percent_text(share(change, effort_before)) if is_more else None,
            }
        )
    return lines


def _activity(one: Activity) -> Fields:
    """An ActivityOut."""
    confirmed = percent_text(share(one.confirmed, one.weight)) if one.weight else None
    return {
        "actions": one.actions,
        "weight": percent_text(one.weight),
        "confirmed_share": confirmed,
        "deals_touched": one.touched,
        "deals": one.deals,
        "gained": _gains(one.gained, amount_text),
        "points": _gains(one.points, percent_text),
    }


def _gains(own: Mapping[Gain, int], text: Callable[[int], str]) -> Fields:
    """Gains, most of which are none."""
    if not own:
        return _NO_GAINS
    told = dict.fromkeys(_GAINS, ZERO_TEXT)
    for gain, amount in own.items():
        told[gain] = text(amount)
    told["total"] = text(sum(own.values()))
    return told


def _median(
    now: Sequence[Activity], earlier: set[ManagerId], before: Mapping[ManagerId, Activity]
) -> Fields | None:
    """An ActivityMedian; None of nobody."""
    if not now:
        return None
    was = [before.get(one, IDLE).effort for one in earlier]
    return {
        "actions": median_low(one.actions for one in now),
        "effort": amount_text(median_low(one.effort for one in now)),
        "effort_before": amount_text(median_low(was)) if was else None,
    }
