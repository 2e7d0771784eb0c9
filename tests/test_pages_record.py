"""The pages by which something is recorded: what they promise is what the books then say.

It is 20 October 2026. Anna and Boris are of the South, which Hanna leads, Vera is of nobody's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from html import unescape
from itertools import count
from uuid import uuid4

import httpx
import pytest

from api.pages.commands import FORMS
from api.pages.figures import days_in, exact, percent
from api.pages.foreseen import value_of, written_number
from api.pages.forms import plain_number
from api.pages.frame import to_people
from api.problems import Problem, problem_of
from api.words import Language
from domain.errors import PeriodClosed
from domain.values import value_text
from tests.browser import Browser
from tests.over_http import Company, Person, company

PASSWORD = "витрина у окна на юг"
TODAY = "2026-10-20"
_people = count(1)


@dataclass
class Reader:
    """Somebody in front of a page."""

    browser: Browser
    person: Person
    manager: str = ""

    def get(self, path: str) -> httpx.Response:
        return self.browser.get(path)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text).replace("\N{NO-BREAK SPACE}", " ")

    def send(self, path: str, **fields: str) -> httpx.Response:
        """A form, as the page has it: with its token and its key, where it has one."""
        here = self.browser
        cookie = "; ".join(f"{name}={value}" for name, value in here.jar.items())
        headers = {"cookie": cookie, "origin": here.origin}
        return here.here.stranger.http.post(
            path, data={"csrf": here.csrf} | fields, headers=headers
        )

    def sent(self, path: str, **fields: str) -> str:
        return unescape(self.send(path, **fields).text).replace("\N{NO-BREAK SPACE}", " ")


@dataclass
class Cast:
    here: Company
    south: str
    anna: Reader
    boris: str
    vera: str
    head: Reader
    director: Reader
    auditor: Reader
    keys: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def key(self) -> str:
        return f"a-key-of-a-form-{next(self.keys)}"


def signed_in(here: Company, role: str, **place: str) -> Reader:
    person, login = here.hire(role, **place), f"person-{next(_people)}"
    path = f"/v1/accounts/{person.account_id}/password"
    code = here.admin.post(path, {"login": login}).json()["code"]
    browser = Browser(here)
    browser.post("/auth/setup", {"code": code, "password": PASSWORD})
    browser.open_page()
    return Reader(browser, person, place.get("manager_id", ""))


@pytest.fixture(scope="module")
def cast(shared_database: str) -> Iterator[Cast]:
    with company(shared_database) as here:
        south = str(here.director.do("/v1/teams", {"name": "Юг"})["team_id"])
        anna, boris = (here.manager(name, team_id=south) for name in ("Анна", "Борис"))
        yield Cast(
            here,
            south,
            signed_in(here, "manager", manager_id=anna),
            boris,
            here.manager("Вера"),
            signed_in(here, "head", team_id=south, manager_id=here.manager("Ханна")),
            signed_in(here, "director"),
            signed_in(here, "auditor"),
        )


def active(cast: Cast, manager: str) -> Decimal:
    answer = cast.here.director.ask(f"/v1/managers/{manager}/portfolio")
    return Decimal(answer["currencies"][0]["active"])


def deal_of(cast: Cast, deal: str) -> dict[str, object]:
    return cast.here.director.ask(f"/v1/deals/{deal}")


def headline(page: str) -> str:
    """The exact figure behind the big one."""
    found = re.search(r'<p class="big"><span class="n [a-z]*" title="([^"]*)"', page)
    assert found, page
    return found[1]


def money(amount: object) -> str:
    written = exact(str(amount), "RUB", "ru", signed=True)
    return written.replace("\N{NO-BREAK SPACE}", " ")


def shown(text: str) -> str:
    return f"{percent(text, 'ru')} %"


# ------------------------------------------------------------------------------- what it will add


def test_what_the_preview_says_is_what_the_portfolio_gains(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("5.00")
    form = {"deal_id": deal, "action_type": kind, "effective_on": "2026-10-19"}
    before, position = active(cast, anna.manager), here.position
    page = anna.sent("/record/preview", manager_id=anna.manager, **form)
    assert here.position == position, "nothing is recorded by looking"
    answer = anna.send("/record", manager_id=anna.manager, key=cast.key, **form)
    assert answer.status_code == 303
    gained = active(cast, anna.manager) - before
    assert gained == Decimal("20000000.00")
    assert headline(page) == money(gained)
    for figure in (shown("5.00"), money(before)[1:], money(before + gained)[1:]):
        assert figure.strip() in page


def test_above_the_cap_the_rest_is_said_to_be_lost(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal = here.deal(anna.manager)
    here.act(deal, anna.manager, here.kind("94.00"), "2026-03-02")
    kind = here.kind("10.00")
    page = anna.page(f"/record?deal_id={deal}&action_type={kind}")
    assert headline(page) == money("24000000.00")
    assert re.search(r"Зачтётся</th><td role=\"cell\">6,00 %", page)
    assert re.search(r"Сверх предела, не зачтётся</th><td role=\"cell\">4,00 %", page)


def test_a_late_action_finds_the_room_of_its_date(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("60.00")
    here.act(deal, anna.manager, kind, "2026-03-02")
    here.act(deal, anna.manager, kind, "2026-10-05")
    page = cast.director.page(f"/record?deal_id={deal}&action_type={kind}&effective_on=2026-09-01")
    assert re.search(r"До предела сделки осталось</th><td role=\"cell\">40,00 %", page)
    assert re.search(r"Зачтётся</th><td role=\"cell\">40,00 %", page)
    assert "Из-за неё иначе зачтётся 1 другое действие сделки" in page
    assert "портфели не меняются" in page


def test_what_later_setbacks_take_is_not_called_above_the_cap(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("10.00")
    here.act(deal, anna.manager, kind, "2026-03-02")
    here.act(deal, anna.manager, here.kind("-5.00"), "2026-10-05")
    page = cast.director.page(f"/record?deal_id={deal}&action_type={kind}&effective_on=2026-09-01")
    assert re.search(r"Зачтётся</th><td role=\"cell\">7,50 %", page)
    assert re.search(r"Уменьшено позже</th><td role=\"cell\">2,50 %", page)
    assert "Сверх предела" not in page
    assert headline(page) == money("40000000.00"), "the action before it gets back 2.5 %"
    assert "Из-за неё иначе зачтётся 1 другое действие сделки" in page


def test_a_claim_says_that_it_does_not_count_yet(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("8.00", needs_confirmation=True)
    page = anna.page(f"/record?deal_id={deal}&action_type={kind}")
    assert "Это будет заявка." in page
    assert re.search(r"Зачтётся сейчас</th><td role=\"cell\">0,00 %", page)
    assert headline(page) == money("32000000.00")


def test_a_claim_of_an_earlier_date_is_said_to_come_first(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal = here.deal(anna.manager)
    here.act(deal, anna.manager, here.kind("90.00"), "2026-03-02")
    here.act(deal, anna.manager, here.kind("8.00", needs_confirmation=True), "2026-03-03")
    page = anna.page(f"/record?deal_id={deal}&action_type={here.kind('10.00')}")
    assert re.search(r"заявка с более ранней датой.*2,00 %", page)


def test_a_setback_tells_what_it_takes_from_whom(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("6.00")
    here.act(deal, anna.manager, kind, "2026-03-02")
    here.act(deal, cast.boris, kind, "2026-03-02")
    page = anna.page(f"/record?deal_id={deal}&action_type={here.kind('-4.00')}")
    assert headline(page) == money("-16000000.00")
    assert "к портфелям 2 менеджеров" in page
    assert f'title="{money("-8000000.00")}"' in page, "what Boris loses; his portfolio is his"


def test_the_preview_goes_on_while_evidence_is_missing(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("5.00", evidence_required=True)
    form = {"deal_id": deal, "action_type": kind, "effective_on": TODAY, "comment": "о цене <b>"}
    position = here.position
    answer = anna.send("/record", manager_id=anna.manager, key=cast.key, **form)
    page = unescape(answer.text)
    assert (answer.status_code, here.position) == (409, position)
    assert 'id="evidence-error"' in page
    assert "о цене &lt;b&gt;</textarea>" in answer.text, "nothing typed is lost"
    assert headline(page.replace("\N{NO-BREAK SPACE}", " ")) == money("20000000.00")
    answer = anna.send("/record", manager_id=anna.manager, key=cast.key, evidence="№ 1", **form)
    assert answer.status_code == 303
    assert here.position == position + 1


# ------------------------------------------------------------------------------------- once


def test_a_double_click_records_once_and_both_lead_to_the_deal(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind, key = here.deal(anna.manager), here.kind(), cast.key
    form = {"deal_id": deal, "action_type": kind, "effective_on": TODAY, "key": key}
    answers = [anna.send("/record", manager_id=anna.manager, **form) for _ in range(2)]
    (place,) = {answer.headers["location"] for answer in answers}
    assert place == f"/deals/{deal}?recorded=actions-{here.position}"
    actions = deal_of(cast, deal)["actions"]
    assert isinstance(actions, list)
    assert len(actions) == 1


def test_a_form_that_was_sent_with_other_content_is_not_taken_for_it(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    form = {"deal_id": here.deal(anna.manager), "action_type": here.kind(), "key": cast.key}
    whose = {"manager_id": anna.manager}
    assert anna.send("/record", effective_on=TODAY, **form, **whose).status_code == 303
    again = anna.send("/record", effective_on="2026-10-19", **form, **whose)
    assert again.status_code == 422
    assert f'name="key" value="{form["key"]}"' not in again.text, "the next click is a new one"


def version_in(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found, page
    return found[1]


@pytest.mark.parametrize("name", ["record", "check-revisions"])
def test_what_moved_on_since_it_was_shown_is_told_before_anything_is_recorded(
    cast: Cast, name: str
) -> None:
    """Nothing that was typed is lost, and the same once more is recorded."""
    here, anna, reader = cast.here, cast.anna.manager, cast.director
    deal, kind = here.deal(anna), here.kind("5.00")
    typed = {"effective_on": TODAY, "key": cast.key}
    if name == "record":
        path, page = "/record", reader.page(f"/record?deal_id={deal}")
        typed |= {"deal_id": deal, "action_type": kind, "manager_id": anna, "comment": "Мы тут"}
    else:
        path = f"/deals/{deal}/commands/{name}"
        page, typed = reader.page(path), typed | {"amount": "500 000 000,00", "reason": "Мы тут"}
    here.act(deal, cast.boris, kind, "2026-10-19")
    moved = here.position
    seen = {"version": version_in(page), "fragment": "1"}
    fragment = reader.send(f"{path}/preview", **seen, **typed).text
    assert version_in(fragment) == version_in(page), "who types has not looked again"
    answer = reader.send(path, version=version_in(page), **typed)
    assert answer.status_code == 412
    assert here.position == moved, "nothing is recorded"
    assert "Сделка изменилась с тех пор" in answer.text
    assert f'href="/deals/{deal}#e{moved}">Действие</a>' in answer.text
    assert "Мы тут</textarea>" in answer.text
    assert "прогресс 5,00" in answer.text, "what it is now"
    again = {"version": version_in(answer.text), **typed}
    places = {reader.send(path, **again).headers["location"] for _ in "ab"}
    assert len(places) == 1, "a double click is one, though the first has moved the deal on"
    assert here.position == moved + 1


# ---------------------------------------------------------------------------------- the form


def test_types_that_cannot_be_recorded_are_listed_with_the_reason(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, once = here.deal(anna.manager), here.kind(max_per_deal=2)
    later = here.kind(effective_from="2026-10-10")
    here.act(deal, anna.manager, once, "2026-03-02")
    page = anna.page(f"/record?deal_id={deal}")
    assert option(page, once) == ("", "записано 1 из 2")
    here.act(deal, anna.manager, once, "2026-03-02")
    page = anna.page(f"/record?deal_id={deal}&effective_on=2026-10-09")
    assert option(page, once) == (" disabled", "предел достигнут · записано 2 из 2")
    assert option(page, later) == (" disabled", "на эту дату не действует")
    assert option(anna.page("/record"), later) == ("", "")


def option(page: str, kind: str) -> tuple[str, str]:
    found = re.search(
        rf'value="{kind}"( disabled)?[^>]*>.*?<span class="note">\s*(.*?)\s*</span>', page
    )
    assert found, page
    return found[1] or "", found[2]


def test_a_weight_is_shared_and_the_doer_keeps_the_rest(cast: Cast) -> None:
    here, head = cast.here, cast.head
    deal, kind = here.deal(cast.anna.manager), here.kind("5.00")
    form = {"deal_id": deal, "action_type": kind, "effective_on": TODAY, "with_1": cast.boris}
    whose = {"manager_id": cast.anna.manager, "key": cast.key}
    wrong = head.send("/record", weight_1="двадцать", **form, **whose)
    assert wrong.status_code == 422
    assert 'id="weight_1-error"' in wrong.text
    assert 'value="двадцать"' in wrong.text
    assert head.send("/record", weight_1="1,25", **form, **whose).status_code == 303
    (action,) = here.director.ask(f"/v1/deals/{deal}")["actions"]
    held = {line["manager_id"]: line["credit"] for line in action["credits"]}
    assert held == {cast.anna.manager: "3.75", cast.boris: "1.25"}


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"deal_id": "../x"},
        {"deal_id": "00000000-0000-0000-0000-000000000000"},
        {"effective_on": "завтра"},
        {"effective_on": "2026-10-21"},
        {"effective_on": "2025-01-01"},
        {"action_type": "no such"},
        {"manager_id": "nobody"},
        {"comment": "\u202e"},
        {"with_1": "x", "weight_1": "-"},
    ],
)
def test_what_is_typed_wrong_gets_the_form_again(cast: Cast, typed: dict[str, str]) -> None:
    here, head = cast.here, cast.head
    deal, kind = here.deal(cast.anna.manager), here.kind()
    good = {"deal_id": deal, "action_type": kind, "effective_on": TODAY, "manager_id": cast.boris}
    position, form = here.position, (good | typed if typed else {})
    for path in ("/record/preview", "/record"):
        answer = head.send(path, key=cast.key, **form)
        assert answer.status_code in {200, 404, 403, 409, 422}, answer.text
        assert '<form class="form" id="record"' in answer.text
    assert here.position == position


def test_without_its_token_or_key_a_form_is_not_taken(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind()
    form = {"deal_id": deal, "action_type": kind, "effective_on": TODAY}
    form["manager_id"], position = anna.manager, here.position
    assert anna.send("/record", csrf="x", key=cast.key, **form).status_code == 403
    assert anna.send("/record", **form).status_code == 422
    assert anna.send("/record", key="*" * 20, **form).status_code == 422
    assert here.position == position


def test_a_script_gets_the_parts_that_depend_on_what_was_typed(cast: Cast) -> None:
    page = cast.anna.sent("/record/preview", fragment="1")
    assert "<html" not in page
    for part in ("deal-hint", "kinds", "preview", "dock"):
        assert f'id="{part}"' in page


# ------------------------------------------------------------------------------------- roles


def test_each_role_may_choose_whom_it_may_record_for(cast: Cast) -> None:
    assert doers(cast.anna.page("/record")) == {cast.anna.manager}
    assert doers(cast.head.page("/record")) == {cast.anna.manager, cast.boris}
    assert {cast.anna.manager, cast.vera} <= doers(cast.director.page("/record"))
    assert "разделить вес" not in cast.anna.page("/record")
    assert cast.auditor.get("/record").status_code == 403
    assert Browser(cast.here).get("/record").headers["location"].endswith("next=%2Frecord")


def doers(page: str) -> set[str]:
    (listed,) = re.findall(r'<select id="who".*?</select>', page, re.DOTALL)
    return set(re.findall(r'<option value="([^"]+)"', listed))


def test_a_deal_that_is_not_seen_is_neither_listed_nor_previewed(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    hidden, kind = here.deal(cast.vera), here.kind()
    assert hidden not in anna.page("/record")
    assert hidden in cast.director.page("/record")
    page = anna.page(f"/record?deal_id={hidden}&action_type={kind}")
    assert 'class="big"' not in page
    assert anna.get(f"/deals/{hidden}/commands/withdrawal").status_code == 404


def test_both_languages_are_whole(cast: Cast) -> None:
    here, anna = cast.here, cast.anna
    deal, kind = here.deal(anna.manager), here.kind("8.00", needs_confirmation=True)
    here.act(deal, anna.manager, kind, "2026-03-02")
    asked = f"deal_id={deal}&action_type={kind}"
    paths = [f"/record?{asked}", "/confirmations?", f"/deals/{deal}/commands/withdrawal?"]
    for path in paths:
        english = re.sub(r'<a href="[^>]*lang="ru".*?</a>', "", anna.page(f"{path}&lang=en"))
        visible = re.sub(r"<[^>]+>|Холодильные витрины для сети «Ромашка»|Ромашка", "", english)
        names = re.sub(r"Анна|Кто-то manager", "", visible)
        assert not re.search(r"[а-яё]{3}", names, re.IGNORECASE), names
        assert "What this will" not in anna.page(path)


# ------------------------------------------------------------------------------ other commands


def test_every_command_has_a_page(cast: Cast) -> None:
    deal = cast.here.deal(cast.anna.manager)
    for name in FORMS:
        for language in ("ru", "en"):
            page = cast.director.page(f"/deals/{deal}/commands/{name}?lang={language}")
            assert f'action="/deals/{deal}/commands/{name}?lang={language}"' in page
        assert cast.auditor.get(f"/deals/{deal}/commands/{name}").status_code == 403
        expected = 200 if name == "withdrawal" else 403
        assert cast.anna.get(f"/deals/{deal}/commands/{name}").status_code == expected
    assert cast.director.get(f"/deals/{deal}/commands/other").status_code == 404
    assert cast.director.get("/deals/x/commands/win").status_code == 404


def test_a_deal_goes_through_its_commands_by_pages(cast: Cast) -> None:
    """What each of them foresees for Anna's portfolio is by how much it then changes."""
    here, anna, deal = cast.here, cast.anna.manager, cast.here.deal(cast.anna.manager)
    action = here.act(deal, anna, here.kind("5.00"), "2026-03-02")
    on = {"effective_on": TODAY}
    why = {"reason": "так решили"}
    for name, fields in (
        ("check-revisions", {"amount": "500 000 000,00", **on, **why}),
        ("weight-changes", {"action_id": action, "weight": "4,00", **on, **why}),
        ("expected-close-revisions", {"expected_close_on": "2027-01-01", **on}),
        ("suspension", {"review_on": "2026-12-01", **on, **why}),
        ("resumption", on),
        ("loss", {**on, **why}),
        ("reopening", {**on, **why}),
        ("handovers", {"manager_id": cast.boris, "transfer_credit": "true", **on, **why}),
        ("win", {"contract_amount": "490 000 000,00", **on}),
        ("reopening", {**on, **why}),
        ("withdrawal", {"action_id": action, **on, **why}),
    ):
        path = f"/deals/{deal}/commands/{name}"
        unsaid = {key: value for key, value in fields.items() if key != "reason"}
        page = cast.director.sent(f"{path}/preview", **unsaid)
        before = active(cast, anna)
        answer = cast.director.send(path, key=cast.key, **fields)
        assert answer.status_code == 303, (name, answer.text)
        assert answer.headers["location"] == f"/deals/{deal}?recorded={name}-{here.position}"
        after = active(cast, anna)
        if after != before:
            assert f'title="{money(after)[1:]}"' in page, name
    assert deal_of(cast, deal)["owner"] == cast.boris


