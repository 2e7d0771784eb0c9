"""Past actions are re-rated on a page: what it foretells of each portfolio is what the books say
afterwards, and everything is recorded or nothing.

It is 20 October 2026.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from itertools import count

import httpx
import pytest

from api.pages.figures import exact, percent
from api.pages.foreseen import value_of
from api.pages.rerating import Change, read_changes
from api.problems import Problem
from domain.values import Account, Role, value_text
from tests.browser import Browser, page_of
from tests.over_http import Company, company

WHY = {"reason": "Показано не первому лицу"}
REASON = "Приказ № 12: «Данные» весят больше"
Portfolios = dict[tuple[str, str], dict[str, str]]
_codes = count(1)


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        yield begun


@pytest.fixture(scope="module")
def desk(here: Company) -> Browser:
    return page_of(here, here.director)


@pytest.fixture
def code(here: Company) -> str:
    """A type of its own for each test, that nobody else's actions are of."""
    return here.kind("5.00", code=f"rated-{next(_codes)}")


def portfolios(here: Company, **point: object) -> Portfolios:
    return {
        (one["currency"], line["manager_id"]): {account: line[account] for account in Account}
        for one in here.director.ask("/v1/portfolios", **point)["currencies"]
        for line in one["managers"]
    }


def text_of(page: httpx.Response) -> str:
    text = re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])
    return re.sub(r"\s+", " ", unescape(text))


def told_by(page: httpx.Response, here: Company) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """Before, change and after as they stand there to the last digit, by currency, manager and
    account.
    """
    found = {}
    names = {one["name"]: one["manager_id"] for one in _managers(here)}
    for table in re.findall(r'<table class="grid list rerating".*?</table>', page.text, re.DOTALL):
        currency = re.findall(r"млн (\w{3})", table)[0]
        body = table.partition("<tfoot")[0]
        for row in re.findall(r"<tr role=\"row\"><th role=\"rowheader\".*?</tr>", body, re.DOTALL):
            cells = [
                re.sub(r"<[^>]*>", "", cell).strip()
                for cell in re.findall(
                    r"<t[hd] role=\"(?:rowheader|cell)\".*?</t[hd]>", row, re.DOTALL
                )
            ]
            figures = tuple(unescape(one) for one in re.findall(r' title="([^"]*)"', row))
            found[currency, names[unescape(cells[0])], cells[1]] = figures
    return found


def _managers(here: Company) -> list[dict[str, str]]:
    return list(here.director.ask("/v1/managers", limit=1_000)["managers"])


ACCOUNTS = {
    "active": "портфель", "claimed": "заявлено", "suspended": "приостановлено",
    "lost": "проиграно", "won": "выиграно",
}  # fmt: skip


def difference(
    before: Portfolios, after: Portfolios
) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """The same as the API has it."""
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for (currency, who), values in after.items():
        was = before.get((currency, who), dict.fromkeys(Account, "0.00"))
        for account in Account:
            change = value_of(values[account]) - value_of(was[account])
            if change:
                found[currency, who, ACCOUNTS[account]] = (
                    exact(was[account], currency, "ru"),
                    exact(value_text(change), currency, "ru", signed=True),
                    exact(values[account], currency, "ru"),
                )
    return found


def form_of(page: httpx.Response) -> dict[str, str]:
    """What the second form would send, as the page has it."""
    form = page.text.partition('id="rerate"')[2]
    fields = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in fields if name != "csrf"}


def chosen(desk: Browser, code: str, **choices: str) -> httpx.Response:
    asked = "&".join(f"{name.rstrip('_')}={value}" for name, value in choices.items())
    page = desk.get(f"/catalogue/types/{code}/rerating?{asked}")
    assert page.status_code == 200, page.text
    return page


