"""A deal's page and the list of deals: what they say is what the API answers, to whom it answers.

One company for all: a year in which a deal is opened, acted on, revised, set back and handed over.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.pages import deal as deal_page
from api.pages import deals as deals_page
from api.pages.charts import Band
from api.pages.deal import Performer
from api.pages.deal_charts import Check, History, Mark, Share, Words, history, progress_bar
from api.pages.frame import _translations
from api.pages.people import People
from domain.access import Grant
from domain.values import ManagerId, Role, TeamId
from tests.browser import Browser
from tests.over_http import Company, Person, company

PASSWORD = "витрина у окна на юг"
WINTER = datetime(2026, 1, 12, 9, tzinfo=UTC)
PAGES = Path(deal_page.__file__).parent


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database, WINTER) as begun:
        yield begun


@pytest.fixture(scope="module")
def year(here: Company) -> SimpleNamespace:
    """Anna's deal in the team South, Boris in the team North, and who looks at them."""
    south = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    north = here.director.do("/v1/teams", {"name": "Север"})["team_id"]
    anna = here.manager("Анна Соколова", team_id=south)
    boris = here.manager("Борис Орлов", team_id=north)
    vera = here.manager("Вера Орлова", team_id=south)
    ten, forty = here.kind("10.00"), here.kind("40.00")
    claim = here.kind("80.00", needs_confirmation=True)
    setback = here.kind("-5.00")
    deal = here.deal(
        anna, "400000000.00", title="Витрины <b>& холод</b>", expected_close_on="2026-12-01"
    )
    at = f"/v1/deals/{deal}"

    def on(day: date) -> None:
        here.clock.now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)

    on(date(2026, 2, 3))
    first = here.act(deal, anna, ten, "2026-02-03", evidence="=Акт № 1", comment="Согласовано")
    on(date(2026, 3, 12))
    body = {
        "action_type": forty,
        "effective_on": "2026-03-04",
        "credits": [
            {"manager_id": anna, "weight": "15.00"},
            {"manager_id": vera, "weight": "25.00"},
        ],
    }
    late = here.director.do(f"{at}/actions", body)["action_id"]
    revised = {
        "amount": "500000000.37",
        "effective_on": "2026-03-12",
        "reason": "Ещё семь магазинов",
    }
    here.director.do(f"{at}/check-revisions", revised)
    on(date(2026, 4, 1))
    gone = here.act(deal, anna, ten, "2026-04-01")
    withdrawn = {"effective_on": "2026-04-01", "reason": "Не подтвердилось"}
    here.director.do(f"{at}/actions/{gone}/withdrawal", withdrawn)
    on(date(2026, 5, 5))
    lowering = here.act(deal, vera, setback, "2026-05-05")
    on(date(2026, 5, 20))
    won = here.deal(anna, "1000000.00", "2026-05-20", title="Выигранная")
    waiting = here.act(won, anna, claim, "2026-05-20")
    on(date(2026, 6, 1))
    claimed = here.act(deal, vera, claim, "2026-06-01")
    quiet = here.deal(boris, "7000000.00", "2026-06-01", title="Ёлочный базар", client="Базар")
    here.act(won, anna, ten, "2026-06-01")
    here.director.do(f"/v1/deals/{won}/actions/{waiting}/confirmation")
    here.act(won, anna, claim, "2026-06-01")
    win = {"contract_amount": "900000.01", "effective_on": "2026-06-01"}
    here.director.do(f"/v1/deals/{won}/win", win)
    on(date(2026, 6, 30))
    return SimpleNamespace(
        anna=anna, boris=boris, vera=vera, deal=deal, first=first, late=late, gone=gone,
        lowering=lowering, claimed=claimed, quiet=quiet, won=won, south=south, north=north,
        director=signed_in(here, here.director),
        auditor=signed_in(here, here.hire("auditor")),
        annas=signed_in(here, here.hire("manager", manager_id=anna)),
        veras=signed_in(here, here.hire("manager", manager_id=vera)),
        boriss=signed_in(here, here.hire("manager", manager_id=boris)),
        head=signed_in(here, here.hire("head", team_id=south)),
        performing=signed_in(here, here.hire("head", team_id=south, manager_id=vera)),
        other_head=signed_in(here, here.hire("head", team_id=north)),
        keeper=signed_in(here, here.hire("admin")),
    )  # fmt: skip