def test_a_command_that_is_refused_says_why_in_its_place(cast: Cast) -> None:
    deal = cast.here.deal(cast.anna.manager)
    path, position = f"/deals/{deal}/commands", cast.here.position
    page = cast.director.sent(f"{path}/loss", key=cast.key, effective_on="2026-10-21", reason="х")
    assert 'id="effective_on-error"' in page
    page = cast.director.sent(f"{path}/win", key=cast.key, effective_on=TODAY, contract_amount="x")
    assert 'id="contract_amount-error"' in page
    page = cast.director.page(f"{path}/resumption")
    assert "На эту дату сделка не приостановлена" in page
    assert cast.here.position == position


# ------------------------------------------------------------------------------------- claims


def test_of_a_claim_that_is_decided_the_form_says_so_and_asks_for_another(cast: Cast) -> None:
    """Back from its page, or from a tab that was left open."""
    kind = cast.here.kind("8.00", needs_confirmation=True)
    deal = cast.here.deal(cast.anna.manager)
    action = cast.here.act(deal, cast.anna.manager, kind, "2026-10-01")
    cast.here.act(deal, cast.anna.manager, kind, "2026-10-01")
    path = f"/deals/{deal}/commands/confirmation"
    assert "это уже невозможно" not in cast.head.page(f"{path}?action_id={action}")
    cast.head.send(path, key=cast.key, action_id=action, effective_on="2026-10-01")
    assert "это уже невозможно" in cast.head.page(f"{path}?action_id={action}")
    refused = cast.head.send(path, key=cast.key, action_id="", effective_on="2026-10-01")
    assert refused.status_code == 422
    assert 'id="action_id-error"' in refused.text