def settle(here: Company, code: str) -> tuple[str, str]:
    """Two managers with what makes a batch hard: a cap, a late entry, a shared action, a handover,
    a suspended deal, a claim, dollars.
    """
    anna, boris = here.manager("Анна Первая"), here.manager("Борис Второй")
    large = here.kind("92.00")
    full, shared = here.deal(anna), here.deal(anna, "100000000.00")
    here.act(full, anna, code, "2026-09-03")
    here.act(full, boris, large, "2026-09-10")
    here.act(full, anna, code, "2026-09-07")
    both = [{"manager_id": anna, "weight": "1.67"}, {"manager_id": boris, "weight": "3.33"}]
    body = {"action_type": code, "effective_on": "2026-09-03", "credits": both}
    here.director.do(f"/v1/deals/{shared}/actions", body)
    here.director.do(f"/v1/deals/{shared}/handovers", {
        "to_manager_id": boris, "transfer_credit": True, "effective_on": "2026-09-14", **WHY,
    })  # fmt: skip
    paused, dollars = here.deal(boris), here.deal(boris, "300000.00", currency="USD")
    here.act(paused, boris, code, "2026-09-03")
    pause = {"effective_on": "2026-10-01", "review_on": "2026-12-01", **WHY}
    here.director.do(f"/v1/deals/{paused}/suspension", pause)
    here.act(dollars, boris, code, "2026-09-04")
    return anna, boris


# ------------------------------------------------------------------------------- what it foretells


@pytest.mark.parametrize(
    "choices",
    [
        {"weight": "7,5"},
        {"weight": "2.25", "effective_on": "2026-09-08"},
        {"weight": "40", "since": "own"},
    ],
    ids=["raised today", "lowered on a day between them", "raised from each day"],
)
def test_what_is_foretold_of_every_manager_is_what_the_books_then_say(
    here: Company, desk: Browser, code: str, choices: dict[str, str]
) -> None:
    settle(here, code)
    before, position = portfolios(here), here.position
    page = chosen(desk, code, **choices)
    assert here.position == position, "nothing is recorded by looking"
    answer = desk.send(f"/catalogue/types/{code}/rerating", **form_of(page), reason=REASON)
    assert answer.status_code == 303, answer.text
    assert here.position == position + 5
    after = portfolios(here)
    assert (expected := difference(before, after))
    assert told_by(page, here) == expected
    result = desk.get(answer.headers["location"])
    assert result.status_code == 200
    assert told_by(result, here) == expected, "read from the books on both sides of it"
    assert REASON in text_of(result)
    weight = percent(choices["weight"].replace(",", "."), "ru")
    assert f"Новый вес {weight} %" in text_of(result)


def test_other_actions_are_left_alone(here: Company, desk: Browser, code: str) -> None:
    anna, boris = here.manager("Анна Третья"), here.manager("Борис Третий")
    deal, lost = here.deal(anna), here.deal(anna)
    meant = here.act(deal, anna, code, "2026-09-03")
    here.act(deal, boris, code, "2026-09-03")
    here.act(deal, anna, code, "2026-09-01")
    here.act(lost, anna, code, "2026-09-03")
    here.act(deal, anna, here.kind("1.00"), "2026-09-03")
    here.director.do(f"/v1/deals/{lost}/loss", {"effective_on": "2026-10-01", **WHY})
    page = chosen(desk, code, weight="6", from_="2026-09-02", to="2026-09-03", manager_id=anna)
    form = form_of(page)
    assert [(one.deal_id, one.action_id) for one in read_changes(form["changes"])] == [
        (deal, meant)
    ]
    assert desk.send(f"/catalogue/types/{code}/rerating", **form, **WHY).status_code == 303
    actions = here.director.ask(f"/v1/deals/{deal}")["actions"]
    assert {one["action_id"] for one in actions if one["weight"] == "6.00"} == {meant}


def test_what_cannot_be_changed_is_told_with_its_reason_and_the_rest_is_recorded(
    here: Company, desk: Browser, code: str
) -> None:
    anna = here.manager("Анна Четвёртая")
    deal, lost = here.deal(anna), here.deal(anna)
    good, dead, later = (
        here.act(deal, anna, code, day) for day in ("2026-09-03", "2026-09-03", "2026-10-05")
    )
    here.act(lost, anna, code, "2026-09-03")
    here.director.do(f"/v1/deals/{deal}/actions/{dead}/withdrawal", WHY)
    here.director.do(f"/v1/deals/{lost}/loss", {"effective_on": "2026-09-10", **WHY})
    page = chosen(desk, code, weight="6", deals="all", effective_on="2026-09-30")
    said = text_of(page)
    assert "Изменится 1 действие в 1 сделке" in said
    assert "3 изменить нельзя" in said
    for why in (
        "Действие отозвано или отклонено.",
        "На эту дату сделка уже завершена.",
        "На эту дату самого действия ещё нет.",
    ):
        assert why in said
    assert [one.action_id for one in read_changes(form_of(page)["changes"])] == [good]
    own = read_changes(form_of(chosen(desk, code, weight="6", since="own"))["changes"])
    assert [one.action_id for one in own] == [good, later]
    assert "только положительный вес" in text_of(chosen(desk, code, weight="-6"))


