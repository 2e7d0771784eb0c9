"""What people come for, each role by itself in a real browser: they get there, axe finds nothing on
any screen of the way, nothing is told in the console, and nothing is asked of another machine.

In the short run every journey is made once by somebody who gets there, and some by somebody who
does not, in Russian or English, light or dark, at a desk or on a phone, such that every two of
these meet; with DEALFOLIO_TEST_PROFILE=long each role makes each in all eight. How every screen
looked in the end is kept in `.dealfolio/shots`. In the short run axe, which takes longer than all
else, looks at a screen once: what test_pages_browser.py shows it is not shown again where a journey
begins, nor where one ends what it saw there or where another ended, in light and in dark.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route

from application.orders import Order, Unavailable
from domain.values import DealId, Role
from tests.chromium import DESK, PASSWORD, PHONE, Scheme, Seen, violations, window
from tests.histories import PROFILE
from tests.over_http import Company, Person, company
from tests.test_pages_browser import SCREENS

SHOTS = Path(__file__).parent.parent / ".dealfolio" / "shots"
MANAGER, HEAD, DIRECTOR, AUDITOR, ADMIN = Role
SEE = (MANAGER, HEAD, DIRECTOR, AUDITOR)
Names = Mapping[str, str]
Step = Callable[[Seen, Names], object]


class Look(NamedTuple):
    language: str
    scheme: Scheme
    size: tuple[int, int]


EVERY = [*map(Look._make, product(("ru", "en"), ("light", "dark"), (DESK, PHONE)))]
STRIP = ".banner[role=status]"
PAIRS = [EVERY[0], EVERY[3], EVERY[5], EVERY[6]]
"""Each language meets each theme and each width, and each theme each width."""


def see(place: str) -> Step:
    """Something is there, and can be seen."""
    return lambda seen, _: seen.page.locator(f"{place} >> visible=true").first.wait_for()


def there(place: str) -> Step:
    """Something has come, wherever on the page: on a phone the preview is below the form."""
    return lambda seen, _: seen.page.locator(place).first.wait_for(state="attached")


def choose(place: str) -> Step:
    return lambda seen, _: seen.page.locator(place).first.click()


def fill(place: str, text: str) -> Step:
    return lambda seen, names: seen.page.fill(place, text.format_map(names))


def press(keys: str) -> Step:
    """Keys that lead to another page."""
    return _leading(lambda page: page.keyboard.press(keys))


def follow(place: str) -> Step:
    """A link, or what leads to another page otherwise."""
    return _leading(lambda page: page.locator(place).first.click())


def _leading(act: Callable[[Page], object]) -> Step:
    def lead(seen: Seen, _: Names) -> None:
        with seen.page.expect_navigation():
            act(seen.page)
        seen.settle()

    return lead


@dataclass(frozen=True)
class Journey:
    """From `path`, whose `{names}` the company fills in; `whose` roles get there, and others are
    told that they do not.
    """

    path: str
    whose: Sequence[Role]
    steps: Sequence[Step]


JOURNEYS: Mapping[str, Journey] = {
    "sign in": Journey(
        "/sign-in?lang={lang}", tuple(Role),
        [fill("#login", "{role}"), fill("#password", PASSWORD), press("Enter"), see(".user")],
    ),
    "portfolio on a date": Journey(
        "/?lang={lang}", SEE,
        [press("["), see(STRIP), press("t"), see("table.managers"), see("svg.chart")],
    ),
    "manager": Journey(
        "/?lang={lang}", SEE,
        [follow("table.managers tbody th a"), press("{"), see(STRIP), press("t"),
         see("svg.chart"), see("table.stakes")],
    ),
    "deal": Journey(
        "/deals?lang={lang}", SEE,
        [follow("table.deals tbody th a"), see("#actions"), see("#changes"), see("svg.chart")],
    ),
    "record an action": Journey(
        "/record?deal_id={deal}&lang={lang}", (MANAGER, HEAD, DIRECTOR),
        [choose(".opt:has([value=proposal])"), fill("#ev", "Письмо 7"), there("#preview .big"),
         press("Control+Enter"), see(STRIP)],
    ),
    "confirm": Journey(
        "/deals/{deal}/commands/confirmation?action_id={claim}&lang={lang}", (HEAD, DIRECTOR),
        [there("#preview .after"), press("Control+Enter"), see(STRIP)],
    ),
    "withdraw": Journey(
        "/deals/{deal}/commands/withdrawal?action_id={claim}&lang={lang}",
        (MANAGER, HEAD, DIRECTOR),
        [fill("#f-reason", "Ошибка"), there("#preview .after"), press("Control+Enter"),
         see(STRIP)],
    ),
    "why between two dates": Journey(
        "/movement?from=2026-02-28&lang={lang}", SEE, [see("#lines"), see(".balance")],
    ),
    "why by two knowledges": Journey(
        "/restatement?as_of=2026-08-31&lang={lang}", (DIRECTOR, AUDITOR),
        [see("#lines"), see(".balance")],
    ),
    "a number to its cause": Journey(
        "/?lang={lang}", SEE,
        [follow("table.managers .c-active a"), follow("table.stakes .c-active a"),
         choose("a[href^='#e']"), see("tr:target")],
    ),
    "catalogue": Journey(
        "/catalogue?lang={lang}", tuple(Role), [follow("table.grid tbody th a"), see("#weights")],
    ),
    "periods": Journey(
        "/periods?lang={lang}", tuple(Role),
        [follow("a[href*='/periods/2026-08']"), see("main h1")],
    ),
    "log": Journey(
        "/log?late=1&lang={lang}", (DIRECTOR, AUDITOR), [choose(".stored summary"), see("pre")],
    ),
    "accounts": Journey(
        "/accounts?lang={lang}", (ADMIN,), [follow("table.grid tbody th a"), see("main form")],
    ),
    "who moves": Journey(
        "/reports?lang={lang}", SEE,
        [follow("main a[href*='/reports/activity']"), fill("#i-from", "2026-03-01"),
         press("Enter"), follow("#moves tbody td a"), see("#lines")],
    ),
    "empty months to a next action": Journey(
        "/reports/months?lang={lang}", (MANAGER, HEAD, DIRECTOR),
        [see("svg .hm-nothing"), follow(".crumbs a"), follow("main a[href*='/reports/stalled']"),
         fill("#i-minimum", "1"), press("Enter"), follow("#deals a[href*='/record']"),
         there("#preview .big"), press("Control+Enter"), see(STRIP)],
    ),
    "forecast of a past date": Journey(
        "/reports/forecast?lang={lang}", SEE,
        [fill("#i-as-of", "2026-09-30"), fill("#i-target", "900000"), press("Enter"),
         see("#chances"), see("#record")],
    ),
    "calibration to the laboratory": Journey(
        "/reports/calibration?as_known=now&lang={lang}", SEE,
        [follow("main a[href*='/reports/laboratory']"), fill("#w-call", "2.00"), press("Enter"),
         follow("main a[href*='position=']"), see("#managers")],
    ),
    "the week and its largest deals": Journey(
        "/reports/digest?week=2026-10-20&lang={lang}", SEE,
        [see("#waiting tbody th a"), follow(".crumbs a"),
         follow("main a[href*='/reports/concentration']"), see("svg.chart"),
         follow("#deals tbody th a"), see("#actions")],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Two managers of one team, a late action, and August closed before it was known."""
    with company(shared_database) as begun:
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        anna = begun.manager("Анна Соколова", team_id=team)
        boris = begun.manager("Борис Крылов", team_id=team)
        begun.kind("0.50", code="proposal", evidence_required=True)
        begun.kind("-0.10", code="setback")
        begun.kind("1.00", code="claim", needs_confirmation=True)
        begun.kind("0.50", code="call", title={"ru": "Первый звонок", "en": "First call"})
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
    """Each with a login, which is the role's name."""
    team = here.director.ask("/v1/teams")["teams"][0]["team_id"]
    place = {MANAGER: {"manager_id": "m-1"}, HEAD: {"team_id": team}}
    hired = {role: here.hire(role, **place.get(role, {})) for role in Role}
    for role, person in hired.items():
        give_password(here, person, role.value)
    return hired


