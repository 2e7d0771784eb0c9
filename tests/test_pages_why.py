"""Why a portfolio changed, and a manager's page: what they show is what the API answers."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from io import BytesIO, StringIO
from itertools import product
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from api.pages import causes
from api.pages.charts import Band, stack
from api.pages.figures import on_axis
from api.pages.waterfall import Bar, Waterfall
from domain.values import ManagerId
from projections.lines import latest_from_ledger, lines_between, lines_from_ledger
from projections.log import deal_events
from tests.browser import Browser
from tests.over_http import AUTUMN, Company, Person, company
from tests.test_sign_in import PASSWORD, invite

FIRST, LAST = "2026-03-31", "2026-10-20"
MOVED = f"/movement?from={FIRST}&to={LAST}"
RESTATED = "/restatement?as_of=2026-09-30&from_known_at=2026-10-01"


@dataclass(frozen=True)
class Cast:
    """Anna leads the deals in the north, Boris has a part; Vera is in the south and quiet, and Gleb
    came from there to the north on 10 October.
    """

    here: Company
    anna: str
    boris: str
    vera: str
    gleb: str
    deal: str
    quick: str
    readers: Mapping[str, Browser]

    def page(self, path: str, role: str = "director") -> httpx.Response:
        return self.readers[role].get(path)

    def shown(self, path: str, role: str = "director") -> str:
        answer = self.page(path, role)
        assert answer.status_code == 200, answer.text
        return re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", unescape(answer.text))


@pytest.fixture(scope="module")
def cast(shared_database: str) -> Iterator[Cast]:
    with company(shared_database, datetime(2026, 1, 5, 9, tzinfo=UTC)) as here:
        yield _set_up(here)


def _set_up(here: Company) -> Cast:
    teams = [here.director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг")]
    anna = here.manager(team_id=teams[0])
    boris = here.manager("Борис Ильин", team_id=teams[0])
    vera = here.manager("Вера <Южная>", team_id=teams[1])
    gleb = here.manager("Глеб Ушаков", team_id=teams[1])
    meeting, contract = here.kind("7.00"), here.kind("11.33", needs_confirmation=True)
    here.clock.now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    deal = here.deal(anna, "400000000.00")
    quick = here.deal(anna, "90000000.01", on="2026-02-01")
    here.act(deal, anna, meeting, "2026-02-10")
    here.act(here.deal(gleb, title="Склад в Туле"), gleb, meeting, "2026-02-20")
    here.clock.now = AUTUMN.replace(day=1, hour=5)
    here.act(deal, anna, meeting, "2026-05-12", comment="100 % =HYPERLINK")
    shared = [{"manager_id": anna, "weight": "4.00"}, {"manager_id": boris, "weight": "3.00"}]
    body = {"action_type": meeting, "effective_on": "2026-06-01", "credits": shared}
    here.director.do(f"/v1/deals/{deal}/actions", body)
    revised = {"amount": "410000000.01", "effective_on": "2026-07-02", "reason": "=1+1"}
    here.director.do(f"/v1/deals/{deal}/check-revisions", revised)
    for on in range(1, 9):
        here.act(quick, boris, meeting, f"2026-08-0{on}")
    here.clock.now = AUTUMN
    claim = here.act(deal, boris, contract, "2026-09-10")
    here.director.do(f"/v1/deals/{deal}/actions/{claim}/confirmation")
    here.act(deal, boris, contract, "2026-09-28")
    changed = {"team_id": teams[0], "effective_on": "2026-10-10"}
    here.director.do(f"/v1/managers/{gleb}/team-changes", changed)
    won = {"contract_amount": "80000000.00", "effective_on": "2026-10-05"}
    here.director.do(f"/v1/deals/{quick}/win", won)
    places: Mapping[str, Mapping[str, str]] = {
        "manager": {"manager_id": boris},
        "head": {"team_id": teams[0]},
        "south": {"team_id": teams[1]},
    }
    readers = {
        name: _reader(here, "head" if name == "south" else name, places.get(name, {}))
        for name in ("director", "auditor", "manager", "head", "south", "admin")
    }
    return Cast(here, anna, boris, vera, gleb, deal, quick, readers)


def _reader(here: Company, role: str, place: Mapping[str, str]) -> Browser:
    person: Person = here.hire(role, **place)
    browser = Browser(here)
    code = invite(here, person, f"{person.account_id}@romashka.ru")
    set_up = browser.post("/auth/setup", {"code": code, "password": PASSWORD})
    assert set_up.status_code == 204, set_up.text
    browser.open_page()
    return browser


class _Titles(HTMLParser):
    """The exact amounts of a page: the titles of what stands in the cells of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        title = dict(attrs).get("title") or ""
        if tag in {"a", "span"} and title.endswith("₽"):
            self.titles.append(title)


