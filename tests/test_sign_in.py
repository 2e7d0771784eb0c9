"""Who signs in, how long that lasts, and what nobody else can do with it.

Each test begins on a day of its own, on which no failure of another test counts any more.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from threading import Barrier, Lock
from typing import Any
from uuid import UUID

import psycopg
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from api.accounts import Accounts
from api.problems import Problem
from api.service import Service
from api.sessions import Sessions
from api.settings import Settings
from api.sign_in import passwords, signing_in, throttle
from api.sign_in.passwords import is_common
from api.sign_in.signing_in import HASHING, WAITING, SigningIn
from api.sign_in.throttle import Attempts, Throttle
from domain.access_commands import RevokeRole
from domain.values import AccountId
from tests.browser import COOKIE, Browser
from tests.over_http import AUTUMN, Company, Person, company, refused, serving

PASSWORD = "витрина у окна на юг"
ANOTHER = "seven tall glass doors"
_days = count(1)
_people = count(1)


@pytest.fixture(scope="module")
def begun(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        yield begun


@pytest.fixture
def here(begun: Company) -> Company:
    begun.clock.now = AUTUMN + timedelta(days=next(_days))
    return begun


def later(here: Company, **by: float) -> None:
    here.clock.now += timedelta(**by)


def invite(here: Company, person: Person, login: str) -> str:
    """The code for `person`."""
    answer = here.admin.post(f"/v1/accounts/{person.account_id}/password", {"login": login})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def set_up(here: Company, role: str = "director") -> tuple[Person, str]:
    """Somebody who may sign in with PASSWORD, and by which login."""
    person, login = here.hire(role), f"person-{next(_people)}@romashka.ru"
    body = {"code": invite(here, person, login), "password": PASSWORD}
    assert Browser(here).post("/auth/setup", body).status_code == 204
    return person, login


def test_an_account_that_was_closed_halfway_is_closed_when_it_is_asked_again(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the log it is closed first; that its login is free does not hang on the rest."""
    person, login = set_up(here)
    path = f"/v1/accounts/{person.account_id}"
    with monkeypatch.context() as broken:
        broken.setattr("api.accounts._FORGET", ("SELECT 1 / 0, %s::uuid",))
        assert here.admin.http.delete(path).status_code == 500
    refused(here.admin.http.delete(path), 404, "not-found")
    body = {"code": invite(here, here.hire("auditor"), login), "password": PASSWORD}
    assert Browser(here).post("/auth/setup", body).status_code == 204


def signed_in(here: Company, role: str = "director") -> tuple[Browser, Person, str]:
    person, login = set_up(here, role)
    browser = Browser(here)
    assert browser.sign_in(login, PASSWORD).status_code == 204
    return browser, person, login


def rows(here: Company, query: str, *values: Any) -> list[Any]:
    with here.service.asking() as cursor:
        return cursor.execute(query, values).fetchall()


# ------------------------------------------------------------------------------------- sessions


def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(here: Company) -> None:
    _, login = set_up(here)
    answer = Browser(here).post("/auth/sign-in", {"login": login, "password": PASSWORD})
    (cookie,) = answer.headers.get_list("set-cookie")
    value, *attributes = cookie.split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert len(value) == len(COOKIE) + 1 + 43, "256 bits"
    assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b""


def test_a_session_says_who_is_signed_in(here: Company) -> None:
    anna = here.manager()
    person = here.hire("manager", manager_id=anna)
    code = invite(here, person, "anna")
    browser = Browser(here)
    browser.post("/auth/setup", {"code": code, "password": PASSWORD})
    answer = browser.get("/auth/session")
    said = answer.json()
    ends = here.clock.now + timedelta(hours=12)
    assert len(said.pop("csrf_token")) == 43
    assert datetime.fromisoformat(said.pop("expires_at")) == ends
    assert said == {
        "account_id": person.account_id,
        "role": "manager",
        "manager_id": anna,
        "team_id": None,
    }
    assert answer.headers["cache-control"] == "no-store"


def test_who_signed_in_asks_and_records_under_their_own_name(here: Company) -> None:
    browser, person, _ = signed_in(here)
    assert browser.get("/v1/portfolios").status_code == 200
    recorded = browser.post("/v1/teams", {"name": "Юг"})
    assert recorded.status_code == 201, recorded.text
    after = recorded.json()["position"] - 1
    (event,) = here.director.ask("/v1/events", after=after)["events"]
    assert event["actor"] == person.account_id