def test_a_head_confirms_what_the_team_claims_and_nobody_elses(cast: Cast) -> None:
    here, anna = cast.here, cast.anna.manager
    kind = here.kind("8.00", needs_confirmation=True)
    deal, hidden = here.deal(anna), here.deal(cast.vera)
    action = here.act(deal, anna, kind, "2026-10-01", evidence="Письмо № 5")
    other = here.act(hidden, cast.vera, kind, "2026-10-01")
    page = cast.head.page("/confirmations")
    assert action in page
    assert "Письмо № 5" in page
    assert other not in page
    assert other in cast.director.page("/confirmations")
    assert f"commands/withdrawal?action_id={action}" in cast.anna.page("/confirmations")
    waiting = counted(page)
    assert waiting == page.count("/commands/confirmation?")
    path = f"/deals/{deal}/commands/confirmation"
    shown_page = cast.head.page(f"{path}?action_id={action}")
    assert headline(shown_page) == money("32000000.00")
    before = active(cast, anna)
    sent = {"action_id": action, "effective_on": "2026-10-01", "back": "confirmations"}
    answer = cast.head.send(path, key=cast.key, **sent)
    assert answer.headers["location"].startswith("/confirmations?recorded=confirmation-")
    assert active(cast, anna) - before == Decimal("32000000.00")
    page = cast.head.page(answer.headers["location"])
    assert "Действие подтверждено, позиция" in page
    assert counted(page) == waiting - 1
    assert cast.auditor.get("/confirmations").status_code == 403


