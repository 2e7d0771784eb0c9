"""Are the weights honest? Progress some months before the outcome, against the outcome."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.adding_up import added_up
from api.answers import Asked, Figure, Out, Uuid, answer, asked
from api.asking import AskingDep, Desk, PageQuestion, PointQuestion, page_of
from api.inputs import Id
from api.refusals import PAGED, QUESTION_REFUSALS
from api.reports.kept import Fields, kept
from api.routes import told_again, v1_router
from api.v1.portfolios import counted
from domain.values import ManagerId, decimal_text
from projections.point import Point
from projections.reports.calibration import (
    FEWEST,
    HORIZONS,
    AsKnown,
    Bias,
    Bin,
    Calibration,
    Horizon,
    Kind,
    Outcome,
    Scored,
    calibration_of,
    outcomes_from_ledger,
)
from projections.reports.called import About, called_at
from projections.reports.scores import Interval, Score, Share, wilson

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

DIGITS = 6
"""Of an estimate."""
_MONTHS = {str(months): months for months in HORIZONS}


def _months(given: object) -> int:
    if isinstance(given, str) and given in _MONTHS:
        return _MONTHS[given]
    raise PydanticCustomError("horizon", "not a horizon")


Months = Annotated[
    int, PlainValidator(_months), WithJsonSchema({"type": "integer", "enum": [*HORIZONS]})
]


class CalibrationQuestion(PointQuestion):
    horizon_months: Months = 6
    """Deals as they stood so many months before their outcome."""
    as_known: AsKnown = AsKnown.THEN
    """`then`: by what was recorded by the end of that day. `now`: by all that is known at the
    point, also what was entered behind the outcome; for a history that was imported at once.
    """
    manager_id: str | None = None
    team_id: Id | None = None
    """Only deals of the team's members on `as_of`, by the owner on that past day."""


Chance = Annotated[float, Field(examples=[0.412338])]
"""An estimate, rounded to six digits."""


class IntervalOut(Out):
    """Of 95 %, both ends included."""

    low: Chance
    high: Chance


class WonShareOut(Out):
    """`rate` is `won` of `cases`, and its interval that of the true rate (Wilson)."""

    cases: int = Field(examples=[120])
    won: int = Field(examples=[48])
    rate: Chance
    interval: IntervalOut


class ScoreOut(Out):
    """Less is better; 0 is perfect. `log_loss` is in nats."""

    brier: Chance
    log_loss: Chance


class ScoresOut(Out):
    """What progress tells, beside two who tell the same of every deal: the share that was won of
    them all, known only afterwards; and 50 %.
    """

    progress: ScoreOut
    base_rate: ScoreOut
    half: ScoreOut


class BinOut(Out):
    """Deals whose progress was from `least` to `most`; `mean` is their average. `holds`: it lies in
    the interval of the share that was won.
    """

    least: Figure = Field(examples=["40.00"])
    most: Figure = Field(examples=["55.00"])
    mean: Figure = Field(examples=["47.31"])
    won: WonShareOut
    holds: bool


class KindOut(Out):
    """Deals in which an action of the type had been done by that day, and all others. `difference`
    is the one rate less the other; null: too few on one side.
    """

    action_type: str = Field(examples=["proposal-presented"])
    done: WonShareOut
    others: WonShareOut
    difference: Chance | None
    interval: IntervalOut | None


class BiasOut(Out):
    """`bias` is what was won less what progress told, on average: above 0 where it told too little.
    `pooled` is drawn towards that of all managers, the more the fewer deals there are; null: too
    few.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    won: WonShareOut
    mean: Figure = Field(examples=["47.31"])
    bias: Chance
    pooled: Chance | None
    interval: IntervalOut | None


class CalibrationOut(Out):
    """`closed` deals have an outcome; `cases` of them were under way, and known, on their day.
    With fewer than `fewest` cases `scores` is null, and the lists are empty: too few to say.
    """

    closed: int = Field(examples=[150])
    cases: int = Field(examples=[120])
    won: int = Field(examples=[48])
    fewest: int = Field(examples=[FEWEST])
    scores: ScoresOut | None
    bins: list[BinOut]


class CalibrationAnswer(CalibrationOut, Asked):
    """`spread` is the standard deviation of bias between managers, beyond chance."""

    horizon_months: Annotated[int, Field(json_schema_extra={"enum": [*HORIZONS]}, examples=[6])]
    as_known: AsKnown
    action_types: list[KindOut]
    managers: list[BiasOut]
    spread: Chance | None


class CalibratedDealsQuestion(CalibrationQuestion, PageQuestion):
    pass


class CalibratedDealOut(Out):
    """On `stood_on` it was `manager_id`'s and had that progress; on `closed_on` it was closed."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети"])
    client: str = Field(examples=["Ромашка"])
    manager_id: str = Field(examples=["anna-sokolova"])
    stood_on: date = Field(examples=["2026-01-15"])
    progress: Figure = Field(examples=["47.00"])
    closed_on: date = Field(examples=["2026-07-15"])
    won: bool


class CalibratedDealsAnswer(Asked):
    deals: list[CalibratedDealOut]