def test_who_did_not_sign_in_is_nobody(here: Company) -> None:
    refused(Browser(here).get("/auth/session"), 401, "unauthenticated")
    refused(Browser(here).get("/v1/portfolios"), 401, "unauthenticated")
    refused(Browser(here).post("/auth/sign-out"), 401, "unauthenticated")


def test_every_sign_in_is_a_new_session_and_ends_the_one_before(here: Company) -> None:
    """So that nobody signs in to a session that somebody else has prepared."""
    browser, _, login = signed_in(here)
    first = dict(browser.jar)
    assert browser.sign_in(login, PASSWORD).status_code == 204
    assert browser.jar[COOKIE] != first[COOKIE]
    refused(Browser(here, jar=first).get("/auth/session"), 401, "unauthenticated")
    assert browser.get("/auth/session").status_code == 200


def test_a_cookie_that_somebody_made_up_is_not_taken_over(here: Company) -> None:
    _, login = set_up(here)
    browser = Browser(here, jar={COOKIE: "A" * 43})
    browser.sign_in(login, PASSWORD)
    assert browser.jar[COOKIE] != "A" * 43
    refused(Browser(here, jar={COOKIE: "A" * 43}).get("/auth/session"), 401, "unauthenticated")


@pytest.mark.parametrize("cookie", ["", "A", "A" * 44, "ю" * 43, "A" * 42 + "=", "\"'; --"])
def test_a_cookie_of_another_form_is_nobodys(here: Company, cookie: str) -> None:
    headers = {b"cookie": f"{COOKIE}={cookie}".encode()}
    refused(here.stranger.http.get("/v1/portfolios", headers=headers), 401, "unauthenticated")


def test_of_two_cookies_nobody_knows_which_was_meant(here: Company) -> None:
    browser, _, _ = signed_in(here)
    one = f"{COOKIE}={browser.jar[COOKIE]}"
    assert browser.get("/v1/portfolios", cookie=f"a=b; {one}; c=d").status_code == 200
    refused(browser.get("/v1/portfolios", cookie=f"{one}; {one}"), 401, "unauthenticated")


def test_signing_out_ends_the_session_at_once_in_every_process(
    here: Company, shared_database: str
) -> None:
    browser, _, login = signed_in(here)
    other = Browser(here)
    other.sign_in(login, PASSWORD)
    second = Service(shared_database, Settings(), here.clock)
    cookie = f"{COOKIE}={browser.jar[COOKIE]}"
    with serving(second) as address:
        http = here.stranger.http
        there = http.build_request("GET", f"{address}/v1/portfolios", headers={"cookie": cookie})
        assert http.send(there).status_code == 200
        answer = browser.post("/auth/sign-out")
        assert answer.status_code == 204
        assert browser.jar == {}, "and the browser forgets the cookie"
        refused(http.send(there), 401, "unauthenticated")
    refused(browser.get("/v1/portfolios", cookie=cookie), 401, "unauthenticated")
    assert other.get("/v1/portfolios").status_code == 200, "another browser's goes on"


def test_a_session_ends_an_hour_after_it_was_last_used(here: Company) -> None:
    browser, _, _ = signed_in(here)
    later(here, minutes=59, seconds=59)
    assert browser.get("/v1/portfolios").status_code == 200
    later(here, minutes=59, seconds=59)
    assert browser.get("/v1/portfolios").status_code == 200
    later(here, minutes=60)
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")


def test_a_session_ends_after_twelve_hours_however_often_it_is_used(here: Company) -> None:
    browser, _, _ = signed_in(here)
    for _ in range(23):
        later(here, minutes=30)
        assert browser.get("/v1/portfolios").status_code == 200
    later(here, minutes=29, seconds=59)
    assert browser.get("/v1/portfolios").status_code == 200
    later(here, seconds=1)
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")


def test_when_a_session_was_used_is_written_once_a_minute(here: Company) -> None:
    browser, person, _ = signed_in(here)
    seen = "SELECT seen_at FROM books.sessions WHERE account_id = %s ORDER BY seen_at DESC LIMIT 1"
    begun = here.clock.now
    later(here, seconds=59)
    browser.get("/v1/portfolios")
    assert rows(here, seen, person.account_id) == [(begun,)]
    later(here, seconds=1)
    browser.get("/v1/portfolios")
    assert rows(here, seen, person.account_id) == [(begun + timedelta(minutes=1),)]


def test_sessions_that_are_over_are_cleared_away(here: Company) -> None:
    signed_in(here)
    later(here, hours=1)
    signed_in(here)
    everybodys = "SELECT min(seen_at) FROM books.sessions"
    assert rows(here, everybodys) == [(here.clock.now,)]


