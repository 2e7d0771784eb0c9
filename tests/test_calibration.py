"""Whether progress told what came: scores and intervals against libraries of others, cases against
the fold, and a company whose chances are known. The libraries take seconds to come, and come with
the tests that need them.
"""

import csv
import os
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.directory_commands import RegisterManager
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.values import ActionTypeCode, DealId, ManagerId
from projections.point import Point
from projections.reports.calibration import (
    FEWEST,
    FEWEST_IN_A_BIN,
    FEWEST_OF_A_MANAGER,
    FEWEST_ON_A_SIDE,
    MOST_BINS,
    AsKnown,
    DayEnds,
    Horizon,
    Outcome,
    bins,
    calibration_of,
    months_before,
    outcomes_as_of,
    outcomes_from_ledger,
    scored,
)
from projections.reports.calibration_in_columns import outcomes_from_columns
from projections.reports.scores import (
    LEAST_CHANCE,
    Forecast,
    Interval,
    Share,
    difference,
    groups,
    pooled,
    score,
    wilson,
)
from tests.browser import page_of
from tests.conftest import new_database
from tests.histories import (
    CALENDAR,
    Plot,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    read_log,
)
from tests.over_http import Clock, Company, company, refused

MOSCOW = ZoneInfo("Europe/Moscow")
_chapters = count()


# ---------------------------------------------------------------------------- against others


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    chance = Random(seed)
    told = [
        Forecast(chance.choice((0.0, 1.0, chance.random())), chance.random() < 0.4)
        for _ in range(chance.randrange(2, 400))
    ]
    came, chances = [one.won for one in told], [one.chance for one in told]
    bounded = np.clip(chances, LEAST_CHANCE, 1 - LEAST_CHANCE)
    found = score(Counter(told))
    assert found.brier == pytest.approx(brier_score_loss(came, chances), rel=1e-9, abs=1e-12)
    assert found.log_loss == pytest.approx(
        log_loss(came, bounded, labels=[False, True]), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_intervals_are_those_of_statsmodels(seed: int) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    chance = Random(seed)
    one, other = (
        Share(n, chance.randrange(n + 1)) for n in (chance.randrange(1, 300) for _ in "ab")
    )
    expected = proportion_confint(one.won, one.cases, alpha=0.05, method="wilson")
    assert wilson(one) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    expected = confint_proportions_2indep(
        one.won, one.cases, other.won, other.cases, method="newcomb", compare="diff"
    )
    assert difference(one, other) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_what_differs_between_groups_is_told_from_chance_as_statsmodels_does(seed: int) -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    chance = Random(seed)
    own = [
        [chance.gauss(place * 0.3, 1) for _ in range(chance.randrange(2, 40))] for place in range(6)
    ]
    pool = pooled(own)
    assert pool is not None
    cases = sum(map(len, own))
    within = sum(float(np.var(one)) * len(one) for one in own) / (cases - len(own))
    expected = combine_effects(
        np.array([np.mean(one) for one in own]),
        np.array([within / len(one) for one in own]),
        method_re="dl",
    )
    assert pool.spread**2 == pytest.approx(expected.tau2, rel=1e-9, abs=1e-12)
    assert pool.mean == pytest.approx(expected.mean_effect_re, rel=1e-9, abs=1e-12)


def test_the_fewer_cases_the_nearer_to_all() -> None:
    """Two were as lucky; whoever has three deals is drawn further than who has three hundred."""
    chance = Random(1)
    others = [[chance.gauss(0, 0.5) for _ in range(60)] for _ in range(8)]
    few, many = [0.9, 0.5, 0.1], [0.9, 0.5, 0.1] * 100
    pool = pooled([few, many, *others])
    assert pool is not None
    first, second, *_ = pool.groups
    assert abs(first.mean - pool.mean) < abs(second.mean - pool.mean) < abs(0.5 - pool.mean)
    assert first.interval.low < second.interval.low
    assert first.interval.has(first.mean)


@pytest.mark.parametrize("own", [[[0.5]], [[0.5], [0.1]], [[0.5, 0.5], [0.5, 0.5, 0.5]]])
def test_where_chance_cannot_be_told_nothing_is_pooled(own: Sequence[Sequence[float]]) -> None:
    assert pooled(own) is None


def test_one_group_stands_alone() -> None:
    pool = pooled([[0.0, 1.0, 0.5]])
    assert pool is not None
    assert (pool.mean, pool.spread) == (0.5, 0.0)


def test_of_nothing_anything_may_be() -> None:
    assert wilson(Share(0, 0)) == Interval(0.0, 1.0)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=300), st.integers(1, 40))