def test_nothing_changes_in_a_closed_month(here: Company, desk: Browser, code: str) -> None:
    anna = here.manager("Анна Пятая")
    here.act(here.deal(anna), anna, code, "2026-08-20")
    here.director.do("/v1/periods/2026-08/closing")
    own = chosen(desk, code, weight="6", since="own")
    here.director.do("/v1/periods/2026-08/reopening", WHY)
    assert "Всё по 31 августа 2026 г. включительно закрыто" in text_of(own)
    assert form_of(own) == {}, "nothing is left to be recorded"


def test_what_weighs_so_already_is_left_out(here: Company, desk: Browser, code: str) -> None:
    anna = here.manager("Анна Шестая")
    deal = here.deal(anna)
    for day in ("2026-09-03", "2026-09-04"):
        here.act(deal, anna, code, day)
    action = here.act(deal, anna, code, "2026-09-05")
    path = f"/v1/deals/{deal}/actions/{action}/weight-changes"
    here.director.do(path, {"weight": "6", "effective_on": "2026-10-01", **WHY})
    page = chosen(desk, code, weight="6,00")
    assert "Изменятся 2 действия в 1 сделке · 1 уже с таким весом" in text_of(page)
    own = chosen(desk, code, weight="6,00", since="own")
    assert "Изменятся 3 действия в 1 сделке" in text_of(own), "it weighed less before October"


def test_a_capped_action_gets_its_weight_though_no_portfolio_changes(
    here: Company, desk: Browser, code: str
) -> None:
    anna = here.manager("Анна Седьмая")
    deal = here.deal(anna)
    here.act(deal, anna, here.kind("100.00"), "2026-09-03")
    here.act(deal, anna, code, "2026-09-04")
    page = chosen(desk, code, weight="6")
    assert "Ни один портфель от этого не изменится" in text_of(page)
    answer = desk.send(f"/catalogue/types/{code}/rerating", **form_of(page), reason=REASON)
    assert "Ни один сегодняшний портфель" in text_of(desk.get(answer.headers["location"]))
    assert here.director.ask(f"/v1/deals/{deal}")["actions"][1]["weight"] == "6.00"


def test_a_portfolio_of_earlier_dates_alone_is_named(
    here: Company, desk: Browser, code: str
) -> None:
    anna, boris = here.manager("Анна Восьмая"), here.manager("Борис Восьмой")
    deal = here.deal(anna)
    here.act(deal, anna, code, "2026-09-03")
    here.director.do(f"/v1/deals/{deal}/handovers", {
        "to_manager_id": boris, "transfer_credit": True, "effective_on": "2026-09-14", **WHY,
    })  # fmt: skip
    said = text_of(chosen(desk, code, weight="6", since="own"))
    assert "Анна Восьмая сегодня ничего; меняются прежние даты" in said


def test_where_there_are_no_such_actions_the_page_says_what_to_do(
    here: Company, desk: Browser, code: str
) -> None:
    page = chosen(desk, code, weight="6", manager_id=here.manager("Анна Девятая"))
    assert "Таких действий этого вида нет. Посмотреть все действия этого вида" in text_of(page)
    assert form_of(page) == {}


