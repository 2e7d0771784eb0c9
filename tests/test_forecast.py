"""What a forecast is computed from: sums of deals against all their outcomes, incidence against
another library and a published table, what history teaches against a plain count.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date, timedelta
from importlib import import_module
from itertools import product
from operator import itemgetter
from random import Random
from time import process_time
from types import ModuleType

import numpy as np
import pytest

from projections.reports.chances import Basis, Knowledge, Timing
from projections.reports.columns import day_of, number_of
from projections.reports.distribution import (
    CELLS,
    RUNS,
    Distribution,
    convolved,
    grid_unit,
    nothing,
    of_runs,
    pinball,
    simulated,
)
from projections.reports.forecast import forecast
from projections.reports.incidence import cumulative_incidence
from projections.reports.outcomes import (
    BANDS,
    GIVEN_UP,
    LOSSES,
    MONTHS,
    SILENT,
    STRENGTH,
    WINS,
    Lessons,
    records_of,
)
from projections.reports.spans import (
    By,
    end_of_quarter,
    month_ends,
    quarters_before,
    spans,
)
from projections.reports.standings import LOST, NO_DAY, OPEN, SUSPENDED, WON, Standings

RUB = 100
"""Kopecks."""


# ---------------------------------------------------------------------------- sums of deals


def enumerated(values: Sequence[int], chances: Sequence[float]) -> dict[int, float]:
    """Every outcome of every deal, one by one."""
    sums: dict[int, float] = defaultdict(float)
    for outcome in product((False, True), repeat=len(values)):
        chance = 1.0
        for won, one in zip(outcome, chances, strict=True):
            chance *= one if won else 1.0 - one
        sums[sum(value for won, value in zip(outcome, values, strict=True) if won)] += chance
    return sums


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 8, 11, 15])
def test_a_sum_of_up_to_15_deals_is_that_of_all_their_outcomes(number: int) -> None:
    random = Random(number)
    values = [
        random.choice((1, 7, 40_000_000_000, random.randrange(10**12))) for _ in range(number)
    ]
    chances = [random.choice((1.0, random.random(), random.random())) for _ in range(number)]
    told, wanted = convolved(values, chances), enumerated(values, chances)
    possible = sorted(amount for amount, chance in wanted.items() if chance)
    assert told.unit == 1
    assert [
        amount for amount, one in zip(told.amounts, told.chances, strict=True) if one
    ] == possible
    assert told.chances[told.chances > 0] == pytest.approx([wanted[one] for one in possible])
    assert nothing(chances) == pytest.approx(float(np.prod([1 - one for one in chances])))
    for level in (0.1, 0.5, 0.9):
        below = 0.0
        for amount in possible:
            below += wanted[amount]
            if below >= level - 1e-12:
                break
        assert told.quantile(level) == (amount if possible else 0)
    for target in [1, *possible[::100], 10**15]:
        reached = sum(chance for amount, chance in wanted.items() if amount >= target)
        assert told.at_least(target) == pytest.approx(reached)


def test_many_deals_are_rounded_to_a_grid_and_no_further() -> None:
    """Values that are whole units of the grid lose nothing; others half a unit each at most."""
    random = Random(7)
    cells = [random.randrange(150, 170) for _ in range(300)]
    chances = [random.random() for _ in cells]
    exact = np.ones(1)
    for cell, chance in zip(cells, chances, strict=True):
        longer = np.zeros(len(exact) + cell)
        longer[: len(exact)] += exact * (1 - chance)
        longer[cell:] += exact * chance
        exact = longer
    unit = 10**9
    told = convolved([cell * unit for cell in cells], chances)
    assert told.unit == unit
    assert told.chances == pytest.approx(exact, abs=1e-15)
    off = convolved(
        [cell * unit + random.randrange(-unit // 3, unit // 3) for cell in cells], chances
    )
    assert off.unit == unit
    assert abs(off.quantile(0.5) - told.quantile(0.5)) <= 300 * unit // 3
    assert abs(off.quantile(0.5) - told.quantile(0.5)) < 20 * unit, "roundings cancel"


@pytest.mark.parametrize("total", [1, CELLS, CELLS + 1, 3 * 10**13, 10**17])
def test_the_unit_is_the_least_round_one(total: int) -> None:
    unit = grid_unit(total)
    assert str(unit)[0] in "125"
    assert set(str(unit)[1:]) <= {"0"}
    assert unit * CELLS >= total
    smaller = unit // 2 if str(unit)[0] in "12" else unit * 2 // 5
    assert unit == 1 or smaller * CELLS < total


VALUES = [3, 5, 8, 13, 21, 34, 55, 89]
CHANCES = [
    [0.1, 0.2],
    [0.3, 0.1],
    [0.05, 0.5],
    [0.2, 0.2],
    [0.4, 0.1],
    [0.1, 0.1],
    [0.3, 0.3],
    [0.0, 0.6],
]


def test_a_simulation_without_a_shared_market_finds_what_is_computed() -> None:
    """Kolmogorov's distance stays below its 99.99 % point: 1.95 by the root of the runs."""
    for place, sums in enumerate(simulated(VALUES, CHANCES, 0.0, 1)):
        own = [sum(one) if place == 2 else one[place] for one in CHANCES]
        exact, runs = convolved(VALUES, own), of_runs(sums)
        seen = np.zeros(len(exact.amounts))
        seen[np.searchsorted(exact.amounts, runs.amounts)] = runs.chances
        assert set(runs.amounts) <= set(exact.amounts)
        assert np.abs(np.cumsum(seen - exact.chances)).max() < 1.95 / RUNS**0.5


