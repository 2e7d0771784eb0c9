"""Targets and what was reached of them: a sum of the books beside what was promised."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, assert_never

from psycopg import Cursor

from domain.events import TargetSet
from domain.targets import Target
from domain.values import ManagerId, Measure
from projections.reports.activity import GAINS, Facts, Gain, Span, moved, performed
from projections.snapshots import standings

UNITS = 10_000
"""1/10 000 of a kopeck in a kopeck."""


class Attainment(NamedTuple):
    """At the end of a day of the target: what was reached, what was promised, and what would be
    reached by now in a straight line from the eve of its first day to its last (floored). A number
    of actions, or a value in 1/10 000 of a kopeck.
    """

    target: Target
    reached: int
    promised: int
    expected: int


Asked = tuple[Target, Collection[ManagerId]]
"""A target, and whose figures it is about: the manager's, or those of the members of the team."""


def attainment(target: Target, begun: int, reached: int, day: date) -> Attainment:
    """`begun` is what there was on the eve; a target that is no level begins with nothing."""
    promise, whole = target.promise, promised(target.promise)
    days = (promise.last_day - promise.first_day).days + 1
    gone = (day - promise.first_day).days + 1
    return Attainment(target, reached, whole, begun + (whole - begun) * gone // days)


def promised(promise: TargetSet) -> int:
    """In the units of an Attainment."""
    if promise.amount is None:
        assert promise.number is not None, "a target has one of the two"
        return promise.number
    return promise.amount.amount * UNITS


Figures = tuple[Mapping[ManagerId, int], Mapping[ManagerId, int]]
"""By manager: on the eve of a span, and at its end."""
FiguresOf = Callable[[Measure, Span, str | None, Collection[ManagerId]], Figures]
"""Of a measure in a currency, of those managers at least."""


def attainments(asked: Sequence[Asked], day: date, figures_of: FiguresOf) -> list[Attainment]:
    """At the end of `day`, which is a day of each target."""
    found = []
    figures: dict[tuple[object, ...], Figures] = {}
    for target, managers in asked:
        promise = target.promise
        currency = None if promise.amount is None else promise.amount.currency
        key = promise.measure, promise.first_day, currency
        if key not in figures:
            everybody = {
                one
                for other, theirs in asked
                if other.promise.first_day == promise.first_day
                for one in theirs
            }
            span = Span(promise.first_day, day)
            figures[key] = figures_of(promise.measure, span, currency, everybody)
        begun, reached = (sum(own.get(one, 0) for one in managers) for own in figures[key])
        found.append(attainment(target, begun, reached, day))
    return found


def figures_from_ledger(cursor: Cursor[Any], as_of: date, position: int, facts: Facts) -> FiguresOf:
    """As known at the position; spans end by `as_of`."""

    def figures(
        measure: Measure, span: Span, currency: str | None, managers: Collection[ManagerId]
    ) -> Figures:
        match measure:
            case Measure.PORTFOLIO:
                return portfolios(cursor, span, position, currency, managers)
            case Measure.GAINED:
                return {}, _gained(cursor, span, position, currency, managers)
            case Measure.ACTIONS:
                return {}, _actions(cursor, span, as_of, position, managers, facts)
            case _:
                assert_never(measure)

    return figures


def portfolios(
    cursor: Cursor[Any],
    span: Span,
    position: int,
    currency: str | None,
    managers: Collection[ManagerId],
) -> Figures:
    eve, last = (
        {
            manager: held.balance.active
            for held_in, manager, held in standings(cursor, day, position, managers)
            if held_in == currency
        }
        for day in (span.eve, span.last)
    )
    return eve, last


def _gained(
    cursor: Cursor[Any],
    span: Span,
    position: int,
    currency: str | None,
    managers: Collection[ManagerId],
) -> Mapping[ManagerId, int]:
    assert currency is not None, "a value is in one"
    gained: dict[ManagerId, int] = defaultdict(int)
    for manager, cause, amount, _ in moved(cursor, span, position, currency, managers):
        if GAINS.get(cause) is Gain.EFFORT:
            gained[manager] += amount
    return gained


def _actions(
    cursor: Cursor[Any],
    span: Span,
    as_of: date,
    position: int,
    managers: Collection[ManagerId],
    facts: Facts,
) -> Mapping[ManagerId, int]:
    """Of deals in any currency."""
    done: dict[ManagerId, int] = defaultdict(int)
    for action in performed(cursor, span, as_of, position, None, managers, facts):
        for manager in action.weights:
            done[manager] += 1
    return done
