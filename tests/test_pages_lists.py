"""The catalogue, months, the log and accounts as pages: what they show is what the API answers, and
what is sent by their forms is decided as if it were sent to the API.
"""

import csv
import json
import re
from collections.abc import Iterator
from html import unescape
from io import BytesIO, StringIO
from itertools import count
from uuid import UUID, uuid4
from zipfile import ZipFile

import httpx
import pytest

from api.pages.figures import exact
from api.pages.journal import TYPES
from api.words import NOT_WHAT_WAS_CERTIFIED
from domain.events import EVENT_TYPES
from domain.values import Role
from projections.certified import Certified
from tests.browser import Browser, page_of
from tests.over_http import AUTUMN, Company, company

NOBODYS = UUID(int=7)
PAGES = (
    "/catalogue", "/periods", "/log", "/log/evidence", "/log/integrity", "/accounts",
    "/accounts/system", "/reports/activity", "/reports/comparison", "/reports/targets",
    "/reports/months", "/reports/stalled", "/reports/concentration", "/reports/digest",
    "/reports/forecast", "/reports/calibration", "/reports/laboratory",
)  # fmt: skip
_codes = count(1)


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """August is closed, reopened and corrected; one action was recorded 50 days late."""
    with company(shared_database) as begun:
        anna = begun.manager(name="Анна Соколова")
        begun.kind("5.00", code="proposal")
        begun.kind("7.50", code="contract", evidence_required=True, max_per_deal=1)
        begun.director.do(
            "/v1/action-types/proposal/weights",
            {"weight": "6.00", "effective_from": "2026-06-01", "reason": "Новый регламент"},
        )
        deal = begun.deal(anna, "400000000.00")
        begun.act(deal, anna, "proposal", "2026-03-02")
        begun.director.do("/v1/periods/2026-08/closing")
        begun.director.do("/v1/periods/2026-08/reopening", {"reason": "Пропущен договор"})
        begun.act(deal, anna, "contract", "2026-08-31", evidence="№ 7 <b>от</b> 31.08")
        yield begun


@pytest.fixture(scope="module")
def pages(here: Company) -> dict[str, Browser]:
    """One for each role."""
    team = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    place = {"manager": {"manager_id": "m-1"}, "head": {"team_id": team}}
    return {role: page_of(here, here.hire(role, **place.get(role, {}))) for role in Role}


def plain(page: httpx.Response) -> str:
    """What it says, without tags and with plain spaces."""
    text = re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])
    return re.sub(r"\s+", " ", unescape(text))


def form(**fields: str) -> dict[str, str]:
    return {"key": str(uuid4())} | fields


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", PAGES)
def test_each_role_opens_what_the_matrix_gives_it(
    pages: dict[str, Browser], role: str, path: str
) -> None:
    only = {"director", "auditor"} if path.startswith("/log") else None
    if path.startswith("/accounts"):
        only = {"admin"}
    if path.startswith("/reports"):
        only = {*Role} - {Role.ADMIN}
    status = pages[role].get(path).status_code
    assert status == (200 if only is None or role in only else 403)


@pytest.mark.parametrize("role", list(Role))
def test_forms_are_shown_to_whoever_may_send_them(pages: dict[str, Browser], role: str) -> None:
    for path in ("/catalogue/types/proposal", "/periods"):
        forms = re.findall(r'<form method="post" action="([^"]*)"', pages[role].get(path).text)
        assert (len(forms) > 1) == (role == "director"), "signing out is one"


@pytest.mark.parametrize("role", [role for role in Role if role != "director"])
def test_nobody_else_changes_the_catalogue_by_sending_the_form(
    pages: dict[str, Browser], here: Company, role: str
) -> None:
    before = here.position
    new = {"code": "x", "title.ru": "а", "title.en": "a", "weight": "1"}
    for path, fields in (
        ("/catalogue/types/proposal/weight", {"weight": "9", "reason": "так"}),
        ("/catalogue/types/proposal/retirement", {}),
        ("/periods/closing", {"period": "2026-08"}),
        ("/catalogue/new", new),
    ):
        answer = pages[role].send(path, **form(effective_from="2026-10-20", **fields))
        assert answer.status_code == 403, path
    assert here.position == before


