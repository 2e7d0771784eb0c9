"""Pages as a browser shows them: Debian's Chromium, each role, both languages, light and dark, at a
desk and on a phone.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from api.audit.audit_verifier import verify
from api.settings import Settings
from domain.values import Role
from tests.chromium import (
    AA,
    CONTRAST,
    DESK,
    PASSWORD,
    PHONE,
    Scheme,
    cookie_of,
    violations,
    window,
)
from tests.over_http import Company, Person, company

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SCREENS = {
    Role.MANAGER: ("/", "/record", "/managers/m-1"),
    Role.HEAD: ("/periods",),
    Role.DIRECTOR: (
        "/?as_of=2026-06-30",
        "/deals",
        "/deals/new",
        "/people?as_of=2026-06-30",
        "{deal}",
        "/movement",
        "/confirmations",
        "/catalogue",
        "/catalogue/new",
        "/catalogue/types/proposal",
        "/catalogue/types/proposal/rerating?weight=6&effective_on=2026-08-30",
        "/reports",
        "/reports/comparison?measure=indexed",
        "/reports/targets",
        "/periods",
        "/periods/2026-08",
        "/reports/months?as_of=2026-10-20",
        "/reports/stalled?minimum_days=10",
        "/reports/concentration",
        "/reports/digest?week=2026-10-20",
        "/reports/forecast?target=90000000",
        "/reports/calibration?as_known=now",
        "/reports/laboratory?weights=proposal:6.00&cap=4.00",
    ),
    Role.AUDITOR: (
        "/log?late=1",
        "/restatement",
        "/reports/activity?from=2026-03-01&to=2026-09-30",
        "/log/integrity?high_weight=0.01",
    ),
    Role.ADMIN: ("/accounts/system", "/accounts", "/accounts/imports"),
}


@pytest.fixture(scope="module")
def here(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Two managers, a late action, and August closed before it was known."""
    key = tmp_path_factory.mktemp("keys") / "signing.key"
    with company(shared_database, settings=Settings(signing_key_file=key)) as begun:
        anna, boris = begun.manager(name="Анна Соколова"), begun.manager(name="Борис Крылов")
        begun.kind("5.00", code="proposal", evidence_required=True)
        begun.kind("-3.00", code="setback", max_per_deal=2)
        for manager, check in ((anna, "400000000.00"), (boris, "90000000.00")):
            deal = begun.deal(manager, check)
            begun.act(deal, manager, "proposal", "2026-03-02", evidence="Письмо 1")
            begun.act(deal, manager, "setback", "2026-09-07")
        begun.director.do("/v1/periods/2026-08/closing")
        begun.director.do("/v1/periods/2026-08/reopening", {"reason": "Пропущено письмо"})
        begun.act(deal, boris, "proposal", "2026-08-31", evidence="Письмо 2")
        yield begun


@pytest.fixture(scope="module")
def people(here: Company) -> dict[Role, Person]:
    team = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    place = {Role.MANAGER: {"manager_id": "m-1"}, Role.HEAD: {"team_id": team}}
    return {role: here.hire(role, **place.get(role, {})) for role in Role}


@pytest.mark.parametrize(
    ("role", "size", "home"), [(Role.MANAGER, PHONE, "Портфель на"), (Role.ADMIN, DESK, "Учётные")]
)
def test_people_sign_in_by_the_form(
    browser: Browser,
    here: Company,
    people: dict[Role, Person],
    role: Role,
    size: tuple[int, int],
    home: str,
) -> None:
    """To what they came for, and from there to what their role begins with."""
    person = people[role]
    made = here.admin.do(f"/v1/accounts/{person.account_id}/password", {"login": role.value})
    here.stranger.post("/auth/setup", {"code": made["code"], "password": PASSWORD})
    with window(browser, here, size=size) as seen:
        seen.open("/catalogue?as_of=2026-06-30")
        seen.page.fill("#login", role.value)
        seen.page.fill("#password", PASSWORD)
        seen.page.click("button:has-text('Войти')")
        seen.page.wait_for_url("**/catalogue?as_of=2026-06-30")
        assert seen.page.locator("h1").inner_text() == "Регламент действий"
        seen.open("/")
        assert seen.page.locator("h1").inner_text().startswith(home)


