"""Empty months, stalled deals, concentration: the ledger's answers against their definitions over
any history, and one company whose figures are worked out by hand.
"""

import re
from collections.abc import Iterator
from datetime import date
from html import unescape
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service import Remembered, Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.deal import Status
from domain.deal_commands import (
    HandOver,
    Lose,
    OpenDeal,
    PerformAction,
    Reopen,
    Win,
    WithdrawAction,
)
from domain.decisions import Command
from domain.directory_commands import RegisterManager
from domain.events import DealEvent, Recorded, is_about_a_deal
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money
from projections.reports import stalled as stalled_module
from projections.reports.columns import MOST_EVENTS
from projections.reports.concentration import (
    WHOLE,
    Concentration,
    Concentrations,
    active_as_of,
    active_from_ledger,
)
from projections.reports.concentration_in_columns import concentrations_from_columns
from projections.reports.months import (
    closings_from_ledger,
    months_as_of,
    months_between,
    months_from_ledger,
)
from projections.reports.months_in_columns import months_from_columns
from projections.reports.stalled import Pace, Standstill, stalled_as_of, stalled_from_log
from projections.reports.stalled_in_columns import standstill_from_columns
from tests.browser import Browser, page_of
from tests.conftest import new_database
from tests.histories import (
    DAYS,
    NOON,
    Plot,
    Point,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    points,
    read_log,
)
from tests.over_http import Company, company, refused

_chapters = count(1)


# ---------------------------------------------------------------------------- any history


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    _record(service, [Order(command, "director") for command in catalogue_commands()])
    with pytest.MonkeyPatch.context() as few:
        few.setattr(stalled_module, "FOLDED_AT_ONCE", 2)
        yield service
    service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


@given(
    plots(16, 30),
    points(3),
    st.sampled_from(DAYS),
    st.frozensets(st.integers(0, 3), max_size=3) | st.none(),
    st.sampled_from((1, 1, 2, 3, 22)),
    st.integers(1, 2),
)
@examples(40)
def test_each_report_is_its_definition_at_any_point(
    service: Service,
    plot: Plot,
    asked: list[Point],
    begun_on: date,
    some: frozenset[int] | None,
    minimum_days: int,
    factor: int,
) -> None:
    number, pace = next(_chapters), Pace(minimum_days, factor)
    people = cast_of(number)
    with service.asking() as cursor:
        before = read_log(cursor)
    orders = [Order(RegisterManager(who, who), "admin") for who in people]
    orders += [Order(command_for(fact), "desk") for fact in play(plot, number).log]
    _record(service, orders)
    who = people if some is None else [people[one] for one in sorted(some)]
    with service.asking() as cursor:
        events = read_log(cursor, before[-1].position)
        log = _by_deal(events)
        for one in asked:
            as_of, position = one.as_of, one.position(before[-1].position, events[-1].position)
            tables = service.columns.at(cursor, position)
            first = min(begun_on, as_of)
            for last in {as_of, first}:
                span = first, last, as_of, position, "RUB", who
                months = months_as_of(log, *span)
                assert months_from_ledger(cursor, *span) == months
                assert months_from_columns(tables, *span) == months
            at = as_of, position, "RUB"
            active = active_as_of(log, *at, who)
            assert active_from_ledger(cursor, *at, who) == active
            found = concentrations_from_columns(tables, *at, who, service.overviews)
            assert found == Concentrations.of(active)
            stalled = stalled_as_of(log, *at, pace, who)
            assert stalled_from_log(cursor, *at, pace, who) == stalled
            for most in (1, 100):
                still = standstill_from_columns(tables, *at, pace, who, most, service.overviews)
                assert still == Standstill.of(stalled, most)


