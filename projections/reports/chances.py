"""Each deal in progress: the chance that it is won, when, and what it brings then.

1. Every deal that is open or suspended at the end of `as_of` is in, with its owner; a deal that is
   given up (projections.reports.outcomes) has no chance.
2. Its chance of being won is that of its band. Of a suspended deal that is the band of suspended
   ones, whatever its progress.
3. When it is won, if it is: as late as earlier deals were, counted from its expected close; where
   too few tell how late, on that day. Without one, or where it has passed by more than ever before
   (or at all, when nothing tells how late): as the incidence says. What falls behind the last
   period is `later`.
4. Where the company's history is too small to say, the chance is the deal's progress, as the
   portfolio reads it, and it is won on the expected close; without one, or where that day has
   passed, `later`. Each deal says of which kind it is.
5. When won it brings its potential check times what contracts were of the checks before
   (projections.reports.contracts).

How uncertain the chances themselves are is said of each deal. Deals that are not opened yet are not
foreseen.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Any, LiteralString, NamedTuple

import numpy as np
from psycopg import Cursor

from domain.deal import Status
from domain.values import WHOLE, ManagerId
from projections.reports.columns import Ints, Tables, day_of, number_of
from projections.reports.contracts import AS_IS, LATEST, Contracts, Ratio
from projections.reports.incidence import Curve
from projections.reports.outcomes import (
    BANDS,
    FEWEST,
    WINS,
    Ends,
    Lessons,
    band_of,
    ends_of,
    in_progress,
    is_given_up,
    records_of,
)
from projections.reports.postings import DEALS, POSTINGS, code
from projections.reports.standings import (
    NO_DAY,
    STATES,
    STATUSES,
    WON,
    Standings,
    States,
    StatesOfDeals,
)


class Basis(StrEnum):
    """Where a chance comes from."""

    HISTORY = "history"
    PROGRESS = "progress"
    GIVEN_UP = "given-up"


class Timing(StrEnum):
    """Where the time of an outcome comes from."""

    SLIPS = "slips"
    INCIDENCE = "incidence"
    EXPECTED = "expected"
    NONE = "none"


class Chance(NamedTuple):
    """One deal. `win` is the chance that it is ever won, with 90 % between `low` and `high`, where
    that is known. `chances` are those of each period, `later` of all time behind. `value` is what
    it brings then, in minor units.
    """

    deal: int
    owner: int
    status: Status
    check: int
    progress: int
    expected_close_on: date | None
    band: str
    basis: Basis
    timing: Timing
    win: float
    low: float | None
    high: float | None
    chances: tuple[float, ...]
    later: float
    value: int

    @property
    def expected(self) -> float:
        return self.value * sum(self.chances)


@dataclass(frozen=True)
class Knowledge:
    """What there is to foresee from at one day and position: `deals` are those in the currency.
    `plain`: the company's history says nothing.
    """

    standings: Standings
    deals: Ints
    contracts: Contracts
    position: int
    plain: bool = False

    @cached_property
    def lessons(self) -> Lessons:
        return Lessons(records_of(self.standings))

    @property
    def says_nothing(self) -> bool:
        return self.plain or self.lessons.are_few

    @cached_property
    def ends(self) -> Ends:
        return ends_of(self.standings)

    @cached_property
    def wins(self) -> dict[int, int]:
        """The deals in the currency that are won, and the rows of the days on which they were."""
        row = self.ends.row[self.ends.cause == WINS]
        row = row[np.isin(self.standings.deal[row], self.deals)]
        row = row[np.argsort(self.standings.day[row], kind="stable")]
        return dict(zip(self.standings.deal[row].tolist(), row.tolist(), strict=True))

    def contract_of(self, deal: int) -> int:
        """Of one that is won."""
        return self.contracts.of(deal, int(self.standings.day[self.wins[deal]]), self.position)

    @cached_property
    def ratio(self) -> Ratio:
        latest = [*self.wins][-LATEST:]
        if self.plain or len(latest) < FEWEST:
            return AS_IS
        checks = sum(int(self.standings.check[self.wins[deal]]) for deal in latest)
        return Ratio(len(latest), sum(map(self.contract_of, latest)), checks)

    def chances(self, ends: Sequence[date], owners: Collection[int] | None) -> list[Chance]:
        """Of each deal of the owners, in the order of opening; `ends` are those of the periods."""
        standings = self.standings
        today = standings.last_day
        rows = in_progress(standings, today)
        rows = rows[np.isin(standings.deal[rows], self.deals)]
        if owners is not None:
            rows = rows[np.isin(standings.owner[rows], sorted(owners))]
        days = [number_of(end) for end in ends]
        bands, given_up = band_of(standings, rows), is_given_up(standings, rows, today)
        told = (
            standings.deal, standings.owner, standings.status, standings.check,
            standings.progress, standings.expected,
        )  # fmt: skip
        columns = (*(column[rows] for column in told), bands, given_up)
        when = cache(partial(_when, self.lessons, today, days))
        return [
            self._chance(_Stands(*one), today, days, when)
            for one in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def _chance(self, told: "_Stands", today: int, days: Sequence[int], when: "When") -> Chance:
        band, expected, progress, lessons = told.band, told.expected, told.progress, self.lessons
        low = high = None
        if told.gone:
            basis, timing, win = Basis.GIVEN_UP, Timing.NONE, 0.0
            come = [0.0] * len(days)
        elif self.says_nothing:
            basis, win = Basis.PROGRESS, progress / WHOLE
            ahead = expected > today
            timing = Timing.EXPECTED if ahead else Timing.NONE
            come = [float(ahead and expected <= day) for day in days]
        else:
            basis, (win, low, high) = Basis.HISTORY, lessons.bands[band][-3:]
            timing, come = when(band, expected)
        chances = tuple((by_now - before) * win for before, by_now in pairwise([0.0, *come]))
        return Chance(
            told.deal,
            told.owner,
            STATUSES[told.status],
            told.check,
            progress,
            None if expected == NO_DAY else day_of(expected),
            BANDS[band],
            basis,
            timing,
            win,
            low,
            high,
            chances,
            win * (1.0 - come[-1]),
            self.ratio.of(told.check),
        )


class _Stands(NamedTuple):
    """A deal in progress; `gone`: given up."""

    deal: int
    owner: int
    status: int
    check: int
    progress: int
    expected: int
    band: int
    gone: bool


When = Callable[[int, int], tuple[Timing, list[float]]]
"""By the band and the expected close, which many deals share."""


def _when(
    lessons: Lessons, today: int, days: Sequence[int], band: int, expected: int
) -> tuple[Timing, list[float]]:
    """Of a deal that will be won, the part that is by the end of each of the days."""
    if expected != NO_DAY:
        slips = lessons.slips_of(band)
        curve = None if slips is None else slips.behind(today - expected)
        if curve is not None and curve.last(WINS) > 0.0:
            return Timing.SLIPS, [_come(curve, day - expected) for day in days]
        if slips is None and expected > today:
            return Timing.EXPECTED, [float(expected <= day) for day in days]
    curve = lessons.curve_of(band)
    return Timing.INCIDENCE, [_come(curve, day - today) for day in days]


def _come(curve: Curve, day: int) -> float:
    """Those undecided in all that was observed are won, if at all, behind it."""
    won = curve.last(WINS)
    return curve.by(day, WINS) / won * curve.decided if won else 0.0


_DEALS: LiteralString = """
SELECT deal FROM ledger.deals WHERE currency = %s AND deal <= %s
"""


class Sources:
    """What is asked once for any number of earlier days and knowledges."""

    def __init__(self, states: States, deals: Ints, contracts: Contracts) -> None:
        """All of the position, and maybe of later ones, too."""
        self._states, self._deals, self._contracts = states, deals, contracts

    @classmethod
    def from_columns(cls, tables: Tables, currency: str) -> "Sources":
        """Raises NotHeld."""
        deals = tables.of(DEALS)
        return cls(
            States(tables.of(STATES)),
            deals.deal[deals.currency == code(currency)].astype(np.int64),
            Contracts.from_columns(tables.of(POSTINGS)),
        )

    @classmethod
    def from_ledger(cls, cursor: Cursor[Any], position: int, currency: str) -> "Sources":
        """The same."""
        states = States(StatesOfDeals(*STATES.read(cursor, 0, position)))
        deals = cursor.execute(_DEALS, [currency, position]).fetchall()
        return cls(
            states,
            np.array([deal for (deal,) in deals], np.int64),
            Contracts.from_ledger(cursor, states.days_of(WON), position, currency),
        )

    def at(self, as_of: date, position: int) -> Knowledge:
        """The position may not be above that which was asked for."""
        standings = self._states.known(as_of, position)
        return Knowledge(standings, self._deals, self._contracts, position)


_OWNERS: LiteralString = "SELECT manager FROM ledger.managers WHERE manager_id = ANY (%s)"
_NAMES: LiteralString = "SELECT manager, manager_id FROM ledger.managers WHERE manager = ANY (%s)"


def owners_of(cursor: Cursor[Any], managers: Collection[ManagerId] | None) -> set[int] | None:
    if managers is None:
        return None
    return {number for (number,) in cursor.execute(_OWNERS, [list(managers)])}


def owners(cursor: Cursor[Any], numbers: Sequence[int]) -> dict[int, ManagerId]:
    """By their numbers."""
    return {number: ManagerId(one) for number, one in cursor.execute(_NAMES, [list(numbers)])}
