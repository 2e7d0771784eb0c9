"""What will close, and when? Each period as the sum of its deals.

By convolution, as if deals were independent, and beside it simulated with a market that all share
(projections.reports.distribution). The chances are those of projections.reports.chances; how
uncertain they are themselves is said of each deal, and is not in the distributions.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from domain.deal import Status
from projections.reports.chances import Chance, Knowledge
from projections.reports.contracts import Ratio
from projections.reports.distribution import (
    LEVELS,
    Distribution,
    convolved,
    nothing,
    of_runs,
    simulated,
)
from projections.reports.outcomes import Lessons
from projections.reports.spans import Span


class Outlook(NamedTuple):
    """The distribution of a period, or of all: amounts in minor units."""

    p10: int
    p50: int
    p90: int
    nothing: float
    target: float | None


class Period(NamedTuple):
    """`deals` have a chance in it; `expected` in minor units; `unit` is the grid's."""

    first_day: date
    last_day: date
    deals: int
    expected: int
    unit: int
    independent: Outlook
    shared: Outlook


class Forecast(NamedTuple):
    """`portfolio` is progress x check of the open deals, in 1/10 000 of a minor unit."""

    lessons: Lessons
    ratio: Ratio
    chances: list[Chance]
    periods: list[Period]
    total: Period
    portfolio: int


def forecast(
    known: Knowledge,
    periods: Sequence[Span],
    owners: Collection[int] | None,
    target: int | None,
    shared: float,
    seed: int,
) -> Forecast:
    """`shared` is the part of luck that the market is, from 0 to below 1."""
    chances = known.chances([last for _, last in periods], owners)
    some = [one for one in chances if sum(one.chances) > 0.0 and one.value]
    values = [one.value for one in some]
    sums = simulated(values, [one.chances for one in some], shared, seed) if some else []
    told = []
    whole = [(periods[0][0], periods[-1][1])]
    for place, span in enumerate([*periods, *whole]):
        own = [one.chances[place] if place < len(periods) else sum(one.chances) for one in some]
        runs = of_runs(sums[place]) if some else convolved([], [])
        told.append(_period(span, values, own, runs, target))
    portfolio = sum(one.progress * one.check for one in chances if one.status is Status.OPEN)
    return Forecast(known.lessons, known.ratio, chances, told[:-1], told[-1], portfolio)


def _period(
    span: Span,
    values: Sequence[int],
    chances: Sequence[float],
    runs: Distribution,
    target: int | None,
) -> Period:
    independent = convolved(values, chances)
    expected = sum(value * chance for value, chance in zip(values, chances, strict=True))
    return Period(
        *span,
        sum(chance > 0.0 for chance in chances),
        round(expected),
        independent.unit,
        _outlook(independent, nothing(chances), target),
        _outlook(runs, float(runs.chances[runs.amounts == 0].sum()), target),
    )


def _outlook(told: Distribution, nothing_at_all: float, target: int | None) -> Outlook:
    reached = None if target is None else told.at_least(target)
    p10, p50, p90 = map(told.quantile, LEVELS)
    return Outlook(p10, p50, p90, nothing_at_all, reached)