def test_whoever_has_no_part_in_a_closing_any_more_has_not_closed(service: Service) -> None:
    """Withdrawn later, and from its own day on: what the win gave is taken back at the win."""
    owner, helper, *_ = people = cast_of(next(_chapters))
    deal, action, day = DealId(uuid4()), ActionId(uuid4()), date(2026, 2, 2)
    check = Money(amount=10**10, currency="RUB")
    commands: list[Command] = [
        *map(RegisterManager, people, people),
        OpenDeal(deal, "Витрины", "Ромашка", check, owner, day),
        PerformAction(deal, action, ActionTypeCode("pilot"), day, helper),
        Win(deal, 10**10, date(2026, 2, 20)),
        WithdrawAction(deal, action, "Не было"),
    ]
    _record(service, [Order(command, "desk") for command in commands[:-1]])
    span = date(2026, 2, 1), date(2026, 2, 28)
    with service.asking() as cursor:
        before = read_log(cursor)[-1].position
        _record(service, [Order(commands[-1], "desk")])
        closers = [
            [one.manager_id for one in closings_from_ledger(cursor, *span, position, people)]
            for position in (before, before + 1)
        ]
        told = [
            months_from_columns(service.columns.at(cursor, at), *span, span[1], at, "RUB", people)
            for at in (before, before + 1)
        ]
    assert closers == [[owner, helper], [owner]]
    assert [
        sorted(who for month in months.values() for who, one in month.items() if one.deals_won)
        for months in told
    ] == [sorted(one) for one in closers]


def test_of_a_month_the_last_closing_counts_and_what_was_reopened_does_not(
    service: Service,
) -> None:
    owner, *_ = people = cast_of(next(_chapters))
    deal, check = DealId(uuid4()), Money(amount=10**10, currency="RUB")
    begun: list[Command] = [
        *map(RegisterManager, people, people),
        OpenDeal(deal, "Витрины", "Ромашка", check, owner, date(2026, 2, 2)),
        PerformAction(deal, ActionId(uuid4()), ActionTypeCode("pilot"), date(2026, 2, 2), owner),
    ]
    _record(service, [Order(command, "desk") for command in begun])
    span, told = (date(2026, 2, 1), date(2026, 2, 28)), []
    for command in (
        Win(deal, 10**10, date(2026, 2, 10)),
        Reopen(deal, "Не подписан", date(2026, 2, 10)),
        Lose(deal, "Цена", date(2026, 2, 20)),
        Reopen(deal, "Ошибка", date(2026, 2, 21)),
    ):
        _record(service, [Order(command, "desk")])
        with service.asking() as cursor:
            at = read_log(cursor)[-1].position
            closings = closings_from_ledger(cursor, *span, at, people)
            tables = service.columns.at(cursor, at)
            months = months_from_columns(tables, *span, span[1], at, "RUB", people)
        own = [one for month in months.values() for who, one in month.items() if who == owner]
        counted = {(one.deals_won, one.deals_lost) for one in own}
        told.append(([(one.status, one.effective_on) for one in closings], counted))
    won, lost = (Status.WON, date(2026, 2, 10)), (Status.LOST, date(2026, 2, 20))
    assert told == [([won], {(1, 0)}), ([], {(0, 0)}), ([lost], {(0, 1)}), ([], {(0, 0)})]


def test_whoever_did_something_in_a_deal_is_told_that_it_stands_still(service: Service) -> None:
    """Also when the deal and all credit in it are another's by now."""
    owner, heir, *_ = people = cast_of(next(_chapters))
    deal, day = DealId(uuid4()), date(2026, 2, 2)
    check = Money(amount=10**10, currency="RUB")
    commands: list[Command] = [
        *map(RegisterManager, people, people),
        OpenDeal(deal, "Витрины", "Ромашка", check, owner, day),
        PerformAction(deal, ActionId(uuid4()), ActionTypeCode("pilot"), day, owner),
        HandOver(deal, heir, True, day, "Отпуск"),
    ]
    with service.asking() as cursor:
        before = read_log(cursor)[-1].position
        _record(service, [Order(command, "desk") for command in commands])
        log = _by_deal(read_log(cursor, before))
        at, pace = (date(2026, 2, 20), before + len(commands), "RUB"), Pace(5, 2)
        (stalled,) = found = stalled_as_of(log, *at, pace, [owner])
        assert stalled_from_log(cursor, *at, pace, [owner]) == found
        tables = service.columns.at(cursor, at[1])
        told = standstill_from_columns(tables, *at, pace, [owner], 9, service.overviews)
    assert [*told.deals] == found
    assert {*stalled.stakes} == {heir}


def _by_deal(events: list[Any]) -> dict[DealId, list[Recorded[DealEvent]]]:
    log: dict[DealId, list[Recorded[DealEvent]]] = {}
    for event in events:
        if is_about_a_deal(event):
            log.setdefault(DealId(event.originator_id), []).append(event)
    return log


# ---------------------------------------------------------------------------- shares

AMOUNTS = st.lists(st.integers(1, 10**15), max_size=9)


def _portfolio(amounts: list[int]) -> Concentration:
    return Concentration.of(dict(enumerate(amounts)))