def signed_in(here: Company, person: Person) -> Browser:
    body = {"login": f"{person.account_id}@romashka.ru"}
    code = here.admin.post(f"/v1/accounts/{person.account_id}/password", body).json()["code"]
    browser = Browser(here)
    browser.post("/auth/setup", {"code": code, "password": PASSWORD})
    assert browser.sign_in(body["login"], PASSWORD).status_code == 204
    return browser


def page(browser: Browser, path: str, status: int = 200) -> str:
    """As it is read: figures with plain spaces."""
    answer = browser.get(path)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("text/html")
    return re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", answer.text)


def read(text: str) -> str:
    """The words of some HTML."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def row(text: str, number: int) -> str:
    return between(text, f'<tr role="row" id="a{number}"', "</tr>")


def between(text: str, start: str, end: str) -> str:
    found = text[text.index(start) :]
    return found[: found.index(end)]


def amount(text: str) -> Decimal:
    """The exact roubles in a title."""
    (found,) = re.findall(r'title="([−+]?[\d ]+,\d+) ₽"', text)
    return Decimal(found.replace(" ", "").replace(",", ".").replace("−", "-"))


# ---------------------------------------------------------------------------------------- a deal


def test_every_action_shows_the_credit_of_the_answer_and_the_roubles_that_it_adds(
    here: Company, year: SimpleNamespace
) -> None:
    text = page(year.director, f"/deals/{year.deal}")
    answer = here.director.ask(f"/v1/deals/{year.deal}")
    check = Decimal(answer["potential_check"]["amount"])
    added = Decimal()
    for number, action in enumerate(answer["actions"], 1):
        cells = re.findall(r"<td.*?</td>", row(text, number), re.DOTALL)
        if Decimal(action["credit"]):
            assert read(cells[5]) == action["credit"].replace(".", ",")
            assert amount(cells[6]) == check * Decimal(action["credit"]) / 100
            added += amount(cells[6])
    total = between(text, "<tfoot", "</tfoot>")
    assert amount(total) == added == check * Decimal(answer["progress"]) / 100
    assert answer["progress"].replace(".", ",") in read(total)


def test_what_stands_in_the_portfolio_is_what_the_portfolios_of_the_managers_hold(
    here: Company, year: SimpleNamespace
) -> None:
    text = page(year.director, f"/deals/{year.deal}")
    held = {}
    for manager in (year.anna, year.vera):
        answer = here.director.ask(f"/v1/managers/{manager}/portfolio")
        (line,) = [one for one in answer["currencies"][0]["deals"] if one["deal_id"] == year.deal]
        held[manager] = line
    fact = between(text, "В портфеле", "</div>")
    assert amount(fact) == sum(Decimal(line["active"]) for line in held.values())
    legend = between(text, '<ul class="legend">', "</ul>")
    lines = re.findall("<li>.*?</li>", legend, re.DOTALL)
    for line, manager in zip(lines, (year.anna, year.vera), strict=False):
        assert amount(line) == Decimal(held[manager]["active"])
        assert f"{held[manager]['credit'].replace('.', ',')} %" in read(line)


def test_a_late_entry_is_marked_and_a_prompt_one_is_not(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.deal}")
    assert "+8 дней" in read(row(text, 2))
    assert 'class="late"' in row(text, 2)
    assert 'class="late"' not in row(text, 1)
    drawn = between(text, 'class="chart lanes wide"', "</svg>")
    assert drawn.count("late-mark") == 2, "on either rail"
    assert "записано через 8 дней" in drawn


def test_seven_days_are_not_late(year: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deal_page, "LATE_DAYS", 8)
    text = page(year.director, f"/deals/{year.deal}")
    assert "late-mark halo" not in text
    assert 'class="late"' not in row(text, 2)


def test_a_claim_is_hatched_and_says_how_much_of_it_will_count(year: SimpleNamespace) -> None:
    """Progress is 45, and 80 more are claimed."""
    text = page(year.director, f"/deals/{year.deal}")
    assert "Прогресс 45,00 %" in read(text)
    legend = read(between(text, '<ul class="legend">', "</ul>"))
    assert "Заявлено 80,00 % при подтверждении зачтётся 55,00 %" in legend
    assert "25,00 % сверх" in read(text)
    assert 'class="isclaim"' in row(text, 5)


def test_a_withdrawn_action_stays_and_counts_nothing(year: SimpleNamespace) -> None:
    text = row(page(year.director, f"/deals/{year.deal}"), 3)
    assert 'class="gone"' in text
    assert "отозвано" in read(text)
    assert "Не подтвердилось" in text


def test_a_setback_says_what_it_took(year: SimpleNamespace) -> None:
    text = read(row(page(year.director, f"/deals/{year.deal}"), 4))
    assert "−5,00 −5,00 из прежних" in text


def test_each_figure_leads_to_its_event_and_each_event_shows_what_it_changed(
    here: Company, year: SimpleNamespace
) -> None:
    text = page(year.director, f"/deals/{year.deal}")
    for event in here.director.ask(f"/v1/deals/{year.deal}/events")["events"]:
        shown = between(text, f'<tr role="row" id="e{event["position"]}"', "</tr>")
        for line in event["added"]:
            figure = Decimal(line["amount"])
            places = len(line["amount"].partition(".")[2])
            said = f"{abs(figure):,.{places}f}".replace(",", " ").replace(".", ",")
            assert f"{'−' if figure < 0 else '+'}{said} ₽" in read(shown)
    for target in re.findall(r'href="#(\w+)"', text):
        assert f'id="{target}"' in text, target


def test_the_check_has_a_history(year: SimpleNamespace) -> None:
    text = read(between(page(year.director, f"/deals/{year.deal}"), 'id="checks"', "</section>"))
    assert "500 000 000,37 ₽ +100 000 000,37 ₽ Ещё семь магазинов" in text
    assert "400 000 000,00 ₽ открыта" in text


def test_the_deal_of_an_earlier_day_is_the_deal_of_that_day(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.deal}?as_of=2026-02-28")
    assert "Прогресс 10,00 %" in read(text)
    assert 'id="a2"' not in text
    assert "Это сделка на 28 февраля 2026 г." in read(text)
    assert 'data-key="t"' in text


def test_what_was_not_yet_recorded_is_left_out(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.deal}?as_of=2026-03-05&known_at=2026-03-05")
    assert "Прогресс 10,00 %" in read(text)
    text = page(year.director, f"/deals/{year.deal}?as_of=2026-03-05")
    assert "Прогресс 50,00 %" in read(text)


def test_before_its_opening_there_is_no_deal_but_a_way_to_it(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.deal}?as_of=2026-01-11", 404)
    assert f'href="/deals/{year.deal}?as_of=2026-01-12"' in text
    assert f'href="/deals/{year.deal}"' in text


def test_what_somebody_may_not_see_is_not_told_before_its_opening_either(
    year: SimpleNamespace,
) -> None:
    for asked in ("", "?as_of=2026-01-11"):
        text = page(year.boriss, f"/deals/{year.deal}{asked}", 404)
        assert "Витрины" not in text
        page(year.boriss, f"/deals/{year.deal}/actions.json{asked}", 404)


def test_a_won_deal_says_by_which_contract(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.won}")
    assert amount(between(text, "<dt>Выиграно", "</div>")) == Decimal("900000.01")
    assert "контракт на 900 000,01 ₽" in read(text)


def test_what_was_claimed_in_a_closed_deal_waits_for_nobody(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.won}")
    assert "при подтверждении" not in text
    assert "/commands/confirmation" not in text
    assert "заявлено" in read(row(text, 3))


def test_a_confirmation_holds_from_the_day_of_its_action_and_is_not_late(
    year: SimpleNamespace,
) -> None:
    """It came twelve days after."""
    text = page(year.director, f"/deals/{year.won}")
    assert "подтверждено" in read(row(text, 1))
    assert 'class="lk conf"' in between(text, 'class="chart lanes wide"', "</svg>")
    assert 'class="late"' not in between(text, 'id="changes"', "</section>")
    assert "late-mark halo" not in text


def test_a_deal_without_actions_says_what_to_do(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.quiet}")
    assert "Действий пока нет" in read(text)
    assert f'href="/record?deal_id={year.quiet}"' in text
    text = page(year.auditor, f"/deals/{year.quiet}")
    assert "/record" not in text


def test_who_may_change_a_deal_finds_how_and_nobody_else_does(year: SimpleNamespace) -> None:
    path = f"/deals/{year.deal}"
    for browser in (year.director, year.head):
        text = page(browser, path)
        assert f"{path}/commands/check-revisions" in text
        assert f"{path}/commands/confirmation?action_id={year.claimed}" in text
    for browser in (year.auditor, year.annas):
        assert "/commands/" not in page(browser, path)
    assert "/commands/reopening" in page(year.director, f"/deals/{year.won}")


def test_nobody_is_offered_to_confirm_an_action_of_their_own(year: SimpleNamespace) -> None:
    text = page(year.performing, f"/deals/{year.deal}")
    assert "/commands/check-revisions" in text
    assert "/commands/confirmation" not in text


def test_a_manager_is_offered_to_withdraw_a_claim_of_their_own_and_nothing_else(
    year: SimpleNamespace,
) -> None:
    path = f"/deals/{year.deal}/commands/"
    (link,) = re.findall(f'href="({path}[^"]+)"', page(year.veras, f"/deals/{year.deal}"))
    assert link == f"{path}withdrawal?action_id={year.claimed}"


def test_a_claim_of_several_is_nobodys_to_withdraw_alone() -> None:
    visit: Any = SimpleNamespace(grant=Grant(Role.MANAGER, ManagerId("anna")))
    alone, other = Performer("anna", "1.00", ""), Performer("vera", "1.00", "")
    handed = Performer("anna", "1.00", "vera")
    assert deal_page._takes_back(visit, {"status": "open"}, [alone])
    assert not deal_page._takes_back(visit, {"status": "won"}, [alone])
    assert not deal_page._takes_back(visit, {"status": "open"}, [alone, other])
    assert not deal_page._takes_back(visit, {"status": "open"}, [handed])


def test_a_head_changes_the_deals_of_the_team_and_sees_those_of_others() -> None:
    team = TeamId(UUID(int=1))
    visit: Any = SimpleNamespace(grant=Grant(Role.HEAD, team_id=team))
    people = People.of(
        [
            {"manager_id": "anna", "name": "Анна", "team_id": str(team)},
            {"manager_id": "boris", "name": "Борис", "team_id": str(UUID(int=2))},
            {"manager_id": "vera", "name": "Вера", "team_id": None},
        ]
    )
    owners = [who for who in people.names if deal_page._judges(visit, people, {"owner": who})]
    assert owners == ["anna"]


def test_the_log_is_offered_to_those_who_may_read_it(year: SimpleNamespace) -> None:
    assert 'href="/log?' in page(year.auditor, f"/deals/{year.deal}")
    assert "/log" not in page(year.annas, f"/deals/{year.deal}")


def test_what_people_typed_is_text(year: SimpleNamespace) -> None:
    for path in (f"/deals/{year.deal}", "/deals"):
        text = page(year.director, path)
        assert "<b>& холод" not in text
        assert "Витрины &lt;b&gt;&amp; холод&lt;/b&gt;" in text


@pytest.mark.parametrize(
    "asked", ["as_of=gestern", "as_of=2999-01-01", "known_at=x", "as_of=2026-02-30"]
)
def test_a_point_that_is_none_is_a_page_that_says_so(year: SimpleNamespace, asked: str) -> None:
    for path in ("/deals", f"/deals/{year.deal}", f"/deals/{year.deal}/actions.csv"):
        answer = year.director.get(f"{path}?{asked}")
        assert answer.status_code in {409, 422}
        assert "<h1>" in answer.text


def test_an_address_of_no_deal_is_a_page_that_says_so(year: SimpleNamespace) -> None:
    page(year.director, "/deals/nonsense", 404)
    page(year.director, "/deals/0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11", 404)
    page(year.director, f"/deals/{year.deal}/actions.pdf", 404)


def test_fields_that_a_form_sends_empty_mean_nothing(year: SimpleNamespace) -> None:
    page(year.director, f"/deals/{year.deal}?as_of=2026-06-30&known_at=")
    page(year.director, "/deals?as_of=&known_at=&status=&manager_id=&q=")


# ----------------------------------------------------------------------------------- the list


def deals_on(text: str) -> list[str]:
    return re.findall(r'd-title"><a href="/deals/([\w-]+)', text)


def test_the_list_shows_what_the_api_lists(here: Company, year: SimpleNamespace) -> None:
    text = page(year.director, "/deals")
    answers = here.director.ask("/v1/deals")["deals"]
    assert sorted(deals_on(text)) == sorted(deal["deal_id"] for deal in answers)
    for deal in answers:
        shown = between(text, f'<a href="/deals/{deal["deal_id"]}', "</tr>")
        assert amount(between(shown, "d-check", "</td>")) == Decimal(
            deal["potential_check"]["amount"]
        )
        assert deal["progress"].replace(".", ",") in read(shown)


def test_the_totals_are_those_of_what_is_shown(here: Company, year: SimpleNamespace) -> None:
    for asked in ("", "status=won", "q=базар", f"manager_id={year.boris}"):
        text = page(year.director, f"/deals?{asked}")
        shown = deals_on(text)
        expected: dict[str, Decimal] = {}
        for deal in here.director.ask("/v1/deals")["deals"]:
            if deal["deal_id"] in shown:
                check = deal["potential_check"]
                before = expected.get(check["currency"], Decimal())
                expected[check["currency"]] = before + Decimal(check["amount"])
        rows = between(text, "<tfoot", "</tfoot>").split("<tr")[1:]
        assert [amount(between(row, "d-check", "</td>")) for row in rows] == [*expected.values()]
        assert "Итого" in read(rows[0])
        assert "на этой странице" not in read(rows[0])


def test_currencies_are_never_added_up() -> None:
    checks = [("100.10", "USD"), ("7.00", "RUB"), ("0.01", "USD")]
    deals = [{"potential_check": {"amount": one, "currency": of}} for one, of in checks]
    found = deals_page.Found(date(2026, 6, 30), {}, deals, None, People.of([]))
    assert found.totals == [("USD", 2, "100.11"), ("RUB", 1, "7.00")]


def test_each_role_sees_its_own(year: SimpleNamespace) -> None:
    everything = {year.deal, year.quiet, year.won}
    assert set(deals_on(page(year.director, "/deals"))) == everything
    assert set(deals_on(page(year.auditor, "/deals"))) == everything
    assert set(deals_on(page(year.annas, "/deals"))) == {year.deal, year.won}
    assert set(deals_on(page(year.head, "/deals"))) == {year.deal, year.won}
    assert set(deals_on(page(year.boriss, "/deals"))) == {year.quiet}
    assert set(deals_on(page(year.other_head, "/deals"))) == {year.quiet}
    assert "Витрины" not in page(year.keeper, "/deals", 403)


def test_owners_to_choose_from_are_those_whom_the_reader_may_see(year: SimpleNamespace) -> None:
    def owners(browser: Browser) -> set[str]:
        text = page(browser, "/deals")
        if 'id="owner"' not in text:
            return set()
        return set(re.findall(r'option value="([^"]+)"', between(text, 'id="owner"', "</select>")))

    assert owners(year.director) == {year.anna, year.boris, year.vera}
    assert owners(year.head) == {year.anna, year.vera}
    assert owners(year.annas) == set()


def test_filters_let_pass_what_is_asked_for(year: SimpleNamespace) -> None:
    def found(asked: str) -> set[str]:
        return set(deals_on(page(year.director, f"/deals?{asked}")))

    assert found("status=won") == {year.won}
    assert found("status=lost") == set()
    assert found(f"manager_id={year.boris}") == {year.quiet}
    assert found("q=елочный") == {year.quiet}
    assert found("q=БАЗАР") == {year.quiet}
    assert found("q=базар+ёлоч") == {year.quiet}
    assert found("q=базар+витрины") == set()
    assert found("as_of=2026-05-19") == {year.deal}


def test_nothing_found_says_how_to_go_on(year: SimpleNamespace) -> None:
    text = page(year.director, "/deals?q=нет+такой&status=open")
    assert "таких сделок нет" in read(text)
    assert '<a href="/deals">Показать все сделки' in text
    assert "Сделка появляется, когда её открывают" in read(
        page(year.director, "/deals?as_of=2026-01-11")
    )


@pytest.mark.parametrize("asked", ["status=asleep", "cursor=x", "cursor=-1", "q=a&q=b"])
def test_a_filter_that_is_none_is_a_page_that_says_so(year: SimpleNamespace, asked: str) -> None:
    page(year.director, f"/deals?{asked}", 422)


def test_an_owner_whom_one_may_not_see_is_not_found(year: SimpleNamespace) -> None:
    page(year.boriss, f"/deals?manager_id={year.anna}", 404)


def test_an_order_is_kept_and_one_that_is_none_is_ignored(year: SimpleNamespace) -> None:
    by_check = [year.deal, year.quiet, year.won]
    assert deals_on(page(year.director, "/deals")) == by_check
    by_title = [year.deal, year.won, year.quiet]
    assert deals_on(page(year.director, "/deals?sort=title")) == by_title
    assert set(deals_on(page(year.director, "/deals?sort=colour"))) == set(by_check)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_all_pages_are_walked_each_deal_once(
    year: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(deals_page, "ASKED_AT_ONCE", at_once)
    assert len(deals_on(page(year.director, "/deals"))) == 3
    assert len(year.director.get("/deals.json").json()["rows"]) == 3
    assert deals_on(page(year.director, "/deals?q=базар")) == [year.quiet]


def test_more_than_a_page_goes_on_behind_a_link(
    year: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deals_page, "SHOWN", 2)
    text = page(year.director, "/deals?status=&as_of=2026-06-29")
    assert deals_on(text) == [year.deal, year.won], "as they were recorded"
    assert "aria-sort" not in text
    assert "Итого на этой странице 2 сделки" in read(between(text, "<tfoot", "</tfoot>"))
    (link,) = re.findall(r'rel="next" href="([^"]+)"', text)
    rest = page(year.director, unescape(link))
    assert deals_on(rest) == [year.quiet]
    assert "Это сделки на 29 июня 2026 г." in read(rest)
    assert 'rel="next"' not in rest
    assert "Итого на этой странице 1 сделка" in read(between(rest, "<tfoot", "</tfoot>"))


# ----------------------------------------------------------------------------------- to take along


def test_the_actions_can_be_taken_along_with_the_point_they_were_asked_at(
    here: Company, year: SimpleNamespace
) -> None:
    answer = here.director.ask(f"/v1/deals/{year.deal}")
    taken = year.director.get(f"/deals/{year.deal}/actions.json").json()
    assert (taken["as_of"], taken["position"]) == (answer["as_of"], answer["position"])
    for action, line in zip(answer["actions"], taken["rows"], strict=True):
        assert line["Вес, %"] == action["weight"]
        assert line["Зачтено, %"] == action["credit"]
        assert line["Когда было"] == action["effective_on"]
        assert line["Основание"] == action["evidence"]
    adds = [Decimal(line["Добавляет"]) for line in taken["rows"]]
    check = Decimal(answer["potential_check"]["amount"])
    assert sum(adds) == check * Decimal(answer["progress"]) / 100


def test_tables_open_in_a_spreadsheet_and_carry_no_formula(year: SimpleNamespace) -> None:
    actions = f"/deals/{year.deal}/actions"
    header, first, *_ = csv.reader(io.StringIO(year.director.get(f"{actions}.csv").text))
    assert first[header.index("Основание")] == "'=Акт № 1"
    excel = year.director.get(f"{actions}.excel.csv").content
    assert excel.startswith(b"\xef\xbb\xbf")
    header, first, *_ = csv.reader(io.StringIO(excel.decode("utf-8-sig")), delimiter=";")
    assert first[header.index("Вес, %")] == "10,00"
    for path in (actions, "/deals"):
        book = year.director.get(f"{path}.xlsx").content
        with zipfile.ZipFile(io.BytesIO(book)) as parts:
            assert parts.testzip() is None
            assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")


def test_the_list_is_taken_along_as_it_was_filtered(year: SimpleNamespace) -> None:
    text = page(year.director, "/deals?status=won&q=выиг&as_of=2026-06-29")
    links = re.findall(r'href="(/deals\.[^"]+)"', text)
    assert len(links) == 4
    (as_json,) = [link for link in links if ".json" in link]
    (line,) = year.director.get(unescape(as_json)).json()["rows"]
    assert line["Сделка"] == "Выигранная"
    assert line["Состояние"] == "выиграна"


# ------------------------------------------------------------------------------ both languages


TYPED = (
    "Витрины холод Выигранная Ёлочный базар Базар Ромашка Анна Борис Вера Соколова Орлов Орлова "
    "ТКП представлено ЛПР Акт Согласовано Ещё семь магазинов Не подтвердилось Кто то К"
)
"""What the company's people called things; all else is ours."""


