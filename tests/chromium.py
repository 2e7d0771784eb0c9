"""Pages as a browser shows them: Debian's Chromium, a window of it, what may not happen there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from tests.browser import COOKIE, page_of
from tests.over_http import Company, Person

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
Scheme = Literal["light", "dark"]
DESK, PHONE = (1440, 900), (390, 844)
PATIENCE_MS = 15_000
PASSWORD = "витрина у окна на юг"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AA = {"runOnly": _TAGS, "resultTypes": ["violations"]}
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}


@contextmanager
def chromium(place: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=place, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Seen:
    """A window, and what went wrong in it. `refusals` are statuses that are meant to be answered:
    the console tells of them.
    """

    page: Page
    address: str
    refusals: tuple[int, ...] = ()
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> Response:
        answer = self.page.goto(self.address + path)
        assert answer is not None
        self.settle()
        return answer

    def settle(self) -> None:
        """Until what is fetched behind the page is there."""
        self.page.wait_for_load_state()
        self.page.wait_for_selector(".wait", state="detached")

    def hear(self, told: ConsoleMessage) -> None:
        meant = any(f"status of {status} " in told.text for status in self.refusals)
        if told.type == "error" and not meant:
            self.wrong.append(told.text)

    def look(self, size: tuple[int, int], scheme: Scheme) -> str:
        """The colour of the ground, in a window of that size."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    @property
    def sticks_out(self) -> bool:
        """Whether the page is wider than its window."""
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(width))

    @property
    def asked(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)


@contextmanager
def window(
    browser: Browser,
    here: Company,
    person: Person | None = None,
    size: tuple[int, int] = DESK,
    scheme: Scheme = "light",
    refusals: tuple[int, ...] = (),
) -> Iterator[Seen]:
    """Of somebody who is signed in; in the end nothing may have gone wrong."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale="ru-RU",
        reduced_motion="reduce",
        color_scheme=scheme,
    )
    context.set_default_timeout(PATIENCE_MS)
    if person is not None:
        context.add_cookies([cookie_of(here, person)])
    seen = Seen(context.new_page(), here.address, refusals)
    seen.page.on("console", seen.hear)
    seen.page.on("pageerror", lambda error: seen.wrong.append(str(error)))
    context.on("request", lambda request: seen.wrong.extend(_strange(request.url, here.address)))
    context.on("response", lambda response: seen.wrong.extend(_open_to_scripts(response)))
    try:
        yield seen
    finally:
        context.close()
    assert not seen.wrong, seen.wrong


def cookie_of(here: Company, person: Person) -> Any:
    """Chromium takes a cookie of this prefix by TLS only, and sends it to its own machine."""
    value = page_of(here, person).jar[COOKIE]
    address = here.address.replace("http:", "https:")
    return {"name": COOKIE, "value": value, "url": address, "secure": True}


def _strange(url: str, address: str) -> list[str]:
    return [] if url.startswith((f"{address}/", "data:")) else [f"left the machine: {url}"]


def _open_to_scripts(response: Response) -> list[str]:
    policy = response.headers.get("content-security-policy", "")
    is_strict = "default-src 'none'" in policy and "unsafe-" not in policy
    return [] if is_strict or response.url.startswith("data:") else [f"{response.url}: {policy}"]


def violations(page: Page, where: str, options: Mapping[str, object] = AA) -> list[object]:
    """What axe-core finds."""
    results = Axe().run(page, options=options).response
    assert results["passes"], "axe has looked"
    return [
        (where, one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in results["violations"]
    ]