def test_a_shared_market_keeps_each_chance_and_widens_the_sum() -> None:
    *_, alone = simulated(VALUES, CHANCES, 0.0, 1)
    *_, together = simulated(VALUES, CHANCES, 0.5, 1)
    expected = sum(value * sum(one) for value, one in zip(VALUES, CHANCES, strict=True))
    assert abs(together.mean() - expected) < 4 * together.std() / RUNS**0.5
    assert together.std() > 1.3 * alone.std()
    assert of_runs(together).at_least(220) > 2 * of_runs(alone).at_least(220)
    one = simulated([7], [[0.25]], 0.9, 3)[0]
    assert abs((one == 7).mean() - 0.25) < 4 * (0.25 * 0.75 / RUNS) ** 0.5


def test_the_same_seed_gives_the_same_runs() -> None:
    first, again, other = (simulated(VALUES, CHANCES, 0.2, seed) for seed in (1, 1, 2))
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("happened", [0, 3, 4, 60, 228, 500])
def test_scores_are_what_their_definitions_say(happened: int) -> None:
    """CRPS in its other form: E|X - y| - E|X - X'| / 2."""
    told = convolved(VALUES, [sum(one) for one in CHANCES])
    apart = np.abs(told.amounts[:, None] - told.amounts)
    spread = told.chances @ apart @ told.chances / 2
    assert told.crps(happened) == pytest.approx(
        told.chances @ abs(told.amounts - happened) - spread
    )
    certain = Distribution(np.array([60]), np.array([1.0]), 1)
    assert certain.crps(happened) == abs(happened - 60)
    for level in (0.1, 0.5, 0.9):
        above = happened >= 60
        assert pinball(level, 60, happened) == (level - (not above)) * (happened - 60)


# ---------------------------------------------------------------------------- incidence


@pytest.fixture
def theirs() -> ModuleType:
    """Imported by whoever needs it: it takes seconds."""
    return import_module("statsmodels.duration.survfunc")


REMISSION = (
    (6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1),
    (17, 0), (19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0),
)  # fmt: skip
"""Weeks in remission on 6-MP, and whether it ended (Freireich et al. 1963, as in Kalbfleisch and
Prentice, table 1.1).
"""
PUBLISHED = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}


def test_survival_is_the_published_one(theirs: ModuleType) -> None:
    weeks, ended = (np.array(column) for column in zip(*REMISSION, strict=True))
    curve = cumulative_incidence(np.zeros_like(weeks), weeks, ended)
    told = dict(zip(curve.times.tolist(), curve.survival.round(3).tolist(), strict=True))
    assert told == PUBLISHED
    assert curve.survival == pytest.approx(theirs.SurvfuncRight(weeks, ended).surv_prob)
    assert curve.incidence[0] == pytest.approx(1 - curve.survival)


