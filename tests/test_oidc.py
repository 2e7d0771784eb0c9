"""Signing in by OpenID Connect, at an issuer that runs in the test, and every way to cheat in it.

The clock is the test's, for the issuer too. Each test begins on a day of its own.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import psycopg
import pytest
from pydantic import ValidationError

from api.accounts import Accounts
from api.settings import Settings
from api.sign_in.under_way import is_path_here
from domain.values import Role
from tests.browser import COOKIE, Browser
from tests.issuer import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    Issuer,
    issuing,
    new_key,
    with_the_public_key_as_a_secret,
    without_a_signature,
)
from tests.over_http import AUTUMN, TLS, Clock, Company, Person, company, refused

HERE = "https://dealfolio.romashka.ru"
UNDER_WAY = "__Host-dealfolio-oidc"
_days = count(1)
_subjects = count(1)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(AUTUMN)


@pytest.fixture(scope="module")
def running(clock: Clock) -> Iterator[Issuer]:
    with issuing(clock) as issuer:
        yield issuer


def settings(issuer: Issuer, **more: Any) -> Settings:
    ours = {
        "public_url": HERE,
        "oidc_issuer": issuer.address,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
    }
    return Settings(**ours | more)


ROLES = {"sales-heads": Role.HEAD, "board": Role.DIRECTOR, "audit": Role.AUDITOR, "it": Role.ADMIN}


@pytest.fixture(scope="module")
def begun(shared_database: str, running: Issuer, clock: Clock) -> Iterator[Company]:
    with company(
        shared_database, AUTUMN, settings(running, oidc_link_by_email=True, oidc_roles=ROLES)
    ) as begun:
        begun.service._now = clock
        yield begun


@pytest.fixture
def here(begun: Company, clock: Clock) -> Company:
    clock.now = AUTUMN + timedelta(days=next(_days))
    return begun


@pytest.fixture
def issuer(running: Issuer, here: Company) -> Issuer:
    """An honest one, which begins anew with `here`'s day."""
    assert here.address
    fresh = Issuer(running.address, running.clock, keys=running.keys[:1])
    for name in ("person", "change", "sign", "metadata", "keys", "odd_keys", "down"):
        setattr(running, name, getattr(fresh, name))
    running.requests.clear()
    running.person = {"sub": f"subject-{next(_subjects)}"}
    return running


def linked(here: Company, issuer: Issuer, role: str = "director", **place: str) -> Person:
    """Somebody whom the issuer will say signs in next."""
    person = here.hire(role, **place)
    path = f"/v1/accounts/{person.account_id}/identity"
    subject = issuer.person["sub"]
    assert here.admin.do(path, {"subject": subject}) == {
        "account_id": person.account_id,
        "issuer": issuer.address,
        "subject": subject,
    }
    return person


def start(browser: Browser, path: str = "/auth/oidc/start") -> str:
    """Where the browser is sent."""
    answer = browser.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def approve(address: str) -> str:
    """The path, with a query, by which the issuer sends the browser back."""
    back = httpx.get(address, verify=TLS)
    assert back.status_code == 302, back.text
    assert back.headers["location"].startswith(f"{HERE}/auth/oidc/callback?")
    return str(back.headers["location"].removeprefix(HERE))


def sign_in(browser: Browser) -> httpx.Response:
    return browser.get(approve(start(browser)))


def changed(path: str, **by: str | None) -> str:
    """`path` with other parameters; None: without them."""
    place, _, query = path.partition("?")
    told: dict[str, str | None] = {}
    told |= dict(parse_qsl(query))
    told |= by
    return f"{place}?{urlencode({name: one for name, one in told.items() if one is not None})}"


# ------------------------------------------------------------------------------------- as it is


def test_whom_the_issuer_vouches_for_signs_in_and_goes_where_they_wanted(
    here: Company, issuer: Issuer
) -> None:
    person = linked(here, issuer)
    browser = Browser(here, HERE)
    answer = browser.get(approve(start(browser, "/auth/oidc/start?next=/deals%3Fas_of=2026-10-01")))
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/deals?as_of=2026-10-01"
    assert set(browser.jar) == {COOKIE}, "what was under way is forgotten"
    browser.open_page()
    assert browser.get("/auth/session").json()["account_id"] == person.account_id
    assert browser.post("/v1/teams", {"name": "Юг"}).status_code == 201