@examples(200)
def test_groups_hold_everything_once_and_never_part_what_is_equal(
    values: list[int], least: int
) -> None:
    values.sort()
    found = groups(values, least, MOST_BINS)
    assert [place for group in found for place in group] == [*range(len(values))]
    assert len(found) <= MOST_BINS
    for group in found:
        assert len(group) >= min(least, len(values))
        assert not group.start or values[group.start - 1] < values[group.start]


def test_groups_are_about_equal_where_values_differ() -> None:
    assert [len(group) for group in groups(range(1000), 20, 10)] == [100] * 10
    assert [len(group) for group in groups(range(59), 20, 10)] == [29, 30]


# ---------------------------------------------------------------------------- known chances


def synthetic(seed: int, deals: int, honest: float = 1.0) -> list[tuple[int, bool]]:
    """Deals whose chance of winning is their progress to the power of `honest`."""
    chance = Random(seed)
    told = sorted(chance.randrange(10_001) for _ in range(deals))
    return [(one, chance.random() < (one / 10_000) ** honest) for one in told]


def test_intervals_hold_the_true_chance_as_often_as_they_promise() -> None:
    """300 honest companies: the mean of the true chances of a group lies in its interval in 95 of
    100; a little more often, for the chances in a group differ.
    """
    held = [
        one.interval.has(sum(told for told, _ in chunk) / len(chunk) / 10_000)
        for seed in range(300)
        for told in [synthetic(seed, 200)]
        for one, chunk in zip(bins(told), _chunks(told), strict=True)
    ]
    assert len(held) > 2_900
    assert 0.94 <= sum(held) / len(held) <= 0.98


def _chunks(told: list[tuple[int, bool]]) -> Iterator[list[tuple[int, bool]]]:
    done = 0
    for one in bins(told):
        yield told[done : done + one.share.cases]
        done += one.share.cases


def test_the_difference_of_rates_holds_the_true_one_as_often_as_it_promises() -> None:
    held = 0
    for seed in range(1_000):
        chance = Random(seed)
        one, other = (
            Share(n, sum(chance.random() < true for _ in range(n)))
            for n, true in ((40, 0.6), (70, 0.35))
        )
        held += difference(one, other).has(0.25)
    assert 0.93 <= held / 1_000 <= 0.975


def test_an_honest_company_is_told_from_a_dishonest_one() -> None:
    honest, rosy = synthetic(7, 2_000), synthetic(7, 2_000, honest=3.0)
    assert sum(one.holds for one in bins(honest)) >= 9
    assert sum(one.holds for one in bins(rosy)) <= 4
    for told, better in ((honest, True), (rosy, False)):
        found = scored(told)
        assert (found.progress.brier < found.base_rate.brier) == better
    assert scored(honest).half.brier == 0.25
    assert scored(honest).half.log_loss == pytest.approx(0.6931471805599453)


SALVIRT = os.environ.get("DEALFOLIO_SALVIRT_CSV")