def test_english_in_full(year: SimpleNamespace) -> None:
    for path in (f"/deals/{year.deal}", f"/deals/{year.won}", f"/deals/{year.quiet}", "/deals"):
        text = read(page(year.director, f"{path}?lang=en"))
        assert set(re.findall(r"[А-Яа-яЁё]+", text)) <= set(TYPED.split()), path


def test_every_text_of_these_pages_has_its_russian() -> None:
    known = {key[0] if isinstance(key, tuple) else key for key in _translations("ru")._catalog}
    said = [text for names in deal_page.EVENTS.values() for text in names if text]
    said += [label for commands in deal_page._COMMANDS.values() for _, label in commands]
    for name in ("deal.html", "deal_not_yet.html", "deal_parts.html", "deals.html"):
        source = (PAGES / "templates" / name).read_text()
        said += re.findall(r'(?<!p)(?:_|ngettext)\(["\'](.+?)["\'][,)]', source)
        said += [f"{a}\x04{b}" for a, b in re.findall(r'pgettext\("(.+?)", "(.+?)"', source)]
    for name in ("deal.py", "deals.py"):
        said += re.findall(r"say\([\"'](.+?)[\"']\)", (PAGES / name).read_text())
    assert [text for text in said if text not in known] == []


# ------------------------------------------------------------------------------------- drawings