@pytest.mark.parametrize("role", [role for role in Role if role != "admin"])
def test_nobody_else_makes_accounts_or_keys(
    pages: dict[str, Browser], here: Company, role: str
) -> None:
    before, at = here.position, f"/accounts/{here.director.account_id}"
    asked = ("keys", "closing", "role", "invitation", "email")
    for path in ("/accounts", *(f"{at}/{one}" for one in asked)):
        answer = pages[role].send(path, **form(name="Кто", role="admin", login="who"))
        assert answer.status_code == 403, path
        assert "df_" not in answer.text
    assert here.position == before


def test_the_catalogue_shows_weights_in_force_and_what_they_were(
    pages: dict[str, Browser], here: Company
) -> None:
    said = plain(pages["manager"].get("/catalogue"))
    told = here.director.ask("/v1/action-types")["action_types"]
    for one in told:
        assert f"{one['title']['ru']} {one['code']} {one['weight'].replace('.', ',')}" in said
    assert "5,00 с 1 янв. 6,00 с 1 июн" in said
    assert "нужно основание · не больше 1 раза на сделку" in said
    spring = plain(pages["manager"].get("/catalogue?as_of=2026-05-31"))
    assert "proposal 5,00" in spring


def test_a_weight_is_changed_from_a_date_with_a_comma_as_people_write_it(
    pages: dict[str, Browser], here: Company
) -> None:
    code = here.kind("2.00", code=f"own-{next(_codes)}")
    change = form(weight="2,50", effective_from="2026-10-01", reason="Приказ 12")
    answers = [pages["director"].send(f"/catalogue/types/{code}/weight", **change) for _ in "ab"]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1, "recorded once"
    (one,) = (
        one for one in here.director.ask("/v1/action-types")["action_types"] if one["code"] == code
    )
    assert one["weights"] == [
        {"weight": "2.00", "effective_from": "2026-01-01"},
        {"weight": "2.50", "effective_from": "2026-10-01"},
    ]
    assert "Вес изменён, " in pages["director"].get(answers[0].headers["location"]).text


def test_what_is_wrong_is_said_in_its_place_and_nothing_typed_is_lost(
    pages: dict[str, Browser], here: Company
) -> None:
    before = here.position
    wrong = form(weight="много", effective_from="2026-10-01", reason='Так "надо"')
    answer = pages["director"].send("/catalogue/types/proposal/weight", **wrong)
    assert answer.status_code == 422
    field = re.search(r'<input id="f-weight"[^>]*>\s*<p class="error"[^>]*>([^<]*)', answer.text)
    assert field is not None
    assert "вес" in field[1].lower()
    assert 'aria-invalid="true"' in field[0]
    assert 'value="Так &#34;надо&#34;"' in answer.text
    assert here.position == before


def test_a_type_is_defined_and_retired(pages: dict[str, Browser], here: Company) -> None:
    fields = {"title.ru": "Письмо", "title.en": "Letter", "weight": "−3", "max_per_deal": "2"}
    new = form(code="letter", effective_from="2026-02-01", evidence_required="on", **fields)
    answer = pages["director"].send("/catalogue/new", **new)
    assert answer.headers["location"].startswith("/catalogue/types/letter?recorded=action-types-")
    retire = form(effective_from="2026-09-01")
    assert pages["director"].send("/catalogue/types/letter/retirement", **retire).status_code == 303
    (one,) = (
        one
        for one in here.director.ask("/v1/action-types")["action_types"]
        if one["code"] == "letter"
    )
    assert (one["weights"][0]["weight"], one["max_per_deal"]) == ("-3.00", 2)
    assert (one["evidence_required"], one["retired_from"]) == (True, "2026-09-01")
    again = pages["director"].send("/catalogue/new", **(new | {"key": str(uuid4())}))
    assert again.status_code == 409
    assert 'value="Письмо"' in again.text


