"""What will close, and how good such forecasts were."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Response
from pydantic import Field

from api.adding_up import added_up
from api.answers import Asked, CheckOut, DealSummary, Figure, Out
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import Amount, Currency, Id, Limit, PeriodsAhead, Seed, SharedRisk
from api.refusals import QUESTION_REFUSALS
from api.reports.kept import Fields, kept, learnt_of
from api.routes import told_again, v1_router
from api.v1.portfolios import counted
from application.orders import Unavailable
from domain.values import ManagerId, decimal_text, value_text
from projections.point import Point, last_positions
from projections.reports.called import About, called_at
from projections.reports.spans import By, Span, day_before, quarters_before, spans

if TYPE_CHECKING:  # numpy and scipy come with the first question, and not with the service
    from projections.reports.chances import Chance, Sources
    from projections.reports.forecast import Forecast, Outlook, Period
    from projections.reports.forecast_record import Quarter
    from projections.reports.outcomes import Band, Lessons

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

AHEAD = {By.MONTH: 12, By.QUARTER: 4}
"""Periods, where nobody says how many."""
TURN_SECONDS = 10.0
"""That a forecast waits for its turn at most: it holds a connection meanwhile."""
QUARTERS = 12
"""That are over, at most, in the record."""
INSIDE = 8_000
"""Basis points of quarters that should be from P10 to P90."""


class WhoseQuestion(PointQuestion):
    team_id: Id | None = None
    """Only deals whose owners are members of the team on `as_of`."""
    manager_id: str | None = None
    currency: Currency | None = None


class ForecastQuestion(WhoseQuestion):
    by: By = By.QUARTER
    horizon: PeriodsAhead | None = None
    """So many periods, with what is left of the one that goes on; left out: a year of them."""
    target: Amount | None = None
    """The chance of winning this much or more is told."""
    shared_risk: SharedRisk = 20
    """How much of each deal's luck is the market's, in percent; 0: deals are independent."""
    seed: Seed = 1
    """Of the simulation: the same seed gives the same answer."""
    limit: Limit = 100
    """Of deals; what they come to is of all."""


class OutlookOut(Out):
    """P10, P50 and P90: with a chance of 10, 50 and 90 % no more than this is won. `nothing` and
    `target` are the chances that nothing at all and that the target or more is won.
    """

    p10: Figure = Field(examples=["0.00"])
    p50: Figure = Field(examples=["310000000.00"])
    p90: Figure = Field(examples=["880000000.00"])
    nothing: float = Field(examples=[0.182014])
    target: float | None = Field(examples=[0.274])


class ForecastPeriodOut(Out):
    """`deals` may be won in it. `independent` is computed, `shared_risk` simulated. `rounded_to` is
    the unit to which each deal's value was rounded in `independent`; null: to none.
    """

    first_day: date = Field(examples=["2026-10-01"])
    last_day: date = Field(examples=["2026-12-31"])
    deals: int = Field(examples=[14])
    expected: Figure = Field(examples=["402118530.11"])
    independent: OutlookOut
    shared_risk: OutlookOut
    rounded_to: Figure | None = Field(examples=[None])


class BandOut(Out):
    """Deals that were in the band on the last day of a month, and what became of them. `win` is
    the chance of such a deal, from `low` to `high` with 90 %; null where the company has too few.
    """

    band: str = Field(examples=["40-60"])
    deals: int = Field(examples=[31])
    decided: int = Field(examples=[22])
    won: int = Field(examples=[9])
    win: float | None = Field(examples=[0.412])
    low: float | None = Field(examples=[0.25])
    high: float | None = Field(examples=[0.583])


class HistoryOut(Out):
    """What the company's own deals say, all of them. `basis` is `history`, or `progress` where
    fewer than `fewest` were decided: then a deal's chance is its progress. A deal is given up after
    `silent_days` without an event. A contract is `contract_to_check` of the check, by `contracts`
    of the deals won last.
    """

    basis: str = Field(examples=["history"])
    decided: int = Field(examples=[57])
    fewest: int = Field(examples=[10])
    silent_days: int = Field(examples=[365])
    bands: list[BandOut]
    contracts: int = Field(examples=[40])
    contract_to_check: float = Field(examples=[0.943])


class ForeseenDealOut(DealSummary):
    """`value` is what it brings when won; `win` the chance that it ever is, from `low` to `high`
    with 90 %; `chances` those of each period, and `later` of all time behind. `basis`: history,
    progress, or given-up. `timing`: by `slips` of expected closes, by `incidence`, on the
    `expected` day, or `none`.
    """

    band: str = Field(examples=["40-60"])
    basis: str = Field(examples=["history"])
    timing: str = Field(examples=["slips"])
    value: Figure = Field(examples=["377200000.00"])
    win: float = Field(examples=[0.412])
    low: float | None = Field(examples=[0.25])
    high: float | None = Field(examples=[0.583])
    chances: list[float] = Field(examples=[[0.11, 0.17, 0.06, 0.03]])
    later: float = Field(examples=[0.042])
    expected: Figure = Field(examples=["139564000.00"])


class ForecastAnswer(Asked):
    """`total` is all periods together. `portfolio` is what the portfolio says of the same deals:
    progress x check of the open ones.
    """

    currency: str = Field(examples=["RUB"])
    by: By
    target: Figure | None = Field(examples=[None])
    shared_risk: Figure = Field(examples=["20.00"])
    seed: int = Field(examples=[1])
    runs: int = Field(examples=[10_000])
    portfolio: Figure = Field(examples=["1204000000.00"])
    periods: list[ForecastPeriodOut]
    total: ForecastPeriodOut
    history: HistoryOut
    deals: list[ForeseenDealOut]
    deals_number: int = Field(examples=[31])


class QuarterOut(Out):
    """`foreseen_at` is the position known on its eve. `happened` was won of the `deals` that were
    in progress then; `unforeseen` of deals opened later. `inside`: from P10 to P90. `pinball` are
    the losses of P10, P50 and P90; `crps` that of the whole distribution, and `crps_of_progress`
    that of the one in which a deal's chance is its progress: the less, the better.
    """

    first_day: date = Field(examples=["2026-07-01"])
    last_day: date = Field(examples=["2026-09-30"])
    foreseen_at: int = Field(examples=[988])
    basis: str = Field(examples=["history"])
    deals: int = Field(examples=[29])
    expected: Figure = Field(examples=["402118530.11"])
    p10: Figure = Field(examples=["0.00"])
    p50: Figure = Field(examples=["310000000.00"])
    p90: Figure = Field(examples=["880000000.00"])
    nothing: float = Field(examples=[0.182014])
    happened: Figure = Field(examples=["390000000.00"])
    unforeseen: Figure = Field(examples=["0.00"])
    inside: bool
    pinball: list[Figure] = Field(examples=[["39000000.00", "40000000.00", "49000000.00"]])
    crps: Figure = Field(examples=["71004000.00"])
    crps_of_progress: Figure = Field(examples=["118340000.00"])


class ForecastRecordAnswer(Asked):
    """Quarters that are over, each foreseen on its eve. `inside` of them were from P10 to P90, and
    about `promised` percent should be.
    """

    currency: str = Field(examples=["RUB"])
    inside: int = Field(examples=[6])
    promised: Figure = Field(examples=["80.00"])
    crps: Figure | None = Field(examples=["71004000.00"])
    crps_of_progress: Figure | None = Field(examples=["118340000.00"])
    quarters: list[QuarterOut]


@router.get("/reports/forecast", operation_id="getForecast", response_model=ForecastAnswer)
@told_again
def forecast(question: Annotated[ForecastQuestion, Query()], asking: AskingDep) -> Response:
    """What will be won, by month or quarter: expected value and distribution, from the deals in
    progress and what became of the company's earlier ones. An estimate, and no part of the books.
    The chances are the company's, whoever asks.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        who = counted(at, point, question.manager_id, question.team_id)
        told = partial(_foreseen, at, point, question, who)
        return kept(at, point, question, {}, partial(_by_turns, at, point, told))