@pytest.mark.parametrize("seed", range(4))
def test_incidence_is_that_of_another_library(theirs: ModuleType, seed: int) -> None:
    random = np.random.default_rng(seed)
    days = np.append(random.integers(1, 40, 200), 40)
    cause = np.append(random.integers(0, 4, 200), 0)
    curve = cumulative_incidence(np.zeros_like(days), days, cause, 3)
    wanted = theirs.CumIncidenceRight(days, cause)
    shown = np.isin(wanted.times, curve.times)
    for place in range(3):
        assert curve.incidence[place] == pytest.approx(wanted.cinc[place][shown])
    assert curve.decided == pytest.approx(sum(one[-1] for one in wanted.cinc))


@pytest.mark.parametrize("seed", range(4))
def test_late_entries_are_at_risk_from_then_on(theirs: ModuleType, seed: int) -> None:
    random = np.random.default_rng(seed)
    entry = random.integers(-30, 20, 300)
    end = entry + random.integers(1, 60, 300)
    ended = random.integers(0, 2, 300)
    wanted = theirs.SurvfuncRight(end + 31, ended, entry=entry + 31)
    curve = cumulative_incidence(entry, end, ended)
    assert (curve.times + 31).tolist() == wanted.surv_times.tolist()
    assert curve.survival == pytest.approx(wanted.surv_prob)


def test_days_on_which_few_are_at_risk_are_left_out() -> None:
    end = np.array([1, 2, 3, 4, 5])
    curve = cumulative_incidence(np.zeros_like(end), end, np.ones_like(end), 1, fewest=3)
    assert curve.times.tolist() == [1, 2, 3]
    assert curve.survival == pytest.approx([0.8, 0.6, 0.4])


def test_what_is_still_undecided_is_looked_at_alone() -> None:
    """Leaving out who ended by day 10 gives the same as the curve behind day 10."""
    random = np.random.default_rng(5)
    days, cause = random.integers(1, 40, 300), random.integers(0, 4, 300)
    zeros = np.zeros_like(days)
    behind = cumulative_incidence(zeros, days, cause, 3).behind(10)
    left = days > 10
    alone = cumulative_incidence(zeros[left], days[left], cause[left], 3)
    assert behind is not None
    assert behind.times.tolist() == alone.times.tolist()
    assert behind.survival == pytest.approx(alone.survival)
    assert behind.incidence == pytest.approx(alone.incidence)
    whole = cumulative_incidence(zeros, days, np.ones_like(days))
    assert whole.behind(39) is None


# ---------------------------------------------------------------------------- days


def test_periods_begin_the_day_after_and_end_with_months_and_quarters() -> None:
    assert spans(By.MONTH, date(2026, 11, 30), 2) == [
        (date(2026, 12, 1), date(2026, 12, 31)), (date(2027, 1, 1), date(2027, 1, 31)),
    ]  # fmt: skip
    assert spans(By.QUARTER, date(2026, 11, 29), 2) == [
        (date(2026, 11, 30), date(2026, 12, 31)), (date(2027, 1, 1), date(2027, 3, 31)),
    ]  # fmt: skip


def test_quarters_that_are_over_end_by_the_day() -> None:
    quarter = (date(2026, 7, 1), date(2026, 9, 30))
    assert quarters_before(date(2026, 9, 30), 2) == [(date(2026, 4, 1), date(2026, 6, 30)), quarter]
    assert quarters_before(date(2026, 12, 30), 1) == [quarter]
    assert quarters_before(date(2026, 9, 29), 1) == [(date(2026, 4, 1), date(2026, 6, 30))]
    ends = [date(2025, 12, 31), date(2026, 1, 31)]
    assert month_ends(date(2025, 12, 31), date(2026, 2, 28)) == ends


# ---------------------------------------------------------------------------- what history teaches

TODAY = date(2026, 9, 30)
Told = tuple[date, int, int]
"""A day, the status and the progress of a deal from then on."""