def test_what_was_certified_is_shown_against_now_figure_by_figure(
    pages: dict[str, Browser], here: Company
) -> None:
    (told,) = here.director.ask("/v1/audit/certified", period="2026-08")["closings"]
    assert [row["difference"] for row in told["rows"]] == ["30000000.00"]
    assert len(told["lines"]) == 1
    assert told["lines"][0]["actor"] == here.director.account_id
    said = plain(pages["auditor"].get("/periods/2026-08/certified?lang=en"))
    assert "the month was reopened" in said
    (row,), (line,) = told["rows"], told["lines"]
    then, now, more = (
        re.sub(r"\s+", " ", exact(row[name], "RUB", "en", signed=name == "difference"))
        for name in ("certified", "now", "difference")
    )
    assert f"Анна Соколова In work {then} {then} {now} {more}" in said
    assert f"+{line['late_days']} days Кто-то director Анна Соколова In work {more}" in said
    assert "Alarm" not in said
    by_title = {"Certified": "certified", "Replayed": "replayed", "Now": "now"}
    rows = pages["auditor"].get("/periods/2026-08/certified.json?lang=en").json()["rows"]
    assert [{by_title[name]: row[name] for name in by_title} for row in rows] == [
        {name: row[name] for name in by_title.values()} for row in told["rows"]
    ]
    file = pages["auditor"].get("/periods/2026-08/certified-lines.csv?lang=en").text
    line, *_ = csv.DictReader(StringIO(file))
    assert (line["Position"], line["Amount"], line["Author"]) == (
        str(told["lines"][0]["position"]), "30000000.00", "Кто-то director",
    )  # fmt: skip
    earlier = pages["auditor"].get(f"/periods/2026-08/certified?known_at={AUTUMN.date()}&lang=ru")
    assert "месяц открыт снова" in plain(earlier)


def test_what_was_certified_is_for_those_who_audit(pages: dict[str, Browser]) -> None:
    for role, page in pages.items():
        may = role in ("director", "auditor")
        for path in ("/periods/2026-08/certified", "/periods/2026-08/certified-lines.csv"):
            assert page.get(path).status_code == (200 if may else 403), role
        assert ("/periods/2026-08/certified" in page.get("/periods/2026-08").text) == may
    for name in ("2026-07", "2026-13", "august"):
        assert pages["auditor"].get(f"/periods/{name}/certified").status_code == 404