@pytest.mark.parametrize("role", list(Role))
def test_home_in_both_languages_light_and_dark_at_a_desk_and_on_a_phone(
    browser: Browser,
    here: Company,
    people: dict[Role, Person],
    role: Role,
) -> None:
    with window(browser, here, people[role]) as seen:
        for language in ("ru", "en"):
            grounds = set()
            answer = seen.open(f"/?lang={language}")
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert seen.page.locator("html").get_attribute("lang") == language
            for size in (DESK, PHONE):
                for scheme in SCHEMES:
                    grounds.add(seen.look(size, scheme))
                assert not seen.sticks_out
            assert len(grounds) == 2, "dark is not light"


@pytest.mark.parametrize("role", list(Role))
def test_axe_finds_nothing(
    browser: Browser, here: Company, people: dict[Role, Person], role: Role
) -> None:
    """At a desk in light; the last of a role's screens in dark and on a phone too."""
    found = []
    deal = f"/deals/{here.director.ask('/v1/deals')['deals'][0]['deal_id']}"
    with window(browser, here, people[role]) as seen:
        for path in SCREENS[role]:
            assert seen.open(path.format(deal=deal)).status == 200
            found += violations(seen.page, path, AA)
        seen.look(DESK, "dark")
        found += violations(seen.page, f"{path} in dark", CONTRAST)
        seen.look(PHONE, "light")
        found += violations(seen.page, f"{path} on a phone", AA)
    assert not found


def test_an_auditor_takes_a_bundle_along(
    browser: Browser, here: Company, people: dict[Role, Person], tmp_path: Path
) -> None:
    here.service.proving.catch_up()
    with window(browser, here, people[Role.AUDITOR]) as seen:
        seen.open("/log/evidence")
        with seen.page.expect_download() as told:
            seen.page.click("button:has-text('Забрать пакет')")
        told.value.save_as(tmp_path / "bundle.jsonl")
    with (tmp_path / "bundle.jsonl").open("rb") as lines:
        assert verify(lines).holds