def test_the_claims_are_asked_for_at_once_however_many_deals_are_open(cast: Cast) -> None:
    leader = signed_in(cast.here, "director")
    assert counted(leader.page("/confirmations")) > 0
    path, account = "/v1/reads", leader.person.account_id
    reads = cast.here.director.ask(path, account_id=account)["reads"]
    assert sorted(one["question"] for one in reads) == ["getPortfolios", "listActions"]


def test_claims_on_all_pages_of_the_answer_are_shown(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = cast.director.page("/confirmations")
    monkeypatch.setattr("api.pages.commands.LISTED", 1)
    here, kind = cast.here, cast.here.kind("1.00", needs_confirmation=True)
    for _ in range(2):
        here.act(here.deal(cast.vera), cast.vera, kind, "2026-10-02")
    assert counted(cast.director.page("/confirmations")) == counted(page) + 2


def counted(page: str) -> int:
    found = re.search(r'<span class="count">(\d+)</span>', page)
    assert found
    return int(found[1])


def test_nobody_is_offered_to_confirm_what_they_did_themselves(cast: Cast) -> None:
    here = cast.here
    north = str(here.director.do("/v1/teams", {"name": "Север"})["team_id"])
    own = here.manager("Ольга", team_id=north)
    leader = signed_in(here, "head", team_id=north, manager_id=own)
    deal = here.deal(own)
    action = here.act(deal, own, here.kind("8.00", needs_confirmation=True), "2026-10-01")
    page = leader.page("/confirmations")
    assert "ваше: подтвердит кто-то другой" in page
    assert (counted(page), "/commands/confirmation?" in page) == (0, False)
    path = f"/deals/{deal}/commands/confirmation"
    answer = leader.send(path, key=cast.key, action_id=action, effective_on="2026-10-01")
    assert answer.status_code == 403


# ------------------------------------------------------------------------------- a new deal


def new_deal(cast: Cast, **other: str) -> dict[str, str]:
    return {
        "key": str(uuid4()),
        "title": "Печи для пекарни «Каравай»",
        "client": "Каравай",
        "potential_check.amount": "250 000 000,50 ₽",
        "potential_check.currency": "RUB",
        "manager_id": cast.anna.manager,
        "effective_on": "2026-10-19",
        "expected_close_on": "",
    } | other


def test_a_manager_opens_a_deal_of_their_own(cast: Cast) -> None:
    answer = cast.anna.send("/deals/new", **new_deal(cast, expected_close_on="2027-03-31"))
    assert answer.status_code == 303
    page = cast.anna.page(answer.headers["location"])
    assert "Сделка открыта" in page
    assert "Печи для пекарни «Каравай»" in page
    deal = deal_of(cast, answer.headers["location"].split("?")[0].rpartition("/")[2])
    assert deal["owner"] == cast.anna.manager
    assert deal["client"] == "Каравай"
    assert deal["potential_check"] == {"amount": "250000000.50", "currency": "RUB"}
    assert (deal["opened_on"], deal["expected_close_on"]) == ("2026-10-19", "2027-03-31")


def test_a_deal_is_opened_once_however_often_its_form_is_sent(cast: Cast) -> None:
    form = new_deal(cast)
    first, again = (cast.director.send("/deals/new", **form) for _ in "12")
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"title": " "}, "title"),
        ({"client": ""}, "client"),
        ({"potential_check.amount": "0"}, "potential-check-amount"),
        ({"potential_check.amount": "много"}, "potential-check-amount"),
        ({"potential_check.currency": "ABC"}, "potential-check-currency"),
        ({"manager_id": ""}, "manager-id"),
        ({"effective_on": ""}, "effective-on"),
        ({"expected_close_on": "1999-12-31"}, "expected-close-on"),
    ],
)
def test_what_is_wrong_with_a_new_deal_is_said_beside_it(
    cast: Cast, fields: dict[str, str], wrong: str
) -> None:
    position = cast.here.position
    answer = cast.director.send("/deals/new", **new_deal(cast, **fields))
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert f'id="f-{wrong}-e"' in page
    assert 'value="2026-10-19"' in page or wrong == "effective-on"
    assert "Ничего не записано, введённое сохранено." in page
    assert cast.here.position == position