def test_what_goes_to_the_issuer_says_no_more_than_it_must(here: Company, issuer: Issuer) -> None:
    browser = Browser(here, HERE)
    answer = browser.get("/auth/oidc/start")
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(f"{issuer.address}/authorize?")
    assert asked["redirect_uri"] == [f"{HERE}/auth/oidc/callback"]
    secret = browser.jar[UNDER_WAY].split(".")[0]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) == 43
    assert len({asked["state"][0], asked["nonce"][0], asked["code_challenge"][0], secret}) == 4
    assert CLIENT_SECRET not in answer.headers["location"]
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("kind", "alg"), [("RSA", "RS256"), ("EC", "ES256"), ("OKP", "EdDSA")])
def test_keys_of_three_kinds_are_taken(here: Company, issuer: Issuer, kind: str, alg: str) -> None:
    linked(here, issuer)
    issuer.keys = [issuer.keys[0], new_key(kind)]
    issuer.sign = lambda issuer, claims: issuer.signed(claims, issuer.keys[1], alg)
    assert sign_in(Browser(here, HERE)).status_code == 303


# ------------------------------------------------------------------------------ tokens that lie


def _set(**claims: Any) -> Callable[[Claims], object]:
    def change(given: Claims) -> None:
        given.update(claims)

    return change


def _without(name: str) -> Callable[[Claims], object]:
    return lambda claims: claims.pop(name)


def _moved(name: str, seconds: int) -> Callable[[Claims], object]:
    def change(given: Claims) -> None:
        given[name] += seconds

    return change


LIES: dict[str, Callable[[Claims], object]] = {
    "no nonce": _without("nonce"),
    "another nonce": _set(nonce="A" * 43),
    "an empty nonce": _set(nonce=""),
    "no issuer": _without("iss"),
    "another issuer": _set(iss="https://evil.example"),
    "an issuer that begins like it": lambda claims: claims.update(iss=claims["iss"] + "/"),
    "no audience": _without("aud"),
    "another audience": _set(aud="another-client"),
    "no audience in a list": _set(aud=[]),
    "several audiences and nobody it is for": _set(aud=[CLIENT_ID, "another-client"]),
    "for another party": _set(azp="another-client"),
    "several, and for another": _set(aud=[CLIENT_ID, "another-client"], azp="another-client"),
    "no expiry": _without("exp"),
    "expired": _moved("exp", -331),
    "an expiry that is text": _set(exp="9999999999"),
    "issued in the future": _moved("iat", 31),
    "issued long ago": _moved("iat", -601),
    "no time of issue": _without("iat"),
    "not valid yet": lambda claims: claims.update(nbf=claims["iat"] + 31),
    "no subject": _without("sub"),
    "a subject that is a number": _set(sub=7),
    "an empty subject": _set(sub=""),
    "a subject with NUL": _set(sub="a\x00b"),
    "a subject without end": _set(sub="a" * 256),
    "another access token's hash": _set(at_hash="A" * 22),
}
TRUTHS: dict[str, Callable[[Claims], object]] = {
    "as it is": lambda claims: claims,
    "an audience in a list": _set(aud=[CLIENT_ID]),
    "several audiences, and for us": _set(aud=[CLIENT_ID, "another-client"], azp=CLIENT_ID),
    "expired by clocks that differ": _moved("exp", -329),
    "issued by a clock that goes before": _moved("iat", 30),
    "issued ten minutes ago": _moved("iat", -600),
    "valid by a clock that goes before": lambda claims: claims.update(nbf=claims["iat"] + 30),
}


@pytest.mark.parametrize("how", LIES)
def test_a_token_that_is_not_for_this_sign_in_signs_nobody_in(
    here: Company, issuer: Issuer, how: str
) -> None:
    linked(here, issuer)
    issuer.change = LIES[how]
    browser = Browser(here, HERE)
    refused(sign_in(browser), 401, "not-vouched-for")
    assert COOKIE not in browser.jar


@pytest.mark.parametrize("how", TRUTHS)
def test_a_token_that_is_does(here: Company, issuer: Issuer, how: str) -> None:
    linked(here, issuer)
    issuer.change = TRUTHS[how]
    assert sign_in(Browser(here, HERE)).status_code == 303


def _with_a_key_of_somebody_else(issuer: Issuer, claims: Claims) -> str:
    return issuer.signed(claims, new_key())


