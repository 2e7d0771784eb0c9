"""Pages as a browser shows them: Debian's Chromium, each role, both languages, light and dark, at a
desk and on a phone.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from domain.values import Role
from tests.browser import COOKIE, page_of
from tests.over_http import Company, Person, company

PLACES = (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK, PHONE = (1440, 900), (390, 844)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PASSWORD = "витрина у окна на юг"
SCREENS = {
    Role.MANAGER: ("/", "/record", "/managers/m-1"),
    Role.HEAD: ("/periods",),
    Role.DIRECTOR: (
        "/?as_of=2026-06-30",
        "/deals",
        "{deal}",
        "/movement",
        "/confirmations",
        "/catalogue",
        "/catalogue/new",
        "/catalogue/types/proposal",
        "/catalogue/types/proposal/rerating?weight=6&effective_on=2026-08-30",
        "/periods",
        "/periods/2026-08",
    ),
    Role.AUDITOR: ("/log?late=1", "/restatement"),
    Role.ADMIN: ("/accounts/system", "/accounts", "/accounts/imports"),
}
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AA = {"runOnly": _TAGS, "resultTypes": ["violations"]}
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}


def _installed() -> str | None:
    found = next((str(place) for place in PLACES if place.exists()), None)
    return found or shutil.which("chromium")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is; installed when missing, where that can be done."""
    found = _installed()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
        subprocess.run(command, check=False, capture_output=True, timeout=300)
        found = _installed()
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Two managers, a late action, and August closed before it was known."""
    with company(shared_database) as begun:
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


@dataclass
class Seen:
    """A window, and what went wrong in it."""

    page: Page
    address: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> Response:
        answer = self.page.goto(self.address + path)
        assert answer is not None
        self.page.wait_for_selector(".wait", state="detached")  # what is fetched behind the page
        return answer

    def hear(self, told: ConsoleMessage) -> None:
        if told.type == "error":
            self.wrong.append(told.text)

    def look(self, size: tuple[int, int], scheme: Literal["dark", "light"]) -> str:
        """The colour of the ground, in a window of that size."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    @property
    def asked(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)


@contextmanager
def window(
    browser: Browser,
    here: Company,
    person: Person | None = None,
    size: tuple[int, int] = DESK,
) -> Iterator[Seen]:
    """Of somebody who is signed in; in the end nothing may have gone wrong."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale="ru-RU", reduced_motion="reduce"
    )
    if person is not None:
        context.add_cookies([_cookie(here, person)])
    seen = Seen(context.new_page(), here.address)
    seen.page.on("console", seen.hear)
    seen.page.on("pageerror", lambda error: seen.wrong.append(str(error)))
    context.on("request", lambda request: seen.wrong.extend(_strange(request.url, here.address)))
    try:
        yield seen
    finally:
        context.close()
    assert not seen.wrong


def _cookie(here: Company, person: Person) -> Any:
    """Chromium takes a cookie of this prefix by TLS only, and sends it to its own machine."""
    value = page_of(here, person).jar[COOKIE]
    address = here.address.replace("http:", "https:")
    return {"name": COOKIE, "value": value, "url": address, "secure": True}


def _strange(url: str, address: str) -> list[str]:
    return [] if url.startswith((f"{address}/", "data:")) else [f"left the machine: {url}"]


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
    tmp_path: Path,
) -> None:
    with window(browser, here, people[role]) as seen:
        for language in ("ru", "en"):
            grounds = set()
            answer = seen.open(f"/?lang={language}")
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "unsafe-" not in policy
            assert seen.page.locator("html").get_attribute("lang") == language
            for size in (DESK, PHONE):
                for scheme in SCHEMES:
                    grounds.add(seen.look(size, scheme))
                    seen.page.screenshot(path=tmp_path / f"{language}-{size[0]}-{scheme}.png")
                wide = seen.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0], "nothing sticks out"
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
            found += _violations(seen.page, path, AA)
        seen.look(DESK, "dark")
        found += _violations(seen.page, f"{path} in dark", CONTRAST)
        seen.look(PHONE, "light")
        found += _violations(seen.page, f"{path} on a phone", AA)
    assert not found


def _violations(page: Page, where: str, options: Mapping[str, object]) -> list[object]:
    results = Axe().run(page, options=options).response
    assert results["passes"], "axe has looked"
    return [
        (where, one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in results["violations"]
    ]


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
    context.add_cookies([_cookie(here, people[Role.DIRECTOR])])
    page = context.new_page()
    page.goto(f"{here.address}/catalogue")
    page.fill("#asof", "2026-06-30")
    page.click("button:has-text('Показать')")
    assert parse_qs(urlsplit(page.url).query)["as_of"] == ["2026-06-30"]
    page.goto(f"{here.address}/log?late=1")
    page.locator("summary", has_text="Действие").first.click()
    assert page.locator("pre").first.is_visible()
    context.close()