def test_keys_move_the_day_and_open_search_and_help(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        for path in ("/", "/catalogue"):
            seen.open(path)
            for key, day in (("[", "2026-10-19"), ("[", "2026-10-18"), ("]", "2026-10-19")):
                with seen.page.expect_navigation():
                    seen.page.keyboard.press(key)
                assert seen.asked["as_of"] == [day]
            with seen.page.expect_navigation():
                seen.page.keyboard.press("{")
            assert seen.asked["as_of"] == ["2026-09-19"]
            with seen.page.expect_navigation():
                seen.page.keyboard.press("t")
            assert "as_of" not in seen.asked
            seen.page.keyboard.press("?")
            assert seen.page.locator("dialog.help").is_visible()
            seen.page.keyboard.press("Escape")
            seen.page.keyboard.press("/")
            assert seen.page.evaluate("document.activeElement.id") == "q"
            seen.page.keyboard.press("[")
            assert seen.page.locator("#q").input_value() == "[", "who types is not moved"


def test_sliders_move_the_day_and_what_was_known_of_it_by_the_keyboard(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    """What is known stays out of the way; the day that is compared with follows, unless chosen."""
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        seen.open("/")
        page = seen.page
        assert not page.locator("#kns").is_visible()
        page.focus("#sl")
        with page.expect_navigation():
            for _ in range(3):
                page.keyboard.press("ArrowLeft")
            assert page.get_attribute("#sl", "aria-valuetext") == "17 октября 2026 г."
        seen.settle()
        assert seen.asked == {"as_of": ["2026-10-17"]}
        assert page.evaluate("document.activeElement.id") == "sl", "the next key goes on from there"
        page.click(".known summary")
        page.focus("#kns")
        with page.expect_navigation():
            page.keyboard.press("ArrowLeft")
        seen.settle()
        assert seen.asked == {"as_of": ["2026-10-17"], "known_at": ["2026-10-19"]}
        with page.expect_navigation():
            page.fill("#cmp", "2026-10-10")
            page.dispatch_event("#cmp", "change")
        assert seen.asked["compare"] == ["2026-10-10"]


def test_what_is_typed_goes_along_into_the_other_language(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    with window(browser, here, people[Role.DIRECTOR], refusals=(422,)) as seen:
        page, deal = seen.page, here.director.ask("/v1/deals")["deals"][0]["deal_id"]
        seen.open(f"/record?deal_id={deal}")
        page.click(".opt:has([value=proposal])")
        page.fill("#cm", "Ошибка в смете")
        with page.expect_navigation():
            page.click("[data-language]")
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.input_value("#cm") == "Ошибка в смете"
        assert page.is_checked("[value=proposal]")
        page.wait_for_selector("#preview .big")
        seen.open("/catalogue/types/setback")
        page.fill("#f-reason", "Приказ 3")
        page.fill("#f-weight", "сто")
        with page.expect_navigation():
            page.press("#f-weight", "Enter")
        with page.expect_navigation():
            page.click("[data-language]")
        assert page.url.endswith("/catalogue/types/setback?lang=en"), "the page, not the form's"
        assert page.input_value("#f-reason") == "Приказ 3"
        seen.open("/catalogue/types/setback")
        assert page.input_value("#f-reason") == "", "once"


def test_what_is_typed_comes_back_behind_the_sign_in(browser: Browser, database: str) -> None:
    with company(database) as here:
        call, deal = here.kind(code="call"), here.deal(here.manager())
        person, path = here.hire(Role.DIRECTOR), f"/record?deal_id={deal}"
        made = here.admin.do(f"/v1/accounts/{person.account_id}/password", {"login": "late"})
        here.stranger.post("/auth/setup", {"code": made["code"], "password": PASSWORD})
        with window(browser, here, person) as seen:
            page, send = seen.page, "form#record button.primary"
            seen.open(path)
            page.click(f".opt:has([value={call}])")
            page.fill("#cm", "Ошибка в смете")
            page.context.clear_cookies()
            with page.expect_navigation(url="**/sign-in?**"):
                page.click(send)
            assert "ничего не записано" in page.inner_text("main")
            page.fill("#login", "late")
            page.fill("#password", PASSWORD)
            page.click("button:has-text('Войти')")
            page.wait_for_url(f"**{path}")
            assert page.input_value("#cm") == "Ошибка в смете"
            assert page.is_checked(f"[value={call}]")
            page.wait_for_selector("#preview .big")
            with page.expect_navigation(url=f"**/deals/{deal}?**"):
                page.click(send)
            assert "recorded=actions" in page.url
            seen.open(f"/catalogue/types/{call}")
            page.fill("#f-weight", "7")
            page.fill("#f-reason", "Приказ 3")
            with page.expect_navigation(url="**recorded=weights**"):
                page.press("#f-reason", "Enter")
            assert page.input_value("#f-reason") == "", "what was recorded is not typed"


def test_what_a_type_demands_stands_plainly_beside_its_title(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        seen.open("/record")
        one = seen.page.locator(".opt:has([value=proposal])")
        title, note = one.locator(".t").bounding_box(), one.locator(".note").bounding_box()
        assert title
        assert note
        assert note["height"] <= title["height"], "a line of text, and no box around it"


def test_keys_do_no_harm_where_there_is_no_day(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        for path in ("/log", "/periods", "/catalogue/new"):
            seen.open(path)
            for key in ("[", "]", "{", "}", "t"):
                seen.page.keyboard.press(key)
            assert urlsplit(seen.page.url).path == path


def test_the_keyboard_alone_changes_a_weight(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    """An error stands in its place, and what was typed stays."""
    here.kind("2.00", code="keyboard")
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        seen.open("/catalogue/types/keyboard")
        page = seen.page
        page.focus("#f-weight")
        page.keyboard.type("сто")
        page.focus("#f-reason")
        page.keyboard.type("Приказ 9")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("#f-weight[aria-invalid=true]").count() == 1
        assert page.input_value("#f-reason") == "Приказ 9"
        page.fill("#f-weight", "2,25")
        page.focus("#f-reason")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "2,25" in page.locator("#weights").inner_text()
        seen.wrong = [one for one in seen.wrong if "422" not in one]


def test_pages_work_without_script(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="ru-RU")
    context.add_cookies([cookie_of(here, people[Role.DIRECTOR])])
    page = context.new_page()
    page.goto(f"{here.address}/catalogue")
    page.fill("#asof", "2026-06-30")
    page.click("button:has-text('Показать')")
    assert parse_qs(urlsplit(page.url).query)["as_of"] == ["2026-06-30"]
    page.goto(f"{here.address}/log?late=1")
    page.locator("summary", has_text="Действие").first.click()
    assert page.locator("pre").first.is_visible()
    context.close()


def test_long_names_break_before_the_page_grows_wider_than_its_window(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    """At a small desk and on a phone."""
    kind = here.kind("2.00", needs_confirmation=True)
    manager = here.manager(name=f"Анна {'Преображенская-' * 9}Крылова")
    deal = here.deal(manager, title="Витрины" * 30, client=f"ООО «{'Торговый дом ' * 15}»")
    here.deal(manager, title="Стеллажи" * 30, currency="USD")
    here.act(deal, manager, kind, "2026-10-19")
    paths = (
        "/", "/deals", f"/deals/{deal}", f"/deals/{deal}/commands/win", f"/record?deal_id={deal}",
        "/confirmations", f"/managers/{manager}", "/log", "/log/evidence", "/reports/stalled",
        "/reports/laboratory",
    )  # fmt: skip
    with window(browser, here, people[Role.DIRECTOR]) as seen:
        for path in paths:
            seen.open(path)
            for size in ((1280, 800), PHONE):
                seen.look(size, "light")
                assert not seen.sticks_out, (path, size)


def test_what_is_done_about_a_claim_stands_in_sight_at_a_small_desk(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    vera = here.manager(name="Вера Орлова")
    deal = here.deal(vera)
    title = {"ru": "Техническая служба клиента согласовала решение", "en": "Approved"}
    kind = here.kind("2.00", needs_confirmation=True, title=title)
    here.act(deal, vera, kind, "2026-10-19", evidence="Протокол совещания")
    with window(browser, here, people[Role.DIRECTOR], size=(1280, 800)) as seen:
        seen.open(f"/deals/{deal}")
        edge = seen.page.locator("#actions .scroll").bounding_box()
        reject = seen.page.locator("#actions a:has-text('отклонить')").bounding_box()
        assert edge
        assert reject
        assert reject["x"] + reject["width"] <= edge["x"] + edge["width"]


def test_a_refused_choice_has_no_box_around_every_answer(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    with window(browser, here, people[Role.DIRECTOR], refusals=(422,)) as seen:
        seen.open("/record")
        seen.page.evaluate("document.querySelector('form[data-preview]').noValidate = true")
        with seen.page.expect_navigation():
            seen.page.locator("form[data-preview] button.primary:visible").first.click()
        drawn = "one => getComputedStyle(one).boxShadow"
        assert seen.page.locator(".err #tf").evaluate(drawn) != "none"
        assert seen.page.locator(".err .opt input").first.evaluate(drawn) == "none"


def test_whoever_is_refused_goes_on_where_it_is_wrong(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    here.kind("2.00", code="focused")
    with window(browser, here, people[Role.DIRECTOR], refusals=(422,)) as seen:
        seen.open("/catalogue/types/focused")
        seen.page.fill("#f-weight", "сто")
        seen.page.fill("#f-reason", "Приказ 9")
        with seen.page.expect_navigation():
            seen.page.press("#f-reason", "Enter")
        seen.page.wait_for_function("document.activeElement.id === 'f-weight'")


@pytest.mark.parametrize("width", [700, 820, 1093, 1200, 1280])
def test_between_a_desk_and_a_phone_nothing_sticks_out(
    browser: Browser, here: Company, people: dict[Role, Person], width: int
) -> None:
    """A tablet, half a screen, a laptop that enlarges its text by a quarter."""
    with window(browser, here, people[Role.DIRECTOR], size=(width, 800)) as seen:
        for path in ("/", "/deals", "/log"):
            seen.open(path)
            assert not seen.sticks_out, path
