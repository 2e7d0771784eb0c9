"""A browser, as far as signing in goes: it keeps cookies, and says from which page it asks."""

import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from uuid import UUID

import httpx

from api.sessions import Sessions
from domain.values import AccountId
from tests.over_http import JSON, Company, Person

COOKIE = "__Host-dealfolio"


@dataclass
class Browser:
    """Of somebody whose page is open: `origin` is what it says, `csrf` what the page has read."""

    here: Company
    origin: str = ""
    jar: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    def __post_init__(self) -> None:
        self.origin = self.origin or self.here.address

    def get(self, path: str, **headers: str | None) -> httpx.Response:
        return self._send("GET", path, None, headers)

    def post(self, path: str, body: object = None, **headers: str | None) -> httpx.Response:
        """`headers` by names with underscores; None leaves one out."""
        ours = {"origin": self.origin, "x_csrf_token": self.csrf or None}
        return self._send("POST", path, body, ours | headers)

    def delete(self, path: str, **headers: str | None) -> httpx.Response:
        ours = {"origin": self.origin, "x_csrf_token": self.csrf or None}
        return self._send("DELETE", path, None, ours | headers)

    def sign_in(self, login: str, password: str) -> httpx.Response:
        """And, when that went well, open a page."""
        answer = self.post("/auth/sign-in", {"login": login, "password": password})
        if answer.status_code == 204:
            self.open_page()
        return answer

    def open_page(self) -> None:
        answer = self.get("/auth/session")
        assert answer.status_code == 200, answer.text
        self.csrf = answer.json()["csrf_token"]

    def _send(
        self, method: str, path: str, body: object, headers: dict[str, str | None]
    ) -> httpx.Response:
        named = {
            name.replace("_", "-").encode(): value.encode("latin-1")
            for name, value in headers.items()
            if value is not None
        }
        if self.jar and b"cookie" not in named:
            cookies = (f"{name}={value}" for name, value in self.jar.items())
            named[b"cookie"] = "; ".join(cookies).encode()
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            named = {b"content-type": JSON.encode()} | named
        http = self.here.stranger.http
        answer = http.request(method, path, content=content, headers=named)
        for line in answer.headers.get_list("set-cookie"):
            for name, cookie in SimpleCookie(line).items():
                self.jar[name] = cookie.value
                if cookie["max-age"] == "0":
                    del self.jar[name]
        http.cookies.clear()  # it has ideas of its own about which to keep
        return answer

    def send(self, path: str, **fields: str) -> httpx.Response:
        """A form of a page of ours, with the session's token."""
        http = self.here.stranger.http
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        headers = {"origin": self.origin, "cookie": cookies}
        answer = http.post(path, data={"csrf": self.csrf} | fields, headers=headers)
        http.cookies.clear()
        return answer


def page_of(here: Company, person: Person) -> Browser:
    """Somebody's, who is signed in already."""
    browser = Browser(here)
    sessions = Sessions(here.service)
    browser.jar[COOKIE] = sessions.begin(AccountId(UUID(person.account_id)))
    browser.open_page()
    return browser