def _by_turns(at: Desk, point: Point, make: Callable[[], Fields]) -> Fields:
    """One after the other where columns do not hold the log: how all deals ever stood is read for
    each then, a gigabyte of ten million events. Raises Unavailable to whoever would wait long.
    """
    if _is_held(at, point):
        return make()
    if not at.service.foreseeing.acquire(timeout=TURN_SECONDS):
        raise Unavailable("another forecast of so long a log is being made")
    try:
        return make()
    finally:
        at.service.foreseeing.release()


def _is_held(at: Desk, point: Point) -> bool:
    from projections.reports.columns import NotHeld  # noqa: PLC0415 - with numpy
    from projections.reports.standings import STATES  # noqa: PLC0415 - likewise

    try:
        at.tables(point.position).of(STATES)
    except NotHeld:
        return False
    return True


def _sources(at: Desk, point: Point, currency: str) -> "Sources":
    from projections.reports.chances import Sources  # noqa: PLC0415 - with numpy

    return added_up(
        at,
        point.position,
        lambda tables: Sources.from_columns(tables, currency),
        lambda cursor: Sources.from_ledger(cursor, point.position, currency),
    )


def _foreseen(
    at: Desk, point: Point, question: ForecastQuestion, who: Collection[ManagerId] | None
) -> Fields:
    """A ForecastAnswer."""
    from projections.reports import chances  # noqa: PLC0415 - with numpy
    from projections.reports.distribution import RUNS  # noqa: PLC0415 - likewise
    from projections.reports.forecast import forecast as report  # noqa: PLC0415 - likewise

    ahead = question.horizon or AHEAD[question.by]
    cursor, currency = at.cursor, at.currency(question.currency)
    known = _sources(at, point, currency).at(point.as_of, point.position)
    found = report(
        known,
        spans(question.by, point.as_of, ahead),
        chances.owners_of(cursor, who),
        question.target,
        question.shared_risk / 100,
        question.seed,
    )
    shown = sorted(found.chances, key=lambda one: (-one.expected, one.deal))[: question.limit]
    called = called_at(cursor, at.remembered.called, [one.deal for one in shown])
    owners = chances.owners(cursor, [one.owner for one in shown])
    return {
        "currency": currency,
        "by": question.by,
        "target": None if question.target is None else decimal_text(question.target),
        "shared_risk": decimal_text(question.shared_risk * 100),
        "seed": question.seed,
        "runs": RUNS,
        "portfolio": value_text(found.portfolio),
        "periods": [_period(one) for one in found.periods],
        "total": _period(found.total),
        "history": _history(found),
        "deals": [_deal(one, called[one.deal], owners[one.owner], currency) for one in shown],
        "deals_number": len(found.chances),
    }