@pytest.mark.skipif(
    SALVIRT is None, reason="DEALFOLIO_SALVIRT_CSV names no copy of the Salvirt B2B set"
)
def test_on_the_published_set_of_b2b_deals_others_come_to_the_same() -> None:
    """Bohanec, Borštnar, Robnik-Šikonja (2017), CC-BY-4.0: 448 deals, won or lost, and what the
    sellers answered about each. Chances by a model of others, each told of deals that it has not
    seen: they are calibrated, and better than one share for all.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import OneHotEncoder
    from statsmodels.stats.proportion import proportion_confint

    with Path(str(SALVIRT)).open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    names = [name for name in rows[0] if name.lower() != "status"]
    came = [row["Status"].lower() == "won" for row in rows]
    answers = OneHotEncoder(handle_unknown="ignore").fit_transform(
        [[row[name] for name in names] for row in rows]
    )
    model = LogisticRegression(C=0.3, max_iter=2_000)
    chances = cross_val_predict(model, answers, came, cv=10, method="predict_proba")[:, 1]
    told = sorted((round(10_000 * float(one)), won) for one, won in zip(chances, came, strict=True))
    found = bins(told)
    assert sum(one.holds for one in found) >= len(found) - 2
    assert scored(told).progress.brier < scored(told).base_rate.brier
    for one in found:
        expected = proportion_confint(one.share.won, one.share.cases, method="wilson")
        assert one.interval == pytest.approx(expected, rel=1e-9, abs=1e-12)


# ---------------------------------------------------------------------------- too few


def outcome(number: int, *, won: bool, progress: int | None = 5_000, **more: Any) -> Outcome:
    made = Outcome(
        number, won, date(2026, 6, 30), date(2025, 12, 30), number,
        ManagerId("anna"), progress, frozenset(),
    )  # fmt: skip
    return made._replace(**more)


def test_of_too_few_nothing_is_said() -> None:
    few = [outcome(number, won=number % 2 == 0) for number in range(FEWEST - 1)]
    told = calibration_of(few, [ActionTypeCode("call")], None)
    assert told.scored is None
    assert (told.closed, told.all.cases, told.bins, told.kinds, told.bias) == (29, 29, [], [], [])
    unknown = [outcome(99, won=True, progress=None)]
    assert calibration_of(few + unknown, (), None).scored is None, "it stood nowhere"
    enough = calibration_of([*few, outcome(100, won=True)], (), None)
    assert enough.scored is not None
    assert [one.share.cases for one in enough.bins] == [FEWEST]


def test_a_side_of_too_few_has_no_difference() -> None:
    call = ActionTypeCode("call")
    for done in (FEWEST_ON_A_SIDE - 1, FEWEST_ON_A_SIDE):
        cases = [
            outcome(number, won=number % 3 == 0, kinds=frozenset({call} if number < done else ()))
            for number in range(60)
        ]
        (told,) = calibration_of(cases, [call], None).kinds
        assert (told.done.cases, told.others.cases) == (done, 60 - done)
        assert (told.interval is None) == (done < FEWEST_ON_A_SIDE)


def test_a_manager_of_too_few_has_no_pooled_bias_and_others_are_pooled_with_theirs() -> None:
    many = [outcome(number, won=number % 3 == 0) for number in range(40)]
    for own in (FEWEST_OF_A_MANAGER - 1, FEWEST_OF_A_MANAGER):
        few = [outcome(100 + number, won=True, owner=ManagerId("boris")) for number in range(own)]
        anna, boris = calibration_of(many + few, (), None).bias
        assert (anna.manager_id, anna.share) == ("anna", Share(40, 14))
        assert anna.bias == pytest.approx(14 / 40 - 0.5)
        assert (boris.pooled is None) == (own < FEWEST_OF_A_MANAGER)
        assert anna.pooled is not None
    only = calibration_of(many + few, (), {ManagerId("anna")})
    assert (only.closed, len(only.bias)) == (40, 1)


def test_a_bin_has_twenty_at_least() -> None:
    cases = sorted((number * 100, number % 2 == 0) for number in range(45))
    assert [one.share.cases for one in bins(cases)] == [22, 23]
    assert min(one.share.cases for one in bins(cases)) >= FEWEST_IN_A_BIN


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 6, 30), 3, date(2026, 3, 30)),
        (date(2026, 5, 31), 3, date(2026, 2, 28)),
        (date(2024, 5, 31), 3, date(2024, 2, 29)),
        (date(2026, 1, 15), 12, date(2025, 1, 15)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
    ],
)
def test_months_before_is_the_same_day_or_the_last(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before


# ---------------------------------------------------------------------------- any history


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(datetime(2020, 1, 1, tzinfo=MOSCOW))


@pytest.fixture(scope="module")
def service(server: str, template: str, clock: Clock) -> Iterator[Service]:
    with new_database(server, template) as database:
        service = Service(database, Settings(), clock)
        _record(service, [Order(command, "director") for command in catalogue_commands()])
        yield service
        service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


def _wide(number: int) -> dict[date, date]:
    """The eight days of the calendar in eight months, and each history behind the one before."""
    found = []
    for place in range(len(CALENDAR)):
        year, month = divmod(2020 * 12 + number * 9 + place, 12)
        day = (3, 28, 31, 17)[place % 4]
        found.append(date(year, month + 1, min(day, monthrange(year, month + 1)[1])))
    return dict(zip(CALENDAR, found, strict=True))


def _told(service: Service, clock: Clock, plot: Plot, number: int) -> None:
    """Each event on the last day that was spoken of so far."""
    _record(service, [Order(RegisterManager(who, who), "admin") for who in cast_of(number)])
    wide, orders = _wide(number), list[Order]()
    for fact in play(plot, number).log:
        assert fact.effective_on is not None
        day = wide[fact.effective_on]
        noon = datetime.combine(day, time(12), MOSCOW)
        if noon > clock.now:
            _record(service, orders)
            clock.now, orders = noon, []
        orders.append(Order(command_for(fact._replace(effective_on=day)), "desk"))
    _record(service, orders)
    clock.now += timedelta(days=3)


@given(
    plots(16, 30),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 10)), min_size=3, max_size=3),
)
@examples(24, times=4)
def test_the_ledger_tells_how_deals_stood_as_the_fold_does(
    service: Service, clock: Clock, plot: Plot, asked: list[tuple[int, int]]
) -> None:
    """And so do columns; what was learnt of the ends of days by either is remembered by both."""
    number, ends, columns = next(_chapters), service._remembered.day_ends, service.columns
    with service.asking() as cursor:
        start = len(read_log(cursor))
    _told(service, clock, plot, number)
    with service.asking() as cursor:
        events = read_log(cursor)
        log: dict[DealId, list[Recorded[DealEvent]]] = {}
        for event in events[start:]:
            if is_about_a_deal(event):
                log.setdefault(DealId(event.originator_id), []).append(event)
        days = [*_wide(number).values()]
        for place, known in [(7, 10), *asked]:
            as_of, position = days[place], start + (len(events) - start) * known // 10
            for months, as_known in ((1, AsKnown.THEN), (2, AsKnown.THEN), (1, AsKnown.NOW)):

                def known_by(day: date, as_known: AsKnown = as_known) -> int:
                    if as_known is AsKnown.NOW:
                        return 2**62
                    return max(
                        (one.position for one in events
                         if one.recorded_at.astimezone(MOSCOW).date() <= day),
                        default=0,
                    )  # fmt: skip

                horizon = Horizon(months, as_known, MOSCOW)
                point = Point(as_of, clock.now, position)
                expected = outcomes_as_of(log, as_of, position, months, known_by)
                for found in (
                    outcomes_from_ledger(cursor, point, horizon, ends),
                    outcomes_from_columns(columns.at(cursor, position), point, horizon, ends),
                ):
                    assert _told_of(found, start, position) == _told_of(expected, start, position)


def test_what_was_undone_is_no_outcome_and_was_not_done(server: str, template: str) -> None:
    """One deal was lost on the day that is looked at, and came back; of the other an action was
    withdrawn, and its outcome changed a few days later.
    """
    with (
        new_database(server, template) as database,
        company(database, datetime(2026, 1, 10, 9, tzinfo=MOSCOW)) as begun,
    ):
        do, anna = begun.director.do, begun.manager()
        for code in ("call", "proposal"):
            begun.kind("20.00", code=code)
        back, changed = (begun.deal(anna, on="2026-01-10") for _ in "ab")
        for deal in (back, changed):
            begun.act(deal, anna, "call", "2026-01-10")
        gone = begun.act(changed, anna, "proposal", "2026-01-10")
        why, lost = {"reason": "Не было"}, {"reason": "Цена"}
        won = {"contract_amount": "1000.00"}
        for day, what, body in (
            ("2026-02-01", f"{changed}/actions/{gone}/withdrawal", why),
            ("2026-03-01", f"{back}/loss", lost),
            ("2026-05-01", f"{back}/reopening", why),
            ("2026-09-01", f"{back}/win", won),
            ("2026-09-01", f"{changed}/win", won),
            ("2026-09-05", f"{changed}/reopening", why),
            ("2026-09-05", f"{changed}/loss", lost),
        ):
            begun.clock.now = datetime.fromisoformat(f"{day}T12:00+03:00")
            do(f"/v1/deals/{what}", {**body, "effective_on": day})
        point = Point(date(2026, 9, 5), begun.clock.now, begun.position)
        horizon, ends = Horizon(6, AsKnown.THEN, MOSCOW), DayEnds(10)
        with begun.service.asking() as cursor:
            tables = begun.service.columns.at(cursor, point.position)
            for found in (
                outcomes_from_ledger(cursor, point, horizon, ends),
                outcomes_from_columns(tables, point, horizon, ends),
            ):
                assert [
                    (one.won, one.closed_on.day, one.progress, [*one.kinds]) for one in found
                ] == [(True, 1, None, []), (False, 1, 2_000, ["call"])]


def _told_of(found: list[Outcome], start: int, position: int) -> list[Outcome]:
    own = (one for one in found if one.position > start)
    return [one._replace(known=min(one.known, position)) for one in own]


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Forty deals of two managers, all entered while they ran: half of them won, and of each lost
    one the last action was entered when it was lost.
    """
    with company(shared_database, datetime(2026, 1, 10, 9, tzinfo=MOSCOW)) as begun:
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        begun.manager(name="Анна Соколова", team_id=team)
        begun.manager(name="Борис Крылов")
        begun.kind("20.00", code="call")
        begun.kind("40.00", code="proposal")
        deals = [begun.deal(f"m-{1 + number % 2}", on="2026-01-10") for number in range(40)]
        for number, deal in enumerate(deals):
            begun.act(deal, f"m-{1 + number % 2}", "call", "2026-01-10")
            if number < 20:
                begun.act(deal, f"m-{1 + number % 2}", "proposal", "2026-01-10")
        begun.clock.now = datetime(2026, 9, 1, 9, tzinfo=MOSCOW)
        for number, deal in enumerate(deals):
            if number < 20:
                won = {"contract_amount": "1000.00", "effective_on": "2026-09-01"}
                begun.director.do(f"/v1/deals/{deal}/win", won)
            else:
                begun.act(deal, f"m-{1 + number % 2}", "proposal", "2026-01-12")
                lost = {"reason": "Цена", "effective_on": "2026-09-01"}
                begun.director.do(f"/v1/deals/{deal}/loss", lost)
        yield begun