def amounts(page: str) -> list[Decimal]:
    return [
        Decimal(re.sub(r"[^0-9,−]", "", title).replace(",", ".").replace("−", "-"))
        for title in _Titles(page).titles
    ]


def fall_of(page: str) -> list[Decimal]:
    """The waterfall's column."""
    table = page[page.index('class="fall"') :]
    return amounts(table[: table.index("</table>")])


def active(lines: Any) -> Decimal:
    return sum(
        (Decimal(line["amount"]) for line in lines if line["account"] == "active"), Decimal()
    )


# ------------------------------------------------------------------------------------- movement


def test_the_waterfall_is_what_the_api_answers_and_balances(cast: Cast) -> None:
    said = cast.here.director.ask("/v1/portfolios/movement", from_=FIRST, to=LAST)
    page = cast.shown(MOVED)
    first, *changes, last = fall_of(page)
    assert first == Decimal(said["opening"]["active"])
    assert last == Decimal(said["closing"]["active"])
    assert sum(changes) == active(said["lines"]) == last - first
    assert len(changes) >= 3
    assert "Сходится до копейки" in page


def test_the_events_of_each_cause_add_up_to_it(cast: Cast) -> None:
    said = json.loads(cast.shown(MOVED.replace("?", ".json?")))
    answer = cast.here.director.ask("/v1/portfolios/movement", from_=FIRST, to=LAST)
    assert said["from"] == FIRST
    assert said["as_of"] == LAST
    summed: dict[str, Decimal] = {}
    for row in said["rows"]:
        summed[row["Причина"]] = summed.get(row["Причина"], Decimal()) + Decimal(row["Сумма"])
    by_cause: dict[str, Decimal] = {}
    titles = {event: cause.title for cause in causes.MOVED for event in cause.events}
    for line in answer["lines"]:
        if line["account"] == "active":
            title = titles[line["cause"]]
            by_cause[title] = by_cause.get(title, Decimal()) + Decimal(line["amount"])
    assert sorted(summed.values()) == sorted(by_cause.values())


def test_a_line_is_what_the_deals_history_says_of_its_event(cast: Cast) -> None:
    said = json.loads(cast.shown(MOVED.replace("?", ".json?") + "&lang=en"))
    added = {}
    for deal in (cast.deal, cast.quick):
        for event in cast.here.director.ask(f"/v1/deals/{deal}/events")["events"]:
            if FIRST < event["effective_on"] <= LAST and active(event["added"]):
                added[event["position"]] = (event["effective_on"], active(event["added"]))
    lines = {row["Position"]: (row["When it was"], Decimal(row["Amount"])) for row in said["rows"]}
    assert lines == added


def test_few_events_of_a_cause_are_shown_and_all_when_it_is_opened(cast: Cast) -> None:
    page = cast.shown(MOVED)
    assert "ещё 5 событий" in page
    assert page.count(f"/deals/{cast.quick}#e") == 3 + 1, (
        "two and a claim of the other deal are larger"
    )
    opened = cast.shown(f"{MOVED}&all=actions")
    assert opened.count(f"/deals/{cast.quick}#e") == 8 + 1
    assert "ещё 5 событий" not in opened


def test_an_event_says_both_times_and_how_late_it_came(cast: Cast) -> None:
    page = cast.shown(MOVED)
    assert "+142 дня" in page, "of 12 May, recorded on 1 October"
    assert 'title="12 мая' in page
    assert "чек стал" in page
    assert "Борис Ильин" in page


def test_what_is_known_narrows_the_movement(cast: Cast) -> None:
    page = cast.shown(f"{MOVED}&known_at=2026-10-10")
    said = cast.here.director.ask(
        "/v1/portfolios/movement", from_=FIRST, to=LAST, known_at="2026-10-10"
    )
    assert fall_of(page)[-1] == Decimal(said["closing"]["active"])
    assert "Выиграно" not in page[page.index('class="fall"') :]


def test_nothing_changed_says_what_to_do_next(cast: Cast) -> None:
    page = cast.shown("/movement?from=2026-01-13&to=2026-01-14")
    assert "Ничего не изменилось" in page
    assert "Выберите более раннее начало" in page