def standings(
    lives: Sequence[Sequence[Told]], expected: Sequence[date | None] = (), check: int = 100 * RUB
) -> Standings:
    """Deals numbered from 1, each by its days in order; `expected` closes are theirs for ever."""
    rows = [
        (deal, number_of(day), status, progress, NO_DAY if close is None else number_of(close))
        for deal, (life, close) in enumerate(
            zip(lives, expected or [None] * len(lives), strict=True), 1
        )
        for day, status, progress in life
    ]
    deal, day, status, progress, close = np.array(rows, np.int64).reshape(-1, 5).T
    same = np.ones_like(deal)
    return Standings(
        deal, day, same, same, check * same, close, progress, status, number_of(TODAY)
    )  # fmt: skip


def known(told: Standings) -> Knowledge:
    return Knowledge(told, np.unique(told.deal), Nothing(), 1)  # type: ignore[arg-type]


class Nothing:
    """No contract is looked at."""

    def of(self, _deal: int, _day: int, _position: int) -> int:
        return 90 * RUB


def drawn(random: Random) -> list[Told]:
    """Any life: with silences, suspensions, outcomes and their undoing."""
    day, status, progress = date(2023, 1, 1) + timedelta(random.randrange(900)), OPEN, 0
    life = [(day, status, progress)]
    while random.random() < 0.9:
        day += timedelta(random.choice((3, 40, 100, SILENT, SILENT + 1, 500)))
        if day > TODAY:
            break
        progress = min(10_000, progress + random.choice((0, 500, 1_999, 2_000)))
        status = random.choice((OPEN, OPEN, OPEN, SUSPENDED, WON, LOST))
        life.append((day, status, progress))
        if status in (WON, LOST) and random.random() < 0.8:
            break
    return life