def give_password(here: Company, person: Person, login: str) -> None:
    made = here.admin.do(f"/v1/accounts/{person.account_id}/password", {"login": login})
    here.stranger.post("/auth/setup", {"code": made["code"], "password": PASSWORD})


def looks(role: Role, name: str) -> Sequence[Look]:
    """In the short run one role that gets there makes a journey, and now and then one that does
    not, in one look; they take turns.
    """
    number, whose = [*JOURNEYS].index(name), JOURNEYS[name].whose
    turn = [*Role].index(role) + number
    if PROFILE == "long":
        return EVERY
    makes = role is whose[number % len(whose)] if role in whose else turn % 7 == 0
    return [PAIRS[number % 4]] if makes else []


class Screen(NamedTuple):
    path: str
    scheme: Scheme
    says_what_was_recorded: bool = False


def screen_of(seen: Seen, scheme: Scheme) -> Screen:
    path = re.sub(r"/[0-9a-f-]{36}", "/{id}", urlsplit(seen.page.url).path)
    return Screen(path, scheme, seen.page.locator(STRIP).count() > 0)


SHOWN_ELSEWHERE = {
    screen.replace("{deal}", "/deals/{id}").partition("?")[0]
    for screens in SCREENS.values()
    for screen in screens
}


@pytest.fixture(scope="module")
def shown() -> set[Screen]:
    """What axe has seen, all of it in light."""
    return {Screen(path, "light") for path in SHOWN_ELSEWHERE}