def test_without_dates_it_is_the_month_so_far(cast: Cast) -> None:
    page = cast.shown("/movement")
    assert "с 30 сентября 2026" in page
    assert 'value="2026-10-20"' in page


@pytest.mark.parametrize(
    "path",
    [
        "/movement?from=2026-10-01&to=2026-09-01",
        "/movement?from=gestern",
        "/movement?to=9999-99-99",
        "/movement?team_id=1",
        "/movement?manager_id=nobody",
        "/movement?known_at=never",
        "/movement.doc?from=2026-01-01",
        "/restatement?from_position=-1",
        "/restatement?as_of=x",
        "/restatement?from_known_at=2026-10-20&known_at=2026-10-10",
        "/managers/nobody",
        "/managers/%00",
        "/managers/m-1?as_of=2027-01-01",
        "/managers/m-1?known_at=x",
        "/managers/m-1/deals.doc",
    ],
)
def test_what_cannot_be_asked_is_refused_by_a_page(cast: Cast, path: str) -> None:
    answer = cast.page(path.replace("m-1", cast.anna))
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "К портфелю" in answer.text


# ---------------------------------------------------------------------------------- restatement


def test_the_restatement_is_what_the_api_answers_and_balances(cast: Cast) -> None:
    said = cast.here.director.ask(
        "/v1/portfolios/restatement", as_of="2026-09-30", from_known_at="2026-10-01"
    )
    page = cast.shown(RESTATED)
    first, *changes, last = fall_of(page)
    assert first == Decimal(said["earlier"]["active"])
    assert last == Decimal(said["later"]["active"])
    assert sum(changes) == active(said["lines"])
    assert 'aria-current="page">Движение' in page
    assert "подтверждено:" in page
    assert "+40 дней" in page, "of 10 September, confirmed on 20 October"
    rows = json.loads(cast.shown(RESTATED.replace("?", ".json?")))
    assert sum(Decimal(row["Сумма"]) for row in rows["rows"]) == active(said["lines"])
    assert rows["from_position"] == said["from_position"]


def test_a_restatement_may_begin_at_a_position(cast: Cast) -> None:
    page = cast.shown("/restatement?as_of=2026-09-30&from_position=1")
    assert fall_of(page)[0] == 0


# ---------------------------------------------------------------------------------------- roles


def test_a_head_sees_the_team_and_nobody_else(cast: Cast) -> None:
    asked = f"/v1/portfolios/movement?from={FIRST}&to={LAST}"
    said = cast.readers["head"].get(asked).json()
    first, *changes, last = fall_of(cast.shown(MOVED, "head"))
    assert (first, last) == tuple(Decimal(said[at]["active"]) for at in ("opening", "closing"))
    assert changes == fall_of(cast.shown(MOVED))[1:-1], "all that moved is the north's"
    assert "Ничего не изменилось" in cast.shown(MOVED, "south")
    assert cast.page(f"/managers/{cast.vera}", "head").status_code == 404
    assert cast.page(f"{MOVED}&manager_id={cast.vera}", "head").status_code == 404
    assert cast.page(f"/managers/{cast.anna}/deals.csv", "south").status_code == 404


def test_a_head_is_not_told_what_somebody_had_in_another_team(cast: Cast) -> None:
    """And still opens the page."""
    page = cast.shown(f"/managers/{cast.gleb}", "head")
    assert "На 30 сентября 2026 г. сравнить не с чем" in page
    assert "Движение с" not in page
    feed = page[page.index("Последние события") :]
    assert "Склад в Туле" not in feed
    whole = cast.shown(f"/managers/{cast.gleb}")
    assert "Движение с" in whole
    assert "Склад в Туле" in whole[whole.index("Последние события") :]


def test_a_manager_sees_only_what_is_their_own(cast: Cast) -> None:
    page = cast.shown(MOVED, "manager")
    own = cast.here.director.ask(
        "/v1/portfolios/movement", from_=FIRST, to=LAST, manager_id=cast.boris
    )
    assert fall_of(page)[-1] == Decimal(own["closing"]["active"])
    assert "Анна Соколова" not in page, "of a shared action the own part alone"
    assert cast.page(f"/managers/{cast.anna}", "manager").status_code == 404
    assert cast.page(f"/managers/{cast.boris}", "manager").status_code == 200


@pytest.mark.parametrize("role", ["head", "manager", "admin"])
def test_the_restatement_is_for_those_who_audit(cast: Cast, role: str) -> None:
    assert cast.page(RESTATED, role).status_code == 403
    assert cast.page(RESTATED.replace("?", ".csv?"), role).status_code == 403
    if role != "admin":
        assert "/restatement" not in cast.shown(MOVED, role)


