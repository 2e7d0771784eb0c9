"""What the company's own deals teach: how those that stood like this one ended, and when.

On the last day of each of the last MONTHS the deals that were in progress are looked at as they
stood then: each is a record, which ends when the deal is won, lost or given up, or is unfinished
today. So the records are of the same kind as what is asked: deals in progress on a day that was not
chosen.

1. **Ends.** Won and lost: by the deal's last status, on the day from which it has held; what was
   undone by a reopening is no end. Given up: SILENT days after the last day on which anything of
   it holds, if nothing follows; suspended or not, whatever its review says. It may come back later,
   and is a new record then.
2. **Bands.** A record belongs to the band of its progress on that day, or to that of the suspended.
3. **How many are won.** Of each band the cumulative incidence of the three ends (Aalen-Johansen),
   from the day looked at on. The part won of what was decided, so that the undecided go as the
   decided went, is then drawn towards the company's own: a Beta distribution with the weight of
   STRENGTH deals at the company's rate (won + 1) / (decided + 2), and of the deals decided in the
   band, of which those looked at often weigh more and so count for fewer: Kish's effective number,
   (Σ times)² / Σ times². Its mean is the chance, its 5 % and 95 % quantiles its uncertainty.
4. **When.** Of a deal without an expected close: as the incidence of its band says, or where fewer
   than FEWEST were won in it, of all bands. With one: by the same estimator on another clock, days
   behind the expected close as it was set on the day looked at, likewise of its band or of all. A
   record comes under observation on that clock only with the day on which it was looked at.
5. **Too few to say.** Where fewer than FEWEST deals of the company were decided, nothing is said.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from domain.values import WHOLE
from projections.reports.columns import Ints, Rows, day_of, number_of
from projections.reports.incidence import UNFINISHED, Curve, cumulative_incidence
from projections.reports.spans import month_ends
from projections.reports.standings import LOST, NO_DAY, OPEN, SUSPENDED, WON, Standings

MONTHS = 60
"""What was longer ago was another market."""
SILENT = 365
"""Days without any event, after which a deal counts as given up."""
FEWEST = 10
"""Fewer decided deals are too few to say anything."""
STRENGTH = 2
"""Deals that the company's rate weighs as much as."""
AT_RISK = 5
"""On the clock of expected closes, days on which fewer records are at risk are left out."""
BANDS = ("0-20", "20-40", "40-60", "60-80", "80-100", "suspended")
"""Of progress in percent, each without its end but the last."""
_WIDTH = WHOLE // 5
_SUSPENDED = len(BANDS) - 1
WINS, LOSSES, GIVEN_UP = 1, 2, 3
"""Causes of an end."""


class Band(NamedTuple):
    """`deals` that were ever looked at in it, those `decided` and `won` of them; the chance of
    being won, and between which chances it is with 90 %.
    """

    name: str
    deals: int
    decided: int
    won: int
    win: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Records:
    """In the order of deals. `begun` is the day looked at, `ended` the day of the end or today."""

    deal: Ints
    band: Ints
    begun: Ints
    ended: Ints
    cause: Ints
    expected: Ints

    def where(self, chosen: NDArray[np.bool_]) -> "Records":
        return Records(*(getattr(self, name)[chosen] for name in self.__slots__))

    def deals(self, *causes: int) -> int:
        """How many different ones; with `causes`, that ended so."""
        chosen = self.deal[np.isin(self.cause, causes)] if causes else self.deal
        return int(np.count_nonzero(np.diff(chosen, prepend=-1)))

    def decided(self) -> int:
        return self.deals(WINS, LOSSES, GIVEN_UP)

    def effective(self) -> float:
        """Kish's number of the decided (Survey Sampling, 1965, 11.7)."""
        deal = self.deal[self.cause != UNFINISHED]
        times = np.diff(np.flatnonzero(np.diff(deal, prepend=-1)), append=len(deal))
        return float(times.sum() ** 2 / (times**2).sum()) if len(times) else 0.0

    def since_looked_at(self) -> Curve:
        days = self.ended - self.begun
        return cumulative_incidence(np.zeros_like(days), days, self.cause, 3)

    def since_expected(self) -> Curve:
        """Of those that have one."""
        begun, ended = self.begun - self.expected, self.ended - self.expected
        return cumulative_incidence(begun, ended, self.cause, 3, AT_RISK)


