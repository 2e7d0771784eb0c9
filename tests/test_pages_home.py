"""The portfolio on a date: the page says what the API answers, to whom it answers."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from api.pages.sign_in import ours
from application.orders import Unavailable
from tests.browser import Browser, page_of
from tests.over_http import AUTUMN, Company, company


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Boris came first; Anna's deal is the larger, in another team."""
    with company(shared_database, AUTUMN) as begun:
        yield begun


@pytest.fixture(scope="module")
def people(here: Company) -> dict[str, str]:
    south = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    boris, anna = here.manager("Борис Орлов"), here.manager("=Анна", team_id=south)
    proposal = here.kind("5.00")
    for who, check in ((boris, "100000000.00"), (anna, "400000000.05")):
        deal = here.deal(who, check)
        here.act(deal, who, proposal, "2026-10-19")
    return {"south": south, "boris": boris, "anna": anna}


@pytest.fixture(scope="module")
def director(here: Company, people: dict[str, str]) -> Browser:  # noqa: ARG001 - they are there
    return page_of(here, here.director)


def rows(text: str) -> dict[str, tuple[str, str]]:
    """By manager: the colour, and the portfolio to the last digit."""
    found = re.findall(
        r'href="/managers/([^"?]+)[^"]*"><svg.*?class="(m\d+|rest)".*?c-active"><a.*?title="([^"]*)"',
        text,
        re.DOTALL,
    )
    return {who: (colour, unescape(exact)) for who, colour, exact in found}


def number(exact: str) -> Decimal:
    return Decimal(re.sub(r"[^\d,−]", "", exact).replace(",", ".").replace("−", "-"))


def test_every_figure_is_the_one_of_the_api(here: Company, director: Browser) -> None:
    (rubles,) = here.director.ask("/v1/portfolios")["currencies"]
    shown = rows(director.get("/").text)
    assert {who: number(exact) for who, (_, exact) in shown.items()} == {
        line["manager_id"]: Decimal(line["active"]) for line in rubles["managers"]
    }
    assert [*shown] == sorted(shown, key=lambda who: -number(shown[who][1])), "the largest first"
    for language, headline in ({"": "25 млн ₽", "?lang=en": "25 m RUB"}).items():
        assert headline in director.get(f"/{language}").text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_manager_has_one_colour_whoever_looks_and_whatever_is_chosen(
    here: Company, director: Browser, people: dict[str, str]
) -> None:
    head = page_of(here, here.hire("head", team_id=people["south"]))
    pages = [
        director.get("/").text,
        director.get(f"/?team_id={people['south']}").text,
        head.get("/").text,
    ]
    colours = [rows(page)[people["anna"]][0] for page in pages]
    assert colours == ["m2"] * 3
    assert people["boris"] not in rows(pages[-1])


@pytest.mark.parametrize(
    ("page", "far"),
    [
        ("/?as_of={day}", "0001-01-01"),
        ("/portfolio/months?as_of={day}", "0001-01-01"),
        ("/portfolio.csv?as_of={day}", "0001-01-01"),
        ("/managers/{boris}?as_of={day}", "0001-01-01"),
        ("/movement?as_of={day}", "0001-01-01"),
        ("/movement?to={day}", "0001-01-01"),
        ("/restatement?as_of={day}", "9999-12-31"),
        ("/reports/comparison?to={day}", "0001-01-01"),
    ],
)
def test_there_is_a_page_for_the_first_day_of_all_and_a_refusal_beyond(
    director: Browser, people: dict[str, str], page: str, far: str
) -> None:
    """A portfolio stands beside an earlier one and a chart shows a year: as much as there is."""
    assert director.get(page.format(day="2000-01-01", **people)).status_code == 200
    assert director.get(page.format(day="2000-03-01", **people)).status_code == 200
    assert director.get(page.format(day=far, **people)).status_code in (409, 422)


def test_a_refusal_says_once_what_is_wrong(director: Browser) -> None:
    assert director.get("/?as_of=yesterday").text.count("as_of:") == 1


def test_a_manager_stands_in_the_team_of_the_day(here: Company, director: Browser) -> None:
    north = here.director.do("/v1/teams", {"name": "Север"})["team_id"]
    vera = here.manager("Вера Снег")
    path = f"/v1/managers/{vera}/team-changes"
    here.director.do(path, {"team_id": north, "effective_on": "2026-10-12"})
    for day, team in (("2026-10-11", ""), ("2026-10-12", "Север"), ("2026-10-13", "Север")):
        page = director.get(f"/?as_of={day}").text
        assert re.findall(r">Вера Снег</span>.*?c-team\">([^<]*)<", page) == [team]


def test_a_page_is_in_the_language_that_is_asked_for(director: Browser) -> None:
    for asked, heading in (("", "Менеджеры"), ("?lang=en", "Managers"), ("?lang=ru", "Менеджеры")):
        assert f"<h2>{heading}</h2>" in director.get(f"/{asked}").text