def test_the_auditor_sees_both_and_records_nothing(cast: Cast) -> None:
    page = cast.shown(RESTATED, "auditor")
    assert 'href="/movement' in page
    assert "Записать действие" not in page


def test_an_administrator_sees_no_portfolio(cast: Cast) -> None:
    assert cast.page(MOVED, "admin").status_code == 403
    assert cast.page(f"/managers/{cast.anna}", "admin").status_code in {403, 404}


# -------------------------------------------------------------------------------------- manager


def test_a_managers_page_is_what_the_api_answers(cast: Cast) -> None:
    said = cast.here.director.ask(f"/v1/managers/{cast.boris}/portfolio")
    held = said["currencies"][0]
    page = cast.shown(f"/managers/{cast.boris}?closed=1")
    told = amounts(page)
    for account in ("active", "claimed", "won"):
        assert Decimal(held[account]) in told
    assert all(
        Decimal(deal["active"]) in told for deal in held["deals"] if deal["active"] != "0.00"
    )
    assert "Вне портфеля" in page
    moved = cast.here.director.ask(
        "/v1/portfolios/movement", from_="2026-09-30", to=LAST, manager_id=cast.boris
    )
    first, *changes, last = fall_of(page)
    assert (first, last) == tuple(Decimal(moved[at]["active"]) for at in ("opening", "closing"))
    assert sum(changes) == last - first


def test_the_credits_in_the_table_add_up(cast: Cast) -> None:
    page = cast.shown(f"/managers/{cast.boris}?closed=1")
    table = page[page.index('class="grid stakes"') : page.index("</table>", page.index('stakes"'))]
    *rows, total = re.findall(r'c-credit(?: off)?">([\d,]+)<', table)
    is_open = re.findall(r'c-credit( off)?">', table)
    counted = [row for row, off in zip(rows, is_open, strict=False) if not off]
    assert sum(Decimal(one.replace(",", ".")) for one in counted) == Decimal(
        total.replace(",", ".")
    )
    assert len(counted) < len(rows), "what is over does not count"


def test_deals_that_are_over_are_shown_on_demand(cast: Cast) -> None:
    page = cast.shown(f"/managers/{cast.boris}")
    deals = page[page.index('id="deals"') : page.index("В портфеле")]
    assert cast.quick not in deals
    assert "и 1 завершённая сделка" in page
    assert "closed=1" in deals


def test_the_feed_has_claims_too_and_the_axis_marks_what_is_late(cast: Cast) -> None:
    page = cast.shown(f"/managers/{cast.boris}")
    assert "заявлено</span></a></td></tr>" in page
    chart = page[page.index('<svg class="chart wide"') : page.index('<p class="key">')]
    assert chart.count('class="late-mark halo"') == 2 * (1 + 8 + 2)


def test_a_manager_without_deals_is_told_what_comes_next(cast: Cast) -> None:
    page = cast.page(f"/managers/{cast.vera}").text
    assert "Вера &lt;Южная&gt;" in page
    assert "сделок в работе нет" in page
    assert "ничего не сделано" in page


# ----------------------------------------------------------------------- languages and files


@pytest.mark.parametrize("path", [MOVED, RESTATED, "/managers/m-1"])
def test_both_languages_are_whole(cast: Cast, path: str) -> None:
    path = path.replace("m-1", cast.boris)
    english = cast.shown(f"{path}{'&' if '?' in path else '?'}lang=en")
    prose = re.sub(r"title=\"[^\"]*\"|ТКП представлено ЛПР", "", english)
    for russian in ("Сходится", "Когда", "Сделк", "Действия", "событ", "млн"):
        assert russian not in prose
    assert "Balances to the kopeck" in english, path
    russian_page = cast.shown(path)
    for text in ("Balances", "When it was", "Recorded", "Actions", "confirmed:"):
        assert text not in russian_page