def test_what_was_entered_behind_the_day_does_not_count(here: Company) -> None:
    then = here.director.ask("/v1/reports/calibration")
    assert (then["closed"], then["cases"], then["won"]) == (40, 40, 20)
    assert [(one["mean"], one["won"]["won"]) for one in then["bins"]] == [
        ("20.00", 0), ("60.00", 20),
    ]  # fmt: skip
    call, proposal = then["action_types"]
    assert (call["difference"], proposal["difference"]) == (None, 1.0)
    assert (proposal["done"]["cases"], proposal["others"]["cases"]) == (20, 20)
    now = here.director.ask("/v1/reports/calibration", as_known="now")
    assert [one["mean"] for one in now["bins"]] == ["60.00"]
    assert then["scores"]["progress"]["brier"] == pytest.approx((0.2**2 + 0.4**2) / 2)
    assert then["scores"]["base_rate"] == {"brier": 0.25, "log_loss": 0.693147}


def test_what_is_counted_is_listed_page_by_page(here: Company) -> None:
    pages = [*here.director.pages("/v1/reports/calibration/deals", limit=15)]
    deals = [deal for page in pages for deal in page["deals"]]
    assert (len(pages), len(deals), len({deal["deal_id"] for deal in deals})) == (3, 40, 40)
    told = [(one["progress"], one["won"], one["stood_on"], one["closed_on"]) for one in deals]
    day = ("2026-03-01", "2026-09-01")
    assert told == [("60.00", True, *day)] * 20 + [("20.00", False, *day)] * 20
    anna = here.hire("manager", manager_id="m-1").ask("/v1/reports/calibration/deals")["deals"]
    assert {one["manager_id"] for one in anna} == {"m-1"}
    assert len(anna) == 20