def test_shares_of_equal_deals_and_of_one() -> None:
    one, four, none = _portfolio([7]), _portfolio([5, 5, 5, 5]), _portfolio([])
    assert (one.top(1), one.herfindahl, one.without_largest) == (10_000, 10_000, 0)
    assert (four.top(1), four.top(3), four.top(5)) == (2_500, 7_500, 10_000)
    assert (four.herfindahl, four.without_largest) == (2_500, 15)
    assert _portfolio([1, 2]).herfindahl == 5_555
    assert (none.top(1), none.herfindahl, none.without_largest, none.total) == (0, 0, 0, 0)


@given(AMOUNTS)
@examples(50)
def test_concentration_keeps_its_bounds(amounts: list[int]) -> None:
    """With n deals the index is between 1 / n and 1, and not above the share of the largest."""
    found = _portfolio(amounts)
    shares = [found.top(number) for number in range(len(amounts) + 1)]
    assert shares == sorted(shares)
    assert found.without_largest == sum(amounts) - max(amounts, default=0)
    if amounts:
        assert shares[-1] == WHOLE
        assert WHOLE // len(amounts) <= found.herfindahl <= found.top(1) + 1


def test_a_deal_of_two_is_one_deal_of_the_company() -> None:
    amounts = {ManagerId("anna"): {1: 30, 2: 10}, ManagerId("boris"): {1: 20}}
    whole = Concentrations.of(amounts).company
    assert [*zip(whole.deals, whole.amounts, strict=True)] == [(1, 50), (2, 10)]


def test_months_of_a_span_are_all_that_it_touches() -> None:
    found = months_between(date(2025, 12, 31), date(2026, 2, 1))
    assert [*map(str, found)] == ["2025-12", "2026-01", "2026-02"]


# ---------------------------------------------------------------------------- one company


@pytest.fixture(scope="module")
def here(server: str, template: str) -> Iterator[Company]:
    with new_database(server, template) as database, company(database) as begun:
        south = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        begun.director.do("/v1/teams", {"name": "Север"})
        for who in ("anna", "boris"):
            body = {"name": who.title(), "manager_id": who, "team_id": south}
            begun.director.do("/v1/managers", body)
        begun.director.do("/v1/managers", {"name": "Vera", "manager_id": "vera"})
        begun.kind("2.00", code="call")
        begun.kind("5.00", code="proposal", max_per_deal=1)
        begun.kind("95.00", code="contract", needs_confirmation=True)
        begun.kind("3.00", code="later", effective_from="2027-01-01")
        begun.kind("-1.00", code="setback")
        paced = begun.deal("anna", "400000000.00", title="Размеренная")
        calls = [
            begun.act(paced, "anna", "call", day)
            for day in ("2026-02-02", "2026-03-02", "2026-03-30", "2026-04-27")
        ]
        change = {"weight": "2.50", "effective_on": "2026-06-10", "reason": "Приказ 1"}
        begun.director.do(f"/v1/deals/{paced}/actions/{calls[0]}/weight-changes", change)
        fresh = begun.deal("boris", "90000000.00", "2026-05-01", title="Свежая")
        begun.act(fresh, "boris", "proposal", "2026-05-04")
        _closed(begun)
        yield begun


def _closed(begun: Company) -> None:
    """Anna won one in April, lost another in May, and lost and reopened a third in one month; Vera
    and Boris lost one together in June; an action of Boris's in March was withdrawn in July.
    """
    do = begun.director.do
    won, lost, back = (
        begun.deal("anna", amount, title=title)
        for amount, title in (("10000000.00", "В"), ("20000000.00", "Н"), ("30000000.00", "О"))
    )
    for deal in (won, lost, back):
        begun.act(deal, "anna", "proposal", "2026-01-20")
    do(f"/v1/deals/{won}/win", {"contract_amount": "9000000.01", "effective_on": "2026-04-01"})
    do(f"/v1/deals/{lost}/loss", {"reason": "Цена", "effective_on": "2026-05-31"})
    do(f"/v1/deals/{back}/loss", {"reason": "Цена", "effective_on": "2026-06-02"})
    do(f"/v1/deals/{back}/reopening", {"reason": "Передумали", "effective_on": "2026-06-30"})
    shared = begun.deal("vera", "50000000.00", "2026-01-15", title="Общая")
    credits_ = [{"manager_id": "vera", "weight": "1.00"}, {"manager_id": "boris", "weight": "4.00"}]
    body = {"action_type": "proposal", "effective_on": "2026-01-15", "credits": credits_}
    do(f"/v1/deals/{shared}/actions", body)
    do(f"/v1/deals/{shared}/loss", {"reason": "Цена", "effective_on": "2026-06-29"})
    rests = begun.deal("boris", "1000000.00", title="Т")
    call = begun.act(rests, "boris", "call", "2026-03-05")
    taken = {"reason": "Не было", "effective_on": "2026-07-06"}
    do(f"/v1/deals/{rests}/actions/{call}/withdrawal", taken)