def words(**more: str) -> dict[str, str]:
    return {"label": "", "cap": "", "claimed": "", "over": ""} | more


def test_the_bar_is_as_long_as_the_progress_and_the_cap_stands_at_a_hundred() -> None:
    drawn = str(progress_bar([Share("m1", 60, "a"), Share("m2", 30, "b")], 20, words()))
    widths = [float(one) for one in re.findall(r'class="band m\d" [^>]*width="([\d.]+)"', drawn)]
    (cap,) = re.findall(r'class="cap" x1="([\d.]+)"', drawn)
    (claim,) = re.findall(r'class="claim edge"[^>]*width="([\d.]+)"', drawn)
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert sum(widths) == pytest.approx(0.9 * float(cap), abs=0.2)
    assert float(claim) == pytest.approx(0.2 * float(cap), abs=0.1)


def test_what_lies_beyond_a_hundred_stays_in_the_drawing() -> None:
    for narrow, width in ((False, 1360), (True, 358)):
        drawn = str(progress_bar([Share("m1", 100, "a")], 300, words(), narrow=narrow))
        ends = [
            float(x) + float(long)
            for x, long in re.findall(r'x="([\d.]+)" y="22[.5]*" width="([\d.]+)"', drawn)
        ]
        assert max(ends) <= width


