"""How outcomes come about in time when several compete, from records that are partly unfinished.

The Aalen-Johansen estimator (Aalen and Johansen 1978; Kalbfleisch and Prentice, The Statistical
Analysis of Failure Time Data, 2nd ed., 8.2.3). With one cause it is one minus Kaplan-Meier. A
record may come under observation late (left truncation): it is at risk only from then on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]
Floats = NDArray[np.float64]
UNFINISHED = 0
"""The cause of a record whose end was not seen."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Step functions. At `times[i]` (ascending) the part `survival[i]` is still undecided, and
    `incidence[k - 1][i]` has ended by cause k. Before the first time all is undecided.
    """

    times: Days
    survival: Floats
    incidence: Floats

    @property
    def decided(self) -> float:
        """The part that ends within all that was observed."""
        return 1.0 - float(self.survival[-1]) if len(self.times) else 0.0

    def by(self, day: int, cause: int = 1) -> float:
        """The part that has ended by `cause` at the end of `day`, inclusive."""
        place = int(np.searchsorted(self.times, day, "right"))
        return float(self.incidence[cause - 1][place - 1]) if place else 0.0

    def last(self, cause: int = 1) -> float:
        return float(self.incidence[cause - 1][-1]) if len(self.times) else 0.0

    def behind(self, day: int) -> "Curve | None":
        """The same for what is undecided at the end of `day`. None: nothing was observed so far."""
        place = int(np.searchsorted(self.times, day, "right"))
        left = float(self.survival[place - 1]) if place else 1.0
        if left <= 0.0:
            return None
        before = self.incidence[:, place - 1 : place] if place else 0.0
        return Curve(
            self.times[place:],
            self.survival[place:] / left,
            (self.incidence[:, place:] - before) / left,
        )


def cumulative_incidence(
    entry: Days, exit_: Days, cause: Days, causes: int = 1, fewest: int = 1
) -> Curve:
    """Records are at risk on days in (entry, exit]; `cause` is from 1 to `causes`, or UNFINISHED.

    1. Y(t): the records at risk on day t; d(k, t): those that end on it by cause k.
    2. S(t) is the product over s <= t of 1 - d(s) / Y(s), with d(s) the sum over the causes.
    3. F(k, t) is the sum over s <= t of S(just before s) d(k, s) / Y(s).

    Days on which fewer than `fewest` are at risk are left out: of so few nothing can be said.
    """
    ended = cause != UNFINISHED
    times = np.unique(exit_[ended])
    at_risk = np.searchsorted(np.sort(entry), times, "left") - np.searchsorted(
        np.sort(exit_), times, "left"
    )
    many = at_risk >= fewest
    hazards = np.zeros((causes, len(times)))
    places = np.searchsorted(times, exit_[ended])
    np.add.at(hazards, (cause[ended] - 1, places), 1.0)
    times, hazards = times[many], hazards[:, many] / at_risk[many]
    survival = np.cumprod(1.0 - hazards.sum(axis=0))
    before = np.concatenate(([1.0], survival[:-1]))[: len(times)]
    return Curve(times, survival, np.cumsum(before * hazards, axis=1))