def _months(here: Company, manager: str, **asked: object) -> dict[str, dict[str, Any]]:
    told = here.director.ask("/v1/reports/months", **asked)
    line = next(one for one in told["managers"] if one["manager_id"] == manager)
    return {one["month"]: one for one in line["months"]}


def test_a_month_is_closed_or_has_progress_or_is_empty(here: Company) -> None:
    months = _months(here, "anna", from_="2026-01-01", as_of="2026-07-31")
    assert {month: one["state"] for month, one in months.items()} == {
        "2026-01": "progress", "2026-02": "progress", "2026-03": "progress", "2026-04": "closed",
        "2026-05": "closed", "2026-06": "nothing", "2026-07": "nothing",
    }  # fmt: skip
    april, may, june = (months[f"2026-0{number}"] for number in (4, 5, 6))
    assert (april["deals_won"], april["won"], april["actions"]) == (1, "9000000.01", 1)
    assert (april["gained"], april["credit"]) == ("8000000.00", "2.00")
    assert (may["deals_lost"], may["lost"]) == (1, "1000000.00")
    assert (june["deals_lost"], june["lost"]) == (0, "0.00"), "it was reopened in the month"
    assert (june["gained"], june["credit"]) == ("2000000.00", "0.50"), "a weight was changed"


def test_the_counts_of_a_manager_are_of_the_months_told(here: Company) -> None:
    told = here.director.ask("/v1/reports/months", from_="2026-01-01", as_of="2026-07-31")
    counts = {
        one["manager_id"]: (one["closed"], one["progress"], one["nothing"])
        for one in told["managers"]
    }
    assert counts == {"anna": (2, 3, 2), "boris": (1, 2, 4), "vera": (1, 1, 5)}


def test_what_was_withdrawn_later_leaves_its_own_month_empty(here: Company) -> None:
    """As of a day before the withdrawal, it had not."""
    before = _months(here, "boris", from_="2026-03-01", to="2026-03-31", as_of="2026-07-05")
    after = _months(here, "boris", from_="2026-03-01", to="2026-03-31", as_of="2026-07-06")
    assert before["2026-03"]["state"] == "progress"
    assert after["2026-03"]["state"] == "nothing"
    july = _months(here, "boris", from_="2026-07-01", as_of="2026-07-31")["2026-07"]
    assert (july["actions"], july["state"]) == (0, "nothing")


def test_twelve_months_are_told_where_nobody_says_otherwise(here: Company) -> None:
    told = here.director.ask("/v1/reports/months", as_of="2026-07-15")
    assert (told["first_day"], told["last_day"]) == ("2025-08-01", "2026-07-15")
    assert len(told["total"]) == 12


def test_gains_of_all_months_are_lines_of_the_movement(here: Company) -> None:
    told = here.director.ask("/v1/reports/months", from_="2026-01-01", to="2026-07-31")
    moved = here.director.ask("/v1/portfolios/movement", from_="2025-12-31", to="2026-07-31")
    sums = {
        name: sum(round(100 * float(one[name])) for one in told["total"])
        for name in ("gained", "won", "lost")
    }
    lines = [
        (one["cause"], one["account"], round(100 * float(one["amount"]))) for one in moved["lines"]
    ]
    effort = {"ActionPerformed", "WeightChanged", "ActionWithdrawn"}
    assert sums["gained"] == sum(n for why, at, n in lines if why in effort and at == "active")
    assert sums["won"] == sum(n for _, at, n in lines if at == "won")
    assert sums["lost"] == sum(n for _, at, n in lines if at == "lost")