def test_more_than_a_batch_takes_is_said_and_comes_in_turns(
    here: Company, desk: Browser, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.rerating.MOST_COMMANDS", 2)
    anna = here.manager("Анна Десятая")
    deal = here.deal(anna)
    done = [here.act(deal, anna, code, f"2026-09-0{day}") for day in range(1, 6)]
    turns = []
    for _ in range(3):
        page = chosen(desk, code, weight="6")
        assert "За один раз записывается не больше 2 изменений." in text_of(page)
        form = form_of(page)
        turns.append([one.action_id for one in read_changes(form["changes"])])
        assert desk.send(f"/catalogue/types/{code}/rerating", **form, **WHY).status_code == 303
    assert turns == [done[:2], done[2:4], done[4:]]
    many = ";".join([form["changes"]] * 3)
    answer = desk.send(f"/catalogue/types/{code}/rerating", **form | {"changes": many}, **WHY)
    assert answer.status_code == 422


# ------------------------------------------------------------------------------- how it is recorded


def test_a_form_that_is_sent_twice_is_recorded_once(
    here: Company, desk: Browser, code: str
) -> None:
    settle(here, code)
    form = form_of(chosen(desk, code, weight="6")) | {"reason": REASON}
    before = here.position
    with ThreadPoolExecutor(4) as pool:
        answers = [
            *pool.map(lambda _: desk.send(f"/catalogue/types/{code}/rerating", **form), "abcd")
        ]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert here.position == before + 5


def test_what_was_recorded_meanwhile_is_seen_before_anything_else_is(
    here: Company, desk: Browser, code: str
) -> None:
    anna = here.manager("Анна Двенадцатая")
    deal, other = here.deal(anna), here.deal(anna)
    here.act(other, anna, code, "2026-09-03")
    here.act(deal, anna, code, "2026-09-03")
    form = form_of(chosen(desk, code, weight="6")) | {"reason": REASON}
    here.act(deal, anna, here.kind("95.00"), "2026-09-05")
    before = here.position
    answer = desk.send(f"/catalogue/types/{code}/rerating", **form)
    assert answer.status_code == 412
    assert here.position == before, "not the other deal's either"
    assert REASON in unescape(answer.text)
    again = form_of(answer)
    assert again["key"] == form["key"]
    assert again["changes"] != form["changes"]
    told, held = told_by(answer, here), portfolios(here)
    assert desk.send(f"/catalogue/types/{code}/rerating", **again, reason=REASON).status_code == 303
    assert told == difference(held, portfolios(here))


def test_what_may_have_been_recorded_is_sent_again_as_it_is(
    here: Company, desk: Browser, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = here.manager("Анна Двадцатая")
    here.act(here.deal(anna), anna, code, "2026-09-03")
    form = form_of(chosen(desk, code, weight="6")) | {"reason": REASON}
    path, before = f"/catalogue/types/{code}/rerating", here.position
    with monkeypatch.context() as patched:
        patched.setattr("api.door.LONG_PATIENCE_SECONDS", 0)
        answer = desk.send(path, **form)
    assert answer.status_code == 503
    assert "Неизвестно, записано ли это." in text_of(answer)
    assert form_of(answer) | {"reason": REASON} == form
    assert desk.send(path, **form).status_code == 303
    assert here.position == before + 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": ""}, "Причина"),
        ({"weight": "1e2"}, "Новый вес"),
        ({"changes": ""}, "changes"),
    ],
    ids=["no reason", "no weight", "nothing chosen"],
)
def test_a_form_that_is_refused_keeps_what_was_typed(
    here: Company, desk: Browser, code: str, wrong: dict[str, str], said: str
) -> None:
    anna = here.manager("Анна Тринадцатая")
    here.act(here.deal(anna), anna, code, "2026-09-03")
    form = form_of(chosen(desk, code, weight="6", manager_id=anna)) | {"reason": REASON}
    before = here.position
    answer = desk.send(f"/catalogue/types/{code}/rerating", **form | wrong)
    assert answer.status_code == 422
    assert here.position == before
    assert f'value="{anna}" selected' in answer.text
    assert said in answer.text or "changes" in wrong
    assert "Ничего не записано" in text_of(answer)
    if "reason" not in wrong and "weight" not in wrong:
        assert REASON in unescape(answer.text)


@pytest.mark.parametrize(
    ("choices", "field"),
    [
        ({"weight": "абв"}, "weight"),
        ({"weight": ""}, "weight"),
        ({"weight": "100.01"}, "weight"),
        ({"weight": "6", "from": "2026-10-01", "to": "2026-09-01"}, "from"),
        ({"weight": "6", "to": "вчера"}, "to"),
        ({"weight": "6", "effective_on": ""}, "effective_on"),
    ],
)
def test_what_cannot_be_asked_is_told_at_its_field(
    here: Company, desk: Browser, code: str, choices: dict[str, str], field: str
) -> None:
    anna = here.manager("Анна Четырнадцатая")
    here.act(here.deal(anna), anna, code, "2026-09-03")
    asked = "&".join(f"{name}={value}" for name, value in choices.items())
    page = desk.get(f"/catalogue/types/{code}/rerating?{asked}")
    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert form_of(page) == {}