def test_nothing_in_the_database_is_a_cookie(here: Company) -> None:
    browser, _, _ = signed_in(here)
    stored = str(rows(here, "SELECT s, encode(s.hash, 'escape') FROM books.sessions s"))
    assert browser.jar[COOKIE] not in stored
    assert browser.csrf not in stored


def test_a_role_that_was_taken_away_counts_from_the_next_request_on(here: Company) -> None:
    browser, person, login = signed_in(here)
    other = Browser(here)
    other.sign_in(login, PASSWORD)
    assert here.admin.http.delete(f"/v1/accounts/{person.account_id}").status_code == 204
    for one in (browser, other):
        refused(one.get("/v1/portfolios"), 401, "unauthenticated")
        refused(one.post("/v1/teams", {"name": "Юг"}), 401, "unauthenticated")
        refused(one.get("/auth/session"), 401, "unauthenticated")
    assert rows(here, "SELECT 1 FROM books.sessions WHERE account_id = %s", person.account_id) == []
    refused(Browser(here).sign_in(login, PASSWORD), 401, "wrong-password")


def test_a_role_gone_from_the_log_is_gone_though_the_session_is_still_there(here: Company) -> None:
    browser, person, _ = signed_in(here)
    Accounts(here.service)._do(None, _revoke(person))
    assert rows(here, "SELECT 1 FROM books.sessions WHERE account_id = %s", person.account_id)
    refused(browser.get("/auth/session"), 401, "unauthenticated")
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")
    refused(browser.post("/v1/teams", {"name": "Юг"}), 401, "unauthenticated")


def _revoke(person: Person) -> RevokeRole:
    return RevokeRole(AccountId(UUID(person.account_id)))


# --------------------------------------------------------------- requests sent by another site


