"""The forecast as it is asked for: of a company of two years and a half, at any day and knowledge,
by whoever may see it; and its own record, which ties to the ledger.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from api.reports import forecast
from domain.deal import Status
from domain.events import is_about_a_deal
from domain.history import state_at
from domain.values import DealId
from projections.deals import deals_as_of
from projections.portfolio import Log
from projections.reports import forecast_record
from projections.reports.chances import Sources
from projections.reports.columns import day_of, number_of
from projections.reports.outcomes import FEWEST
from projections.reports.spans import Span, day_before, end_of_quarter, quarters_before
from projections.reports.standings import NO_DAY, STATUSES
from tests.browser import Browser, page_of
from tests.histories import read_log
from tests.over_http import AUTUMN, Company, Person, company, refused

FORECAST, RECORD = "/v1/reports/forecast", "/v1/reports/forecast/record"
BEGUN = date(2024, 3, 4)
LATER = {"review_on": "2027-01-11", "reason": "Бюджет"}
Deed = tuple[date, Callable[[], object]]


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Anna and Boris, in two teams, open a deal a month in turns: each is expected to close 200
    days later, and is won or lost some days before or after, two of three won, at 90 percent.
    """
    with company(shared_database, datetime(2024, 3, 1, 9, tzinfo=UTC)) as begun:
        north, south = (
            begun.director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг")
        )
        begun.manager(team_id=north)
        begun.manager("Борис Крылов", team_id=south)
        begun.kind("30.00", code="proposal", effective_from="2024-01-01")
        begun.teams = (north, south)  # type: ignore[attr-defined]
        begun.deals = {}  # type: ignore[attr-defined]
        deeds = [deed for number in range(32) for deed in _life(begun, number)]
        for day, deed in sorted(deeds, key=lambda one: one[0]):
            if day <= AUTUMN.date():
                begun.clock.now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
                deed()
        begun.clock.now = AUTUMN
        yield begun


def _life(begun: Company, number: int) -> Iterator[Deed]:
    who, on = f"m-{1 + number % 2}", BEGUN + timedelta(30 * number)
    deals: dict[int, str] = begun.deals  # type: ignore[attr-defined]

    def do(address: str, day: date, **body: object) -> Deed:
        def deed() -> None:
            body["effective_on"] = str(day)
            begun.director.do(f"/v1/deals/{deals[number]}/{address}", body)

        return day, deed

    def opened() -> None:
        more = {} if number % 5 == 4 else {"expected_close_on": str(on + timedelta(200))}
        more |= {"currency": "EUR"} if number == 7 else {}
        deals[number] = begun.deal(who, f"{100 + number}000000.00", str(on), **more)

    yield on, opened
    acted = on + timedelta(20)
    yield do("actions", acted, action_type="proposal", manager_id=who)
    ended = on + timedelta(170 + 11 * (number % 7))
    if number % 3:
        yield do("win", ended, contract_amount=f"{90 + number}000000.00")
    else:
        yield do("loss", ended, reason="Цена")
    if number == 4:
        yield do("reopening", ended, reason="Договор не подписан")
        yield do("win", ended, contract_amount="77000000.00")
    if number == 6:
        yield do("suspension", acted + timedelta(30), **LATER)
        yield do("resumption", ended - timedelta(10))
    if number == 9:
        yield do("check-revisions", acted + timedelta(9), amount="5000000.00", reason="Состав")
        yield do("expected-close-revisions", acted, expected_close_on=str(on + timedelta(240)))
    if number == 28:
        yield do("suspension", acted + timedelta(1), **LATER)
    if number == 29:
        handed = {"to_manager_id": "m-1", "transfer_credit": True, "reason": "Отпуск"}
        yield do("handovers", acted + timedelta(2), **handed)


@pytest.fixture(scope="module")
def log(here: Company) -> Log:
    deals = defaultdict(list)
    with here.service.asking() as cursor:
        for event in read_log(cursor):
            if is_about_a_deal(event):
                deals[DealId(event.originator_id)].append(event)
    return deals