def test_a_deal_of_tomorrow_is_refused_and_nothing_typed_is_lost(cast: Cast) -> None:
    answer = cast.director.send("/deals/new", **new_deal(cast, effective_on="2026-10-21"))
    assert answer.status_code == 409
    page = unescape(answer.text)
    assert "В будущем" in page
    assert 'value="250 000 000,50 ₽"' in page


def owners(page: str) -> set[str]:
    (chosen,) = re.findall(r'<select id="f-manager-id".*?</select>', page, re.DOTALL)
    return {one for one in re.findall(r'value="([^"]*)"', chosen) if one}


def test_a_deal_is_offered_for_those_alone_for_whom_one_may_open_it(cast: Cast) -> None:
    assert owners(cast.anna.page("/deals/new")) == {cast.anna.manager}
    assert owners(cast.head.page("/deals/new")) == {cast.anna.manager, cast.boris}
    assert {cast.vera, cast.boris} < owners(cast.director.page("/deals/new"))
    answer = cast.head.send("/deals/new", **new_deal(cast, manager_id=cast.vera))
    assert answer.status_code == 403


def test_whoever_records_nothing_opens_nothing(cast: Cast) -> None:
    assert "/deals/new" not in cast.auditor.page("/deals")
    assert "/deals/new" in cast.director.page("/deals")
    assert cast.auditor.get("/deals/new").status_code == 403
    assert cast.auditor.send("/deals/new", **new_deal(cast)).status_code == 403