@pytest.mark.parametrize(
    "path",
    ["/movement{}?from=2026-03-31", "/restatement{}?as_of=2026-09-30", "/managers/m-1/deals{}"],
)
def test_what_is_taken_along_is_read_by_programs(cast: Cast, path: str) -> None:
    path = path.replace("m-1", cast.anna)
    rows = json.loads(cast.shown(path.format(".json")))["rows"]
    assert rows
    text = cast.page(path.format(".csv")).content.decode()
    read = list(csv.reader(StringIO(text, newline="")))
    assert read[0] == [*rows[0]]
    assert not any(cell.startswith(("=", "+")) for row in read for cell in row)
    excel = cast.page(path.format(".excel.csv")).content
    assert excel.startswith(b"\xef\xbb\xbf")
    assert len(list(csv.reader(StringIO(excel.decode("utf-8-sig")), delimiter=";"))) == len(read)
    with ZipFile(BytesIO(cast.page(path.format(".xlsx")).content)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_nothing_on_a_page_is_style_or_script_of_its_own(cast: Cast) -> None:
    for path in (MOVED, RESTATED, f"/managers/{cast.anna}"):
        page = cast.page(path).text
        assert " style=" not in page
        assert "onclick" not in page
        assert page.count("<script") == 1


# ------------------------------------------------------------------- the question and the chart


def test_the_ledger_finds_the_lines_of_the_definition(cast: Cast) -> None:
    with cast.here.service.asking() as cursor:
        log = _log(cursor)
        for managers in (None, [cast.boris], [cast.anna, cast.vera], []):
            who = None if managers is None else [ManagerId(one) for one in managers]
            for known, first in product(
                (8, cast.here.position), (date(2026, 3, 31), date(2026, 6, 1))
            ):
                asked = first, date(2026, 9, 28), known, "RUB", who
                lines, numbers = lines_from_ledger(cursor, *asked, most=1_000)
                assert lines == lines_between(log, *asked)
                assert sum(numbers.values()) == len(lines)
        latest = latest_from_ledger(
            cursor, date(2026, 1, 1), date(2026, 10, 20), cast.here.position, "RUB",
            ManagerId(cast.boris), 5,
        )  # fmt: skip
    assert [line.effective_on for line in latest] == sorted(
        (line.effective_on for line in latest), reverse=True
    )
    assert len(latest) == 5


def _log(cursor: Any) -> dict[Any, Any]:
    deals = cursor.execute("SELECT deal_id FROM ledger.deals").fetchall()
    return {deal: deal_events(cursor, deal, 2**62) for (deal,) in deals}


def _fall(*amounts: str) -> Waterfall:
    first, *changes, last = (Bar("", "", amount, "") for amount in amounts)
    return Waterfall(first, changes, last, "ru")


def test_an_axis_is_written_in_the_language_of_the_page() -> None:
    written = [on_axis("1234.5", "ru"), on_axis("1234.5", "en"), on_axis("-2", "ru")]
    assert written == ["1\N{NO-BREAK SPACE}234,5", "1,234.5", "\N{MINUS SIGN}2"]
    chart = stack(
        [date(2026, 1, 1), date(2026, 1, 2)], [Band("Анна", "m1", [0.3, 0.9])],
        label="", unit="", months=[], language="en",
    )  # fmt: skip
    assert ">0.25</text>" in chart
    assert ">0,25</text>" not in chart


@pytest.mark.parametrize("account", ["claimed", "won"])
def test_another_account_is_explained_too(cast: Cast, account: str) -> None:
    said = cast.here.director.ask("/v1/portfolios/movement", from_=FIRST, to=LAST)
    first, *changes, last = fall_of(cast.shown(f"{MOVED}&account={account}"))
    assert (first, last) == tuple(Decimal(said[at][account]) for at in ("opening", "closing"))
    assert changes
    assert sum(changes) == last - first


def test_totals_are_broken_where_the_axis_is_not_from_zero() -> None:
    small = _fall("9000000000", "1000000", "9001000000")
    assert small.is_broken
    assert all('class="brk"' in picture for _, kind, picture in small.drawn if kind)
    whole = _fall("0", "5000000", "5000000")
    assert not whole.is_broken
    assert not any('class="brk"' in picture for *_, picture in whole.drawn)


@pytest.mark.parametrize(
    "fall", [_fall("0", "0"), _fall("5", "-5", "0"), _fall("5", "5"), _fall("-3", "1", "-2")]
)
def test_every_waterfall_is_drawn_within_its_width(fall: Waterfall) -> None:
    drawn = "".join(picture for *_, picture in fall.drawn) + fall.axis
    places = [float(found) for found in re.findall(r"x[12]?=\"(-?[\d.]+)%", drawn)]
    assert all(0 <= place <= 100 for place in places)


def test_a_waterfall_that_does_not_balance_says_by_how_much() -> None:
    assert _fall("1.00", "0.50", "1.50").difference == 0
    assert _fall("1.00", "0.50", "1.49").difference == Decimal("-0.01")