def _drawn(*marks: Mark, days: int = 100, managers: int = 1, part: float = 2.0) -> str:
    first = date(2026, 1, 10)
    bands = [Band(f"кто-{n}", "m1", [0.0, part, part]) for n in range(managers)]
    shown = History(
        [first, first + timedelta(days=5), first + timedelta(days=days)],
        bands, [0.0] * 3, ["2,00"] * (managers + 1), [Check(first, 0.0, "0", "открыта")], marks,
    )  # fmt: skip
    said = Words("", "", "", "", "", "", "заявлено", "сегодня", lambda day: f"{day:%m}")
    return str(history(shown, said))


def test_an_entry_recorded_after_the_day_asked_about_is_still_on_the_axis() -> None:
    """Asked about an early day, but with what is known now."""
    on = date(2026, 1, 20)
    late = Mark("action", on, date(2026, 9, 1), "m1", "1", "<b>", "поздно")
    drawn = _drawn(late, days=20)
    assert "<b>" not in drawn
    xs = [float(x) for x in re.findall(r'(?:x|x1|x2|cx)="([\d.]+)"', drawn)]
    assert max(xs) <= 1360
    assert "поздно" in drawn


def test_a_deal_of_fifty_years_has_few_months_and_one_of_a_day_has_one() -> None:
    assert 7 <= _drawn(days=18_000).count("vgrid") <= 14
    assert _drawn(days=6).count("vgrid") == 1