def test_a_client_is_offered_to_whoever_sees_a_deal_of_theirs(cast: Cast) -> None:
    cast.here.deal(cast.vera, client="Северный ветер")
    offered = '<option value="Северный ветер">'
    assert offered in cast.director.page("/deals/new")
    assert offered not in cast.anna.page("/deals/new")


# ----------------------------------------------------------------------- people and teams


def person(cast: Cast, manager: str, as_of: str = TODAY) -> dict[str, object]:
    people = cast.here.director.ask("/v1/managers", as_of=as_of, limit=1_000)["managers"]
    (one,) = [line for line in people if line["manager_id"] == manager]
    return dict(one)


def fresh(**fields: str) -> dict[str, str]:
    return {"key": str(uuid4())} | fields


def test_a_manager_is_registered_a_team_made_and_somebody_moved_to_it(cast: Cast) -> None:
    here, director = cast.here, cast.director
    form = fresh(name="Ульяна Жданова", manager_id="ulyana", team_id=cast.south)
    told = director.send("/people/manager", **form)
    assert "Менеджер внесён" in director.page(told.headers["location"])
    assert person(cast, "ulyana")["team_id"] == cast.south
    told = director.send("/people/team", **fresh(name="Восток"))
    page = director.page(told.headers["location"])
    assert "Команда создана" in page
    (east,) = re.findall(r'<option value="([^"]*)">Восток', page[page.index('id="f-to-team"') :])
    form = fresh(manager_id="ulyana", team_id=east, effective_on="2026-09-01")
    told = director.send("/people/move", **form)
    assert "Перевод записан" in director.page(told.headers["location"])
    assert (person(cast, "ulyana")["team_id"], person(cast, "ulyana", "2026-08-31")["team_id"]) == (
        east, cast.south,
    )  # fmt: skip
    assert "Ульяна Жданова" in members(director.page("/people"), "Восток")
    assert "Ульяна Жданова" in members(director.page("/people?as_of=2026-08-31"), "Юг")
    file = director.get("/people.csv").text
    assert "Восток,Ульяна Жданова,ulyana" in file
    assert here.director.get("/v1/managers/ulyana/portfolio").status_code == 200