def test_an_alarm_is_read_on_the_page_in_the_readers_language(
    pages: dict[str, Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Certified, "holds", property(lambda _: False))
    for language, words in NOT_WHAT_WAS_CERTIFIED.items():
        assert words in plain(pages["auditor"].get(f"/periods/2026-08/certified?lang={language}"))


def test_a_month_shows_its_closing_beside_now_and_the_restatement_between(
    pages: dict[str, Browser], here: Company
) -> None:
    (told,) = here.director.ask("/v1/periods")["periods"]
    now = here.director.ask("/v1/portfolios", as_of="2026-08-31")["currencies"][0]["total"]
    assert (told["status"], told["totals"][0]["active"]) == ("reopened", "20000000.00")
    assert now["active"] == "50000000.00"
    page = pages["director"].get("/periods")
    row = page.text.split("август 2026")[1].split("</tr>")[0]
    assert 'title="20 000 000,00 ₽"' in unescape(row).replace("\xa0", " ")
    assert 'title="50 000 000,00 ₽"' in unescape(row).replace("\xa0", " ")
    closed = here.director.ask("/v1/periods", position=told["position"] - 1)["periods"][0]
    link = f"/restatement?as_of=2026-08-31&amp;from_position={closed['position']}"
    assert f'href="{link}" title="+30' in row
    assert "Пропущен договор" in row
    assert "Кто-то director" in row, "who closed it, by name"
    assert link not in pages["head"].get("/periods").text, "restatements are for auditors"


def test_one_month_by_manager_sums_to_its_totals(pages: dict[str, Browser]) -> None:
    said = plain(pages["auditor"].get("/periods/2026-08"))
    assert "Анна Соколова 20,0 50,0 +30,0 Итого 20,0 50,0 +30,0" in said


@pytest.mark.parametrize("wrong", ["0", "-1", "пять", "1.5", "9" * 5_000])
def test_a_count_that_is_none_is_refused_in_its_field(
    pages: dict[str, Browser], wrong: str
) -> None:
    new = {"code": "counted", "title.ru": "а", "title.en": "a", "weight": "1"}
    fields = new | {"effective_from": "2026-10-20", "max_per_deal": wrong}
    refused = pages["director"].send("/catalogue/new", **form(**fields))
    assert refused.status_code == 422
    assert 'id="f-max-per-deal-e"' in refused.text


def test_how_far_back_managers_may_date_is_set_and_told_to_everybody(
    pages: dict[str, Browser], here: Company
) -> None:
    page, address = pages["director"], "/periods/backdating"

    def days() -> object:
        return here.director.ask("/v1/rules")["backdating"]["working_days"]

    assert "до 5 рабочих дней" in plain(pages["manager"].get("/periods"))
    sent = page.send(address, **form(working_days="1", reason="Приказ 12"))
    assert "Правило задано" in page.get(sent.headers["location"]).text
    assert "до 1 рабочего дня" in plain(pages["auditor"].get("/periods"))
    assert days() == 1
    page.send(address, **form(working_days="", reason="Приказ 13"))
    assert "без ограничения" in plain(page.get("/periods"))
    assert days() is None
    for wrong in ("367", "-1", "пять", "9" * 400):
        refused = page.send(address, **form(working_days=wrong, reason="Приказ 14"))
        assert refused.status_code == 422
        assert 'id="f-working-days-e"' in refused.text
        assert f'value="{wrong}"' in refused.text
    assert page.send(address, **form(working_days="5", reason="")).status_code == 422
    assert days() is None
    assert pages["head"].send(address, **form(working_days="9", reason="Нет")).status_code == 403
    page.send(address, **form(working_days="5", reason="Приказ 15"))
    assert days() == 5


def test_a_month_is_closed_and_reopened(pages: dict[str, Browser], here: Company) -> None:
    page = pages["director"]
    before = here.director.ask("/v1/periods")["periods"]
    assert page.send("/periods/closing", **form(period="2026-09")).status_code == 303
    again = page.send("/periods/closing", **form(period="2026-09"))
    assert again.status_code == 409
    assert page.send("/periods/reopening", **form(period="2026-09", reason="")).status_code == 422
    answer = page.send("/periods/reopening", **form(period="2026-09", reason="Проба"))
    assert answer.status_code == 303
    told = here.director.ask("/v1/periods")["periods"]
    assert told[0] == before[0]
    assert (told[1]["status"], told[1]["reason"]) == ("reopened", "Проба")


def test_the_log_shows_each_event_as_it_is_stored(pages: dict[str, Browser], here: Company) -> None:
    page = pages["auditor"].get("/log?after=0")
    shown = [json.loads(unescape(one)) for one in re.findall(r"<pre[^>]*>([^<]*)</pre>", page.text)]
    told = here.director.ask("/v1/events", after=0, limit=100)["events"]
    assert shown == told[::-1]


def test_every_type_of_event_has_a_name() -> None:
    assert set(TYPES) == set(EVENT_TYPES)


def test_the_log_is_filtered_by_type_deal_and_lateness(
    pages: dict[str, Browser], here: Company
) -> None:
    def positions(query: str) -> list[int]:
        found = re.findall(r'<tr role="row" id="p(\d+)"', pages["director"].get(query).text)
        return [int(one) for one in found]

    told = here.director.ask("/v1/events", after=0, limit=1000)["events"][::-1]
    acted = [one["position"] for one in told if one["type"] == "ActionPerformed"]
    deal = next(one["deal_id"] for one in told if "deal_id" in one)
    of_deal = [one["position"] for one in told if one.get("deal_id") == deal]
    assert positions("/log?type=ActionPerformed") == acted
    assert positions(f"/log?after={acted[-1]}&type=ActionPerformed") == acted[:-1]
    assert positions(f"/log?deal_id={deal}") == of_deal
    assert positions(f"/log?before={acted[0]}&deal_id={deal}") == of_deal[1:]
    assert positions("/log?late=1") == of_deal, "all three were recorded in October"
    late = plain(pages["director"].get("/log?late=1"))
    assert "31 авг. 20 окт., 12:00 +50 дней" in late


def test_pages_of_the_log_meet_without_a_gap(
    pages: dict[str, Browser], here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.journal.SHOWN", 4)
    monkeypatch.setattr("api.pages.journal.WINDOW", 3)
    for query in ("", "?type=RoleGranted"):
        seen, path = [], f"/log{query}"
        while path:
            page = pages["director"].get(path).text
            seen += [int(one) for one in re.findall(r'id="p(\d+)"', page)]
            link = re.search(r'rel="next" href="([^"]*)"', page)
            path = unescape(link[1]) if link else ""
        told = here.director.ask("/v1/events", after=0, limit=1000)["events"][::-1]
        kind = query.partition("=")[2]
        assert seen == [one["position"] for one in told if not kind or one["type"] == kind]
        back = re.search(r'rel="prev" href="([^"]*)"', page)
        assert back is not None
        newer = re.findall(r'id="p(\d+)"', pages["director"].get(unescape(back[1])).text)
        behind = len(re.findall(r'id="p\d', page))
        assert newer
        assert [int(one) for one in newer] == seen[:-behind][-len(newer) :]


@pytest.mark.parametrize("path", ["/catalogue", "/periods", "/log"])
@pytest.mark.parametrize("kind", ["json", "csv", "excel.csv", "xlsx"])
def test_tables_can_be_taken_along(pages: dict[str, Browser], path: str, kind: str) -> None:
    answer = pages["director"].get(f"{path}.{kind}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    match kind:
        case "json":
            assert answer.json()["rows"]
        case "xlsx":
            assert "xl/worksheets/sheet1.xml" in ZipFile(BytesIO(answer.content)).namelist()
        case _:
            text = answer.content.decode("utf-8-sig")
            rows = [*csv.reader(StringIO(text), delimiter=";" if kind[0] == "e" else ",")]
            assert len(rows[1]) == len(rows[0]) > 5
    assert pages["director"].get(f"{path}.pdf").status_code == 404


def test_whoever_may_not_read_the_log_takes_none_of_it_along(pages: dict[str, Browser]) -> None:
    assert pages["manager"].get("/log.csv").status_code == 403


@pytest.mark.parametrize("path", [*PAGES, "/catalogue/types/proposal", "/periods/2026-08"])
def test_pages_speak_both_languages(pages: dict[str, Browser], path: str) -> None:
    role = "admin" if path.startswith("/accounts") else "director"
    english = pages[role].get(f"{path}?lang=en")
    assert '<html lang="en">' in english.text
    said = re.sub(r'<(pre|span|div|a|td|table|option|dd)[^>]*lang="ru".*?</\1>', "", english.text)
    allowed = (
        r"(Анна )?Соколова|Кто-то|Юг|Проба|Пропущен договор|ТКП представлено ЛПР|Письмо|Холод\S+"
    )
    said = re.sub(rf"<pre.*?</pre>|{allowed}", "", said, flags=re.DOTALL)
    words = re.findall(r"[А-Яа-яЁё]+", plain(httpx.Response(200, text=said)))
    assert not set(words) - {"витрины", "для", "сети", "Ромашка"}
    assert '<html lang="ru">' in pages[role].get(path).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/catalogue?as_of=yesterday", 422),
        ("/catalogue?known_at=x", 422),
        ("/catalogue/types/nothing", 404),
        ("/catalogue/types/%00", 404),
        ("/periods/2026-13", 404),
        ("/periods/2099-01", 404),
        ("/periods/x", 404),
        ("/periods?up_to=x", 200),
        ("/periods?known_at=x", 422),
        ("/log?after=x", 422),
        ("/log?after=-1", 422),
        ("/log?after=99999999", 200),
        ("/log?before=0", 200),
        ("/log?type=Nothing", 422),
        ("/log?deal_id=x", 404),
        (f"/log?deal_id={NOBODYS}", 404),
        ("/accounts?cursor=x", 422),
        ("/accounts/x", 404),
        (f"/accounts/{NOBODYS}", 404),
    ],
)
def test_what_makes_no_sense_gets_a_page_that_says_so(
    pages: dict[str, Browser], path: str, status: int
) -> None:
    role = "admin" if path.startswith("/accounts") else "director"
    answer = pages[role].get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


def test_a_form_without_its_token_or_key_changes_nothing(
    pages: dict[str, Browser], here: Company
) -> None:
    before, page = here.position, pages["director"]
    fields = {"weight": "9", "effective_from": "2026-10-01", "reason": "так"}
    path = "/catalogue/types/proposal/weight"
    assert page.send(path, key="no uuid", **fields).status_code == 422
    assert page.send(path, **(form(**fields) | {"csrf": "x"})).status_code == 403
    assert here.position == before


# ------------------------------------------------------------------------------------- accounts


def invite(pages: dict[str, Browser], **fields: str) -> str:
    """A new account's address."""
    answer = pages["admin"].send("/accounts", **form(**fields))
    assert answer.status_code == 303, plain(answer)
    return str(answer.headers["location"])


def test_an_administrator_begins_with_the_accounts(pages: dict[str, Browser]) -> None:
    assert pages["admin"].get("/").headers["location"] == "/accounts"


def test_an_account_is_made_invited_and_lets_its_owner_in(
    pages: dict[str, Browser], here: Company
) -> None:
    at = invite(pages, name="Вера Лапина", role="auditor", email="vera@romashka.ru")
    answer = pages["admin"].send(f"{at}/invitation", **form(login="vera"))
    (code,) = re.findall(r'class="token">([^<]*)<', answer.text)
    assert answer.headers["cache-control"] == "no-store"
    owner = Browser(here)
    weak = owner.send("/sign-in/code", code=code, password="короткий")
    assert weak.status_code == 422
    assert f'value="{code}"' in weak.text, "the code is not lost"
    chosen = owner.send("/sign-in/code", code=code, password="витрина у окна на юг")
    assert chosen.status_code == 303
    again = owner.send("/sign-in/code", code=code, password="витрина у окна на юг")
    assert again.status_code == 401
    assert owner.sign_in("vera", "витрина у окна на юг").status_code == 204
    assert owner.get("/log").status_code == 200
    assert code not in pages["admin"].get(at).text, "shown once"


def test_a_key_is_shown_once_and_revoked(pages: dict[str, Browser], here: Company) -> None:
    at = invite(pages, name="Выгрузка", role="auditor")
    answer = pages["admin"].send(f"{at}/keys", **form(expires_at="2026-12-31"))
    (token,) = re.findall(r'class="token">(df_[^<]*)<', answer.text)
    person = here.person(token)
    assert person.get("/v1/portfolios").status_code == 200
    page = pages["admin"].get(at)
    assert "Ключи доступа для программ" in plain(page), "they are not keys of a keyboard"
    assert token not in page.text
    assert token[:7] in page.text
    assert "31 декабря 2026" in plain(page)
    (revoke,) = re.findall(r'action="(/accounts/[^"]*/revocation)"', page.text)
    assert pages["admin"].send(revoke).status_code == 303
    assert person.get("/v1/portfolios").status_code == 401


def test_a_key_that_is_over_is_not_made(pages: dict[str, Browser]) -> None:
    at = invite(pages, name="Опоздавшая", role="auditor")
    for day, status in (("2026-10-19", 422), ("2026-10-20", 200)):
        answer = pages["admin"].send(f"{at}/keys", **form(expires_at=day))
        assert answer.status_code == status
        assert ("Этот день уже прошёл" in plain(answer)) == (status == 422)
        assert ('class="token"' in answer.text) == (status == 200)


def test_a_role_is_granted_in_place_of_the_one_before_and_the_account_closed(
    pages: dict[str, Browser], here: Company
) -> None:
    at = invite(pages, name="Игорь", role="auditor")
    wrong = pages["admin"].send(f"{at}/role", **form(role="manager"))
    assert wrong.status_code == 422
    assert plain(wrong).count("manager_id") == 1, "once, beside the role"
    fields = form(role="manager", manager_id="m-1")
    assert pages["admin"].send(f"{at}/role", **fields).status_code == 303
    told = here.admin.ask("/v1/accounts", limit=1000)["accounts"]
    (one,) = (one for one in told if one["account_id"] == at.rpartition("/")[2])
    assert (one["role"], one["manager_id"]) == ("manager", "m-1")
    assert pages["admin"].send(f"{at}/closing", **form()).headers["location"] == "/accounts"
    assert pages["admin"].get(at).status_code == 404


def test_an_address_is_given_with_the_language_of_letters(
    pages: dict[str, Browser], here: Company
) -> None:
    at = invite(pages, name="Ирина", role="auditor")
    assert pages["admin"].send(f"{at}/email", **form(email="ирина")).status_code == 422
    for email, language in (("irina@romashka.ru", "en"), ("", "")):
        sent = pages["admin"].send(f"{at}/email", **form(email=email, language=language))
        assert sent.status_code == 303
        told = here.admin.ask("/v1/accounts", limit=1000)["accounts"]
        (one,) = (one for one in told if one["account_id"] == at.rpartition("/")[2])
        assert (one["email"] or "", one["language"] or "") == (email, language)
        assert f'value="{email}"' in pages["admin"].get(at).text


def test_names_are_text(pages: dict[str, Browser]) -> None:
    at = invite(pages, name="<script>alert(1)</script>", role="auditor")
    for path in ("/accounts", at):
        assert "<script>alert" not in pages["admin"].get(path).text


def test_the_state_of_the_system_is_told(pages: dict[str, Browser]) -> None:
    said = plain(pages["admin"].get("/accounts/system"))
    assert "PostgreSQL" in said
    assert "отказывают в любой правке, обойти их нельзя" in said
    assert "права на журнал добавлять, читать" in said
    english = plain(pages["admin"].get("/accounts/system?lang=en"))
    assert "rights on the log append, read" in english
    assert "refuse every change, and cannot be skipped" in english