@pytest.mark.parametrize(
    ("role", "name", "look"),
    [(role, name, look) for role in Role for name in JOURNEYS for look in looks(role, name)],
    ids=lambda one: (
        "-".join([one[0], one[1], str(one[2][0])]) if isinstance(one, Look) else str(one)
    ),
)
def test_a_role_makes_a_journey(
    browser: Browser,
    here: Company,
    people: dict[Role, Person],
    shown: set[Screen],
    role: Role,
    name: str,
    look: Look,
) -> None:
    def found(where: str, screen: Screen) -> list[object]:
        if PROFILE == "fast" and screen in shown:
            return []
        shown.add(screen)
        return violations(seen.page, where)

    journey = JOURNEYS[name]
    names = {"lang": look.language, "role": role.value, **claimed(here)}
    person = None if name == "sign in" else people[role]
    with window(browser, here, person, look.size, look.scheme, refusals=(403, 404)) as seen:
        answer = seen.open(journey.path.format_map(names))
        begun = screen_of(seen, look.scheme)
        if PROFILE != "fast" or begun.path not in SHOWN_ELSEWHERE:
            assert found("where it begins", begun) == []
        if role in journey.whose:
            assert answer.status == 200
            for step in journey.steps:
                step(seen, names)
            assert found("where it ends", screen_of(seen, look.scheme)) == []
        else:
            is_led_home = role is ADMIN and seen.page.url.partition("?")[0].endswith("/accounts")
            assert is_led_home or answer.status in {403, 404}
        assert not seen.sticks_out
        assert seen.page.locator("html").get_attribute("lang") == look.language
        SHOTS.mkdir(parents=True, exist_ok=True)
        shot = "-".join(
            (role, name.replace(" ", "_"), look.language, look.scheme, str(look.size[0]))
        )
        seen.page.screenshot(path=SHOTS / f"{shot}.png", full_page=True)


def claimed(here: Company) -> Names:
    """Anna's deal, and a new claim of hers in it."""
    deal = here.director.ask("/v1/deals")["deals"][0]["deal_id"]
    return {"deal": deal, "claim": here.act(deal, "m-1", "claim", "2026-10-19")}


def test_what_was_chosen_before_the_script_came_is_foreseen(
    browser: Browser, here: Company, people: dict[Role, Person]
) -> None:
    """On a slow line whoever is quick has chosen by then."""
    with window(browser, here, people[MANAGER], PHONE) as seen:
        held = list[Route]()

        def hold(route: Route) -> None:
            held.append(route)

        seen.page.route("**/record.js", hold)
        with seen.page.expect_request("**/record.js"):
            path = f"/record?deal_id={claimed(here)['deal']}&lang=en"
            seen.page.goto(here.address + path, wait_until="commit")
        seen.page.locator(".opt:has([value=call])").click()
        assert seen.page.locator("#preview .big").count() == 0
        held[0].continue_()
        seen.page.wait_for_selector("#preview .big", state="attached")