@router.get(
    "/reports/forecast/record",
    operation_id="getForecastRecord",
    response_model=ForecastRecordAnswer,
)
@told_again
def record(question: Annotated[WhoseQuestion, Query()], asking: AskingDep) -> Response:
    """How good it was: every quarter that is over, foreseen with what was known on its eve, beside
    what happened as it is known at the point.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, point):
        whose = _whose(at, point, question)
        eves = [day_before(first) for first, _ in whose]
        known = last_positions(at.cursor, eves, at.service.settings.zone, point)
        then = dict(zip(eves, known, strict=True))
        told = partial(_scored, at, point, at.currency(question.currency), whose, then)
        return kept(at, point, question, {}, partial(_by_turns, at, point, told))


Whose = Mapping[Span, Collection[ManagerId] | None]


def _whose(at: Desk, point: Point, question: WhoseQuestion) -> Whose:
    """The owners whose deals count in each quarter: a head is told of those in the team on its eve,
    on its last day, and at the point. Raises NotFound.
    """
    manager, whose = question.manager_id, dict[Span, Collection[ManagerId] | None]()
    if manager is not None:
        at.require_manager(manager, point.as_of)
    for span in quarters_before(point.as_of, QUARTERS):
        days = day_before(span[0]), span[1]
        if manager is None or at.sees(ManagerId(manager), *days):
            whose[span] = counted(at, point, manager, question.team_id, *days)
    return whose


def _scored(
    at: Desk, point: Point, currency: str, whose: Whose, then: Mapping[date, int]
) -> Fields:
    """A ForecastRecordAnswer."""
    from projections.reports.chances import owners_of  # noqa: PLC0415 - with numpy
    from projections.reports.forecast_record import Record  # noqa: PLC0415 - likewise

    told = Record(
        cache(partial(_sources, at, point, currency)),
        currency,
        then,
        point.position,
        learnt_of(at, point.position),
        at.remembered.quarters,
    )
    owners = {span: owners_of(at.cursor, managers) for span, managers in whose.items()}
    quarters = told.of(owners)
    return {
        "currency": currency,
        "inside": sum(one.inside for one in quarters),
        "promised": decimal_text(INSIDE),
        "crps": _mean([one.crps for one in quarters]),
        "crps_of_progress": _mean([one.crps_of_progress for one in quarters]),
        "quarters": [_quarter(one) for one in quarters],
    }


# ---------------------------------------------------------------------------- as it is told


def _chance(chance: float) -> float:
    """Estimates are told to six digits."""
    return round(chance, 6)


def _perhaps(chance: float | None) -> float | None:
    return None if chance is None else _chance(chance)


def _mean(amounts: Sequence[float]) -> str | None:
    return decimal_text(round(sum(amounts) / len(amounts))) if amounts else None


def _outlook(one: "Outlook") -> OutlookOut:
    return OutlookOut(
        p10=decimal_text(one.p10),
        p50=decimal_text(one.p50),
        p90=decimal_text(one.p90),
        nothing=_chance(one.nothing),
        target=_perhaps(one.target),
    )


def _period(one: "Period") -> ForecastPeriodOut:
    return ForecastPeriodOut(
        first_day=one.first_day,
        last_day=one.last_day,
        deals=one.deals,
        expected=decimal_text(one.expected),
        independent=_outlook(one.independent),
        shared_risk=_outlook(one.shared),
        rounded_to=None if one.unit == 1 else decimal_text(one.unit),
    )


def _history(found: "Forecast") -> HistoryOut:
    from projections.reports.outcomes import FEWEST, SILENT  # noqa: PLC0415 - with numpy

    lessons, ratio = found.lessons, found.ratio
    return HistoryOut(
        basis=_basis(says_nothing=lessons.are_few),
        decided=lessons.decided,
        fewest=FEWEST,
        silent_days=SILENT,
        bands=[_band(one, lessons) for one in lessons.bands],
        contracts=ratio.deals,
        contract_to_check=round(ratio.contracts / ratio.checks, 6),
    )


def _basis(*, says_nothing: bool) -> str:
    return "progress" if says_nothing else "history"


def _band(one: "Band", lessons: "Lessons") -> BandOut:
    chances = (None, None, None) if lessons.are_few else map(_chance, one[-3:])
    win, low, high = chances
    return BandOut(
        band=one.name,
        deals=one.deals,
        decided=one.decided,
        won=one.won,
        win=win,
        low=low,
        high=high,
    )


def _deal(one: "Chance", about: About, owner: ManagerId, currency: str) -> ForeseenDealOut:
    return ForeseenDealOut(
        deal_id=str(about.deal_id),
        title=about.title,
        client=about.client,
        status=one.status,
        owner=owner,
        potential_check=CheckOut(amount=decimal_text(one.check), currency=currency),
        progress=decimal_text(one.progress),
        opened_on=about.opened_on,
        expected_close_on=one.expected_close_on,
        band=one.band,
        basis=one.basis,
        timing=one.timing,
        value=decimal_text(one.value),
        win=_chance(one.win),
        low=_perhaps(one.low),
        high=_perhaps(one.high),
        chances=[*map(_chance, one.chances)],
        later=_chance(one.later),
        expected=decimal_text(round(one.expected)),
    )


def _quarter(one: "Quarter") -> QuarterOut:
    p10, p50, p90 = map(decimal_text, one.levels)
    return QuarterOut(
        first_day=one.first_day,
        last_day=one.last_day,
        foreseen_at=one.position,
        basis=_basis(says_nothing=one.says_nothing),
        deals=one.deals,
        expected=decimal_text(one.expected),
        p10=p10,
        p50=p50,
        p90=p90,
        nothing=_chance(one.nothing),
        happened=decimal_text(one.happened),
        unforeseen=decimal_text(one.unforeseen),
        inside=one.inside,
        pinball=[decimal_text(round(loss)) for loss in one.losses],
        crps=decimal_text(round(one.crps)),
        crps_of_progress=decimal_text(round(one.crps_of_progress)),
    )