def counted(lives: Sequence[Sequence[Told]]) -> list[tuple[int, int, date, date, int]]:
    """The records by the definition, deal by deal and month by month."""
    found = []
    for looked_on in month_ends(min(life[0][0] for life in lives), TODAY):
        for deal, life in enumerate(lives, 1):
            before = [one for one in life if one[0] <= looked_on]
            if not before or before[-1][1] in (WON, LOST):
                continue
            stood = before[-1]
            if looked_on - stood[0] >= timedelta(SILENT):
                continue
            band = 5 if stood[1] == SUSPENDED else min(4, stood[2] // 2_000)
            found.append((deal, band, looked_on, *end_of(life, len(before) - 1)))
    return found


def end_of(life: Sequence[Told], place: int) -> tuple[date, int]:
    """From the row at `place` on: on which day, and of which cause."""
    for (day, status, _), following in zip(
        life[place:], [*life[place + 1 :], (TODAY + timedelta(1), OPEN, 0)], strict=True
    ):
        silent_until = day + timedelta(SILENT)
        if status in (OPEN, SUSPENDED) and silent_until < following[0]:
            return silent_until, GIVEN_UP
        if status in (WON, LOST) and all(one[1] == status for one in life if one[0] >= day):
            return day, WINS if status == WON else LOSSES
    return TODAY, 0


@pytest.mark.parametrize("seed", range(5))
def test_records_are_what_a_plain_count_finds(seed: int) -> None:
    random = Random(seed)
    lives = [drawn(random) for _ in range(60)]
    told = records_of(standings(lives))
    rows = zip(told.deal, told.band, told.begun, told.ended, told.cause, strict=True)
    assert [
        (int(deal), int(band), day_of(int(begun)), day_of(int(ended)), int(cause))
        for deal, band, begun, ended, cause in rows
    ] == sorted(counted(lives), key=itemgetter(0, 2))
    lessons = Lessons(told)
    decided = {deal for deal, *_, cause in counted(lives) if cause}
    assert lessons.decided == len(decided)
    for number, band in enumerate(lessons.bands):
        here = [one for one in counted(lives) if one[1] == number]
        assert band.name == BANDS[number]
        assert band.deals == len({deal for deal, *_ in here})
        assert band.decided == len({deal for deal, *_, cause in here if cause})
        assert band.won == len({deal for deal, *_, cause in here if cause == WINS})


def test_of_what_was_longer_ago_than_some_years_nothing_is_learnt() -> None:
    """MONTHS before 30 September 2026 the first look was on 30 September 2021."""
    early, late = date(2021, 9, 30), date(2021, 10, 1)
    lives = [[(date(2021, 1, 1), OPEN, 100), (day, WON, 100)] for day in (early, late)]
    told = records_of(standings(lives))
    assert (told.deal.tolist(), day_of(int(told.begun[0]))) == ([2], early)
    assert MONTHS == 60


def test_a_band_is_drawn_towards_the_company_by_the_weight_of_some_deals() -> None:
    """Three bands of twelve deals, all looked at once and decided: 9, 7 and 3 of twelve are won."""
    lives = [
        [(date(2026, 5, 1), OPEN, progress), (date(2026, 8, 1), WON if won else LOST, progress)]
        for progress, wins in ((7_000, 9), (3_000, 7), (100, 3))
        for won in [True] * wins + [False] * (12 - wins)
    ]
    bands = {one.name: one for one in Lessons(records_of(standings(lives))).bands}
    company = (19 + 1) / (36 + 2)
    for name, wins in (("60-80", 9), ("20-40", 7), ("0-20", 3)):
        band = bands[name]
        assert (band.deals, band.decided, band.won) == (12, 12, wins)
        assert band.win == pytest.approx((STRENGTH * company + wins) / (STRENGTH + 12))
        assert band.low < band.win < band.high
    empty = bands["80-100"]
    assert empty.deals == 0
    assert empty.win == pytest.approx(company)
    assert empty.high - empty.low > bands["20-40"].high - bands["20-40"].low


def synthetic(random: Random, truths: Sequence[float], number: int) -> Standings:
    """Deals that stand in a band from the beginning, are won with its true chance, and are decided
    after an exponential time of some 200 days; some are not, yet.
    """
    lives = []
    for place in range(number):
        band = place % len(truths)
        begun = date(2022, 1, 1) + timedelta(random.randrange(1_600))
        ended = begun + timedelta(1 + int(random.expovariate(1 / 200)))
        status = WON if random.random() < truths[band] else LOST
        life = [
            (begun + timedelta(days), OPEN, 2_000 * band)
            for days in range(0, (ended - begun).days, 90)
        ]
        lives.append([one for one in [*life, (ended, status, 2_000 * band)] if one[0] <= TODAY])
    return standings([life for life in lives if life])


def test_intervals_hold_the_true_chances_as_often_as_they_say() -> None:
    """Of 60 companies with known chances some 90 % of the intervals do, and not fewer than 84 %,
    below which one of a thousand such series would be by chance (binomial, 300 of 0.9).
    """
    random, truths = Random(11), (0.1, 0.25, 0.5, 0.7, 0.9)
    held = [
        band.low <= truth <= band.high
        for _ in range(60)
        for band, truth in zip(
            Lessons(records_of(synthetic(random, truths, 200))).bands, truths, strict=False
        )
    ]
    assert sum(held) / len(held) >= 0.84


def steady(random: Random, *, dated: bool) -> tuple[list[list[Told]], list[date | None]]:
    """A company that goes on as it was: deals of three bands are opened, won with 20, 50 and 80
    percent, and decided after some ten months; they are expected to close 30 days before, on
    average.
    """
    lives, closes = [], []
    for number in range(240):
        band, begun = number % 3, date(2021, 1, 1) + timedelta(random.randrange(2_098))
        days = 60 + int(random.gammavariate(2, 120))
        status = WON if random.random() < (0.2, 0.5, 0.8)[band] else LOST
        told = [(begun + timedelta(day), OPEN, 2_000 * band) for day in range(0, days, 90)]
        lives.append([*told, (begun + timedelta(days), status, 2_000 * band)])
        slip = int(random.gauss(30, 40))
        closes.append(begun + timedelta(days - slip) if dated else None)
    return lives, closes


@pytest.mark.parametrize("dated", [False, True])
def test_what_happens_lies_from_p10_to_p90_as_often_as_it_says(dated: bool) -> None:
    """Of 30 steady companies some 24; fewer than 19 would be by chance four times in a thousand."""
    end = end_of_quarter(TODAY + timedelta(1))
    inside = 0
    for seed in range(30):
        lives, closes = steady(Random(seed), dated=dated)
        known_by_now = [
            ([one for one in life if one[0] <= TODAY], close, life[-1])
            for life, close in zip(lives, closes, strict=True)
            if life[0][0] <= TODAY
        ]
        told = known(standings([one[0] for one in known_by_now], [one[1] for one in known_by_now]))
        chances = told.chances([end], None)
        foreseen = convolved([one.value for one in chances], [one.chances[0] for one in chances])
        ends = [known_by_now[one.deal - 1][2] for one in chances]
        won = [status == WON and day <= end for day, status, _ in ends]
        happened = sum(one.value for one, is_won in zip(chances, won, strict=True) if is_won)
        inside += foreseen.quantile(0.1) <= happened <= foreseen.quantile(0.9)
    assert inside >= 19


# ---------------------------------------------------------------------------- chances of deals


def chance_of(told: Standings, deal: int, by: By = By.QUARTER, number: int = 4):
    ends = [last for _, last in spans(by, TODAY, number)]
    return {one.deal: one for one in known(told).chances(ends, None)}[deal]


def test_without_history_the_chance_is_progress_on_the_expected_day() -> None:
    lives = [[(date(2026, 8, 1), OPEN, 3_500)] for _ in range(3)]
    closes = [date(2027, 1, 1), TODAY, None]
    told = standings(lives, closes)
    ahead, gone_by, never = (chance_of(told, deal) for deal in (1, 2, 3))
    assert (ahead.basis, ahead.timing) == (Basis.PROGRESS, Timing.EXPECTED)
    assert ahead.chances == pytest.approx((0, 0.35, 0, 0))
    assert ahead.later == 0
    for one in (gone_by, never):
        assert (one.win, one.timing, one.later) == (0.35, Timing.NONE, 0.35)
        assert one.chances == (0, 0, 0, 0)
    assert ahead.low is ahead.high is None
    assert ahead.value == 100 * RUB


SETTLED = [
    [(date(2026, 1, 1), OPEN, 3_000), (date(2026, 4, 1) + timedelta(9 * place), status, 3_000)]
    for place in range(10)
    for status in (WON, LOST)
]
"""Twenty deals, looked at on 31 March; one is won and one lost every nine days from then on."""


def test_with_history_the_chance_is_that_of_the_band_and_comes_when_others_did() -> None:
    told = standings([*SETTLED, [(date(2026, 9, 1), OPEN, 2_500)]])
    one = chance_of(told, 21, By.MONTH, 3)
    assert (one.basis, one.timing, one.band) == (Basis.HISTORY, Timing.INCIDENCE, "20-40")
    assert one.win == pytest.approx(0.5)
    assert one.low is not None
    assert one.low < 0.5
    curve = known(told).lessons.curves[1]
    parts = [curve.by(day) / curve.last() * curve.decided for day in (31, 61, 92)]
    assert one.chances == pytest.approx(np.diff(parts, prepend=0.0) * 0.5)
    assert one.later == pytest.approx(0.5 * (1 - parts[-1]))
    assert one.value == 90 * RUB, "contracts were 90 of a check of 100"


def test_slips_of_earlier_closes_say_when() -> None:
    """All were won 30 days behind the expected close, whenever that was."""
    lives, closes = [], []
    for place in range(24):
        close = date(2026, 2, 1) + timedelta(5 * place)
        status = WON if place % 2 else LOST
        lives.append([(date(2025, 12, 1), OPEN, 3_000), (close + timedelta(30), status, 3_000)])
        closes.append(close)
    lives += [[(date(2026, 9, 1), OPEN, 3_000)]] * 3
    closes += [date(2026, 10, 15), date(2026, 9, 20), date(2026, 8, 1)]
    told = standings(lives, closes)
    ahead, just_past, long_past = (chance_of(told, deal, By.MONTH, 3) for deal in (25, 26, 27))
    assert ahead.timing is just_past.timing is Timing.SLIPS
    assert ahead.chances == pytest.approx((0, ahead.win, 0)), "14 November"
    assert just_past.chances == pytest.approx((just_past.win, 0, 0)), "20 October"
    assert long_past.timing is Timing.INCIDENCE, "nobody was ever so late"


def test_a_band_slips_as_it_did_and_few_wins_say_nothing_of_when() -> None:
    """High progress is won on the day, low progress 60 days late; nine wins are too few to say."""
    lives, closes = [], []
    for place in range(40):
        close = date(2026, 2, 1) + timedelta(3 * place)
        progress, late = ((7_000, 0), (1_000, 60))[place % 2]
        lives.append(
            [(date(2025, 12, 1), OPEN, progress), (close + timedelta(late), WON, progress)]
        )
        closes.append(close)
    asked = [[(date(2026, 9, 1), OPEN, 7_000)], [(date(2026, 9, 1), OPEN, 1_000)]]
    ahead = [date(2026, 10, 15)] * 2
    told = standings([*lives, *asked], [*closes, *ahead])
    high, low = (chance_of(told, deal, By.MONTH, 3) for deal in (41, 42))
    assert high.chances == pytest.approx((high.win, 0, 0))
    assert low.chances == pytest.approx((0, 0, low.win))
    few = standings([*lives[:9], *SETTLED[1::2], *asked], [*closes[:9], *[None] * 10, *ahead])
    told_of_few = chance_of(few, 20, By.MONTH, 3)
    assert (told_of_few.basis, told_of_few.timing) == (Basis.HISTORY, Timing.EXPECTED)
    assert told_of_few.chances == pytest.approx((told_of_few.win, 0, 0))


def test_the_suspended_are_a_band_and_the_silent_have_no_chance() -> None:
    quiet = TODAY - timedelta(SILENT)
    lives = [
        [(date(2026, 9, 1), SUSPENDED, 9_500)],
        [(quiet, OPEN, 9_500)],
        [(quiet + timedelta(1), OPEN, 9_500)],
    ]
    told = standings([*SETTLED, *lives])
    suspended, silent, nearly = (chance_of(told, deal) for deal in (21, 22, 23))
    assert suspended.band == "suspended"
    assert (silent.basis, silent.win, silent.chances) == (Basis.GIVEN_UP, 0, (0, 0, 0, 0))
    assert nearly.basis is Basis.HISTORY
    assert nearly.band == "80-100"


def test_a_period_is_the_sum_of_its_deals() -> None:
    told = known(standings([*SETTLED, *[[(date(2026, 9, 1), OPEN, 2_500)]] * 3]))
    found = forecast(told, spans(By.MONTH, TODAY, 2), None, 100 * RUB, 0.2, 1)
    month, chance = found.periods[0], found.chances[0].chances[0]
    assert (month.first_day, month.last_day, month.deals) == (
        date(2026, 10, 1), date(2026, 10, 31), 3,
    )  # fmt: skip
    assert month.expected == round(3 * 90 * RUB * chance)
    assert month.independent.nothing == pytest.approx((1 - chance) ** 3)
    reached = 1 - (1 - chance) ** 3 - 3 * chance * (1 - chance) ** 2
    assert month.independent.target == pytest.approx(reached), "one alone brings 90"
    assert found.total.expected == round(3 * 90 * RUB * sum(found.chances[0].chances))
    assert found.portfolio == 3 * 2_500 * 100 * RUB
    assert (
        forecast(told, spans(By.MONTH, TODAY, 2), None, 100 * RUB, 0.2, 1).periods == found.periods
    )
    nobody = forecast(told, spans(By.MONTH, TODAY, 2), set(), None, 0.2, 1)
    assert nobody.chances == []
    assert nobody.total.independent == (0, 0, 0, 1.0, None)


def test_300_deals_take_less_than_a_second() -> None:
    random = Random(3)
    told = synthetic(random, (0.1, 0.25, 0.5, 0.7, 0.9), 500)
    lives = [[(date(2026, 9, 1), OPEN, random.randrange(9_000))] for _ in range(300)]
    more = standings(lives)
    more = replace(more, deal=more.deal + 500)
    names = [one.name for one in fields(Standings)[:-1]]
    columns = {name: np.append(getattr(told, name), getattr(more, name)) for name in names}
    both = Standings(**columns, last_day=told.last_day)
    begun = process_time()
    found = forecast(known(both), spans(By.MONTH, TODAY, 12), None, 100 * RUB, 0.2, 1)
    assert process_time() - begun < 1
    assert len(found.chances) >= 300