@pytest.mark.parametrize("part", [0.5, 2.0, 8.0])
def test_names_beside_the_bands_do_not_lie_on_each_other(part: float) -> None:
    drawn = _drawn(managers=12, part=part)
    ys = [float(y) for y in re.findall(r'class="lab" x="1220.0" y="([\d.]+)"', drawn)]
    assert len(ys) == 8, "of many the widest"
    assert all(abs(one - other) >= 15.9 for one, other in pairwise(ys))
    assert min(ys) > 0
    assert max(ys) <= 150, "nor on the row of the check"


def test_labels_over_the_rail_leave_each_other_room() -> None:
    on = date(2026, 2, 1)
    marks = [Mark("action", on, on, "m1", str(number), "") for number in range(10)]
    assert _drawn(*marks).count('class="evn"') == 2, "one on either line"


def test_two_of_one_surname_are_called_in_full() -> None:
    def one(who: str, name: str | None) -> dict[str, Any]:
        return {"manager_id": who, "name": name, "team_id": None}

    people = People.of([one("a", "Анна Орлова"), one("b", "Вера Орлова"), one("c", "Олег Ким"),
                        one("d", None)])  # fmt: skip
    assert [people.short(who) for who in "abcde"] == ["Анна Орлова", "Вера Орлова", "Ким", "d", "e"]
    assert [people.colour(who) for who in "ab"] == ["m1", "m2"]


