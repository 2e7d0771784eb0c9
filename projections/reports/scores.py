"""How good estimates of chances were: scores, and how sure one may be of a share.

Estimates, and floats; no figure of the books comes from here. Each formula is in closed form, with
its source, and tests/test_calibration.py holds it to libraries of others.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log, sqrt
from statistics import NormalDist
from typing import NamedTuple

LEVEL = 0.95
"""Of every interval here."""
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
LEAST_CHANCE = 0.00005
"""Half a basis point: a chance is told in basis points, so 0 and 1 are known no better than that.
Without it one surprise would make a logarithm infinite.
"""


class Share(NamedTuple):
    """`won` of `cases`."""

    cases: int
    won: int

    @property
    def rate(self) -> float:
        """Of nothing it is 0."""
        return self.won / self.cases if self.cases else 0.0


class Interval(NamedTuple):
    """Both ends belong to it."""

    low: float
    high: float

    def has(self, value: float) -> bool:
        return self.low <= value <= self.high


def wilson(share: Share) -> Interval:
    """Where the true rate lies, by the score interval (Wilson, 1927): it stays in [0, 1] and keeps
    its promise with few cases too. Of nothing, anywhere.
    """
    if not share.cases:
        return Interval(0.0, 1.0)
    n, rate, z2 = share.cases, share.rate, _Z * _Z
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def difference(one: Share, other: Share) -> Interval:
    """Where the difference of the true rates, `one` less `other`, lies (Newcombe, 1998, method 10:
    from the two score intervals).
    """
    a, b = wilson(one), wilson(other)
    apart = one.rate - other.rate
    low = apart - sqrt((one.rate - a.low) ** 2 + (b.high - other.rate) ** 2)
    high = apart + sqrt((a.high - one.rate) ** 2 + (other.rate - b.low) ** 2)
    return Interval(low, high)


# ---------------------------------------------------------------------------- scores


class Forecast(NamedTuple):
    """A chance that was told, from 0 to 1, and what came."""

    chance: float
    won: bool


class Score(NamedTuple):
    """Less is better. Brier (1950): the mean square of what was told less what came. `log_loss` is
    the mean surprise, in nats, with chances no nearer to 0 and 1 than LEAST_CHANCE.
    """

    brier: float
    log_loss: float


def score(forecasts: Mapping[Forecast, int]) -> Score:
    """Of one forecast at least; each by how often it was told and came."""
    count = sum(forecasts.values())
    brier = sum((chance - won) ** 2 * times for (chance, won), times in forecasts.items())
    surprise = sum(
        -log(_certainty(chance, won=won)) * times for (chance, won), times in forecasts.items()
    )
    return Score(brier / count, surprise / count)


def _certainty(chance: float, *, won: bool) -> float:
    """With which was told what came."""
    bounded = min(max(chance, LEAST_CHANCE), 1 - LEAST_CHANCE)
    return bounded if won else 1 - bounded


def groups(ordered: Sequence[int], least: int, most: int) -> list[range]:
    """Places of ascending values in groups of about equal counts: `most` of them, or fewer so that
    each has `least`. Equal values are never parted, so a group may be larger than others.
    """
    count = len(ordered)
    wanted = max(1, min(most, count // least))
    ends = [0]
    for number in range(1, wanted + 1):
        end = count * number // wanted
        while 0 < end < count and ordered[end] == ordered[end - 1]:
            end += 1
        if end - ends[-1] >= least or end == count:
            ends.append(end)
    if len(ends) > 2 and ends[-1] - ends[-2] < least:
        del ends[-2]
    return [range(*pair) for pair in pairwise(ends) if pair[0] < pair[1]]


# ---------------------------------------------------------------------------- pooling


class Pooled(NamedTuple):
    """A group's own mean drawn towards that of all: the more, the fewer cases it has."""

    mean: float
    interval: Interval


class Pool(NamedTuple):
    """`mean` is that of the groups; `spread` the standard deviation between groups beyond chance,
    0: what differs is no more than chance.
    """

    mean: float
    spread: float
    groups: list[Pooled]


def pooled(groups_: Sequence[Sequence[float]]) -> Pool | None:
    """Normal-normal shrinkage: the variance within is one for all groups, that between groups is
    DerSimonian and Laird's (1986) moment estimate, and each mean goes towards the common one by
    the share of its variance that is chance. Intervals count that the common mean is estimated.

    Each group has one value at least. None where chance cannot be told: no group has two values, or
    all values of each are the same.
    """
    cases, count = sum(map(len, groups_)), len(groups_)
    means = [sum(own) / len(own) for own in groups_]
    squares = sum(
        (one - mean) ** 2 for own, mean in zip(groups_, means, strict=True) for one in own
    )
    if cases <= count or squares <= 0:
        return None
    within = squares / (cases - count)
    chance = [within / len(own) for own in groups_]
    between = _between(means, chance)
    certainty = [1 / (between + one) for one in chance]
    common = sum(w * mean for w, mean in zip(certainty, means, strict=True)) / sum(certainty)
    of_common = 1 / sum(certainty)
    shrunk = [
        _shrunk(mean, one, between, common, of_common)
        for mean, one in zip(means, chance, strict=True)
    ]
    return Pool(common, sqrt(between), shrunk)


def _between(means: Sequence[float], chance: Sequence[float]) -> float:
    """The variance between groups, DerSimonian and Laird's; of one group it is 0."""
    weights = [1 / one for one in chance]
    total = sum(weights)
    middle = sum(w * mean for w, mean in zip(weights, means, strict=True)) / total
    apart = sum(w * (mean - middle) ** 2 for w, mean in zip(weights, means, strict=True))
    scale = total - sum(w * w for w in weights) / total
    return max(0.0, (apart - (len(means) - 1)) / scale) if scale > 0 else 0.0


def _shrunk(mean: float, chance: float, between: float, common: float, of_common: float) -> Pooled:
    drawn = chance / (between + chance)
    middle = drawn * common + (1 - drawn) * mean
    deviation = sqrt(between * drawn + drawn * drawn * of_common)
    return Pooled(middle, Interval(middle - _Z * deviation, middle + _Z * deviation))
