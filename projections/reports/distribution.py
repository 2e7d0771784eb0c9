"""What independent deals come to together: each brings its value with its chance, or nothing.

By convolution: exact for few deals, for more on a grid of whole units to which each value is
rounded. The same input gives the same answer, so it can be audited. Beside it, a seeded simulation
in which all deals share a market. Values are minor units, 0 or more; chances are from 0 to 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Amounts = NDArray[np.int64]
Floats = NDArray[np.float64]

EXACT = 15
"""Up to so many deals every sum that is possible is kept apart; of more, values are rounded."""
CELLS = 50_000
"""At most so many units of the grid make up the sum of all values, apart from roundings."""
RUNS = 10_000
"""Of the simulation."""
AT_ONCE = 500
"""Runs that are in memory together."""
LEVELS = (0.1, 0.5, 0.9)
"""P10, P50 and P90."""
_SLACK = 1e-12
"""Sums of floats may miss a level by so much."""


class Distribution(NamedTuple):
    """`amounts` ascend and differ, `chances` sum to 1. `unit` is the grid's; 1: nothing rounded."""

    amounts: Amounts
    chances: Floats
    unit: int

    def quantile(self, level: float) -> int:
        """The least amount that is not exceeded with a chance of at least `level`."""
        place = int(np.searchsorted(np.cumsum(self.chances), level - _SLACK))
        return int(self.amounts[min(place, len(self.amounts) - 1)])

    def at_least(self, amount: int) -> float:
        return float(self.chances[self.amounts >= amount].sum())

    def crps(self, happened: int) -> float:
        """The continuous ranked probability score (Gneiting and Raftery 2007), in minor units: the
        integral of (F(x) - [x >= happened])². 0 is best; of a certain forecast it is the miss.
        """
        below = np.cumsum(self.chances)[:-1]
        edges = np.unique(np.append(self.amounts, happened))
        places = np.searchsorted(self.amounts, edges[:-1], "right") - 1
        reached = np.where(places < 0, 0.0, np.append(below, 1.0)[places])
        return float((np.diff(edges) * (reached - (edges[:-1] >= happened)) ** 2).sum())


def pinball(level: float, foretold: int, happened: int) -> float:
    """The loss of a quantile, in minor units: a miss above it costs `level`, one below the rest."""
    miss = happened - foretold
    return level * miss if miss >= 0 else (level - 1.0) * miss


def convolved(values: Sequence[int], chances: Sequence[float]) -> Distribution:
    """The distribution of the sum, deal by deal: P(s) = P(s) (1 - chance) + P(s - value) chance."""
    pairs = [(value, one) for value, one in zip(values, chances, strict=True) if value and one]
    if len(pairs) > EXACT:
        return _on_a_grid(pairs)
    amounts: Amounts = np.zeros(1, np.int64)
    weights: Floats = np.ones(1)
    for value, chance in pairs:
        amounts, places = np.unique(np.append(amounts, amounts + value), return_inverse=True)
        both = np.append(weights * (1.0 - chance), weights * chance)
        weights = np.bincount(places, both).astype(np.float64)
    return Distribution(amounts, weights, 1)


def _on_a_grid(pairs: Sequence[tuple[int, float]]) -> Distribution:
    unit = grid_unit(sum(value for value, _ in pairs))
    cells = [(2 * value + unit) // (2 * unit) for value, _ in pairs]
    weights, top = np.zeros(sum(cells) + 1), 0
    weights[0] = 1.0
    for cell, (_, chance) in zip(cells, pairs, strict=True):
        more = weights[: top + 1] * chance
        weights[: top + 1] -= more
        weights[cell : cell + top + 1] += more
        top += cell
    return Distribution(np.arange(top + 1) * unit, weights, unit)


def grid_unit(total: int) -> int:
    """The least 1, 2 or 5 times a power of ten of which at most CELLS make up `total`."""
    power = 1
    while True:
        for part in (1, 2, 5):
            if part * power * CELLS >= total:
                return part * power
        power *= 10


def nothing(chances: Sequence[float]) -> float:
    """The chance that no deal comes."""
    return float(np.prod(1.0 - np.asarray(chances, float)))


def simulated(
    values: Sequence[int], chances: Sequence[Sequence[float]], shared: float, seed: int
) -> list[Amounts]:
    """For each period, and for all together, the sums of RUNS runs, ascending.

    `chances[deal][period]`. A one-factor Gaussian copula (Vasicek 1987): each deal draws
    √shared · market + √(1 - shared) · its own, both standard normal, and the market is the same for
    all deals of a run. A deal has come by the end of a period if its draw is at most the normal
    quantile of its chance by then: so where the market is low, more deals come, and sooner.
    `shared` is from 0 (independent) to below 1.
    """
    ends = ndtri(np.clip(np.cumsum(np.asarray(chances, float), axis=1), 0.0, 1.0))
    worth = np.asarray(values, float)
    random = np.random.Generator(np.random.PCG64(seed))
    sums = np.zeros((ends.shape[1], RUNS))
    for first in range(0, RUNS, AT_ONCE):
        market = random.standard_normal((AT_ONCE, 1)) * shared**0.5
        drawn = market + random.standard_normal((AT_ONCE, len(worth))) * (1.0 - shared) ** 0.5
        for by_now, end in zip(sums, ends.T, strict=True):
            by_now[first : first + AT_ONCE] = (drawn <= end).astype(float) @ worth
    each = np.diff(sums, axis=0, prepend=0.0)
    return [np.sort(one).astype(np.int64) for one in (*each, sums[-1])]


def of_runs(sums: Amounts) -> Distribution:
    """What was simulated, as a distribution."""
    amounts, counts = np.unique(sums, return_counts=True)
    return Distribution(amounts, counts / len(sums), 1)