def members(page: str, team: str) -> str:
    (row,) = re.findall(rf'scope="row">{team}</th>(.*?)</tr>', page, re.DOTALL)
    return str(row)


@pytest.mark.parametrize(
    ("form", "fields", "wrong", "status"),
    [
        ("manager", {"name": ""}, "f-manager-name-e", 422),
        ("manager", {"name": "Анна", "manager_id": "не латиница"}, "f-new-id-e", 422),
        ("team", {"name": " "}, "f-team-name-e", 422),
        ("move", {"manager_id": "", "effective_on": "2026-10-01"}, "f-who-e", 422),
        ("move", {"manager_id": "ivan", "team_id": "", "effective_on": TODAY}, "f-to-team-e", 422),
        ("move", {"manager_id": "ivan", "effective_on": TODAY}, "нет менеджера ivan", 404),
    ],
)
def test_what_is_wrong_with_people_is_said_in_its_form(
    cast: Cast, form: str, fields: dict[str, str], wrong: str, status: int
) -> None:
    position = cast.here.position
    answer = cast.director.send(f"/people/{form}", **fresh(**({"team_id": cast.south} | fields)))
    assert answer.status_code == status
    page = unescape(answer.text)
    own = page[page.index(f'id="{form}"') :].partition("</form>")[0]
    assert wrong in own
    assert own.count("Ничего не записано, введённое сохранено.") == 1
    assert page.count("Ничего не записано, введённое сохранено.") == 1
    assert cast.here.position == position