COUNT_REPLACED = """
window.replaced = 0;
new MutationObserver((seen) => {
  const added = seen.flatMap((one) => [...one.addedNodes]);
  replaced += added.filter((one) => one.id === "preview").length;
}).observe(document.getElementById("preview").parentNode, { childList: true });
"""


def test_what_the_server_had_no_time_for_is_foreseen_later(
    browser: Browser,
    here: Company,
    people: dict[Role, Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transactor, busy = here.service.dealfolio.transactor, iter((True, True))
    foresee = transactor.foresee

    def foreseen(order: Order, deal_id: DealId) -> object:
        if next(busy, False):
            raise Unavailable("too many orders are waiting")
        return foresee(order, deal_id)

    monkeypatch.setattr(transactor, "foresee", foreseen)
    names = claimed(here)
    with window(browser, here, people[MANAGER]) as seen:
        path = f"/deals/{names['deal']}/commands/withdrawal?action_id={names['claim']}&lang=en"
        seen.open(path)
        assert "cannot be recorded" not in seen.page.inner_text("#preview[data-again]")
        seen.page.evaluate(COUNT_REPLACED)
        seen.page.wait_for_selector("#preview .after", state="attached")
        assert seen.page.evaluate("replaced") == 1, "the same is not read out twice"


class Hands:
    """Somebody's: a click, a key, and what is typed into one field are an interaction each."""

    def __init__(self, page: Page) -> None:
        self.page, self.used, self.begun = page, 0, monotonic()

    def click(self, place: str) -> None:
        self.used += 1
        self.page.locator(place).first.click()

    def press(self, key: str) -> None:
        self.used += 1
        self.page.keyboard.press(key)

    def type(self, words: str) -> None:
        """Where the focus is."""
        self.used += 1
        self.page.keyboard.type(words)

    @property
    def seconds(self) -> float:
        return monotonic() - self.begun


@pytest.fixture
def newcomer(here: Company) -> str:
    """A manager with one deal and a new account; the login, by which the password is known too."""
    manager = here.manager("Вера Новикова")
    here.deal(manager, title="Прилавки для «Лавки»")
    person = here.hire("manager", manager_id=manager)
    give_password(here, person, manager)
    return manager


def by_mouse(hands: Hands, login: str) -> None:
    hands.type(login)
    hands.press("Tab")
    hands.type(PASSWORD)
    hands.press("Enter")
    hands.page.wait_for_selector(".user")
    hands.click("a[href*='/record']:visible")
    hands.page.wait_for_selector("#deal")
    hands.click("#deal")
    hands.click("#deal-list li")
    hands.page.wait_for_selector("#deal-hint:has-text('чек')")
    hands.click(".opt:has([value=proposal])")
    hands.click("#ev")
    hands.type("Письмо 12")
    hands.page.wait_for_selector("#preview .big", state="attached")
    hands.click("button.primary[form=record]:visible, .go .primary:visible")


def by_keys(hands: Hands, login: str) -> None:
    """Nothing is touched with a pointer: each page gives the focus to what is filled in first."""
    hands.type(login)
    hands.press("Tab")
    hands.type(PASSWORD)
    hands.press("Enter")
    hands.page.wait_for_selector(".user")
    hands.press("n")
    hands.page.wait_for_selector("#deal")
    hands.type("прилавки")
    hands.press("Enter")
    hands.page.wait_for_selector("#deal-hint:has-text('чек')")
    hands.press("Tab")
    hands.type("звонок")
    hands.press("Enter")
    hands.page.wait_for_selector("#preview .big", state="attached")
    hands.press("Control+Enter")


@pytest.mark.parametrize("way", [by_mouse, by_keys])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_newcomer_records_a_first_action_in_a_minute_and_twelve_interactions(
    browser: Browser,
    here: Company,
    newcomer: str,
    size: tuple[int, int],
    way: Callable[[Hands, str], None],
) -> None:
    """From the page where one signs in; said in `/v1` too."""
    with window(browser, here, size=size) as seen:
        seen.open("/sign-in")
        hands = Hands(seen.page)
        way(hands, newcomer)
        seen.page.wait_for_selector(STRIP)
        assert hands.used <= 12
        assert hands.seconds < 60
    (deal,) = here.director.ask(f"/v1/managers/{newcomer}/portfolio")["currencies"][0]["deals"]
    assert deal["credit"] == "0.50"