def band_of(standings: Standings, rows: Rows) -> Ints:
    bands = np.minimum(standings.progress[rows] // _WIDTH, _SUSPENDED - 1)
    return np.where(standings.status[rows] == SUSPENDED, _SUSPENDED, bands)


def in_progress(standings: Standings, day: int) -> Rows:
    """The rows of the deals that were open or suspended at the end of the day."""
    rows = standings.on(day)
    return rows[np.isin(standings.status[rows], (OPEN, SUSPENDED))]


def is_given_up(standings: Standings, rows: Rows, day: int) -> NDArray[np.bool_]:
    """By the end of the day, of rows of which the day is the last one looked at."""
    return standings.day[rows] + SILENT <= day


class Ends(NamedTuple):
    """Of each deal, in the order of the deals: WINS, LOSSES or UNFINISHED, since which day, and the
    row of that day.
    """

    cause: Ints
    day: Ints
    row: Rows


def ends_of(standings: Standings) -> Ends:
    status, lasts = standings.status, standings.lasts
    is_first = np.zeros(len(status), bool)
    is_first[standings.firsts] = True
    begins = np.flatnonzero(is_first | (np.diff(status, prepend=-1) != 0))
    row = begins[np.searchsorted(begins, lasts, "right") - 1]
    last = status[lasts]
    cause = np.select([last == WON, last == LOST], [WINS, LOSSES], UNFINISHED)
    return Ends(cause, standings.day[row], row)


def records_of(standings: Standings) -> Records:
    """Step 1 of the definition above, for the months that were over before the last day. In the
    order of deals, then days.
    """
    rows, begun = _looked_at(standings)
    ended, cause = _ended(standings, rows)
    return Records(
        deal=standings.deal[rows],
        band=band_of(standings, rows),
        begun=begun,
        ended=ended,
        cause=cause,
        expected=standings.expected[rows],
    )


def _looked_at(standings: Standings) -> tuple[Rows, Ints]:
    """Rows of deals in progress, and the day: each on the last days of months until the next row,
    or until the deal is given up.
    """
    first = day_of(int(standings.day.min(initial=standings.last_day)))
    months = month_ends(first, day_of(standings.last_day))[-MONTHS:]
    ends = np.array([number_of(end) for end in months], np.int64)
    rows = np.flatnonzero(np.isin(standings.status, (OPEN, SUSPENDED)))
    day, following = standings.day[rows], standings.next_day[rows]
    begun = np.searchsorted(ends, day)
    numbers = np.searchsorted(ends, np.minimum(following, day + SILENT)) - begun
    shifts = begun - (np.cumsum(numbers) - numbers)
    return np.repeat(rows, numbers), ends[np.repeat(shifts, numbers) + np.arange(numbers.sum())]


def _ended(standings: Standings, rows: Rows) -> tuple[Ints, Ints]:
    """The day of the end, and its cause, of deals that stood as in the rows."""
    ends, deals = ends_of(standings), standings.deal[standings.firsts]
    place = np.searchsorted(deals, standings.deal[rows])
    cause = ends.cause[place]
    ended = np.where(cause == UNFINISHED, standings.last_day, ends.day[place])
    alive = np.isin(standings.status, (OPEN, SUSPENDED))
    silent = np.flatnonzero(alive & (standings.next_day > standings.day + SILENT))
    following = np.append(silent, -1)[np.searchsorted(silent, rows)]
    given_up_on = standings.day[following] + SILENT
    given_up = (standings.deal[following] == standings.deal[rows]) & (following >= rows)
    given_up &= given_up_on <= ended
    return np.where(given_up, given_up_on, ended), np.where(given_up, GIVEN_UP, cause)


@dataclass(frozen=True)
class Lessons:
    """What is said of deals in progress, by the records."""

    records: Records

    @cached_property
    def decided(self) -> int:
        return self.records.decided()

    @property
    def are_few(self) -> bool:
        return self.decided < FEWEST

    @cached_property
    def rate(self) -> float:
        """Of the company: the part won of the decided, with one more of either."""
        return (self.records.deals(WINS) + 1) / (self.decided + 2)

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        return tuple(map(self._band, range(len(BANDS))))

    @cached_property
    def _of(self) -> tuple[Records, ...]:
        """By band."""
        records = self.records
        return tuple(records.where(records.band == band) for band in range(len(BANDS)))

    def _band(self, band: int) -> Band:
        records = self._of[band]
        number, curve = records.effective(), self.curves[band]
        part = curve.last(WINS) / curve.decided if curve.decided else 0.0
        won = STRENGTH * self.rate + number * part
        missed = STRENGTH * (1.0 - self.rate) + number * (1.0 - part)
        low, high = betaincinv(won, missed, (0.05, 0.95))
        return Band(
            BANDS[band],
            records.deals(),
            records.decided(),
            records.deals(WINS),
            won / (won + missed),
            float(low),
            float(high),
        )

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        return tuple(records.since_looked_at() for records in self._of)

    @cached_property
    def _of_all(self) -> Curve:
        return self.records.since_looked_at()

    def curve_of(self, band: int) -> Curve:
        """Since the day looked at."""
        enough = self.bands[band].won >= FEWEST
        return self.curves[band] if enough else self._of_all

    @cached_property
    def _slips(self) -> tuple[Curve | None, ...]:
        """Of each band, and of all."""
        dated = (one.where(one.expected != NO_DAY) for one in (*self._of, self.records))
        return tuple(
            some.since_expected() if some.deals(WINS) >= FEWEST else None for some in dated
        )

    def slips_of(self, band: int) -> Curve | None:
        """Since the expected close. None: too few deals that had one were won."""
        return self._slips[band] or self._slips[-1]