@router.get("/reports/calibration", operation_id="getCalibration", response_model=CalibrationAnswer)
@told_again
def calibration(question: Annotated[CalibrationQuestion, Query()], asking: AskingDep) -> Response:
    """Whether progress told what came: closed deals as they stood some months before their outcome,
    as it was known then. By groups of progress, by action type, by manager; nothing is said of too
    few, and no weight is ever changed by it.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        who = counted(at, point, question.manager_id, question.team_id)
        kinds = tuple(at.directory(point).catalogue.types)
        called = at.names()

        def told() -> Fields:
            found = calibration_of(outcomes_at(at, point, question), kinds, who)
            return _answer(question, found, called)

        return kept(at, point, question, called, told)


@router.get(
    "/reports/calibration/deals",
    operation_id="listCalibratedDeals",
    response_model=CalibratedDealsAnswer,
    responses=PAGED,
)
def calibrated_deals(
    question: Annotated[CalibratedDealsQuestion, Query()], asking: AskingDep, request: Request
) -> Response:
    """The deals that the calibration counts, in the order of opening: how they stood, what came."""
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        who = counted(at, point, question.manager_id, question.team_id)
        found = [
            one
            for one in outcomes_at(at, point, question)
            if one.progress is not None and one.position > question.cursor
            if who is None or one.owner in who
        ]
        shown, links = page_of(found[: question.limit + 1], question, request, point)
        called = called_at(at.cursor, at.remembered.called, [one.position for one in shown])
    deals = [_case(one, called[one.position]) for one in shown]
    return answer(CalibratedDealsAnswer(**asked(point), deals=deals), links)


def _case(one: Outcome, about: About) -> CalibratedDealOut:
    assert one.progress is not None, "others are no cases"
    return CalibratedDealOut(
        deal_id=str(about.deal_id),
        title=about.title,
        client=about.client,
        manager_id=one.owner,
        stood_on=one.stood_on,
        progress=decimal_text(one.progress),
        closed_on=one.closed_on,
        won=one.won,
    )


def outcomes_at(at: Desk, point: Point, question: CalibrationQuestion) -> list[Outcome]:
    """Everybody's."""
    from projections.reports.calibration_in_columns import (  # noqa: PLC0415 - with numpy
        outcomes_from_columns,
    )

    horizon = Horizon(question.horizon_months, question.as_known, at.service.settings.zone)
    asked = point, horizon, at.remembered.day_ends
    return added_up(
        at,
        point.position,
        lambda tables: outcomes_from_columns(tables, *asked),
        lambda cursor: outcomes_from_ledger(cursor, *asked),
    )


def _answer(
    question: CalibrationQuestion, found: Calibration, called: Mapping[ManagerId, str]
) -> Fields:
    """A CalibrationAnswer."""
    return {
        **dict(calibration_out(found)),
        "horizon_months": question.horizon_months,
        "as_known": question.as_known,
        "action_types": [_kind(one) for one in found.kinds],
        "managers": [_bias(one, called) for one in found.bias],
        "spread": None if found.spread is None else round(found.spread, DIGITS),
    }


def calibration_out(found: Calibration) -> CalibrationOut:
    return CalibrationOut(
        closed=found.closed,
        cases=found.all.cases,
        won=found.all.won,
        fewest=FEWEST,
        scores=None if found.scored is None else _scores(found.scored),
        bins=[_bin(one) for one in found.bins],
    )


def _scores(one: Scored) -> ScoresOut:
    return ScoresOut(**{name: _score(score) for name, score in one._asdict().items()})


def _score(one: Score) -> ScoreOut:
    return ScoreOut(brier=round(one.brier, DIGITS), log_loss=round(one.log_loss, DIGITS))


def _interval(one: Interval) -> IntervalOut:
    return IntervalOut(low=round(one.low, DIGITS), high=round(one.high, DIGITS))


def _share(one: Share) -> WonShareOut:
    return WonShareOut(
        cases=one.cases,
        won=one.won,
        rate=round(one.rate, DIGITS),
        interval=_interval(wilson(one)),
    )


def _bin(one: Bin) -> BinOut:
    return BinOut(
        least=decimal_text(one.least),
        most=decimal_text(one.most),
        mean=decimal_text(one.mean),
        won=_share(one.share),
        holds=one.holds,
    )


def _kind(one: Kind) -> KindOut:
    few = one.interval is None
    return KindOut(
        action_type=one.action_type,
        done=_share(one.done),
        others=_share(one.others),
        difference=None if few else round(one.done.rate - one.others.rate, DIGITS),
        interval=None if one.interval is None else _interval(one.interval),
    )


def _bias(one: Bias, called: Mapping[ManagerId, str]) -> BiasOut:
    return BiasOut(
        manager_id=one.manager_id,
        name=called.get(one.manager_id),
        won=_share(one.share),
        mean=decimal_text(one.mean),
        bias=round(one.bias, DIGITS),
        pooled=None if one.pooled is None else round(one.pooled.mean, DIGITS),
        interval=None if one.pooled is None else _interval(one.pooled.interval),
    )