def test_past_twelve_managers_the_rest_are_one_colour() -> None:
    many = [{"manager_id": str(n), "name": None, "team_id": None} for n in range(14)]
    people = People.of(many)
    assert [people.colour(str(n)) for n in (11, 12, 13)] == ["m12", "rest", "rest"]


def test_pages_are_not_for_strangers(here: Company, year: SimpleNamespace) -> None:
    answer: httpx.Response = Browser(here).get(f"/deals/{year.deal}?as_of=2026-02-28")
    assert answer.status_code == 303
    assert "next=" in answer.headers["location"]


def test_a_reason_stands_apart_from_what_it_is_a_reason_of(year: SimpleNamespace) -> None:
    text = page(year.director, f"/deals/{year.deal}")
    reasons = re.findall(r'(.{7})<span class="dim">(Ещё семь магазинов|Не подтвердилось)<', text)
    assert len(reasons) == 2
    assert all(before.endswith(" ") for before, _ in reasons)


def test_before_its_day_a_deal_says_when_it_was_opened_with_one_full_stop(
    year: SimpleNamespace,
) -> None:
    text = read(page(year.director, f"/deals/{year.deal}?as_of=2026-01-11", status=404))
    assert "Её открыли 12 января 2026 г. Сделка" in text


def test_a_name_leads_nowhere_for_whoever_may_not_see_the_person(year: SimpleNamespace) -> None:
    """Vera did a part of Anna's deal: a manager reads the name, and a head of both follows it."""
    for path in ("/deals", f"/deals/{year.deal}"):
        for browser in (year.annas, year.veras, year.head, year.director):
            linked = set(re.findall(r'href="/managers/([^"?]+)', page(browser, path)))
            assert linked or browser is year.veras, "somebody on it is theirs"
            assert not {browser.get(f"/managers/{who}").status_code for who in linked} - {200}
    assert "Вера Орлова" in read(page(year.annas, f"/deals/{year.deal}"))