def _with_a_key_of_somebody_else_under_its_name(issuer: Issuer, claims: Claims) -> str:
    return issuer.signed(claims, new_key(), kid=issuer.keys[0].kid)


def _changed_afterwards(issuer: Issuer, claims: Claims) -> str:
    head, _, signature = issuer.signed(claims).split(".")
    other = issuer.signed(claims | {"sub": "somebody else"}).split(".")[1]
    return f"{head}.{other}.{signature}"


def _with_its_key_in_the_header(issuer: Issuer, claims: Claims) -> str:
    from joserfc import jwt

    assert issuer.address
    key = new_key()
    header = {"alg": "RS256", "jwk": key.as_dict(private=False), "jku": "https://evil.example"}
    return jwt.encode(header, claims, key)


FORGERIES: dict[str, Callable[[Issuer, Claims], str]] = {
    "no signature": without_a_signature,
    "no signature and nothing in its place": lambda issuer, claims: (
        without_a_signature(issuer, claims).rpartition(".")[0] + "."
    ),
    "HS256 with the public key": with_the_public_key_as_a_secret,
    "a key that the issuer has not": _with_a_key_of_somebody_else,
    "such a key under the name of the issuer's": _with_a_key_of_somebody_else_under_its_name,
    "a key that the token itself brings": _with_its_key_in_the_header,
    "changed after it was signed": _changed_afterwards,
    "RS512, which was not agreed on": lambda issuer, claims: issuer.signed(claims, alg="RS512"),
    "no token": lambda _issuer, _claims: "",
    "two parts": lambda issuer, claims: issuer.signed(claims).rpartition(".")[0],
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_token_that_the_issuer_did_not_sign_signs_nobody_in(
    here: Company, issuer: Issuer, how: str
) -> None:
    linked(here, issuer)
    issuer.sign = FORGERIES[how]
    browser = Browser(here, HERE)
    refused(sign_in(browser), 401, "not-vouched-for")
    assert COOKIE not in browser.jar


NO_KEYS = ["as it should be", "expired", "for another audience", *FORGERIES]


@pytest.mark.parametrize("how", [how for how in NO_KEYS if how != "no token"])
def test_no_token_of_an_issuer_is_a_key(here: Company, issuer: Issuer, how: str) -> None:
    linked(here, issuer)
    sign_in(Browser(here, HERE))
    claims = issuer.claims(issuer.person)
    worse: dict[str, Claims] = {"expired": {"exp": 1}, "for another audience": {"aud": "x"}}
    sign = FORGERIES.get(how, Issuer.signed)
    token = sign(issuer, claims | worse.get(how, {}))
    refused(here.person(token).get("/v1/portfolios"), 401, "unauthenticated")


# --------------------------------------------------------------------- ways back that are not ours


def test_a_wrong_state_is_somebody_elses_sign_in(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    for state in ("A" * 43, "", None, "ю"):
        refused(browser.get(changed(back, state=state)), 400, "sign-in-broken-off")
    assert "token" not in issuer.requests, "the code was not even tried"
    assert browser.get(back).status_code == 303


def test_nobody_is_signed_in_to_the_account_of_whoever_sent_them_a_link(
    here: Company, issuer: Issuer
) -> None:
    linked(here, issuer)
    attackers = approve(start(Browser(here, HERE)))
    victim = Browser(here, HERE)
    refused(victim.get(attackers), 400, "sign-in-broken-off")
    start(victim)
    refused(victim.get(attackers), 400, "sign-in-broken-off")
    assert COOKIE not in victim.jar


def test_a_way_back_works_once(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    under_way = dict(browser.jar)
    assert browser.get(back).status_code == 303
    refused(browser.get(back), 400, "sign-in-broken-off")
    replay = Browser(here, HERE, jar=under_way)
    refused(replay.get(back), 401, "not-vouched-for")
    assert COOKIE not in replay.jar


def test_a_code_of_another_sign_in_is_worth_nothing(here: Company, issuer: Issuer) -> None:
    """It was stolen, and put into a sign-in of the thief's: PKCE is against that."""
    linked(here, issuer)
    stolen = dict(parse_qsl(approve(start(Browser(here, HERE))).partition("?")[2]))["code"]
    thief = Browser(here, HERE)
    back = approve(start(thief))
    refused(thief.get(changed(back, code=stolen)), 401, "not-vouched-for")


def test_an_answer_of_another_issuer_is_not_taken(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    refused(browser.get(changed(back, iss="https://evil.example")), 401, "not-vouched-for")
    assert browser.get(changed(back, iss=None)).status_code == 303, "not every issuer says it"


def test_whoever_declines_at_the_issuer_is_not_signed_in(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = changed(approve(start(browser)), code=None, error="access_denied")
    refused(browser.get(back), 401, "not-vouched-for")


def test_parameters_given_twice_are_refused(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    refused(browser.get(f"{back}&state=A"), 422, "validation")


AWAY = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/deals\\..\\evil",
    " //evil.example",
    "javascript:alert(1)",
    "deals",
    "",
    "/auth/oidc/start",
    "/сделки",
    "/" + "a" * 1_000,
]


@pytest.mark.parametrize("path", AWAY)
def test_nobody_is_sent_to_another_site(here: Company, issuer: Issuer, path: str) -> None:
    assert issuer.address
    query = urlencode({"next": path})
    refused(Browser(here, HERE).get(f"/auth/oidc/start?{query}"), 422, "validation")
    refused(Browser(here, HERE).get("/auth/oidc/start?next=/&token=x"), 422, "validation")


@pytest.mark.parametrize("path", AWAY)
def test_nor_by_a_cookie_that_was_tampered_with(here: Company, issuer: Issuer, path: str) -> None:
    from api.sign_in.under_way import Attempt

    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    secret = browser.jar[UNDER_WAY].partition(".")[0]
    browser.jar[UNDER_WAY] = Attempt(secret, path).cookie
    refused(browser.get(back), 400, "sign-in-broken-off")


@pytest.mark.parametrize("cookie", ["", ".", "A" * 43, "A" * 43 + ".!", "A.Lw==", "ю.Lw=="])
def test_a_cookie_that_is_none_of_ours_begins_nothing(
    here: Company, issuer: Issuer, cookie: str
) -> None:
    assert issuer.person
    back = approve(start(Browser(here, HERE)))
    headers = {b"cookie": f"{UNDER_WAY}={cookie}".encode()}
    refused(here.stranger.http.get(back, headers=headers), 400, "sign-in-broken-off")


@pytest.mark.parametrize("path", ["/", "/deals", "/deals?as_of=2026-10-01&x=//y", "/a%2f%2fb"])
def test_a_path_of_ours_is_one(path: str) -> None:
    assert is_path_here(path)


def test_codes_cannot_be_tried_in_bulk(here: Company, issuer: Issuer) -> None:
    assert issuer.person
    browser = Browser(here, HERE)
    back = approve(start(browser))
    for _ in range(50):
        answer = browser.get(changed(back, state="A" * 43))
        refused(answer, 400, "sign-in-broken-off")
    refused(browser.get(back), 429, "rate-limited")


# -------------------------------------------------------------------------- the issuer's own state


def test_a_key_that_is_not_known_is_asked_for_once_a_minute(
    here: Company, issuer: Issuer, clock: Clock
) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    assert sign_in(browser).status_code == 303
    assert issuer.requests.count("jwks") == 1
    assert sign_in(browser).status_code == 303
    assert issuer.requests.count("jwks") == 1, "what is known is not asked for"
    issuer.keys = [new_key()]
    refused(sign_in(browser), 401, "not-vouched-for")
    assert issuer.requests.count("jwks") == 1
    clock.now += timedelta(seconds=60)
    assert sign_in(browser).status_code == 303
    assert issuer.requests.count("jwks") == 2


def test_a_key_that_the_issuer_took_back_holds_an_hour_at_most(
    here: Company, issuer: Issuer, clock: Clock
) -> None:
    linked(here, issuer)
    stolen = issuer.keys[0]
    assert sign_in(Browser(here, HERE)).status_code == 303
    issuer.keys = [new_key()]
    issuer.sign = lambda issuer, claims: issuer.signed(claims, stolen)
    clock.now += timedelta(hours=1)
    refused(sign_in(Browser(here, HERE)), 401, "not-vouched-for")


def test_keys_that_cannot_be_read_do_not_spoil_the_others(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    issuer.odd_keys = [{"kty": "AKP", "kid": "new"}, {"kty": "RSA", "kid": "broken"}, {"kid": "x"}]
    assert sign_in(Browser(here, HERE)).status_code == 303


def test_an_issuer_that_is_away_is_said_to_be(here: Company, issuer: Issuer) -> None:
    linked(here, issuer)
    browser = Browser(here, HERE)
    back = approve(start(browser))
    issuer.down = True
    for _ in range(51):
        refused(browser.get(back), 503, "issuer-unavailable")
    issuer.down = False
    assert browser.get(back).status_code == 303, "and nobody has failed"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": None},
    ],
)
def test_what_an_issuer_says_of_itself_must_be_its_own_and_private(
    here: Company, issuer: Issuer, metadata: Claims
) -> None:
    issuer.metadata = metadata
    refused(Browser(here, HERE).get("/auth/oidc/start"), 401, "not-vouched-for")


# ------------------------------------------------------------------------------ whose account it is


def test_whom_nobody_knows_is_told_what_to_do(here: Company, issuer: Issuer) -> None:
    browser = Browser(here, HERE)
    back = approve(start(browser))
    answer = browser.get(back, accept_language="en")
    problem = refused(answer, 403, "no-account")
    assert issuer.person["sub"] in problem["detail"]
    assert "administrator" in problem["detail"]
    assert COOKIE not in browser.jar


def _with_email(here: Company, email: str, role: str = "auditor", **place: str) -> Person:
    body = {"name": "Анна Соколова", "role": role, "email": email, **place}
    made = here.admin.do("/v1/accounts", body)
    assert made["email"] == email
    return here.person(made["token"], made["account_id"])


def _vouched(issuer: Issuer, email: str) -> None:
    """Whoever signs in next is new here, and the issuer has verified their address."""
    issuer.person = {"sub": f"s-{next(_subjects)}", "email": email, "email_verified": True}


def _signed_in_as(here: Company) -> str:
    browser = Browser(here, HERE)
    answer = sign_in(browser)
    assert answer.status_code == 303, answer.text
    return str(browser.get("/auth/session").json()["account_id"])


def test_a_verified_address_links_once_and_from_then_on_the_subject_counts(
    here: Company, issuer: Issuer
) -> None:
    person = _with_email(here, "anna@romashka.ru")
    subject = issuer.person["sub"]
    issuer.person |= {"email": "Anna@Romashka.ru", "email_verified": True}
    browser = Browser(here, HERE)
    assert sign_in(browser).status_code == 303
    assert browser.get("/auth/session").json()["account_id"] == person.account_id
    issuer.person = {"sub": subject}
    assert sign_in(Browser(here, HERE)).status_code == 303
    issuer.person = {"sub": "new here", "email": "anna@romashka.ru", "email_verified": True}
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_was_not_verified_links_nobody(
    here: Company, issuer: Issuer, verified: object
) -> None:
    _with_email(here, f"{issuer.person['sub']}@romashka.ru")
    issuer.person |= {"email": f"{issuer.person['sub']}@romashka.ru", "email_verified": verified}
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


def test_an_address_of_two_people_links_neither(here: Company, issuer: Issuer) -> None:
    _with_email(here, "office@romashka.ru")
    second = _with_email(here, "OFFICE@romashka.ru")
    _vouched(issuer, "office@romashka.ru")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")
    assert here.admin.http.delete(f"/v1/accounts/{second.account_id}").status_code == 204
    assert _signed_in_as(here), "a closed account has no part in it"


def test_a_manager_is_linked_by_address_like_everybody(here: Company, issuer: Issuer) -> None:
    anna = here.manager()
    person = _with_email(here, "manager@romashka.ru", "manager", manager_id=anna)
    _vouched(issuer, "manager@romashka.ru")
    assert _signed_in_as(here) == person.account_id


def test_an_address_that_was_changed_links_by_what_it_is_now(here: Company, issuer: Issuer) -> None:
    person = _with_email(here, "before@romashka.ru")
    path = f"/v1/accounts/{person.account_id}/email"
    changed = here.admin.do(path, {"email": "After@romashka.ru"})
    assert (changed["account_id"], changed["email"]) == (person.account_id, "After@romashka.ru")
    _vouched(issuer, "before@romashka.ru")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")
    _vouched(issuer, "after@Romashka.ru")
    assert _signed_in_as(here) == person.account_id


def test_an_address_that_was_taken_away_links_nobody(here: Company, issuer: Issuer) -> None:
    person = _with_email(here, "gone@romashka.ru")
    answer = here.admin.do(f"/v1/accounts/{person.account_id}/email", {"email": None})
    assert answer["email"] is None
    _vouched(issuer, "gone@romashka.ru")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


@pytest.mark.parametrize("email", ["\u212aate@romashka.ru", "kate@romashka.ru\u0000", "", 7, ["x"]])
def test_an_address_that_only_looks_alike_is_another(
    here: Company, issuer: Issuer, email: object
) -> None:
    """The sign of the kelvin is a k, in lower case."""
    _with_email(here, f"kate{next(_subjects)}@romashka.ru")
    _with_email(here, "kate@romashka.ru")
    issuer.person |= {"email": email, "email_verified": True}
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


def test_an_address_is_shown_to_administrators_alone_and_forgotten_with_the_rest(
    here: Company, issuer: Issuer, shared_database: str
) -> None:
    before = here.position
    person = _with_email(here, "secret-one@romashka.ru")
    path = f"/v1/accounts/{person.account_id}/email"
    here.admin.do(path, {"email": "secret-two@romashka.ru"})
    events = here.director.ask("/v1/events", after=before)["events"]
    kinds = [(event["type"], event["data"].get("means")) for event in events]
    assert kinds == [
        ("RoleGranted", None), ("SignInSet", "email"), ("KeyIssued", None), ("SignInSet", "email"),
    ]  # fmt: skip
    for one in ("/v1/events", "/v1/managers", "/v1/reads", "/v1/teams"):
        for page in here.director.pages(one):
            assert "secret-" not in str(page), one
    listed = {
        one["account_id"]: one for one in here.admin.ask("/v1/accounts", limit=1_000)["accounts"]
    }
    assert listed[person.account_id]["email"] == "secret-two@romashka.ru"
    for other in (here.director, person):
        refused(other.get("/v1/accounts"), 403, "forbidden")
        refused(other.post(path, {"email": "mine@romashka.ru"}), 403, "forbidden")
    Accounts(here.service).forget(person.account_id)
    with psycopg.connect(shared_database) as connection:
        kept = connection.execute("SELECT FROM books.people WHERE email LIKE 'secret-%'")
        assert kept.fetchall() == []
    refused(here.admin.post(path, {"email": "again@romashka.ru"}), 404, "not-found")
    _vouched(issuer, "secret-two@romashka.ru")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


def test_a_group_gives_a_newcomer_a_role_once_and_the_log_says_so(
    here: Company, issuer: Issuer
) -> None:
    issuer.person |= {"groups": ["everybody", "board", "audit"], "name": "Пётр Волков"}
    before = here.position
    browser = Browser(here, HERE)
    assert sign_in(browser).status_code == 303
    said = browser.get("/auth/session").json()
    assert said["role"] == "director"
    events = here.director.ask("/v1/events", after=before)["events"]
    assert [event["type"] for event in events] == ["RoleGranted", "SignInSet"]
    assert {event["actor"] for event in events} == {"oidc"}
    assert {event["data"]["account_id"] for event in events} == {said["account_id"]}
    (made,) = [
        one
        for one in here.admin.ask("/v1/accounts", limit=1_000)["accounts"]
        if one["account_id"] == said["account_id"]
    ]
    assert made["name"] == "Пётр Волков"
    issuer.person |= {"groups": ["audit"]}
    again = Browser(here, HERE)
    sign_in(again)
    assert again.get("/auth/session").json() == {
        **said, "csrf_token": again.get("/auth/session").json()["csrf_token"]
    }  # fmt: skip
    assert here.position == before + 2


def test_a_newcomer_who_comes_several_times_at_once_has_one_account(
    here: Company, issuer: Issuer
) -> None:
    issuer.person |= {"groups": ["audit"]}
    before = here.position
    browsers = [Browser(here, HERE) for _ in range(4)]
    ways_back = [approve(start(browser)) for browser in browsers]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(Browser.get, browsers, ways_back))
    assert [answer.status_code for answer in answers] == [303] * 4
    accounts = {browser.get("/auth/session").json()["account_id"] for browser in browsers}
    assert len(accounts) == 1
    assert here.position == before + 2


def test_who_was_closed_stays_closed_whatever_the_groups_say(here: Company, issuer: Issuer) -> None:
    issuer.person |= {"groups": ["audit"]}
    browser = Browser(here, HERE)
    assert sign_in(browser).status_code == 303
    account = browser.get("/auth/session").json()["account_id"]
    assert here.admin.http.delete(f"/v1/accounts/{account}").status_code == 204
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


@pytest.mark.parametrize(
    "groups", [["sales-heads"], ["it"], ["everybody"], [], None, "boards", {"board": True}, [["x"]]]
)
def test_groups_that_give_no_role_here_leave_it_to_an_administrator(
    here: Company, issuer: Issuer, groups: object
) -> None:
    """A head needs a team; and nobody becomes an administrator by a list kept elsewhere."""
    issuer.person |= {"groups": groups}
    before = here.position
    refused(sign_in(Browser(here, HERE)), 403, "no-account")
    assert here.position == before


def test_the_log_says_who_linked_whom(here: Company, issuer: Issuer) -> None:
    before = here.position + 2  # a role and a key
    person = linked(here, issuer)
    (event,) = here.director.ask("/v1/events", after=before)["events"]
    assert event["type"] == "SignInSet"
    assert event["data"] == {"account_id": person.account_id, "means": "identity"}
    assert event["actor"] != "oidc"
    assert issuer.person["sub"] not in str(event)


def test_an_identity_is_one_accounts_and_only_administrators_say_whose(
    here: Company, issuer: Issuer
) -> None:
    first = linked(here, issuer)
    browser = Browser(here, HERE)
    sign_in(browser)
    second = here.hire("auditor")
    path = f"/v1/accounts/{second.account_id}/identity"
    subject = issuer.person["sub"]
    refused(here.admin.post(path, {"subject": subject}), 409, "not-allowed-now")
    refused(here.director.post(path, {"subject": "x"}), 403, "forbidden")
    nobodys = "/v1/accounts/00000000-0000-0000-0000-000000000000/identity"
    refused(here.admin.post(nobodys, {"subject": "x"}), 404, "not-found")
    assert browser.get("/v1/portfolios").status_code == 200
    path = f"/v1/accounts/{first.account_id}/identity"
    assert here.admin.post(path, {"subject": f"{subject}-new"}).status_code == 200
    refused(browser.get("/v1/portfolios"), 401, "unauthenticated")
    refused(sign_in(Browser(here, HERE)), 403, "no-account")


def test_without_settings_there_is_no_issuer(database: str) -> None:
    with company(database) as here:
        refused(Browser(here).get("/auth/oidc/start"), 404, "not-found")
        refused(Browser(here).get("/auth/oidc/callback?code=a&state=b"), 400, "sign-in-broken-off")
        path = f"/v1/accounts/{here.hire('auditor').account_id}/identity"
        refused(here.admin.post(path, {"subject": "x"}), 404, "not-found")


def test_by_default_neither_addresses_nor_groups_give_anything(
    database: str, running: Issuer, issuer: Issuer, clock: Clock
) -> None:
    with company(database, clock.now, settings(running)) as here:
        person = _with_email(here, "anna@romashka.ru")
        issuer.person |= {
            "email": "anna@romashka.ru", "email_verified": True, "groups": ["board", "director"]
        }  # fmt: skip
        refused(sign_in(Browser(here, HERE)), 403, "no-account")
        assert person.account_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "http://sso.romashka.ru"},
        {"oidc_issuer": "https://sso.romashka.ru?x"},
        {"oidc_issuer": "https://"},
        {"oidc_issuer": "https://sso.romashka.ru; script-src *"},
        {"oidc_issuer": "https://sso.romashka.ru;script-src"},
        {"oidc_issuer": "https://anna@sso.romashka.ru"},
        {"oidc_issuer": "https://вход.ромашка.рф"},
        {"oidc_client_id": ""},
        {"public_url": None},
        {"public_url": "http://dealfolio.romashka.ru"},
        {"public_url": "https://romashka.ru/dealfolio"},
        {"oidc_roles": {"board": "emperor"}},
    ],
)
def test_settings_that_cannot_be_safe_are_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "public_url": HERE,
        "oidc_issuer": "https://sso.romashka.ru/realms/main",
        "oidc_client_id": CLIENT_ID,
        "oidc_roles": {"board": "director"},
    }
    assert Settings(**right).oidc_roles == {"board": Role.DIRECTOR}
    with pytest.raises(ValidationError):
        Settings(**right | wrong)


def test_the_secret_is_shown_nowhere(running: Issuer) -> None:
    assert CLIENT_SECRET not in repr(settings(running))