def test_who_is_in_which_team_everybody_may_look_up_and_few_may_change(cast: Cast) -> None:
    for reader in (cast.anna, cast.head, cast.auditor):
        page = reader.page("/people")
        assert "Анна" in members(page, "Юг")
        assert "/people/manager" not in page
        assert reader.send("/people/team", **fresh(name="Запад")).status_code == 403
    assert f"/managers/{cast.vera}" not in cast.anna.page("/people")
    assert f"/managers/{cast.vera}" in cast.director.page("/people")
    admin = signed_in(cast.here, "admin")
    assert admin.send("/people/team", **fresh(name="Запад")).status_code == 303
    assert "/managers/" not in admin.page("/people")


# ------------------------------------------------------------------------------------ figures


@pytest.mark.parametrize(
    ("told", "language", "shown"),
    [
        ("Всё по 2026-08-31 закрыто", "ru", "Всё по 31 августа 2026 г. закрыто"),
        ("Closed through 2026-08-31.", "en", "Closed through August 31, 2026."),
        ("2026-02-30 is none", "en", "2026-02-30 is none"),
        ("2026-07-01T09:00:00+03:00", "ru", "2026-07-01T09:00:00+03:00"),
    ],
)
def test_days_in_a_refusal_are_written_as_people_do(
    told: str, language: Language, shown: str
) -> None:
    assert " ".join(days_in(told, language).split()) == shown


def test_people_are_told_of_a_refusal_in_their_own_dates() -> None:
    closed = problem_of(PeriodClosed(date(2026, 8, 20), date(2026, 8, 31)))
    wrong = Problem("validation", errors=(("day", "days", {"least": "2026-08-31", "most": 3}),))
    assert closed is not None
    assert "31 августа 2026" in " ".join(to_people(closed, "ru")["detail"].split())
    for told in (to_people(wrong, "en")["detail"], to_people(wrong, "en")["errors"][0]["detail"]):
        assert "August 31, 2026" in " ".join(told.split())


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("450 000 000,50", "450000000.50"),
        ("450,000,000.50", "450000000.50"),
        ("450,000,000", "450000000"),
        ("4,5 %", "4.5"),
        ("\N{MINUS SIGN}4,00", "-4.00"),
        ("1 000 ₽", "1000"),
        (" 250\N{NO-BREAK SPACE}000\N{NARROW NO-BREAK SPACE}000 ", "250000000"),
    ],
)
def test_numbers_are_taken_as_people_write_them(typed: str, taken: str) -> None:
    assert plain_number(typed) == taken


@pytest.mark.parametrize(
    "typed",
    ["1 0", "45 00", "1 000 00", "4 5,5", "1,0,0", "12,34,567", "1.234,56", "1,50.00", "- 4"],
)
def test_what_may_be_another_number_is_not_guessed(typed: str) -> None:
    with pytest.raises(InvalidOperation):
        Decimal(plain_number(typed))


def test_a_number_in_a_field_is_taken_back_as_it_was() -> None:
    for text in ("252840000.00", "0.01", "4.00", "-3.50"):
        assert plain_number(written_number(text, "ru")) == text
        assert plain_number(written_number(text, "en")) == text


@pytest.mark.parametrize("value", [0, 1, 99, 1_000_000, -1_250_000, 123_456_789_012])
def test_a_value_is_read_back_as_it_was_told(value: int) -> None:
    assert value_of(value_text(value)) == value