@pytest.fixture(params=[MOST_EVENTS, 0], ids=["from memory", "from the database"])
def _asked_of(
    here: Company, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told before is not told again."""
    monkeypatch.setattr(here.service, "_remembered", Remembered(None))
    monkeypatch.setattr(here.service.columns, "most_events", request.param)


@pytest.mark.usefixtures("_asked_of")
@pytest.mark.parametrize(
    ("as_of", "stalled"),
    [
        ("2026-06-17", []),
        ("2026-06-18", ["Свежая"]),
        ("2026-06-22", ["Свежая"]),
        ("2026-06-23", ["Размеренная", "Свежая"]),
    ],
)
def test_each_deal_is_held_to_its_own_pace(here: Company, as_of: str, stalled: list[str]) -> None:
    """One is called every 28 days, and stalls behind 56; of the other that is not known, and it
    stalls with 45. That a weight was changed on 10 June wakes neither.
    """
    told = here.director.ask("/v1/reports/stalled", as_of=as_of)
    found = [one["title"] for one in told["deals"] if one["title"] in {"Размеренная", "Свежая"}]
    assert found == stalled


def test_a_stalled_deal_says_what_is_at_stake_and_what_comes_next(here: Company) -> None:
    told = here.director.ask("/v1/reports/stalled", as_of="2026-06-23")
    paced = next(one for one in told["deals"] if one["title"] == "Размеренная")
    assert (paced["silent_since"], paced["silent_days"]) == ("2026-04-27", 57)
    assert (paced["gaps"], paced["median_gap"], paced["rule"]) == (3, 28, "own")
    assert paced["last_action"]["effective_on"] == "2026-04-27"
    assert paced["stakes"] == [
        {"manager_id": "anna", "name": "Anna", "active": "34000000.00", "claimed": "0.00"}
    ]
    assert [(one["action_type"], one["amount"]) for one in paced["next_actions"]] == [
        ("contract", "366000000.00"), ("proposal", "20000000.00"), ("call", "8000000.00"),
    ]  # fmt: skip
    contract = paced["next_actions"][0]
    assert (contract["weight"], contract["credit"]) == ("95.00", "91.50"), "the cap takes the rest"
    assert contract["needs_confirmation"]
    fresh = next(one for one in told["deals"] if one["title"] == "Свежая")
    assert (fresh["gaps"], fresh["median_gap"], fresh["rule"]) == (0, None, "minimum")
    assert [one["action_type"] for one in fresh["next_actions"]] == ["contract", "call"]


def test_the_pace_can_be_set(here: Company) -> None:
    def titles(**pace: int) -> set[str]:
        told = here.director.ask("/v1/reports/stalled", as_of="2026-06-22", **pace)
        return {one["title"] for one in told["deals"]} & {"Размеренная", "Свежая"}

    assert titles(minimum_days=50) == set()
    assert titles(minimum_days=49) == {"Свежая"}
    assert titles(factor=1) == {"Размеренная", "Свежая"}


def test_sums_are_of_all_stalled_deals_however_few_are_told(here: Company) -> None:
    whole = here.director.ask("/v1/reports/stalled", as_of="2026-06-23")
    one = here.director.ask("/v1/reports/stalled", as_of="2026-06-23", limit=1)
    assert len(one["deals"]) == 1 < len(whole["deals"]) == whole["number"]
    assert one | {"deals": []} == whole | {"deals": [], "known_at": one["known_at"]}
    for name in ("active", "claimed"):
        assert float(whole[name]) == sum(float(deal[name]) for deal in whole["deals"])
        assert float(whole[name]) == sum(float(line[name]) for line in whole["managers"])


def test_the_sums_are_of_those_asked_about(here: Company) -> None:
    """The deal is told whole, as on its page."""
    told = here.director.ask("/v1/reports/stalled", manager_id="vera", as_of="2026-06-23")
    assert [(one["manager_id"], one["active"]) for one in told["managers"]] == [
        ("vera", "500000.00")
    ]
    (deal,) = told["deals"]
    assert [one["manager_id"] for one in deal["stakes"]] == ["boris", "vera"]


def test_the_portfolio_without_its_largest_deal(here: Company) -> None:
    told = here.director.ask("/v1/reports/concentration", as_of="2026-07-31")
    anna = next(one for one in told["managers"] if one["manager_id"] == "anna")
    assert [(one["title"], one["amount"], one["share"]) for one in anna["largest"]] == [
        ("Размеренная", "34000000.00", "95.77"), ("О", "1500000.00", "4.22"),
    ]  # fmt: skip
    assert (anna["active"], anna["deals"]) == ("35500000.00", 2)
    assert (anna["top_1"], anna["top_3"], anna["herfindahl"]) == ("95.77", "100.00", 9190)
    assert anna["without_largest"] == "1500000.00"
    assert told["total"]["without_largest"] == "6000000.00"


def test_the_portfolios_are_those_of_the_books(here: Company) -> None:
    told = here.director.ask("/v1/reports/concentration", as_of="2026-07-31")
    books = here.director.ask("/v1/portfolios", as_of="2026-07-31")["currencies"][0]
    held = {one["manager_id"]: one["active"] for one in books["managers"]}
    assert told["total"]["active"] == books["total"]["active"]
    assert {one["manager_id"]: one["active"] for one in told["managers"]} == {
        who: active for who, active in held.items() if float(active)
    }


@pytest.mark.parametrize("report", ["months", "stalled", "concentration", "digest"])
def test_a_head_is_told_of_the_team_alone(here: Company, report: str) -> None:
    south = here.director.ask("/v1/teams")["teams"][0]["team_id"]
    head = here.hire("head", team_id=south)
    north = here.director.ask("/v1/teams")["teams"][1]["team_id"]
    told = head.ask(f"/v1/reports/{report}", as_of="2026-07-31")
    assert {one["manager_id"] for one in told["managers"]} <= {"anna", "boris"}
    refused(head.get(f"/v1/reports/{report}", team_id=north), 404, "not-found")
    refused(head.get(f"/v1/reports/{report}", manager_id="vera"), 404, "not-found")
    refused(here.admin.get(f"/v1/reports/{report}"), 403, "forbidden")


def test_a_span_ends_at_the_day_asked_about(here: Company) -> None:
    asked = {"as_of": "2026-07-31"}
    for more in ({"to": "2026-08-01"}, {"from_": "2026-08-01"}, {"from_": "2000-01-01"}):
        refused(here.director.get("/v1/reports/months", **asked, **more), 422, "validation")


# ---------------------------------------------------------------------------- pages


@pytest.fixture(scope="module")
def page(here: Company) -> Browser:
    return page_of(here, here.director)


FILES = (
    "months/managers", "months/months", "stalled/deals", "stalled/managers",
    "concentration/managers", "concentration/deals", "digest/managers", "digest/gains",
    "digest/losses", "digest/closings", "digest/stalled", "digest/waiting", "digest/late",
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_each_table_is_taken_along_as_it_is_shown(page: Browser, file: str) -> None:
    at = f"/reports/{file}"
    told = page.get(f"{at}.json?as_of=2026-06-23").json()
    lines = page.get(f"{at}.csv?as_of=2026-06-23").text.splitlines()
    assert len(lines) == 1 + len(told["rows"]) + len(told) - 1
    assert page.get(f"{at}.xlsx?as_of=2026-06-23").status_code == 200
    assert page.get(f"{at}.pdf").status_code == 404
    assert page.get(f"{at}s.csv").status_code == 404


def test_a_month_leads_to_what_moved_the_portfolio_in_it(page: Browser) -> None:
    shown = unescape(page.get("/reports/months?from=2026-01-01&as_of=2026-07-31").text)
    assert "/movement?from=2026-03-31&to=2026-04-30&manager_id=anna" in shown
    assert "закрыто\N{NO-BREAK SPACE}1" in shown
    assert "Пустых месяцев: 11 из 21" in shown


def test_a_stalled_deal_leads_to_recording_what_comes_next(page: Browser) -> None:
    shown = unescape(page.get("/reports/stalled?as_of=2026-06-23").text)
    assert re.search(r"/record\?deal_id=[0-9a-f-]+&action_type=contract", shown)
    nothing = page.get("/reports/stalled?as_of=2026-06-23&minimum_days=3000").text
    assert "ни одна открытая сделка не застыла" in nothing


def test_concentration_says_what_remains(page: Browser) -> None:
    shown = page.get("/reports/concentration?as_of=2026-07-31").text
    assert "6\N{NO-BREAK SPACE}млн\N{NO-BREAK SPACE}₽" in shown
    assert (
        "ни у кого ничего нет в работе" in page.get("/reports/concentration?as_of=2020-01-01").text
    )


def test_the_index_names_them(page: Browser) -> None:
    shown = page.get("/reports").text
    for report in ("months", "stalled", "concentration", "digest"):
        assert f'href="/reports/{report}"' in shown