def test_before_the_deals_were_there_nothing_can_be_said(here: Company) -> None:
    told = here.director.ask("/v1/reports/calibration", horizon_months=12)
    assert (told["closed"], told["cases"], told["scores"]) == (40, 0, None)
    assert told["bins"] == told["action_types"] == told["managers"] == []
    early = here.director.ask("/v1/reports/calibration", as_of="2026-08-31")
    assert early["closed"] == 0


def test_one_sees_the_deals_of_whom_one_may_see(here: Company) -> None:
    team = here.director.ask("/v1/teams")["teams"][0]["team_id"]
    anna = here.hire("manager", manager_id="m-1")
    head = here.hire("head", team_id=team)
    for person in (anna, head):
        told = person.ask("/v1/reports/calibration")
        assert (told["closed"], told["cases"], told["scores"]) == (20, 20, None)
        refused(person.get("/v1/reports/calibration", manager_id="m-2"), 404, "not-found")
    assert here.director.ask("/v1/reports/calibration", team_id=team)["closed"] == 20
    assert here.director.ask("/v1/reports/calibration", manager_id="m-2")["closed"] == 20
    refused(here.admin.get("/v1/reports/calibration"), 403, "forbidden")


# ---------------------------------------------------------------------------- as a page


def test_the_page_tells_what_the_api_does(here: Company) -> None:
    page = page_of(here, here.director)
    told = here.director.ask("/v1/reports/calibration")
    seen = page.get("/reports/calibration?lang=en")
    assert seen.status_code == 200
    assert seen.text.count("<circle") >= 2 * len(told["bins"])
    for block in ("scores", "bins", "action-types", "managers", "deals"):
        assert f'id="{block}"' in seen.text
    rows = page.get("/reports/calibration/bins.json?lang=en").json()["rows"]
    assert [(row["on average"], row["Won"], row["Deals"]) for row in rows] == [
        (one["mean"], one["won"]["won"], one["won"]["cases"]) for one in told["bins"]
    ]
    rows = page.get("/reports/calibration/managers.json?lang=en").json()["rows"]
    assert [row["Bias"] for row in rows] == ["10.00", "10.00"]
    for kind in ("csv", "excel.csv", "xlsx"):
        assert page.get(f"/reports/calibration/scores.{kind}").status_code == 200
    assert page.get("/reports/calibration/nothing.json").status_code == 404


def test_the_page_says_plainly_when_there_is_too_little(here: Company) -> None:
    page = page_of(here, here.director)
    seen = page.get("/reports/calibration?horizon_months=12&lang=en").text
    assert "Too few to say" in seen
    assert f"So far 0 closed deals can be looked at; {FEWEST} are needed" in seen
    assert 'id="bins"' not in seen
    assert "?horizon_months=3&amp;lang=en&amp;as_known=now" in seen