@pytest.mark.parametrize("role", [role for role in Role if role != "director"])
def test_nobody_else_re_rates(here: Company, desk: Browser, code: str, role: str) -> None:
    anna = here.manager("Анна Пятнадцатая", team_id=_team(here))
    here.act(here.deal(anna), anna, code, "2026-09-03")
    form = form_of(chosen(desk, code, weight="6")) | {"reason": REASON}
    place = {"manager": {"manager_id": anna}, "head": {"team_id": _team(here)}}
    browser, before = page_of(here, here.hire(role, **place.get(role, {}))), here.position
    path = f"/catalogue/types/{code}/rerating"
    for asked in (path, f"{path}?weight=6", f"{path}.csv?weight=6"):
        assert browser.get(asked).status_code == 403, asked
    assert browser.send(path, **form).status_code == 403
    assert here.position == before
    done = desk.send(path, **form).headers["location"]
    assert browser.get(done).status_code == (200 if role == "auditor" else 403)
    assert "/rerating" not in browser.get(f"/catalogue/types/{code}").text


def _team(here: Company) -> str:
    teams = here.director.ask("/v1/teams")["teams"]
    return str(
        teams[0]["team_id"] if teams else here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    )


def test_a_director_raises_no_weight_of_their_own(here: Company, code: str) -> None:
    anna, boris = here.manager("Анна Шестнадцатая"), here.manager("Борис Шестнадцатый")
    for who in (anna, boris):
        here.act(here.deal(who), who, code, "2026-09-03")
    own = page_of(here, here.hire("director", manager_id=anna))
    page = chosen(own, code, weight="6")
    assert "Изменится 1 действие в 1 сделке · 1 изменить нельзя" in text_of(page)
    assert {who for _, who, _ in told_by(page, here)} == {boris}


# ------------------------------------------------------------------------------- around it


def test_the_table_is_taken_along_as_it_stands(here: Company, desk: Browser, code: str) -> None:
    settle(here, code)
    lines = desk.get(f"/catalogue/types/{code}/rerating.csv?weight=6").text.splitlines()
    page = chosen(desk, code, weight="6")
    said = told_by(page, here)
    names = {one["manager_id"]: one["name"] for one in _managers(here)}
    rows = [line.split(",") for line in lines[1 : 1 + len(said)]]
    assert {(row[1], row[0], row[2]) for row in rows} == {
        (currency, names[who], account) for currency, who, account in said
    }
    for row in rows:
        assert exact(row[4], row[1], "ru", signed=True) in page.text


def test_in_english(here: Company, desk: Browser, code: str) -> None:
    anna = here.manager("Анна Семнадцатая")
    here.act(here.deal(anna), anna, code, "2026-09-03")
    page = chosen(desk, code, weight="6", effective_on="2026-08-31", lang="en")
    assert "1 cannot be changed" in text_of(page)
    assert "The action itself is not there yet on that date." in text_of(page)
    page = chosen(desk, code, weight="6", lang="en")
    assert "1 action changes in 1 deal" in text_of(page)


@pytest.mark.parametrize("place", ["", "first=1&last=2", "first=a&last=2", "first=9&last=3",
                                   "first=1&last=99999", "first=1&last=1"])  # fmt: skip
def test_an_address_of_no_batch_leads_nowhere(desk: Browser, code: str, place: str) -> None:
    answer = desk.get(f"/catalogue/types/{code}/rerated?{place}")
    assert answer.status_code in (404, 409)


def test_a_change_is_read_as_it_was_written() -> None:
    deal, action = "0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11", "c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"
    one = Change(deal, action, "2026-09-03", 7)
    assert read_changes(f"{one};{one}") == [one, one]
    for broken in ("", ";", f"{one};", f"{one} 1", str(one)[1:], f"{one}".replace(" 7", " -7")):
        with pytest.raises(Problem):
            read_changes(broken)