def test_it_is_taken_along_in_four_ways(here: Company, director: Browser) -> None:
    (rubles,) = here.director.ask("/v1/portfolios")["currencies"]
    total = sum(Decimal(line["active"]) for line in rubles["managers"])
    plain = list(csv.reader(io.StringIO(director.get("/portfolio.csv").text)))
    at = plain[0].index("Портфель")
    assert sum(Decimal(row[at]) for row in plain[1:3]) == total
    assert plain[1][0] == "'=Анна", "no spreadsheet takes a name for a formula"
    russian = director.get("/portfolio.excel.csv").content
    assert russian.startswith(b"\xef\xbb\xbf")
    assert f"{rubles['managers'][1]['active']}".replace(".", ",").encode() in russian
    told = director.get("/portfolio.json").json()
    assert sum(Decimal(row["Портфель"]) for row in told["rows"]) == total
    assert told["position"] == here.position
    with zipfile.ZipFile(io.BytesIO(director.get("/portfolio.xlsx").content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"20000000.0025" in sheet


def test_another_day_or_another_knowledge_says_so(director: Browser) -> None:
    assert 'role="status"' not in director.get("/").text
    for asked in ("as_of=2026-10-19", "known_at=2026-10-20"):
        assert 'role="status"' in director.get(f"/?{asked}").text
    assert director.get("/?as_of=2027-01-01").status_code == 409
    assert director.get("/?as_of=yesterday").status_code == 422


def test_the_compared_day_is_always_an_earlier_one(director: Browser) -> None:
    """A month back from a day passes the end of the month before it."""
    for asked, compared in (
        ("", "2026-09-30"),
        ("as_of=2026-10-05&compare=2026-09-15", "2026-09-15"),
        ("as_of=2026-09-05&compare=2026-09-15", "2026-08-31"),
        ("as_of=2026-09-15&compare=2026-09-15", "2026-08-31"),
    ):
        page = director.get(f"/?{asked}").text
        assert f'name="compare" type="date" value="{compared}"' in page
    assert "compare=" not in re.findall(r'data-key="t" href="([^"]*)"', page)[0]


def test_a_search_stays_at_the_point_of_the_page(director: Browser) -> None:
    page = director.get("/?as_of=2026-10-19&known_at=2026-10-20&lang=en").text
    search = page[page.index('role="search"') : page.index("</form>", page.index('role="search"'))]
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', search))
    assert sent == {"as_of": "2026-10-19", "known_at": "2026-10-20", "lang": "en"}


@pytest.mark.parametrize("path", ["/", "/deals", "/movement", "/people", "/portfolio.csv"])
def test_a_page_that_is_asked_for_by_position_knows_what_was_known_there(
    here: Company, director: Browser, path: str
) -> None:
    position = here.position - 2
    told = director.get(f"{path}?as_of=2026-10-19&position={position}&lang=en")
    assert told.status_code == 303
    address, _, asked = told.headers["location"].rpartition("?")
    point = dict(parse_qsl(asked))
    assert address.endswith(path)
    assert {name: point.get(name) for name in ("as_of", "lang", "position")} == {
        "as_of": "2026-10-19", "lang": "en", "position": None,
    }  # fmt: skip
    known_at = point["known_at"]
    assert here.director.ask("/v1/portfolios", known_at=known_at)["position"] == position
    assert director.get(told.headers["location"]).status_code == 200


def test_a_position_that_there_is_not_is_refused_on_pages_too(
    here: Company, director: Browser
) -> None:
    assert director.get(f"/?position={here.position + 1}").status_code == 409
    assert director.get("/?position=no").status_code == 422
    assert director.get(f"/?position={here.position}&known_at=2026-10-19").status_code == 422


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (RuntimeError("a fault"), 500, "сообщите администратору этот номер"),
        (Unavailable("away"), 503, "Вернитесь через несколько секунд"),
    ],
)
def test_what_fails_inside_is_told_to_people_without_headers_of_programs(
    director: Browser, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("api.pages.home.show", fail)
    answer = director.get("/?lang=ru")
    assert answer.status_code == status
    assert said in answer.text
    assert "Idempotency-Key" not in answer.text
    assert bool(re.search(r"\b[0-9a-f]{12}\b", answer.text)) == (status == 500)


def test_an_instant_of_knowledge_is_written_for_people_and_kept(director: Browser) -> None:
    page = director.get("/?known_at=2026-10-20T08:30:00Z").text
    assert "известно: на 20 октября 2026 г., 11:30" in re.sub(r"[\u00a0\u202f]", " ", page)
    assert 'name="known_at" type="text" value="2026-10-20T08:30:00Z"' in page


def test_pages_go_out_compressed_except_to_whom_another_site_has_sent(director: Browser) -> None:
    for site, encoding in (
        ("same-origin", "gzip"), ("none", "gzip"), ("cross-site", None), ("same-site", None),
        (None, None),
    ):  # fmt: skip
        answer = director.get("/", sec_fetch_site=site, accept_encoding="gzip")
        assert answer.headers.get("content-encoding") == encoding, site
    style = director.get("/static/own/dealfolio.css", accept_encoding="gzip")
    assert style.headers["content-encoding"] == "gzip"
    told = director.get("/v1/portfolios", sec_fetch_site="same-origin", accept_encoding="gzip")
    assert "content-encoding" not in told.headers


def test_the_first_visit_of_a_company_of_three_hundred_is_light(database: str) -> None:
    """All that the first page asks for, as it goes over the wire; the rest of the managers are one
    line of the table, which still sums to its total.
    """
    with company(database) as here:
        kind, title = here.kind("5.00"), "Прилавки для сети"
        for first in range(0, 300, 100):
            commands: list[dict[str, object]] = []
            for place in range(first, first + 100):
                manager, at = f"manager-{place}", len(commands)
                check = {"amount": f"{place + 100}000000.01", "currency": "RUB"}
                deal = {
                    "title": title, "client": "Ромашка", "potential_check": check,
                    "manager_id": manager, "effective_on": "2026-01-12",
                }  # fmt: skip
                act = {"action_type": kind, "manager_id": manager, "effective_on": "2026-03-02"}
                commands += [
                    {"path": "/v1/managers", "body": {"name": manager, "manager_id": manager}},
                    {"path": "/v1/deals", "body": deal},
                    {"path": f"/v1/deals/{{{at + 1}}}/actions", "body": act},
                ]
            here.director.do("/v1/batches", {"commands": commands})
        reader = page_of(here, here.director)
        page, *others = (
            reader.get(path, sec_fetch_site="same-origin", accept_encoding="gzip")
            for path in (
                "/", "/static/own/dealfolio.css", "/static/own/pages.js", "/portfolio/months",
            )
        )  # fmt: skip
        everybody = reader.get("/?all=1")
        whole = here.director.ask("/v1/portfolios")["currencies"][0]["total"]["active"]
    assert sum(answer.num_bytes_downloaded for answer in (page, *others)) < 450_000
    assert "ещё 270 менеджеров" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    cells = re.findall(r'c-active"><(?:a|span) class="n[^"]*"[^>]* title="([^"]*)"', page.text)
    *amounts, total = (number(unescape(one)) for one in cells)
    assert len(amounts) == 31
    assert sum(amounts) == total == Decimal(whole)
    colours = {who: colour for who, (colour, _) in rows(everybody.text).items()}
    own = {f"manager-{place}": f"m{place + 1}" for place in range(12)}
    assert colours == dict.fromkeys(colours, "rest") | own
    assert len(colours) == 300


def test_who_is_not_signed_in_is_led_there_and_comes_back(here: Company) -> None:
    stranger = Browser(here)
    answer = stranger.get("/deals?status=won")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/sign-in?next=%2Fdeals%3Fstatus%3Dwon")


def test_whoever_sent_a_form_too_late_is_told_so_and_comes_back_to_its_page(here: Company) -> None:
    """Where a form is sent to there may be nothing to read."""
    stranger = Browser(here)
    for sent, page in (("/record", "/record"), ("/catalogue/types/a/weight", "/catalogue/types/a")):
        location = stranger.send(sent).headers["location"]
        assert parse_qs(urlsplit(location).query)["next"] == [f"{page}#typed"]
        assert "ничего не записано" in stranger.get(location.removeprefix(here.address)).text
    left = stranger.send("/sign-out").headers["location"]
    assert "ничего не записано" not in stranger.get(left.removeprefix(here.address)).text
    assert parse_qs(urlsplit(left).query)["next"] == ["/"]


def test_before_the_first_deal_the_past_has_no_advice_for_beginners(director: Browser) -> None:
    for asked in ("as_of=2001-01-01", "known_at=2001-01-01"):
        page = director.get(f"/?{asked}").text
        assert "Сделок ещё не было" in page
        assert "Сделок пока нет" not in page


@pytest.mark.parametrize(
    ("address", "led_to"),
    [
        ("/deals?status=won", "/deals?status=won"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_a_link_to_the_sign_in_leads_nowhere_else(address: str, led_to: str) -> None:
    assert ours(address) == led_to


def test_an_address_of_nothing_is_a_page_for_people_and_a_problem_for_programs(
    here: Company,
) -> None:
    person = Browser(here).get("/nothing", accept="text/html,*/*")
    assert person.status_code == 404
    assert "<h1>Не найдено</h1>" in person.text
    for path, accept in (("/nothing", "*/*"), ("/v1/nothing", "text/html")):
        program = Browser(here).get(path, accept=accept)
        assert program.status_code == 404
        assert program.headers["content-type"] == "application/problem+json"