def eves() -> Sequence[date]:
    return [day_before(first) for first, _ in quarters_before(AUTUMN.date(), 11)]


Answer = Mapping[str, Any]


def total(lines: Iterable[Answer], name: str = "expected") -> Decimal:
    return sum((Decimal(one[name]) for one in lines), Decimal())


# ---------------------------------------------------------------------------- what it is made of


def test_deals_stand_as_their_folded_events_say(here: Company, log: Log) -> None:
    """On the ends of quarters, as known then, in between, and now."""
    last = here.position
    with here.service.asking() as cursor:
        sources = Sources.from_columns(here.service.columns.at(cursor, last), "RUB")
        owners = dict(cursor.execute("SELECT manager, manager_id FROM ledger.managers").fetchall())
    for eve in eves():
        for position in (last, last // 2, last // 3):
            told = sources.at(AUTUMN.date(), position).standings
            shown = [
                (
                    told.deal[row], STATUSES[told.status[row]], owners[told.owner[row]],
                    told.check[row], told.progress[row],
                    None if told.expected[row] == NO_DAY else day_of(int(told.expected[row])),
                )
                for row in told.on(number_of(eve))
            ]  # fmt: skip
            assert shown == [
                (one.position, one.status, one.owner, one.potential_check, one.progress,
                 one.expected_close_on)
                for one in deals_as_of(log, eve, position)
            ]  # fmt: skip


def test_contracts_are_those_that_were_signed(here: Company, log: Log) -> None:
    last = here.position
    with here.service.asking() as cursor:
        columns = here.service.columns.at(cursor, last)
        both = Sources.from_columns(columns, "RUB"), Sources.from_ledger(cursor, last, "RUB")
    wanted = {}
    for facts in log.values():
        deal = state_at(facts, AUTUMN.date(), last)
        if deal is not None and deal.status is Status.WON and deal.currency == "RUB":
            wanted[min(fact.position for fact in facts)] = deal.contract
    for sources in both:
        known = sources.at(AUTUMN.date(), last)
        assert {deal: known.contract_of(deal) for deal in known.wins} == wanted
        assert known.ratio.deals == len(wanted) >= FEWEST
        assert known.ratio.contracts == sum(contract or 0 for contract in wanted.values())
        assert 0.85 < known.ratio.contracts / known.ratio.checks < 0.95


# ---------------------------------------------------------------------------- as it is asked for


def test_periods_are_sums_of_their_deals(here: Company) -> None:
    told = here.director.ask(FORECAST, by="month", horizon=5, target="90000000.00")
    assert [one["first_day"] for one in told["periods"]][:2] == ["2026-10-21", "2026-11-01"]
    assert told["total"]["last_day"] == "2027-02-28"
    assert told["history"]["basis"] == "history"
    assert told["deals_number"] == len(told["deals"])
    for place, period in enumerate(told["periods"]):
        made = sum(Decimal(one["value"]) * Decimal(one["chances"][place]) for one in told["deals"])
        assert float(made) == pytest.approx(float(period["expected"]), rel=1e-4, abs=1e3)
        assert period["deals"] == sum(one["chances"][place] > 0 for one in told["deals"])
    assert float(total(told["periods"])) == pytest.approx(float(told["total"]["expected"]))
    assert float(total(told["deals"])) == pytest.approx(float(told["total"]["expected"]))
    for one in told["deals"]:
        assert sum(one["chances"]) + one["later"] == pytest.approx(one["win"], abs=1e-5)
        assert one["low"] <= one["win"] <= one["high"]
    independent, shared = (told["total"][kind] for kind in ("independent", "shared_risk"))
    for level in ("p10", "p50", "p90"):
        assert Decimal(independent[level]) <= Decimal(told["total"]["independent"]["p90"])
    assert shared["nothing"] > independent["nothing"], "deals fail together"
    assert 0 < independent["target"] < 1


def test_the_portfolio_beside_it_is_the_ledgers(here: Company) -> None:
    for eve in eves():
        (rub, *_) = here.director.ask("/v1/portfolios", as_of=eve)["currencies"]
        assert here.director.ask(FORECAST, as_of=eve)["portfolio"] == rub["total"]["active"]


def test_a_suspended_deal_has_a_band_of_its_own(here: Company) -> None:
    told = {one["deal_id"]: one for one in here.director.ask(FORECAST)["deals"]}
    suspended = told[here.deals[28]]  # type: ignore[attr-defined]
    assert (suspended["status"], suspended["band"]) == ("suspended", "suspended")
    assert {one["band"] for one in told.values()} == {"suspended", "20-40"}


def test_the_same_question_has_the_same_answer(here: Company) -> None:
    ask = partial(here.director.get, FORECAST, as_of="2026-09-30", position=here.position)
    assert ask().content == ask().content
    first, other = ask().json(), ask(seed=2).json()
    assert (first["seed"], other["seed"]) == (1, 2)
    assert [one["independent"] for one in first["periods"]] == [
        one["independent"] for one in other["periods"]
    ]
    assert [one["shared_risk"] for one in first["periods"]] != [
        one["shared_risk"] for one in other["periods"]
    ]


def test_of_few_decided_deals_nothing_is_said(here: Company) -> None:
    told = here.director.ask(FORECAST, as_of="2024-09-30", known_at="2024-09-30")
    assert told["history"]["basis"] == "progress"
    assert told["history"]["decided"] < told["history"]["fewest"]
    assert {one["win"] for one in told["history"]["bands"]} == {None}
    assert {one["basis"] for one in told["deals"]} == {"progress"}
    for one in told["deals"]:
        assert one["win"] == pytest.approx(float(one["progress"]) / 100)
        assert one["value"] == one["potential_check"]["amount"]


def test_currencies_are_never_added(here: Company) -> None:
    as_of = str(BEGUN + timedelta(7 * 30 + 30))
    told = here.director.ask(FORECAST, as_of=as_of, currency="EUR")
    assert [one["deal_id"] for one in told["deals"]] == [here.deals[7]]  # type: ignore[attr-defined]
    assert told["currency"] == "EUR"
    assert here.deals[7] not in {  # type: ignore[attr-defined]
        one["deal_id"] for one in here.director.ask(FORECAST, as_of=as_of)["deals"]
    }


# ---------------------------------------------------------------------------- its record


def test_a_quarter_of_the_record_is_the_forecast_of_its_eve(here: Company) -> None:
    record = here.director.ask(RECORD)
    assert [one["first_day"] for one in record["quarters"]][-1] == "2026-07-01"
    assert len(record["quarters"]) == 10, "nothing was in progress before"
    assert {one["basis"] for one in record["quarters"]} == {"history", "progress"}
    for one in record["quarters"]:
        eve = day_before(date.fromisoformat(one["first_day"]))
        then = here.director.ask(FORECAST, as_of=eve, known_at=eve, horizon=1)
        (period,) = then["periods"]
        assert (one["foreseen_at"], one["deals"]) == (then["position"], then["deals_number"])
        assert (one["expected"], one["basis"]) == (period["expected"], then["history"]["basis"])
        assert [one[level] for level in ("p10", "p50", "p90", "nothing")] == [
            period["independent"][level] for level in ("p10", "p50", "p90", "nothing")
        ]
        assert one["inside"] == (
            Decimal(one["p10"]) <= Decimal(one["happened"]) <= Decimal(one["p90"])
        )
    assert record["inside"] == sum(one["inside"] for one in record["quarters"])
    assert Decimal(record["crps"]) > 0


def test_what_happened_is_what_the_ledger_has(here: Company) -> None:
    for one in here.director.ask(RECORD)["quarters"]:
        eve = day_before(date.fromisoformat(one["first_day"]))
        moved = here.director.ask("/v1/portfolios/movement", from_=eve, to=one["last_day"])
        won = Decimal(moved["closing"]["won"]) - Decimal(moved["opening"]["won"])
        assert Decimal(one["happened"]) + Decimal(one["unforeseen"]) == won
        assert one["unforeseen"] == "0.00", "no deal is won within three months"


def test_the_record_of_an_earlier_day_knows_no_more(here: Company) -> None:
    as_of = end_of_quarter(date(2026, 2, 1))
    then, now = (here.director.ask(RECORD, **asked)["quarters"] for asked in ({"as_of": as_of}, {}))
    assert then == [one for one in now if one["last_day"] <= str(as_of)]


@pytest.mark.parametrize("path", [FORECAST, RECORD])
def test_where_columns_do_not_hold_the_log_forecasts_take_turns(
    here: Company, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "TURN_SECONDS", 0.01)
    service, asked = here.service, {"as_of": "2026-09-17"}  # a day that nobody else asks about
    with service.foreseeing:
        assert here.director.get(path, **asked, currency="EUR").status_code == 200
        monkeypatch.setattr(service.columns, "most_events", 0)
        refused(here.director.get(path, **asked), 503, "unavailable")
    assert here.director.get(path, **asked).status_code == 200
    assert not service.foreseeing.locked()


def test_the_record_in_each_currency_is_its_own(here: Company) -> None:
    roubles = here.director.ask(RECORD)["quarters"]
    euros = here.director.ask(RECORD, currency="EUR")["quarters"]
    assert {one["deals"] for one in euros} == {1}
    assert roubles == here.director.ask(RECORD)["quarters"] != euros


def test_a_quarter_is_looked_at_again_only_where_something_was_learnt_of_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = list[date]()

    def counted(span: Span, *given: Any) -> Any:
        scored.append(span[1])
        return score(span, *given)

    score = vars(forecast_record)["_scored"]
    monkeypatch.setattr(forecast_record, "_scored", counted)
    with company(database, datetime(2026, 1, 12, 9, tzinfo=UTC)) as begun:
        anna, call = begun.manager(), begun.kind("30.00")
        deal, other = (begun.deal(anna, expected_close_on="2026-08-03") for _ in range(2))
        begun.clock.now = AUTUMN
        quarters = [date(2026, 3, 31), date(2026, 6, 30), date(2026, 9, 30)]

        def asked() -> list[date]:
            scored.clear()
            told = begun.director.ask(RECORD)["quarters"]
            assert [one["last_day"] for one in told] == [str(one) for one in quarters[1:]]
            assert told[-1]["happened"] == happened
            return scored

        happened = "0.00"
        assert asked() == quarters[1:]
        begun.act(deal, anna, call, "2026-10-12")
        assert asked() == []
        happened = "70000000.00"
        won = {"contract_amount": happened, "effective_on": "2026-08-10"}
        begun.director.do(f"/v1/deals/{other}/win", won)
        assert asked() == quarters[2:]
        begun.act(deal, anna, call, "2026-04-01")
        assert asked() == quarters[1:]


# ---------------------------------------------------------------------------- who may ask


@pytest.fixture(scope="module")
def people(here: Company) -> dict[str, Person]:
    north, _ = here.teams  # type: ignore[attr-defined]
    return {
        "anna": here.hire("manager", manager_id="m-1"),
        "head": here.hire("head", team_id=north),
        "auditor": here.hire("auditor"),
        "director": here.director,
    }


def owners(answer: Answer) -> set[str]:
    return {one["owner"] for one in answer["deals"]}


def test_everybody_foresees_what_they_may_see(here: Company, people: dict[str, Person]) -> None:
    for who in ("anna", "head"):
        assert owners(people[who].ask(FORECAST)) == {"m-1"}
        refused(people[who].get(FORECAST, manager_id="m-2"), 404, "not-found")
        refused(people[who].get(RECORD, manager_id="m-2"), 404, "not-found")
        asked = people[who].ask(RECORD)["quarters"]
        assert asked == people["director"].ask(RECORD, manager_id="m-1")["quarters"]
        assert asked != people["director"].ask(RECORD)["quarters"]
    for who in ("auditor", "director"):
        assert owners(people[who].ask(FORECAST)) == {"m-1", "m-2"}
    for address in (FORECAST, RECORD):
        refused(here.admin.get(address), 403, "forbidden")


def test_a_manager_or_a_team_may_be_asked_about(here: Company) -> None:
    north, south = here.teams  # type: ignore[attr-defined]
    assert owners(here.director.ask(FORECAST, team_id=south)) == {"m-2"}
    assert here.director.ask(FORECAST, team_id=north, manager_id="m-2")["deals"] == []
    both = [here.director.ask(FORECAST, manager_id=who) for who in ("m-1", "m-2")]
    whole = here.director.ask(FORECAST)
    assert sum(one["deals_number"] for one in both) == whole["deals_number"]
    parts = sum(float(one["total"]["expected"]) for one in both)
    assert parts == pytest.approx(float(whole["total"]["expected"]))
    of_two = [
        total(here.director.ask(RECORD, team_id=team)["quarters"], "happened")
        for team in (north, south)
    ]
    assert sum(of_two) == total(here.director.ask(RECORD)["quarters"], "happened")


# ---------------------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def browser(here: Company) -> Browser:
    return page_of(here, here.director)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_tells_it_with_links_to_what_makes_it_up(
    here: Company, browser: Browser, language: str
) -> None:
    shown = browser.get(f"/reports/forecast?lang={language}&target=90000000,00&by=month").text
    told = here.director.ask(FORECAST, by="month", target="90000000.00")
    for one in told["deals"]:
        assert f'href="/deals/{one["deal_id"]}?lang={language}"' in shown
    eve = "as_of=2026-06-30&amp;known_at=2026-06-30"
    assert f'href="/reports/forecast?lang={language}&amp;{eve}&amp;by=quarter"' in shown
    assert f'href="/movement?lang={language}&amp;from=2026-06-30&amp;to=2026-09-30' in shown
    assert shown.count('<svg class="chart wide"') == 2
    assert ("Насколько он был верен" in shown) == (language == "ru")
    assert "{" not in shown.partition("<main")[2].partition("</main>")[0]


def test_the_page_says_where_too_little_is_known(browser: Browser) -> None:
    few = browser.get("/reports/forecast?as_of=2024-09-30&known_at=2024-09-30").text
    assert "Данных мало" in few
    assert "Кварталов мало" in few
    empty = browser.get("/reports/forecast?as_of=2024-01-01").text
    assert "прогнозировать нечего" in empty
    assert "Ещё не прошёл ни один квартал" in empty
    assert 'href="/reports/forecast"' in browser.get("/reports").text


@pytest.mark.parametrize("kind", ["json", "csv", "excel.csv", "xlsx"])
def test_each_table_is_taken_along(here: Company, browser: Browser, kind: str) -> None:
    for name in ("independent", "shared-risk", "deals", "chances", "history", "record"):
        taken = browser.get(f"/reports/forecast/{name}.{kind}?as_of=2026-09-30")
        assert taken.status_code == 200
        named = f"dealfolio-forecast-{name}-2026-09-30"
        assert named in taken.headers["content-disposition"]
    if kind == "json":
        body = browser.get("/reports/forecast/independent.json?as_of=2026-09-30").json()
        told = here.director.ask(FORECAST, as_of="2026-09-30")
        assert [row["P50"] for row in body["rows"]] == [
            one["independent"]["p50"] for one in (*told["periods"], told["total"])
        ]
    assert browser.get(f"/reports/forecast/nothing.{kind}").status_code == 404


def test_whoever_sees_no_figures_gets_no_page(here: Company) -> None:
    assert page_of(here, here.hire("admin")).get("/reports/forecast").status_code == 403