OURS = "{origin}"
FORGERIES: dict[str, dict[str, str | None]] = {
    "no token": {"x_csrf_token": None},
    "an empty token": {"x_csrf_token": ""},
    "a token made up": {"x_csrf_token": "A" * 43},
    "a token beyond ASCII": {"x_csrf_token": "\xff" * 43},
    "from nowhere": {"origin": None},
    "another origin": {"origin": "https://evil.example"},
    "no origin at all": {"origin": "null"},
    "an origin that begins like ours": {"origin": OURS + ".evil.example"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "a page of another site": {"origin": None, "referer": "https://evil.example/" + OURS},
    "an address that is none": {"origin": None, "referer": "http://["},
    "by another site": {"sec_fetch_site": "cross-site"},
    "by a neighbour": {"sec_fetch_site": "same-site"},
    "by what no browser says": {"sec_fetch_site": "same-origin, cross-site"},
}
FAIR: dict[str, dict[str, str | None]] = {
    "as it is": {},
    "by its page": {"origin": None, "referer": OURS + "/deals?as_of=2026-10-01"},
    "and by the browser's word": {"sec_fetch_site": "same-origin"},
    "or its user's": {"sec_fetch_site": "none"},
}


def _filled(headers: dict[str, str | None], browser: Browser) -> dict[str, str | None]:
    return {name: value and value.replace(OURS, browser.origin) for name, value in headers.items()}


@pytest.mark.parametrize("how", FORGERIES)
def test_what_another_site_has_a_browser_send_changes_nothing(here: Company, how: str) -> None:
    browser, person, _ = signed_in(here, "admin")
    forged = _filled(FORGERIES[how], browser)
    before = here.position
    refused(browser.post("/v1/teams", {"name": "Юг"}, **forged), 403, "cross-site")
    refused(browser.delete(f"/v1/accounts/{person.account_id}", **forged), 403, "cross-site")
    refused(browser.post("/auth/sign-out", **forged), 403, "cross-site")
    change = {"old": PASSWORD, "new": ANOTHER}
    refused(browser.post("/auth/password", change, **forged), 403, "cross-site")
    assert here.position == before
    assert browser.get("/v1/managers", **forged).status_code == 200, "asking needs none of it"
    assert browser.post("/v1/teams", {"name": "Юг"}).status_code == 201


@pytest.mark.parametrize("how", FAIR)
def test_what_our_own_pages_send_is_taken(here: Company, how: str) -> None:
    browser, _, _ = signed_in(here)
    headers = _filled(FAIR[how], browser)
    assert browser.post("/v1/teams", {"name": "Юг"}, **headers).status_code == 201


def test_one_sessions_token_is_not_anothers(here: Company) -> None:
    browser, _, login = signed_in(here)
    other = Browser(here)
    other.sign_in(login, PASSWORD)
    forged = browser.post("/v1/teams", {"name": "Юг"}, x_csrf_token=other.csrf)
    refused(forged, 403, "cross-site")


@pytest.mark.parametrize("how", [how for how in FORGERIES if "token" not in how])
def test_nobody_is_signed_in_by_another_site(here: Company, how: str) -> None:
    """To an account of the attacker's, in which they would then leave what is theirs."""
    _, login = set_up(here)
    browser = Browser(here)
    body = {"login": login, "password": PASSWORD}
    answer = browser.post("/auth/sign-in", body, **_filled(FORGERIES[how], browser))
    if how == "from nowhere":  # a program says nothing, and has no browser to be misused
        assert answer.status_code == 204
    else:
        refused(answer, 403, "cross-site")
        assert browser.jar == {}


@pytest.mark.parametrize("behind_tls", [False, True])
def test_a_page_is_ours_by_tls_where_the_settings_say_so_and_else_in_the_clear(
    database: str, behind_tls: bool
) -> None:
    with company(database, settings=Settings(behind_tls=behind_tls)) as here:
        clear, secure = here.address, here.address.replace("http:", "https:")
        ours, other = (secure, clear) if behind_tls else (clear, secure)
        _, login = _set_up_from(here, ours)
        browser = Browser(here, ours)
        assert browser.sign_in(login, PASSWORD).status_code == 204
        assert browser.post("/v1/teams", {"name": "Юг"}).status_code == 201
        by_page = {"origin": None, "referer": f"{ours}/deals"}
        assert browser.post("/v1/teams", {"name": "Юг"}, **by_page).status_code == 201
        refused(browser.post("/v1/teams", {"name": "Юг"}, origin=other), 403, "cross-site")
        by_page["referer"] = f"{other}/deals"
        refused(browser.post("/v1/teams", {"name": "Юг"}, **by_page), 403, "cross-site")
        refused(Browser(here, other).sign_in(login, PASSWORD), 403, "cross-site")


def test_where_the_service_is_found_is_the_settings_word(database: str) -> None:
    settings = Settings(public_url="https://dealfolio.romashka.ru/")
    with company(database, settings=settings) as here:
        _, login = _set_up_from(here, "https://dealfolio.romashka.ru")
        browser = Browser(here, "https://dealfolio.romashka.ru")
        assert browser.sign_in(login, PASSWORD).status_code == 204
        assert browser.post("/v1/teams", {"name": "Юг"}).status_code == 201
        asked = browser.post("/v1/teams", {"name": "Юг"}, origin=here.address)
        refused(asked, 403, "cross-site")
        clear = browser.post("/v1/teams", {"name": "Юг"}, origin="http://dealfolio.romashka.ru")
        refused(clear, 403, "cross-site")


def _set_up_from(here: Company, origin: str) -> tuple[Person, str]:
    person = here.hire("director")
    body = {"code": invite(here, person, "director"), "password": PASSWORD}
    assert Browser(here, origin).post("/auth/setup", body).status_code == 204
    return person, "director"


def test_a_key_needs_no_token_of_a_page(here: Company) -> None:
    evil = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
    assert here.director.post("/v1/teams", {"name": "Юг"}, **evil).status_code == 201


def test_of_a_key_and_a_session_the_key_counts(here: Company) -> None:
    browser, _, _ = signed_in(here, "auditor")
    key = here.director.http.headers["authorization"]
    before = here.position
    both = browser.post("/v1/teams", {"name": "Юг"}, authorization=key, x_csrf_token=None)
    assert both.status_code == 201, "as the director"
    assert here.position == before + 1
    wrong = browser.get("/v1/portfolios", authorization="Bearer df_nobodys")
    refused(wrong, 401, "unauthenticated")
    refused(browser.get("/v1/portfolios", authorization="Basic YTpi"), 401, "unauthenticated")
    refused(browser.get("/auth/session", authorization=key), 401, "unauthenticated")
    assert browser.get("/v1/portfolios").status_code == 200


@pytest.mark.parametrize("name", ["token", "access_token", "key", "authorization"])
def test_a_secret_in_an_address_is_refused(here: Company, name: str) -> None:
    key = here.director.http.headers["authorization"].removeprefix("Bearer ")
    refused(here.stranger.get("/v1/portfolios", **{name: key}), 401, "unauthenticated")
    refused(here.director.get("/v1/portfolios", **{name: key}), 422, "validation")
    browser, _, login = signed_in(here)
    body = {"login": login, "password": PASSWORD}
    refused(browser.post(f"/auth/sign-in?{name}={key}", body), 422, "validation")
    refused(browser.get(f"/auth/session?{name}={key}"), 422, "validation")
    refused(browser.post(f"/auth/sign-out?{name}={key}"), 422, "validation")


# ------------------------------------------------------------------------------------ passwords


def test_a_code_sets_the_password_once_and_signs_in(here: Company) -> None:
    person = here.hire("auditor")
    code = invite(here, person, "Ревизор@Romashka.RU")
    stored = "SELECT p::text, encode(setup_hash, 'escape') FROM books.passwords p"
    assert code not in str(rows(here, stored))
    browser = Browser(here)
    assert browser.post("/auth/setup", {"code": code, "password": PASSWORD}).status_code == 204
    assert browser.get("/auth/session").json()["account_id"] == person.account_id
    again = Browser(here).post("/auth/setup", {"code": code, "password": ANOTHER})
    refused(again, 401, "setup-code-spent")
    assert Browser(here).sign_in("ревизор@romashka.ru", PASSWORD).status_code == 204
    assert Browser(here).sign_in("РЕВИЗОР@ROMASHKA.RU", PASSWORD).status_code == 204
    refused(Browser(here).sign_in("ревизор@romashka.ru", ANOTHER), 401, "wrong-password")
    ((stored_hash,),) = rows(
        here, "SELECT hash FROM books.passwords WHERE account_id = %s", person.account_id
    )
    assert stored_hash.startswith("$argon2id$")


def test_of_two_who_use_a_code_at_once_one_is_late(here: Company) -> None:
    code = invite(here, here.hire("auditor"), "raced-for")
    bodies = [{"code": code, "password": password} for password in (PASSWORD, ANOTHER)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda body: Browser(here).post("/auth/setup", body), bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    winner = answers[0].status_code != 204
    assert Browser(here).sign_in("raced-for", (PASSWORD, ANOTHER)[winner]).status_code == 204


def test_the_log_says_who_gave_whom_a_password_to_set(here: Company) -> None:
    """Whoever invites the director may then sign in as the director."""
    person = here.hire("director")
    before = here.position
    invite(here, person, "told-in-the-log")
    (event,) = here.director.ask("/v1/events", after=before)["events"]
    assert event["type"] == "SignInSet"
    assert event["data"] == {"account_id": person.account_id, "means": "password"}
    assert "told-in-the-log" not in str(event)


def test_a_code_is_good_for_three_days(here: Company) -> None:
    person = here.hire("auditor")
    early, late = invite(here, person, "early"), here.clock.now + timedelta(days=3)
    here.clock.now = late
    body = {"code": early, "password": PASSWORD}
    refused(Browser(here).post("/auth/setup", body), 401, "setup-code-spent")
    here.clock.now = late - timedelta(microseconds=1)
    assert Browser(here).post("/auth/setup", body).status_code == 204


def test_a_code_of_a_closed_account_is_worth_nothing(here: Company) -> None:
    person = here.hire("auditor")
    body = {"code": invite(here, person, "leaver"), "password": PASSWORD}
    Accounts(here.service)._do(None, _revoke(person))
    refused(Browser(here).post("/auth/setup", body), 401, "setup-code-spent")
    path = f"/v1/accounts/{person.account_id}/password"
    refused(here.admin.post(path, {"login": "leaver"}), 404, "not-found")


def test_a_new_code_ends_the_old_one_the_password_and_the_sessions(here: Company) -> None:
    browser, person, login = signed_in(here)
    first = invite(here, person, login)
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")
    refused(Browser(here).sign_in(login, PASSWORD), 401, "wrong-password")
    second = invite(here, person, login)
    old = {"code": first, "password": ANOTHER}
    refused(Browser(here).post("/auth/setup", old), 401, "setup-code-spent")
    new = {"code": second, "password": ANOTHER}
    assert Browser(here).post("/auth/setup", new).status_code == 204


def test_only_administrators_invite_and_a_login_is_one_persons(here: Company) -> None:
    person, other = here.hire("auditor"), here.hire("auditor")
    path = f"/v1/accounts/{person.account_id}/password"
    refused(here.director.post(path, {"login": "x"}), 403, "forbidden")
    refused(here.stranger.post(path, {"login": "x"}), 401, "unauthenticated")
    invite(here, person, "taken")
    taken = here.admin.post(f"/v1/accounts/{other.account_id}/password", {"login": "TAKEN"})
    refused(taken, 409, "not-allowed-now")
    invite(here, person, "taken")


@pytest.mark.parametrize("login", ["", " ", "a b", "a\x00b", "a\u202eb", "a" * 101, 7, None, "a/b"])
def test_a_login_is_letters_and_digits(here: Company, login: object) -> None:
    path = f"/v1/accounts/{here.hire('auditor').account_id}/password"
    refused(here.admin.post(path, {"login": login}), 422, "validation")
    body = {"login": login, "password": PASSWORD}
    refused(Browser(here).post("/auth/sign-in", body), 422, "validation")


@pytest.mark.parametrize(
    "password",
    [
        "a" * 11,
        "eleven char",
        "long " * 40 + "!",
        "Password1234",
        "qwertyuiop12",
        "123456789012",
        "passwordpassword",
        "пароль123456",
        "aaaaaaaaaaaa",
        "x7" * 6,
        "Sokolova-Anna",
        "Соколова Анна Петровна",
        "соколовааннапетровна",
        "tw\ud800elve characters",
        12345678901234,
        None,
    ],
)
def test_a_password_that_is_guessed_first_is_refused(here: Company, password: object) -> None:
    body = {"name": "Соколова Анна Петровна", "role": "auditor"}
    made = here.admin.do("/v1/accounts", body)
    person = here.person(made["token"], made["account_id"])
    code = invite(here, person, "Sokolova-Anna")
    bad = {"code": code, "password": password}
    refused(Browser(here).post("/auth/setup", bad), 422, "validation")
    good = {"code": code, "password": "twelve chars"}
    assert Browser(here).post("/auth/setup", good).status_code == 204
    here.admin.http.delete(f"/v1/accounts/{person.account_id}")  # which frees the login


@pytest.mark.parametrize(
    "password", ["abcdefghijkl", "zyxwvutsrqpo", "йцукенгшщзхъ", "Letmein!2026", "12 05 19 87 44"]
)
def test_rows_of_keys_and_bare_figures_are_guessed_first(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize("password", ["correct horse", "long " * 40, "сорок девять витрин"])
def test_any_other_is_good(password: str) -> None:
    assert not is_common(password)


def test_accents_typed_one_way_or_the_other_are_the_same_password(here: Company) -> None:
    person = here.hire("auditor")
    composed, apart = "йод и ёлка в лесу", "и\u0306од и е\u0308лка в лесу"
    body = {"code": invite(here, person, "composed"), "password": apart}
    assert Browser(here).post("/auth/setup", body).status_code == 204
    assert Browser(here).sign_in("composed", composed).status_code == 204


def test_nobody_learns_which_logins_there_are(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the answer nor from the work that it took."""
    _, known = set_up(here)
    closed, gone = set_up(here)
    Accounts(here.service)._do(None, _revoke(closed))
    invite(here, here.hire("auditor"), "invited")
    Browser(here).sign_in("nobody", PASSWORD)  # whatever is done once is done
    work: list[str] = []
    verify, hashed = PasswordHasher.verify, PasswordHasher.hash

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        work.append(stored[:10])
        return verify(self, stored, password)

    def also_counted(self: PasswordHasher, *told: Any) -> str:
        work.append("hash")
        return hashed(self, *told)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    monkeypatch.setattr(PasswordHasher, "hash", also_counted)
    answers = []
    for login, password in [
        (known, ANOTHER), ("nobody", PASSWORD), ("invited", PASSWORD), (gone, PASSWORD)
    ]:  # fmt: skip
        work.clear()
        answers.append(refused(Browser(here).sign_in(login, password), 401, "wrong-password"))
        assert work == ["$argon2id$"], login
    assert answers == [answers[0]] * 4


def test_a_hash_made_with_other_parameters_than_rfc_9106s_is_made_anew(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "PasswordHasher", PasswordHasher)
    weak = PasswordHasher.from_parameters(CHEAPEST).hash(PASSWORD)
    with company(database) as here:
        person, login = set_up(here)
        assert parameters_of(here, person) == RFC_9106_LOW_MEMORY
        update = "UPDATE books.passwords SET hash = %s WHERE login = %s RETURNING 1"
        rows(here, update, weak, login)
        assert Browser(here).sign_in(login, PASSWORD).status_code == 204
        assert parameters_of(here, person) == RFC_9106_LOW_MEMORY
        assert Browser(here).sign_in(login, PASSWORD).status_code == 204


def parameters_of(here: Company, person: Person) -> Parameters:
    ((stored,),) = rows(
        here, "SELECT hash FROM books.passwords WHERE account_id = %s", person.account_id
    )
    return extract_parameters(stored)


def test_whoever_changes_a_password_must_know_it_and_other_sessions_end(here: Company) -> None:
    browser, _, login = signed_in(here)
    other = Browser(here)
    other.sign_in(login, PASSWORD)
    wrong = {"old": ANOTHER, "new": "one more password"}
    refused(browser.post("/auth/password", wrong), 401, "wrong-password")
    bad = {"old": PASSWORD, "new": "password 123"}
    refused(browser.post("/auth/password", bad), 422, "validation")
    assert other.get("/auth/session").status_code == 200
    good = {"old": PASSWORD, "new": ANOTHER}
    assert browser.post("/auth/password", good).status_code == 204
    assert browser.get("/v1/portfolios").status_code == 200
    refused(other.get("/v1/portfolios"), 401, "unauthenticated")
    refused(Browser(here).sign_in(login, PASSWORD), 401, "wrong-password")
    assert Browser(here).sign_in(login, ANOTHER).status_code == 204


def test_nobody_changes_a_password_that_is_not_there(here: Company) -> None:
    browser, person, _ = signed_in(here)
    delete = "DELETE FROM books.passwords WHERE account_id = %s RETURNING 1"
    assert rows(here, delete, person.account_id)
    change = {"old": PASSWORD, "new": ANOTHER}
    refused(browser.post("/auth/password", change), 401, "wrong-password")


@pytest.mark.parametrize(
    ("content", "media", "status", "slug"),
    [
        (b'{"login": "a", "password": "b"', "application/json", 400, "malformed-json"),
        (b'{"login":"a","login":"b","password":"c"}', "application/json", 400, "malformed-json"),
        (b"login=a&password=b", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b'{"login": "a", "password": "b"}', "text/plain", 415, "unsupported-media-type"),
        (b"", "application/json", 400, "malformed-json"),
        (b" " * 65_537, "application/json", 413, "payload-too-large"),
        (b'{"login": "a", "password": "b", "as": "b"}', "application/json", 422, "validation"),
        (b'{"login": "a"}', "application/json", 422, "validation"),
        (b'{"login": "a", "password": "b"}', "application/json", 401, "wrong-password"),
    ],
)
def test_a_body_is_read_as_strictly_as_a_commands(
    here: Company, content: bytes, media: str, status: int, slug: str
) -> None:
    headers = {"content-type": media}
    answer = here.stranger.http.post("/auth/sign-in", content=content, headers=headers)
    refused(answer, status, slug)


def test_refusals_are_in_the_language_asked_for(here: Company) -> None:
    body = {"login": "nobody", "password": PASSWORD}
    english = Browser(here).post("/auth/sign-in", body, accept_language="en")
    assert english.json()["title"] == "Not signed in"
    russian = Browser(here).post("/auth/sign-in", body, accept_language="ru")
    assert russian.json()["title"] == "Войти не удалось"


# --------------------------------------------------------------------------------- too many tries


def test_five_failures_and_then_one_a_minute(here: Company) -> None:
    _, login = set_up(here)
    _, another = set_up(here)
    for _ in range(5):
        refused(Browser(here).sign_in(login, ANOTHER), 401, "wrong-password")
    answer = Browser(here).sign_in(login, PASSWORD)
    refused(answer, 429, "rate-limited")
    assert answer.headers["retry-after"] == "60"
    refused(Browser(here).sign_in(login.upper(), PASSWORD), 429, "rate-limited")
    assert Browser(here).sign_in(another, PASSWORD).status_code == 204, "nobody else is hindered"
    later(here, seconds=59)
    assert Browser(here).sign_in(login, PASSWORD).headers["retry-after"] == "1"
    later(here, seconds=1)
    assert Browser(here).sign_in(login, PASSWORD).status_code == 204


def test_an_unknown_login_is_hindered_like_a_known_one(here: Company) -> None:
    for _ in range(5):
        refused(Browser(here).sign_in("no-such-login", ANOTHER), 401, "wrong-password")
    refused(Browser(here).sign_in("no-such-login", ANOTHER), 429, "rate-limited")


def test_who_signs_in_rightly_is_never_hindered(here: Company) -> None:
    _, login = set_up(here)
    for _ in range(8):
        assert Browser(here).sign_in(login, PASSWORD).status_code == 204


def test_who_has_a_session_cannot_guess_the_password_either(here: Company) -> None:
    browser, _, _ = signed_in(here)
    for number in range(5):
        guess = {"old": f"guess number {number}", "new": ANOTHER}
        refused(browser.post("/auth/password", guess), 401, "wrong-password")
    right = {"old": PASSWORD, "new": ANOTHER}
    refused(browser.post("/auth/password", right), 429, "rate-limited")


def test_a_bad_new_password_and_an_absent_database_are_no_failures(here: Company) -> None:
    browser, _, _ = signed_in(here)
    bad = {"old": PASSWORD, "new": "password 123"}
    for _ in range(6):
        refused(browser.post("/auth/password", bad), 422, "validation")


def test_who_was_turned_away_in_a_crowd_did_not_fail(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, login = set_up(here)
    with monkeypatch.context() as crowd:
        crowd.setattr(signing_in, "WAITING", -HASHING)
        for _ in range(6):
            refused(Browser(here).sign_in(login, PASSWORD), 429, "rate-limited")
    assert Browser(here).sign_in(login, PASSWORD).status_code == 204


def test_codes_cannot_be_guessed_in_bulk(here: Company) -> None:
    body = {"code": "A" * 43, "password": PASSWORD}
    for _ in range(50):
        refused(Browser(here).post("/auth/setup", body), 401, "setup-code-spent")
    refused(Browser(here).post("/auth/setup", body), 429, "rate-limited")


def _tries(throttle: Throttle, number: int, client: str, login: str, now: float = 0.0) -> int:
    """How many of `number` may be made."""
    made = 0
    for _ in range(number):
        try:
            throttle.begin(now, client, login)
            made += 1
        except Problem:
            continue
    return made


def test_tries_count_before_they_are_decided() -> None:
    """A hundred at once are a hundred."""
    assert _tries(Throttle(), 100, "192.0.2.1", "anna") == 5


def test_who_tries_somebody_elses_login_does_not_lock_them_out() -> None:
    one = Throttle()
    hour_of_attack = sum(_tries(one, 2, "192.0.2.1", "anna", now) for now in range(0, 3_600, 10))
    assert hour_of_attack == 5 + 59
    assert _tries(one, 1, "198.51.100.1", "anna", 3_595.0) == 1


def test_many_clients_together_are_slowed_on_one_login_and_not_for_good() -> None:
    one = Throttle()
    made = sum(_tries(one, 1, f"192.0.2.{number}", "anna") for number in range(200))
    assert made == 50
    assert _tries(one, 1, "198.51.100.1", "anna", 29.0) == 0
    assert _tries(one, 1, "198.51.100.1", "anna", 30.0) == 1


def test_one_client_is_slowed_over_all_logins() -> None:
    one = Throttle()
    made = sum(_tries(one, 1, "192.0.2.1", f"login-{number}") for number in range(200))
    assert made == 50
    assert _tries(one, 1, "192.0.2.1", "another", 10.0) == 1
    assert _tries(one, 1, "192.0.2.2", "another") == 1, "and nobody else"


def test_all_addresses_of_a_network_of_ipv6_are_one_client() -> None:
    one = Throttle()
    assert _tries(one, 5, "2001:db8::1", "anna") == 5
    assert _tries(one, 1, "2001:db8::2", "anna") == 0
    assert _tries(one, 1, "2001:db8:0:1::1", "anna") == 1


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    one = Throttle()
    assert _tries(one, 6, "192.0.2.1", "anna", 86_400.0) == 5
    assert _tries(one, 6, "192.0.2.1", "anna", 0.0) == 5


def test_what_is_remembered_of_failures_is_bounded_and_the_worst_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 100)
    attempts = Attempts(5, 60)
    for _ in range(5):
        attempts.take("worst", 0.0)
    for number in range(1_000):
        attempts.take(number, 0.0)
        assert len(attempts._full_at) <= 100
    assert attempts.wait("worst", 0.0) == 60


def test_two_passwords_are_looked_at_at_once_and_a_crowd_is_told_to_wait(
    database: str,
) -> None:
    """Each takes 64 MB."""
    service = Service(database, Settings())
    accounts, sessions = Accounts(service), Sessions(service)
    lock, running, most = Lock(), 0, 0
    both = Barrier(HASHING)

    def look() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(10)
        with lock:
            running -= 1

    async def crowd() -> list[Any]:
        here = SigningIn(service, accounts, sessions)
        asked = [here.hash(look) for _ in range(HASHING + WAITING + 3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    try:
        outcomes = asyncio.run(crowd())
    finally:
        service.close()
    assert most == HASHING
    turned_away = [one for one in outcomes if isinstance(one, Problem)]
    assert [one.slug for one in turned_away] == ["rate-limited"] * 3
    assert outcomes.count(None) == HASHING + WAITING


def test_passwords_and_sessions_are_no_business_of_anybody_in_the_database(
    shared_database: str, here: Company
) -> None:
    """Except what the service acts as."""
    assert here.address
    with psycopg.connect(shared_database) as connection:
        for table in ("books.passwords", "books.sessions", "books.identities"):
            (public,) = connection.execute(
                "SELECT has_table_privilege('public', %s, 'SELECT')", [table]
            ).fetchone() or (True,)
            assert not public
